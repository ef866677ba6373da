"""A scripted model, and small programs, for LlamaIndex tests; works from llama-index-core 0.14.0 on."""

import asyncio
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import LLMMetadata, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import Field

USAGE = {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}


class Scripted(FunctionCallingLLM):
    """Gives its replies in turn: a text, a text with tool calls, or an exception to raise (in a stream: at its end)."""

    replies: list[Any] = Field(default_factory=list)
    model: str = "scripted-1"
    temperature: float = 0.1

    @property
    def metadata(self):
        return LLMMetadata(model_name=self.model, is_chat_model=True, is_function_calling_model=True)

    def _next(self):
        reply = self.replies.pop(0)
        text, calls = reply if isinstance(reply, tuple) else (reply, [])
        if isinstance(text, BaseException):
            return text
        message = ChatMessage(role="assistant", content=text, additional_kwargs={"asked": calls})
        return ChatResponse(message=message, raw={"usage": dict(USAGE), "model": "scripted-1-2026"})

    def _now(self):
        reply = self._next()
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def _chunks(self):
        reply = self._next()
        words = "half a reply" if isinstance(reply, BaseException) else reply.message.content
        said = ""
        for word in words.split(" "):
            said = f"{said} {word}".strip()
            yield ChatResponse(message=ChatMessage(role="assistant", content=said), delta=f"{word} ")
        if isinstance(reply, BaseException):
            raise reply
        reply.delta = ""
        yield reply

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return self._now()

    @llm_chat_callback()
    async def achat(self, messages, **kwargs):
        return self._now()

    @llm_chat_callback()
    def stream_chat(self, messages, **kwargs):
        return (chunk for chunk in self._chunks())

    @llm_chat_callback()
    async def astream_chat(self, messages, **kwargs):
        async def chunks():
            for chunk in self._chunks():
                yield chunk
                await asyncio.sleep(0)

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        reply = self._now()
        return CompletionResponse(text=reply.message.content, raw=reply.raw)

    @llm_completion_callback()
    async def acomplete(self, prompt, formatted=False, **kwargs):
        reply = self._now()
        return CompletionResponse(text=reply.message.content, raw=reply.raw)

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        return (CompletionResponse(text=c.message.content, delta=c.delta, raw=c.raw) for c in self._chunks())

    async def astream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **kwargs):
        messages = list(chat_history or [])
        if user_msg:
            messages.append(ChatMessage(role="user", content=user_msg) if isinstance(user_msg, str) else user_msg)
        return {"messages": messages, "tools": [tool.metadata.to_openai_tool() for tool in tools]}

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        asked = response.message.additional_kwargs.get("asked", [])
        return [
            ToolSelection(tool_id=f"call-{at}", tool_name=name, tool_kwargs=args)
            for at, (name, args) in enumerate(asked)
        ]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


def an_index(*texts: str) -> VectorStoreIndex:
    documents = [Document(text=text, doc_id=f"doc-{at}") for at, text in enumerate(texts or ("hello world", "foo bar"))]
    return VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=4))


def an_engine(llm=None, *texts: str, **options: Any):
    return an_index(*texts).as_query_engine(llm=llm or MockLLM(max_tokens=5), **options)


def steps(trace, action=None):
    return [step for step in trace.steps or [] if action is None or step.action == action]


def actions(trace):
    return [step.action for step in trace.steps or []]


def tags(trace):
    return trace.environment.custom_tags


def status(trace):
    return tags(trace)["status"]


def by_number(trace, number):
    return next(step for step in trace.steps if step.step_number == number)


def parent(trace, step):
    number = step.metadata["parent_step"]
    return None if number is None else by_number(trace, number)


def one(traces):
    """Wait until the only trace there is has ended, and give it."""
    (trace,) = ended(traces, 1)
    return trace


def ended(traces, count):
    """Wait until so many traces have ended and none is open, and give them."""
    from infinium_integrations import flush

    recorder = traces.recorder
    with recorder._traces.sealed:
        recorder._traces.sealed.wait_for(lambda: len(traces) >= count, timeout=30)
    flush(30)
    assert recorder.open_traces == 0, [
        (run.name, run.adapter_state) for one in recorder.traces() for run in one.open.values()
    ]
    assert len(traces) == count, [(trace.name, status(trace)) for trace in traces]
    return list(traces)
