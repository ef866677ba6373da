"""Sums of steps over many runs: a row for each tool, model and node."""

import sqlite3
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from infinium_integrations.storage.index.query import UNKNOWN, percentile_of_sorted

__all__ = ["Step", "StepSums", "Subject", "step_sums_of", "subject_of", "sum_steps"]

Sort = Literal["tool", "model", "node"]
"""What a step is a step of; also the field by which it is found."""
Step = tuple[int, int, int, float | None, float | None, float | None]
"""Of a step: its run, its kind, whether it failed, tokens, cost, milliseconds."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A tool, a model as it was asked for, or what else has a name: a node, a chain, an agent, a retriever."""

    sort: Sort
    name: str
    action: str


@dataclass(frozen=True, slots=True)
class StepSums:
    """All calls of one subject; times in milliseconds, None where none is known.

    ``runs`` counts the runs that have one; in ``errors`` of them the last call failed, in ``recovered`` an earlier one
    did and the last did not, as when a node is tried again. A node has the tokens and the cost of what it calls.
    """

    subject: Subject
    runs: int
    calls: int
    errors: int
    recovered: int
    tokens: int
    cost: float
    p50: float | None
    p95: float | None


@dataclass(slots=True)
class _Counting:
    subject: Subject
    run: int | None = None
    last_failed: int = 0
    any_failed: int = 0
    runs: int = 0
    calls: int = 0
    errors: int = 0
    recovered: int = 0
    tokens: float = 0.0
    cost: float = 0.0
    times: "array[float]" = field(default_factory=lambda: array("d"))

    def end_run(self) -> None:
        self.errors += self.last_failed
        self.recovered += self.any_failed and not self.last_failed
        self.last_failed = self.any_failed = 0

    def add(self, tokens: float | None, cost: float | None) -> None:
        self.tokens += tokens or 0
        self.cost += cost or 0.0

    def sums(self) -> StepSums:
        self.end_run()
        times, counts = sorted(self.times), (self.runs, self.calls, self.errors, self.recovered)
        p50, p95 = percentile_of_sorted(times, 50), percentile_of_sorted(times, 95)
        return StepSums(self.subject, *counts, int(self.tokens), self.cost, p50, p95)


def subject_of(action: str, name: str, tool: str, model: str, requested: str) -> Subject:
    """Return what a step is summed up under. A call that failed knows only which model was asked for."""
    asked = requested or (model if model != UNKNOWN else "")
    if tool:
        return Subject("tool", tool, action)
    return Subject("model", asked, action) if asked else Subject("node", name, action)


def step_sums_of(database: sqlite3.Connection, condition: str, values: list[object]) -> list[StepSums]:
    """Sum up the steps of the runs of which an SQL condition holds."""
    kinds = database.execute("""
        SELECT id, node, action, name, tool, model, requested FROM kinds WHERE action <> ''
        ORDER BY action, name, tool DESC, model DESC, requested DESC, node
    """)
    subjects = {number: (subject_of(*names), node) for number, node, *names in kinds}
    # the runs one by one, and the steps of each in their order, as they lie there: nothing is sorted
    select = f"""
        SELECT trace, kind, status = 'error', tokens, cost, duration
        FROM (SELECT id AS run FROM traces WHERE {condition}) CROSS JOIN steps ON trace = run
    """  # noqa: S608
    return sum_steps(database.execute(select, values), subjects)


def sum_steps(steps: Iterable[Step], subjects: Mapping[int, tuple[Subject, str]]) -> list[StepSums]:
    """Sum up steps, those of one run after those of another; names are alike in upper and lower case.

    Args:
        steps: The steps of each run in their order.
        subjects: By kind: what it is summed up under, and the node in which it is, to which its tokens count too.
    """
    sums = dict[tuple[str, str], _Counting]()
    of_kind = {
        kind: sums.setdefault((one.sort, one.name.casefold()), _Counting(one)) for kind, (one, _) in subjects.items()
    }
    around = {kind: sums.get(("node", node.casefold())) if node else None for kind, (_, node) in subjects.items()}
    for run, kind, failed, tokens, cost, milliseconds in steps:  # a million of them: few calls here
        one = of_kind.get(kind)
        if one is None:  # the run's own errors
            continue
        if one.run != run:
            one.end_run()
            one.run = run
            one.runs += 1
        one.calls += 1
        one.last_failed = failed
        one.any_failed |= failed
        if tokens or cost:
            one.add(tokens, cost)
            node = around[kind]
            if node is not None and node is not one:
                node.add(tokens, cost)
        if milliseconds is not None:
            one.times.append(milliseconds)
    return [one.sums() for one in sums.values() if one.calls]
