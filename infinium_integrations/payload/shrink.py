"""A payload as bytes, and the trimming of one that is too large: previews first, then steps from the middle."""

import json
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic_core import to_json

from infinium_integrations.models import TRACE_FACTS, ErrorDetail, ExecutionStep, TaskData, Text, ToolCall
from infinium_integrations.redaction.redactor import shorten

__all__ = ["LIMIT", "encode", "fitted", "shrink"]

LIMIT: Final = 1_048_576
"""Bytes of a whole payload that the platform takes."""

Json = dict[str, Any]


def encode(payload: Mapping[str, object]) -> bytes:
    """Write a payload as compact UTF-8 JSON by RFC 8259.

    Raises:
        ValueError: It holds NaN, infinity or a lone surrogate, which ``finalize`` takes out.
    """
    body = to_json(payload)
    if b"NaN" in body or b"Infinity" in body:  # in a text, or as what JSON does not have
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return body


def fitted(payload: Json) -> tuple[Json, bytes]:
    """Return a payload that the platform takes, the given one where it does, and its bytes."""
    body = encode(payload)
    if len(body) <= LIMIT:
        return payload, body
    smaller = shrink(payload)
    return smaller, encode(smaller)


def shrink(payload: Json, limit: int = LIMIT) -> Json:
    """Trim a payload until it fits, the given one where it does; numbers, names and totals stay.

    Previews are shortened first; then steps are left out from the middle, and one step there says how many. A trace
    that is large elsewhere has its longest texts and lists shortened.

    Args:
        payload: What ``finalize`` makes; it is not changed.
        limit: Bytes, from 4,096 on.
    """
    if _size(payload) <= limit:
        return payload
    steps = payload.get("steps") or []
    rest = {key: value for key, value in payload.items() if key != "steps"}
    rest = _squeezed(rest, max(limit - _size(steps), limit // 2)) or _least(rest)
    kept = _fitting_steps(steps, limit - _size(rest) - len(',"steps":'), limit)
    return {key: kept if key == "steps" else rest[key] for key in payload if (kept if key == "steps" else key in rest)}


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


_SQUEEZES = ((10_000, 2_000), (8_000, 200), (1_000, 50), (100, 20))
"""Characters of each text and entries of each list or object, ever fewer."""


def _squeezed(value: Json, room: int) -> Json | None:
    if _size(value) <= room:
        return value
    trials = (_squeeze(value, chars, items) for chars, items in _SQUEEZES)
    return next((trial for trial in trials if _size(trial) <= room), None)


def _squeeze(value: object, chars: int, items: int) -> Any:
    if isinstance(value, str):
        return shorten(value, chars)
    if isinstance(value, list):
        some = value if len(value) <= items else [*value[: items // 2], *value[len(value) - items // 2 :]]
        return [_squeeze(item, chars, items) for item in some]
    if isinstance(value, dict):
        kept = (
            value
            if len(value) <= items
            else [*list(value)[:items], *(key for key in list(value)[items:] if key in TRACE_FACTS)]
        )
        return {key: _squeeze(value[key], chars, items) for key in kept}
    return value


_REQUIRED = tuple(name for name, field in TaskData.model_fields.items() if field.default is not None)
_STEP_REQUIRED = (*(name for name, field in ExecutionStep.model_fields.items() if field.is_required()), "duration_ms")


def _least(rest: Json) -> Json:
    """Return what a trace cannot do without."""
    least: Json = {key: _squeeze(rest[key], 100, 0) for key in _REQUIRED if key in rest}
    usage, environment = rest.get("llm_usage"), rest.get("environment")
    if usage:
        least["llm_usage"] = {key: _squeeze(value, 100, 0) for key, value in usage.items() if key != "calls"}
    tags = (environment or {}).get("custom_tags") or {}
    if kept := {key: _squeeze(value, 64, 0) for key, value in tags.items() if key in TRACE_FACTS}:
        least["environment"] = {"custom_tags": kept}
    return least


_PREVIEWS = (200, 50, 0)
_SMALLEST_STEP = 60
_LARGE_STEP = 8_192


def _fitting_steps(steps: list[Json], room: int, limit: int) -> list[Json]:
    lengths = _PREVIEWS if len(steps) * _SMALLEST_STEP < room else _PREVIEWS[-1:]
    trial = steps
    for length in lengths:
        if _size(trial) <= room:
            return trial
        trial = [_with_previews(step, length) for step in steps]
    trial = [
        _squeezed(step, _LARGE_STEP) or {key: _squeeze(step[key], 100, 0) for key in _STEP_REQUIRED if key in step}
        for step in trial
    ]
    return trial if _size(trial) <= room else _without_middle(trial, room, limit)


def _with_previews(step: Json, length: int) -> Json:
    """Return a step with its previews cut to a length; at 0 it has none."""
    short: Json = {}
    for key, value in step.items():
        if key in _TEXTS:
            short[key] = shorten(value, length) or None
        elif key in _PARTS and isinstance(value, dict):
            short[key] = _with_previews(value, length)
        else:
            short[key] = value
    return {key: value for key, value in short.items() if value is not None}


_PARTS = frozenset(
    name
    for name, field in ExecutionStep.model_fields.items()
    if any(part in get_args(field.annotation) for part in (ToolCall, ErrorDetail))
)
_TEXTS = frozenset(
    name
    for part in (ExecutionStep, ToolCall, ErrorDetail)
    for name, field in part.model_fields.items()
    if any(isinstance(mark, Text) and mark.preview for mark in field.metadata)
)


def _without_middle(steps: list[Json], room: int, limit: int) -> list[Json]:
    sizes = [_size(step) + 1 for step in steps]
    half = (room - 300) // 2
    head = _fitting(sizes, half)
    tail = min(_fitting(sizes[::-1], half), len(steps) - head)
    left_out = steps[head : len(steps) - tail]
    if not left_out:
        return steps
    first = left_out[0].get("step_number", head + 1)
    following = steps[len(steps) - tail] if tail else {"step_number": steps[-1].get("step_number", 0) + 1}
    number = following.get("step_number", 0)
    # the number of the first step after the gap counts also those that were never in the list
    count = max(len(left_out), (number if isinstance(number, int) else 0) - first)
    mark = f"{count:,} steps left out here: the whole trace is larger than {limit:,} bytes"
    marker = {"step_number": first, "action": "custom", "description": mark}
    return [*steps[:head], marker, *steps[len(steps) - tail :]]


def _fitting(sizes: list[int], room: int) -> int:
    """Return how many of the first sizes fit."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > room:
            return count
    return len(sizes)
