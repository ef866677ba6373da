"""The process's one recorder and one delivery, made when first needed, and what steers them."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack

from infinium_integrations import diagnostics, settings
from infinium_integrations.capture.content import held_bytes
from infinium_integrations.export import fork_safety
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Trace

if TYPE_CHECKING:
    from infinium_integrations.export.writer import PendingTrace
    from infinium_integrations.storage.reader import TraceReader

__all__ = [
    "Nowhere",
    "Runtime",
    "configure",
    "flush",
    "recorder",
    "shutdown",
    "stats",
    "tracing",
]

T = TypeVar("T")

DISOWNED = 1_000
"""Runs that tests left open, of which no other test shall hear."""


class _Delivery(Protocol):
    """Where a runtime's traces go."""

    @property
    def reader(self) -> "TraceReader": ...

    def flush(self, timeout: float) -> bool: ...

    def shutdown(self, timeout: float) -> bool: ...

    def configure(self) -> None: ...

    def stats(self) -> dict[str, int]: ...


class Runtime(Protocol):
    """A recorder and where its traces go; a test puts in its own by ``install``."""

    tracing: bool

    @property
    def recorder(self) -> Recorder: ...  # noqa: D102

    @property
    def delivery(self) -> _Delivery: ...  # noqa: D102


class _Runtime:
    """The runtime of a process: traces are stored and sent in the background."""

    def __init__(self) -> None:
        from infinium_integrations.export.pipeline import Delivery  # noqa: PLC0415  (heavy: with the first handler)

        given = settings.current()
        self.delivery = Delivery(
            assemble=_pending,
            discard=_released,
            sweep=lambda now: self.recorder.sweep(now),  # noqa: PLW0108  (the recorder is made below)
            seal=lambda: self.recorder.seal_all(),  # noqa: PLW0108
            listens=lambda: self.tracing and not self.recorder.silenced,
            running=lambda: _running(self.recorder),
        )
        self.recorder = Recorder(
            lambda trace: self.delivery.submit(trace, trace.weight()),
            wake=self.delivery.wake,
            grace=given.grace,
            idle=given.idle_timeout,
        )
        self.tracing = given.tracing


class _Ended:
    """The runtime of a process that had none when its interpreter began to end: what is left in it is nobody's."""

    tracing = False

    def __init__(self) -> None:
        self.delivery = Nowhere()
        self.recorder = Recorder(_released)


class Nowhere:
    """A delivery that keeps and sends nothing."""

    @property
    def reader(self) -> "TraceReader":
        """Nothing that was kept can be read."""
        msg = "the interpreter ends"
        raise RuntimeError(msg)

    def flush(self, timeout: float) -> bool:  # noqa: ARG002  (the protocol's)
        """Return that nothing waits."""
        return True

    shutdown = flush

    def configure(self) -> None:
        """Take no settings in."""

    def stats(self) -> dict[str, int]:
        """Count nothing."""
        return {}


_lock = threading.RLock()
_runtime: Runtime | None = None
_resolvers: list[Callable[[], Hashable]] = []
_callers: list[Callable[[], Hashable]] = []
_settlers: list[Callable[[float], None]] = []
_disowned: deque[Hashable] = deque(maxlen=DISOWNED)


def current() -> Runtime:
    """Return the runtime, creating it on first use; any thread may call it.

    Raises:
        ConfigurationError: A setting is malformed.
    """
    if _runtime is None:
        with _lock:
            if _runtime is None:  # while the interpreter ends nothing can be imported any more, or sent
                install(_Ended() if sys.is_finalizing() else _Runtime())
    return _runtime  # type: ignore[return-value]  # set above


def recorder() -> Recorder:
    """Return the process's recorder."""
    runtime = _runtime
    return (runtime if runtime is not None else current()).recorder


def recording() -> Recorder | None:
    """Return the process's recorder, or None where tracing is switched off now."""
    runtime = _runtime if _runtime is not None else current()
    return runtime.recorder if runtime.tracing else None


