"""The page's source of traces: the store of this machine, read through the index."""

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infinium_integrations import settings
from infinium_integrations.delivery import records
from infinium_integrations.models import TaskData
from infinium_integrations.payload import encode
from infinium_integrations.view.source import Query, Row

if TYPE_CHECKING:
    from infinium_integrations.delivery import Delivery
    from infinium_integrations.delivery.index import Row as Indexed

__all__ = ["DeliverySource"]


class DeliverySource:
    """Reads and changes what a ``Delivery`` stores."""

    def __init__(self, delivery: "Delivery") -> None:
        self._delivery = delivery
        self._lock = threading.Lock()

    def rows(self, query: Query) -> list[Row]:
        """Give the rows that a question asks for."""
        found = self._delivery.listing(**_asked(query), limit=query.limit, offset=query.offset)
        return [_row(one) for one in found]

    def count(self, query: Query) -> int:
        """Count all rows that a question asks for."""
        return self._delivery.count(**_asked(query))

    def get(self, trace_id: str) -> TaskData | None:
        """Give a trace by its whole id."""
        return self._delivery.get(trace_id) if self._has(trace_id) else None

    def put(self, trace_id: str, wire: dict[str, Any]) -> bool:
        """Keep a received trace, which is delivered nowhere."""
        with self._lock:
            if self._has(trace_id):
                return False
            recorded = time.time_ns()
            record = records.new_record(trace_id, wire, encode(wire), recorded, {"status": "local"})
            shelf = self._delivery._shelf  # noqa: SLF001  (see notes/view-needs.md)
            shelf.put(settings.current(), f"{recorded:020d}-{trace_id}", records.pack(record), None)
            return True

    def delete(self, trace_id: str) -> bool:
        """Delete a trace by its whole id."""
        return self._has(trace_id) and self._delivery.delete(trace_id)

    def retry(self, trace_id: str) -> bool:
        """Have a refused trace sent again."""
        return self._has(trace_id) and self._delivery.retry(trace_id) > 0

    def _has(self, trace_id: str) -> bool:
        return any(row.trace_id == trace_id for row in self._delivery.listing(trace_id=trace_id, limit=1))


def _asked(query: Query) -> dict[str, Any]:
    given = {
        "text": query.text,
        "status": query.status,
        "name": query.name,
        "tag": query.tag,
        "session": query.session,
        "since": query.since,
    }
    return {key: value for key, value in given.items() if value}


def _row(row: "Indexed") -> Row:
    tags = str(row.tags or "").split(",")
    return Row(
        trace_id=row.trace_id,
        name=str(row.name),
        status=str(row.status or "ok"),
        ended=datetime.fromtimestamp(row.recorded / 1e9, UTC).isoformat(),
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
        preview=getattr(row, "preview", None) or "",
    )
