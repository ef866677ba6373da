"""What the LangChain tests share: a scripted model, and readers of traces."""

import asyncio
import threading
from importlib.metadata import version
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from infinium_integrations.langchain import InfiniumCallbackHandler

__all__ = [
    "Clock",
    "Hold",
    "Model",
    "TokenUsage",
    "call",
    "names",
    "names_agents",
    "one",
    "ordinary",
    "step",
    "steps",
    "tree",
    "until",
]


names_agents = version("langchain") >= "1.1"
"""Whether ``create_agent`` puts the agent's name into its runs' metadata."""


def TokenUsage(prompt: int = 10, completion: int = 5, **details: Any) -> dict[str, Any]:
    """A message's ``usage_metadata``."""
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion, **details}


def call(name: str, args: dict[str, Any] | None = None, call_id: str = "call_1") -> dict[str, Any]:
    return {"name": name, "args": args or {}, "id": call_id, "type": "tool_call"}


async def until(condition: Any) -> None:
    """Wait, in a loop, for what a thread or another task is about to do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (what is waited for may come from a thread)
            await asyncio.sleep(0.001)


class Hold:
    """A point at which a model waits: in a task or in a thread, until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.released.wait(20)

    async def wait_async(self) -> None:
        self.reached.set()
        await until(self.released.is_set)

    async def until_reached(self) -> None:
        await until(self.reached.is_set)


class Model(BaseChatModel):
    """Answers with what it was given, in order, the last again and again: texts, messages, exceptions, holds.

    A reply that is a list is taken word by word; a ``Hold`` in it stops the stream there, an exception breaks it.
    """

    replies: list[Any] = Field(default=["hello there friend"])
    model_name: str = "scripted-1"
    usage: dict[str, Any] | None = None
    _next: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, **kwargs: Any) -> Any:
        return {"ls_provider": "scripted", "ls_model_type": "chat", "ls_model_name": self.model_name}

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _reply(self) -> list[Any]:
        with self._lock:
            reply = self.replies[min(self._next, len(self.replies) - 1)]
            self._next += 1
        return reply if isinstance(reply, list) else [reply]

    def _message(self, parts: list[Any]) -> ChatResult:
        message = parts[-1] if isinstance(parts[-1], AIMessage) else AIMessage(content="".join(parts))
        if self.usage is not None and message.usage_metadata is None:
            message = message.model_copy(update={"usage_metadata": self.usage})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        parts = []
        for part in self._reply():
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, Hold):
                part.wait()
            else:
                parts.append(part)
        return self._message(parts)

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        parts = []
        for part in self._reply():
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, Hold):
                await part.wait_async()
            else:
                parts.append(part)
        return self._message(parts)

    def _chunks(self) -> list[Any]:
        """Chunks, holds and exceptions, in order; the usage comes with the last chunk."""
        chunks: list[Any] = []
        for part in self._reply():
            if isinstance(part, AIMessage):
                chunks.append(AIMessageChunk(**part.model_dump(exclude={"type"})))
            elif isinstance(part, str):
                chunks += [AIMessageChunk(content=word) for word in part.replace(" ", " \0").split("\0")]
            else:
                chunks.append(part)
        last = next((at for at in reversed(range(len(chunks))) if isinstance(chunks[at], AIMessageChunk)), None)
        if last is not None and self.usage is not None:
            chunks.insert(last + 1, AIMessageChunk(content="", usage_metadata=self.usage, chunk_position="last"))
        return chunks

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        for chunk in self._chunks():
            if isinstance(chunk, BaseException):
                raise chunk
            if isinstance(chunk, Hold):
                chunk.wait()
                continue
            generation = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(generation.text, chunk=generation)
            yield generation

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        for chunk in self._chunks():
            if isinstance(chunk, BaseException):
                raise chunk
            if isinstance(chunk, Hold):
                await chunk.wait_async()
                continue
            generation = ChatGenerationChunk(message=chunk)
            if run_manager:
                await run_manager.on_llm_new_token(generation.text, chunk=generation)
            yield generation


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        self.now += seconds
        return self.now


def ordinary(**options: Any) -> dict[str, Any]:
    """A config with a handler of its own."""
    return {"callbacks": [InfiniumCallbackHandler(**options)]}


def one(traces: list[Any]) -> Any:
    """The only trace."""
    assert len(traces) == 1, [(trace.name, trace.status) for trace in traces]
    return traces[0]


def names(task: Any) -> list[str]:
    return [found.metadata["name"] for found in task.steps or ()]


def steps(task: Any, name: str) -> list[Any]:
    return [found for found in task.steps or () if found.metadata["name"] == name]


def step(task: Any, name: str) -> Any:
    found = steps(task, name)
    assert len(found) == 1, names(task)
    return found[0]


def tree(task: Any) -> dict[str, Any]:
    """The steps' names, nested; of several with one name under one parent each but the first has a number."""
    top: dict[str, Any] = {}
    nodes: dict[int, dict[str, Any]] = {}
    for found in task.steps or ():
        parent = found.metadata["parent_step"]
        level = top if parent is None else nodes[parent]
        name, count = found.metadata["name"], 1
        while name in level:
            count += 1
            name = f"{found.metadata['name']} {count}"
        nodes[found.step_number] = level[name] = {}
    return top
