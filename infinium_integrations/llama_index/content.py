# ruff: noqa: ARG001  (every writer takes the same arguments)
"""Bounded texts of LlamaIndex's own values: messages, nodes, responses, events. No object of the user's is kept.

Values are recognised by the names of their classes and read where they lie: no property, ``str()`` or dump of theirs is
called, since those may consume a stream or serialise a client.
"""

import functools
import weakref
from collections.abc import Callable, Mapping, Sequence

from infinium_integrations.capture import content
from infinium_integrations.capture.media import size
from infinium_integrations.capture.preview import SLACK, preview

__all__ = [
    "documents",
    "documents_text",
    "fields",
    "final_text",
    "is_a",
    "message_text",
    "messages_text",
    "names",
    "show",
]

ITEMS_SHOWN = 50
EVENT_DEPTH = 4

_OWNERS = {"llama_index", "workflows", "llama_index_instrumentation"}

_names: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()
_lasting: dict[type, frozenset[str]] = {}
"""The framework's own classes and Python's; a class of the user's is not kept alive."""


def names(kind: type) -> frozenset[str]:
    """Return the names of the framework's classes that a class is one of."""
    known = _lasting.get(kind)
    if known is None:
        known = _names.get(kind)
    if known is None:
        known = frozenset(base.__name__ for base in kind.__mro__ if _owner(base) in _OWNERS)
        if _owner(kind) in {*_OWNERS, "builtins"}:
            _lasting[kind] = known
        else:
            _names[kind] = known
    return known


