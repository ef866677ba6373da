"""What the page reads traces from: questions, rows, sums, and the protocol that a store of traces answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

from infinium_integrations.models import TaskData

__all__ = ["EPOCH", "Query", "Row", "Session", "Source", "Sum"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 50
TEXT_LIMIT = 300
PERIODS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""Periods that end now, by their names in an address."""


@dataclass(frozen=True)
class Query:
    """Which traces are wanted; an empty text means any.

    ``text`` is looked for in names, inputs, outputs and errors; ``name`` is a part of the name. ``since`` and ``until``
    (exclusive) are about when the run ended.
    """

    text: str = ""
    status: str = ""
    name: str = ""
    tag: str = ""
    session: str = ""
    since: datetime | None = None
    until: datetime | None = None
    limit: int = PAGE
    offset: int = 0
    asked: dict[str, str] = field(default_factory=dict, compare=False)
    """What the address asked for, as it was written."""

    @classmethod
    def of(cls, asked: Mapping[str, str], now: datetime | None = None) -> Self:
        """Read an address's parameters; what makes no sense is taken as not asked.

        They are ``q``, ``status``, ``name``, ``tag``, ``session``, ``since``, ``until`` and ``page``.
        """
        given = {key: value.replace("\0", "").strip()[:TEXT_LIMIT] for key, value in asked.items()}
        page = given.get("page", "")
        number = min(int(page), 10_000_000) if page.isascii() and page.isdigit() and len(page) < 9 else 1  # noqa: PLR2004
        return cls(
            text=given.get("q", ""),
            status=given.get("status", ""),
            name=given.get("name", ""),
            tag=given.get("tag", ""),
            session=given.get("session", ""),
            since=_moment(given.get("since", ""), now or datetime.now(UTC)),
            until=_moment(given.get("until", ""), now or datetime.now(UTC)),
            offset=(max(number, 1) - 1) * PAGE,
            asked={key: value for key, value in given.items() if key in _ASKED and value},
        )

    @property
    def page(self) -> int:
        """The number of the page, from 1."""
        return self.offset // self.limit + 1

    def wider(self, limit: int) -> Self:
        """Give the same question for the first ``limit`` of what it asks for."""
        return replace(self, limit=limit, offset=0)


_ASKED = ("q", "status", "name", "tag", "session", "since", "until")


def _moment(text: str, now: datetime) -> datetime | None:
    if text in PERIODS:
        return now - PERIODS[text]
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Row:
    """A trace in a list: what is known of it without reading all of it. None is unknown."""

    trace_id: str
    name: str
    status: str
    ended: str
    """ISO 8601, UTC."""
    duration_ms: float
    tokens: int | None = None
    cost: float | None = None
    errors: int = 0
    steps: int = 0
    model: str | None = None
    session: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    delivery: str = "local"
    preview: str = ""
    """The beginning of its output, else of its input."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The runs that ended within a stretch of time. ``p50`` and ``p95`` are milliseconds, None of no runs."""

    start: datetime = EPOCH
    runs: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The runs of one session. ``names`` counts the runs of each name; ``first`` and ``last`` are ISO 8601, UTC."""

    name: str
    runs: int
    errors: int
    duration_ms: float
    tokens: int
    cost: float
    first: str
    last: str
    names: dict[str, int]
    users: set[str]


class Source(Protocol):
    """Where the page finds traces, the latest first. Its methods are called from several threads."""

    def page(self, query: Query) -> tuple[list[Row], int]:
        """Give the rows that a question asks for, and how many there are whatever its limit and offset."""

    def span(self, query: Query) -> tuple[datetime, datetime] | None:
        """Give when the first and the last of the runs ended; None of no runs."""

    def sums(self, query: Query, size: timedelta | None) -> list[Sum]:
        """Sum up each stretch of time of this size that has runs, oldest first; None for all in one.

        The stretches begin at multiples of the size since 1970. Limit and offset don't count.
        """

    def sessions(self, query: Query) -> tuple[list[Session], int]:
        """Give as many sessions as the limit says, the one with the latest run first, and how many there are."""

    def tasks(self, query: Query) -> Iterator[TaskData]:
        """Give the traces that a question asks for, each read when it is asked for."""

    def get(self, trace_id: str) -> TaskData | None:
        """Give a trace, None where there is none of this id."""

    def put(self, trace_id: str, wire: dict[str, Any]) -> bool:
        """Keep a received trace; False where one of this id is there already."""

    def delete(self, trace_id: str) -> bool:
        """Delete a trace; False where there is none."""

    def retry(self, trace_id: str) -> bool:
        """Have a trace sent again; False where it can't be."""
