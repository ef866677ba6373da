"""Workflows that wait for a human: that they were left so, the trace that goes on with a saved context, the answer."""

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.preview import to_json_value
from infinium_integrations.llama_index.classes import fields, is_a
from infinium_integrations.llama_index.content import take
from infinium_integrations.llama_index.span_state import Flow, State, state_of
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Run

__all__ = ["answered", "asks", "left", "refresh", "resumed", "taken_back"]

REMEMBERED = 10_000
"""Workflows that were left waiting, of one recorder."""
NEAR_SECONDS = 1.0
"""How far a workflow's start may lie from what its saved context says of it."""
APART_SECONDS = 0.005
"""How much farther the next one must lie."""


@dataclass(slots=True, frozen=True)
class _Left:
    """A workflow that waits: its name, when it started (seconds since the epoch), ``Flow.spent``, and its thread."""

    trace_id: str
    name: str
    started: float
    spent: float
    thread_id: str | None


_all: weakref.WeakKeyDictionary[Recorder, OrderedDict[str, _Left]] = weakref.WeakKeyDictionary()


def refresh(flow: Flow) -> None:
    """Note whether a workflow's run waits for what comes from outside; what was asked is answered where it does not."""
    flow.run.interrupted = flow.interrupted
    if not flow.interrupted:
        taken_back(flow, flow.run)


def asks(run: Run, flow: Flow, question: object) -> None:
    """Put a question to a human on the innermost step that asks it, as a graph's interrupt is."""
    if run.is_step and not run.private and not any(_within(asker, run) for asker in flow.askers):
        run.put(interrupts=[to_json_value(fields(question))])
        flow.askers.append(run)


def taken_back(flow: Flow, run: Run) -> None:
    """Forget what was asked in a run: it goes on."""
    for asker in [asker for asker in flow.askers if _within(asker, run)]:
        flow.askers.remove(asker)
        (asker.metadata or {}).pop("interrupts", None)


def _within(run: Run | None, outer: Run) -> bool:
    while run is not None and run is not outer:
        run = run.parent
    return run is not None


def left(run: Run, state: State, status: str) -> str:
    """Return how a run ended that was cancelled or given up: a workflow that waits for a human is interrupted."""
    if state.flow is None or not run.interrupted or status not in {"cancelled", "abandoned"}:
        return status
    run.output = state.flow.question or run.output
    ended = _all.setdefault(runtime.recorder(), OrderedDict())
    ended[run.trace.id] = _described(run, state.flow)
    if len(ended) > REMEMBERED:
        ended.popitem(last=False)
    return "interrupted"


def _described(run: Run, flow: Flow) -> _Left:
    trace = run.trace
    started = trace.started_wall + run.started - trace.started
    return _Left(trace.id, run.name, started, flow.spent, trace.tags.get("thread_id"))


def resumed(run: Run, flow: Flow, arguments: Mapping[str, Any]) -> None:
    """Recognise a workflow's run that goes on with a saved context, and say of which trace."""
    saved = arguments.get("init_state") or arguments.get("ctx")
    held = getattr(saved, "__dict__", {})
    if arguments.get("start_event") is not None or not held.get("is_running"):
        return
    flow.resumed = True
    flow.spent = held.get("elapsed_alive") or 0.0
    before = _before(run, flow, held.get("last_alive_stamp"))
    if before is not None:
        run.trace.tags.setdefault("resumed_from", before)


def _before(run: Run, flow: Flow, saved_at: float | None) -> str | None:
    """Find the trace whose context was saved: the thread's last, the one that started when it says, the only one."""
    thread_id = run.trace.tags.get("thread_id")
    found = [one for one in _waiting(run.trace.id) if one.name == run.name and one.thread_id == thread_id]
    if thread_id is not None:
        return found[-1].trace_id if found else None
    if saved_at is None:
        return found[0].trace_id if len(found) == 1 else None
    distances = sorted((abs(saved_at - (flow.spent - one.spent) - one.started), one.trace_id) for one in found)
    near = [(distance, trace_id) for distance, trace_id in distances if distance < NEAR_SECONDS]
    if not near or (len(near) > 1 and near[1][0] - near[0][0] < APART_SECONDS):
        return None
    return near[0][1]


def _waiting(but: str) -> Iterator[_Left]:
    """Return the workflows that wait: those that were left, and those that are still held."""
    recorder = runtime.recorder()
    yield from list(_all.get(recorder, {}).values())
    for trace in recorder.traces():
        for run in list(trace.open.values()):
            state = state_of(run)
            if trace.id != but and run.interrupted and state is not None and state.flow is not None:
                yield _described(run, state.flow)


def answered(run: Run, flow: Flow, event: object, waiters: Any) -> None:
    """Take the human's answer as the input of a run that goes on with a saved context; it was given no other."""
    resolved = [getattr(one, "__dict__", {}).get("resolved_event") for one in reversed(waiters or ())]
    answer = event if is_a(event, "HumanResponseEvent") else next((one for one in resolved if one is not None), None)
    if answer is None:
        return
    flow.resumed = False
    if run.input is None and not run.private:
        run.input = take(run.trace.content, answer, run.limit)
