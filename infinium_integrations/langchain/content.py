"""LangChain's and LangGraph's values taken by reference: messages, states, commands, documents."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.messages import base as message_classes
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from infinium_integrations.capture.content import (
    HISTORIES,
    ITEMS_TAKEN,
    Command,
    Content,
    Conversation,
    Documents,
)
from infinium_integrations.capture.serializer import fields_of
from infinium_integrations.langchain import messages
from infinium_integrations.langchain.message_forms import are_messages, is_message
from infinium_integrations.recording.run import Run

__all__ = ["documents", "is_command", "take"]

DOCUMENTS_TAKEN = 1_000
STATE_FIELDS = 100
GOES_TAKEN = 1_000
_MANAGED = frozenset({"remaining_steps", "is_last_step", "__type"})
"""What LangGraph itself puts into a node's input."""
_PLAIN = frozenset({str, int, float, bool})
_TEXTS = frozenset({str, getattr(message_classes, "TextAccessor", str)})
"""The second is LangChain's own class of texts, which its parser returns; older versions have none."""
_SCORES = ("score", "relevance_score", "similarity_score", "_score")


def take(run: Run, value: Any, limit: int, expects: Callable[[Run], bool] | None = None) -> object:
    """Take anything that a chain, a graph or a tool receives or returns.

    Args:
        run: Whose it is; the trace keeps its messages.
        value: Neither consumed nor changed.
        limit: Characters that are kept where the trace has no room for the whole.
        expects: Says, where that makes a difference, whether messages are what LangChain or LangGraph itself expects
            of the run here, so that a text may be one. Anywhere else texts are data, whatever they stand under.
    """
    content, kind = run.trace.content, type(value)
    if kind in _TEXTS:
        return content.text(str.__str__(value), limit)
    given = value.get("messages") if kind is dict else value
    if type(given) is list and given and isinstance(given[-1], BaseMessage):  # what most often comes
        return _conversation(content, given, limit) if kind is list else _with(content, value, "messages", given, limit)
    return _take(content, value, limit, expected=expects is not None and expects(run))


def _take(content: Content, value: Any, limit: int, *, expected: bool) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return content.take(value, limit)
    if kind is list or kind is tuple:
        return _sequence(content, value, limit, expected=expected)
    if kind is dict:
        found = _state(content, value, limit, expected=expected)
    elif isinstance(value, BaseMessage):
        return messages.take(content, value, limit)
    elif is_command(value):
        return _command(content, value, limit, expected=expected)
    else:
        found = _prompt(content, value, limit)
        fields = fields_of(value, kind) if found is None else None
        if fields is not None:
            found = _state(content, fields, limit, expected=False)
    return _plain(content, value, limit) if found is None else found


def _prompt(content: Content, value: Any, limit: int) -> object:
    """Take a prompt's value, or a template; None of anything else."""
    if type(value) is ChatPromptValue:
        return _conversation(content, value.messages, limit)
    if type(value) is StringPromptValue:
        return content.take(value.text, limit)
    template = _template(value)
    return None if template is None else _plain(content, template, limit)


def _sequence(content: Content, value: Any, limit: int, *, expected: bool) -> object:
    if expected and type(value) is tuple and is_message(value):
        return messages.take_any(content, value, limit)
    if are_messages(value):
        return _conversation(content, value, limit)
    if value and is_command(value[-1]):
        commands = [_take(content, one, limit, expected=expected) for one in value[:STATE_FIELDS]]
        return commands[0] if len(commands) == 1 else commands
    if value and isinstance(value[0], Document):
        return documents(content, value, limit)
    return _plain(content, value, limit)


def _adapt(content: Content, value: object, limit: int) -> object:
    """Return what stands for a value of LangChain's own inside another; None for any other value."""
    if isinstance(value, BaseMessage):
        return messages.take(content, value, limit)
    if is_command(value):
        return _command(content, value, limit, expected=False)
    if type(value) is Document:
        return _facts(_document(content, value, limit))
    return _prompt(content, value, limit)


def _conversation(content: Content, given: Sequence[object], limit: int, rest: object = None) -> Conversation:
    """Take messages: of very many the newest, and how many came before."""
    left_out = len(given) - ITEMS_TAKEN
    if left_out > 0:
        given = given[left_out:]
        rest = {"…": f"{left_out:,} earlier messages", **(rest if isinstance(rest, dict) else {})}
    return Conversation(messages.take_all(content, given, limit, every=False), rest)


def _state(content: Content, fields: dict[Any, Any], limit: int, *, expected: bool) -> object:
    """Take a state that holds messages; None where it holds none."""
    if fields.get("__type") == "tool_call_with_context":  # how LangGraph hands one call to its tools
        return {"tool_call": messages.held_call(content, fields.get("tool_call"), limit)}
    key: Any = "messages"
    given = _given(fields.get("messages"), expected=expected)
    if given is None and len(fields) <= STATE_FIELDS:
        others = (name for name, item in fields.items() if name not in HISTORIES and are_messages(item))
        key = next(others, None)
        given = fields[key] if key is not None else None
    if given is None:
        return None
    return _with(content, fields, key, given, limit)


