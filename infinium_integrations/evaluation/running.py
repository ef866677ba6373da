"""``experiment()`` and ``aexperiment()``: a task run over examples, some at a time, each run a trace of its own."""

import asyncio
import contextlib
import contextvars
import inspect
import re
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from infinium_integrations import diagnostics, runtime
from infinium_integrations._entropy import new_id
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.evaluation.examples import Data, Example, Rubric, examples_of
from infinium_integrations.evaluation.progress import Progress, progress
from infinium_integrations.evaluation.tasks import Call, call_of, frameworks_traced
from infinium_integrations.models import NAME_LIMIT
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.recorder import ambient, suppressed
from infinium_integrations.tracing import TraceBuilder, trace
from infinium_integrations.viewer.experiments import TAG, Experiment, need_account
from infinium_integrations.viewer.outcomes import Outcome, shown

__all__ = ["Task", "aexperiment", "experiment"]

T = TypeVar("T")


class _Runnable(Protocol):
    def invoke(self, given: Any, /) -> object: ...


class _Engine(Protocol):
    def query(self, given: Any, /) -> object: ...


class _Retriever(Protocol):
    def retrieve(self, given: Any, /) -> object: ...


class _Workflow(Protocol):
    @property
    def run(self) -> Callable[..., object]: ...


Task = Callable[[Any], object] | _Runnable | _Engine | _Retriever | _Workflow
"""A function or coroutine function of the example's input, a LangChain runnable, a LlamaIndex engine or workflow."""

SETTLE = 5.0
"""Seconds to wait for what a task left running, before its trace is read as it is."""
HELD = 200
"""Traces of ended runs that are held at most, until their numbers are read from the store."""
WIND_DOWN = 5.0
"""Seconds that coroutines have to end after Ctrl-C."""


def experiment(
    task: Task,
    data: Data,
    *,
    name: str,
    expected_outcome: Rubric | None = None,
    concurrency: int = 4,
    repetitions: int = 1,
    wait: bool = False,
    timeout: float = 120,
) -> Experiment:
    """Run a task over examples, some at a time; each run is one trace with its own rubric for Maestro.

    An example that fails doesn't stop the rest: its row has the error. LangChain and LlamaIndex runs inside become the
    trace's steps: what is imported of the two is traced while the experiment lasts, whoever runs it. Functions run in
    threads, coroutines on an event loop of their own, so that it works in a notebook too; both see copies of the
    caller's context variables. Ctrl-C ends the experiment and returns what ran (``interrupted`` is True then); what was
    running is a row of status ``cancelled``. A second Ctrl-C is raised.

    Args:
        task: What is called with each example's input: a function, a coroutine function, a LangChain runnable
            (``invoke``), a LlamaIndex query engine or retriever, an agent or a workflow. A function whose first
            parameter is named ``example`` gets the whole example.
        data: The examples: a list of anything, a DataFrame, or the path of a ``.csv`` or ``.jsonl`` file. Of a dict,
            ``input`` goes to the task (the whole dict without ``expected_outcome`` where it has none),
            ``expected_outcome`` is its rubric, ``id`` its id (else a hash of the input), and other keys become facts
            of its trace.
        name: What the experiment is called, at most 500 characters. Several may have the same name.
        expected_outcome: The rubric of examples without one of their own: one for all, or a function of the example.
        concurrency: How many runs go on at the same time.
        repetitions: How often each example is run.
        wait: Wait for Maestro's results too, for ``timeout`` seconds at most; this needs an account.
        timeout: Seconds for ``wait``; the runs themselves have no limit.

    Returns:
        The rows in the order of the data; it shows itself as a table. The traces stay in the store, where
        ``experiments(name)`` finds them: each has ``experiment``, ``experiment_run``, ``example``, ``example_id`` and
        ``repetition`` among its ``custom_tags``.

    Raises:
        ConfigurationError: An argument or a setting cannot work; or ``wait`` without an account. Nothing has run then.
        ValidationError: A name or rubric that the platform would refuse; the same.

    Example:
        >>> from infinium_integrations import experiment
        >>> def answer(question):
        ...     return {"capital of France": "Paris"}[question]
        >>> result = experiment(answer, [{"input": "capital of France"}, {"input": "of Utopia"}], name="Capitals")
        >>> [(row.output, row.error) for row in result]
        [('Paris', None), (None, "KeyError: 'of Utopia'")]
    """
    plan = _plan(task, data, name, expected_outcome, concurrency, repetitions, wait, timeout, is_async=False)
    context = _apart()
    with _CtrlC() as ctrl_c:
        with frameworks_traced(), contextlib.closing(progress(len(plan.jobs), name)) as bar:
            _Loop(plan.run(bar), context).run(ctrl_c)
        found = plan.result()
    found.interrupted = ctrl_c.came
    if found.interrupted:
        diagnostics.tell(f"Interrupted: {len(found)} of {len(plan.jobs)} ran. The next Ctrl-C is the program's own.\n")
    return found.wait(timeout) if wait and not found.interrupted else found


