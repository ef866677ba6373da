"""What a handler, ``trace()`` or a builder is given, checked once when it is made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypedDict, TypeVar, Unpack

import pydantic

from infinium_integrations import settings
from infinium_integrations.capture.preview import preview
from infinium_integrations.errors import ConfigurationError, ValidationError, did_you_mean
from infinium_integrations.models import (
    DESCRIPTION_LIMIT,
    NAME_LIMIT,
    PREVIEW_LIMIT,
    SECTIONS,
    ExpectedOutcome,
    field_errors,
)
from infinium_integrations.recording.run import Options, TraceClient

__all__ = [
    "HandlerOptions",
    "TraceOptions",
    "checked_text",
    "identify",
    "make_options",
    "outcome",
    "section",
    "validated",
]

Model = TypeVar("Model", bound=pydantic.BaseModel)

FACT_CHARS = 1_000


class TraceOptions(TypedDict, total=False):
    """The keyword arguments that ``trace()`` takes beside its name and description, all optional."""

    expected_outcome: ExpectedOutcome | Mapping[str, object] | str | None
    """The rubric by which Maestro grades, or its objective alone."""
    sections: Mapping[str, object] | None
    """Domain sections by name, each a model or a dict of its fields."""
    tags: Iterable[str] | str
    """Tags of every trace, or one."""
    metadata: Mapping[str, object] | None
    """Your own metadata; ``session_id`` and ``user_id`` name the session and the user."""
    capture_content: bool
    """False records no texts of inputs and outputs."""
    detail: Literal["default", "full"]
    """``"full"`` makes a step of every run, plumbing included."""
    redact: Callable[[str], str] | None
    """Called on the writer's thread for every free text, after our own redaction."""
    client: TraceClient | None
    """Takes the finished traces, in place of the background sender."""
    preview_chars: int
    """Characters of a step's input and output that are sent."""


class HandlerOptions(TraceOptions, total=False):
    """The keyword arguments that the handlers and ``instrument()`` take, all optional."""

    name: str | None
    """The trace's name, at most 500 characters."""
    description: str | None
    """At most 10,000 characters; the name where left out."""


def make_options(**options: Unpack[HandlerOptions]) -> Options:
    """Check the arguments that both handlers and ``trace()`` share.

    Raises:
        ConfigurationError: An argument cannot work; the text names it.
        ValidationError: A name, a rubric or a section that the platform would refuse.
    """
    known = HandlerOptions.__annotations__
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        msg = f"no option is named {unknown}{did_you_mean(unknown, known) or ';'} the options are: {', '.join(known)}"
        raise ConfigurationError(msg)
    sections, metadata, tags = options.get("sections"), options.get("metadata"), options.get("tags", ())
    capture_content, detail = options.get("capture_content", True), options.get("detail", "default")
    redact, client, preview_chars = (
        options.get("redact"),
        options.get("client"),
        options.get("preview_chars", PREVIEW_LIMIT),
    )
    _check(isinstance(capture_content, bool), "capture_content must be True or False")
    _check(metadata is None or isinstance(metadata, Mapping), "metadata must be a dict")
    _check(sections is None or isinstance(sections, Mapping), "sections must be a dict of sections by name")
    _check(isinstance(tags, Iterable), "tags must be a list of str")
    _check(detail in ("default", "full"), f'detail must be "default" or "full", not {detail!r}')
    _check(redact is None or callable(redact), "redact must be a function that takes and returns a str")
    _check(client is None or hasattr(client, "send_task_data"), "client must have a method send_task_data(TaskData)")
    _check(isinstance(preview_chars, int) and preview_chars > 0, "preview_chars must be a whole number above 0")
    return Options(
        name=checked_text("name", options.get("name"), NAME_LIMIT),
        description=checked_text("description", options.get("description"), DESCRIPTION_LIMIT),
        expected_outcome=outcome(options.get("expected_outcome")),
        sections={key: section(key, value) for key, value in (sections or {}).items()},
        tags=(tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags),
        metadata=dict(metadata or {}),
        capture_content=capture_content and settings.current().capture_content,
        full=detail == "full",
        redact=redact,
        client=client,
        preview_chars=preview_chars,
    )


def _check(holds: bool, message: str) -> None:  # noqa: FBT001
    if not holds:
        raise ConfigurationError(message)


def checked_text(field: str, value: object, limit: int) -> str | None:
    """Return a name or description as it is, or raise saying what is wrong with it."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        found = "blank" if isinstance(value, str) else f"a {type(value).__name__}"
        msg = f"{field} is {found}: it must be a text with at least one visible character"
        raise ValidationError(msg, field=field)
    if len(value) > limit:
        msg = f"{field} has {len(value)} characters; the limit is {limit}"
        raise ValidationError(msg, field=field)
    return value


def outcome(value: object) -> ExpectedOutcome | None:
    """Return the rubric from a model, a dict of its fields, or the objective alone.

    Raises:
        ValidationError: It is none of these.
    """
    if value is None or isinstance(value, ExpectedOutcome):
        return value
    if isinstance(value, str):
        value = {"task_objective": value}
    return validated("expected_outcome", ExpectedOutcome, value)


def section(name: str, value: object) -> pydantic.BaseModel:
    """Return a domain section from a model or a dict of its fields.

    Raises:
        ValidationError: No such section, or no such field in it.
    """
    if name not in SECTIONS:
        guess = did_you_mean(str(name), SECTIONS) or ";"
        msg = f"{name!r} is not a section{guess} the sections are: {', '.join(SECTIONS)}"
        raise ValidationError(msg, field=name)
    kind: type[pydantic.BaseModel] = SECTIONS[name]
    return validated(name, kind, value)


def validated(field: str, kind: type[Model], value: object) -> Model:
    """Return a model of ``value``, or raise our ``ValidationError``: the field and what is wrong, without the value."""
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as error:
        found = field_errors(error, field)
        text = "; ".join(f"{path}: {wrong}" for path, wrong in found)
        raise ValidationError(text, field=found[0][0]) from None


def identify(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return the session, user and thread that a run's metadata names."""
    found: dict[str, str] = {}
    for name in ("session_id", "user_id", "thread_id"):
        value = metadata.get(name)
        if value is not None and value != "":
            found[name] = preview(value, FACT_CHARS)
    if "session_id" not in found:
        other = metadata.get("conversation_id") or metadata.get("thread_id")
        if other is not None:
            found["session_id"] = preview(other, FACT_CHARS)
    return found