def tracing(client: object = None) -> bool:
    """Return whether traces are recorded at all (``INFINIUM_TRACING``), having imported what our threads will need.

    Args:
        client: What a handler or ``trace()`` was given to send with.

    Raises:
        ConfigurationError: A setting is malformed.
    """
    runtime = current()
    if client is not None and runtime.tracing:
        from infinium_integrations.export.pipeline import preload_for_client  # noqa: PLC0415  (as in _Runtime)

        preload_for_client(client)
    return runtime.tracing


def preload() -> None:
    """Import what our threads will need, as far as the environment shows it; no setting is read."""
    from infinium_integrations.export.pipeline import preload_for_sending, preload_for_writing  # noqa: PLC0415

    preload_for_writing()
    if os.environ.get("INFINIUM_AGENT_ID"):
        preload_for_sending()


def add_resolver(resolve: Callable[[], Hashable]) -> None:
    """Register how a framework finds which of its runs surrounds the caller: it returns the run's id or None."""
    _register(resolve, _resolvers, lambda recorder: recorder.resolvers)


def add_caller(find: Callable[[], Hashable]) -> None:
    """Register how a framework finds the model's call in whose method the caller is: it returns the run's id or None.

    It is asked only where another framework's top-level run begins, or a model within a model.
    """
    _register(find, _callers, lambda recorder: recorder.callers)


def add_settler(settle: Callable[[float], None]) -> None:
    """Register what ends what has ended without an event, before ``flush()`` waits; it takes the deadline."""
    _register(settle, _settlers, lambda recorder: recorder.settlers)


def _register(hook: T, hooks: list[T], of: Callable[[Recorder], list[T]]) -> None:
    with _lock:
        if hook in hooks:
            return
        hooks.append(hook)
        if _runtime is not None:
            of(_runtime.recorder).append(hook)


def install(runtime: Runtime | None) -> Runtime | None:
    """Put another runtime in place and return the one that was (for tests; after None it is made anew)."""
    global _runtime
    with _lock:
        if runtime is not None:
            runtime.recorder.resolvers.extend(_resolvers)
            runtime.recorder.callers.extend(_callers)
            runtime.recorder.settlers.extend(_settlers)
            runtime.recorder.ignore(_disowned)
        before, _runtime = _runtime, runtime
    return before


def disown(runs: Iterable[Hashable]) -> None:
    """Let nothing be recorded of runs, given by their keys, that another runtime left open; nor of what they start."""
    with _lock:
        _disowned.extend(runs)
        if _runtime is not None:
            _runtime.recorder.ignore(_disowned)


def _pending(trace: Trace) -> "PendingTrace":
    """Turn a sealed trace into what is stored and sent; runs on the writer's thread."""
    from infinium_integrations.export.writer import PendingTrace  # noqa: PLC0415  (here and below: preloaded)
    from infinium_integrations.payload.build import assemble, spans  # noqa: PLC0415
    from infinium_integrations.payload.captured import capture_of  # noqa: PLC0415
    from infinium_integrations.payload.finalize import Limits  # noqa: PLC0415

    try:
        capture = capture_of(trace)
        return PendingTrace(
            trace_id=trace.id,
            wire=assemble(trace, capture),
            captured=capture.captured(trace),
            spans=spans(trace),
            redactor=capture.redactor,
            client=trace.options.client,
            limits=Limits(preview=trace.options.preview_chars),
        )
    finally:
        _released(trace)


def _running(recorder: Recorder) -> bytes:
    """Return the open traces as they stand, as JSON; runs on the writer's thread, and only when someone looks."""
    from pydantic_core import to_json  # noqa: PLC0415

    from infinium_integrations.payload.captured import capture_of  # noqa: PLC0415
    from infinium_integrations.payload.running import so_far  # noqa: PLC0415

    now, told = recorder.clock(), []
    for trace, steps in recorder.running():
        with diagnostics.contained:
            told.append(so_far(trace, steps, capture_of(trace), now))
    return to_json(told)


