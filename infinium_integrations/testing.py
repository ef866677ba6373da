"""For tests of your own agents: traces caught in a list, nothing stored, nothing sent.

``captured_traces`` is for any test; with pytest the fixture ``infinium_traces`` gives ``RecordedTraces``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypedDict, Unpack, overload

from infinium_integrations import diagnostics, runtime
from infinium_integrations.capture.folding import unfolded
from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.models import CapturedStep, ErrorDetail, TaskData, ToolCall
from infinium_integrations.payload.build import assemble
from infinium_integrations.payload.captured import capture_of
from infinium_integrations.payload.finalize import Limits, finalize
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.recording.run import Trace

__all__ = ["CapturedTraces", "Deadlines", "RecordedTraces", "Tokens", "ToolUse", "captured_traces", "recorded_traces"]

PATIENCE = 10.0
"""Seconds that reading ``RecordedTraces`` waits at most, as ``flush()`` does."""


class ToolUse(ToolCall):
    """One call of a tool, with what was captured of it beside its summaries.

    Example:
        >>> from infinium_integrations.testing import ToolUse
        >>> ToolUse(tool_name="search", arguments={"city": "Paris"}).name
        'search'
    """

    arguments: Any = None
    """What it was given, whole; None where no content is captured."""
    result: Any = None
    """What it returned, whole."""

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.tool_name


class Tokens(int):
    """A number of tokens: the sum of ``prompt`` and ``completion``. What no provider reported counts as 0.

    Example:
        >>> from infinium_integrations.testing import Tokens
        >>> tokens = Tokens.of(12, 3)
        >>> tokens, tokens.prompt, tokens.completion
        (15, 12, 3)
    """

    prompt: int
    completion: int

    @classmethod
    def of(cls, prompt: int, completion: int) -> Self:
        """Return the sum of both.

        Args:
            prompt: Tokens that were sent.
            completion: Tokens that came.

        Example:
            >>> from infinium_integrations.testing import Tokens
            >>> Tokens.of(12, 3) < 20
            True
        """
        made = cls(prompt + completion)
        made.prompt, made.completion = prompt, completion
        return made


class _Asked:
    """What a test asks of its traces, all of them together."""

    def __iter__(self) -> Iterator[TaskData]:
        raise NotImplementedError

    def tool_calls(self, name: str | None = None) -> list[ToolUse]:
        """Return the calls of tools, in their order.

        Args:
            name: Of this tool alone.

        Example:
            >>> from infinium_integrations import trace
            >>> from infinium_integrations.testing import captured_traces
            >>> with captured_traces() as traces, trace("Answer") as t, t.step("tool_use", "Look it up") as step:
            ...     _ = step.record_tool_call("search").set_input({"city": "Paris"})
            >>> [(call.name, call.arguments) for call in traces.tool_calls()]
            [('search', {'city': 'Paris'})]
        """
        steps = [step for task in self for step in task.steps or () if step.tool_call is not None]
        return [
            ToolUse(**{**dict(call), "error": call.error or step.error}, arguments=held.arguments, result=held.result)
            for step, call, held in ((step, step.tool_call, step.captured or CapturedStep()) for step in steps)
            if call is not None and name in {None, call.tool_name}
        ]

    def tokens(self) -> Tokens:
        """Return the tokens of all calls of models.

        Example:
            >>> from infinium_integrations import trace
            >>> from infinium_integrations.testing import captured_traces
            >>> with captured_traces() as traces, trace("Answer") as t, t.step("llm_inference", "Ask") as step:
            ...     _ = step.record_llm_call("gpt-5", prompt_tokens=9, completion_tokens=1)
            >>> traces.tokens()
            10
        """
        used = [task.llm_usage for task in self if task.llm_usage is not None]
        return Tokens.of(sum(one.prompt_tokens or 0 for one in used), sum(one.completion_tokens or 0 for one in used))

    def errors(self) -> list[ErrorDetail]:
        """Return the errors, those included that a run went on past (``recoverable``).

        Example:
            >>> from infinium_integrations import trace
            >>> from infinium_integrations.testing import captured_traces
            >>> with captured_traces() as traces, trace("Answer") as t:
            ...     _ = t.add_error(ValueError("no answer"))
            >>> [error.message for error in traces.errors()]
            ['no answer']
        """
        return [error for task in self for error in task.errors or ()]

    def messages(self, role: str | None = None) -> list[dict[str, Any]]:
        """Return what models were sent and answered, each distinct message of a trace once.

        Args:
            role: Of this role alone: ``system``, ``user``, ``assistant`` or ``tool``.

        Returns:
            Dicts of ``role``, ``parts`` and perhaps ``name``; see ``task.captured``.

        Example:
            >>> from infinium_integrations.testing import CapturedTraces
            >>> CapturedTraces().messages(role="user")
            []
        """
        said = [message for task in self if task.captured is not None for message in task.captured.messages]
        return [message for message in said if role in {None, message.get("role")}]


class CapturedTraces(list[TaskData], _Asked):
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
    raised = diagnostics.is_raising()
    before = runtime.install(_Captured(traces, **clocks, **deadlines))
    diagnostics.raising(on=True)
    try:
        yield traces
    finally:
        try:
            traces.recorder.end_what_is_over()
        finally:
            diagnostics.raising(on=raised)
            runtime.install(before)
            runtime.disown(traces.recorder.open_keys())


class RecordedTraces(Sequence[TaskData], _Asked):
    """The traces that ended so far; whenever it is read it waits for what has ended, as ``flush()`` does.

    It is what pytest's fixture ``infinium_traces`` gives.

    Args:
        traces: Where they are caught.
    """

    def __init__(self, traces: CapturedTraces) -> None:
        self._traces = traces

    def _read(self) -> list[TaskData]:
        recorder = self._traces.recorder
        recorder.settle(recorder.clock() + PATIENCE)
        return list(self._traces)

    def __iter__(self) -> Iterator[TaskData]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, place: int) -> TaskData: ...

    @overload
    def __getitem__(self, place: slice) -> list[TaskData]: ...

    def __getitem__(self, place: int | slice) -> TaskData | list[TaskData]:
        return self._read()[place]

    def __eq__(self, other: object) -> bool:
        return self._read() == (other._read() if isinstance(other, RecordedTraces) else other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        return f"<{len(self._traces)} traces: {', '.join(f'{task.name} ({task.status})' for task in self._traces)}>"


@contextmanager
def recorded_traces() -> Iterator[RecordedTraces]:
    """Catch every trace that ends inside the block, as the fixture ``infinium_traces`` does.

    Returns:
        A context manager; it yields a sequence of ``TaskData``.

    Example:
        >>> from infinium_integrations import trace
        >>> from infinium_integrations.testing import recorded_traces
        >>> with recorded_traces() as traces:
        ...     with trace("Answer"):
        ...         pass
        ...     len(traces)
        1
    """
    with captured_traces() as traces:
        yield RecordedTraces(traces)