async def aexperiment(
    task: Task,
    data: Data,
    *,
    name: str,
    expected_outcome: Rubric | None = None,
    concurrency: int = 4,
    repetitions: int = 1,
    wait: bool = False,
    timeout: float = 120,  # noqa: ASYNC109  (for Maestro's results, as in ``experiment``)
) -> Experiment:
    """Run a task over examples on the running event loop; see ``experiment``, which takes the same.

    LangChain runnables and LlamaIndex engines are called by their asynchronous methods, plain functions in threads.
    Where it is cancelled, the coroutines that run are cancelled too, and the cancellation goes on; what ran is kept:
    ``experiments(name)[0]`` finds it.

    Args:
        task: As for ``experiment``.
        data: As for ``experiment``.
        name: As for ``experiment``.
        expected_outcome: As for ``experiment``.
        concurrency: As for ``experiment``.
        repetitions: As for ``experiment``.
        wait: As for ``experiment``.
        timeout: As for ``experiment``.

    Returns:
        The rows in the order of the data.

    Raises:
        ConfigurationError: An argument or a setting cannot work; or ``wait`` without an account. Nothing has run then.
        ValidationError: A name or rubric that the platform would refuse; the same.

    Example:
        >>> import asyncio
        >>> from infinium_integrations import aexperiment
        >>> async def shout(text):
        ...     return text.upper()
        >>> [row.output for row in asyncio.run(aexperiment(shout, ["hi", "ho"], name="Shout"))]
        ['HI', 'HO']
    """
    plan = _plan(task, data, name, expected_outcome, concurrency, repetitions, wait, timeout, is_async=True)
    with frameworks_traced(), contextlib.closing(progress(len(plan.jobs), name)) as bar:
        await asyncio.get_running_loop().create_task(plan.run(bar), context=_apart())
    found = await in_thread(plan.result)
    return await in_thread(lambda: found.wait(timeout)) if wait else found


