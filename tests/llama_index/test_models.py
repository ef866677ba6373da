"""Tokens, models and providers, wherever each provider's package puts them; unknown is None and a 0 stays 0."""

import contextlib
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from kit import Scripted, actions, an_engine, ended, one, steps
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
from llama_index.core.llms import CustomLLM, LLMMetadata, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from pydantic import BaseModel, Field

MESSAGES = [ChatMessage(role="user", content="hi")]


class Details(BaseModel):
    cached_tokens: int = 4


class Usage(BaseModel):
    prompt_tokens: int = 13
    completion_tokens: int = 13
    total_tokens: int = 26
    prompt_tokens_details: Details = Details()


class AnthropicUsage(BaseModel):
    input_tokens: int = 5
    output_tokens: int = 7
    cache_read_input_tokens: int = 3
    cache_creation_input_tokens: int = 2


def groq(**facts):
    return SimpleNamespace(model_extra={"x_groq": {"usage": facts}})


SHAPES = {
    "openai": ({"raw": SimpleNamespace(usage=Usage(), model="gpt-x")}, (13, 13)),
    "openai dict": ({"raw": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}, (1, 2)),
    "openai beside": ({"additional_kwargs": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, (3, 4)),
    "openai responses": ({"additional_kwargs": {"usage": SimpleNamespace(input_tokens=3, output_tokens=4)}}, (3, 4)),
    "anthropic, whose cache comes on top": ({"raw": {"usage": AnthropicUsage()}}, (10, 7)),
    "bedrock": ({"raw": {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4}}}}, (3, 4)),
    "gemini": (
        {"raw": {"usage_metadata": {"prompt_token_count": 3, "candidates_token_count": 4, "total_token_count": 7}}},
        (3, 4),
    ),
    "ollama": ({"raw": {"prompt_eval_count": 3, "eval_count": 4}}, (3, 4)),
    "cohere": ({"raw": {"meta": {"tokens": {"input_tokens": 3.0, "output_tokens": 4.0}}}}, (3, 4)),
    "cohere billed": ({"raw": {"meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}}}, (3, 4)),
    "vertex": (
        {"raw": {"_raw_response": SimpleNamespace(usage_metadata=SimpleNamespace(prompt_token_count=3))}},
        (3, None),
    ),
    "groq": ({"raw": groq(prompt_tokens=3, completion_tokens=4)}, (3, 4)),
    "nothing": ({"raw": None}, (None, None)),
    "zero": ({"raw": {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}}, (0, 0)),
    "a mock": ({"raw": MagicMock()}, (None, None)),
    "text": ({"raw": "no usage here"}, (None, None)),
}


class Given(CustomLLM):
    """Gives one response as it is told."""

    facts: dict = Field(default_factory=dict)
    model: str = "given-1"

    @property
    def metadata(self):
        return LLMMetadata(model_name=self.model)

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return ChatResponse(message=ChatMessage(role="assistant", content="x"), **self.facts)

    def complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_are_read_wherever_the_provider_puts_them(traces, shape):
    facts, expected = SHAPES[shape]
    Given(facts=facts).chat(MESSAGES)
    (call,) = steps(one(traces), "llm_inference")
    assert (call.llm_call.prompt_tokens, call.llm_call.completion_tokens) == expected


def test_cached_tokens_are_details(traces):
    Given(facts={"raw": SimpleNamespace(usage=Usage(), model="gpt-x")}).chat(MESSAGES)
    (call,) = steps(one(traces), "llm_inference")
    assert call.metadata["usage_details"] == {"cache_read": 4}
    assert call.llm_call.model == "gpt-x"
    assert call.metadata["model_requested"] == "given-1"


def test_a_call_that_only_hands_on_is_counted_once(traces):
    import asyncio

    asyncio.run(MockLLM(max_tokens=2).acomplete("hi"))
    asyncio.run(MockLLM(max_tokens=2).achat(MESSAGES))
    for trace in ended(traces, 2):
        assert actions(trace) == ["llm_inference"]
        assert trace.llm_usage.api_calls_count == 1


def test_a_structured_model_counts_the_model_inside_once(traces):
    from llama_index.core.llms.structured_llm import StructuredLLM

    class Answer(BaseModel):
        """An answer."""

        city: str

    class Json(Scripted):
        def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
            from llama_index.core.llms.llm import ToolSelection

            return [ToolSelection(tool_id="1", tool_name="Answer", tool_kwargs={"city": "Paris"})]

    StructuredLLM(llm=Json(replies=["x"]), output_cls=Answer).chat(MESSAGES)
    trace = one(traces)
    assert actions(trace) == ["llm_inference"]
    assert trace.llm_usage.total_tokens == 18
    assert "Paris" in trace.output_summary


def test_a_model_that_asks_two_models_is_two_calls(traces):
    class Both(CustomLLM):
        first: Scripted
        second: Scripted

        @property
        def metadata(self):
            return LLMMetadata(model_name="both")

        @llm_completion_callback()
        def complete(self, prompt, formatted=False, **kwargs):
            return CompletionResponse(text=self.first.complete(prompt).text + self.second.complete(prompt).text)

        def stream_complete(self, prompt, formatted=False, **kwargs):
            raise NotImplementedError

    Both(first=Scripted(replies=["1"], model="one"), second=Scripted(replies=["2"], model="two")).complete("hi")
    trace = one(traces)
    assert [step.output_preview for step in steps(trace, "llm_inference")] == ["1", "2"]
    assert trace.llm_usage.api_calls_count == 2
    assert trace.llm_usage.total_tokens == 36
    assert trace.output_summary == "12"


def test_several_models_are_multiple_and_listed_one_by_one(traces):
    from infinium_integrations import trace as tracing

    with tracing("Both"):
        Given(facts={"raw": {"usage": {"prompt_tokens": 1}, "model": "one"}}).chat(MESSAGES)
        Given(facts={"raw": {"usage": {"prompt_tokens": 2}, "model": "two"}}).chat(MESSAGES)
    trace = one(traces)
    assert trace.llm_usage.model == "multiple"
    assert [call.model for call in trace.llm_usage.calls] == ["one", "two"]
    assert trace.llm_usage.prompt_tokens == 3


def test_model_and_provider_are_there_though_another_handler_took_them_away(traces):
    class Thief(BaseEventHandler):
        @classmethod
        def class_name(cls):
            return "Thief"

        def handle(self, event, **kwargs):
            if hasattr(event, "model_dict"):
                event.model_dict.clear()

    root = get_dispatcher()
    before = root.event_handlers
    root.event_handlers = [Thief(), *before]
    try:
        Scripted(replies=["x"]).chat(MESSAGES)
    finally:
        root.event_handlers = before
    (call,) = steps(one(traces), "llm_inference")
    assert call.metadata["model_requested"] == "scripted-1"
    assert call.llm_call.temperature == pytest.approx(0.1)


def test_a_model_whose_metadata_raises_is_recorded(traces):
    class Odd(Given):
        @property
        def metadata(self):
            raise ValueError("unknown model")

    with contextlib.suppress(ValueError):  # newer cores ask for it themselves
        Odd(facts={"raw": {"usage": {"prompt_tokens": 1}, "model": "m"}}).chat(MESSAGES)
    assert len(steps(one(traces), "llm_inference")) == 1


def test_pictures_in_messages_are_type_and_size(traces):
    from llama_index.core.base.llms.types import ImageBlock, TextBlock

    picture = ImageBlock(image=b"\x89PNG" + b"x" * 3_000, image_mimetype="image/png")
    Scripted(replies=["a cat"]).chat([ChatMessage(role="user", blocks=[TextBlock(text="what?"), picture])])
    (call,) = steps(one(traces), "llm_inference")
    assert call.input_preview.startswith("user: what?\n<image/png, ")


def test_messages_stand_under_their_roles_and_the_system_prompt_apart(traces):
    Scripted(replies=["x"]).chat([ChatMessage(role="system", content="be kind"), *MESSAGES, *MESSAGES])
    (call,) = steps(one(traces), "llm_inference")
    assert call.input_preview == "user: hi\nuser: hi"
    assert call.metadata["messages"] == 3
    assert call.metadata["system"] == "be kind"


def test_usage_of_the_whole_is_the_sum_over_the_steps(traces):
    an_engine(Scripted(replies=["a"])).query("q?")
    trace = one(traces)
    assert trace.llm_usage.total_tokens == sum(
        step.llm_call.prompt_tokens + step.llm_call.completion_tokens for step in steps(trace, "llm_inference")
    )
