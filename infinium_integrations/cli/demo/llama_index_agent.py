"""``infinium-traces demo llama-index``: a small support agent on LlamaIndex, recorded as yours would be.

It has a tool that fails once and is called again, a tool that asks a retriever, and a streamed answer. Its model is
scripted, so that it needs no key and no network.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NoReturn

from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from infinium_integrations import settings
from infinium_integrations.cli.demo import script
from infinium_integrations.cli.demo.script import ANSWER, QUESTION, Echo, Narrator, Shop, tokens
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.models import TaskData

__all__ = ["QUESTION", "ScriptedLLM", "make_agent", "run"]

CALLS = (script.FIND_ORDER, script.FIND_ORDER, script.SEARCH_HANDBOOK)


def run(echo: Echo, *, base_url: str | None = None, model: str | None = None) -> TaskData | None:
    """Run the agent, narrate what it does, and show its trace; see ``cli.demo.run``."""
    if base_url and model:
        msg = "--base-url and --model go with the LangChain demo alone: leave the framework out"
        raise ConfigurationError(msg)
    handler = InfiniumEventHandler(
        name=script.NAME, description=script.DESCRIPTION, expected_outcome=script.EXPECTED, tags=["demo"]
    )
    narrator, marker = Narrator(echo), f"demo-{time.time_ns()}"
    with handler, instrument_tags({"session_id": "demo", "demo_run": marker}):
        asyncio.run(_narrated(make_agent(ScriptedLLM()), narrator))
    task, given = narrator.trace("demo_run", marker), settings.current()
    if task is None:
        echo(f"\nThe trace is kept nowhere: INFINIUM_STORE is {given.store}, INFINIUM_TRACING {given.tracing}.")
        return None
    echo(f"\nKept in {given.store}.\n\n  infinium-traces show {(task.trace_id or '-')[:8]}   this trace again")
    echo("\nThe same for your own code, once for the whole process:\n")
    echo("  from infinium_integrations.llama_index import InfiniumEventHandler")
    echo("  InfiniumEventHandler().register()")
    return task


async def _narrated(agent: FunctionAgent, narrator: Narrator) -> None:
    running = agent.run(QUESTION)
    async for event in running.stream_events():
        if isinstance(event, AgentStream) and event.delta:
            narrator.answer(event.delta)
        elif isinstance(event, ToolCallResult):
            narrator.tool(event.tool_name, event.tool_kwargs.values())
            if event.tool_output.is_error:
                narrator.failed(event.tool_output.content)
    await running


# --- the agent --------------------------------------------------------------------------------------------------------


def make_agent(llm: FunctionCallingLLM) -> FunctionAgent:
    """Make the agent: a model and its two tools.

    Args:
        llm: The model; ``ScriptedLLM()`` needs no key and no network.
    """
    shop, handbook = Shop(), Handbook()

    def find_order(order: str) -> str:
        """Find an order by its number, such as A-1042."""
        return shop.order(order)

    def search_handbook(topic: str) -> str:
        """Search the shop's handbook for what is allowed and what it costs."""
        return "\n".join(found.node.get_content() for found in handbook.retrieve(topic))

    tools: list[object] = [find_order, search_handbook]
    return FunctionAgent(name=script.NAME, tools=tools, llm=llm, system_prompt=script.INSTRUCTIONS)


class Handbook(BaseRetriever):
    """Finds the paragraphs that share the most words with the query."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = script.search(query_bundle.query_str)
        return [NodeWithScore(node=TextNode(text=text, id_=name), score=score) for name, text, score in found]


# --- the model --------------------------------------------------------------------------------------------------------


class ScriptedLLM(FunctionCallingLLM):
    """A model that plays the support desk's part word for word, streams it and reports its tokens."""

    model: str = "scripted-1"

    @property
    def metadata(self) -> LLMMetadata:
        """What the model can do."""
        return LLMMetadata(model_name=self.model, is_chat_model=True, is_function_calling_model=True)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: object) -> AsyncIterator[ChatResponse]:  # noqa: ARG002
        """Stream the script's next part."""

        async def chunks() -> AsyncIterator[ChatResponse]:
            await asyncio.sleep(script.THINKING)
            said = ""
            turn = sum(message.role == MessageRole.TOOL for message in messages)
            for piece in script.PIECES if turn >= len(CALLS) else []:
                said += piece
                yield ChatResponse(message=_said(said), delta=piece)
                await asyncio.sleep(script.A_TOKEN)
            prompt = sum(tokens(message.content or "") for message in messages)
            usage = {"prompt_tokens": prompt, "completion_tokens": tokens(said) + 12}
            yield ChatResponse(message=_said(said, turn), delta="", raw={"model": self.model, "usage": usage})

        return chunks()

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: object) -> ChatResponse:
        """Return the script's next part at once."""
        chunks: list[ChatResponse] = [chunk async for chunk in await self.astream_chat(messages, **kwargs)]
        return chunks[-1]

    def chat(self, messages: Sequence[ChatMessage], **kwargs: object) -> ChatResponse:
        """Return the script's next part at once."""
        return asyncio.run(self.achat(messages, **kwargs))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: object) -> CompletionResponse:  # noqa: ARG002, FBT001, FBT002
        """Answer; the script knows no other answer."""
        return CompletionResponse(text=ANSWER)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: object) -> CompletionResponse:  # noqa: FBT001, FBT002
        """Answer; the script knows no other answer."""
        return self.complete(prompt, formatted, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: object) -> NoReturn:
        """Not played: the agent streams asynchronously."""
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: object) -> NoReturn:  # noqa: FBT001, FBT002
        """Not played: the agent chats."""
        raise NotImplementedError

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: object) -> NoReturn:  # noqa: FBT001, FBT002
        """Not played: the agent chats."""
        raise NotImplementedError

    def _prepare_chat_with_tools(  # type: ignore[override]
        self,
        tools: Sequence[Any],
        user_msg: object = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: object,  # noqa: ARG002
    ) -> dict[str, object]:
        asked = [ChatMessage(role="user", content=user_msg)] if isinstance(user_msg, str) else []
        offered = [{"type": "function", "function": {"name": tool.metadata.name}} for tool in tools]
        return {"messages": [*(chat_history or []), *asked], "tools": offered}

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,  # noqa: ARG002, FBT001, FBT002
        **kwargs: object,  # noqa: ARG002
    ) -> list[ToolSelection]:
        """Return the tool calls that the script asks for."""
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
