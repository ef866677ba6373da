"""Spans become runs: one function for a span's start, one for its end, one for its exception."""

import asyncio
import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.preview import preview
from infinium_integrations.llama_index import (
    evaluators,
    frames,
    ingestion,
    interruptions,
    legacy_threads,
    llm_calls,
    span_content,
    streams,
    structured,
    trace_metadata,
    workflows,
)
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.classify import AGENT_TURN, Kind, kind
from infinium_integrations.llama_index.content import is_failure
from infinium_integrations.llama_index.span_state import BETWEEN, State, model_around, state_of
from infinium_integrations.recording.exceptions import failed
from infinium_integrations.recording.run import Failure, Options, Run, ToolUse

__all__ = ["any_open", "drop", "end", "end_all", "enter", "judged", "leave", "wants"]

UUID_CHARS = 37
"""A span's id ends in a dash and a UUID."""

LEAKS_REMEMBERED = 1_000
OWN_RESOLVERS = 2
"""The dispatcher's active span, and the stream that is being read."""

_NAMELESS = {"plumbing", "embedding"}
"""What stands at the root where an index is built: no span surrounds that."""

_leaks: OrderedDict[str, str | None] = OrderedDict()
"""Spans that stay the active one after they have ended (a decorated function gave a task), and what is around them."""


def enter(
    span_id: str,
    bound: inspect.BoundArguments,
    instance: object,
    parent_id: str | None,
    tags: Mapping[str, object],
    options: Options,
    *,
    new_roots: bool,
) -> None:
    """Record that a span started."""
    name = span_id[:-UUID_CHARS] if len(span_id) > UUID_CHARS else span_id
    arguments = bound.arguments
    around = _parent(parent_id) or legacy_threads.around(name, instance, arguments)
    if around is None or around.llm is not None or state_of(around) is None:
        around = runtime.recorder().calling(around) or around
    around_it = state_of(around)
    in_flow = around_it is not None and around_it.kind.role == "flow"
    what = ingestion.transformation(kind(name, instance, arguments, tags, in_flow=in_flow), instance, around)
    if around is not None and in_flow and what.role != "step":
        around, parent_id = around.parent, None  # older versions leave the run's span active in its caller
    if not new_roots and around is None:
        return
    named = around.id if around is not None else parent_id
    judged_by = evaluators.evaluation(what)
    called = judged_by[0] if judged_by is not None else _named(what, name, instance)
    run = runtime.recorder().start(
        span_id,
        named,
        what.action,
        called,
        options=options,
        is_step=options.full
        or judged_by is not None
        or (what.is_step and not _repeats(what, called, around, instance)),
        root_is_step=what.root_is_step and around is None,
        watch=False,
    )
    if run is not None:
        if judged_by is not None:
            run.input = None if run.private or not options.capture_content else span_content.judged(run, judged_by[1])
        _begin(run, what, called if judged_by is not None else name, instance, arguments, tags, options)


def _parent(parent_id: str | None) -> Run | None:
    """Find the run around a span: the one it names, or the one whose stream is being read, whichever is nearer."""
    recorder = runtime.recorder()
    while parent_id is not None and parent_id in _leaks:
        parent_id = _leaks[parent_id]
    named = recorder.find(parent_id) if parent_id is not None else None
    reading = streams.around()
    if reading is not None and (named is None or reading.started >= named.started):
        return reading
    if named is not None:
        return _deeper(named)
    carried = trace_metadata.carried()
    return recorder.find(carried) if carried is not None else None


def _deeper(named: Run) -> Run:
    """Return the run that surrounds the caller where it is another framework's, or a user's step, below the named."""
    recorder = runtime.recorder()
    inner = recorder.surrounding() if recorder.mixed(OWN_RESOLVERS) else None
    above = inner if state_of(inner) is None else None
    while above is not None:
        if above is named:
            return inner or named
        above = above.parent
    return named


def _named(what: Kind, name: str, instance: object) -> str:
    if what.role == "tool":
        named = getattr(getattr(instance, "metadata", None), "name", None)
        return preview(named, 300) if isinstance(named, str) and named else type(instance).__name__
    if what.role in {"llm", "retrieval", "embedding", "rerank", "structured"}:
        return type(instance).__name__
    if what.role == "step":
        return what.method
    if what.role == "flow":
        return workflows.named(what, instance) or _short(name)
    if what.role == "transformation":
        return ingestion.named(instance)
    return _short(name)


