"""What readers ask the index, and what it answers. Moments are nanoseconds since the epoch, durations are seconds."""

from dataclasses import dataclass, fields

__all__ = ["COLUMNS", "HIGH", "LOW", "Query", "Row", "SessionSums", "Sums"]

LOW, HIGH = -(2**63), 2**63 - 1
"""The integers that SQLite can hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trace as lists show it; None is unknown.

    ``recorded`` is when it was stored; ``ended`` when the run ended, as its payload says, but never after it was
    stored. ``status`` is the run's, ``delivery`` is ``local``, ``pending``, ``sent`` or ``rejected``. ``folder`` and
    ``file`` say where it is kept. ``tags`` are joined by commas. ``preview`` is the beginning of its output, else of
    its input, in one line.
    """

    trace_id: str
    folder: str
    file: str
    recorded: int
    ended: int
    name: str
    status: str
    delivery: str
    reason: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: str | None = None
    framework: str | None = None
    duration: float | None = None
    steps: int | None = None
    errors: int | None = None
    model: str | None = None
    tokens: int | None = None
    cost: float | None = None
    preview: str | None = None


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Sums:
    """The runs that ended within a stretch of time, which begins at ``start``.

    ``p50`` and ``p95`` are durations that happened, None of no runs.
    """

    start: int = 0
    runs: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The runs of one session. ``duration`` is theirs together; ``names`` counts the runs of each name."""

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
    """What to look for; all that is given must hold.

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
    user: str | None = None
    tag: str | None = None
    text: str | None = None
    limit: int | None = 100
    offset: int = 0

    def where(self) -> tuple[str, list[object]]:
        """Return the SQL condition and its values. It needs the SQL function ``folded`` (``str.casefold``)."""
        words = (self.text or "").casefold().split()
        conditions: list[tuple[str, object]] = [
            ("? IN (status, delivery)", self.status),
            ("instr(folded(name), ?)", self.name.casefold() if self.name else None),
            ("ended >= ?", _bounded(self.since)),
            ("ended < ?", _bounded(self.until)),
            ("recorded >= ?", _bounded(self.stored_since)),
            ("trace_id >= ?", self.trace_id),
            ("trace_id < ?", None if self.trace_id is None else self.trace_id + "\U0010ffff"),
            ("trace_id = ?", self.exact_id),
            ("session_id = ?", self.session),
            ("user_id = ?", self.user),
            ("instr(',' || replace(tags, ', ', ',') || ',', ',' || ? || ',')", self.tag),
            *(("instr((SELECT text FROM texts WHERE texts.id = traces.id), ?)", word) for word in words),
        ]
        asked = [(sql, value) for sql, value in conditions if value is not None]
        return " AND ".join(sql for sql, _ in asked) or "1", [value for _, value in asked]


def _bounded(moment: int | None) -> int | None:
    return None if moment is None else min(max(moment, LOW), HIGH)
