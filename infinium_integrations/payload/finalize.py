"""The one choke point: a trace's wire dict, as it was recorded, becomes what is stored and sent.

Every free text is redacted here, texts get their final length, and the whole fits the platform's limit.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infinium_integrations.capture.preview import is_secret_key, preview, to_json_value
from infinium_integrations.models import DESCRIPTION_LIMIT, DURATION_LIMIT, NAME_LIMIT, STACK_LIMIT, TaskData
from infinium_integrations.payload.shrink import encode, shrink
from infinium_integrations.redaction.key_names import HIDDEN, words
from infinium_integrations.redaction.redactor import Redactor, process_secrets

__all__ = ["Limits", "build_payload", "encode", "finalize", "shrink"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Characters that are kept of each text of a trace that was recorded in the background."""

    input_summary: int = 3_000
    output_summary: int = 8_000
    preview: int = 500
    """Of a step's and a tool call's input and output."""
    description: int = 500
    """Of a step's description."""
    message: int = 1_000
    """Of an error's."""
    metadata: int = 1_000
    """Of each string in metadata and of each tag."""
    document: int = 200
    """Of each retrieved document's beginning, under ``preview`` in metadata."""


def build_payload(task: TaskData, redactor: Redactor | None = None) -> dict[str, Any]:
    """Make the payload of a task that is sent directly: redacted, otherwise as given.

    Args:
        task: The trace.
        redactor: What takes the secrets out; by default one that knows this process's own secrets.

    Returns:
        The JSON object to send, in the platform's key order, at most 1,048,576 bytes when encoded.
    """
    return finalize(task.to_wire(), redactor or Redactor(secrets=process_secrets()), cut=False)


def finalize(wire: Mapping[str, Any], redactor: Redactor, *, cut: bool, limits: Limits | None = None) -> dict[str, Any]:
    """Turn a trace as recorded into what may leave: redacted, safe as JSON, small enough.

    Args:
        wire: What ``TaskData.to_wire`` gives, or a draft like it; it is not changed.
        redactor: What takes the secrets out.
        cut: Cut texts to their limits, as for traces recorded in the background, whose texts are previews with slack.
        limits: Those limits, where they are not the usual ones.

    Returns:
        A new JSON object that ``TaskData.model_validate`` reads, at most 1,048,576 bytes when encoded.
    """
    return shrink(_Finisher(redactor, cut=cut, limits=limits or Limits()).part(wire, _TASK))


_STATUSES = frozenset({"ok", "error", "cancelled", "abandoned", "interrupted", "handoff", "incomplete"})
_ACTIONS = words(
    """
    llm_inference tool_use retrieval embedding rerank chain agent workflow_step custom
    """
)
_OUR_KEYS = words(
    """
    parent_step started_ms status name run_id tool_call_id attempt agent node ttft_ms model_requested
    usage_details cache_read cache_creation reasoning cached partial documents id score preview tags events
    trace_id session_id user_id thread_id resumed_from left_open
    """
)
_MODEL_KEYS = frozenset({"model_requested"})
_OUR_IDS = frozenset({"run_id", "trace_id", "resumed_from"})
_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
_DIRECT = {"limit": 4_000_000, "room": 4_000_000, "items": 1_000_000, "depth": 50}
_HUGE_BITS = 1_023


