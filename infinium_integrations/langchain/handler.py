"""The LangChain and LangGraph callback handler: one short function per event, all state in the Recorder."""

import asyncio
import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.outputs import LLMResult

from infinium_integrations import runtime
from infinium_integrations.capture.preview import HIDDEN, hides, preview, to_json_value
from infinium_integrations.diagnostics import contained, guarded
from infinium_integrations.langchain import (
    classify,
    evaluators,
    graphs,
    llm_calls,
    resumption,
    tool_calls,
    trace_metadata,
)
from infinium_integrations.langchain.base_handler import RecordingHandler, called, name_of
from infinium_integrations.langchain.content import documents as taken_documents
from infinium_integrations.langchain.inline import task_of_the_event
from infinium_integrations.models import OUTPUT_SUMMARY_LIMIT
from infinium_integrations.recording.run import Failure, Run, ToolUse

__all__ = ["InfiniumCallbackHandler"]


class InfiniumCallbackHandler(RecordingHandler):
    """Records every top-level LangChain or LangGraph run that it sees as one trace, and sends it when it has ended.

    Pass it as ``config={"callbacks": [InfiniumCallbackHandler()]}``. One handler may serve any number of concurrent
    runs, threads and tasks. It never raises into the run, blocks it or changes what it returns.

    Args:
        name: Name of each trace; a name that the run itself was given goes first. Default: the run's own.
        description: What the agent does, in a sentence or two.
        expected_outcome: The rubric to grade against: a model, a dict of its fields, or the objective alone.
        sections: Domain sections of the trace by name, as models or dicts.
        tags: Tags of each trace.
        metadata: Facts of each trace; ``session_id``, ``user_id`` and ``thread_id`` among them identify it.
        capture_content: False records timing, tokens and structure, but no text.
        detail: ``"full"`` records the framework's plumbing as steps too.
        redact: Called with each text, on a thread of ours; returns the text to keep.
        client: Sends the traces: anything with ``send_task_data``. Default: the background sender.
        preview_chars: Characters of each step's previews.

    Raises:
        ConfigurationError: An option or a setting cannot work, or no such option exists; the text names it.
        ValidationError: A rubric or section that the platform would refuse.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from infinium_integrations.langchain import InfiniumCallbackHandler
        >>> model = FakeListChatModel(responses=["Hello!"])
        >>> model.invoke("Hi", config={"callbacks": [InfiniumCallbackHandler(name="Greeter")]}).content
        'Hello!'
    """

    # -- chains and graphs -----------------------------------------------------------------------------------------

    @guarded
    def on_chain_start(
        self,
        serialized: object,
        inputs: object,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a chain, a graph or one of its nodes started."""
        name = called(kwargs, serialized, "chain")
        graph = None
        if "run_type" not in kwargs:  # langchain-core's runnables say it; a graph does not
            with contained:  # it reads what the user made
                graph = graphs.started(tags or ())
        kind = classify.kind(name, tags or (), metadata or {}, kwargs, graph)
        run = self._start(run_id, parent_run_id, kind.action, name, tags, metadata, is_step=kind.is_step)
        if run is None:
            return
        if metadata or tags:
            classify.describe(run, kind, tags or (), metadata or {}, graph)
        if graph is not None:
            classify.keep_graph(run, graph)
        if self._wants(run):
            run.input = self._given(run, inputs)
        trace_metadata.started(run, inputs)
        resumption.started(run, inputs, graph)
        evaluators.started(run)

    @guarded
    def on_chain_end(self, outputs: object, *, run_id: UUID, **kwargs: object) -> None:
        """Record that a chain, a graph or one of its nodes ended."""
        recorder = runtime.recorder()
        run = recorder.get(run_id)
        if run is None:
            return
        status = "ok"
        try:
            if "inputs" in kwargs:
                self._late_input(run, kwargs["inputs"])
                status = trace_metadata.status_of_stream(run)
            if self._wants(run) and not (outputs is None and "inputs" in kwargs):
                run.output = self._came(run, outputs)
            tool_calls.without_run(run, outputs)
            classify.fold_idle(run, outputs)
            evaluators.ended(run, outputs)
        finally:
            recorder.finish(run, status)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Record that a chain, a graph or one of its nodes ended with an exception."""
        run = runtime.recorder().get(run_id)
        if run is None:
            return
        try:
            if "inputs" in kwargs:
                self._late_input(run, kwargs["inputs"])
        finally:
            self._failed(run, error)

    # -- models ----------------------------------------------------------------------------------------------------

    @guarded
    def on_chat_model_start(
        self,
        serialized: object,
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a chat model was called."""
        name = called(kwargs, serialized, "chat model")
        run = self._start(run_id, parent_run_id, "llm_inference", name, tags, metadata, root_is_step=True)
        if run is None:
            return
        given = messages[0] if messages else []
        llm_calls.begin(run, metadata or {}, kwargs.get("invocation_params") or {}, serialized)
        run.put(messages=len(given))
        classify.describe(run, None, tags or (), metadata or {})
        if self._wants(run):
            run.input = llm_calls.asked(run, given, run.trace.options.preview_chars)
            classify.asked_again(run)

    @guarded
    def on_llm_start(
        self,
        serialized: object,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a text model was called."""
        name = called(kwargs, serialized, "model")
        task = task_of_the_event()
        watch = task is None
        run = self._start(run_id, parent_run_id, "llm_inference", name, tags, metadata, root_is_step=True, watch=watch)
        if run is None:
            return
        if task is not None:
            task.add_done_callback(functools.partial(_told_of_its_start, run))
        llm_calls.begin(run, metadata or {}, kwargs.get("invocation_params") or {}, serialized)
        classify.describe(run, None, tags or (), metadata or {})
        if self._wants(run):
            run.input = llm_calls.asked(run, prompts, run.trace.options.preview_chars)

    def on_llm_new_token(
        self,
        token: object,
        *,
        chunk: object = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: object,
    ) -> None:
        """Record the time of the first token, and keep what comes in case that the stream breaks off."""
        with contained:  # cheaper than ``guarded`` and ``kwargs``, which would put what is given into dicts each time
            recorder = runtime.recorder()
            run = recorder.get(run_id)
            if run is not None and run.adapter_state is not None and not run.repeated():
                run.streaming = True
                run.adapter_state.token(run, token, chunk, recorder.touch(run))

    @guarded
    def on_stream_event(self, event: object, *, run_id: UUID, **kwargs: object) -> None:
        """Record the time of the first token of a v3 stream, which has no ``on_llm_new_token``."""
        recorder = runtime.recorder()
        run = recorder.get(run_id)
        if run is not None and run.adapter_state is not None and not run.repeated():
            run.streaming = True
            run.adapter_state.event(run, event, recorder.touch(run))

    @guarded
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: object) -> None:
        """Record a model's answer and what it billed."""
        recorder = runtime.recorder()
        run = recorder.get(run_id)
        if run is None:
            return
        try:
            llm_calls.ended(run, response)
            if self._wants(run):
                run.output = llm_calls.answer(run, response, OUTPUT_SUMMARY_LIMIT) or run.output
        finally:
            recorder.finish(run, "ok")

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Record that a call of a model failed or was broken off, and what it billed all the same."""
        run = runtime.recorder().get(run_id)
        if run is None:
            return
        try:
            llm_calls.ended(run, kwargs.get("response"), failed=True)
        finally:
            self._failed(run, error)

    # -- tools and retrievers --------------------------------------------------------------------------------------

    @guarded
    def on_tool_start(
        self,
        serialized: object,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, object] | None = None,
        inputs: dict[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a tool was called."""
        tool = name_of(serialized) or "tool"
        name = called(kwargs, serialized, "tool")
        run = self._start(run_id, parent_run_id, "tool_use", name, tags, metadata, root_is_step=True)
        if run is None:
            return
        run.tool = ToolUse(tool, kwargs.get("tool_call_id"))
        classify.describe(run, None, tags or (), metadata or {})
        tool_calls.called(run)
        classify.called_again(run)
        if self._wants(run):
            run.input = self._take(run, inputs if inputs is not None else input_str)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: object) -> None:
        """Record what a tool gave; an error that it handled itself is an error of the step."""
        recorder = runtime.recorder()
        run = recorder.get(run_id)
        if run is None:
            return
        status, failure = "ok", None
        try:
            if run.tool is not None and run.tool.call_id is None:
                run.tool.call_id = getattr(output, "tool_call_id", None)
                tool_calls.called(run)
            if self._wants(run):
                run.output = self._came(run, output)
            if getattr(output, "status", None) == "error" and tool_calls.refused(run):
                status = "cancelled"
            elif getattr(output, "status", None) == "error":
                status = "error"
                failure = Failure("ToolError", preview(output.content, run.trace.options.preview_chars))
        finally:
            recorder.finish(run, status, failure)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Record that a tool raised."""
        run = runtime.recorder().get(run_id)
        if run is not None:
            self._failed(run, error)

    @guarded
    def on_retriever_start(
        self,
        serialized: object,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record that a retriever was asked."""
        name = called(kwargs, serialized, "retriever")
        run = self._start(run_id, parent_run_id, "retrieval", name, tags, metadata, root_is_step=True)
        if run is None:
            return
        classify.describe(run, None, tags or (), metadata or {})
        if self._wants(run):
            run.input = self._take(run, query)

    @guarded
    def on_retriever_end(self, documents: Sequence[object], *, run_id: UUID, **kwargs: Any) -> None:
        """Record which documents were found."""
        recorder = runtime.recorder()
        run = recorder.get(run_id)
        if run is None:
            return
        try:
            run.put(document_count=len(documents))
            if self._wants(run):
                run.output = taken_documents(run.trace.content, documents, OUTPUT_SUMMARY_LIMIT)
        finally:
            recorder.finish(run, "ok")

    @guarded
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Record that a retriever raised."""
        run = runtime.recorder().get(run_id)
        if run is not None:
            self._failed(run, error)

    # -- notes -----------------------------------------------------------------------------------------------------

    @guarded
    def on_retry(self, retry_state: object, *, run_id: UUID, **kwargs: object) -> None:
        """Note that a call is tried again."""
        run = runtime.recorder().get(run_id)
        if run is None or run.repeated():
            return
        outcome = getattr(retry_state, "outcome", None)
        error = outcome.exception() if outcome is not None and outcome.failed else None
        attempt = getattr(retry_state, "attempt_number", None)
        runtime.recorder().note(run, "retry", attempt=attempt, error_type=type(error).__name__ if error else None)

    @guarded
    def on_custom_event(self, name: str, data: object, *, run_id: UUID, **kwargs: object) -> None:
        """Note an event that the user dispatched."""
        run = runtime.recorder().get(run_id)
        if run is not None and not run.repeated():
            told = HIDDEN if type(name) is str and hides({}, name, data) else to_json_value(data)
            facts = {"data": told} if self._wants(run) else {}
            runtime.recorder().note(run, preview(name, 200), **facts)

    @guarded
    def on_interrupt(self, event: Any) -> None:
        """Note that a graph stopped for a human; at a breakpoint nothing else says so."""
        run = runtime.recorder().get(event.run_id)
        if run is None or run.repeated():
            return
        run.interrupted = True
        resumption.stopped_at(run, ("checkpoint", event.checkpoint_id))
        if not event.interrupts:
            runtime.recorder().note(run, event.status)

    @guarded
    def on_resume(self, event: Any) -> None:
        """Note which checkpoint a graph goes on from."""
        run = runtime.recorder().get(event.run_id)
        if run is not None and not run.repeated():
            runtime.recorder().resume(run)
            resumption.goes_on_from(run, ("checkpoint", event.checkpoint_id))


@guarded
def _told_of_its_start(run: Run, task: asyncio.Task[object]) -> None:
    """End a run that was given up while other handlers were told of its start: no end will be reported."""
    if task.cancelled() or task.exception() is not None:
        runtime.recorder().finish(run, "cancelled")
