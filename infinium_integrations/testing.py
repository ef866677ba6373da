"""For tests of your own agents: traces caught in a list, nothing stored, nothing sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict, Unpack

from infinium_integrations import diagnostics, runtime
from infinium_integrations.capture.folding import unfolded
from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.models import TaskData
from infinium_integrations.payload.build import assemble
from infinium_integrations.payload.captured import capture_of
from infinium_integrations.payload.finalize import Limits, finalize
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Trace

__all__ = ["CapturedTraces", "Deadlines", "captured_traces"]


class CapturedTraces(list[TaskData]):
    """The traces that ended so far, in the order in which they ended; see ``captured_traces``."""

    recorder: Recorder

    def end_all(self) -> None:
        """End what is still open, as ``shutdown()`` does.

        Example:
            >>> from infinium_integrations import trace
            >>> from infinium_integrations.testing import captured_traces
            >>> with captured_traces() as traces, trace("Answer"):
            ...     traces.end_all()
            >>> traces[0].status
            'incomplete'
        """
        self.recorder.seal_all()


class Deadlines(TypedDict, total=False):
    """The recorder's deadlines, which a test may shorten."""

    grace: float
    """Seconds that children of a cancelled or abandoned root have to end."""
    idle: float
    """Seconds without an event after which an open trace ends."""
    cap: int
    """Traces that may be open at once."""


class _Counting(runtime.Nowhere):
    """The delivery of a test: counts, stores nothing."""

    def __init__(self) -> None:
        self.recorded = 0

    @property
    def reader(self) -> Any:  # as far as tests read traces
        return self

    def stats(self) -> dict[str, int]:
        return {"recorded": self.recorded, "local": 0, "sent": 0, "pending": 0, "rejected": 0, "dropped": 0}

    def traces(self, **query: object) -> list[TaskData]:
        return []

    each = listing = sums = traces

    def get(self, trace_id: str, *, exact: bool = False) -> None: ...


class _Captured:
    """A runtime whose traces go into a list at once."""

    tracing = True

    def __init__(self, traces: CapturedTraces, **given: Any) -> None:
        self.delivery = _Counting()

        def take(trace: Trace) -> None:
            limits = Limits(preview=trace.options.preview_chars)
            capture = capture_of(trace)
            wire = finalize(assemble(trace, capture), capture.redactor, cut=True, limits=limits)
            task, captured = TaskData.model_validate(wire), capture.captured(trace)
            traces.append(task.with_captured(None if captured is None else unfolded(captured)))
            self.delivery.recorded += 1

        self.recorder = traces.recorder = Recorder(take, **given)


@contextmanager
def captured_traces(
    *,
    clock: Callable[[], float] | None = None,
    wall: Callable[[], float] | None = None,
    **deadlines: Unpack[Deadlines],
) -> Iterator[CapturedTraces]:
    """Catch every trace that ends inside the block, in all threads; faults of this library raise.

    One block at a time: it takes the place of the process's recorder.

    Args:
        clock: Monotonic seconds, in place of the real clock.
        wall: Seconds since the epoch, in place of the real ones.
        **deadlines: See ``Deadlines``.

    Raises:
        ConfigurationError: A keyword is unknown; the text says which was meant.

    Returns:
        A context manager; it yields a list of ``TaskData`` that grows as traces end.

    Example:
        >>> from infinium_integrations import trace
        >>> from infinium_integrations.testing import captured_traces
        >>> with captured_traces() as traces:
        ...     with trace("Answer") as builder:
        ...         _ = builder.set_output_summary("42")
        >>> [(one.name, one.status, one.output_summary) for one in traces]
        [('Answer', 'ok', '42')]
    """
    clocks = {name: given for name, given in (("clock", clock), ("wall", wall)) if given is not None}
    for name in deadlines.keys() - Deadlines.__annotations__.keys():
        known = ["clock", "wall", *Deadlines.__annotations__]
        msg = f"captured_traces() has no option {name!r}{did_you_mean(name, known) or ';'} it has {', '.join(known)}"
        raise ConfigurationError(msg)
    traces = CapturedTraces()
    before = runtime.install(_Captured(traces, **clocks, **deadlines))
    diagnostics.raising(on=True)
    try:
        yield traces
    finally:
        try:
            traces.recorder.end_what_is_over()
        finally:
            diagnostics.raising(on=False)
            runtime.install(before)
