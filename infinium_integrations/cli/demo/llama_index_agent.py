"""``infinium-traces demo llama-index``: a small support agent on LlamaIndex, recorded as yours would be.

It has a tool that fails once and is called again, a tool that asks a retriever, and a streamed answer. Its model is
scripted, so that it needs no key and no network.
"""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from infinium_integrations import runtime, settings
from infinium_integrations.cli.demo.script import ANSWER, HANDBOOK, INSTRUCTIONS, ORDERS, QUESTION
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.models import TaskData
from infinium_integrations.storage.reader import TraceReader

__all__ = ["QUESTION", "ScriptedLLM", "make_agent", "run"]

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("find_order", {"order": "A-1042"}),
    ("find_order", {"order": "A-1042"}),
    ("search_handbook", {"topic": "returns and shipping"}),
)
THINKING = 0.12
A_TOKEN = 0.008
A_LOOK = 0.03
"""Seconds that things take, so that there is something to see."""


def run(echo: Callable[..., Any] | None = None) -> TaskData | None:
    """Run the agent, tell what it does, and show its trace.

    Args:
        echo: What prints; takes ``nl`` and a text, as ``click.echo`` does.

    Returns:
        The trace as it was stored, or None where nothing is stored.

    Raises:
        ConfigurationError: A setting cannot work; the text says what to do.
    """
    if echo is None:
        import click  # noqa: PLC0415  (a caller that prints by itself needs none)

        echo = click.echo
    marker = f"demo-{time.time_ns()}"
    with _handler(), instrument_tags({"session_id": "demo", "demo_run": marker}):
        echo(f"you    {QUESTION}")
        asyncio.run(_answer(make_agent(ScriptedLLM()), echo))
    runtime.flush(timeout=10)
    task = _stored(marker)
    _show(task, echo)
    return task


def _handler() -> InfiniumEventHandler:
    return InfiniumEventHandler(
        name="Support desk",
        description="Answer a customer of a bicycle shop",
        expected_outcome={
            "task_objective": "Say where the order is and whether it can be sent back",
            "acceptance_criteria": ["Names the day of arrival", "Names the days for sending it back"],
        },
        tags=["demo"],
    )


async def _answer(agent: FunctionAgent, echo: Callable[..., Any]) -> None:
    running = agent.run(QUESTION)
    beginning = "agent  "
    async for event in running.stream_events():
        if isinstance(event, AgentStream) and event.delta:
            echo(beginning + event.delta, nl=False)
            beginning = ""
        elif type(event).__name__ == "ToolCallResult":
            _tell(event, echo)
    await running
    echo("")


def _tell(event: Any, echo: Callable[..., Any]) -> None:
    given = ", ".join(str(value) for value in event.tool_kwargs.values())
    echo(f"tool   {event.tool_name}({given})")
    if event.tool_output.is_error:
        echo(f"       failed: {event.tool_output.content}")


# --- the agent --------------------------------------------------------------------------------------------------------


def make_agent(llm: FunctionCallingLLM) -> FunctionAgent:
    """Make the agent: a model and its two tools.

    Args:
        llm: The model; ``ScriptedLLM()`` needs no key and no network.
    """
    tools: list[Any] = _tools()
    return FunctionAgent(name="Support desk", tools=tools, llm=llm, system_prompt=INSTRUCTIONS)


def _tools() -> list[Callable[..., str]]:
    """Make the tools for one question; its first look-up of an order fails, as such things do."""
    failures = iter([ConnectionError("the warehouse did not answer")])
    handbook = Handbook()

    def find_order(order: str) -> str:
        """Find an order by its number, such as A-1042."""
        time.sleep(A_LOOK)
        for failure in failures:
            raise failure
        return ORDERS.get(order, f"there is no order {order}")

    def search_handbook(topic: str) -> str:
        """Search the shop's handbook for what is allowed and what it costs."""
        return "\n".join(found.node.get_content() for found in handbook.retrieve(topic))

    return [find_order, search_handbook]


