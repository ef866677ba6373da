"""``infinium-traces demo``: a small support agent, recorded as yours would be.

It has tools, a retriever, a tool that fails once and is tried again, and a streamed answer. Its model is scripted, so
that it needs no key and no network; any OpenAI-compatible endpoint serves as well.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, tool
from pydantic import SecretStr

from infinium_integrations import settings
from infinium_integrations._entropy import new_id
from infinium_integrations.cli.demo import script
from infinium_integrations.cli.demo.script import ANSWER, QUESTION, Echo, Narrator, Shop, tokens
from infinium_integrations.diagnostics import attempt
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.models import TaskData

__all__ = ["QUESTION", "ScriptedChat", "make_agent", "run"]

CALLS = (script.FIND_ORDER, script.SEARCH_HANDBOOK)
TURNS = 6
"""How often the model is asked at most."""
PATIENCE: dict[str, Any] = {
    "retry_if_exception_type": (ConnectionError,),
    "stop_after_attempt": 3,
    "wait_exponential_jitter": False,
}
OWN_CODE = """
The same for your own code:

  from infinium_integrations.langchain import InfiniumCallbackHandler
  chain.invoke(question, config={"callbacks": [InfiniumCallbackHandler()]})"""


def run(echo: Echo, *, base_url: str | None = None, model: str | None = None) -> TaskData | None:
    """Run the agent, narrate what it does, and show its trace; see ``cli.demo.run``."""
    agent = make_agent(_endpoint(base_url, model) if base_url and model else ScriptedChat())
    handler = InfiniumCallbackHandler(
        name=script.NAME, description=script.DESCRIPTION, expected_outcome=script.EXPECTED, tags=["demo"]
    )
    narrator, run_id = Narrator(echo), new_id()
    callbacks: list[BaseCallbackHandler] = [handler, _Listener(narrator)]
    config = RunnableConfig(callbacks=callbacks, run_id=run_id, metadata={"session_id": "demo"})
    for piece in agent.stream(QUESTION, config):
        narrator.answer(piece)
    task = narrator.trace("run_id", str(run_id))
    given = settings.current()
    if task is not None:
        narrator.conclude(task, OWN_CODE)
    elif not given.tracing:
        echo("\nNo trace was made: INFINIUM_TRACING is false.")
    else:
        echo(f"\nThe trace is kept nowhere: INFINIUM_STORE is {given.store}.")
    return task


class _Listener(BaseCallbackHandler):
    """Has the narrator announce tools and look-ups."""

    run_inline = True

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        self._narrator.tool(serialized.get("name", "tool"), (kwargs.get("inputs") or {"": input_str}).values())

    def on_tool_error(self, error: BaseException, **kwargs: object) -> None:  # noqa: ARG002
        self._narrator.failed(error)

    def on_retriever_end(self, documents: Sequence[Document], **kwargs: object) -> None:  # noqa: ARG002
        self._narrator.echo(f"       found {len(documents)} paragraphs")


# --- the agent --------------------------------------------------------------------------------------------------------


def make_agent(chat: BaseChatModel) -> Runnable[str, str]:
    """Make the agent: a loop that asks the model and calls the tools that it wants, until it answers.

    Args:
        chat: The model; ``ScriptedChat()`` needs no key and no network.

    Returns:
        A runnable from a question to an answer, which can be streamed.
    """
    model = chat.bind_tools(_tools())

    def support_agent(question: str, config: RunnableConfig) -> Iterator[str]:
        find_order, search_handbook = _tools()
        tools = {"find_order": find_order.with_retry(**PATIENCE), "search_handbook": search_handbook}
        messages: list[BaseMessage] = [SystemMessage(script.INSTRUCTIONS), HumanMessage(question)]
        for _ in range(TURNS):
            whole: AIMessageChunk | None = None
            for chunk in model.stream(messages, config):
                part = cast("AIMessageChunk", chunk)
                whole = part if whole is None else whole + part
                if isinstance(part.content, str) and part.content:
                    yield part.content
            if whole is None or not whole.tool_calls:
                return
            messages += [whole, *(_call(tools, call, config) for call in whole.tool_calls)]

    return cast("Runnable[str, str]", RunnableLambda(cast("Callable[..., str]", support_agent)))


def _call(tools: Mapping[str, Runnable[Any, object]], call: ToolCall, config: RunnableConfig) -> ToolMessage:
    """Call a tool as the model asked; where that fails, the model receives the reason."""

    def failed(error: BaseException) -> ToolMessage:
        return ToolMessage(f"{type(error).__name__}: {error}", tool_call_id=call["id"] or "", status="error")

    asked = {**call, "type": "tool_call"}
    return attempt(lambda: cast("ToolMessage", tools[call["name"]].invoke(asked, config)), failed)


def _tools() -> list[BaseTool]:
    """Return the tools for one question."""
    shop, handbook = Shop(), Handbook()

    @tool
    def find_order(order: str) -> str:
        """Find an order by its number, such as A-1042."""
        return shop.order(order)

    @tool
    def search_handbook(topic: str, config: RunnableConfig) -> str:
        """Search the shop's handbook for what is allowed and what it costs."""
        return "\n".join(document.page_content for document in handbook.invoke(topic, config))

    return [find_order, search_handbook]


class Handbook(BaseRetriever):
    """Finds the paragraphs that share the most words with the query."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        return [Document(text, id=name, metadata={"score": score}) for name, text, score in script.search(query)]


# --- the models -------------------------------------------------------------------------------------------------------


class ScriptedChat(BaseChatModel):
    """A chat model that plays the support desk's part word for word, streams it and reports its tokens."""

    model_name: str = "scripted-1"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: object) -> LangSmithParams:  # noqa: ARG002
        return LangSmithParams(ls_provider="scripted", ls_model_name=self.model_name, ls_model_type="chat")

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer the tools to the model; the script knows which it wants."""
        return self.bind(tools=[{"type": "function", "function": {"name": each.name}} for each in tools], **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: object,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(script.THINKING)
        for message in _chunks(messages, self.model_name):
            chunk = ChatGenerationChunk(message=message)
            if run_manager is not None:
                run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk
            time.sleep(script.A_TOKEN)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))


def _chunks(messages: Sequence[BaseMessage], model: str) -> Iterator[AIMessageChunk]:
    """Return the script's next part, as pieces of a stream; the last has the tokens."""
    turn = sum(isinstance(message, ToolMessage) for message in messages)
    prompt, completion = tokens("".join(message.text for message in messages)), 18
    if turn < len(CALLS):
        name, args = CALLS[turn]
        yield AIMessageChunk(content="", tool_calls=[ToolCall(name=name, args=args, id=f"call_{turn + 1}")])
    else:
        completion = tokens(ANSWER)
        yield from (AIMessageChunk(content=piece) for piece in script.PIECES)
    usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
    reply = {"model_name": model}
    yield AIMessageChunk(content="", usage_metadata=usage, response_metadata=reply, chunk_position="last")


def _endpoint(base_url: str, model: str) -> BaseChatModel:
    try:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415  (only with --base-url)
    except ImportError as error:
        msg = "--base-url needs langchain-openai: pip install langchain-openai"
        raise ConfigurationError(msg) from error
    key = SecretStr(os.environ.get("OPENAI_API_KEY") or "none")
    return ChatOpenAI(base_url=base_url, model=model, api_key=key, temperature=0, max_tokens=400, stream_usage=True)
