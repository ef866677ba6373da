"""When a trace is complete: deadlines, sealing, and what is passed up on the way. Under the recorder's one lock."""

import asyncio
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable

from infinium_integrations.recording.run import AWAITED, EVENTS_KEPT, Failure, Run, Trace

__all__ = ["OpenTraces"]

OPEN_TRACES = 4_096
"""More open traces than this end the oldest as ``incomplete``."""

REMEMBERED = 10_000
"""Run ids that were left open when their trace was sealed, so that late events are known as such."""

FAILURES_KEPT = 1_000

ENDED_KEPT = 1_000
"""Ended runs of an open trace that may still get children: tasks and threads that were started in them."""


class OpenTraces:
    """Holds the traces that are open, and hands each on exactly once.

    Args:
        sink: Takes a sealed trace; called under no lock but this one, must only queue.
        wake: Called when a deadline has come nearer than the last ``sweep`` said.
        grace: Seconds that open children of an ended root get.
        idle: Seconds since a trace's last event after which it is ended as it is.
        clock: Monotonic seconds.
        wall: Seconds since the epoch.
        cap: How many may be open.
    """

    def __init__(
        self,
        sink: Callable[[Trace], None],
        *,
        wake: Callable[[], None] = lambda: None,
        grace: float = 2.0,
        idle: float = 3600.0,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        cap: int = OPEN_TRACES,
    ) -> None:
        self.clock = clock
        self.resolvers: list[Callable[[], Hashable]] = []
        """Each gives the id of the framework's run that surrounds the caller, or None."""
        self.settlers: list[Callable[[float], None]] = []
        """Each ends what has ended without an event, before ``settle`` waits; given the deadline, of ``clock``."""
        self.late_events = 0
        self._sink = sink
        self._wake = wake
        self._grace = grace
        self._idle = idle
        self.wall = wall
        self._cap = cap
        self.forget()

    def forget(self) -> None:
        """Drop all open state without sending it: a forked child does not own its parent's runs."""
        for trace in getattr(self, "_traces", {}).values():
            trace.sealed = True  # the child's own code may still stand inside one
        self._lock = threading.RLock()
        self._sealed = threading.Condition(self._lock)
        self._runs: dict[Hashable, Run] = {}
        self._ended: dict[Hashable, Run] = {}
        self._traces: dict[str, Trace] = {}
        self._late: OrderedDict[Hashable, bool] = OrderedDict()
        """Runs that were open when their trace was sealed (True), or that had failed: neither gets children."""
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[object], set[Run]] = weakref.WeakKeyDictionary()
        self._interrupted: OrderedDict[str, str] = OrderedDict()
        self._planned: float | None = None

    def set_deadlines(self, *, grace: float, idle: float) -> None:
        """Change how long is waited; traces that are open follow."""
        with self._lock:
            self._grace, self._idle, self._planned = grace, idle, None
        self._wake()

    # -- completeness ----------------------------------------------------------------------------------------------

    def _drop(self, run: Run) -> None:
        """Take an ended run out of the open ones; a twin under the same id takes its place."""
        if run.task_runs is not None:
            run.task_runs.discard(run)
            run.task_runs = None
        known = self._runs.pop(run.id, None)
        if known is None or known.same_id_runs is None:
            return
        twins = {token: twin for token, twin in known.same_id_runs.items() if twin is not run}
        if twins:
            heir = next(iter(twins.values()))
            heir.same_id_runs = twins if len(twins) > 1 else None
            self._runs[run.id] = heir

    def _remember_ended(self, run: Run) -> None:
        """Keep an ended run findable while its trace is open."""
        ended = run.trace.ended
        ended.append(run.id)
        self._ended[run.id] = run
        if len(ended) > ENDED_KEPT:
            self._ended.pop(ended.popleft(), None)

    def _pass_up(self, run: Run, failure: Failure | None) -> None:
        """Pass an interruption and an exception on to the run around: one exception is one failure, at its origin."""
        parent = run.parent
        if run.status == "interrupted":
            self._interrupt(run)
        if failure is None:
            return
        below = run.child_errors or ()
        told = failure if failure.run is not None else None  # by the adapter, which saw it further down
        known = told or next((other for other in reversed(below) if other.key == failure.key), None)
        if known is None:
            self._new_failure(run, failure, below)
        reached = known or failure
        if parent is None:
            reached.fatal = True
            return
        if parent.child_errors is None:
            parent.child_errors = []
        parent.child_errors.append(reached)
        if len(parent.child_errors) > EVENTS_KEPT:
            parent.child_errors.pop(0)

    def _new_failure(self, run: Run, failure: Failure, below: "list[Failure] | tuple[()]") -> None:
        failure.run = run
        failure.private = run.private
        for other in below:
            if other.key in failure.causes:
                other.wrapped_by = failure
        if len(run.trace.failures) < FAILURES_KEPT:
            run.trace.failures.append(failure)
        step = run.nearest_step
        if step is not None and step.error is None:
            step.error = failure

    def _root_has_ended(self, trace: Trace, *, just_now: bool) -> None:
        if not trace.open:
            self._seal(trace, None)
        elif just_now:
            self._plan(trace)

    def _plan(self, trace: Trace) -> None:
        """Have the sweep come in time for this trace; most often it does already."""
        due = self._due(trace)
        if self._planned is None or due < self._planned:
            self._planned = due
            self._wake()

    def _due(self, trace: Trace) -> float:
        """Give the time at which the trace is ended as it is, if nothing more comes."""
        return trace.last_event + (self._grace if self._in_grace(trace) else self._idle)

    def _in_grace(self, trace: Trace) -> bool:
        root = trace.root
        if root.ended is None:
            return False
        if root.status in {"cancelled", "abandoned"}:
            return True
        return not any(run.action in AWAITED or run.streaming for run in trace.open.values())

    def sweep(self, now: float) -> float | None:
        """Seal what is overdue. Give the seconds until the next deadline, or None where there is none."""
        with self._lock:
            nearest = self._planned if self._planned is not None and self._planned > now else None
            for trace in list(self._traces.values()):
                due = self._due(trace)
                if due <= now:
                    self._seal(trace, "abandoned" if trace.root.streaming else "incomplete")
                elif nearest is None or due < nearest:
                    nearest = due
            self._planned = nearest
            return None if nearest is None else nearest - now

    def settle(self, deadline: float) -> bool:
        """Wait until no trace is in its grace, or until the deadline (of ``clock``)."""
        for settle in self.settlers:
            settle(deadline)
        with self._lock:
            while waiting := [trace for trace in self._traces.values() if self._in_grace(trace)]:
                now = self.clock()
                if now >= deadline:
                    return False
                due = min(self._due(trace) for trace in waiting)
                if due <= now:
                    self.sweep(now)
                else:
                    self._sealed.wait(min(due, deadline) - now)
            return True

    def seal_all(self) -> None:
        """End every open trace as it is."""
        with self._lock:
            for trace in list(self._traces.values()):
                self._seal(trace, "incomplete")

    def seal(self, trace: Trace, status: str) -> None:
        """End one trace now, with this status where its root has not ended."""
        with self._lock:
            self._seal(trace, status)

    def _seal(self, trace: Trace, status: str | None) -> None:
        if trace.sealed:
            return
        trace.sealed = True
        self._traces.pop(trace.id, None)
        root = trace.root
        trace.status = root.status or status or "incomplete"
        trace.left_open = sum(run is not root for run in trace.open.values())
        left = trace.status if trace.status in {"cancelled", "abandoned"} else "incomplete"
        for run in trace.open.values():
            run.status = trace.status if run is root else left
            run.ended = max(root.ended or trace.last_event, run.started)
            run.adapter_state = None
            self._drop(run)
            self._remember_late(run.id)
        trace.open = {}
        for run_id in trace.ended:
            ended = self._ended.pop(run_id, None)
            if ended is not None and ended.status in {"error", "cancelled", "abandoned"}:
                self._remember_late(run_id, counted=False)
        trace.ended.clear()
        if trace.has_content and not trace.silent:
            self._sink(trace)
        self._sealed.notify_all()

    def _remember_late(self, run_id: Hashable, *, counted: bool = True) -> None:
        self._late[run_id] = counted
        if len(self._late) > REMEMBERED:
            self._late.popitem(last=False)

    # -- interrupted and resumed -----------------------------------------------------------------------------------

    def _interrupt(self, run: Run) -> None:
        thread_id = run.trace.tags.get("thread_id")
        if run.parent is not None:
            run.parent.interrupted = True
        elif thread_id:
            self._interrupted[thread_id] = run.trace.id
            if len(self._interrupted) > REMEMBERED:
                self._interrupted.popitem(last=False)

    def resume(self, run: Run) -> None:
        """Take the interruption of what surrounds a run back: the run goes on with what was interrupted."""
        with self._lock:
            above = run.parent
            while above is not None:
                above.interrupted = False
                above = above.parent

    def resumed_from(self, thread_id: str) -> str | None:
        """Give the trace that was interrupted on this thread, once."""
        with self._lock:
            return self._interrupted.pop(thread_id, None)

    def traces(self) -> list[Trace]:
        """Give the open traces."""
        with self._lock:
            return list(self._traces.values())

    @property
    def open_runs(self) -> int:
        """How many runs are open."""
        return len(self._runs)

    @property
    def open_traces(self) -> int:
        """How many traces are open."""
        return len(self._traces)
