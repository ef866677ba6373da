"""``infinium-traces demo``: a small support agent, recorded as yours would be.

It has tools, a retriever, a tool that fails once and is tried again, and a streamed answer. Its model is scripted, so
that it needs no key and no network; any OpenAI-compatible endpoint serves as well.
"""

import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
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

from infinium_integrations import runtime, settings
from infinium_integrations.cli.demo.script import ANSWER, HANDBOOK, INSTRUCTIONS, ORDERS, QUESTION
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.models import TaskData
from infinium_integrations.storage.reader import TraceReader

__all__ = ["QUESTION", "ScriptedChat", "make_agent", "run"]

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("find_order", {"order": "A-1042"}),
    ("search_handbook", {"topic": "returns and shipping"}),
)
TURNS = 6
"""How often the model is asked at most."""
PATIENCE: dict[str, Any] = {
    "retry_if_exception_type": (ConnectionError,),
    "stop_after_attempt": 3,
    "wait_exponential_jitter": False,
}
THINKING = 0.12
A_TOKEN = 0.008
A_LOOK = 0.03
"""Seconds that things take, so that there is something to see."""


def run(echo: Callable[..., Any], *, base_url: str | None = None, model: str | None = None) -> TaskData | None:
    """Run the agent, tell what it does, and show its trace.

    Args:
        echo: What prints; takes ``nl`` and a text, as ``click.echo`` does.
        base_url: An OpenAI-compatible endpoint, in place of the scripted model.
        model: The model's name there.

    Returns:
        The trace as it was stored, or None where nothing is stored.

    Raises:
        ConfigurationError: A setting or an argument cannot work; the text says what to do.
    """
    run_id = uuid.uuid4()
    chat = _endpoint(base_url, model) if base_url and model else ScriptedChat()
    _answer(make_agent(chat), run_id, echo)
    runtime.flush(timeout=10)
    task = _stored(str(run_id))
    _show(task, echo)
    return task


def _answer(agent: Runnable[str, str], run_id: uuid.UUID, echo: Callable[..., Any]) -> None:
    handler = InfiniumCallbackHandler(
        name="Support desk",
        description="Answer a customer of a bicycle shop",
        expected_outcome={
            "task_objective": "Say where the order is and whether it can be sent back",
            "acceptance_criteria": ["Names the day of arrival", "Names the days for sending it back"],
        },
        tags=["demo"],
    )
    callbacks: list[BaseCallbackHandler] = [handler, _Narrator(echo)]
    config = RunnableConfig(callbacks=callbacks, run_id=run_id, metadata={"session_id": "demo"})
    echo(f"you    {QUESTION}")
    beginning = "agent  "
    for text in agent.stream(QUESTION, config):
        echo(beginning + text, nl=False)
        beginning = ""
    echo("")


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
        messages: list[BaseMessage] = [SystemMessage(INSTRUCTIONS), HumanMessage(question)]
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


def _call(tools: Mapping[str, Runnable[Any, Any]], call: ToolCall, config: RunnableConfig) -> ToolMessage:
    """Call a tool as the model asked; where that fails, the model is told why."""
    try:
        return cast("ToolMessage", tools[call["name"]].invoke({**call, "type": "tool_call"}, config))
    except Exception as error:  # noqa: BLE001  (the model may call anything with anything)
        return ToolMessage(f"{type(error).__name__}: {error}", tool_call_id=call["id"] or "", status="error")


def _tools() -> list[BaseTool]:
    """Make the tools for one question; its first look-up of an order fails, as such things do."""
    failures = iter([ConnectionError("the warehouse did not answer")])
    handbook = Handbook()

    @tool
    def find_order(order: str) -> str:
        """Find an order by its number, such as A-1042."""
        time.sleep(A_LOOK)
        for failure in failures:
            raise failure
        return ORDERS.get(order, f"there is no order {order}")

    @tool
    def search_handbook(topic: str, config: RunnableConfig) -> str:
        """Search the shop's handbook for what is allowed and what it costs."""
        return "\n".join(document.page_content for document in handbook.invoke(topic, config))

    return [find_order, search_handbook]


