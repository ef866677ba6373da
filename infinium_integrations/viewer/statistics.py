"""What many runs say together: runs over time, the slowest and the most failing steps."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from infinium_integrations.models import TaskData
from infinium_integrations.viewer.server.source import EPOCH, Query, Source, Sum
from infinium_integrations.viewer.timeline import Tree

__all__ = ["Overview", "StepSum", "overview", "percentile", "step_sums"]

BUCKETS = 40
SIZES = [timedelta(seconds=s) for s in (60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)]
SIZES += [timedelta(days=d) for d in (1, 2, 7, 30, 90, 365)]


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
    """Runs over time. ``buckets`` are stretches of time without gaps, oldest first."""

    total: Sum
    buckets: list[Sum]
    size: timedelta


def percentile(values: list[float], share: float) -> float | None:
    """Give the smallest value that ``share`` per cent of the values do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def overview(source: Source, query: Query) -> Overview:
    """Sum up the runs that a question asks for, and those of each of at most about 40 stretches of time."""
    span = source.span(query)
    total = next(iter(source.sums(query, None)), Sum())
    if span is None:
        return Overview(total, [], SIZES[0])
    size = next((size for size in SIZES if size * BUCKETS >= span[1] - span[0]), SIZES[-1])
    within = replace(query, since=span[0])  # what is stored meanwhile and ended long ago would make too many
    found = {one.start: one for one in source.sums(within, size)}
    return Overview(total, _without_gaps(found, size), size)


def _without_gaps(found: dict[datetime, Sum], size: timedelta) -> list[Sum]:
    first, last = min(found, default=EPOCH), max(found, default=EPOCH)
    starts = (first + size * n for n in range((last - first) // size + 1))
    return [found.get(start) or Sum(start) for start in starts]


def step_sums(tasks: Iterable[TaskData], seconds: float) -> tuple[int, list[StepSum]]:
    """Sum up the steps of traces, for at most so many seconds.

    Returns:
        How many traces were read, and the sums.
    """
    found: dict[tuple[str, str], StepSum] = {}
    read, deadline = 0, time.monotonic() + seconds
    for task in tasks:
        read += 1
        _add_steps(found, task)
        if time.monotonic() > deadline:
            break
    return read, list(found.values())


def _add_steps(found: dict[tuple[str, str], StepSum], task: TaskData) -> None:
    for node in Tree(task).nodes:
        key = (node.step.action, node.title)
        known = found.setdefault(key, StepSum(name=node.title, action=node.step.action))
        known.times.append(node.length)
        known.errors += node.failed
