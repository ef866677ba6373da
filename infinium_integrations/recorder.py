"""Runs become traces: start, finish and note, keyed by run id. It knows no framework and does no I/O.

All three may be called from any thread. One re-entrant lock (a garbage collection inside it may close a
generator, which calls back) covers parent look-up and insertion together.
"""

import asyncio
import itertools
import threading
import time
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from typing import Any

from infinium_integrations import faults
from infinium_integrations.runs import AWAITED, EVENTS_KEPT, Failure, Options, Run, Trace

__all__ = ["Recorder", "ambient", "suppressed"]

OPEN_TRACES = 4_096
"""More open traces than this end the oldest as ``incomplete``."""

REMEMBERED = 10_000
"""Run ids that were left open when their trace was sealed, so that late events are known as such."""

FAILURES_KEPT = 1_000

ENDED_KEPT = 1_000
"""Ended runs of an open trace that may still get children: tasks and threads that were started in them."""

ambient: ContextVar[Run | None] = ContextVar("infinium_ambient", default=None)
"""The run of ``trace()`` or of one of its steps that surrounds this code."""

suppressed: ContextVar[bool] = ContextVar("infinium_suppressed", default=False)

_token: ContextVar[int] = ContextVar("infinium_token", default=0)
"""Tells two invocations apart that were given the same run id; read only then."""

_tokens = itertools.count(1)


