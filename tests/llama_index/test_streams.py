"""A stream's trace ends with its last token, or when nobody can read it any more; the user's generator stays theirs."""

import asyncio
import contextlib
import gc
import threading
import time
import types

import pytest
from kit import Scripted, actions, an_engine, an_index, ended, one, status, steps
from llama_index.core import PromptTemplate, __version__
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import MockLLM
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel

from infinium_integrations import flush
from infinium_integrations.llama_index import streams

CORE = tuple(int(part) for part in __version__.split(".")[:3])
READ_AHEAD = (0, 14, 22) <= CORE <= (0, 14, 24)
"""These read the whole stream inside ``query()``, so nothing is left to abandon."""

MESSAGES = [ChatMessage(role="user", content="hi")]


@pytest.fixture(autouse=True)
def no_stream_left():
    yield
    gc.collect()
    streams.poll()
    assert streams.open_streams() == 0


def test_a_streamed_query_is_one_trace_with_the_model_inside(traces):
    response = an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("capital?")
    text = "".join(response.response_gen)
    trace = one(traces)
    assert text.split() == ["Paris", "is", "it"]
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]
    assert status(trace) == "ok"
    assert trace.output_summary.split() == ["Paris", "is", "it"]
    assert trace.llm_usage.prompt_tokens == 10
    (call,) = steps(trace, "llm_inference")
    assert call.metadata["ttft_ms"] >= 0


def test_the_trace_waits_for_the_last_token(traces):
    if READ_AHEAD:
        pytest.skip("this core reads the stream inside query()")
    response = an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("capital?")
    next(response.response_gen)
    flush(0.2)
    assert not traces
    list(response.response_gen)
    assert status(one(traces)) == "ok"


def test_nothing_is_looked_at_any_more_once_all_is_flushed(traces, monkeypatch):
    look, gone = streams._look, threading.Event()
    monkeypatch.setattr(streams, "FIRST_LOOK", 600)
    monkeypatch.setattr(streams, "_look", lambda: (look(), gone.set()))
    list(an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("capital?").response_gen)
    assert status(one(traces)) == "ok"
    assert gone.wait(60)


def test_the_trace_ends_at_the_last_token_and_not_when_it_was_noticed(traces):
    response = an_engine(Scripted(replies=["a b"]), streaming=True).query("q?")
    began = time.perf_counter()
    list(response.response_gen)
    took = time.perf_counter() - began
    trace = one(traces)
    (call,) = steps(trace, "llm_inference")
    assert trace.duration * 1000 <= call.metadata["started_ms"] + call.duration_ms + took * 1000 + 5


def test_a_stream_left_after_one_token_is_abandoned(traces):
    response = an_engine(Scripted(replies=["one two three"]), streaming=True).query("q?")
    next(response.response_gen)
    del response
    trace = one(traces)
    assert not trace.errors
    if not READ_AHEAD:
        assert status(trace) == "abandoned"
        (call,) = steps(trace, "llm_inference")
        assert call.metadata["status"] == "abandoned"
        assert call.metadata["partial"] is True
        assert call.output_preview.split() == ["one"]


def test_a_stream_that_is_closed_is_abandoned(traces):
    response = an_engine(Scripted(replies=["one two three"]), streaming=True).query("q?")
    next(response.response_gen)
    response.response_gen.close()
    trace = one(traces)
    assert not trace.errors
    if not READ_AHEAD:
        assert status(trace) == "abandoned"


def test_a_stream_that_nobody_reads_is_abandoned(traces):
    response = an_engine(Scripted(replies=["one two three"]), streaming=True).query("q?")
    del response
    trace = one(traces)
    assert not trace.errors
    if not READ_AHEAD:
        assert status(trace) == "abandoned"


def test_a_stream_kept_unread_is_incomplete_after_the_idle_limit(caught):
    if READ_AHEAD:
        pytest.skip("this core reads the stream inside query()")
    from infinium_integrations.llama_index import InfiniumEventHandler

    engine = an_engine(Scripted(replies=["one two"]), streaming=True)
    with InfiniumEventHandler():
        response = engine.query("q?")
        caught.recorder.sweep(time.perf_counter() + 4_000)
        assert status(caught[0]) == "incomplete"
        list(response.response_gen)
    assert len(caught) == 1


def test_an_unread_stream_needs_no_thread(traces):
    if CORE < (0, 14, 25):
        pytest.skip("older cores call the model inside query()")
    response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
    assert not streams._looking
    list(response.response_gen)
    one(traces)


def test_an_async_stream_is_one_trace(traces):
    async def ask():
        response = await an_engine(Scripted(replies=["Paris is it"]), streaming=True).aquery("q?")
        return [token async for token in response.async_response_gen()]

    assert "".join(asyncio.run(ask())).split() == ["Paris", "is", "it"]
    trace = one(traces)
    assert status(trace) == "ok"
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]
    assert trace.llm_usage.completion_tokens == 8


