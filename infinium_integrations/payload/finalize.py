"""The one choke point: a trace's wire dict, as it was recorded, becomes what is stored and sent.

Every free text is redacted here, texts get their final length, and the whole fits the platform's limit.
How each field is finished stands on the models, as annotations.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infinium_integrations.capture.preview import is_secret_key, is_small, preview, to_json_value
from infinium_integrations.models import (
    ACTIONS,
    DURATION_LIMIT,
    INPUT_SUMMARY_LIMIT,
    NAME_LIMIT,
    OUTPUT_SUMMARY_LIMIT,
    PREVIEW_LIMIT,
    STATUSES,
    STEP_FACTS,
    TRACE_FACTS,
    ErrorDetail,
    TaskData,
    Text,
)
from infinium_integrations.payload.shrink import encode, fitted, shrink
from infinium_integrations.redaction.key_names import (
    HIDDEN,
    PAIR_VALUES,
    Cut,
    Redacted,
    hidden,
    hides,
    without_secret_columns,
)
from infinium_integrations.redaction.redactor import Redactor, process_secrets, shorten

__all__ = ["Finisher", "Limits", "build_payload", "encode", "finalize", "finished", "fitted", "shrink"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Characters that are kept of each text of a trace that was recorded in the background."""

    input_summary: int = INPUT_SUMMARY_LIMIT
    output_summary: int = OUTPUT_SUMMARY_LIMIT
    preview: int = PREVIEW_LIMIT
    """Of a step's and a tool call's input and output."""
    description: int = 500
    """Of a step's description."""
    message: int = 1_000
    """Of an error's."""
    metadata: int = 1_000
    """Of each string in metadata and of each tag."""
    document: int = 200
    """Of each retrieved document's beginning, under ``preview`` in metadata."""


def build_payload(task: TaskData, redactor: Redactor | None = None) -> dict[str, object]:
    """Make the payload of a task that is sent directly: redacted, otherwise as given.

    Args:
        task: The trace.
        redactor: What takes the secrets out; by default one that knows this process's own secrets.

    Returns:
        The JSON object to send, in the platform's key order, at most 1,048,576 bytes when encoded.
    """
    return finalize(task.to_wire(), redactor or Redactor(secrets=process_secrets()), cut=False)


def finalize(
    wire: Mapping[str, object], redactor: Redactor, *, cut: bool, limits: Limits | None = None
) -> dict[str, object]:
    """Turn a trace as recorded into what may leave: redacted, safe as JSON, small enough.

    Args:
        wire: What ``TaskData.to_wire`` returns, or a draft like it; it is not changed.
        redactor: What takes the secrets out.
        cut: Cut texts to their limits, as for traces recorded in the background, whose texts are previews with slack.
        limits: Those limits, where they are not the usual ones.

    Returns:
        A new JSON object that ``TaskData.model_validate`` reads, at most 1,048,576 bytes when encoded.
    """
    return shrink(finished(wire, redactor, cut=cut, limits=limits))


def finished(
    wire: Mapping[str, object], redactor: Redactor, *, cut: bool, limits: Limits | None = None
) -> dict[str, object]:
    """Do as ``finalize`` does, but for the size."""
    return Finisher(redactor, cut=cut, limits=limits or Limits()).part(wire, _TASK)


_OUR_KEYS = STEP_FACTS | TRACE_FACTS
_MODEL_KEYS = frozenset({"model_requested"})
_OUR_IDS = frozenset({"run_id", "trace_id", "resumed_from"})
_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
_DIRECT = {"limit": 4_000_000, "room": 4_000_000, "items": 1_000_000, "depth": 50}
_HUGE_BITS = 1_023
_SHORT = 200
"""Characters of a text that is within the least of the limits, a document's."""


