"""Streams that were handed out and are not read to their end yet. The user's generator is never touched.

Of each only a weak reference is kept. Its end shows in three ways: the events of the model's call inside, its frame
(gone once it has been read to its end or closed), and the weak reference (dead once nobody can read it any more).
A thread looks at the frames only while a stream is about to end: its model's call is over, or it was let go.
"""

import _thread
import contextlib
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from types import AsyncGeneratorType, CodeType, FrameType, GeneratorType
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.diagnostics import guarded
from infinium_integrations.export import fork_safety
from infinium_integrations.llama_index import llm_calls, structured
from infinium_integrations.llama_index.classes import is_a, names
from infinium_integrations.llama_index.span_state import FRAMES_WALKED, State, state_of
from infinium_integrations.recording.run import Failure, Run, Trace

__all__ = [
    "Stream",
    "around",
    "close",
    "look_soon_at",
    "model_ended",
    "open_streams",
    "poll",
    "reading",
    "settle",
    "stream_in",
    "take",
    "when_closed",
    "written",
]

LET_GO_SECONDS = 0.3
"""A stream that was let go is closed after this time, if the closing of its generator has not said more till then."""
FIRST_LOOK = 0.005
LAST_LOOK = 0.2
EXIT_SETTLE_SECONDS = 1.0


class Stream:
    """One generator, or one chat response, and the runs that handed it out, the innermost first."""

    __slots__ = ("closed", "code", "key", "lazy", "let_go", "ref", "runs", "soon")

    def __init__(self, target: Any, run: Run, *, lazy: bool) -> None:
        self.key = id(target)
        self.code: CodeType | None = getattr(target, "gi_code", None) or getattr(target, "ag_code", None)
        self.runs = [run]
        self.lazy = lazy
        """The model is called only when the stream is read."""
        self.let_go: float | None = None
        self.soon = False
        """A look at its frame may show its end."""
        self.closed = False
        self.ref = weakref.ref(target, self._let_go)

    @guarded
    def _let_go(self, _: object) -> None:
        """Note that nobody can read the stream any more; called while its object dies, maybe in a collection."""
        self.let_go = time.perf_counter()
        _look_soon(self)

    def frame(self) -> FrameType | None:
        """Return the generator's frame; None where it is over."""
        target = self.ref()
        return None if target is None else _frame(target)

    @property
    def sealed(self) -> bool:
        """Whether the trace was sent without waiting any longer."""
        return self.closed or all(run.ended is not None or run.trace.sealed for run in self.runs)


_lock = threading.RLock()
_open: dict[int, Stream] = {}
_codes: dict[CodeType, dict[int, Stream]] = {}
_looked_for: queue.SimpleQueue[Stream] = queue.SimpleQueue()
_soon: list[Stream] = []
_looking = False
_over: queue.SimpleQueue[None] = queue.SimpleQueue()
"""Holds something where nothing is left to look at: the thread ends now, not in the middle of the next run."""
when_closed: list[Callable[[], None]] = []
"""Called after streams were closed whose end no event announced."""


def stream_in(result: object) -> object:
    """Return what will be read later in a span's result: a generator, or a chat response that a writer fills."""
    kind = type(result)
    if kind is GeneratorType or kind is AsyncGeneratorType:
        return result
    known = names(kind)
    if known.isdisjoint(_HOLDERS):
        return None
    if "StreamingResponse" in known or "AsyncStreamingResponse" in known:
        target = result.__dict__.get("response_gen")
        target = getattr(target, "__wrapped__", target)
        return target if isinstance(target, GeneratorType | AsyncGeneratorType) else None
    if "StreamingAgentChatResponse" in known:
        writes = result.__dict__.get("is_writing_to_memory", True)
        return (
            result if writes else stream_in(result.__dict__.get("chat_stream") or result.__dict__.get("achat_stream"))
        )
    private = getattr(result, "__pydantic_private__", None) or {}
    return stream_in(private.get("_result"))


_HOLDERS = frozenset({"StreamingResponse", "AsyncStreamingResponse", "StreamingAgentChatResponse", "StopEvent"})


def _frame(target: object) -> FrameType | None:
    return getattr(target, "gi_frame", None) or getattr(target, "ag_frame", None)


def _is_over(target: object) -> bool:
    return isinstance(target, GeneratorType | AsyncGeneratorType) and _frame(target) is None


def take(run: Run, state: State, target: object, *, lazy: bool) -> bool:
    """Keep a run open for the stream that it hands out; False where that has ended already."""
    with _lock:
        if _is_over(target) or (state.written and is_a(target, "StreamingAgentChatResponse")):
            return False
        stream = _open.get(id(target))
        if stream is not None and stream.ref() is target:
            stream.runs.append(run)
            stream.lazy = stream.lazy or lazy
        else:
            stream = Stream(target, run, lazy=lazy)
            _open[stream.key] = stream
            if stream.code is not None:
                _codes.setdefault(stream.code, {})[stream.key] = stream
        state.stream = stream
        run.streaming = run.parent is not None
        if state.calls:
            _look_soon(stream)
        return True


def written(state: State) -> None:
    """Note that a chat engine's writer has read the stream, maybe before the engine's run has handed it out."""
    with _lock:
        state.written = True


def around() -> Run | None:
    """Return the run whose stream the caller is being read for: one of its generators is on the stack."""
    if not _codes:
        return None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(FRAMES_WALKED):
        if frame is None:
            return None
        group = _codes.get(frame.f_code)
        for stream in list(group.values()) if group else ():
            if stream.frame() is frame:
                return stream.runs[0]
        frame = frame.f_back
    return None


