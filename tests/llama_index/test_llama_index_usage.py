"""What a provider said of a call, in each place where LlamaIndex's integrations put it."""

from types import SimpleNamespace as Held
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock
from llama_index.core.llms import LLMMetadata
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.custom import CustomLLM
from pydantic import Field


class Says(CustomLLM):
    raws: list[Any] = Field(default_factory=list)
    beside: dict[str, Any] = Field(default_factory=dict)

    @property
    def metadata(self):
        return LLMMetadata(model_name="asked-for")

    def complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    stream_complete = complete

    def _reply(self, raw, text="x", delta=None):
        message = ChatMessage(role="assistant", content=text, additional_kwargs=dict(self.beside))
        return ChatResponse(message=message, raw=raw, delta=delta)

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return self._reply(self.raws[0])

    @llm_chat_callback()
    def stream_chat(self, messages, **kwargs):
        return (self._reply(raw, "x" * (number + 1), "x") for number, raw in enumerate(self.raws))


def tokens(prompt, completion):
    return Held(input_tokens=prompt, output_tokens=completion)


STREAMS = {
    "Anthropic": (
        [
            Held(type="message_start", message=Held(usage=tokens(25, 1), model="claude-x")),
            Held(type="message_delta", delta=Held(stop_reason="max_tokens"), usage=Held(output_tokens=15)),
        ],
        (25, 15, None, "max_tokens"),
    ),
    "Responses, cut off": (
        [
            Held(type="response.output_text.delta", delta="x"),
            Held(
                type="response.incomplete",
                response=Held(
                    model="gpt-x",
                    status="incomplete",
                    usage=tokens(9, 4),
                    incomplete_details=Held(reason="max_output_tokens"),
                ),
            ),
        ],
        (9, 4, "gpt-x", "max_output_tokens"),
    ),
    "Mistral": (
        [
            Held(data=Held(model="mistral-x", choices=[Held(finish_reason=None)], usage=None)),
            Held(
                data=Held(
                    model="mistral-x",
                    choices=[Held(finish_reason="stop")],
                    usage=Held(prompt_tokens=7, completion_tokens=2, total_tokens=9),
                )
            ),
        ],
        (7, 2, "mistral-x", "stop"),
    ),
    "OpenAI, usage alone at the end": (
        [
            {"model": "gpt-x", "choices": [{"finish_reason": "length"}]},
            {"model": "gpt-x", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}},
        ],
        (5, 3, "gpt-x", "length"),
    ),
    "Gemini, whose last report is the right one": (
        [
            {"usage_metadata": {"prompt_token_count": 15, "candidates_token_count": 1}},
            {
                "usage_metadata": {"prompt_token_count": 14, "candidates_token_count": 6},
                "candidates": [{"finish_reason": Held(name="STOP")}],
            },
        ],
        (14, 6, None, "STOP"),
    ),
    "Bedrock": (
        [
            {"messageStop": {"stopReason": "guardrail_intervened"}},
            {"metadata": {"usage": {"inputTokens": 8, "outputTokens": 1}}},
        ],
        (8, 1, None, "guardrail_intervened"),
    ),
}


@pytest.mark.parametrize("provider", STREAMS)
def test_a_stream_has_the_tokens_the_model_and_the_reason_that_its_events_say(traces, provider):
    raws, (prompt, completion, model, reason) = STREAMS[provider]
    list(Says(raws=raws).stream_chat([ChatMessage(role="user", content="hi")]))
    (call,) = traces[0].steps
    assert (call.llm_call.prompt_tokens, call.llm_call.completion_tokens) == (prompt, completion)
    assert call.metadata["finish_reason"] == reason
    if model is not None:
        assert call.llm_call.model == model


@pytest.mark.parametrize(
    ("raw", "beside", "reason"),
    [
        ({"stopReason": "max_tokens"}, {}, "max_tokens"),
        ({}, {"stop_reason": "end_turn"}, "end_turn"),
        (Held(status="completed", usage=tokens(1, 1)), {}, "completed"),
        ({"done_reason": "length"}, {}, "length"),
    ],
)
def test_why_the_model_stopped_is_kept(traces, raw, beside, reason):
    Says(raws=[raw], beside=beside).chat([ChatMessage(role="user", content="hi")])
    assert traces[0].steps[0].metadata["finish_reason"] == reason


def test_an_answer_with_lists_beside_it_is_kept(traces):  # Bedrock's has the states of its tools there
    Says(raws=[{}], beside={"status": [], "tool_call_id": []}).chat([ChatMessage(role="user", content="hi")])
    assert traces[0].steps[0].captured.output_messages[0]["parts"] == [{"type": "text", "content": "x"}]


class SaysSoFar(Says):
    blocks: list[Any] = Field(default_factory=list)

    def _reply(self, raw, text="x", delta=None):
        self.blocks.append(TextBlock(text=text))
        return ChatResponse(message=ChatMessage(role="assistant", blocks=list(self.blocks)), raw=raw, delta=delta)


def test_an_answer_that_repeats_what_was_said_so_far_is_said_once(traces):  # Mistral's, streamed
    list(SaysSoFar(raws=[{}, {}, {}]).stream_chat([ChatMessage(role="user", content="hi")]))
    assert traces[0].steps[0].captured.output_messages[0]["parts"] == [{"type": "text", "content": "xxx"}]
