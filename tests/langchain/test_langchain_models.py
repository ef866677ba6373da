"""What is known of a model call: tokens in every provider's shape, first token, cache. Scenarios 42 to 49."""

import asyncio
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import RunnableLambda
from lc_support import Hold, Model, TokenUsage, one, ordinary, step, steps
from pydantic import Field

from infinium_integrations.langchain import InfiniumCallbackHandler

# Taken from the sources of langchain-google-genai 4.4, -aws 1.9, -ollama 1.1, -groq 1.1 and -mistralai 1.1.
SHAPES = {
    "google": (
        {"ls_provider": "google_genai", "ls_model_name": "gemini-2.5-flash"},
        AIMessage(
            "hi",
            usage_metadata={
                "input_tokens": 12,
                "output_tokens": 826,
                "total_tokens": 838,
                "input_token_details": {"cache_read": 0},
                "output_token_details": {"reasoning": 777},
            },
            response_metadata={
                "model_provider": "google_genai",
                "model_name": "gemini-2.5-flash",
                "finish_reason": "STOP",
            },
        ),
        {},
        ("gemini-2.5-flash", "google_genai", 12, 826, {"cache_read": 0, "reasoning": 777}),
    ),
    "bedrock converse": (
        {"ls_provider": "amazon_bedrock", "ls_model_name": "anthropic.claude-3-5-sonnet-20241022-v2:0"},
        AIMessage(
            "hi",
            usage_metadata={
                "input_tokens": 280,
                "output_tokens": 20,
                "total_tokens": 300,
                "input_token_details": {"cache_read": 200, "cache_creation": 0, "ephemeral_5m_input_tokens": 50},
            },
            response_metadata={
                "model_provider": "bedrock_converse",
                "model_name": "anthropic.claude-3-5-sonnet-20241022-v2:0",
            },
        ),
        {},
        (
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "amazon_bedrock",
            280,
            20,
            {"cache_read": 200, "cache_creation": 50},
        ),
    ),
    "bedrock invocation metrics": (
        {"ls_provider": "amazon_bedrock", "ls_model_name": "meta.llama3-8b-instruct-v1:0"},
        AIMessage(
            "hi",
            response_metadata={"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 3}},
        ),
        {},
        ("meta.llama3-8b-instruct-v1:0", "amazon_bedrock", 9, 3, None),
    ),
    "ollama": (
        {"ls_provider": "ollama", "ls_model_name": "llama3.1"},
        AIMessage(
            "hi",
            response_metadata={"model": "llama3.1", "model_name": "llama3.1", "prompt_eval_count": 26, "eval_count": 7},
        ),
        {},
        ("llama3.1", "ollama", 26, 7, None),
    ),
    "groq": (
        {"ls_provider": "groq", "ls_model_name": "llama-3.1-8b-instant"},
        AIMessage("hi", response_metadata={"model_provider": "groq"}),
        {
            "token_usage": {"prompt_tokens": 21, "completion_tokens": 38, "total_tokens": 59, "total_time": 0.06},
            "model_name": "llama-3.1-8b-instant",
        },
        ("llama-3.1-8b-instant", "groq", 21, 38, None),
    ),
    "mistral": (
        {"ls_provider": "mistral", "ls_model_name": "mistral-large-latest"},
        AIMessage(
            "hi",
            usage_metadata=TokenUsage(8, 4),
            response_metadata={"model_provider": "mistralai", "model_name": "mistral-large-2411"},
        ),
        {
            "token_usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12},
            "model": "mistral-large-latest",
        },
        ("mistral-large-latest", "mistral", 8, 4, None),
    ),
    "vertex text": (
        {"ls_provider": "google_vertexai", "ls_model_name": "gemini-pro"},
        AIMessage("hi"),
        {"usage_metadata": {"prompt_token_count": 5, "candidates_token_count": 6, "total_token_count": 11}},
        ("gemini-pro", "google_vertexai", 5, 6, None),
    ),
}


class Shaped(Model):
    ls: dict[str, Any] = Field(default={})
    llm_output: dict[str, Any] | None = None

    def _get_ls_params(self, **kwargs: Any) -> Any:
        return {"ls_model_type": "chat", **self.ls}

    def _message(self, parts):
        return super()._message(parts).model_copy(update={"llm_output": self.llm_output})


@pytest.mark.parametrize("provider", SHAPES)
def test_every_providers_own_shape_is_read(traces, provider):  # 46
    ls, message, llm_output, (model, name, prompt, completion, details) = SHAPES[provider]
    Shaped(replies=[message], ls=ls, llm_output=llm_output).invoke("hi", ordinary())
    found = step(one(traces), "Shaped")
    call = found.llm_call
    assert (call.model, call.provider, call.prompt_tokens, call.completion_tokens) == (model, name, prompt, completion)
    assert found.metadata.get("usage_details") == details


class Bare(Model):
    """A model that says nothing of itself."""

    def _get_ls_params(self, **kwargs: Any) -> Any:
        return {}

    @property
    def _identifying_params(self) -> Any:
        return {}


def test_a_model_that_says_nothing_of_itself_is_unknown_and_costs_nothing_known(traces, caplog):  # 46
    Bare(model_name="").invoke("hi", ordinary())
    task = one(traces)
    assert task.llm_usage.model is None
    assert task.llm_usage.prompt_tokens is None
    assert task.llm_usage.estimated_cost_usd is None
    assert "estimated_cost_usd" not in step(task, "Bare").metadata
    assert not caplog.records


def test_the_price_of_an_unknown_model_is_not_guessed(traces):
    Model(usage=TokenUsage(), model_name="gpt-4o").invoke("hi", ordinary())
    assert one(traces).llm_usage.estimated_cost_usd is None


ODD = {
    "no generations": LLMResult(generations=[]),
    "an empty list": LLMResult(generations=[[]]),
    "no llm_output": LLMResult(generations=[[ChatGeneration(message=AIMessage("hi"))]], llm_output=None),
    "empty usage": LLMResult(generations=[[ChatGeneration(message=AIMessage("hi"))]], llm_output={"token_usage": {}}),
    "None in usage": LLMResult(
        generations=[[ChatGeneration(message=AIMessage("hi"))]],
        llm_output={"token_usage": {"prompt_tokens": None, "completion_tokens": 3, "prompt_tokens_details": None}},
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_result_ends_the_step_all_the_same(traces, odd):  # 47
    from uuid import uuid4

    handler, run_id = InfiniumCallbackHandler(), uuid4()
    handler.on_chat_model_start({"name": "odd"}, [[]], run_id=run_id)
    handler.on_llm_end(ODD[odd], run_id=run_id)
    assert one(traces).status == "ok"
    assert step(one(traces), "odd").llm_call.completion_tokens == (3 if odd == "None in usage" else None)


def test_a_model_that_answers_nothing_at_all_ends(traces):  # 47
    class Empty(Model):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[])

    with pytest.raises(IndexError):
        Empty().invoke("hi", ordinary())
    assert one(traces).steps[0].metadata["status"] == "ok"


def test_a_hit_of_the_llm_cache_is_marked_and_not_billed(traces):  # 43
    model = Model(usage=TokenUsage(10, 5), cache=InMemoryCache())
    chain = RunnableLambda(lambda x: model.invoke(x) and model.invoke(x))
    chain.invoke("hi", ordinary())
    task = one(traces)
    first, second = steps(task, "Model")
    assert "cached" not in first.metadata
    assert second.metadata["cached"] is True
    assert second.output_preview == first.output_preview == "hello there friend"
    assert (task.llm_usage.prompt_tokens, task.llm_usage.api_calls_count) == (10, 1)


def test_a_stream_that_breaks_keeps_the_last_usage_it_reported(traces):  # 45
    chunks = [
        AIMessageChunk("one ", usage_metadata=TokenUsage(50, 1)),
        AIMessageChunk("two ", usage_metadata=TokenUsage(50, 2)),
        ValueError("cut"),
    ]

    class Chunks(Model):
        def _chunks(self):
            return chunks

    with pytest.raises(ValueError, match="cut"):
        list(Chunks().stream("hi", ordinary()))
    task = one(traces)
    found = step(task, "Chunks")
    assert (found.llm_call.prompt_tokens, found.llm_call.completion_tokens) == (50, 2)
    assert found.metadata["partial"] is True
    assert found.output_preview == "one two "
    assert task.llm_usage.prompt_tokens == 50


def test_a_stream_that_is_left_keeps_the_last_usage_it_reported(traces):  # 45
    class Chunks(Model):
        def _chunks(self):
            return [AIMessageChunk("one ", usage_metadata=TokenUsage(50, 1)), AIMessageChunk("two")]

    stream = Chunks().stream("hi", ordinary())
    next(stream)
    stream.close()
    found = step(one(traces), "Chunks")
    assert (found.llm_call.prompt_tokens, found.metadata["partial"]) == (50, True)


@pytest.mark.parametrize("way", ["stream", "astream", "v3"])
def test_the_time_to_the_first_token_is_that_of_the_first_content(timed, clock, way):  # 48
    class Slow(Model):
        def _stream(self, messages, stop=None, run_manager=None, **kwargs):
            for text, seconds in (("", 1), ("a", 2), ("b", 4)):
                clock.advance(seconds)
                yield self._chunk(text)

        async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
            for text, seconds in (("", 1), ("a", 2), ("b", 4)):
                clock.advance(seconds)
                yield self._chunk(text)

        def _chunk(self, text):
            from langchain_core.outputs import ChatGenerationChunk

            return ChatGenerationChunk(message=AIMessageChunk(content=text))

    async def consume():
        return [chunk async for chunk in Slow().astream("hi", ordinary())]

    if way == "stream":
        list(Slow().stream("hi", ordinary()))
    elif way == "astream":
        asyncio.run(consume())
    elif hasattr(Slow, "stream_events"):
        list(Slow().stream_events("hi", ordinary(), version="v3"))
    else:
        pytest.skip("this langchain-core has no v3 streams")
    found = step(one(timed), "Slow")
    assert (found.metadata["ttft_ms"], found.duration_ms) == (3_000, 7_000)


def test_messages_that_are_repeated_in_outputs_are_counted_once(traces):  # 49
    chain = RunnableLambda(lambda x: Model(usage=TokenUsage(10, 5)).invoke(x)) | RunnableLambda(lambda m: [m, m])
    chain.invoke("hi", ordinary())
    usage = one(traces).llm_usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)


def test_the_sum_is_that_of_the_steps_model_by_model(traces):  # 49
    models = [Model(model_name=f"m{n}", usage=TokenUsage(n, 2 * n)) for n in (1, 2, 3, 2)]

    @RunnableLambda
    def all_of_them(x):
        for model in models:
            model.invoke(x)

    all_of_them.invoke("hi", ordinary())
    task = one(traces)
    calls = [found.llm_call for found in task.steps]
    assert task.llm_usage.prompt_tokens == sum(call.prompt_tokens for call in calls) == 8
    assert task.llm_usage.completion_tokens == 16
    assert [call.model for call in task.llm_usage.calls] == ["m1", "m2", "m3", "m2"]


class Text(LLM):
    @property
    def _llm_type(self) -> str:
        return "text"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return prompt.upper()

    async def _acall(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return prompt.upper()


def test_a_text_model_is_seen_beside_another_tracer(traces):  # 63
    from langchain_core.tracers.base import AsyncBaseTracer
    from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

    class Other(AsyncBaseTracer):
        async def _persist_run(self, run: Any) -> None: ...

    collector = RunCollectorCallbackHandler()
    config = {"callbacks": [collector, InfiniumCallbackHandler(), Other()]}
    asyncio.run(Text().ainvoke("hi", config))
    assert one(traces).status == "ok"
    found = step(one(traces), "Text")
    assert (found.input_preview, found.output_preview) == ("user: hi", "HI")


def test_what_came_of_a_stream_that_broke_is_kept_whole_while_there_is_room(monkeypatch):  # 62
    from uuid import uuid4

    from infinium_integrations import runtime
    from infinium_integrations.testing import captured_traces

    monkeypatch.setattr("infinium_integrations.capture.content.TRACE_BYTES", 12_000)
    with captured_traces() as traces:
        handler, run_id = InfiniumCallbackHandler(), uuid4()
        handler.on_chat_model_start({"name": "long"}, [[]], run_id=run_id)
        for _ in range(20_000):
            handler.on_llm_new_token("token ", run_id=run_id)
        state = runtime.recorder().get(run_id).adapter_state
        assert 1_500 < len(state.said.chunks) < 2_000
        handler.on_llm_error(ValueError("cut"), run_id=run_id)
        found = step(one(traces), "long")
        assert found.output_preview.startswith("token token")
        (part,) = found.captured.output_messages[0]["parts"]
        assert part["content"].startswith("token " * 1_500)
        assert part["content"].endswith("…")
        assert traces[0].captured.cut


def test_a_held_stream_counts_no_token_twice(traces):
    hold = Hold()
    hold.released.set()
    assert "".join(c.content for c in Model(replies=[["a ", hold, "b"]]).stream("hi", ordinary())) == "a b"
    assert one(traces).output_summary == "a b"


def test_a_start_that_langchain_told_in_a_task_of_its_own_ends_nothing(timed):
    """``BaseLLM.agenerate`` and ``abatch`` gather their start events: those tasks are done before the run begins."""

    class Slow(Text):
        async def _acall(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            await asyncio.sleep(0.01)
            timed.pass_time(60)
            return prompt.upper()

    async def main():
        await Slow().ainvoke("hi", ordinary())
        await (RunnableLambda(lambda x: x) | Slow()).abatch(["a", "b"], ordinary())

    asyncio.run(main())
    assert [(task.status, task.output_summary) for task in timed] == [("ok", "HI"), ("ok", "A"), ("ok", "B")]


def chunks(*last):
    return [AIMessageChunk("Hel"), AIMessageChunk("lo"), *last]


class Streams(Model):
    """Streams given chunks."""

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for chunk in self.replies[0]:
            if isinstance(chunk, BaseException):
                raise chunk
            made = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(chunk.content, chunk=made)
            yield made

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        for chunk in self.replies[0]:
            made = ChatGenerationChunk(message=chunk)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.content, chunk=made)
            yield made


STOP = AIMessageChunk("", response_metadata={"finish_reason": "stop"})
USED = AIMessageChunk("", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})


def read(stream, count):
    for _ in range(count):
        next(stream)
    stream.close()


async def aread(stream, count):
    for _ in range(count):
        await anext(stream)
    await stream.aclose()


LEFT = {
    "a stream": lambda model, count: read(model.stream("q", ordinary()), count),
    "an async stream": lambda model, count: asyncio.run(aread(model.astream("q", ordinary()), count)),
}


@pytest.mark.parametrize("way", LEFT)
def test_a_stream_that_is_left_is_partial_though_it_reported_no_usage(traces, way):
    LEFT[way](Streams(replies=[chunks(STOP, USED)]), 1)
    (found,) = [step for step in one(traces).steps if step.action == "llm_inference"]
    assert found.metadata["partial"] is True
    assert "finish_reason" not in found.metadata


@pytest.mark.parametrize("way", ["a stream", "an async stream"])
def test_a_stream_that_is_left_after_its_last_word_says_why_the_model_stopped(traces, way):
    LEFT[way](Streams(replies=[chunks(STOP, USED)]), 3)
    (found,) = one(traces).steps
    assert (found.metadata["finish_reason"], found.output_preview) == ("stop", "Hello")


def test_a_stream_that_breaks_off_is_partial_and_one_that_is_read_to_its_end_is_not(traces):
    with pytest.raises(ValueError, match="gone"):
        list(Streams(replies=[chunks(ValueError("gone"))]).stream("q", ordinary()))
    list(Streams(replies=[chunks(STOP, USED)]).stream("q", ordinary()))
    broken, whole = (task.steps[0].metadata for task in traces)
    assert (broken["partial"], broken["status"]) == (True, "error")
    assert ("partial" in whole, whole["finish_reason"]) == (False, "stop")
