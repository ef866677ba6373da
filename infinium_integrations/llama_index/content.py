"""LlamaIndex's values taken by reference: messages, nodes, responses, events.

Values are recognised by the names of their classes and read where they lie: no property, ``str()`` or dump of theirs is
called, since those may consume a stream or serialise a client.
"""

from collections.abc import Callable, Sequence
from typing import Any

from infinium_integrations.capture.content import Content, Conversation, Documents, Message, Part
from infinium_integrations.llama_index import messages
from infinium_integrations.llama_index.classes import OfClass, fields, is_a, names
from infinium_integrations.redaction.key_names import SLACK, is_secret_key

__all__ = [
    "answering",
    "conversation",
    "documents",
    "final_answer",
    "is_failure",
    "take",
    "text_of_output",
    "tool_message",
    "turn",
]

DOCUMENTS_TAKEN = 1_000
EVENT_DEPTH = 6
BLOCKS_SAID = 20


def take(content: Content, value: object, limit: int, depth: int = EVENT_DEPTH) -> object:
    """Take anything that a span receives or returns.

    Args:
        content: The trace's.
        value: Neither consumed nor changed.
        limit: Characters that are kept where the trace has no room for the whole.
        depth: How many of the framework's values may lie in each other.
    """
    if type(value) is str:
        return content.take(value, limit)
    if type(value) is list and value:
        if is_a(value[0], "NodeWithScore") or is_a(value[0], "BaseNode"):
            return documents(content, value, limit)
        if is_a(value[-1], "ChatMessage"):
            return conversation(content, value, limit)
    write = _writer(type(value))
    if write is not None:
        return write(content, value, limit, depth) if depth else f"<{type(value).__name__}>"

    def adapt(inner: object) -> object:
        """Return what stands for a value of the framework's inside another; None for any other value."""
        return None if _writer(type(inner)) is None else take(content, inner, limit, max(depth - 1, 0))

    return content.take(value, limit, adapt)


def conversation(content: Content, given: Sequence[object], limit: int) -> Conversation:
    """Take messages."""
    return Conversation(messages.take_all(content, given, limit))


Writer = Callable[[Content, Any, int, int], object]

_WRITERS: dict[str, Writer] = {}
"""How the framework's values are taken, by the names of their classes."""


def _writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(write: Writer) -> Writer:
        _WRITERS.update(dict.fromkeys(kinds, write))
        return write

    return register


def _find_writer(kind: type) -> Writer | None:
    known = names(kind)
    found = (_WRITERS[base.__name__] for base in kind.__mro__ if base.__name__ in known & _WRITERS.keys())
    is_open = known <= _OPEN or "FlexibleModel" in known  # the second is the user's own, half streamed
    return next(found, None if is_open else lambda _, value, *__: f"<{type(value).__name__}>")


_writer = OfClass(_find_writer).of
"""Finds how the framework's values of a class are taken; None for what is not the framework's."""


_OPEN = frozenset({"DispatcherSpanMixin"})
"""Framework classes that say nothing of what is inside."""


# -- documents ---------------------------------------------------------------------------------------------------------


def documents(content: Content, nodes: Sequence[object], limit: int) -> Documents:
    """Take what a retriever found."""
    return Documents([_document(content, node, limit) for node in nodes[:DOCUMENTS_TAKEN]], len(nodes), _facts)


_Document = tuple[object, float | None, object, object]


def _document(content: Content, node: object, limit: int) -> _Document:
    held = getattr(node, "__dict__", _EMPTY)
    inner = getattr(held.get("node"), "__dict__", held)
    metadata, score = inner.get("metadata"), held.get("score")
    if type(score) is not float and score is not None:
        try:
            score = float(score)  # NumPy's too
        except (TypeError, ValueError):
            score = None
    text = inner.get("text")
    if text is None:
        text = getattr(inner.get("text_resource"), "__dict__", {}).get("text")
    return (
        inner.get("id_"),
        score,
        content.take(text if isinstance(text, str) else f"<{type(node).__name__}>", limit),
        content.take(metadata, limit) if type(metadata) is not dict or metadata else None,
    )


_EMPTY: dict[str, Any] = {}


def _facts(document: _Document) -> dict[str, Any]:
    facts = zip(("id", "score", "content", "metadata"), document, strict=True)
    return {name: fact for name, fact in facts if fact is not None}


# -- one writer for each kind of value ---------------------------------------------------------------------------------