def test_an_async_stream_of_a_model_that_hands_on_is_one_trace_and_one_call(traces):
    async def ask():
        response = await an_engine(MockLLM(max_tokens=3), streaming=True).aquery("q?")
        return [token async for token in response.async_response_gen()]

    asyncio.run(ask())
    trace = one(traces)
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]
    assert status(trace) == "ok"


def test_an_async_stream_left_in_the_middle_is_abandoned(traces):
    async def ask():
        response = await an_engine(Scripted(replies=["one two three"]), streaming=True).aquery("q?")
        async for _ in response.response_gen:
            break
        del response
        await asyncio.sleep(0)

    asyncio.run(ask())
    trace = one(traces)
    assert not trace.errors
    if not READ_AHEAD:
        assert status(trace) == "abandoned"


def test_a_stream_handed_to_another_task_is_not_cut_off(traces):
    async def serve():
        response = await asyncio.create_task(_ask(Scripted(replies=["one two three"])))
        flush(0.3)
        return [token async for token in response.response_gen]

    async def _ask(llm):
        return await an_engine(llm, streaming=True).aquery("q?")

    asyncio.run(serve())
    assert status(one(traces)) == "ok"


def test_a_stream_read_in_another_thread_is_one_trace(traces):
    response = an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("q?")
    thread = threading.Thread(target=lambda: list(response.response_gen))
    thread.start()
    thread.join(60)
    trace = one(traces)
    assert actions(trace) == ["retrieval", "embedding", "llm_inference"]


def test_streams_read_alternately_do_not_mix(traces):
    llm = Scripted(replies=["a1 a2 a3", "b1 b2 b3"])
    first, second = llm.stream_chat(MESSAGES), llm.stream_chat([ChatMessage(role="user", content="two")])
    for _ in zip(first, second, strict=True):
        pass
    one_, two = ended(traces, 2)
    assert [trace.output_summary.split() for trace in (one_, two)] == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]
    assert [trace.input_summary for trace in (one_, two)] == ["hi", "two"]


def test_streamed_queries_read_alternately_do_not_mix(traces):
    engines = [an_engine(Scripted(replies=[f"{name}1 {name}2"]), streaming=True) for name in "ab"]
    first, second = (engine.query(f"{at}?") for at, engine in enumerate(engines))
    for _ in zip(first.response_gen, second.response_gen, strict=True):
        pass
    list(first.response_gen)
    list(second.response_gen)
    for trace in ended(traces, 2):
        assert actions(trace) == ["retrieval", "embedding", "llm_inference"]
    assert {trace.input_summary: trace.output_summary.split()[0] for trace in traces} == {"0?": "a1", "1?": "b1"}


def test_a_bare_stream_has_the_time_of_its_first_token_and_the_number_of_chunks(traces):
    list(Scripted(replies=["one two three"]).stream_chat(MESSAGES))
    trace = one(traces)
    (call,) = steps(trace, "llm_inference")
    assert call.metadata["chunks"] == 4
    assert call.metadata["ttft_ms"] >= 0
    assert trace.output_summary.split() == ["one", "two", "three"]


def test_a_bare_async_stream_and_a_streamed_completion_are_one_trace_each(traces):
    async def ask():
        return [chunk async for chunk in await Scripted(replies=["one two"]).astream_chat(MESSAGES)]

    asyncio.run(ask())
    list(Scripted(replies=["one two"]).stream_complete("p"))
    assert [actions(trace) for trace in ended(traces, 2)] == [["llm_inference"], ["llm_inference"]]


def test_a_bare_stream_never_read_is_abandoned(traces):
    Scripted(replies=["one two"]).stream_chat(MESSAGES)
    assert status(one(traces)) == "abandoned"


def test_a_stream_that_breaks_is_an_error_with_what_came_of_it(traces):
    response = an_engine(Scripted(replies=[(RuntimeError("lost"), [])]), streaming=True)
    with pytest.raises(RuntimeError, match="lost"):
        list(response.query("q?").response_gen)
    trace = one(traces)
    assert status(trace) == "error"
    assert [(error.message, error.recoverable) for error in trace.errors] == [("lost", False)]
    (call,) = steps(trace, "llm_inference")
    assert call.error.message == "lost"
    assert call.output_preview.split() == ["half", "a", "reply"]


def test_the_users_generator_is_the_frameworks_own(traces):
    response = an_engine(Scripted(replies=["a b"]), streaming=True).query("q?")
    assert type(response.response_gen) is types.GeneratorType
    stream = Scripted(replies=["a b"]).stream_chat(MESSAGES)
    assert type(stream) is types.GeneratorType
    list(response.response_gen)
    list(stream)
    ended(traces, 2)