class Finisher:
    """Finishes one trace."""

    def __init__(self, redactor: Redactor, *, cut: bool, limits: Limits) -> None:
        self.redactor = redactor
        self.cut = cut
        self.limits = limits
        self._keys: dict[str, tuple[str, bool]] = {}
        """The keys that were met: finished, and whether a secret may stand under them."""
        self._clean = redactor.clean

    def part(self, part: Mapping[str, object], rules: Mapping[str, "_Rule"]) -> dict[str, object]:
        """Finish an object by the rules of its fields; a field without a rule is finished like metadata."""
        finished: dict[str, object] = {}
        for key, value in part.items():
            clean = rules.get(key, _anything)(self, value) if value is not None else None
            if clean is not None:
                finished[key] = clean
        return finished

    def text(self, value: object, limit: int | None = None) -> str:
        """Return a text without its secrets, cut where there is a limit."""
        if type(value) is str and value in self._clean and (limit is None or len(value) <= limit):
            return value
        if type(value) is Redacted:
            return str(value) if limit is None or len(value) <= limit else shorten(value, limit)
        text = readable(value if isinstance(value, str) else preview(value, limit or self.limits.metadata))
        if type(text) is Cut:
            return readable(self.redactor.redact_and_truncate(text, len(text) if limit is None else limit))
        if limit is None or len(text) <= limit:
            clean = self.redactor.text(text)
            return clean if clean is text else readable(clean if limit is None else shorten(clean, limit))
        return readable(self.redactor.redact_and_truncate(text, limit))

    def optional(self, value: object, limit: int | None = None) -> str | None:
        """Finish a text; None where redaction left nothing of it."""
        return self.text(value, limit) or ("" if value == "" else None)

    def required(self, value: object, limit: int | None = None) -> str:
        """Finish a text that must be there; ``[REDACTED]`` where nothing is left."""
        return self.text(value, limit) or ("" if value == "" else HIDDEN)

    def name(self, value: object, limit: int = NAME_LIMIT) -> str:
        """Finish a name, which is never blank."""
        clean = self.text(value, limit)
        return clean if clean.strip() else HIDDEN

    def machine(self, value: object) -> str:
        """Finish a machine's word, of which the user's rule has no say."""
        if type(value) is str and value in self._clean:
            return value
        return self.redactor.builtin(readable(value if isinstance(value, str) else preview(value, NAME_LIMIT)))

    def stack(self, value: object, limit: int) -> str | None:
        """Finish a stack trace: its end is kept."""
        text = readable(value if isinstance(value, str) else preview(value, limit))
        return readable(self.redactor.cut_front(text, limit))[-limit:] or None

    def limit(self, limit: int) -> int | None:
        """Return the limit where texts are cut at all."""
        return limit if self.cut else None

    def metadata(self, value: object) -> object:
        """Finish anything, as a bounded copy."""
        if not is_small(value):
            bounds = {"limit": self.limits.metadata} if self.cut else _DIRECT
            value = to_json_value(value, **bounds)
        return self.value(value)

    def value(self, value: object, key: str = "") -> object:
        """Finish a value out of plain JSON types; a text of which nothing is left becomes ``_GONE``."""
        if isinstance(value, str):
            return self.string(value, key)
        if isinstance(value, dict):
            return self.mapping(value)
        if isinstance(value, list):
            return [item for item in (self.value(item, key) for item in value) if item is not _GONE]
        return preview(value, 0) if type(value) is int and value.bit_length() > _HUGE_BITS else value

    def string(self, value: str, key: str) -> object:
        """Finish a text that stands under a key."""
        # what this library wrote itself: the user's rule has no say in it
        if key in _MODEL_KEYS or (
            (key == "status" and value in STATUSES) or (key in _OUR_IDS and _ID.fullmatch(value) is not None)
        ):
            return self.machine(value)
        clean = self.optional(value, self.limit(self.limits.document if key == "preview" else self.limits.metadata))
        return _GONE if clean is None else clean

    def mapping(
        self, value: dict[str, object], finish: Callable[[object, str], object] | None = None
    ) -> dict[str, object]:
        """Finish an object; ``finish`` finishes each of its values."""
        known_clean: Mapping[Any, None] = self._clean if finish is None else {}
        finish = finish or self.value
        value = without_secret_columns(value)
        finished: dict[str, object] = {}
        for key, item in value.items():
            name, secret = self._keys.get(key) or self._key(key)
            if type(item) is str and len(item) <= _SHORT and item in known_clean and not secret:
                clean: object = item
            elif secret and hides(value, key, item):
                held = hidden(item)
                clean = HIDDEN if held is HIDDEN else finish(held, key)
            else:
                clean = finish(item, key)
            if clean is not _GONE:
                free, number = name, 1
                while free in finished:  # several may have become ``[REDACTED]``
                    number += 1
                    free = f"{name} {number}"
                finished[free] = clean
        return finished

    def _key(self, key: str) -> tuple[str, bool]:
        """Finish a key of the user's; return also whether a secret may stand under it."""
        clean = key if key in _OUR_KEYS or not key else self.name(key)
        found = self._keys[key] = clean, is_secret_key(key) or key.lower() in PAIR_VALUES
        return found


