"""Statistics of many runs: runs over time, and the totals of each step."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infinium_integrations.models import TaskData
from infinium_integrations.storage.index.query import Sums
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.viewer.timeline import Tree

__all__ = ["NOTHING", "Overview", "StepSum", "overview", "percentile", "step_sums"]

BUCKETS = 40
MINUTE = 60 * 10**9
HOUR, DAY = 60 * MINUTE, 1_440 * MINUTE
SIZES = [
    *(MINUTE * n for n in (1, 5, 15)),
    *(HOUR * n for n in (1, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 30, 90, 365)),
]
"""Lengths of a bucket, in nanoseconds."""


@dataclass
class StepSum:
    """All calls of one step. Times in milliseconds."""

    name: str
    action: str
    errors: int = 0
    times: list[float] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How often it ran."""
        return len(self.times)

    @property
    def p95(self) -> float | None:
        """Of a hundred calls, 95 took at most so long."""
        return percentile(self.times, 95)


@dataclass(frozen=True)
class Overview:
    """Runs over time. ``buckets`` are stretches of ``size`` nanoseconds without gaps, oldest first."""

    total: Sums
    buckets: list[Sums]
    size: int


NOTHING = Overview(Sums(), [], SIZES[0])
"""No runs."""


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that ``share`` per cent of the values do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


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


def step_sums(tasks: Iterable[TaskData], seconds: float) -> tuple[int, list[StepSum]]:
    """Sum up the steps of traces, for at most so many seconds.

    Returns:
        How many traces were read, and the sums.
    """
    found: dict[tuple[str, str], StepSum] = {}
    read, deadline = 0, time.monotonic() + seconds
    for task in tasks:
        read += 1
        for node in Tree(task).nodes:
            key = (node.step.action, node.title)
            known = found.setdefault(key, StepSum(name=node.title, action=node.step.action))
            known.times.append(node.length)
            known.errors += node.failed
        if time.monotonic() > deadline:
            break
    return read, list(found.values())