def test_tokens_are_passed_on_one_by_one(traces):
    made, seen = [], []

    class Slow(Scripted):
        def _chunks(self):
            for chunk in super()._chunks():
                made.append(1)
                yield chunk

    if READ_AHEAD:
        pytest.skip("this core reads the stream inside query()")
    for _ in an_engine(Slow(replies=["a b c"]), streaming=True).query("q?").response_gen:
        seen.append(len(made))
    assert seen[:2] == [1, 2]
    one(traces)


class Answer(BaseModel):
    """An answer."""

    city: str


class Form(MockLLM):
    @property
    def metadata(self):
        return super().metadata


def test_a_streamed_structured_prediction_is_one_trace_with_one_call(traces):
    class Json(Scripted):
        def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **kwargs):
            return super()._prepare_chat_with_tools(tools, user_msg, chat_history)

        def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
            from llama_index.core.llms.llm import ToolSelection

            return [ToolSelection(tool_id="1", tool_name="Answer", tool_kwargs={"city": "Paris"})]

    llm = Json(replies=["a b"])
    got = list(llm.stream_structured_predict(Answer, PromptTemplate("Where is {x}?"), x="it"))
    assert got
    trace = one(traces)
    assert actions(trace) == ["llm_inference"]
    assert trace.llm_usage.api_calls_count == 1


def test_a_structured_prediction_is_one_model_call_and_no_tool(traces):
    class Json(Scripted):
        def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
            from llama_index.core.llms.llm import ToolSelection

            return [ToolSelection(tool_id="1", tool_name="Answer", tool_kwargs={"city": "Paris"})]

    got = Json(replies=["x"]).structured_predict(Answer, PromptTemplate("Where is {x}?"), x="it")
    assert got.city == "Paris"
    trace = one(traces)
    assert actions(trace) == ["llm_inference"]
    assert "Paris" in trace.output_summary


def test_a_stream_handed_out_by_a_workflow_belongs_to_it(traces):
    engine = an_engine(Scripted(replies=["Paris is it"]), streaming=True)

    class Flow(Workflow):
        @step
        async def ask(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=await engine.aquery("q?"))

    async def run():
        response = await Flow().run()
        return [token async for token in response.response_gen]

    assert "".join(asyncio.run(run())).split() == ["Paris", "is", "it"]
    trace = one(traces)
    assert trace.name == "Flow.run"
    assert len(steps(trace, "llm_inference")) == 1
    assert trace.output_summary.split() == ["Paris", "is", "it"]


def test_an_empty_chat_stream_ends_its_trace(traces):
    class Empty(Scripted):
        def _chunks(self):
            return iter(())

    assert list(Empty().stream_chat(MESSAGES)) == []
    assert status(one(traces)) == "ok"


def test_an_empty_completion_stream_ends_its_trace(traces):
    class Empty(Scripted):
        def _chunks(self):
            return iter(())

    with contextlib.suppress(Exception):  # some cores raise a ValidationError of their own here
        list(Empty().stream_complete("p"))
    one(traces)


def test_a_stream_is_not_consumed_by_looking_at_it(traces):
    from llama_index.core.base.response.schema import AsyncStreamingResponse
    from llama_index.core.tools import FunctionTool

    async def tokens():
        yield "x"

    stream = tokens()

    def give():
        return AsyncStreamingResponse(response_gen=stream)

    from infinium_integrations.capture.content import Content
    from infinium_integrations.llama_index.content import take

    assert take(Content(), give(), 100) == "<AsyncStreamingResponse>"
    assert take(Content(), {"stream": stream}, 100) == {"stream": "<async_generator>"}
    assert stream.ag_frame is not None
    assert FunctionTool is not None
    assert ChatResponse is not None
    asyncio.run(stream.aclose())


def test_a_generator_function_of_the_users_is_a_trace_until_it_is_read(traces):
    from llama_index.core.instrumentation import get_dispatcher

    @get_dispatcher(__name__).span
    def parts(llm):
        yield llm.complete("one").text
        yield llm.complete("two").text

    assert list(parts(Scripted(replies=["1", "2"]))) == ["1", "2"]
    trace = one(traces)
    assert actions(trace) == ["llm_inference", "llm_inference"]
    assert status(trace) == "ok"


def test_two_queries_of_one_index_leave_no_trace_of_each_other(traces):
    index = an_index()
    index.as_query_engine(llm=MockLLM(max_tokens=2), streaming=True).query("left behind")
    index.as_query_engine(llm=MockLLM(max_tokens=2)).query("after it")
    assert sorted(trace.input_summary for trace in ended(traces, 2)) == ["after it", "left behind"]