class _Finisher:
    """Finishes one trace."""

    def __init__(self, redactor: Redactor, *, cut: bool, limits: Limits) -> None:
        self.redactor = redactor
        self.cut = cut
        self.limits = limits

    def part(self, part: Mapping[str, Any], rules: Mapping[str, "_Rule"]) -> dict[str, Any]:
        """Finish an object by the rules of its fields; a field without a rule is finished like metadata."""
        finished = ((key, rules.get(key, _anything)(self, value)) for key, value in part.items() if value is not None)
        return {key: value for key, value in finished if value is not None}

    def text(self, value: object, limit: int | None = None) -> str:
        text = readable(value if isinstance(value, str) else preview(value, limit or self.limits.metadata))
        clean = self.redactor.text(text) if limit is None else self.redactor.redact_and_truncate(text, limit)
        return readable(clean)

    def optional(self, value: object, limit: int | None = None) -> str | None:
        """Finish a text; None where redaction left nothing of it."""
        return self.text(value, limit) or ("" if value == "" else None)

    def required(self, value: object, limit: int | None = None) -> str:
        return self.text(value, limit) or ("" if value == "" else HIDDEN)

    def name(self, value: object, limit: int = NAME_LIMIT) -> str:
        clean = self.text(value, limit)
        return clean if clean.strip() else HIDDEN

    def machine(self, value: object) -> str:
        return self.redactor.builtin(readable(value if isinstance(value, str) else preview(value, NAME_LIMIT)))

    def limit(self, limit: int) -> int | None:
        return limit if self.cut else None

    def metadata(self, value: object) -> Any:
        bounds = {"limit": self.limits.metadata} if self.cut else _DIRECT
        return self.value(to_json_value(value, **bounds))

    def value(self, value: Any, key: str = "") -> Any:
        """Finish a value out of plain JSON types; a text of which nothing is left becomes ``_GONE``."""
        if isinstance(value, str):
            return self.string(value, key)
        if isinstance(value, dict):
            return self.mapping(value)
        if isinstance(value, list):
            return [item for item in (self.value(item, key) for item in value) if item is not _GONE]
        return preview(value, 0) if type(value) is int and value.bit_length() > _HUGE_BITS else value

    def string(self, value: str, key: str) -> Any:
        if key in _MODEL_KEYS or _is_ours(key, value):
            return self.machine(value)
        clean = self.optional(value, self.limit(self.limits.document if key == "preview" else self.limits.metadata))
        return _GONE if clean is None else clean

    def mapping(self, value: dict[str, Any]) -> dict[str, Any]:
        finished: dict[str, Any] = {}
        for key, item in value.items():
            clean = HIDDEN if is_secret_key(key) and item not in {None, True, False} else self.value(item, key)
            if clean is not _GONE:
                finished[_free(self.key(key), finished)] = clean
        return finished

    def key(self, key: str) -> str:
        return key if key in _OUR_KEYS or not key else self.name(key)


_GONE: Any = object()


def _is_ours(key: str, value: str) -> bool:
    """Tell a value that this library wrote itself; the user's rule has no say in it."""
    return (key == "status" and value in _STATUSES) or (key in _OUR_IDS and _ID.fullmatch(value) is not None)


def _free(key: str, taken: dict[str, Any]) -> str:
    """Return a key that is not taken yet: several may have become ``[REDACTED]``."""
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key} {number}"
    return free