@functools.lru_cache(1_024)
def _short(name: str) -> str:
    """Return a span's class and method, or its function."""
    return ".".join(part for part in name.split(".")[-2:] if part != "<locals>")


def _repeats(what: Kind, name: str, around: Run | None, instance: object) -> bool:
    """Return whether a span repeats the one around it: ``__call__`` and ``call``, or a nested model's call."""
    handed_on = what.role in {"llm", "structured"} and model_around(around) is not None
    if what.role == "llm" or handed_on:
        return handed_on or structured.replaceable(around) is not None
    function = getattr(instance, "__dict__", {}).get("_fn") if what.role == "tool" else None
    if getattr(function, "__qualname__", "").endswith("get_function_tool.<locals>.model_fn"):
        return True  # a form that structured prediction has the model fill in: calling it runs nothing
    while around is not None:
        state = state_of(around)
        if state is None:
            return False
        if state.kind.role == what.role:
            return what.role in _INNER and around.name == name
        if state.kind.role not in BETWEEN:
            return False
        around = around.parent
    return False


_INNER = {"tool", "embedding", "rerank", "retrieval", "structured"}


# -- the start ---------------------------------------------------------------------------------------------------------


def _begin(
    run: Run,
    what: Kind,
    name: str,
    instance: object,
    arguments: Mapping[str, object],
    tags: Mapping[str, object],
    options: Options,
) -> None:
    state = run.adapter_state = State(what)
    run.llm = llm_calls.called(instance) if what.role == "structured" else None
    trace = run.trace
    if trace.framework is None:
        trace.framework = "llama_index"
    if run.parent is None:
        trace.has_content = what.has_content or options.full
        trace_metadata.begin(run, options, workflows.named(what, instance) or _short(name), tags)
    elif what.has_content:
        trace.has_content = True
    trace_metadata.keep_own(run, tags)
    if not options.capture_content:
        run.private = True
    if what.role == "llm":
        _model(run, state, instance)
    elif what.role in _BEGINNINGS:
        _BEGINNINGS[what.role](run, state, instance, arguments)
    if run.is_step and what.role != "step":
        workflows.sign(run)
    if wants(run) and run.input is None:
        run.input = span_content.given(run, what, arguments, run.limit)


def wants(run: Run) -> bool:
    """Return whether a run's texts are kept."""
    return not run.private and (run.is_step or run.parent is None)


def _model(run: Run, state: State, instance: object) -> None:
    state.call = llm_calls.Call()
    run.llm = llm_calls.called(instance)
    outer = model_around(run.parent)
    if outer is None:
        prediction = structured.replaceable(run.parent)
        if prediction is not None:
            structured.stand_in(prediction, run)
        return
    outer_state = state_of(outer)
    if outer_state is None or outer_state.leaf is not None:
        if not run.is_step:
            run.is_step = True  # a further call that a model handed on
            run.trace.keep(run)
        return
    outer_state.leaf = run
    outer.llm = None
    if run.trace.options.full:
        outer.action = "chain"
    else:
        runtime.recorder().replace(outer, run)


def _tool(run: Run, state: State, instance: object, arguments: Mapping[str, Any]) -> None:
    if not run.is_step:
        return
    run.tool = ToolUse(run.name, workflows.call_id(run))
    state.handed = legacy_threads.handed(getattr(instance, "__dict__", {}).get("_fn"), arguments.get("kwargs") or {})
    if wants(run):
        run.input = span_content.tool_input(run, arguments, run.limit)


_BEGINNINGS: dict[str, Callable[[Run, State, object, Mapping[str, object]], None]] = {
    "tool": _tool,
    "ingestion": ingestion.begin,
    "flow": workflows.begin,
    "step": workflows.begin,
}


# -- the end -----------------------------------------------------------------------------------------------------------


def leave(span_id: str, result: object) -> None:
    """Record that a span ended with a result; what it streams goes on."""
    recorder = runtime.recorder()
    run = recorder.get(span_id)
    if run is None:
        return
    state = state_of(run)
    if state is None:
        recorder.finish(run, "ok")
        return
    if asyncio._get_running_loop() is not None and (error := _error_of_task(span_id)) is not None:  # noqa: SLF001
        drop(span_id, error)
        return
    target = streams.stream_in(result)
    if target is not None and streams.take(run, state, target, lazy=target is not result):
        workflows.stopped(run, state, result)
        return
    status, failure = "error", None
    try:
        status, failure = _take(run, state, result, streamed=target is not None)
    finally:
        end(run, state, status, failure)


