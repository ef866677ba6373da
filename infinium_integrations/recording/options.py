"""What a handler, ``trace()`` or a builder is told, checked once when it is made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypedDict, TypeVar

import pydantic

from infinium_integrations import settings
from infinium_integrations.capture.preview import preview
from infinium_integrations.errors import ConfigurationError, ValidationError
from infinium_integrations.models import DESCRIPTION_LIMIT, NAME_LIMIT, SECTIONS, ExpectedOutcome
from infinium_integrations.recording.run import Options

Model = TypeVar("Model", bound=pydantic.BaseModel)

FACT_CHARS = 1_000

__all__ = ["HandlerOptions", "explain", "identify", "make_options", "outcome", "section"]


# HandlerOptions
class HandlerOptions(TypedDict, total=False):
    """The keyword arguments of both handlers and of ``instrument()``."""

    name: str | None
    description: str | None
    expected_outcome: ExpectedOutcome | Mapping[str, Any] | str | None
    sections: Mapping[str, Any] | None
    tags: Iterable[str] | str
    metadata: Mapping[str, Any] | None
    capture_content: bool
    detail: Literal["default", "full"]
    redact: Callable[[str], str] | None
    client: Any
    preview_chars: int


def make_options(
    *,
    name: str | None = None,
    description: str | None = None,
    expected_outcome: ExpectedOutcome | Mapping[str, Any] | str | None = None,
    sections: Mapping[str, Any] | None = None,
    tags: Iterable[str] | str = (),
    metadata: Mapping[str, Any] | None = None,
    capture_content: bool = True,
    detail: str = "default",
    redact: Any = None,
    client: Any = None,
    preview_chars: int = 500,
    **unknown: Any,
) -> Options:
    """Check the arguments that both handlers and ``trace()`` share.

    Raises:
        ConfigurationError: An argument cannot work; the text names it.
        ValidationError: A name, a rubric or a section that the platform would refuse.
    """
    names = ", ".join(name for name in Options.__slots__ if name != "full")
    _check(not unknown, f"no option is named {', '.join(unknown)}; the options are: {names}, detail")
    _check(isinstance(capture_content, bool), "capture_content must be True or False")
    _check(metadata is None or isinstance(metadata, Mapping), "metadata must be a dict")
    _check(sections is None or isinstance(sections, Mapping), "sections must be a dict of sections by name")
    _check(isinstance(tags, Iterable), "tags must be a list of str")
    _check(detail in {"default", "full"}, f'detail must be "default" or "full", not {detail!r}')
    _check(redact is None or callable(redact), "redact must be a function that takes and gives a str")
    _check(client is None or hasattr(client, "send_task_data"), "client must have a method send_task_data(TaskData)")
    _check(isinstance(preview_chars, int) and preview_chars > 0, "preview_chars must be a whole number above 0")
    return Options(
        name=checked_text("name", name, NAME_LIMIT),
        description=checked_text("description", description, DESCRIPTION_LIMIT),
        expected_outcome=outcome(expected_outcome),
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
    """Give a name or description as it is, or say what is wrong with it."""
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
    """Give the rubric from a model, a dict of its fields, or the objective alone.

    Raises:
        ValidationError: It is none of these.
    """
    if value is None or isinstance(value, ExpectedOutcome):
        return value
    if isinstance(value, str):
        value = {"task_objective": value}
    return _validated("expected_outcome", ExpectedOutcome, value)


def section(name: str, value: object) -> pydantic.BaseModel:
    """Give a domain section from a model or a dict of its fields.

    Raises:
        ValidationError: No such section, or no such field in it.
    """
    if name not in SECTIONS:
        msg = f"{name!r} is not a section; the sections are: {', '.join(SECTIONS)}"
        raise ValidationError(msg, field=name)
    found: pydantic.BaseModel = _validated(name, SECTIONS[name], value)
    return found


def _validated(field: str, kind: type[Model], value: object) -> Model:
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as error:
        raise explain(error, field) from None


def explain(error: pydantic.ValidationError, prefix: str = "") -> ValidationError:
    """Turn pydantic's error into ours: the field, what is wrong, and what to do, without the value."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    lines = []
    for fault in faults:
        path = ".".join(str(part) for part in ((prefix, *fault["loc"]) if prefix else fault["loc"]))
        lines.append((path, f"{path}: {fault['msg'].removeprefix('Value error, ')}"))
    return ValidationError("; ".join(line for _, line in lines), field=lines[0][0])


def identify(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Give the session, user and thread that a run's metadata names."""
    facts: dict[str, str] = {}
    for name in ("session_id", "user_id", "thread_id"):
        value = metadata.get(name)
        if value is not None and value != "":
            facts[name] = preview(value, FACT_CHARS)
    if "session_id" not in facts:
        other = metadata.get("conversation_id") or metadata.get("thread_id")
        if other is not None:
            facts["session_id"] = preview(other, FACT_CHARS)
    return facts