def readable(text: str) -> str:
    r"""Return a text with lone surrogates, which UTF-8 cannot carry, written as ``\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


_Rule = Callable[[_Finisher, Any], Any]


def _anything(finisher: _Finisher, value: Any) -> Any:
    clean = finisher.metadata(value)
    return None if clean is _GONE else clean


def _field(finisher: _Finisher, value: Any) -> Any:
    """Finish a field of a domain section."""
    if isinstance(value, str):
        return finisher.optional(value)
    if isinstance(value, list):
        return [clean for item in value if (clean := finisher.optional(item)) is not None] or None
    return _number(finisher, value) if isinstance(value, int | float) else _anything(finisher, value)


def _number(_: _Finisher, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float) else None


def _duration(_: _Finisher, value: Any) -> float:
    seconds = value if isinstance(value, int | float) and not math.isnan(value) else 0.0
    return min(max(seconds, 0.0), DURATION_LIMIT) if not 0 <= seconds <= DURATION_LIMIT else seconds


def _machine(finisher: _Finisher, value: Any) -> str:
    return finisher.machine(value)


def _name(finisher: _Finisher, value: Any) -> str:
    return finisher.name(value)


def _action(finisher: _Finisher, value: Any) -> str:
    return str(value) if value in _ACTIONS else finisher.name(value)


def _optional(finisher: _Finisher, value: Any) -> str | None:
    return finisher.optional(value)


def _stack(finisher: _Finisher, value: Any) -> str | None:
    text = readable(value if isinstance(value, str) else preview(value, STACK_LIMIT))
    return readable(finisher.redactor.cut_front(text, STACK_LIMIT))[-STACK_LIMIT:] or None


def _shown(field: str) -> _Rule:
    """Return the rule of an optional text whose limit stands in ``Limits`` under this name."""
    return lambda finisher, value: finisher.optional(value, finisher.limit(getattr(finisher.limits, field)))


def _needed(field: str) -> _Rule:
    return lambda finisher, value: finisher.required(value, finisher.limit(getattr(finisher.limits, field)))


def _one(rules: Mapping[str, _Rule]) -> _Rule:
    """Return the rule of a part of its own."""
    return lambda finisher, value: (finisher.part(value, rules) if isinstance(value, dict) else {}) or None


def _each(rules: Mapping[str, _Rule]) -> _Rule:
    return lambda finisher, value: [finisher.part(item, rules) for item in value if isinstance(item, dict)] or None


def _texts(finisher: _Finisher, value: Any) -> list[str] | None:
    return [clean for item in value if (clean := finisher.optional(item)) is not None] or None


def _sections(finisher: _Finisher, value: dict[str, Any]) -> dict[str, Any] | None:
    rules = {"errors_encountered": _each(_ERROR)}
    finished = {name: finisher.part(section, dict.fromkeys(section, _field) | rules) for name, section in value.items()}
    return {name: section for name, section in finished.items() if section} or None


_ERROR: dict[str, _Rule] = {
    "error_type": _name,
    "message": _needed("message"),
    "recoverable": _number,
    "retry_count": _number,
    "stack_trace": _stack,
    "error_code": _optional,
}
_LLM_CALL: dict[str, _Rule] = {
    "model": _machine,
    "provider": _machine,
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "latency_ms", "temperature"), _number),
    "purpose": _optional,
}
_TOOL_CALL: dict[str, _Rule] = {
    "tool_name": _name,
    "input_summary": _shown("preview"),
    "output_summary": _shown("preview"),
    "error": _one(_ERROR),
    **dict.fromkeys(("duration_ms", "http_status"), _number),
}
_STEP: dict[str, _Rule] = {
    "action": _action,
    "description": _needed("description"),
    "input_preview": _shown("preview"),
    "output_preview": _shown("preview"),
    "error": _one(_ERROR),
    "tool_call": _one(_TOOL_CALL),
    "llm_call": _one(_LLM_CALL),
    "metadata": _anything,
    **dict.fromkeys(("step_number", "duration_ms"), _number),
}
_USAGE: dict[str, _Rule] = {
    "model": _machine,
    "provider": _machine,
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens", "estimated_cost_usd"), _number),
    **dict.fromkeys(("api_calls_count", "total_latency_ms"), _number),
    "calls": _each(_LLM_CALL),
}
_ENVIRONMENT: dict[str, _Rule] = {
    **dict.fromkeys(("framework", "framework_version", "python_version", "sdk_version"), _machine),
    **dict.fromkeys(("runtime", "region"), _optional),
    "custom_tags": _anything,
}
_PROMPT: dict[str, _Rule] = {
    **dict.fromkeys(("prompt_id", "source", "fetched_at"), _machine),
    "prompt_name": _name,
    "version": _number,
    "variables_used": _texts,
}
_TASK: dict[str, _Rule] = {
    "name": _name,
    "description": lambda finisher, value: finisher.name(value, DESCRIPTION_LIMIT),
    "current_datetime": _machine,
    "duration": _duration,
    "input_summary": _shown("input_summary"),
    "output_summary": _shown("output_summary"),
    "expected_outcome": _one({"task_objective": lambda finisher, value: finisher.name(value, DESCRIPTION_LIMIT)}),
    "steps": _each(_STEP),
    "errors": _each(_ERROR),
    "llm_usage": _one(_USAGE),
    "sections": _sections,
    "environment": _one(_ENVIRONMENT),
    "prompt_studio": _one({"prompts_used": _each(_PROMPT)}),
}