def _with(content: Content, fields: dict[Any, Any], key: object, given: Sequence[object], limit: int) -> Conversation:
    """Take the messages of a state, and what else it holds."""
    if len(fields) == 1:
        return _conversation(content, given, limit)
    rest = {name: item for name, item in fields.items() if name != key and name not in _MANAGED}
    structured = rest.pop("structured_response", None)
    found = _conversation(content, given, limit, _plain(content, rest, limit) if rest else None)
    if structured is not None:
        found.structured = _plain(content, structured, limit)
    return found


def _plain(content: Content, value: object, limit: int) -> object:
    """Take a value that is no message itself, but may hold some."""
    return content.take(value, limit, lambda other: _adapt(content, other, limit))


def _given(value: Any, *, expected: bool) -> Sequence[object] | None:
    """Return the messages under the key ``messages``, where LangGraph takes a single one as well; None for others."""
    kind = type(value)
    if kind is list:
        return value if are_messages(value, expected=expected) else None
    if value is None:
        return None
    if _is_langgraphs(value, "Overwrite"):
        value, expected = value.value, True
    elif type(value) is dict and value.keys() == _OVERWRITTEN:  # the same as JSON has it
        value, expected = value["__overwrite__"], True
    if (expected and type(value) is str and value) or is_message(value, expected=expected):
        return (value,)
    return value if are_messages(value, expected=expected and type(value) is list) else None


_OVERWRITTEN = {"__overwrite__"}


def is_command(value: object) -> bool:
    """Return whether a value is LangGraph's ``Command``, without importing LangGraph."""
    return _is_langgraphs(value, "Command")


def _is_langgraphs(value: object, name: str) -> bool:
    kind = type(value)
    return kind.__name__ == name and kind.__module__.startswith("langgraph")


def _command(content: Content, command: Any, limit: int, *, expected: bool) -> object:
    if command.resume is not None:
        return _take(content, command.resume, limit, expected=False)
    update = _take(content, command.update, limit, expected=expected) if command.update is not None else None
    goto = command.goto
    goes = goto if type(goto) in {list, tuple} else [goto] if goto else []
    if not goes:
        return update
    return Command(
        [content.take(one.node if _is_langgraphs(one, "Send") else one, limit) for one in goes[:GOES_TAKEN]], update
    )


def documents(content: Content, found: Sequence[object], limit: int) -> Documents:
    """Take what a retriever found."""
    return Documents([_document(content, one, limit) for one in found[:DOCUMENTS_TAKEN]], len(found), _facts)


_Held = tuple[object, object, object]


def _document(content: Content, document: object, limit: int) -> _Held:
    if type(document) is not Document and not isinstance(document, Document):
        return None, content.take(document, limit), None
    text, metadata = document.page_content, document.metadata
    return (
        document.id,
        content.text(text, limit) if type(text) is str else content.take(text, limit),
        content.take(metadata, limit) if type(metadata) is not dict or metadata else None,
    )


def _facts(document: _Held) -> dict[str, Any]:
    named, text, metadata = document
    facts: dict[str, Any] = {}
    told: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
    named = named or told.get("id") or told.get("source")
    if named is not None:
        facts["id"] = named
    scores = (told[name] for name in _SCORES if name in told)
    score = next((one for one in scores if isinstance(one, Real) and not isinstance(one, bool)), None)
    if score is not None:
        facts["score"] = float(score)
    facts["content"] = text
    if metadata:
        facts["metadata"] = metadata
    return facts


# -- templates that are handed on as values: their text, not what they are made of -------------------------------------

MESSAGES_READ = 100
_PROMPTS = "langchain_core.prompts."
_TEMPLATES = {
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "user",
    "AIMessagePromptTemplate": "assistant",
}


def _template(value: object) -> object:
    """Return the text of a template, or its messages by role; None where the value is no template that is known."""
    if not type(value).__module__.startswith(_PROMPTS):
        return None
    held: dict[str, Any] = getattr(value, "__dict__", {})
    if type(held.get("messages")) is list:
        return [_of_template(one) for one in held["messages"][:MESSAGES_READ]]
    if type(held.get("template")) is str:
        return held["template"]
    if type(held.get("suffix")) is str:
        return [text for text in (held.get("prefix"), held["suffix"]) if type(text) is str and text]
    return None


def _of_template(message: object) -> object:
    held: dict[str, Any] = getattr(message, "__dict__", {})
    prompt = held.get("prompt")
    if type(prompt) is list:  # text beside pictures
        text: object = [_template(one) for one in prompt[:MESSAGES_READ]]
    elif prompt is not None:
        text = _template(prompt)
    elif type(held.get("variable_name")) is str:
        return {"messages": held["variable_name"]}
    else:
        return message
    role = _TEMPLATES.get(type(message).__name__) or held.get("role")
    return {role if type(role) is str else "message": text}
