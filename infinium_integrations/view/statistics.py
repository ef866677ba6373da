"""What many runs say together: sessions, runs over time, the slowest and the most failing steps."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from infinium_integrations.models import TaskData
from infinium_integrations.view.source import Row
from infinium_integrations.view.tree import Tree

__all__ = ["Bucket", "Overview", "Session", "StepSum", "overview", "percentile", "sessions", "step_sums"]

BUCKETS = 40
SIZES = [timedelta(seconds=s) for s in (60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)]
SIZES += [timedelta(days=d) for d in (1, 2, 7, 30, 90, 365)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Sum:
    """Runs taken together."""

    runs: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    durations: list[float] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count one more run."""
        self.runs += 1
        self.errors += row.status == "error"
        self.tokens += row.tokens or 0
        self.cost += row.cost or 0.0
        self.durations.append(row.duration_ms)

    @property
    def p50(self) -> float | None:
        """Half of the runs took at most so many milliseconds."""
        return percentile(self.durations, 50)

    @property
    def p95(self) -> float | None:
        """Of a hundred runs, 95 took at most so many milliseconds."""
        return percentile(self.durations, 95)


@dataclass
class Bucket(Sum):
    """The runs that ended within one stretch of time."""

    start: datetime = EPOCH


@dataclass
class Session(Sum):
    """The runs of one session."""

    name: str = ""
    first: str = ""
    last: str = ""
    users: set[str] = field(default_factory=set)
    names: dict[str, int] = field(default_factory=dict)


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
    """Runs over time. ``buckets`` are without gaps, oldest first."""

    total: Sum
    buckets: list[Bucket]
    size: timedelta


def percentile(values: list[float], share: float) -> float | None:
    """Give the smallest value that ``share`` per cent of the values do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def sessions(rows: Iterable[Row]) -> list[Session]:
    """Group the rows that name a session, the session with the latest run first."""
    found: dict[str, Session] = {}
    for row in rows:
        if row.session:
            session = found.setdefault(row.session, Session(name=row.session, first=row.ended, last=row.ended))
            session.add(row)
            session.first, session.last = min(session.first, row.ended), max(session.last, row.ended)
            session.names[row.name] = session.names.get(row.name, 0) + 1
            session.users.update({row.user} if row.user else ())
    return sorted(found.values(), key=lambda session: session.last, reverse=True)


def overview(rows: list[Row]) -> Overview:
    """Sum the rows up, and each of at most about 40 stretches of time."""
    total, timed = Sum(), [(moment, row) for row in rows if (moment := _moment(row.ended))]
    for row in rows:
        total.add(row)
    if not timed:
        return Overview(total, [], SIZES[0])
    first, last = min(moment for moment, _ in timed), max(moment for moment, _ in timed)
    size = next((size for size in SIZES if size * BUCKETS >= last - first), SIZES[-1])
    buckets = _empty_buckets(_floor(first, size), last, size)
    for moment, row in timed:
        buckets[(moment - buckets[0].start) // size].add(row)
    return Overview(total, buckets, size)


def _empty_buckets(start: datetime, last: datetime, size: timedelta) -> list[Bucket]:
    return [Bucket(start=start + size * n) for n in range((last - start) // size + 1)]


def _floor(moment: datetime, size: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // size * size


def _moment(iso: str) -> datetime | None:
    try:
        return datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def step_sums(ids: Iterable[str], get: Callable[[str], TaskData | None], seconds: float) -> tuple[int, list[StepSum]]:
    """Sum up the steps of traces, for at most so many seconds.

    Returns:
        How many traces were read, and the sums.
    """
    found: dict[tuple[str, str], StepSum] = {}
    read, deadline = 0, time.monotonic() + seconds
    for trace_id in ids:
        task = get(trace_id)
        if task is not None:
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
