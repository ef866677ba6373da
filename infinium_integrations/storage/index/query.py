"""What readers ask the index, and what it answers."""

from dataclasses import dataclass
from typing import Any

__all__ = ["COLUMNS", "HIGH", "LOW", "Query", "Row", "SessionSums", "Sums"]

LOW, HIGH = -(2**63), 2**63 - 1
"""What SQLite holds as a whole number."""

COLUMNS = (
    "trace_id", "folder", "file", "recorded", "ended", "name", "status", "delivery", "reason", "session_id", "user_id",
    "tags", "framework", "duration", "steps", "errors", "model", "tokens", "cost", "preview",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One trace as lists show it. Times are nanoseconds since the epoch, ``duration`` is in seconds.

    ``recorded`` is when it was stored; ``ended`` when the run ended, as its payload says, but never after it was
    stored. ``status`` is the run's, ``delivery`` is ``local``, ``pending``, ``sent`` or ``rejected``. ``folder`` and
    ``file`` say where it is kept. ``preview`` is the beginning of its output, else of its input, in one line.
    """

    trace_id: str
    folder: str
    file: str
    recorded: int
    ended: int
    name: str
    status: str
    delivery: str
    reason: str | None
    session_id: str | None
    user_id: str | None
    tags: str | None
    framework: str | None
    duration: float | None
    steps: int | None
    errors: int | None
    model: str | None
    tokens: int | None
    cost: float | None
    preview: str | None


@dataclass(frozen=True, slots=True)
class Sums:
    """The runs that ended within a stretch of time: ``start`` in nanoseconds since the epoch, p50 and p95 in seconds.

    p50 and p95 are durations that happened, None of no runs.
    """

    start: int
    runs: int
    errors: int
    tokens: int
    cost: float
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The runs of one session. ``duration`` is theirs together, in seconds; ``names`` counts the runs of each name."""

    session_id: str
    runs: int
    errors: int
    duration: float
    tokens: int
    cost: float
    first: int
    last: int
    names: dict[str, int]
    users: set[str]


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; all that is given must hold. Times are nanoseconds since the epoch.

    ``name`` is a part of the name, upper and lower case alike. ``since`` and ``until`` (exclusive) are about when the
    run ended, ``stored_since`` about when it was stored. ``trace_id`` begins the id, ``exact_id`` is all of it.
    """

    status: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None
    stored_since: int | None = None
    trace_id: str | None = None
    exact_id: str | None = None
    session: str | None = None
    tag: str | None = None
    text: str | None = None
    limit: int | None = 100
    offset: int = 0

    def where(self) -> tuple[str, list[Any]]:
        """Give the SQL condition and its values. It needs the SQL function ``folded`` (``str.casefold``)."""
        found = [(sql, value) for sql, value in self._conditions() if value is not None]
        words = (self.text or "").casefold().split()
        found += [("instr((SELECT text FROM texts WHERE texts.id = traces.id), ?)", word) for word in words]
        condition = " AND ".join(sql for sql, _ in found) or "1"
        return condition, [one for _, value in found for one in (value if isinstance(value, tuple) else (value,))]

    def _conditions(self) -> list[tuple[str, Any]]:
        prefix = None if self.trace_id is None else (self.trace_id, self.trace_id + "\U0010ffff")
        return [
            ("? IN (status, delivery)", self.status),
            ("instr(folded(name), ?)", self.name.casefold() if self.name else None),
            ("ended >= ?", _bounded(self.since)),
            ("ended < ?", _bounded(self.until)),
            ("recorded >= ?", _bounded(self.stored_since)),
            ("trace_id >= ? AND trace_id < ?", prefix),
            ("trace_id = ?", self.exact_id),
            ("session_id = ?", self.session),
            ("instr(',' || replace(tags, ', ', ',') || ',', ',' || ? || ',')", self.tag),
        ]


def _bounded(moment: int | None) -> int | None:
    return None if moment is None else min(max(moment, LOW), HIGH)
