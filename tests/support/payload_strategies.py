"""Whole traces for hypothesis, as keyword arguments that our models and the published SDK's types both take."""

import types
import typing
from datetime import UTC, datetime

import infinium.types as theirs
from hypothesis import strategies as st

from infinium_integrations import models

WORDS = (
    "invoice",
    "Grüße",
    "漢字",
    "refund due",
    "€ 12.50",
    "a,b",
    "two\nlines",
    '"quoted"',
    "{x}",
    "0",
    "naïve 🙂",
    "tab\there",
)
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
floats = st.floats(0, 80_000, allow_nan=False)
counts = st.integers(0, 10**9)
metadata = st.dictionaries(
    texts,
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            texts,
            st.just(""),
        ),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
        max_leaves=6,
    ),
    max_size=3,
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat().replace("+00:00", "Z"),
)
SPECIAL = {"current_datetime": moments, "duration": floats, "step_number": st.integers(1, 10**6), "metadata": metadata}
SPECIAL |= {"custom_tags": st.dictionaries(texts, texts, max_size=3), "performance_metrics": st.one_of(texts, metadata)}
BLANK = {"input_summary", "output_summary", "input_preview", "output_preview"}


def value(name, kind):
    """Give a strategy for one field of the SDK's dataclasses."""
    if name in SPECIAL:
        return SPECIAL[name]
    inner = [part for part in typing.get_args(kind) if part is not type(None)]
    if typing.get_origin(kind) in {typing.Union, types.UnionType}:
        return st.one_of(value(name, part) for part in inner)
    if typing.get_origin(kind) is list:
        return st.lists(value(name, inner[0]), max_size=3)
    if kind is str:
        return st.one_of(st.just(""), texts) if name in BLANK else texts
    simple = {int: counts, float: floats, bool: st.booleans()}
    return simple[kind] if kind in simple else part_of(kind)


def part_of(kind):
    """Give a strategy for pairs: one of the SDK's objects, and the same as a dict."""
    hints = typing.get_type_hints(kind)
    needed = {name for name in hints if not hasattr(kind, name)}
    required = {name: value(name, hint) for name, hint in hints.items() if name in needed}
    optional = {name: value(name, hint) for name, hint in hints.items() if name not in needed}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: Both(kind, fields))


class Both:
    """One part of a trace, for both libraries."""

    def __init__(self, kind, fields):
        self.kind = kind
        self.fields = fields

    def theirs(self):
        return self.kind(**{name: convert(item, "theirs") for name, item in self.fields.items()})

    def ours(self):
        return {name: convert(item, "ours") for name, item in self.fields.items()}

    def __repr__(self):
        return f"{self.kind.__name__}({self.fields})"


def convert(item, side):
    if isinstance(item, Both):
        return getattr(item, side)()
    return [convert(part, side) for part in item] if isinstance(item, list) else item


traces = part_of(theirs.TaskData)
tasks = traces.map(lambda trace: models.TaskData(**trace.ours()))
