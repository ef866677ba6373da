"""Events become facts of runs: one function for each class of event that says what no span does."""

from collections.abc import Callable
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.preview import preview, to_json_value
from infinium_integrations.llama_index import llm_calls, spans, streams, structured
from infinium_integrations.llama_index.classes import fields
from infinium_integrations.llama_index.content import conversation
from infinium_integrations.llama_index.span_state import State, state_of
from infinium_integrations.models import OUTPUT_SUMMARY_LIMIT
from infinium_integrations.recording.run import Run

__all__ = ["handle", "on"]


_FRAMEWORK = {"llama_index", "workflows", "llama_index_instrumentation"}
_EVENT_FIELDS = {"timestamp", "id_", "span_id", "tags"}


def handle(event: Any) -> None:
    """Record what an event says."""
    kind = type(event)
    take = _known.get(kind)
    if take is None:
        take = _HANDLERS.get(kind.__name__) or _HANDLERS.get(event.class_name())
        if kind.__module__.partition(".")[0] in _FRAMEWORK:
            take = _known[kind] = take or _nothing
        take = take or _noted
    if take is not _nothing:
        take(event)


_HANDLERS: dict[str, Callable[[object], None]] = {}


def on(*events: str) -> Callable[[Callable[[object], None]], Callable[[object], None]]:
    """Register what takes the events of these classes."""

    def register(take: Callable[[object], None]) -> Callable[[object], None]:
        _HANDLERS.update(dict.fromkeys(events, take))
        return take

    return register


_known: dict[type, Callable[[object], None]] = {}
"""The framework's own classes; a user's class is not kept alive."""


def _nothing(event: object) -> None:
    """Ignore an event that adds nothing to its span."""


def _run_of(event: Any) -> tuple[Run | None, State | None]:
    span_id = event.span_id
    run = runtime.recorder().get(span_id) if span_id is not None else streams.around()
    return run, state_of(run)


# -- models ------------------------------------------------------------------------------------------------------------


@on("LLMChatStartEvent", "LLMCompletionStartEvent")
def _model_start(event: Any) -> None:
    run, state = _run_of(event)
    if run is None or state is None or state.call is None:
        return
    state.call.started = True
    llm_calls.described(run, event.model_dict or {}, event.additional_kwargs or {})
    messages = getattr(event, "messages", None)
    if messages is not None:
        run.put(messages=len(messages))
    if spans.wants(run):
        given = messages if messages is not None else [event.prompt]
        run.input = conversation(run.trace.content, given, run.trace.options.preview_chars)
        run.request = event.additional_kwargs or None


@on("LLMChatInProgressEvent", "LLMCompletionInProgressEvent")
def _model_token(event: Any) -> None:
    run = runtime.recorder().get(event.span_id)
    state = run.adapter_state if run is not None else None
    if run is None or type(state) is not State or state.call is None:
        return
    recorder = runtime.recorder()
    recorder.touch(run)
    llm_calls.token(run, state.call, event.response, run.trace.last_event)


@on("LLMChatEndEvent", "LLMCompletionEndEvent")
def _model_end(event: Any) -> None:
    run, state = _run_of(event)
    if run is None or state is None or state.call is None:
        return
    call, response, leaf = state.call, event.response, state.leaf
    if leaf is not None:
        leaf.read()
    inner = leaf.llm if leaf is not None else None
    # the tokens belong to the model inside where it reported none itself
    theirs = inner is not None and inner.prompt_tokens is None and inner.completion_tokens is None
    try:
        llm_calls.answered(leaf if leaf is not None and theirs else run, call, response)
        if not run.private:
            run.output = llm_calls.answer(run, response, call, OUTPUT_SUMMARY_LIMIT)
    finally:
        if run.streaming or state.stream is not None:
            spans.end(run, state, "ok", None)


@on("ExceptionEvent")
def _stream_broke(event: Any) -> None:
    run, state = _run_of(event)
    if run is None or state is None or state.call is None:
        return
    error = event.exception
    status, failure = ("abandoned", None) if isinstance(error, GeneratorExit) else spans.judged(error)
    try:
        llm_calls.left(run, state.call, partial=True)
    finally:
        spans.end(run, state, status, failure)


@on("LLMStructuredPredictEndEvent")
def _predicted(event: Any) -> None:
    run, state = _run_of(event)
    if run is not None and state is not None and state.kind.role in {"structured", "program"} and spans.wants(run):
        run.output = structured.answer(run.trace.content, event.output, run.trace.options.preview_chars)


# -- embeddings and rerankers ------------------------------------------------------------------------------------------


def _embedding_of(event: object) -> Run | None:
    run, _ = _run_of(event)
    while run is not None and run.action != "embedding":
        run = run.parent
    return run


@on("EmbeddingStartEvent", "SparseEmbeddingStartEvent")
def _embedding_start(event: Any) -> None:
    run = _embedding_of(event)
    if run is not None:
        model = (event.model_dict or {}).get("model_name")
        run.put(model=model if isinstance(model, str) and model not in {"unknown", ""} else None)


@on("EmbeddingEndEvent", "SparseEmbeddingEndEvent")
def _embedding_end(event: Any) -> None:
    run = _embedding_of(event)
    if run is None:
        return
    known = run.metadata or {}
    run.put(texts=known.get("texts", 0) + len(event.chunks), batches=known.get("batches", 0) + 1)
    if spans.wants(run) and run.input is None and event.chunks:
        given = event.chunks[0] if len(event.chunks) == 1 else list(event.chunks)
        run.input = run.trace.content.take(given, run.trace.options.preview_chars)


@on("ReRankStartEvent")
def _rerank_start(event: Any) -> None:
    run, _ = _run_of(event)
    if run is not None and run.action == "rerank":
        run.put(model=event.model_name, top_n=event.top_n)


# -- workflows and the user's own --------------------------------------------------------------------------------------


@on("SpanCancelledEvent")
def _cancelled(event: object) -> None:
    _, state = _run_of(event)
    if state is not None:
        state.cancelled = True


def _noted(event: object) -> None:
    run, _ = _run_of(event)
    if run is not None:
        shown = {name: value for name, value in fields(event).items() if name not in _EVENT_FIELDS}
        data = {} if run.private or not shown else {"data": to_json_value(shown)}
        runtime.recorder().note(run, preview(type(event).__name__, 200), **data)