def _take(run: Run, state: State, result: Any, *, streamed: bool) -> tuple[str, Failure | None]:
    """Record a result; return how the run ended."""
    if state.kind.role == "plumbing" and state.broken is None and not state.cancelled and run.parent is not None:
        return "ok", None
    if wants(run) and not streamed and state.kind.role != "embedding":
        came = span_content.taken(run, state.kind, result, run.limit)
        run.output = came if came is not None or state.kind.method == AGENT_TURN else run.output
    span_content.facts(run, state, result)
    if state.cancelled:
        return interruptions.left(run, state, "cancelled"), None
    if state.broken is not None and streamed:
        return state.broken, state.failure
    if state.kind.role == "tool" and is_a(result, "ToolOutput") and is_failure(result):
        return "error", span_content.tool_failure(result, run.limit)
    return workflows.ended(run, state, result)


def end(run: Run, state: State, status: str, failure: Failure | None) -> None:
    """Record that a run is over, and notify the streams around it."""
    recorder = runtime.recorder()
    parent, role = state_of(run.parent), state.kind.role
    now = recorder.clock()
    if role == "structured":
        structured.ended(run, state)
    if role == "llm" and state.leaf is None:
        streams.model_ended(run, state, status, failure, now)
    if role == "writer" and parent is not None:
        streams.written(parent)
        parent.calls += 1
        parent.last = now
        if status != "ok":
            parent.broken, parent.failure = status, failure
    if run.parent is None and role in _NAMELESS and (run.trace.has_content or status == "error"):
        ingestion.name_root(run, _short(str(run.id)[:-UUID_CHARS]))
    recorder.finish(run, status, failure)
    if state.stream is not None:
        streams.close(state.stream)
    if role == "writer" and parent is not None and parent.stream is not None:
        streams.close(parent.stream)
        streams.look_soon_at(run.trace)


def _error_of_task(span_id: str) -> BaseException | None:
    """Return the exception of a task that the dispatcher reports as if it had given None.

    Only the frame that ends the span knows it: it holds the task.
    """
    frame = frames.ending_frame()
    task = frames.OF_A_TASK.get(frame.f_code.co_name) if frame is not None else None
    if frame is None or task is None or frame.f_locals.get("span_id") != span_id:
        return None
    run = runtime.recorder().find(span_id)
    _leaks[span_id] = str(run.parent.id) if run is not None and run.parent is not None else None
    if len(_leaks) > LEAKS_REMEMBERED:
        _leaks.popitem(last=False)
    future = frame.f_locals.get(task)
    return future.exception() if future is not None and not future.cancelled() else None


def drop(span_id: str, error: BaseException | None) -> None:
    """Record that a span ended with an exception."""
    recorder = runtime.recorder()
    run = recorder.get(span_id)
    if run is None:
        return
    state = state_of(run)
    status, failure = ("incomplete", None) if error is None else judged(error)
    if state is None:
        recorder.finish(run, status, failure)
        return
    parent = state_of(run.parent)
    for before in (state.failure, parent.failure if parent is not None else None):
        if before is not None and failure is not None and before.key == failure.key:
            failure = before  # it is reported already: a stream below broke with the same exception
            break
    workflows.dropped(run, state, status, error)
    status = interruptions.left(run, state, status)
    if state.call is not None and status != "ok" and run.llm is not None:
        llm_calls.left(run, state.call, partial=state.call.usage is not None)
    end(run, state, status, failure)


def judged(error: BaseException) -> tuple[str, Failure | None]:
    """Classify an exception that ended a span; a coroutine that was destroyed is cancelled, whatever it raised last."""
    status, failure = failed(error)
    if status == "abandoned" or (isinstance(error, IndexError | ValueError | RuntimeError) and _was_destroyed(error)):
        return "cancelled", None
    return status, failure


def _was_destroyed(error: BaseException) -> bool:
    cause: BaseException | None = error
    for _ in range(20):
        cause = cause.__context__ if cause is not None else None
        if isinstance(cause, GeneratorExit):
            return True
    return False


def end_all() -> None:
    """End what is open as it is: the dispatcher shuts down."""
    recorder = runtime.recorder()
    for trace in recorder.traces():
        if state_of(trace.root) is not None:
            recorder.seal(trace, "incomplete")


def any_open() -> bool:
    """Return whether a run of LlamaIndex is open."""
    return any(state_of(run) for trace in runtime.recorder().traces() for run in list(trace.open.values()))
