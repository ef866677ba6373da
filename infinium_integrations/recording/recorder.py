"""Runs become traces: start, finish and note, keyed by run id. It knows no framework and does no I/O.

All three may be called from any thread. One re-entrant lock (a garbage collection inside it may close a
generator, which calls back) covers parent look-up and insertion together.
"""

import asyncio
import itertools
import uuid
import weakref
from collections.abc import Hashable
from contextvars import ContextVar
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations.recording.lifecycle import OpenTraces
from infinium_integrations.recording.run import AWAITED, EVENTS_KEPT, Failure, Options, Run, Trace

__all__ = ["Recorder", "ambient", "suppressed"]

ambient: ContextVar[Run | None] = ContextVar("infinium_ambient", default=None)
"""The run of ``trace()`` or of one of its steps that surrounds this code."""

suppressed: ContextVar[bool] = ContextVar("infinium_suppressed", default=False)

_token: ContextVar[int] = ContextVar("infinium_token", default=0)
"""Tells two invocations apart that were given the same run id; read only then."""

_tokens = itertools.count(1)


class Recorder(OpenTraces):
    """Keeps the open traces and hands each on exactly once, when it is complete."""

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
            options: What the handler was told; used where the run is a root.
            is_step: Whether it is a step of its own; else it is folded into the nearest kept run around it.
            root_is_step: Whether the run, as a root, is also the one step of its trace.
            watch: Whether the run ends with its asyncio task; not needed where its end is always reported.
            follow: Whether the parent's word holds also where it is a root that has ended.

        Returns:
            The run, or None where it is recorded already or comes too late.
        """
        now = self.clock()
        with self._lock:
            known = self._runs.get(run_id)
            if known is not None and self._same_invocation(known):
                known.reporters += 1
                return None
            if self._late and parent_id in self._late and parent_id not in self._runs:
                self._remember_late(run_id)
                return None
            parent = self._parent(parent_id, follow=follow)
            run = self._child(run_id, parent, action, name, is_step) if parent else None
            if run is None:
                run = self._root(run_id, action, name, options, now, root_is_step)
            run.started = run.trace.last_event = now
            run.trace.open[run_id] = run
            if watch and (action in AWAITED or run.parent is None):
                self._watch_task(run)
            if known is None:
                self._runs[run_id] = run
            else:
                known.same_id_runs = known.same_id_runs or {known.trace.token: known}
                known.same_id_runs[run.trace.token] = run
        return run

    def get(self, run_id: Hashable) -> Run | None:
        """Give an open run; None where it was never recorded, has ended, or its trace is sealed (counted as late)."""
        run = self._runs.get(run_id)
        if run is None:
            if self._late.get(run_id):
                self.late_events += 1
            return None
        if run.same_id_runs is not None:
            run = run.same_id_runs.get(_token.get(), run)
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
            run.adapter_state = None
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
            run = self._child(uuid.uuid4(), parent, action, name, is_step=True)
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
            run = self._root(uuid.uuid4(), "custom", name, options, self.clock(), root_is_step=False)
            run.started = run.trace.started
            run.trace.open[run.id] = self._runs[run.id] = run
            return run

    def replace(self, old: Run, new: Run) -> None:
        """Let ``new``, which lies below ``old``, stand in its place as a step; ``old`` is folded away."""
        with self._lock:
            if old.is_step and not new.is_step and not old.trace.sealed:
                old.trace.replace(old, new)

    def touch(self, run: Run) -> None:
        """Record that a run is alive: a token came."""
        run.trace.last_event = self.clock()

    # -- where a run belongs ---------------------------------------------------------------------------------------

    def _same_invocation(self, known: Run) -> bool:
        """Tell the same run, reported by a second registration, from another one that was given the same id."""
        if known.parent is not None or known.trace.token == _token.get():
            return True
        return known.same_id_runs is not None and _token.get() in known.same_id_runs

    def _parent(self, parent_id: Hashable, *, follow: bool) -> Run | None:
        parent = self._runs.get(parent_id) if parent_id is not None else None
        if parent is not None:
            if parent.same_id_runs is not None:
                parent = parent.same_id_runs.get(_token.get(), parent)
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
        if inner_id is None or inner_id is parent_id or inner_id == parent_id:
            return parent_id
        if parent_id is None:
            return None if inner_id in self._runs else inner_id
        run = self._runs.get(inner_id)
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
        trace = Trace(str(uuid.uuid4()), options, now, self.wall())
        trace.silent = suppressed.get()
        run = trace.root = Run(run_id, trace, None, action, name)
        run.private = not options.capture_content
        trace.root_is_step = root_is_step
        if root_is_step:
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
                diagnostics.warn_once(
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
        run.task_runs = watched

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
        for run in list(root.task_runs or ()):
            if run.trace is root.trace and run is not root and not run.streaming:
                self.finish(run, "cancelled")


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
                diagnostics.record(error)
