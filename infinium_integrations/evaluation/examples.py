"""The data of an experiment: what the task is given, and by what Maestro judges it, checked before anything runs."""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infinium_integrations.capture.preview import preview
from infinium_integrations.errors import ConfigurationError, ValidationError
from infinium_integrations.models import ExpectedOutcome
from infinium_integrations.recording import options as opts

__all__ = ["Data", "Example", "Rubric", "examples_of"]

Data = Iterable[object] | str | os.PathLike[str]
"""Examples, a DataFrame, or the path of a CSV or JSONL file."""

Rubric = ExpectedOutcome | Mapping[str, object] | str | Callable[[object], object]
"""One rubric for all, or a function of the example that returns one, or None."""

KEYS = ("input", "expected_outcome", "id")
"""Keys of an example that have a meaning of their own."""
FACT_CHARS, HASHED_CHARS = 1_000, 100_000


@dataclass(frozen=True, slots=True)
class Example:
    """One example, read."""

    index: int
    given: object
    """As it stands in the data."""
    input: object
    """What the task is given."""
    id: str
    rubric: ExpectedOutcome | None = None
    facts: dict[str, object] = field(default_factory=dict)
    """What else the example says, as facts of its trace."""


def examples_of(data: Data, rubric: Rubric | None) -> list[Example]:
    """Read the data of an experiment.

    Raises:
        ConfigurationError: The data can't be read, or is empty.
        ValidationError: A rubric that the platform would refuse; the text names the example.
    """
    found = [_example(index, given, rubric) for index, given in enumerate(_listed(data))]
    if not found:
        msg = "data is empty: give at least one example"
        raise ConfigurationError(msg)
    return found


def _listed(data: Data) -> Iterable[object]:
    if isinstance(data, str | os.PathLike):
        return _read(Path(data))
    if isinstance(data, Mapping):
        msg = "data is one dict: give a list of examples"
        raise ConfigurationError(msg)
    to_dict = getattr(data, "to_dict", None)
    if callable(to_dict) and hasattr(data, "columns"):  # a DataFrame
        rows: list[dict[str, object]] = to_dict("records")
        return [{key: value for key, value in row.items() if key == "input" or value == value} for row in rows]  # noqa: PLR0124  (NaN)
    if not isinstance(data, Iterable):
        msg = f"data is a {type(data).__name__}: give a list of examples, a DataFrame, or a CSV or JSONL file's path"
        raise ConfigurationError(msg)
    return data


def _read(path: Path) -> list[object]:
    if path.suffix.lower() not in {".csv", ".jsonl", ".ndjson"}:
        msg = f"data is {str(path)[:200]!r}, no path of a .csv or .jsonl file: give one of these, or a list of examples"
        raise ConfigurationError(msg)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"data: {path} can't be read: {error}"
        raise ConfigurationError(msg) from error
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(text.splitlines(keepends=True))
        return [{key: value for key, value in row.items() if key and (value or key == "input")} for row in rows]
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            msg = f"data: line {number} of {path} is no JSON: {error}"
            raise ConfigurationError(msg) from error
    return found


def _example(index: int, given: object, rubric: Rubric | None) -> Example:
    fields: Mapping[object, object] = given if isinstance(given, Mapping) else {"input": given}
    own = fields.get("expected_outcome")
    if own is None:
        own = rubric(given) if callable(rubric) else rubric
    try:
        outcome = opts.outcome(own)
    except ValidationError as error:
        msg = f"expected_outcome of example {index}: {error}"
        raise ValidationError(msg, field=error.field) from None
    whole = {key: value for key, value in fields.items() if key != "expected_outcome"}
    value = fields.get("input", whole)
    named = fields.get("id")
    if named is None or named == "":
        identity = hashlib.sha256(preview(value, HASHED_CHARS).encode("utf-8", "replace")).hexdigest()[:12]
    else:
        identity = preview(named, FACT_CHARS)
    facts: dict[str, object] = {
        str(key): fact if isinstance(fact, str | int | float) else preview(fact, FACT_CHARS)
        for key, fact in fields.items()
        if key not in KEYS and "input" in fields
    }
    return Example(index, given, value, identity, outcome, facts)