class Handbook(BaseRetriever):
    """Finds the paragraphs that share the most words with the query."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        time.sleep(A_LOOK)
        asked = _words(query)
        scores = {name: len(asked & _words(f"{name} {text}")) / max(1, len(asked)) for name, text in HANDBOOK.items()}
        best = sorted(HANDBOOK, key=lambda name: -scores[name])[:2]
        return [Document(HANDBOOK[name], id=name, metadata={"score": round(scores[name], 2)}) for name in best]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


# --- the models -------------------------------------------------------------------------------------------------------


class ScriptedChat(BaseChatModel):
    """A chat model that plays the support desk's part word for word, streams it and reports its tokens."""

    model_name: str = "scripted-1"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:  # noqa: ARG002
        return LangSmithParams(ls_provider="scripted", ls_model_name=self.model_name, ls_model_type="chat")

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer the tools to the model; the script knows which it wants."""
        return self.bind(tools=[{"type": "function", "function": {"name": each.name}} for each in tools], **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(THINKING)
        for message in _chunks(messages, self.model_name):
            chunk = ChatGenerationChunk(message=message)
            if run_manager is not None:
                run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk
            time.sleep(A_TOKEN)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))


def _chunks(messages: Sequence[BaseMessage], model: str) -> Iterator[AIMessageChunk]:
    """Give the script's next part, as pieces of a stream; the last has the tokens."""
    turn = sum(isinstance(message, ToolMessage) for message in messages)
    prompt, completion = _tokens("".join(message.text for message in messages)), 18
    if turn < len(CALLS):
        name, args = CALLS[turn]
        yield AIMessageChunk(content="", tool_calls=[ToolCall(name=name, args=args, id=f"call_{turn + 1}")])
    else:
        completion = _tokens(ANSWER)
        yield from (AIMessageChunk(content=piece) for piece in re.findall(r"\S+\s*", ANSWER))
    usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
    facts = {"model_name": model}
    yield AIMessageChunk(content="", usage_metadata=usage, response_metadata=facts, chunk_position="last")


def _tokens(text: str) -> int:
    return len(text) // 4 + 1


def _endpoint(base_url: str, model: str) -> BaseChatModel:
    try:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415  (only with --base-url)
    except ImportError as error:
        msg = "--base-url needs langchain-openai: pip install langchain-openai"
        raise ConfigurationError(msg) from error
    key: Any = os.environ.get("OPENAI_API_KEY") or "none"
    return ChatOpenAI(base_url=base_url, model=model, api_key=key, temperature=0, max_tokens=400, stream_usage=True)


# --- what is shown ----------------------------------------------------------------------------------------------------


class _Narrator(BaseCallbackHandler):
    """Tells what the agent does while it does it."""

    run_inline = True

    def __init__(self, echo: Callable[..., Any]) -> None:
        self._say = echo

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        given = ", ".join(str(value) for value in (kwargs.get("inputs") or {"": input_str}).values())
        self._say(f"tool   {serialized.get('name', 'tool')}({given})")

    def on_tool_error(self, error: BaseException, **kwargs: Any) -> None:  # noqa: ARG002
        self._say(f"       failed: {error}")

    def on_retriever_end(self, documents: Sequence[Document], **kwargs: Any) -> None:  # noqa: ARG002
        self._say(f"       found {len(documents)} paragraphs")


def _stored(run_id: str) -> TaskData | None:
    """Find the trace of this run among the latest; other programs may share the store."""
    reader: TraceReader = runtime.current().delivery.reader
    for task in reader.traces(limit=50):
        tags = task.environment.custom_tags if task.environment else None
        if (tags or {}).get("run_id") == run_id:
            return task
    return None


def _show(task: TaskData | None, echo: Callable[..., Any]) -> None:
    given = settings.current()
    if not given.tracing:
        echo("\nNo trace was made: INFINIUM_TRACING is false.")
    elif task is None:
        echo(f"\nThe trace is kept nowhere: INFINIUM_STORE is {given.store}.")
    else:
        from infinium_integrations.viewer.terminal.render import picture, short  # noqa: PLC0415

        echo("\nIts trace:\n")
        for line in picture(task, shutil.get_terminal_size().columns):
            echo(line)
        _next(task, short(task.trace_id), echo)


SENT = {
    "local": "Nothing was sent, because no account is set.",
    "pending": "Not sent yet; the command doctor says why.",
    "sent": "Sent to Infinium.",
    "rejected": "Infinium refused it; the command show says why.",
}


def _command() -> str:
    """Give what starts our commands here: by its path where its environment is not active."""
    name, beside = "infinium-traces", Path(sys.executable).with_name("infinium-traces")
    return name if shutil.which(name) or not beside.exists() else os.path.relpath(beside)


def _next(task: TaskData, short_id: str, echo: Callable[..., Any]) -> None:
    """Say where the trace is and what to type next."""
    given = settings.current()
    echo(f"\nKept in {given.store}. {SENT[task.delivery.status if task.delivery else 'local']}")
    ours = _command()
    echo(f"\n  {ours} show {short_id}   this trace again")
    echo(f"  {ours} list            all of them")
    echo(f"  {ours} serve           in your browser (pip install 'infinium-integrations[server]')")
    echo("\nThe same for your own code:\n")
    echo("  from infinium_integrations.langchain import InfiniumCallbackHandler")
    echo('  chain.invoke(question, config={"callbacks": [InfiniumCallbackHandler()]})')
    if not given.has_account:
        echo("\nTo have Maestro grade it, set INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET.")