def _released(trace: Trace) -> None:
    """Let go of a trace of which no more is wanted."""
    trace.content.release()
    if trace.root.builder is None:
        trace.release()


def configure(**changes: "Unpack[settings.SettingsChanges]") -> None:
    """Change settings for this process; each wins over its environment variable, and None takes a change back.

    What was recorded before is still delivered as it was meant. Any thread may call it.

    Args:
        **changes: ``agent_id``, ``agent_secret``, ``base_url``, ``store`` (a folder, ``"memory"`` or ``"off"``),
            ``store_bytes``, ``history_days``, ``tracing``, ``capture_content``, ``content_chars``, ``idle_timeout``,
            ``grace`` and ``exit_timeout`` (seconds), ``allow_http``, ``requests_per_second``, ``redact_keys``,
            ``redact_allow``, ``exporters`` (``"infinium"``, ``"otlp"`` or both): the environment's names in small
            letters.

    Raises:
        ConfigurationError: An unknown name or a malformed value; nothing is changed then.

    Example:
        >>> import infinium_integrations as infinium
        >>> infinium.configure(store="memory", capture_content=False)
        >>> infinium.configure(store=None, capture_content=None)
    """
    given = settings.configure(**changes)
    with _lock:
        if _runtime is None:
            return
        _runtime.tracing = given.tracing
        _runtime.recorder.set_deadlines(grace=given.grace, idle=given.idle_timeout)
        _runtime.delivery.configure()


def flush(timeout: float = 10.0) -> bool:
    """Seal what has ended and deliver it. It blocks: from a coroutine, call it in a thread.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything recorded before the call is delivered to all that are to have it, rejected or, where there
        is nobody, written. Where something was lost, one call says so.

    Raises:
        ConfigurationError: A setting is malformed.

    Example:
        >>> import infinium_integrations as infinium
        >>> infinium.flush(timeout=5)
        True
    """
    if _runtime is None and not settings.current().delivers:
        return True
    runtime = current()
    deadline = time.perf_counter() + timeout
    settled = runtime.recorder.settle(deadline)
    return runtime.delivery.flush(max(0.0, deadline - time.perf_counter())) and settled


def shutdown(timeout: float = 5.0) -> bool:
    """End every open trace as it is and deliver all; what is recorded later starts anew.

    It blocks. At exit, what is left is sealed and sent without it, for ``INFINIUM_EXIT_TIMEOUT`` seconds at most.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether nothing is left to send.

    Example:
        >>> import infinium_integrations as infinium
        >>> infinium.shutdown()
        True
    """
    if _runtime is None:
        return True
    _runtime.recorder.seal_all()
    return _runtime.delivery.shutdown(timeout)


def stats() -> dict[str, int]:
    """Count what this process did since it began; any thread may call it.

    Returns:
        Traces ``recorded``, ``sent`` (to all that are to have them), ``pending``, ``local`` (kept here, for want of an
        account), ``rejected``, ``dropped`` and ``open``; ``captured_bytes``, the text that open and queued traces refer
        to; ``late_events``, which came after their trace had been sent; ``faults`` of this library.

    Raises:
        ConfigurationError: A setting is malformed.

    Example:
        >>> import infinium_integrations as infinium
        >>> from infinium_integrations.testing import captured_traces
        >>> with captured_traces(), infinium.trace("Answer"):
        ...     infinium.stats()["open"]
        1
    """
    runtime = current()
    return {
        **runtime.delivery.stats(),
        "open": runtime.recorder.open_traces,
        "captured_bytes": held_bytes(),
        "late_events": runtime.recorder.late_events,
        "faults": diagnostics.count(),
    }


def _after_fork() -> None:
    """Forget the parent's open runs in a forked child: they are the parent's to send."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    if _runtime is not None:
        _runtime.recorder.forget()


fork_safety.in_child(_after_fork)