class Handbook(BaseRetriever):
    """Finds the paragraphs that share the most words with the query."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        time.sleep(A_LOOK)
        asked = _words(query_bundle.query_str)
        scores = {name: len(asked & _words(f"{name} {text}")) / max(1, len(asked)) for name, text in HANDBOOK.items()}
        best = sorted(HANDBOOK, key=lambda name: -scores[name])[:2]
        return [
            NodeWithScore(node=TextNode(text=HANDBOOK[name], id_=name), score=round(scores[name], 2)) for name in best
        ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


# --- the model --------------------------------------------------------------------------------------------------------


class ScriptedLLM(FunctionCallingLLM):
    """A model that plays the support desk's part word for word, streams it and reports its tokens."""

    model: str = "scripted-1"

    @property
    def metadata(self) -> LLMMetadata:
        """Say what the model can do."""
        return LLMMetadata(model_name=self.model, is_chat_model=True, is_function_calling_model=True)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> AsyncIterator[ChatResponse]:  # noqa: ARG002
        """Stream the script's next part."""

        async def chunks() -> AsyncIterator[ChatResponse]:
            await asyncio.sleep(THINKING)
            said = ""
            turn = sum(message.role == MessageRole.TOOL for message in messages)
            for piece in re.findall(r"\S+\s*", ANSWER) if turn >= len(CALLS) else []:
                said += piece
                yield ChatResponse(message=_said(said), delta=piece)
                await asyncio.sleep(A_TOKEN)
            yield ChatResponse(message=_said(said, turn), delta="", raw=self._bill(messages, said))

        return chunks()

    def _bill(self, messages: Sequence[ChatMessage], said: str) -> dict[str, Any]:
        prompt = sum(_tokens(message.content or "") for message in messages)
        return {"model": self.model, "usage": {"prompt_tokens": prompt, "completion_tokens": _tokens(said) + 12}}

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Give the script's next part at once."""
        chunks: list[ChatResponse] = [chunk async for chunk in await self.astream_chat(messages, **kwargs)]
        return chunks[-1]

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Give the script's next part at once."""
        return asyncio.run(self.achat(messages, **kwargs))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002, FBT001, FBT002
        """Answer; the script knows no other answer."""
        return CompletionResponse(text=ANSWER)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Answer; the script knows no other answer."""
        return self.complete(prompt, formatted, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        """Not played: the agent streams asynchronously."""
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """Not played: the agent chats."""
        raise NotImplementedError

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """Not played: the agent chats."""
        raise NotImplementedError

    def _prepare_chat_with_tools(  # type: ignore[override]
        self,
        tools: Sequence[Any],
        user_msg: Any = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> dict[str, Any]:
        asked = [ChatMessage(role="user", content=user_msg)] if isinstance(user_msg, str) else []
        offered = [{"type": "function", "function": {"name": tool.metadata.name}} for tool in tools]
        return {"messages": [*(chat_history or []), *asked], "tools": offered}

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,  # noqa: ARG002, FBT001, FBT002
        **kwargs: Any,  # noqa: ARG002
    ) -> list[ToolSelection]:
        """Give the tool calls that the script asks for."""
        calls = response.message.additional_kwargs.get("tool_calls", [])
        return [
            ToolSelection(tool_id=call["id"], tool_name=call["function"]["name"], tool_kwargs=call["given"])
            for call in calls
        ]


def _said(text: str, turn: int | None = None) -> ChatMessage:
    calls = []
    if turn is not None and turn < len(CALLS):
        name, given = CALLS[turn]
        calls = [{"id": f"call_{turn + 1}", "function": {"name": name, "arguments": given}, "given": given}]
    beside = {"tool_calls": calls} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=beside)


def _tokens(text: str) -> int:
    return len(text) // 4 + 1


# --- what is shown ----------------------------------------------------------------------------------------------------


def _stored(marker: str) -> TaskData | None:
    """Find the trace of this run among the latest; other programs may share the store."""
    reader: TraceReader = runtime.current().delivery.reader
    for task in reader.traces(limit=50):
        tags = task.environment.custom_tags if task.environment else None
        if (tags or {}).get("demo_run") == marker:
            return task
    return None


def _show(task: TaskData | None, echo: Callable[..., Any]) -> None:
    given = settings.current()
    if task is None:
        echo(f"\nThe trace is kept nowhere: INFINIUM_STORE is {given.store}, INFINIUM_TRACING {given.tracing}.")
        return
    from infinium_integrations.viewer.terminal.render import picture, short  # noqa: PLC0415  (only when something is shown)

    echo("\nIts trace:\n")
    for line in picture(task, shutil.get_terminal_size().columns):
        echo(line)
    echo(f"\nKept in {given.store}.\n\n  infinium-traces show {short(task.trace_id)}   this trace again")
    echo("\nThe same for your own code, once for the whole process:\n")
    echo("  from infinium_integrations.llama_index import InfiniumEventHandler")
    echo("  InfiniumEventHandler().register()")
