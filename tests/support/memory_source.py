"""A reader of traces for tests: everything in lists."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from infinium_integrations.models import DeliveryState, TaskData
from infinium_integrations.payload.finalize import build_payload, encode
from infinium_integrations.storage import record
from infinium_integrations.storage.index.contents import read_contents
from infinium_integrations.storage.index.database import Left
from infinium_integrations.storage.index.language import STEP_FIELDS, Term, parse
from infinium_integrations.storage.index.query import Row, SessionSums, Sums
from infinium_integrations.storage.index.steps import StepSums, subject_of, sum_steps
from infinium_integrations.viewer.statistics import percentile
from infinium_integrations.viewer.summary import TraceSummary, split_tags


class MemorySource:
    """Holds rows and, for some of them, the traces; has the methods of a ``TraceReader`` that the page calls."""

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

    def impatient(self) -> "MemorySource":
        return self

    def running(self) -> list[TaskData]:
        return []

    def read_ahead(self) -> Left:
        return Left()

    def page(self, *, limit: int = 100, offset: int = 0, sort: str = "-ended", **query: Any) -> tuple[list[Row], int]:
        found = self._found(query)
        found.sort(key=lambda row: getattr(row, sort.removeprefix("-")) or 0, reverse=sort.startswith("-"))
        return found[offset : offset + limit], len(found)

    def listing(self, **query: Any) -> list[Row]:
        return self.page(**{**query, "limit": len(self.all)})[0]

    def remove(self, rows: list[Row]) -> Counter[str]:
        return Counter(row.delivery for row in rows if self.delete(row.trace_id, exact=True))

    def span(self, **query: Any) -> tuple[int, int] | None:
        ends = [row.ended for row in self._found(query)]
        return (min(ends), max(ends)) if ends else None

    def sums(self, size: int | None = None, **query: Any) -> list[Sums]:
        parts: dict[int, list[Row]] = {}
        for row in self._found(query):
            parts.setdefault(row.ended // size * size if size else 0, []).append(row)
        return [_sum(start, rows) for start, rows in sorted(parts.items())]

    def step_sums(self, **query: Any) -> list[StepSums]:
        kinds: dict[tuple[str, ...], int] = {}
        steps = []
        for place, task in enumerate(self.each(**query, limit=len(self.all))):
            payload = build_payload(task)
            told = read_contents("", record.new_record("", payload, encode(payload), 0, {"status": "local"}))
            for _number, kind, status, _error, *facts in told.steps:
                if kind[0]:
                    steps.append((place, kinds.setdefault(kind, len(kinds)), int(status == "error"), *facts))
        return sum_steps(steps, {number: (subject_of(*kind[:5]), kind[6]) for kind, number in kinds.items()})

    def sessions(self, *, limit: int = 100, **query: Any) -> tuple[list[SessionSums], int]:
        parts: dict[str, list[Row]] = {}
        for row in self._found(query):
            if row.session_id:
                parts.setdefault(row.session_id, []).append(row)
        found = [_session(name, rows) for name, rows in parts.items()]
        found.sort(key=lambda session: session.last, reverse=True)
        return found[:limit], len(found)

    def each(self, **query: Any) -> Iterator[TaskData]:
        return (self.tasks_by_id[row.trace_id] for row in self.page(**query)[0] if row.trace_id in self.tasks_by_id)

    def _found(self, query: dict[str, Any]) -> list[Row]:
        return [row for row in self.all if _fits(row, **query)]

    def get(self, trace_id: str, *, exact: bool) -> TaskData | None:
        assert exact
        return self.tasks_by_id.get(trace_id)

    def keep(self, trace_id: str, payload: dict[str, Any]) -> bool:
        if trace_id in self.tasks_by_id:
            return False
        self.add(trace_id, TaskData.model_validate(payload).with_delivery(DeliveryState(status="local")))
        return True

    def delete(self, trace_id: str, *, exact: bool) -> bool:
        assert exact
        self.all = [row for row in self.all if row.trace_id != trace_id]
        return self.tasks_by_id.pop(trace_id, None) is not None

    def retry(self, trace_id: str, *, exact: bool) -> int:
        assert exact
        task = self.tasks_by_id.get(trace_id)
        self.retried.append(trace_id)
        return int(bool(task and task.delivery and task.delivery.status == "rejected"))


def nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1_000


def new_row(trace_id: str, name: str, ended: datetime, status: str = "ok", delivery: str = "local", **more: Any) -> Row:
    end = nanoseconds(ended)
    return Row(trace_id, "history/x", trace_id, end, end, name, status, delivery, **more)


def row_of(trace_id: str, task: TaskData) -> Row:
    facts = TraceSummary(task)
    return new_row(
        trace_id,
        task.name,
        datetime.fromisoformat(task.current_datetime),
        facts.status,
        task.delivery.status if task.delivery else "local",
        duration=task.duration,
        tokens=facts.tokens,
        cost=facts.cost,
        errors=len(task.errors or []),
        steps=len(task.steps or []),
        model=facts.models,
        session_id=facts.session,
        user_id=facts.custom.get("user_id"),
        tags=", ".join(facts.tags),
        input=task.input_summary,
        output=task.output_summary,
    )


def _sum(start: int, rows: list[Row]) -> Sums:
    times = [row.duration or 0.0 for row in rows]
    errors = sum(row.status == "error" for row in rows)
    known = [row.tokens for row in rows if row.tokens is not None], [row.cost for row in rows if row.cost is not None]
    tokens, cost = (sum(values) if values else None for values in known)
    return Sums(start, len(rows), errors, tokens, cost, percentile(times, 50), percentile(times, 95))


def _session(name: str, rows: list[Row]) -> SessionSums:
    summed = _sum(0, rows)
    names: dict[str, int] = {}
    for row in rows:
        names[row.name] = names.get(row.name, 0) + 1
    return SessionSums(
        session_id=name,
        runs=summed.runs,
        errors=summed.errors,
        duration=sum(row.duration or 0.0 for row in rows),
        tokens=summed.tokens,
        cost=summed.cost,
        first=min(row.ended for row in rows),
        last=max(row.ended for row in rows),
        names=names,
        users={row.user_id for row in rows if row.user_id},
    )


def _holds(row: Row, term: Term) -> bool:
    """Words, and fields that are a row's own."""
    if term.field in STEP_FIELDS or not hasattr(row, term.field or "name"):
        return True
    if term.field:
        return str(getattr(row, term.field)) == term.value
    return str(term.value).lower() in f"{row.name} {row.preview}".lower()


def _fits(
    row: Row,
    *,
    query: str = "",
    step: str = "",
    trace_id: str = "",
    status: str = "",
    name: str = "",
    tag: str = "",
    session: str | None = None,
    user: str | None = None,
    since: datetime | int | None = None,
    until: datetime | int | None = None,
) -> bool:
    since, until = (nanoseconds(moment) if isinstance(moment, datetime) else moment for moment in (since, until))
    return (
        all(_holds(row, term) for term in parse(f"{query} {step}"))
        and row.trace_id.startswith(trace_id)
        and status in {"", row.status, row.delivery}
        and name.lower() in row.name.lower()
        and (not tag or tag in split_tags(row.tags))
        and session in {None, row.session_id}
        and user in {None, row.user_id}
        and (since is None or row.ended >= since)
        and (until is None or row.ended < until)
    )
