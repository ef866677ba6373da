"""A source of traces for tests: everything in lists."""

from datetime import datetime
from typing import Any

from infinium_integrations.models import DeliveryState, TaskData
from infinium_integrations.view.facts import Facts
from infinium_integrations.view.source import Query, Row


class MemorySource:
    """Holds rows and, for some of them, the traces."""

    def __init__(self, tasks: dict[str, TaskData] | None = None, rows: list[Row] | None = None) -> None:
        self.tasks: dict[str, TaskData] = {}
        self.all = list(rows or [])
        self.retried: list[str] = []
        for trace_id, task in (tasks or {}).items():
            self.add(trace_id, task)

    def add(self, trace_id: str, task: TaskData) -> None:
        self.tasks[trace_id] = task
        self.all.append(row_of(trace_id, task))
        self.all.sort(key=lambda row: row.ended, reverse=True)

    def rows(self, query: Query) -> list[Row]:
        found = [row for row in self.all if _fits(row, query)]
        return found[query.offset : query.offset + query.limit]

    def count(self, query: Query) -> int:
        return sum(_fits(row, query) for row in self.all)

    def get(self, trace_id: str) -> TaskData | None:
        return self.tasks.get(trace_id)

    def put(self, trace_id: str, wire: dict[str, Any]) -> bool:
        if trace_id in self.tasks:
            return False
        self.add(trace_id, TaskData.model_validate(wire).with_delivery(DeliveryState(status="local")))
        return True

    def delete(self, trace_id: str) -> bool:
        self.all = [row for row in self.all if row.trace_id != trace_id]
        return self.tasks.pop(trace_id, None) is not None

    def retry(self, trace_id: str) -> bool:
        task = self.tasks.get(trace_id)
        self.retried.append(trace_id)
        return bool(task and task.delivery and task.delivery.status == "rejected")


def row_of(trace_id: str, task: TaskData) -> Row:
    facts = Facts(task)
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
        preview=task.input_summary or "",
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
