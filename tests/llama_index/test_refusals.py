"""What a model refuses to do is its answer, wherever LlamaIndex leaves the words of it."""

from types import SimpleNamespace

import pytest
from kit import Scripted, one, steps
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

MESSAGES = [ChatMessage(role="user", content="do it")]


def chosen(**said):
    return {"model": "m", "choices": [{"finish_reason": "stop", **said}]}


class Answering(Scripted):
    def _next(self):
        return self.replies.pop(0)

    def _chunks(self):
        return iter(self.replies)


def refused(traces):
    trace = one(traces)
    (call,) = steps(trace, "llm_inference")
    assert trace.output_summary == call.output_preview == "I won't"
    assert trace.captured.messages[-1] == {
        "role": "assistant",
        "parts": [{"type": "refusal", "content": "I won't"}],
    }


@pytest.mark.parametrize(
    "places",
    [
        {"additional_kwargs": {"refusal": "I won't"}},
        {"raw": chosen(message={"content": None, "refusal": "I won't"})},
        {"raw": SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(refusal="I won't"))])},
        {"raw": {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I won't"}]}]}},
        {"message": ChatMessage(role="assistant", additional_kwargs={"refusal": "I won't"})},
        {
            "message": ChatMessage(role="assistant", additional_kwargs={"refusal": "I won't"}),
            "additional_kwargs": {"refusal": "I won't"},
        },
    ],
)
def test_a_refusal_is_the_models_answer(traces, places):
    reply = ChatResponse(**{"message": ChatMessage(role="assistant", content=""), **places})
    Answering(replies=[reply]).chat(MESSAGES)
    refused(traces)


def test_a_refusal_that_is_streamed_is_the_models_answer(traces):
    chunks = [
        ChatResponse(message=ChatMessage(role="assistant", content=""), delta="", raw=chosen(delta={"refusal": said}))
        for said in ("I ", "won't")
    ]
    last = ChatResponse(message=ChatMessage(role="assistant", content=""), delta="", raw=chosen(delta={}))
    list(Answering(replies=[*chunks, last]).stream_chat(MESSAGES))
    refused(traces)


def test_a_stream_of_a_refusal_that_is_left_keeps_what_was_said(traces):
    chunk = ChatResponse(
        message=ChatMessage(role="assistant", content=""), delta="", raw=chosen(delta={"refusal": "I "})
    )
    stream = Answering(replies=[chunk, chunk]).stream_chat(MESSAGES)
    next(stream)
    stream.close()
    assert one(traces).output_summary.strip() == "I"