def reading() -> Hashable:
    """Return the id of the run whose stream the caller is being read for: another framework's run belongs to it."""
    run = around()
    return run.id if run is not None else None


def open_streams() -> int:
    """How many streams are not read to their end."""
    return len(_open)


# -- the end -----------------------------------------------------------------------------------------------------------


def model_ended(run: Run, state: State, status: str, failure: Failure | None, at: float) -> None:
    """Notify whatever surrounds a model's call that it has ended, and of what was streamed."""
    above = run.parent
    streamed = state.call is not None and state.call.chunks > 0
    while above is not None:
        around_it = state_of(above)
        if around_it is not None:
            around_it.calls += 1
            around_it.broken = None if status == "ok" else status
            around_it.failure = failure
            around_it.last = at
            around_it.said = run.output
            handed_on = around_it.kind.role != "llm" or around_it.leaf is run
            if streamed and handed_on and not above.private:
                above.output = run.output
            if around_it.stream is not None:
                _look_soon(around_it.stream)
        above = above.parent


def close(stream: Stream, status: str | None = None) -> None:
    """End the runs that handed a stream out, the innermost first."""
    with _lock:
        if stream.closed:
            return
        stream.closed = True
        if _open.get(stream.key) is stream:
            _open.pop(stream.key, None)
        group = _codes.get(stream.code) if stream.code is not None else None
        if group is not None and group.get(stream.key) is stream:
            group.pop(stream.key, None)
            if not group:
                _codes.pop(stream.code, None)  # type: ignore[arg-type]
    recorder = runtime.recorder()
    for run in stream.runs:
        state = state_of(run)
        if state is None or run.trace.sealed:
            continue
        ended, failure, at = _outcome(stream, state, recorder.clock)
        if state.call is not None:
            llm_calls.left(run, state.call, partial=ended == "abandoned")
            model_ended(run, state, ended, failure, at)
        if state.kind.role == "structured":
            structured.ended(run, state)
        recorder.finish(run, status or ended, failure, at=at)


def _outcome(stream: Stream, state: State, clock: Any) -> tuple[str, Any, float]:
    if state.broken is not None:
        return state.broken, state.failure, state.last or clock()
    if state.calls:
        return "ok", None, state.last
    waits = state.call.started if state.call is not None else stream.lazy
    return "abandoned" if waits else "ok", None, stream.let_go or clock()


# -- the thread that looks ---------------------------------------------------------------------------------------------


def look_soon_at(trace: Trace) -> None:
    """Have the thread look at every open stream of a trace: one may be read to its end that nothing reports."""
    with _lock:
        found = [stream for stream in _open.values() if stream.runs[0].trace is trace]
    for stream in found:
        _look_soon(stream)


def _look_soon(stream: Stream) -> None:
    """Have the thread look at a stream. Safe inside a collection: it takes no lock."""
    global _looking  # noqa: PLW0603
    if stream.closed:
        return
    _looked_for.put(stream)
    if not _looking:
        _looking = True
        try:
            _thread.start_new_thread(_look, ())
        except RuntimeError:  # the interpreter ends, which sends what is open
            _looking = False


def _look() -> None:
    """Look at the streams that may end, less and less often, until there is none."""
    global _looking  # noqa: PLW0603
    pause = FIRST_LOOK
    while True:
        with contextlib.suppress(queue.Empty):
            _over.get(timeout=pause)
        pause = min(pause * 1.5, LAST_LOOK) if _looked_for.empty() else FIRST_LOOK
        poll()
        if not _soon and _looked_for.empty():
            _looking = False
            if _looked_for.empty() or _looking:
                return
            _looking = True


@guarded
def poll() -> None:
    """Close every stream that has ended; called by the thread and before ``flush()`` waits."""
    with _lock:
        while not _looked_for.empty():
            stream = _looked_for.get()
            if not stream.soon and not stream.closed:
                stream.soon = True
                _soon.append(stream)
        now = time.perf_counter()
        over = [stream for stream in _soon if stream.closed or stream.sealed or _has_ended(stream, now)]
        _soon[:] = [stream for stream in _soon if stream not in over]
    for stream in over:
        close(stream)
    if over:
        for notify in when_closed:
            notify()


def _has_ended(stream: Stream, now: float) -> bool:
    target = stream.ref()
    if target is not None:
        return _is_over(target)
    if stream.let_go is None or now - stream.let_go > LET_GO_SECONDS:
        return True
    # a model's call may go on below: the closing of its generator has not come yet
    for run in list(stream.runs[0].trace.open.values()):
        above: Run | None = run if run.llm is not None else None
        while above is not None:
            if above in stream.runs:
                return False
            above = above.parent
    return True


def settle(deadline: float) -> None:
    """Wait shortly for streams that were let go; given the deadline of ``flush()``."""
    limit = min(deadline, time.perf_counter() + EXIT_SETTLE_SECONDS)
    with _lock:
        over = [stream for stream in _open.values() if _is_over(stream.ref())]
    for stream in over:
        close(stream)
    poll()
    while any(stream.ref() is None for stream in list(_soon)) and time.perf_counter() < limit:
        time.sleep(FIRST_LOOK)
        poll()
    if _looking and not _soon:
        _over.put(None)


def _after_fork() -> None:
    """Forget the parent's streams in a forked child: they are the parent's."""
    global _lock, _looking, _looked_for, _over  # noqa: PLW0603
    _lock = threading.RLock()
    _looked_for, _over = queue.SimpleQueue(), queue.SimpleQueue()
    _open.clear()
    _codes.clear()
    _soon.clear()
    _looking = False


fork_safety.in_child(_after_fork)
