"""Runs become traces: start, finish and note, keyed by run id. It knows no framework and does no I/O.

All three may be called from any thread. One re-entrant lock (a garbage collection inside it may close a
generator, which calls back) covers parent look-up and insertion together.
"""

import asyncio
import functools
import itertools
import sys
import time
import weakref
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from uuid import UUID

from infinium_integrations import diagnostics
from infinium_integrations._entropy import new_id
from infinium_integrations.recording import watched
from infinium_integrations.recording.lifecycle import OPEN_TRACES, Interrupted, OpenTraces
from infinium_integrations.recording.run import AWAITED, EVENTS_KEPT, Failure, Options, Run, Trace, key_of
from infinium_integrations.recording.trace_context import current_span

__all__ = ["Recorder", "ambient", "suppressed"]

OVER_SECONDS = 1.0
"""How long the end of what has ended without an event is looked for at most, before all is sealed."""

ambient: ContextVar[Run | None] = ContextVar("infinium_ambient", default=None)
"""The run of ``trace()`` or of one of its steps that surrounds this code."""

suppressed: ContextVar[bool] = ContextVar("infinium_suppressed", default=False)

_token: ContextVar[int] = ContextVar("infinium_token", default=0)
"""Distinguishes invocations that share a run id; read only then."""

_tokens = itertools.count(1)

RUNNING_TOLD = 50
"""Open traces that are told to who looks on, the latest."""