def _plan(
    task: Task,
    data: Data,
    name: str,
    rubric: Rubric | None,
    concurrency: int,
    repetitions: int,
    wait: bool,  # noqa: FBT001
    timeout: float,
    *,
    is_async: bool,
) -> "_Plan":
    """Check what an experiment is given, before anything runs."""
    if opts.checked_text("name", name, NAME_LIMIT) is None:
        msg = "name is required: say what the experiment is called"
        raise ConfigurationError(msg)
    for field, number in (("concurrency", concurrency), ("repetitions", repetitions)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            msg = f"{field}={number!r} must be a whole number from 1 on"
            raise ConfigurationError(msg)
    if not isinstance(timeout, int | float) or not timeout > 0:
        msg = f"timeout={timeout!r} must be a number of seconds above 0"
        raise ConfigurationError(msg)
    if wait:
        need_account()
    call, on_loop = call_of(task, is_async=is_async)
    examples = examples_of(data, rubric)
    jobs = [(example, repetition) for repetition in range(1, repetitions + 1) for example in examples]
    slug = re.sub(r"[^\w.-]+", "-", name)[:40].strip("-") or TAG
    return _Plan(name, f"{slug}-{new_id().hex[:8]}", call, on_loop, concurrency, jobs)


def _apart() -> contextvars.Context:
    """Return a copy of the caller's context in which no trace goes on: each run is a trace of its own."""
    context = contextvars.copy_context()
    context.run(ambient.set, None)
    return context


@dataclass(eq=False)
class _Plan:
    """One run of an experiment."""

    name: str
    run_id: str
    call: Call
    on_loop: bool
    concurrency: int
    jobs: list[tuple[Example, int]]

    def __post_init__(self) -> None:
        self._rows: list[Outcome] = []
        self._unread: list[tuple[Outcome, TraceBuilder]] = []
        """Runs whose traces are still held, until their numbers are read."""
        self._since = time.time_ns()

    async def run(self, bar: Progress) -> None:
        """Run all; on any event loop. Each run is an asyncio task of its own, with a context of its own."""
        left = iter(self.jobs)

        async def work() -> None:
            for example, repetition in left:
                await asyncio.ensure_future(self._attempt(example, repetition))
                bar.update()
                if len(self._unread) >= HELD:
                    await in_thread(self._take())

        workers = [asyncio.ensure_future(work()) for _ in range(min(self.concurrency, len(self.jobs)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _attempt(self, example: Example, repetition: int) -> None:
        outcome = Outcome(example.index, repetition, example.id, example.input)
        traced = trace(self.name, expected_outcome=example.rubric, tags=[TAG, self.run_id], metadata=example.facts)
        with _Kept(outcome), traced as builder:
            self._rows.append(outcome)
            self._unread.append((outcome, builder))
            outcome.trace_id = builder.trace_id if runtime.tracing() and not suppressed.get() else None
            facts = {"experiment": self.name, "experiment_run": self.run_id, "example": str(example.index)}
            facts |= {"example_id": example.id, "repetition": str(repetition)}
            builder.set_environment(custom_tags=facts).set_input_summary(example.input)
            if self.on_loop:
                outcome.output = await _awaited(self.call(example))
            else:
                outcome.output = await in_thread(lambda: _run(self.call(example)))
            builder.set_output_summary(shown(outcome.output))

    def _take(self) -> Callable[[], None]:
        """Return what reads the numbers of the runs that have ended by now; that does I/O."""
        ended = [pair for pair in self._unread if pair[0].duration is not None and pair[0].trace_id is not None]
        self._unread = [pair for pair in self._unread if pair[0].duration is None]
        since, self._since = self._since, time.time_ns()

        def read() -> None:
            current = runtime.current()
            current.recorder.settle(time.perf_counter() + SETTLE)
            found = current.delivery.reader.each(tag=self.run_id, stored_since=since, limit=None)
            stored = {task.trace_id: task for task in found}
            for outcome, builder in ended:
                task = stored.get(outcome.trace_id)
                if task is None:
                    task = outcome.built = builder.build()
                outcome.read(task)

        return read

    def result(self) -> Experiment:
        """Return what came of it, with the numbers of the traces. It does I/O."""
        self._take()()
        for outcome, _ in self._unread:  # they don't heed their cancellation
            outcome.status, outcome.error = "cancelled", "CancelledError"
        rows = sorted(self._rows, key=lambda row: (row.index, row.repetition))
        return Experiment(self.name, self.run_id, rows)


class _Kept:
    """Keeps in a row what its run came to; only what cancels the experiment itself goes on."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        row = self._outcome
        row.duration = time.perf_counter() - self._started
        if kind is None or error is None:
            return True
        cancelled = isinstance(error, asyncio.CancelledError)
        row.exception, row.status = error, "cancelled" if cancelled else "error"
        row.error = f"{kind.__name__}: {error}" if str(error) else kind.__name__
        task = asyncio.current_task()
        return not (cancelled and task is not None and task.cancelling())


async def _awaited(value: object) -> object:
    return await value if inspect.isawaitable(value) else value


def _run(value: object) -> object:
    """Return a function's result; where it returned a coroutine, what that returns."""
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def in_thread(work: Callable[[], T]) -> T:
    """Do work in a daemon thread of its own, in a copy of the caller's context: no pool that bounds or outlives it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    done: list[T] = []
    failed: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        with _Handed(failed):
            done.append(context.run(work))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, daemon=True, name="infinium-experiment").start()
    await ended.wait()
    if failed:
        raise failed[0]
    return done[0]


class _Handed:
    """Hands on what a thread ended with, whatever it is."""

    def __init__(self, errors: list[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is not None:
            self._errors.append(error)
        return True


class _CtrlC:
    """Takes the first Ctrl-C of a block, wherever it lands: raised between any two lines, it would lose what ran.

    The next one is raised. Where the program has a handler of its own, that is left to do what it does.
    """

    came = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):  # a subinterpreter has none
                signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _take(self, *_: object) -> None:
        self.came = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Loop:
    """An event loop in a thread of its own, which runs one coroutine to its end."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context) -> None:
        self._loop = asyncio.new_event_loop()
        self._coroutine = coroutine
        self._task: asyncio.Task[None] | None = None
        self._faults: list[BaseException] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=context.run, args=(self._main,), daemon=True, name="infinium-experiment")

    def run(self, ctrl_c: _CtrlC) -> None:
        """Run it; after Ctrl-C, cancel it and wait ``WIND_DOWN`` seconds for its end."""
        try:
            self._thread.start()
            self._wait(lambda: ctrl_c.came)
        except KeyboardInterrupt:  # from a handler of the program's own
            if ctrl_c.came:
                raise
            ctrl_c.came = True
        if ctrl_c.came:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
            over = time.monotonic() + WIND_DOWN
            self._wait(lambda: time.monotonic() > over)
        elif self._faults:
            raise self._faults[0]

    def _wait(self, enough: Callable[[], bool]) -> None:
        """Wait for its end, or until it is enough: a fifth of a second at a time, for Windows interrupts no wait."""
        while not enough() and not self._ended.wait(0.2):
            pass

    def _main(self) -> None:
        try:
            with _Handed(self._faults), asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                self._task = self._loop.create_task(self._coroutine)
                runner.run(_awaited(self._task))
        finally:
            self._ended.set()
