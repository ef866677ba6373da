"""The page's source of traces: the store of this machine, read through the index."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infinium_integrations.models import TaskData
from infinium_integrations.viewer.server.source import EPOCH, Query, Row, Session, Sum

if TYPE_CHECKING:
    from infinium_integrations.storage.index.query import Row as Indexed
    from infinium_integrations.storage.index.query import SessionSums, Sums
    from infinium_integrations.storage.reader import TraceReader

__all__ = ["DeliverySource"]

MICROSECOND = timedelta(microseconds=1)


class DeliverySource:
    """Reads and changes what is stored on this machine."""

    def __init__(self, reader: "TraceReader") -> None:
        self._reader = reader

    def page(self, query: Query) -> tuple[list[Row], int]:
        """Give the rows that a question asks for, and how many there are whatever its limit and offset."""
        found, total = self._reader.page(**_asked(query), limit=query.limit, offset=query.offset)
        return [_row(one) for one in found], total

    def span(self, query: Query) -> tuple[datetime, datetime] | None:
        """Give when the first and the last of the runs ended; None of no runs."""
        found = self._reader.span(**_asked(query))
        return None if found is None else (_moment(found[0]), _moment(found[1]))

    def sums(self, query: Query, size: timedelta | None) -> list[Sum]:
        """Sum up each stretch of time of this size that has runs, oldest first; None for all in one."""
        nanoseconds = None if size is None else size // MICROSECOND * 1_000
        return [_sum(one) for one in self._reader.sums(nanoseconds, **_asked(query))]

    def sessions(self, query: Query) -> tuple[list[Session], int]:
        """Give as many sessions as the limit says, the one with the latest run first, and how many there are."""
        found, total = self._reader.sessions(**_asked(query), limit=query.limit, offset=query.offset)
        return [_session(one) for one in found], total

    def tasks(self, query: Query) -> Iterator[TaskData]:
        """Give the traces that a question asks for, each read when it is asked for."""
        return self._reader.each(**_asked(query), limit=query.limit, offset=query.offset)

    def get(self, trace_id: str) -> TaskData | None:
        """Give a trace by its whole id."""
        return self._reader.get(trace_id, exact=True)

    def put(self, trace_id: str, wire: dict[str, Any]) -> bool:
        """Keep a received trace, which is delivered nowhere."""
        return self._reader.keep(trace_id, wire)

    def delete(self, trace_id: str) -> bool:
        """Delete a trace by its whole id."""
        return self._reader.delete(trace_id, exact=True)

    def retry(self, trace_id: str) -> bool:
        """Have a refused trace sent again."""
        return self._reader.retry(trace_id, exact=True) > 0


def _asked(query: Query) -> dict[str, Any]:
    given = {
        "text": query.text,
        "status": query.status,
        "name": query.name,
        "tag": query.tag,
        "session": query.session,
        "since": query.since,
        "until": query.until,
    }
    return {key: value for key, value in given.items() if value}


def _row(row: "Indexed") -> Row:
    tags = str(row.tags or "").split(",")
    return Row(
        trace_id=row.trace_id,
        name=str(row.name),
        status=str(row.status or "ok"),
        ended=_moment(row.ended).isoformat(),
        duration_ms=1000.0 * float(row.duration or 0.0),
        tokens=row.tokens,
        cost=row.cost,
        errors=row.errors or 0,
        steps=row.steps or 0,
        model=row.model,
        session=row.session_id,
        user=row.user_id,
        tags=tuple(tag.strip() for tag in tags if tag.strip()),
        delivery=row.delivery,
        preview=row.preview or "",
    )


def _sum(one: "Sums") -> Sum:
    p50, p95 = (None if seconds is None else 1000.0 * seconds for seconds in (one.p50, one.p95))
    return Sum(_moment(one.start), one.runs, one.errors, one.tokens, one.cost, p50, p95)


def _session(one: "SessionSums") -> Session:
    return Session(
        name=one.session_id,
        runs=one.runs,
        errors=one.errors,
        duration_ms=1000.0 * one.duration,
        tokens=one.tokens,
        cost=one.cost,
        first=_moment(one.first).isoformat(),
        last=_moment(one.last).isoformat(),
        names=one.names,
        users=one.users,
    )


def _moment(nanoseconds: int) -> datetime:
    return EPOCH + nanoseconds // 1_000 * MICROSECOND
