"""A source of traces for tests: everything in lists."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from infinium_integrations.models import DeliveryState, TaskData
from infinium_integrations.viewer.server.source import EPOCH, Query, Row, Session, Sum
from infinium_integrations.viewer.statistics import percentile
from infinium_integrations.viewer.summary import TraceSummary


class MemorySource:
    """Holds rows and, for some of them, the traces."""

    def __init__(self, tasks: dict[str, TaskData] | None = None, rows: list[Row] | None = None) -> None:
        self.tasks_by_id: dict[str, TaskData] = {}
        self.all = list(rows or [])
        self.retried: list[str] = []
        for trace_id, task in (tasks or {}).items():
            self.add(trace_id, task)

    def add(self, trace_id: str, task: TaskData) -> None:
        self.tasks_by_id[trace_id] = task
        self.all.append(row_of(trace_id, task))
        self.all.sort(key=lambda row: row.ended, reverse=True)

    def page(self, query: Query) -> tuple[list[Row], int]:
        found = self._found(query)
        return found[query.offset : query.offset + query.limit], len(found)

    def span(self, query: Query) -> tuple[datetime, datetime] | None:
        ends = [datetime.fromisoformat(row.ended) for row in self._found(query)]
        return (min(ends), max(ends)) if ends else None

    def sums(self, query: Query, size: timedelta | None) -> list[Sum]:
        parts: dict[datetime, list[Row]] = {}
        for row in self._found(query):
            since = datetime.fromisoformat(row.ended) - EPOCH
            parts.setdefault(EPOCH + since // size * size if size else EPOCH, []).append(row)
        return [_sum(start, rows) for start, rows in sorted(parts.items())]

    def sessions(self, query: Query) -> tuple[list[Session], int]:
        parts: dict[str, list[Row]] = {}
        for row in self._found(query):
            if row.session:
                parts.setdefault(row.session, []).append(row)
        found = [_session(name, rows) for name, rows in parts.items()]
        found.sort(key=lambda session: session.last, reverse=True)
        return found[: query.limit], len(found)

    def tasks(self, query: Query) -> Iterator[TaskData]:
        return (self.tasks_by_id[row.trace_id] for row in self.page(query)[0] if row.trace_id in self.tasks_by_id)

    def _found(self, query: Query) -> list[Row]:
        return [row for row in self.all if _fits(row, query)]

    def get(self, trace_id: str) -> TaskData | None:
        return self.tasks_by_id.get(trace_id)

    def put(self, trace_id: str, wire: dict[str, Any]) -> bool:
        if trace_id in self.tasks_by_id:
            return False
        self.add(trace_id, TaskData.model_validate(wire).with_delivery(DeliveryState(status="local")))
        return True

    def delete(self, trace_id: str) -> bool:
        self.all = [row for row in self.all if row.trace_id != trace_id]
        return self.tasks_by_id.pop(trace_id, None) is not None

    def retry(self, trace_id: str) -> bool:
        task = self.tasks_by_id.get(trace_id)
        self.retried.append(trace_id)
        return bool(task and task.delivery and task.delivery.status == "rejected")


def row_of(trace_id: str, task: TaskData) -> Row:
    facts = TraceSummary(task)
    return Row(
        trace_id=trace_id,
        name=task.name,
        status=facts.status,
        ended=task.current_datetime,
        duration_ms=facts.duration_ms,
        tokens=facts.tokens,
        cost=facts.cost,
        errors=len(task.errors or []),
        steps=len(task.steps or []),
        model=facts.models,
        session=facts.session,
        user=facts.custom.get("user_id"),
        tags=tuple(facts.tags),
        delivery=task.delivery.status if task.delivery else "local",
        preview=task.output_summary or task.input_summary or "",
    )


def _sum(start: datetime, rows: list[Row]) -> Sum:
    times = [row.duration_ms for row in rows]
    errors = sum(row.status == "error" for row in rows)
    tokens, cost = sum(row.tokens or 0 for row in rows), sum(row.cost or 0.0 for row in rows)
    return Sum(start, len(rows), errors, tokens, cost, percentile(times, 50), percentile(times, 95))


def _session(name: str, rows: list[Row]) -> Session:
    summed = _sum(EPOCH, rows)
    names: dict[str, int] = {}
    for row in rows:
        names[row.name] = names.get(row.name, 0) + 1
    return Session(
        name=name,
        runs=summed.runs,
        errors=summed.errors,
        duration_ms=sum(row.duration_ms for row in rows),
        tokens=summed.tokens,
        cost=summed.cost,
        first=min(row.ended for row in rows),
        last=max(row.ended for row in rows),
        names=names,
        users={row.user for row in rows if row.user},
    )


def _fits(row: Row, query: Query) -> bool:
    ended = datetime.fromisoformat(row.ended)
    return (
        query.text.lower() in f"{row.name} {row.preview}".lower()
        and query.status in {"", row.status, row.delivery}
        and query.name.lower() in row.name.lower()
        and (not query.tag or query.tag in row.tags)
        and query.session in {"", row.session}
        and (query.since is None or ended >= query.since)
        and (query.until is None or ended < query.until)
    )
