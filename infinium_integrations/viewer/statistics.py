"""Statistics of many runs: runs over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infinium_integrations.storage.index.query import Sums, percentile_of_sorted
from infinium_integrations.storage.reader import TraceReader

__all__ = ["NOTHING", "Overview", "overview", "percentile"]

BUCKETS = 40
SECOND = 10**9
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
SIZES = [
    *(SECOND * n for n in (1, 2, 5, 15, 30)),
    *(MINUTE * n for n in (1, 2, 5, 15, 30)),
    *(HOUR * n for n in (1, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 5, 14, 30, 90, 180, 365)),
]
"""Lengths of a bucket, in nanoseconds: each at most three times the one before, so that there are a dozen or more."""


@dataclass(frozen=True)
class Overview:
    """Runs over time. ``buckets`` are stretches of ``size`` nanoseconds without gaps, oldest first."""

    total: Sums
    buckets: list[Sums]
    size: int


NOTHING = Overview(Sums(), [], SIZES[0])
"""No runs."""


def percentile(values: Iterable[float], share: int) -> float | None:
    """Return the smallest value that ``share`` per cent of the values do not exceed; None of no values."""
    return percentile_of_sorted(sorted(values), share)


def overview(reader: TraceReader, query: dict[str, Any]) -> Overview:
    """Sum up the runs that a query finds, and those of each of at most about 40 stretches of time.

    Args:
        reader: Where the traces are.
        query: Keyword arguments of the reader's methods.
    """
    span = reader.span(**query)
    total = next(iter(reader.sums(None, **query)), Sums())
    if span is None:
        return Overview(total, [], SIZES[0])
    size = next((size for size in SIZES if size * BUCKETS >= span[1] - span[0]), SIZES[-1])
    within = {**query, "since": span[0]}  # what is stored meanwhile and ended long ago would make too many
    found = {one.start: one for one in reader.sums(size, **within)}
    starts = range(min(found, default=0), max(found, default=-1) + 1, size)
    return Overview(total, [found.get(start) or Sums(start) for start in starts], size)