class Recorder:
    """Keeps the open traces and hands each on exactly once, when it is complete.

    Args:
        sink: Takes a sealed trace; called under no lock but this one, must only queue.
        wake: Called when a deadline has come nearer than the last ``sweep`` said.
        grace: Seconds that open children of an ended root get.
        idle: Seconds since a trace's last event after which it is ended as it is.
        clock: Monotonic seconds. ``wall``: seconds since the epoch.
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
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], set[Run]] = weakref.WeakKeyDictionary()
        self._interrupted: OrderedDict[str, str] = OrderedDict()
        self._planned: float | None = None

    def set_deadlines(self, *, grace: float, idle: float) -> None:
        """Change how long is waited; traces that are open follow."""
        with self._lock:
            self._grace, self._idle, self._planned = grace, idle, None
        self._wake()

    # -- the three verbs -------------------------------------------------------------------------------------------

    def start(
        self,
        run_id: Hashable,
        parent_id: Hashable,
        action: str,
        name: str,
        *,
        options: Options,
        kept: bool = True,
        bare: bool = False,
        watch: bool = True,
        follow: bool = False,
    ) -> Run | None:
        """Record that a run started.

        Args:
            run_id: The framework's id of it.
            parent_id: The id of the run around it as the framework says it; may be None or unknown.
            action: What it does, such as ``tool_use``.
            name: The framework's name of it.
            options: What the handler was told; used where the run is a root.
            kept: Whether it is a step of its own; else it is folded into the nearest kept run around it.
            bare: Whether the run, as a root, is also the one step of its trace.
            watch: Whether the run ends with its asyncio task; not needed where its end is always reported.
            follow: Whether the parent's word holds also where it is a root that has ended.

        Returns:
            The run, or None where it is recorded already or comes too late.
        """
        now = self.clock()
        with self._lock:
            known = self._runs.get(run_id)
            if known is not None and self._same_invocation(known):
                known.tellers += 1
                return None
            if parent_id in self._late and parent_id not in self._runs:
                self._remember_late(run_id)
                return None
            parent = self._parent(parent_id, follow=follow)
            run = self._child(run_id, parent, action, name, kept) if parent else None
            if run is None:
                run = self._root(run_id, action, name, options, now, bare)
            run.started = run.trace.last_event = now
            run.trace.open[run_id] = run
            if watch and (action in AWAITED or run.parent is None):
                self._watch_task(run)
            if known is None:
                self._runs[run_id] = run
            else:
                known.twins = known.twins or {known.trace.token: known}
                known.twins[run.trace.token] = run
        return run

    def get(self, run_id: Hashable) -> Run | None:
        """Give an open run; None where it was never recorded, has ended, or its trace is sealed (counted as late)."""
        run = self._runs.get(run_id)
        if run is None:
            if self._late.get(run_id):
                self.late_events += 1
            return None
        if run.twins is not None:
            run = run.twins.get(_token.get(), run)
        return run

    def find(self, run_id: Hashable) -> Run | None:
        """Give a run that may get children: an open one, or an ended one whose trace goes on."""
        run = self._runs.get(run_id) or self._ended.get(run_id)
        return None if run is None or (run.parent is None and run.ended is not None) else run

    def finish(self, run: Run, status: str, failure: Failure | None = None, *, at: float | None = None) -> None:
        """Record that a run ended. What it put out must be set on it before; a second call does nothing.

        Args:
            run: An open run.
            status: One of ``runs.STATUSES``.
            failure: The exception that ended it.
            at: When it ended (of ``clock``), where that is told later.
        """
        now = self.clock() if at is None else max(at, run.started)
        with self._lock:
            trace = run.trace
            if run.ended is not None or trace.sealed:
                return
            if run is trace.root and status not in {"cancelled", "abandoned"}:
                self._cancel_left_in_task(run)
            run.ended = now
            trace.last_event = max(trace.last_event, now)
            run.status = "interrupted" if status == "ok" and run.interrupted else status
            run.state = None
            trace.open.pop(run.id, None)
            self._drop(run)
            self._pass_up(run, failure)
            self._remember_ended(run)
            if trace.root.ended is not None:
                self._root_has_ended(trace, just_now=run is trace.root)

    def note(self, run: Run, name: str, **facts: Any) -> None:
        """Add an event to the nearest kept step; under a root that is no step it becomes a ``custom`` step."""
        with self._lock:
            trace = run.trace
            if trace.sealed:
                self.late_events += 1
                return
            now = trace.last_event = self.clock()
            event = {"name": name, "at_ms": round((now - trace.started) * 1000), **facts}
            if run.anchor is None:
                self.add_step(run, "custom", name).put(events=[event])
                return
            events = run.anchor.events = run.anchor.events if run.anchor.events is not None else []
            if len(events) < EVENTS_KEPT:
                events.append(event)
            else:
                run.anchor.put(events_left_out=(run.anchor.metadata or {}).get("events_left_out", 0) + 1)

    def add_step(self, parent: Run, action: str, name: str, status: str = "ok") -> Run:
        """Add a step that began and ended at once: something that is known only afterwards."""
        with self._lock:
            run = self.create(parent, action, name)
            run.ended = run.started
            run.status = status
            return run

    def create(self, parent: Run, action: str, name: str) -> Run:
        """Add a step that has not started yet; where the trace is sealed it is counted as late and goes nowhere."""
        with self._lock:
            run = self._child(uuid.uuid4(), parent, action, name, kept=True)
            if run is None:
                self.late_events += 1
                run = Run(uuid.uuid4(), parent.trace, parent, action, name)
            run.started = self.clock()
            return run

    def open(self, run: Run) -> None:
        """Start the clock of a step made by ``create``; a second call does nothing."""
        with self._lock:
            if run.ended is not None or run.trace.sealed or run.id in run.trace.open:
                return
            run.started = run.trace.last_event = self.clock()
            run.trace.open[run.id] = self._runs[run.id] = run

    def begin(self, name: str, options: Options) -> Run:
        """Start a root that is no framework's: that of ``trace()``."""
        with self._lock:
            run = self._root(uuid.uuid4(), "custom", name, options, self.clock(), bare=False)
            run.started = run.trace.started
            run.trace.open[run.id] = self._runs[run.id] = run
            return run

    def replace(self, old: Run, new: Run) -> None:
        """Let ``new``, which lies below ``old``, stand in its place as a step; ``old`` is folded away."""
        with self._lock:
            if old.kept and not new.kept and not old.trace.sealed:
                old.trace.replace(old, new)

    def touch(self, run: Run) -> None:
        """Record that a run is alive: a token came."""
        run.trace.last_event = self.clock()

    # -- where a run belongs ---------------------------------------------------------------------------------------

    def _same_invocation(self, known: Run) -> bool:
        """Tell the same run, reported by a second registration, from another one that was given the same id."""
        if known.parent is not None or known.trace.token == _token.get():
            return True
        return known.twins is not None and _token.get() in known.twins

    def _parent(self, parent_id: Hashable, *, follow: bool) -> Run | None:
        parent = self._runs.get(parent_id) if parent_id is not None else None
        if parent is not None:
            if parent.twins is not None:
                parent = parent.twins.get(_token.get(), parent)
            return parent
        parent = self._ended.get(parent_id)
        if parent is not None and (follow or parent.parent is not None):
            return parent
        return self.surrounding()

    def surrounding(self) -> Run | None:
        """Give the innermost open run around the caller: of ``trace()``, or of a framework."""
        found = ambient.get()
        if found is not None and (found.ended is not None or found.trace.sealed):
            found = None
        for resolve in self.resolvers:
            run_id = resolve()
            run = self._runs.get(run_id) if run_id is not None else None
            if run is not None and (found is None or run.started >= found.started):
                found = run
        return found

    def deeper(self, parent_id: Hashable, inner_id: Hashable) -> Hashable:
        """Choose between the parent that a framework names and the run that surrounds the caller.

        The second, where it lies below the first; and where there is no first and the second has ended, so that it is
        known for what it is.
        """
        if inner_id is None or inner_id == parent_id:
            return parent_id
        if parent_id is None:
            return None if inner_id in self._runs else inner_id
        run = self._runs.get(inner_id)
        while run is not None:
            if run.id == parent_id:
                return inner_id
            run = run.parent
        return parent_id

    def _child(self, run_id: Hashable, parent: Run, action: str, name: str, kept: bool) -> Run | None:  # noqa: FBT001
        trace = parent.trace
        if trace.sealed or (suppressed.get() and not trace.silent):
            return None
        run = Run(run_id, trace, parent, action, name)
        run.private = parent.private
        if kept or trace.options.full:
            trace.keep(run)
        else:
            run.kept = False
            run.anchor = parent.anchor
        return run

    def _root(self, run_id: Hashable, action: str, name: str, options: Options, now: float, bare: bool) -> Run:  # noqa: FBT001
        trace = Trace(str(uuid.uuid4()), options, now, self.wall())
        trace.silent = suppressed.get()
        run = trace.root = Run(run_id, trace, None, action, name)
        run.private = not options.capture_content
        trace.bare = bare
        if bare:
            trace.keep(run)
        self.open_trace(trace)
        return run

    def open_trace(self, trace: Trace) -> None:
        """Take a trace into the open ones; the oldest goes where there are too many."""
        with self._lock:
            trace.token = next(_tokens)
            _token.set(trace.token)
            self._traces[trace.id] = trace
            if len(self._traces) > self._cap:
                faults.warn_once(
                    "cap",
                    "%d runs are open and do not end; the oldest are sent as incomplete from now on.",
                    self._cap,
                )
                self._seal(next(iter(self._traces.values())), "incomplete")
            self._plan(trace)

    # -- the task that a run goes on in ----------------------------------------------------------------------------

    def _watch_task(self, run: Run) -> None:
        """End the run when its asyncio task is done: a cancelled call has no end event (research §6.3)."""
        task = _current_task()
        if task is None:
            return
        watched = self._tasks.get(task)
        if watched is None and getattr(task.get_coro(), "__name__", "").startswith("on_"):
            return  # LangChain gathers start events in tasks of their own, which say nothing of the run
        if watched is None:
            watched = self._tasks[task] = set()
            task.add_done_callback(_TaskIsDone(self))
        watched.add(run)
        run.watched = watched

    def task_done(self, task: "asyncio.Task[Any]") -> None:
        """End what the task left open: cancelled; a stream may have been handed on, so it has the idle limit."""
        with self._lock:
            left = sorted(self._tasks.pop(task, ()), key=lambda run: run.parent is None)
            cancelled = task.cancelled() or task.cancelling() > 0
            for run in left:
                if cancelled or (run.action in AWAITED and not run.streaming):
                    self.finish(run, "cancelled")
                elif run.parent is None:
                    run.streaming = True

    def _cancel_left_in_task(self, root: Run) -> None:
        """End calls that ran in the root's own task: it has gone on past them, so a timeout cancelled them."""
        for run in list(root.watched or ()):
            if run.trace is root.trace and run is not root and not run.streaming:
                self.finish(run, "cancelled")

    # -- completeness ----------------------------------------------------------------------------------------------

    def _drop(self, run: Run) -> None:
        """Take an ended run out of the open ones; a twin under the same id takes its place."""
        if run.watched is not None:
            run.watched.discard(run)
            run.watched = None
        known = self._runs.get(run.id)
        if known is None or known.twins is None:
            self._runs.pop(run.id, None)
            return
        twins = {token: twin for token, twin in known.twins.items() if twin is not run}
        if twins:
            heir = next(iter(twins.values()))
            heir.twins = twins if len(twins) > 1 else None
            self._runs[run.id] = heir
        else:
            self._runs.pop(run.id, None)

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
        below = run.below or ()
        told = failure if failure.run is not None else None  # by the adapter, which saw it further down
        known = told or next((other for other in reversed(below) if other.key == failure.key), None)
        if known is None:
            self._new_failure(run, failure, below)
        reached = known or failure
        if parent is None:
            reached.fatal = True
            return
        if parent.below is None:
            parent.below = []
        parent.below.append(reached)
        if len(parent.below) > EVENTS_KEPT:
            parent.below.pop(0)

    def _new_failure(self, run: Run, failure: Failure, below: "list[Failure] | tuple[()]") -> None:
        failure.run = run
        failure.private = run.private
        for other in below:
            if other.key in failure.causes:
                other.wrapped_by = failure
        if len(run.trace.failures) < FAILURES_KEPT:
            run.trace.failures.append(failure)
        step = run.anchor
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
            run.state = None
            self._drop(run)
            self._remember_late(run.id)
        trace.open = {}
        for run_id in trace.ended:
            ended = self._ended.pop(run_id, None)
            if ended is not None and ended.status in {"error", "cancelled", "abandoned"}:
                self._remember_late(run_id, counted=False)
        trace.ended.clear()
        if trace.worth and not trace.silent:
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


def _current_task() -> "asyncio.Task[Any] | None":
    if asyncio._get_running_loop() is None:  # noqa: SLF001  (public in effect: documented for frameworks)
        return None
    return asyncio.current_task()


class _TaskIsDone:
    """A task's done-callback that keeps neither the recorder nor a trace alive."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = weakref.ref(recorder)

    def __call__(self, task: "asyncio.Task[Any]") -> None:
        recorder = self._recorder()
        if recorder is not None:
            try:
                recorder.task_done(task)
            except Exception as error:  # noqa: BLE001
                faults.record(error)
