"""The forms that LangChain and LangGraph take for messages, and how to tell them from what only looks like some.

All of it is look-ups, since it runs in the caller's thread for whatever chains are given.
"""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from infinium_integrations.capture.content import ITEMS_TAKEN
from infinium_integrations.capture.folding import Json

__all__ = ["FIELDS", "are_messages", "is_message", "is_pair", "read_dict", "roles", "told_call"]

roles = {
    "human": "user",
    "user": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "assistant": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "developer": "system",
    "SystemMessageChunk": "system",
    "tool": "tool",
    "function": "tool",
    "ToolMessageChunk": "tool",
}
"""LangChain's and the providers' names of roles."""


def is_message(value: object, *, expected: bool = False) -> bool:
    """Whether a value is a message in one of the forms that LangChain takes: an object, a pair, a dict.

    Args:
        value: Anything.
        expected: Messages are what LangChain expects here. Elsewhere a dict that holds more than a message has is data.
    """
    if isinstance(value, BaseMessage):
        return True
    if type(value) is tuple:
        return is_pair(value)
    return type(value) is dict and read_dict(value) is not None and (expected or value.keys() <= FIELDS)


def are_messages(value: object, *, expected: bool = False) -> bool:
    """Whether a value is a list of messages.

    Args:
        value: Anything.
        expected: Messages are what LangChain expects here, so that texts and lists of two may be some. Elsewhere they
            are so beside others only.
    """
    if not ((type(value) is list or type(value) is tuple) and value):
        return False
    if is_message(value[-1], expected=expected):
        return True
    beside = is_message(value[0]) or (len(value) > 1 and is_message(value[-2]))
    return (expected or beside) and all(
        _is_loose(one) or is_message(one, expected=expected) for one in value[-ITEMS_TAKEN:]
    )


FIELDS = frozenset(
    {
        *("role", "type", "content", "name", "id", "lc", "kwargs", "data", "example", "additional_kwargs"),
        *("response_metadata", "usage_metadata", "tool_calls", "invalid_tool_calls", "tool_call_chunks"),
        *("chunk_position", "tool_call_id", "artifact", "status", "function_call", "refusal", "audio", "annotations"),
        *("reasoning_content", "reasoning", "thinking", "thinking_blocks", "cache_control"),
    }
)
"""What a message holds, be it LangChain's own or a provider's."""
_PAIR = 2
_PAIRED = frozenset({"human", "user", "ai", "assistant", "system", "developer", "placeholder"})
"""Whose messages a pair can say; a tool's answer has the id of its call."""
_WRITTEN = {
    **{f"{word}Message": word.lower() for word in ("Human", "System", "Tool", "Function", "Remove")},
    **dict.fromkeys(("AIMessage", "AIMessageChunk"), "ai"),
}
"""What LangChain's own classes are called where a message is written as ``{"lc": 1, …}``, and their types."""
_CALLING = ("content", "tool_calls", "function_call")
"""One of them has whoever speaks; the providers leave the content out beside calls."""


def is_pair(value: Sequence[object]) -> bool:
    """Whether two values are a role and what is said."""
    return len(value) == _PAIR and type(value[0]) is str and value[0] in _PAIRED


def _is_loose(value: Json) -> bool:
    """Whether a value may be a message where one is expected: a text, or a pair as JSON has it."""
    return type(value) is str or (type(value) is list and is_pair(value) and type(value[1]) in _SPOKEN)


_SPOKEN = frozenset({str, list})


def read_dict(value: dict[str, Json]) -> tuple[str, dict[str, Json]] | None:
    """Return the role and the fields of a message that is a dict; None of any other dict."""
    role, kind = value.get("role"), value.get("type")
    if type(role) is str:
        return (role, value) if role in _TYPES and any(name in value for name in _CALLING) else None
    if type(kind) is not str:
        return None
    if kind in _TYPES:
        data = value if "content" in value else value.get("data")  # the second is how ``messages_to_dict`` has it
        return (kind, data) if type(data) is dict and "content" in data else None
    path, data = value.get("id"), value.get("kwargs")
    if kind == "constructor" and value.get("lc") == 1 and type(path) is list and path and type(data) is dict:
        last = path[-1]
        written = _WRITTEN.get(last) if type(last) is str else None
        return (written, data) if written else None
    return None


_TYPES = frozenset({*roles, "chat", "remove"})


def told_call(call: Json) -> object:
    """Return a tool call of a message that is a dict as LangChain has it."""
    function = call.get("function") if type(call) is dict else None
    if type(function) is not dict:
        return call
    return {"id": call.get("id"), "name": function.get("name"), "args": function.get("arguments")}