def _owner(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def is_a(value: object, name: str) -> bool:
    """Return whether a value is an instance of the framework's class of that name."""
    return name in names(type(value))


def show(value: object, limit: int) -> str:
    """Return the text of anything that a span receives or returns."""
    if isinstance(value, str):
        return preview(value, limit)
    if type(value) is list and value:
        if is_a(value[0], "NodeWithScore") or is_a(value[0], "BaseNode"):
            return documents_text(value, limit)
        if is_a(value[-1], "ChatMessage"):
            return messages_text(value, limit)
    return preview(_plain(value, limit, EVENT_DEPTH), limit)


def _plain(value: object, limit: int, depth: int) -> object:
    """Return a copy in which the framework's values are texts and its components are their names."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping) and depth:
        return {key: _plain(value[key], limit, depth - 1) for key in list(value)[:ITEMS_SHOWN]} if value else {}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        shown = [_plain(item, limit, depth - 1) for item in list(value)[:ITEMS_SHOWN]]
        if len(value) > ITEMS_SHOWN:
            shown.append(f"… {len(value) - ITEMS_SHOWN:,} more")
        return shown
    write = _writer(type(value))
    return write(value, limit, depth) if write is not None else value


Writer = Callable[[object, int, int], object]

_WRITERS: dict[str, Writer] = {}
"""How the framework's values are written, by the names of their classes."""


def _writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(write: Writer) -> Writer:
        _WRITERS.update(dict.fromkeys(kinds, write))
        return write

    return register


_writers: weakref.WeakKeyDictionary[type, Writer | None] = weakref.WeakKeyDictionary()


def _writer(kind: type) -> Writer | None:
    """Find how the framework's values of a class are written; None for what is not the framework's."""
    if kind not in _writers:
        known = names(kind)
        found = (_WRITERS[base.__name__] for base in kind.__mro__ if base.__name__ in known & _WRITERS.keys())
        _writers[kind] = next(found, None if known <= _OPEN else lambda value, *_: f"<{type(value).__name__}>")
    return _writers[kind]


_OPEN = frozenset({"DispatcherSpanMixin"})
"""Framework classes that say nothing of what is inside."""


def fields(value: object) -> dict[str, object]:
    """Return the fields of an event: those declared and those only set."""
    held = dict(getattr(value, "__dict__", None) or {})
    private = getattr(value, "__pydantic_private__", None)
    more = private.get("_data") if isinstance(private, dict) else None
    return {**held, **more} if isinstance(more, dict) else held


# -- messages ----------------------------------------------------------------------------------------------------------


def message_text(message: object, limit: int) -> str:
    """Return a message's text and the tool calls that it asks for."""
    if isinstance(message, str):
        return preview(message, limit)
    held = getattr(message, "__dict__", {})
    texts: list[str] = []
    calls: list[str] = []
    room = limit + SLACK
    for block in held.get("blocks") or ():
        if is_a(block, "ToolCallBlock"):
            calls.append(content.call_text(block.tool_name, block.tool_kwargs, limit))
            continue
        text = _block(block, room)
        texts.append(text)
        room -= len(text)
        if room <= 0:
            break
    calls = calls or _calls_beside(held.get("additional_kwargs"), limit)
    text = preview("\n".join(text for text in texts if text), limit)
    if calls and len(text) < limit:
        text = content.with_calls(text, calls)
    return text[: limit + SLACK]


messages_text = functools.partial(content.messages_text, message_text)


def _block(block: object, limit: int) -> str:
    held = getattr(block, "__dict__", {})
    text = held.get("text")
    if isinstance(text, str):
        return preview(text, limit)
    if is_a(block, "ThinkingBlock") or is_a(block, "CachePoint"):
        return ""
    kind = held.get("block_type") or type(block).__name__
    for name in ("image", "audio", "video", "data"):
        data = held.get(name)
        if isinstance(data, bytes):
            mime = held.get(f"{kind}_mimetype") or held.get("format") or kind
            return f"<{mime}, {size(len(data) * 3 // 4)}>"  # LlamaIndex turns it into base64
    return f"<{kind}>"


def _calls_beside(beside: object, limit: int) -> list[str]:
    """Return the tool calls that older provider packages put beside the message, as dicts or as their own objects."""
    calls = beside.get("tool_calls") if isinstance(beside, dict) else None
    if not isinstance(calls, list):
        return []
    functions = [_held(call, "function") or call for call in calls]
    return [content.call_text(_held(one, "name"), _held(one, "arguments"), limit) for one in functions]


def _held(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else getattr(value, "__dict__", {}).get(name)


# -- documents ---------------------------------------------------------------------------------------------------------


documents_text = functools.partial(
    content.documents_text, lambda node, limit: preview(_node_text(node), min(limit, content.DOCUMENT_CHARS))
)


def documents(nodes: Sequence[object]) -> list[dict[str, object]]:
    """Return each document's id, score and the beginning of its text."""
    return [_document(node) for node in nodes[: content.DOCUMENTS_LISTED]]


def _document(node: object) -> dict[str, object]:
    held = getattr(node, "__dict__", {})
    inner = held.get("node", node)
    facts: dict[str, object] = {}
    found = getattr(inner, "__dict__", {}).get("id_")
    if found is not None:
        facts["id"] = preview(found, content.DOCUMENT_CHARS)
    score = held.get("score")
    if score is not None:
        try:
            facts["score"] = float(score)
        except (TypeError, ValueError):
            facts["score"] = None
    facts["preview"] = preview(_node_text(node), content.DOCUMENT_CHARS)
    return facts


def _node_text(node: object) -> object:
    held = getattr(node, "__dict__", {})
    held = getattr(held.get("node"), "__dict__", held)
    text = held.get("text")
    if text is None:
        resource = held.get("text_resource")
        text = getattr(resource, "__dict__", {}).get("text")
    return text if isinstance(text, str) else f"<{type(node).__name__}>"


# -- one writer for each kind of value ---------------------------------------------------------------------------------


@_writes("NodeWithScore", "BaseNode")
def _of_node(value: object, limit: int, depth: int) -> object:
    return _document(value)


def _named(name: str) -> Writer:
    def write(value: object, limit: int, depth: int) -> object:
        return _plain(getattr(value, "__dict__", {}).get(name), limit, depth)

    return write


@_writes("AgentOutput")
def _of_agent(value: object, limit: int, depth: int) -> object:
    text = message_text(value.__dict__.get("response"), limit)
    structured = value.__dict__.get("structured_response")
    if structured is not None:
        return _plain(structured, limit, depth) if not text else f"{text}\n{preview(structured, limit)}"
    calls = value.__dict__.get("tool_calls") or []
    if calls and "→" not in text:
        shown = calls[: content.CALLS_SHOWN]
        return content.with_calls(text, [content.call_text(call.tool_name, call.tool_kwargs, limit) for call in shown])
    return text


@_writes("AgentWorkflowStartEvent")
def _of_agent_start(value: object, limit: int, depth: int) -> object:
    held = fields(value)
    asked = held.get("user_msg")
    if asked is not None:
        return message_text(asked, limit)
    history = held.get("chat_history")
    if isinstance(history, list) and history:
        return messages_text(history, limit)
    rest = {name: item for name, item in held.items() if item is not None and name not in _AGENT_SETTINGS}
    return _plain(rest, limit, depth)


_AGENT_SETTINGS = {"memory", "max_iterations", "early_stopping_method", "ctx", "stepwise"}


@_writes("AgentInput", "AgentSetup")
def _of_agent_turn(value: object, limit: int, depth: int) -> object:
    return messages_text(value.__dict__.get("input") or (), limit)


@_writes("ToolOutput")
def _of_tool_output(value: object, limit: int, depth: int) -> object:
    texts = [_block(block, limit) for block in value.__dict__.get("blocks") or ()]
    return "\n".join(text for text in texts if text)


def final_text(output: object, limit: int) -> str:
    """Return an agent's last answer alone; the calls of the turns before it are steps."""
    return message_text(output.__dict__.get("response"), limit) or preview(_of_agent(output, limit, EVENT_DEPTH), limit)


@_writes("StopEvent")
def _of_stop(value: object, limit: int, depth: int) -> object:
    private = getattr(value, "__pydantic_private__", None) or {}
    result = private.get("_result")
    if is_a(result, "AgentOutput"):
        return final_text(result, limit)
    if result is not None:
        return _plain(result, limit, depth)
    return _of_event(value, limit, depth)


@_writes("ToolSelection", "Event")
def _of_event(value: object, limit: int, depth: int) -> object:
    return _plain(fields(value), limit, depth)


@_writes("BasePromptTemplate")
def _of_prompt(value: object, limit: int, depth: int) -> object:
    held = getattr(value, "__dict__", {})
    template = held.get("template")
    return template if isinstance(template, str) else f"<{type(value).__name__}>"


_WRITERS.update(
    {
        "ChatMessage": lambda value, limit, _: message_text(value, limit),
        "ChatResponse": lambda value, limit, _: message_text(value.__dict__.get("message"), limit),
        "CompletionResponse": _named("text"),
        "QueryBundle": _named("query_str"),
        "Response": _named("response"),
        "PydanticResponse": _named("response"),
        "AgentChatResponse": _named("response"),
        "ToolCallResult": _named("tool_output"),
    }
)