@_writes("NodeWithScore", "BaseNode")
def _of_node(content: Content, value: object, limit: int, depth: int) -> object:  # noqa: ARG001  (as all here)
    return _facts(_document(content, value, limit))


def _named(name: str) -> Writer:
    return lambda content, value, limit, depth: take(
        content, getattr(value, "__dict__", {}).get(name), limit, depth - 1
    )


@_writes("AgentOutput")
def _of_agent(content: Content, value: Any, limit: int, depth: int) -> object:  # noqa: ARG001
    answer, calls = _answer(content, value, limit), _calls(content, value, limit)
    if not calls:
        return answer
    message = answer.messages[0] if isinstance(answer, Conversation) else answer
    asked = Message("assistant", None, (message, calls), _with_calls)
    return Conversation([asked], structured=answer.structured) if isinstance(answer, Conversation) else asked


def _calls(content: Content, output: Any, limit: int) -> list[Part]:
    """Take the calls that an agent's answer asks for."""
    return [
        {
            "type": "tool_call",
            "id": call.tool_id,
            "name": call.tool_name,
            "arguments": content.take(call.tool_kwargs, limit),
        }
        for call in output.__dict__.get("tool_calls") or ()
    ]


def _with_calls(held: tuple[Message, list[Part]]) -> list[Part]:
    """Return a message's parts, and its calls where the message itself has none."""
    message, calls = held
    parts = message.parts()
    return parts if any(part["type"] == "tool_call" for part in parts) else [*parts, *calls]


def _answer(content: Content, output: Any, limit: int) -> Message | Conversation:
    message = messages.take_any(content, output.__dict__.get("response"), limit)
    structured = output.__dict__.get("structured_response")
    if structured is None:
        return message
    return Conversation([message], structured=content.take(structured, limit))


def final_answer(content: Content, output: Any, limit: int) -> object:
    """Take an agent's last answer alone; the calls of the turns before it are steps."""
    return _answer(content, output, limit)


@_writes("AgentWorkflowStartEvent")
def _of_agent_start(content: Content, value: object, limit: int, depth: int) -> object:
    held = fields(value)
    asked = held.get("user_msg")
    if asked is not None:
        return messages.take_any(content, asked, limit)
    history = held.get("chat_history")
    if isinstance(history, list) and history:
        return conversation(content, history, limit)
    rest = {name: item for name, item in held.items() if item is not None and name not in _AGENT_SETTINGS}
    return take(content, rest, limit, depth - 1)


_AGENT_SETTINGS = {"memory", "max_iterations", "early_stopping_method", "ctx", "stepwise"}


@_writes("AgentInput", "AgentSetup")
def _of_agent_turn(content: Content, value: Any, limit: int, depth: int) -> object:  # noqa: ARG001
    return conversation(content, value.__dict__.get("input") or (), limit)


def tool_message(content: Content, result: Any, limit: int) -> Message:
    """Take a ``ToolCallResult`` as the message that the model is given of it."""
    given = _of_tool_output(content, result.tool_output, limit, 1)
    if isinstance(given, Message):
        held = {**given.held, "beside": {"tool_call_id": result.tool_id}}
        return Message("tool", result.tool_name, held, messages.read)
    held = {"blocks": [given], "beside": {"tool_call_id": result.tool_id}, "tool": True}
    return Message("tool", result.tool_name, held, messages.read)


def turn(content: Content, output: Any, said: object, limit: int) -> object:
    """Take what an agent's turn came to: the model's own message where it calls tools, which stands there once.

    What the model below has said already, and nothing more, is left out; calls that were read out of a text are added.

    Args:
        content: The trace's.
        output: The ``AgentOutput``.
        said: The model's answer as it was taken.
        limit: As everywhere.
    """
    response = output.__dict__.get("response")
    answer, own = messages.take_any(content, response, limit), said
    while isinstance(said, Message) and isinstance(said.held, tuple):
        said = said.held[0]  # a streamed answer: what was given at its end
    if not isinstance(said, Message) or (said is not answer and said.held != answer.held):
        return _of_agent(content, output, limit, 1)
    calls = _calls(content, output, limit)
    if calls and messages.has_calls(response):
        return own
    return Message("assistant", None, calls, list) if calls else None