class Recorder:
    """Records runs in the traces that they belong to, and hands each trace on exactly once, when it is complete.

    Args:
        sink: Takes a complete trace; called under the lock, must only queue.
        wake: Called when ``sweep`` must come sooner than it said.
        grace: Seconds that open children of an ended root get.
        idle: Seconds since a trace's last event after which it is ended as it is.
        clock: Monotonic seconds.
        wall: Seconds since the epoch.
        cap: How many traces may be open.
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
        self.wall = wall
        self.resolvers: list[Callable[[], Hashable]] = []
        """Each returns the id of the framework's run that surrounds the caller, or None."""
        self.callers: list[Callable[[], Hashable]] = []
        """Each returns the id of the model's call in whose method the caller is, or None: see ``calling``."""
        self.settlers: list[Callable[[float], None]] = []
        """Each ends what has ended without an event, before ``settle`` waits; it takes the deadline, of ``clock``."""
        self.late_events = 0
        self._own(OpenTraces(sink, wake=wake, grace=grace, idle=idle, clock=clock, cap=cap))

    def _own(self, traces: OpenTraces) -> None:
        self._traces = traces
        self._lock = traces.lock
        self._runs = traces.runs
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[object], set[Run]] = weakref.WeakKeyDictionary()

    # -- the three verbs -------------------------------------------------------------------------------------------

    def start(
        self,
        run_id: Hashable,
        parent_id: Hashable,
        action: str,
        name: str,
        *,
        options: Options,
        is_step: bool = True,
        root_is_step: bool = False,
        watch: bool = True,
        follow: bool = False,
    ) -> Run | None:
        """Record that a run started.

        Args:
            run_id: The framework's id of it.
            parent_id: The id of the run around it as the framework says it; may be None or unknown.
            action: What it does, such as ``tool_use``.
            name: The framework's name of it.
            options: What the handler was given; used where the run is a root.
            is_step: Whether it is a step of its own; else it is folded into the nearest kept run around it.
            root_is_step: Whether the run, as a root, is also the one step of its trace.
            watch: Whether the run ends with its asyncio task; not needed where its end is always reported.
            follow: Whether the parent's word holds also where it is a root that has ended.

        Returns:
            The run, or None where it is recorded already or comes too late.
        """
        now = self.clock()
        key, parent_key = key_of(run_id), key_of(parent_id)
        with self._lock:
            known = self._runs.get(key)
            if known is not None:
                token = _token.get()
                if known.parent is not None or known.trace.token == token or token in (known.same_id_runs or ()):
                    known.reporters += 1  # a second registration reports the same run
                    return None
            late = self._traces.late
            if late and parent_key in late and parent_key not in self._runs:
                self._traces.remember_late(key)
                return None
            parent = self._parent(parent_key, follow=follow)
            run = self._child(run_id, parent, action, name, is_step) if parent else None
            if run is None:
                run = self._root(run_id, action, name, options, now, root_is_step)
            self._traces.start(run, now, known)
            if watch and (action in AWAITED or run.parent is None):
                self._watch_task(run)
        watched.listen(self)
        return run

    def get(self, run_id: Hashable) -> Run | None:
        """Return an open run; None where it was never recorded, has ended, or its trace is sealed (counted as late)."""
        key = run_id.int if type(run_id) is UUID else run_id  # ``key_of``, without a call for each token
        run = self._runs.get(key)
        if run is None:
            if self._traces.late.get(key):
                self.late_events += 1
            return None
        if run.same_id_runs is not None:
            run = run.same_id_runs.get(_token.get(), run)
        return run

    def find(self, run_id: Hashable) -> Run | None:
        """Return a run that may get children: an open one, or an ended one whose trace goes on."""
        key = key_of(run_id)
        run = self._runs.get(key) or self._traces.ended.get(key)
        return None if run is None or (run.parent is None and run.ended is not None) else run

    def finish(self, run: Run, status: str, failure: Failure | None = None, *, at: float | None = None) -> None:
        """Record that a run ended. What it put out must be set on it before; a second call does nothing.

        Args:
            run: An open run.
            status: One of ``models.STATUSES``.
            failure: The exception that ended it.
            at: When it ended (of ``clock``), where that is reported later.
        """
        now = self.clock() if at is None else max(at, run.started)
        with self._lock:
            trace = run.trace
            if run.ended is not None or trace.sealed:
                return
            if run is trace.root and status not in {"cancelled", "abandoned"}:
                for call in list(run.task_runs or ()):  # the root has gone on past them: a timeout cancelled them
                    if call.trace is trace and call is not run and not call.streaming:
                        self.finish(call, "cancelled")
            self._traces.end(run, status, failure, now)

    def note(self, run: Run, name: str, **facts: object) -> None:
        """Add an event to the nearest kept step; under a root that is no step it becomes a ``custom`` step."""
        with self._lock:
            trace = run.trace
            if trace.sealed:
                self.late_events += 1
                return
            now = trace.last_event = self.clock()
            event = {"name": name, "at_ms": round((now - trace.started) * 1000), **facts}
            if run.nearest_step is None:
                self.add_step(run, "custom", name).put(events=[event])
                return
            events = run.nearest_step.events = run.nearest_step.events if run.nearest_step.events is not None else []
            if len(events) < EVENTS_KEPT:
                events.append(event)
            else:
                run.nearest_step.put(events_left_out=(run.nearest_step.metadata or {}).get("events_left_out", 0) + 1)

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
            run = self._child(new_id(), parent, action, name, is_step=True)
            if run is None:
                self.late_events += 1
                run = Run(new_id(), parent.trace, parent, action, name)
            run.started = self.clock()
            return run

    def open(self, run: Run) -> None:
        """Start the clock of a step made by ``create``; a second call does nothing."""
        with self._lock:
            if run.ended is not None or run.trace.sealed or run.key in run.trace.open:
                return
            self._traces.start(run, self.clock())

    def begin(self, name: str, options: Options) -> Run:
        """Start a root that is no framework's: that of ``trace()``."""
        with self._lock:
            run = self._root(new_id(), "custom", name, options, self.clock(), root_is_step=False)
            self._traces.start(run, run.trace.started)
            return run

    def replace(self, old: Run, new: Run) -> None:
        """Let ``new``, which lies below ``old``, stand in its place as a step; ``old`` is folded away."""
        with self._lock:
            if old.is_step and not new.is_step and not old.trace.sealed:
                old.trace.replace(old, new)

    def fold(self, run: Run) -> None:
        """Take an open run back as a step, if it has nothing to tell: no step below it, no error, no note, no retry."""
        with self._lock:
            trace = run.trace
            if not run.is_step or run.elided or run.parent is None or trace.sealed or trace.options.full:
                return
            if run.events or run.child_errors or run.interrupted or "attempt" in (run.metadata or ()):
                return
            if run.span_id is not None:  # a service that it called refers to it
                return
            if not any(step.above is run for step in trace.later(run)):
                trace.fold(run)

    def touch(self, run: Run) -> float:
        """Record that a run is alive: a token came. Return the time (of ``clock``)."""
        now = run.trace.last_event = self.clock()
        return now

    # -- where a run belongs ---------------------------------------------------------------------------------------

    def _parent(self, key: Hashable, *, follow: bool) -> Run | None:
        parent = self._runs.get(key) if key is not None else None
        if parent is not None:
            if parent.same_id_runs is not None:
                parent = parent.same_id_runs.get(_token.get(), parent)
            return _by_hand_within(parent)
        parent = self._traces.ended.get(key)
        if parent is not None and (follow or parent.parent is not None):
            return parent
        return self.surrounding()

    def surrounding(self) -> Run | None:
        """Return the innermost open run around the caller: of ``trace()``, or of a framework."""
        found = ambient.get()
        if found is not None and (found.ended is not None or found.trace.sealed):
            found = None
        for resolve in self.resolvers:
            run_id = resolve()
            run = self._runs.get(key_of(run_id)) if run_id is not None else None
            if run is not None and (found is None or run.started >= found.started):
                found = run
        return found

    def calling(self, around: Run | None) -> Run | None:
        """Return the open model's call in whose method the caller is, if nothing else surrounds the caller within it.

        Args:
            around: The run around the caller as its own framework says it.
        """
        called = next(
            (run for run in (self._runs.get(key_of(find())) for find in self.callers) if run is not None), None
        )
        if called is None:
            return None
        inner = around or self.surrounding()
        return called if inner is None or inner.started <= called.started else None

    def mixed(self, own: int) -> bool:
        """Return whether the caller may stand in a step of ``trace()``, or in a run of another framework's.

        Args:
            own: How many resolvers its own framework has.
        """
        return len(self.resolvers) > own or ambient.get() is not None

    def deeper(self, parent_id: Hashable, inner_id: Hashable) -> Hashable:
        """Choose between the parent that a framework names and the run that surrounds the caller.

        The second, where it lies below the first; and where there is no first and the second has ended, so that it is
        known for what it is.
        """
        if inner_id is None or inner_id is parent_id or inner_id == parent_id:
            return parent_id
        if parent_id is None:
            return None if key_of(inner_id) in self._runs else inner_id
        run = self._runs.get(key_of(inner_id))
        while run is not None:
            if run.id == parent_id:
                return inner_id
            run = run.parent
        return parent_id

    def _child(self, run_id: Hashable, parent: Run, action: str, name: str, is_step: bool) -> Run | None:  # noqa: FBT001
        trace = parent.trace
        if trace.sealed or (suppressed.get() and not trace.silent):
            return None
        run = Run(run_id, trace, parent, action, name)
        run.private = parent.private
        if is_step or trace.options.full:
            trace.keep(run)
        else:
            run.is_step = False
            run.nearest_step = parent.nearest_step
        return run

    def _root(self, run_id: Hashable, action: str, name: str, options: Options, now: float, root_is_step: bool) -> Run:  # noqa: FBT001
        trace = Trace(str(new_id()), options, now, self.wall())
        trace.silent = suppressed.get()
        if "opentelemetry.trace" in sys.modules:  # else not even a call
            trace.surrounding = diagnostics.attempt(current_span, lambda _: None)
        run = trace.root = Run(run_id, trace, None, action, name)
        run.private = not options.capture_content
        trace.root_is_step = root_is_step
        if root_is_step:
            trace.keep(run)
        trace.token = next(_tokens)
        _token.set(trace.token)
        self._traces.add(trace)
        return run

    # -- the task that a run goes on in ----------------------------------------------------------------------------

    def _watch_task(self, run: Run) -> None:
        """End the run when its asyncio task is done: a cancelled call has no end event."""
        running = asyncio._get_running_loop() is not None  # noqa: SLF001  (public in effect: documented for frameworks)
        task = asyncio.current_task() if running else None
        if task is None:
            return
        watched = self._tasks.get(task)
        if watched is None and getattr(task.get_coro(), "__name__", "").startswith("on_"):
            return  # LangChain gathers start events in tasks of their own, which say nothing of the run
        if watched is None:
            watched = self._tasks[task] = set()
            task.add_done_callback(functools.partial(_task_is_done, weakref.ref(self)))
        watched.add(run)
        run.task_runs = watched

    def task_done(self, task: asyncio.Task[object]) -> None:
        """End what the task left open: cancelled; a stream may have been handed on, so it has the idle limit."""
        with self._lock:
            left = sorted(self._tasks.pop(task, ()), key=lambda run: run.parent is None)
            cancelled = task.cancelled() or task.cancelling() > 0
            for run in left:
                if cancelled or (run.action in AWAITED and not run.streaming):
                    self.finish(run, "cancelled")
                elif run.parent is None:
                    run.streaming = True

    # -- the open traces -------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop all open state without sending it: a forked child does not own its parent's runs."""
        self._own(self._traces.renewed())

    def set_deadlines(self, *, grace: float, idle: float) -> None:
        """Change how long is waited (seconds); traces that are open follow."""
        self._traces.set_deadlines(grace=grace, idle=idle)

    def sweep(self, now: float) -> float | None:
        """Seal what is overdue. Return the seconds until the next deadline, or None where there is none."""
        return self._traces.sweep(now)

    def settle(self, deadline: float) -> bool:
        """Wait until no trace is in its grace, or until the deadline (of ``clock``); return whether none is."""
        for settle in self.settlers:
            settle(deadline)
        return self._traces.settle(deadline)

    def end_what_is_over(self) -> None:
        """End what has ended without an event, such as a stream that was read to its end; it waits for nothing else."""
        deadline = time.perf_counter() + OVER_SECONDS
        for settle in self.settlers:
            with diagnostics.contained:
                settle(deadline)

    def ignore(self, keys: Iterable[Hashable]) -> None:
        """Let nothing be recorded of runs that are another recorder's, nor of what they start."""
        with self._lock:
            for key in keys:
                self._traces.remember_late(key, counted=False)

    def seal(self, trace: Trace, status: str) -> None:
        """End one trace now, with this status where its root has not ended."""
        self._traces.seal(trace, status)

    def seal_all(self) -> None:
        """End what is over, and then every open trace as it is."""
        self.end_what_is_over()
        with self._lock:
            for trace in self.traces():
                self._traces.seal(trace, "incomplete")

    def resume(self, run: Run) -> None:
        """Take the interruption of what surrounds a run back: the run goes on with what was interrupted."""
        with self._lock:
            above = run.parent
            while above is not None:
                above.interrupted = False
                above = above.parent

    def take_interrupted(self, keys: Iterable[Hashable]) -> Interrupted | None:
        """Return the trace that was interrupted and has one of these keys, the first first; each is given once."""
        return self._traces.take_interrupted(keys)

    def give_back(self, interrupted: Interrupted) -> None:
        """Let another trace find it: it was not the one that goes on."""
        self._traces.remember_interrupted(interrupted)

    @property
    def silenced(self) -> bool:
        """Whether traces are open, and each of them is of suppressed code."""
        found = list(self._traces.traces.values())  # without the lock: whoever holds it may wait for who asks
        return bool(found) and all(trace.silent for trace in found)

    def running(self) -> list[tuple[Trace, list[Run]]]:
        """Return the open traces of which there is something to send, the latest first, with their steps so far."""
        with self._lock:
            traces = [each for each in self._traces.traces.values() if each.has_content and not each.silent]
            return [(trace, trace.steps) for trace in traces[: -RUNNING_TOLD - 1 : -1]]

    def traces(self) -> list[Trace]:
        """Return the open traces."""
        with self._lock:
            return list(self._traces.traces.values())

    @property
    def open_runs(self) -> int:
        """How many runs are open."""
        return len(self._runs)

    def open_keys(self) -> list[Hashable]:
        """Return the keys of the runs that are open."""
        with self._lock:
            return list(self._runs)

    @property
    def open_traces(self) -> int:
        """How many traces are open."""
        return len(self._traces.traces)


def _by_hand_within(parent: Run) -> Run:
    """Return the open step of ``trace()`` that surrounds the caller, where it lies below ``parent``; else that."""
    step = ambient.get()
    while step is not None and step.ended is not None:
        step = step.parent
    above = step
    while above is not None and above is not parent:
        above = above.parent
    return parent if above is None or step is None else step


@diagnostics.guarded
def _task_is_done(recorder: "weakref.ref[Recorder]", task: asyncio.Task[object]) -> None:
    """Pass a task's end on; as its callback it keeps neither the recorder nor a trace alive."""
    found = recorder()
    if found is not None:
        found.task_done(task)
