"""The process's one recorder and one delivery, made when first needed, and what steers them."""

import importlib
import importlib.util
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infinium_integrations import diagnostics, settings
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Trace

if TYPE_CHECKING:
    from infinium_integrations.export import PendingTrace

__all__ = [
    "configure",
    "flush",
    "installed",
    "instrument",
    "recorder",
    "shutdown",
    "stats",
    "tracing",
    "uninstrument",
]

FRAMEWORKS = {"langchain": "langchain_core", "llama_index": "llama_index.core"}
"""Our module for each framework, and the module that shows that it is installed."""


class _Runtime:
    """A recorder and where its traces go."""

    def __init__(self) -> None:
        # With the first handler, not on a thread of ours: a fork during an import would leave its lock held.
        from infinium_integrations.export import Delivery  # noqa: PLC0415
        from infinium_integrations.payload import build  # noqa: F401, PLC0415
        from infinium_integrations.redaction import redactor  # noqa: F401, PLC0415

        given = settings.current()
        self.delivery = Delivery(assemble=_draft, sweep=self._sweep, seal=self._seal)
        self.recorder = Recorder(
            self.delivery.submit,
            wake=self.delivery.wake,
            grace=given.grace,
            idle=given.idle_timeout,
        )
        self.tracing = given.tracing

    def _sweep(self, now: float) -> float | None:
        return self.recorder.sweep(now)

    def _seal(self) -> None:
        self.recorder.seal_all()


_lock = threading.RLock()
_runtime: Any = None
_resolvers: list[Callable[[], Any]] = []
_settlers: list[Callable[[float], None]] = []


def current() -> Any:
    """Give the runtime, made when first asked for.

    Raises:
        ConfigurationError: A setting is malformed.
    """
    global _runtime  # noqa: PLW0603
    if _runtime is None:
        with _lock:
            if _runtime is None:
                made = _Runtime()
                _equip(made.recorder)
                _runtime = made
    return _runtime


def recorder() -> Recorder:
    """Give the process's recorder."""
    runtime = _runtime
    return (runtime if runtime is not None else current()).recorder  # type: ignore[no-any-return]


def tracing() -> bool:
    """Tell whether traces are recorded at all (``INFINIUM_TRACING``)."""
    return bool(current().tracing)


def add_resolver(resolve: Callable[[], Any]) -> None:
    """Let a framework say which of its runs surrounds the caller."""
    with _lock:
        if resolve in _resolvers:
            return
        _resolvers.append(resolve)
        if _runtime is not None:
            _runtime.recorder.resolvers.append(resolve)


def add_settler(settle: Callable[[float], None]) -> None:
    """Let a framework end what has ended without an event, before ``flush()`` waits; given the deadline."""
    with _lock:
        if settle in _settlers:
            return
        _settlers.append(settle)
        if _runtime is not None:
            _runtime.recorder.settlers.append(settle)


def _equip(recorder: Recorder) -> None:
    recorder.resolvers.extend(_resolvers)
    recorder.settlers.extend(_settlers)


def install(runtime: Any) -> Any:
    """Put another runtime in place and give the one that was (for tests; None has it made anew)."""
    global _runtime
    with _lock:
        before, _runtime = _runtime, runtime
        if runtime is not None:
            _equip(runtime.recorder)
    return before


def _draft(trace: Trace) -> "PendingTrace":
    """Turn a sealed trace into what is stored and sent; runs on the writer's thread."""
    from infinium_integrations.export import PendingTrace  # noqa: PLC0415
    from infinium_integrations.payload.build import assemble  # noqa: PLC0415
    from infinium_integrations.payload.finalize import Limits  # noqa: PLC0415
    from infinium_integrations.redaction.redactor import Redactor, process_secrets  # noqa: PLC0415

    draft = PendingTrace(
        trace_id=trace.id,
        wire=assemble(trace),
        redactor=Redactor(secrets=process_secrets(), user=trace.options.redact),
        client=trace.options.client,
        limits=Limits(preview=trace.options.preview_chars),
    )
    _release(trace)
    return draft