@_writes("ToolOutput")
def _of_tool_output(content: Content, value: Any, limit: int, depth: int) -> object:  # noqa: ARG001
    told = _mcp_texts(value.__dict__.get("raw_output"))
    blocks = list(value.__dict__.get("blocks") or ())
    if told is None and len(blocks) == 1 and (text := getattr(blocks[0], "__dict__", {}).get("text")) is not None:
        told = [text]
    if told is not None and len(told) == 1:
        return content.take(told[0], limit)
    held = (
        messages.held_blocks(content, blocks, limit) if told is None else [content.take(text, limit) for text in told]
    )
    return Message("tool", None, {"blocks": held, "tool": True}, messages.read)


def answering(given: object, tool: str, call_id: str | None) -> object:
    """Return what a tool gave as the message that the model is given of it, where it is a message."""
    if not isinstance(given, Message) or call_id is None:
        return given
    return Message("tool", tool, {**given.held, "beside": {"tool_call_id": call_id}}, messages.read)


def _mcp_texts(raw: object) -> list[str] | None:
    """Return the texts of what an MCP server's tool gave; None of any other output."""
    if type(raw).__name__ != "CallToolResult":
        return None
    items = getattr(raw, "__dict__", {}).get("content") or ()
    texts = [getattr(item, "__dict__", {}).get("text") for item in items]
    return [
        text if isinstance(text, str) else f"<{type(item).__name__}>" for text, item in zip(texts, items, strict=True)
    ]


def is_failure(output: Any) -> bool:
    """Return whether a tool's output says that the tool failed, an MCP server's own word included."""
    raw = output.__dict__.get("raw_output")
    mcp = getattr(raw, "__dict__", {}) if type(raw).__name__ == "CallToolResult" else {}
    return bool(output.is_error or mcp.get("isError") or mcp.get("is_error"))


def text_of_output(output: Any, limit: int) -> str:
    """Return what a tool's output says, as an error's message: no more of each text than that has room for."""
    told = _mcp_texts(output.__dict__.get("raw_output"))
    texts = [getattr(block, "__dict__", {}).get("text") for block in output.__dict__.get("blocks") or ()]
    said = told if told is not None else [text for text in texts if isinstance(text, str)]
    return "\n".join(text[: limit + SLACK] for text in said[:BLOCKS_SAID])


@_writes("StopEvent")
def _of_stop(content: Content, value: object, limit: int, depth: int) -> object:
    private = getattr(value, "__pydantic_private__", None) or {}
    result = private.get("_result")
    if is_a(result, "AgentOutput"):
        return final_answer(content, result, limit)
    if result is not None:
        return take(content, result, limit, depth - 1)
    return _of_event(content, value, limit, depth) if fields(value) else None


@_writes("InputRequiredEvent", "HumanResponseEvent")
def _of_question(content: Content, value: object, limit: int, depth: int) -> object:
    """Take a question to a human, or the answer, as its text where it is nothing else."""
    held = fields(value)
    name, only = next(iter(held.items())) if len(held) == 1 else ("", None)
    is_text = isinstance(only, str) and not is_secret_key(name)
    return content.take(only, limit) if is_text else _of_event(content, value, limit, depth)


@_writes("ToolSelection", "Event")
def _of_event(content: Content, value: object, limit: int, depth: int) -> object:
    return take(content, fields(value), limit, depth - 1)


@_writes("BasePromptTemplate")
def _of_prompt(content: Content, value: object, limit: int, depth: int) -> object:
    held = getattr(value, "__dict__", {})
    template = held.get("template")
    if isinstance(template, str):
        return content.take(template, limit)
    written = held.get("message_templates")
    if isinstance(written, list) and written:
        return conversation(content, written, limit)
    inner = held.get("default_template")
    return take(content, inner, limit, depth - 1) if inner is not None and depth > 1 else f"<{type(value).__name__}>"


@_writes("BaseTool")
def _of_tool(content: Content, value: object, limit: int, depth: int) -> object:  # noqa: ARG001
    metadata = getattr(value, "__dict__", {}).get("_metadata") or getattr(value, "__dict__", {}).get("metadata")
    name = getattr(metadata, "__dict__", {}).get("name")
    return f"<tool {name}>" if isinstance(name, str) and name else f"<{type(value).__name__}>"


_WRITERS.update(
    {
        "ChatMessage": lambda content, value, limit, _: messages.take(content, value, limit),
        "ChatResponse": _named("message"),
        "CompletionResponse": _named("text"),
        "QueryBundle": _named("query_str"),
        "Response": _named("response"),
        "PydanticResponse": _named("response"),
        "AgentChatResponse": _named("response"),
        "ToolCallResult": _named("tool_output"),
    }
)
