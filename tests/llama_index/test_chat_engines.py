"""Chat engines read the model in a thread or task of their own: one trace all the same, ended when all is read."""

import asyncio

import pytest
from kit import Scripted, actions, an_index, ended, one, status, steps
from llama_index.core.base.response.schema import StreamingResponse
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.chat_engine.condense_question import CondenseQuestionChatEngine


def engines():
    index = an_index("the sky is blue")
    return {
        "simple": lambda llm: SimpleChatEngine.from_defaults(llm=llm),
        "context": lambda llm: ContextChatEngine.from_defaults(retriever=index.as_retriever(), llm=llm),
        "condense_plus": lambda llm: CondensePlusContextChatEngine.from_defaults(
            retriever=index.as_retriever(), llm=llm
        ),
    }


NAMES = ["simple", "context", "condense_plus"]


@pytest.mark.parametrize("name", NAMES)
def test_a_chat_is_one_trace(traces, name):
    engine = engines()[name](Scripted(replies=["It is blue", "x", "y"]))
    engine.chat("What colour?")
    trace = one(traces)
    assert (trace.input_summary, trace.output_summary) == ("What colour?", "It is blue")
    assert len(steps(trace, "llm_inference")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_streamed_chat_is_one_trace_with_the_writers_work(traces, name):
    engine = engines()[name](Scripted(replies=["It is blue", "x", "y"]))
    response = engine.stream_chat("What colour?")
    text = "".join(response.response_gen)
    trace = one(traces)
    assert text.split() == ["It", "is", "blue"]
    assert trace.input_summary == "What colour?"
    assert trace.output_summary.split() == ["It", "is", "blue"]
    assert len(steps(trace, "llm_inference")) == 1
    assert status(trace) == "ok"
    assert trace.llm_usage.prompt_tokens == 10


def test_a_streamed_chat_ends_though_somebody_holds_what_it_streamed_from(traces, monkeypatch):
    made, held = StreamingResponse.__init__, []

    def keep(self, *args, **kwargs):
        made(self, *args, **kwargs)
        held.append(self)

    monkeypatch.setattr(StreamingResponse, "__init__", keep)
    response = engines()["condense_plus"](Scripted(replies=["It is blue", "x", "y"])).stream_chat("What colour?")
    assert "".join(response.response_gen).split() == ["It", "is", "blue"]
    assert status(one(traces)) == "ok"
    assert held


@pytest.mark.parametrize("name", NAMES)
def test_an_async_streamed_chat_is_one_trace(traces, name):
    async def chat():
        engine = engines()[name](Scripted(replies=["It is blue", "x", "y"]))
        response = await engine.astream_chat("What colour?")
        return [token async for token in response.async_response_gen()]

    assert "".join(asyncio.run(chat())).split() == ["It", "is", "blue"]
    trace = one(traces)
    assert trace.input_summary == "What colour?"
    assert trace.output_summary.split() == ["It", "is", "blue"]
    assert len(steps(trace, "llm_inference")) == 1
    assert status(trace) == "ok"


def test_a_chat_that_is_left_is_read_to_its_end_by_its_writer(traces):
    response = SimpleChatEngine.from_defaults(llm=Scripted(replies=["It is blue"])).stream_chat("What colour?")
    next(response.response_gen)
    del response
    trace = one(traces)
    assert trace.output_summary.split() == ["It", "is", "blue"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_chat_whose_stream_breaks_is_an_error(traces):
    engine = SimpleChatEngine.from_defaults(llm=Scripted(replies=[(RuntimeError("lost"), [])]))
    with pytest.raises(RuntimeError, match="lost"):
        list(engine.stream_chat("What colour?").response_gen)
    trace = one(traces)
    assert status(trace) == "error"
    assert [error.message for error in trace.errors] == ["lost"]


def test_a_condensed_question_is_in_the_trace(traces):
    llm = Scripted(replies=["first answer", "standalone question", "second answer"])
    engine = CondenseQuestionChatEngine.from_defaults(query_engine=an_index("a").as_query_engine(llm=llm), llm=llm)
    engine.chat("first?")
    engine.chat("and then?")
    first, second = ended(traces, 2)
    assert [trace.output_summary for trace in (first, second)] == ["first answer", "second answer"]
    assert second.llm_usage.api_calls_count == 2
    assert "chain" in actions(second)
