"""What a provider said of a call, in each place where LangChain's integrations put it."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from lc_support import one, ordinary
from pydantic import Field


class Says(BaseChatModel):
    chunks: list[Any] = Field(default_factory=list)
    info: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self):
        return "says"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.chunks[0], generation_info=self.info)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for message in self.chunks:
            yield ChatGenerationChunk(message=message)


def usage(prompt, completion):
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def chunk(text="", prompt=0, completion=0, **more):
    reported = usage(prompt, completion) if prompt or completion else None
    return AIMessageChunk(text, usage_metadata=reported, **more)


@pytest.mark.parametrize(
    ("chunks", "tokens"),
    [
        ([chunk("a", 100, 1), chunk("b", 100, 2), chunk("c", 100, 3)], (100, 3)),  # vLLM says the whole so far
        ([chunk("a", 25, 1), chunk("b"), chunk("", 0, 14)], (25, 15)),  # Anthropic says parts, which are added up
        ([chunk("a"), chunk("b"), chunk("", 10, 5)], (10, 5)),  # OpenAI says it once
        # Gemini's are made parts of by its package; what its tools answered comes later
        ([chunk("a", 32, 262), chunk("b", 0, 26), chunk("c", 764, 4)], (796, 292)),
    ],
)
def test_a_streams_tokens_are_those_that_the_provider_said(traces, chunks, tokens):
    list(Says(chunks=chunks).stream("hi", ordinary()))
    call = one(traces).steps[0].llm_call
    assert (call.prompt_tokens, call.completion_tokens) == tokens


def test_of_a_stream_that_is_left_the_parts_are_added_up(traces):
    read = Says(chunks=[chunk("a", 32, 262), chunk("b", 764, 26), chunk("c", 0, 4)]).stream("hi", ordinary())
    next(read), next(read)
    read.close()
    call = one(traces).steps[0].llm_call
    assert (call.prompt_tokens, call.completion_tokens) == (796, 288)


def test_what_several_chunks_say_and_langchain_strings_together_is_said_once(traces):
    said = {"model_name": "gemini-x", "finish_reason": "STOP"}
    list(Says(chunks=[chunk("a", response_metadata=said), chunk("b", response_metadata=said)]).stream("hi", ordinary()))
    (call,) = one(traces).steps
    assert (call.llm_call.model, call.metadata["finish_reason"]) == ("gemini-x", "STOP")


@pytest.mark.parametrize(
    ("said", "info", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, {}, "max_output_tokens"),
        ({"stopReason": "guardrail_intervened"}, {}, "guardrail_intervened"),
        ({}, {"done_reason": "length"}, "length"),
        ({"finish_reason": "tool_calls"}, {}, "tool_calls"),
    ],
)
def test_why_the_model_stopped_is_kept(traces, said, info, reason):
    Says(chunks=[AIMessage("x", response_metadata=said)], info=info).invoke("hi", ordinary())
    assert one(traces).steps[0].metadata["finish_reason"] == reason


def test_cached_tokens_that_stand_beside_the_usage_are_kept(traces):
    beside = {"token_usage": {"prompt_tokens": 20, "prompt_tokens_details": {"cached_tokens": 16}}}
    Says(chunks=[AIMessage("x", usage_metadata=usage(20, 5), response_metadata=beside)]).invoke("hi", ordinary())
    assert one(traces).steps[0].metadata["usage_details"] == {"cache_read": 16}


def test_coheres_stream_has_its_tokens(traces):
    said = {"token_count": {"input_tokens": 7, "output_tokens": 3}}
    Says(chunks=[AIMessage("x", response_metadata=said)]).invoke("hi", ordinary())
    call = one(traces).steps[0].llm_call
    assert (call.prompt_tokens, call.completion_tokens) == (7, 3)


def test_the_first_chunk_of_a_tool_call_is_the_first_token(traces):
    call = {"name": "f", "args": "{}", "id": "1", "index": 0, "type": "tool_call_chunk"}
    list(Says(chunks=[AIMessageChunk("", tool_call_chunks=[call]), chunk("", 3, 2)]).stream("hi", ordinary()))
    assert one(traces).steps[0].metadata["ttft_ms"] >= 0
