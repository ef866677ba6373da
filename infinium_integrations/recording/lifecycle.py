"""When a trace is complete: deadlines, sealing, and what is passed up on the way. Under the recorder's one lock."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from infinium_integrations import diagnostics
from infinium_integrations.recording import trace_context
from infinium_integrations.recording.run import AWAITED, EVENTS_KEPT, Failure, Run, Trace, key_of

__all__ = ["OPEN_TRACES", "Interrupted", "OpenTraces"]

OPEN_TRACES = 4_096
"""More open traces than this end the oldest as ``incomplete``."""

REMEMBERED = 10_000
"""Keys of runs that were left open when their trace was sealed, so that late events are known as such."""

BUSY_SECONDS = 0.01
"""Seconds that a sweep waits for the lock, and until it is tried again."""
ENDED_KEPT = 1_000
"""Ended runs of an open trace that may still get children: tasks and threads that were started in them."""


@dataclass(slots=True, frozen=True, eq=False)
class Interrupted:
    """A trace that waits for a human."""

    trace_id: str
    keys: tuple[Hashable, ...]

    @classmethod
    def of(cls, trace: Trace) -> "Interrupted":
        """Return what is remembered of a trace."""
        return cls(trace.id, tuple(trace.resume_keys))


class OpenTraces:
    """The traces that are open and their runs; each trace is handed on exactly once, when it is sealed.

    The recorder owns it and shares ``lock``: it looks runs up in ``runs``, ``ended`` and ``late``, and changes them
    only by ``add``, ``start``, ``end``, ``seal`` and ``remember_late``. The arguments are the recorder's.
    """

    def __init__(
        self,
        sink: Callable[[Trace], None],
        *,
        wake: Callable[[], None],
        grace: float,
        idle: float,
        clock: Callable[[], float],
        cap: int,
    ) -> None:
        self._sink = sink
        self._wake = wake
        self._grace = grace
        self._idle = idle
        self._clock = clock
        self._cap = cap
        self._interrupted: OrderedDict[Hashable, Interrupted] = OrderedDict()
        """By each of their keys."""
        self._planned: float | None = None
        self.lock = threading.RLock()
        self.sealed = threading.Condition(self.lock)
        """Notified when a trace was sealed."""
        self.traces: dict[str, Trace] = {}
        self.runs: dict[Hashable, Run] = {}
        """The open runs; where an id was given twice at once, the others are in ``same_id_runs``."""
        self.ended: dict[Hashable, Run] = {}
        """Ended runs that may still get children."""
        self.late: OrderedDict[Hashable, bool] = OrderedDict()
        """Runs that were open when their trace was sealed (True), or that had failed: neither gets children."""

    def renewed(self) -> "OpenTraces":
        """Return an empty one like this, and send nothing of this: a forked child does not own its parent's runs."""
        for trace in self.traces.values():
            trace.sealed = True  # the child's own code may still stand inside one
        return OpenTraces(
            self._sink, wake=self._wake, grace=self._grace, idle=self._idle, clock=self._clock, cap=self._cap
        )

    def set_deadlines(self, *, grace: float, idle: float) -> None:
        """Change how long is waited; traces that are open follow."""
        with self.lock:
            self._grace, self._idle, self._planned = grace, idle, None
        self._wake()

    # -- runs that start and end -----------------------------------------------------------------------------------

    def add(self, trace: Trace) -> None:
        """Take a trace in; the oldest is sealed where there are too many."""
        self.traces[trace.id] = trace
        if len(self.traces) > self._cap:
            diagnostics.warn_once(
                "cap",
                "%d runs are open and do not end; the oldest are sent as incomplete from now on.",
                self._cap,
            )
            self.seal(next(iter(self.traces.values())), "incomplete")
        self._plan(trace)

    def start(self, run: Run, now: float, known: Run | None = None) -> None:
        """Take a run in; ``known`` is another open one of the same id."""
        trace = run.trace
        run.started = trace.last_event = now
        key = run.key = key_of(run.id)
        trace.open[key] = run
        if known is None:
            self.runs[key] = run
        else:
            known.same_id_runs = known.same_id_runs or {known.trace.token: known}
            known.same_id_runs[trace.token] = run

    def end(self, run: Run, status: str, failure: Failure | None, now: float) -> None:
        """End an open run, and seal its trace where that is complete now."""
        if run.llm is not None:
            run.pass_call()
        trace = run.trace
        run.ended = now
        trace.last_event = max(trace.last_event, now)
        if run.interrupted and (status in {"ok", "abandoned"} or (status == "cancelled" and not _cut_off(run))):
            status = "interrupted"  # whoever leaves a stream that says that a human is asked has not given the run up
        run.status = status
        run.adapter_state = None
        trace.close(run)
        self._drop(run)
        if run.status == "interrupted":
            # pass an interruption on to the run around, or remember the thread on which a root was interrupted
            if run.parent is not None:
                run.parent.interrupted = True
            else:
                trace_context.remember(trace.id, trace.surrounding)
                self.remember_interrupted(Interrupted.of(run.trace))
        if failure is not None:
            self._pass_failure(run, failure)
        trace.ended.append(run.key)
        self.ended[run.key] = run
        if len(trace.ended) > ENDED_KEPT:
            self.ended.pop(trace.ended.popleft(), None)
        if trace.root.ended is not None:
            if not trace.open:
                self.seal(trace, None)
            elif run is trace.root:
                self._plan(trace)

    def remember_interrupted(self, interrupted: Interrupted) -> None:
        """Remember a trace that waits for a human; what waited under the same key before is given up."""
        with self.lock:
            for key in interrupted.keys:
                self._interrupted[key] = interrupted
                self._interrupted.move_to_end(key)
            while len(self._interrupted) > REMEMBERED:
                self._interrupted.popitem(last=False)

    def _drop(self, run: Run) -> None:
        """Take an ended run out of the open ones; a twin under the same id takes its place."""
        if run.task_runs is not None:
            run.task_runs.discard(run)
            run.task_runs = None
        known = self.runs.pop(run.key, None)
        if known is None or known.same_id_runs is None:
            return
        twins = {token: twin for token, twin in known.same_id_runs.items() if twin is not run}
        if twins:
            heir = next(iter(twins.values()))
            heir.same_id_runs = twins if len(twins) > 1 else None
            self.runs[run.key] = heir

    def _pass_failure(self, run: Run, failure: Failure) -> None:
        """Pass an exception on to the run around: one exception is one failure, at its origin."""
        below = run.child_errors or ()
        reported = failure if failure.run is not None else None  # by the adapter, which saw it further down
        known = reported or next((other for other in reversed(below) if other.key == failure.key), None)
        if known is None:
            run.trace.add_failure(run, failure)
        reached = known or failure
        parent = run.parent
        if parent is None:
            reached.fatal = True
            return
        if parent.child_errors is None:
            parent.child_errors = []
        parent.child_errors.append(reached)
        if len(parent.child_errors) > EVENTS_KEPT:
            parent.child_errors.pop(0)

    def remember_late(self, key: Hashable, *, counted: bool = True) -> None:
        """Remember a run that gets no children any more; events of it count as late where ``counted``."""
        self.late[key] = counted
        if len(self.late) > REMEMBERED:
            self.late.popitem(last=False)

    # -- completeness ----------------------------------------------------------------------------------------------

    def _plan(self, trace: Trace) -> None:
        """Have the sweep come in time for this trace; most often it does already."""
        due = self._due(trace)
        if self._planned is None or due < self._planned:
            self._planned = due
            self._wake()

    def _due(self, trace: Trace) -> float:
        """Return the time at which the trace is ended as it is, if nothing more comes."""
        return trace.last_event + (self._grace if self._in_grace(trace) else self._idle)

    def _in_grace(self, trace: Trace) -> bool:
        root = trace.root
        if root.ended is None:
            return False
        if root.status in {"cancelled", "abandoned"}:
            return True
        return not any(run.action in AWAITED or run.streaming for run in trace.open.values())

    def sweep(self, now: float) -> float | None:
        """Seal what is overdue. Return the seconds until the next deadline, or None where there is none.

        Where the lock is held it returns soon, to be called again: who holds it may wait for the thread that sweeps.
        """
        if not self.lock.acquire(timeout=BUSY_SECONDS):
            return BUSY_SECONDS
        try:
            nearest = self._planned if self._planned is not None and self._planned > now else None
            for trace in list(self.traces.values()):
                due = self._due(trace)
                if due <= now:
                    self.seal(trace, "abandoned" if trace.root.streaming else "incomplete")
                elif nearest is None or due < nearest:
                    nearest = due
            self._planned = nearest
            return None if nearest is None else nearest - now
        finally:
            self.lock.release()

    def settle(self, deadline: float) -> bool:
        """Wait until no trace is in its grace, or until the deadline (of ``clock``); return whether none is."""
        with self.lock:
            while waiting := [trace for trace in self.traces.values() if self._in_grace(trace)]:
                now = self._clock()
                if now >= deadline:
                    return False
                due = min(self._due(trace) for trace in waiting)
                if due <= now:
                    self.sweep(now)
                else:
                    self.sealed.wait(min(due, deadline) - now)
            return True

    def seal(self, trace: Trace, status: str | None) -> None:
        """End one trace now, with this status where its root has not ended; a second call does nothing."""
        with self.lock:
            if trace.sealed:
                return
            trace.sealed = True
            self.traces.pop(trace.id, None)
            root = trace.root
            asked = root.ended is None and root.interrupted
            trace.status = root.status or ("interrupted" if asked else status) or "incomplete"
            if asked:
                trace_context.remember(trace.id, trace.surrounding)
                self.remember_interrupted(Interrupted.of(trace))
            trace.left_open = sum(run is not root for run in trace.open.values())
            left = trace.status if trace.status in {"cancelled", "abandoned"} else "incomplete"
            for run in trace.open.values():
                run.status = trace.status if run is root else left
                run.ended = max(root.ended or trace.last_event, run.started)
                run.adapter_state = None
                if run.elided:
                    trace.elide(run)
                self._drop(run)
                self.remember_late(run.key)
            trace.open = {}
            for key in trace.ended:
                ended = self.ended.pop(key, None)
                if ended is not None and ended.status in {"error", "cancelled", "abandoned"}:
                    self.remember_late(key, counted=False)
            trace.ended.clear()
            trace.content.forget()
            if (trace.has_content or trace.status == "error") and not trace.silent:
                self._sink(trace)
            self.sealed.notify_all()

    def take_interrupted(self, keys: Iterable[Hashable]) -> Interrupted | None:
        """Return the trace that was interrupted and has one of these keys, the first first; each is given once."""
        with self.lock:
            held = [trace for trace in self.traces.values() if trace.root.interrupted]  # a reader holds the stream
            for key in keys:
                found = self._interrupted.get(key)
                if found is not None:
                    for other in found.keys:
                        if self._interrupted.get(other) is found:
                            del self._interrupted[other]
                    return found
                for trace in held:
                    if key in trace.resume_keys:
                        found = Interrupted.of(trace)
                        trace.resume_keys.clear()
                        return found
            return None


def _cut_off(run: Run) -> bool:
    """Return whether the cancellation of a run ended something below it, too."""
    below = (step for step in run.trace.later(run) if step.status == "cancelled" and step.ended != step.started)
    return any(other.parent is run for other in run.trace.open.values()) or next(below, None) is not None
