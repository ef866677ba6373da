"""Data that is known only at run time, made to fit: ``trace()`` and its steps never raise for what they are given.

What does not fit is cut, converted or dropped, and said once with the field's name. An unknown field still raises: that
is known when the program is written.
"""

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from infinium_integrations import diagnostics
from infinium_integrations.capture.preview import SLACK, Cut, cut, preview
from infinium_integrations.models import SECTIONS, ExpectedOutcome, Text
from infinium_integrations.recording import options as opts

__all__ = ["model", "noted", "options", "said", "section", "text"]

Model = TypeVar("Model", bound=pydantic.BaseModel)

CHARS = 10_000
"""Of a text that is made of something else."""

_NUMBER = re.compile(r"\s*([+-]?\d{1,18}(?:\.\d{1,18})?)")
_PROGRAMMING = {"extra_forbidden"}
"""Kinds of pydantic's errors that show when the program is written."""


FIELDS_NOTED = 20

_facts: ContextVar[dict[str, str] | None] = ContextVar("infinium_adjusted", default=None)


@contextlib.contextmanager
def noted(facts: dict[str, str]) -> Iterator[None]:
    """Note in a trace's facts, under ``adjusted``, which fields are adjusted inside the block."""
    token = _facts.set(facts)
    try:
        yield
    finally:
        _facts.reset(token)


def said(field: str, what: str) -> None:
    """Say once that a field was adjusted, and note it in the trace."""
    facts = _facts.get()
    if facts is not None:
        fields = [name for name in facts.get("adjusted", "").split(", ") if name]
        if field not in fields and len(fields) < FIELDS_NOTED:
            facts["adjusted"] = ", ".join([*fields, field])
    diagnostics.warn_once(("adjusted", field), "trace(): %s does not fit and was %s.", field, what)


def text(field: str, value: object, limit: int, otherwise: str) -> str:
    """Return a name or description that fits: cut, converted, or another where nothing is left."""
    found = value if isinstance(value, str) else "" if value is None else preview(value, limit)
    if found is not value or not found.strip():
        said(field, "converted" if found.strip() else "replaced")
    if len(found) > limit:
        said(field, f"cut to {limit:,} characters")
        found = cut(found, limit)
    return found if found.strip() else otherwise


def model(kind: type[Model], field: str, given: Mapping[str, object]) -> Model | None:
    """Return a model of what fits of the given fields; None where too little does.

    Args:
        kind: The model.
        field: What it is called in a warning.
        given: Its fields; not changed.

    Raises:
        ValidationError: A field is unknown.
    """
    fields: Any = _copy(given)
    tried: set[tuple[int | str, ...]] = set()
    while True:
        try:
            return kind.model_validate(fields)
        except pydantic.ValidationError as error:
            lines = error.errors(include_url=False)
            if any(line["type"] in _PROGRAMMING for line in lines):
                return opts.validated(field, kind, given)  # which raises an error of ours
            if not all(_mend(kind, fields, line, tried, field) for line in lines):
                said(field, "dropped")
                return None


def options(given: opts.TraceOptions) -> opts.TraceOptions:
    """Return the options of ``trace()`` of which those fit that are known only at run time.

    Raises:
        ValidationError: A section, or a field of one, is unknown.
    """
    fitting = given.copy()
    outcome, sections = given.get("expected_outcome"), given.get("sections")
    if outcome is not None and not isinstance(outcome, ExpectedOutcome):
        fields = outcome if isinstance(outcome, Mapping) else {"task_objective": outcome}
        fitting["expected_outcome"] = model(ExpectedOutcome, "expected_outcome", fields)
    if isinstance(sections, Mapping):
        found = {name: section(name, data) for name, data in sections.items()}
        fitting["sections"] = {name: data for name, data in found.items() if data is not None}
    if not isinstance(given.get("metadata") or {}, Mapping):
        said("metadata", "dropped")
        del fitting["metadata"]
    return fitting


def section(name: str, data: object) -> pydantic.BaseModel | None:
    """Return a domain section of what fits; None where nothing does.

    Raises:
        ValidationError: It, or a field of it, is unknown.
    """
    kind = SECTIONS.get(name)
    if kind is None or isinstance(data, kind):
        return opts.section(name, data)
    return model(kind, name, data if isinstance(data, Mapping) else {})


def _copy(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value.model_dump(exclude_unset=True) if isinstance(value, pydantic.BaseModel) else value


def _mend(
    kind: type[pydantic.BaseModel], fields: Any, line: ErrorDetails, tried: set[tuple[int | str, ...]], name: str
) -> bool:
    """Convert what is wrong, or take it out where that was tried; False where neither helps."""
    path: tuple[Any, ...] = line["loc"]
    holder: Any = fields
    for part in path[:-1]:
        holder = holder[part] if isinstance(holder, dict | list) else None
    if not path or not isinstance(holder, dict | list) or (isinstance(holder, dict) and path[-1] not in holder):
        return False
    where = f"{name}.{path[0]}"  # a field of ours; what lies below it may be the user's word
    fitting = None if path in tried else _fitting(kind, line, holder[path[-1]])
    tried.add(path)
    if fitting is None:
        said(where, "dropped")
        if isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = ""
    else:
        said(where, "converted")
        holder[path[-1]] = fitting
    return True


def _fitting(kind: type[pydantic.BaseModel], line: ErrorDetails, value: object) -> object:
    """Return what can be made of a value; None for nothing."""
    wanted = line["type"].partition("_")[0]
    if wanted in {"int", "float"}:
        written = _NUMBER.match(value) if isinstance(value, str) else None
        number = float(written[1]) if written else value
        if not isinstance(number, int | float) or not math.isfinite(number):
            return None
        return int(float(number)) if wanted == "int" else float(number)
    if wanted == "string":
        text = preview(value, CHARS)
        return _ended(text, CHARS) if type(text) is Cut else text
    found = kind.model_fields.get(str(line["loc"][0])) if len(line["loc"]) == 1 else None
    limit = next((mark.limit for mark in (found.metadata if found else ()) if isinstance(mark, Text)), None)
    if wanted == "value" and isinstance(value, str) and limit and len(value) > limit:
        return _ended(value, limit)
    return None


def _ended(text: str, limit: int) -> str:
    """Return the beginning of a text for a model, which forgets that it was cut: without its last word.

    That may be the beginning of a secret.
    """
    beginning = text[: limit - 1]
    word = len(beginning.rsplit(None, 1)[-1]) if beginning.strip() else 0
    return f"{beginning[: len(beginning) - word] if word < SLACK else beginning}…"