def _release(trace: Trace) -> None:
    """Break the cycles, so that a trace is freed at once and not by the garbage collector."""
    if trace.root.builder is None:
        for run in trace.steps:
            run.parent = run.nearest_step = None
        trace.head.clear()
        trace.tail.clear()
        trace.failures.clear()


def configure(**changes: Any) -> None:
    """Change settings for this process; each wins over its environment variable, and None takes a change back.

    What was recorded before is still delivered as it was meant.

    Args:
        **changes: ``agent_id``, ``agent_secret``, ``base_url``, ``store``, ``store_bytes``, ``history_days``,
            ``tracing``, ``capture_content``, ``idle_timeout``, ``grace``, ``exit_timeout``, ``allow_http``,
            ``requests_per_second``: the environment's names in small letters.

    Raises:
        ConfigurationError: An unknown name or a malformed value; nothing is changed then.
    """
    given = settings.configure(**changes)
    with _lock:
        if _runtime is None:
            return
        _runtime.tracing = given.tracing
        _runtime.recorder.set_deadlines(grace=given.grace, idle=given.idle_timeout)
        _runtime.delivery.configure()


def flush(timeout: float = 10.0) -> bool:
    """Seal what has ended and deliver it.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything recorded before the call is delivered, rejected or, without an account, written.
    """
    if _runtime is None and not settings.current().has_account:
        return True
    runtime = current()
    deadline = time.perf_counter() + timeout
    settled = runtime.recorder.settle(deadline)
    return bool(runtime.delivery.flush(max(0.0, deadline - time.perf_counter())) and settled)


def shutdown(timeout: float = 5.0) -> bool:
    """End every open trace as it is and deliver all; what is recorded later starts anew.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether nothing is left to send.
    """
    if _runtime is None:
        return True
    _runtime.recorder.seal_all()
    return bool(_runtime.delivery.shutdown(timeout))


def stats() -> dict[str, int]:
    """Count what this process did: recorded, sent, pending, rejected, dropped, open, late events, faults of ours."""
    runtime = current()
    return {
        **runtime.delivery.stats(),
        "open": runtime.recorder.open_traces,
        "late_events": runtime.recorder.late_events,
        "faults": diagnostics.count(),
    }


def instrument(*frameworks: str, **options: Any) -> None:
    """Trace every run of the named frameworks, or of every installed one, in the whole process.

    Args:
        *frameworks: ``"langchain"`` and ``"llama_index"``.
        **options: What the handlers take.

    Raises:
        ConfigurationError: An unknown name.
        ImportError: A framework that was named is not installed; the text says which extra to install.
    """
    for name in _chosen(frameworks):
        _module(name).instrument(**options)


def uninstrument(*frameworks: str) -> None:
    """Stop what ``instrument`` began; runs that are open are finished."""
    for name in _chosen(frameworks):
        _module(name).uninstrument()


def _chosen(frameworks: tuple[str, ...]) -> list[str]:
    for name in frameworks:
        if name not in FRAMEWORKS:
            msg = f"{name!r} is not a framework that can be traced; these are: {', '.join(FRAMEWORKS)}"
            raise ConfigurationError(msg)
    return list(frameworks) or [name for name in FRAMEWORKS if installed(name)]


def installed(framework: str) -> bool:
    """Return whether a framework's package can be imported; none is imported."""
    try:
        return importlib.util.find_spec(FRAMEWORKS[framework]) is not None
    except ImportError:
        return False


def _module(name: str) -> Any:
    return importlib.import_module(f"infinium_integrations.{name}.instrumentor")


def _after_fork() -> None:
    """Forget the parent's open runs in a forked child: they are the parent's to send."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    if _runtime is not None:
        _runtime.recorder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