_GONE: object = object()


def readable(text: str) -> str:
    r"""Return a text with lone surrogates, which UTF-8 cannot carry, written as ``\ud800``."""
    if text.isascii():
        return text
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return Cut(clean) if type(text) is Cut else clean


_Rule = Callable[[Finisher, Any], object]


def _anything(finisher: Finisher, value: object) -> object:
    clean = finisher.metadata(value)
    return None if clean is _GONE else clean


def _field(finisher: Finisher, value: object) -> object:
    """Finish a field of a domain section."""
    if isinstance(value, str):
        return finisher.optional(value)
    if isinstance(value, list):
        return [clean for item in value if (clean := finisher.optional(item)) is not None] or None
    return _number(finisher, value) if isinstance(value, (int, float)) else _anything(finisher, value)


def _is_part(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _number(_: Finisher, value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (int, float)) else None


def _duration(_: Finisher, value: object) -> float:
    seconds = value if isinstance(value, (int, float)) and not math.isnan(value) else 0.0
    return min(max(seconds, 0.0), DURATION_LIMIT) if not 0 <= seconds <= DURATION_LIMIT else seconds


def _text_rule(text: Text) -> _Rule:
    """Return the rule of a text as its annotation on the model has it."""
    limit, bound = text.limit or NAME_LIMIT, text.bound
    match text.redact:
        case "machine":
            return lambda finisher, value: finisher.machine(value)
        case "name":
            return lambda finisher, value: finisher.name(value, limit)
        case "action":
            return lambda finisher, value: str(value) if value in ACTIONS else finisher.name(value, limit)
        case "stack":
            return lambda finisher, value: finisher.stack(value, limit)
    finish = Finisher.required if text.redact == "required" else Finisher.optional
    if bound is None:
        return finish
    return lambda finisher, value: finish(finisher, value, finisher.limit(getattr(finisher.limits, bound)))


def _field_rule(field: FieldInfo) -> _Rule:
    """Return the rule of a model's field: by its annotation as a text, else by its type."""
    shape = field.annotation
    kinds = get_args(shape) if get_origin(shape) in {Union, UnionType} else (shape,)
    kind = next((kind for kind in kinds if kind is not NoneType), None)
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    inner = next(iter(get_args(kind)), None)
    text = next((mark for mark in field.metadata if isinstance(mark, Text)), None)
    if text is not None:
        rule = _text_rule(text)
        if get_origin(kind) is not list:
            return rule
        return lambda finisher, value: [one for item in value if (one := rule(finisher, item)) is not None] or None
    if get_origin(kind) is list and _is_part(inner):
        return _each(_rules(inner))
    if _is_part(kind):
        rules = _rules(kind)
        return lambda finisher, value: (finisher.part(value, rules) if isinstance(value, dict) else {}) or None
    return _number if kind in {int, float, bool} else _anything


@functools.cache
def _rules(model: type[BaseModel]) -> dict[str, _Rule]:
    names = TaskData.WIRE_ORDER if model is TaskData else model.model_fields
    return {name: _field_rule(model.model_fields[name]) for name in names if name in model.model_fields}


def _each(rules: Mapping[str, _Rule]) -> _Rule:
    return lambda finisher, value: [finisher.part(item, rules) for item in value if isinstance(item, dict)] or None


def _sections(finisher: Finisher, value: dict[str, Any]) -> dict[str, object] | None:
    rules = {"errors_encountered": _each(_rules(ErrorDetail))}
    finished = {name: finisher.part(section, dict.fromkeys(section, _field) | rules) for name, section in value.items()}
    return {name: section for name, section in finished.items() if section} or None


_TASK: dict[str, _Rule] = {
    **_rules(TaskData),
    "duration": _duration,
    "sections": _sections,
}
