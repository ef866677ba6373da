"""Bounded texts of LangChain's own values: messages, generations, documents. No object of the user's is kept."""

import functools
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeGuard

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage

from infinium_integrations.capture import content
from infinium_integrations.capture.preview import SLACK, preview

__all__ = ["documents_facts", "documents_text", "is_command", "message_text", "messages_text", "show"]


def show(value: object, limit: int) -> str:
    """Return the text of anything that a chain receives or returns; of messages the newest comes first."""
    if isinstance(value, str):
        return preview(value, limit)
    value = _told(value)
    if isinstance(value, BaseMessage):
        return message_text(value, limit)
    if _are_messages(value):
        return messages_text(value, limit)
    if type(value) is dict and _are_messages(messages := value.get("messages")):
        text = messages_text(messages, limit)
        if len(value) > 1 and len(text) < limit:
            rest = {key: item for key, item in value.items() if key != "messages"}
            text += "\n" + preview(rest, limit - len(text))
        return text
    return preview(value, limit)


def is_command(value: object) -> bool:
    """Return whether a value is LangGraph's ``Command``, without importing LangGraph."""
    kind = type(value)
    return kind.__name__ == "Command" and kind.__module__.startswith("langgraph")


def _told(value: Any) -> object:
    """Return what a LangGraph ``Command`` says: its answer, its update, or where it goes."""
    command = value[0] if type(value) is list and len(value) == 1 else value
    if not is_command(command):
        return value
    if command.resume is not None:
        return command.resume
    return command.update if command.update is not None else {"goto": command.goto}


def _are_messages(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple) and bool(value) and _is_message(value[-1])


def _is_message(value: object) -> bool:
    if isinstance(value, BaseMessage):
        return True
    if type(value) is tuple:
        return len(value) == _PAIR and type(value[0]) is str and value[0] in _ROLES
    return type(value) is dict and "content" in value and type(value.get("role")) is str


_PAIR = 2
_ROLES = frozenset({"human", "user", "ai", "assistant", "system", "developer", "tool", "function", "placeholder"})


def _any_message_text(message: Any, limit: int) -> str:
    if isinstance(message, BaseMessage):
        return message_text(message, limit)
    if not _is_message(message):
        return preview(message, limit)
    return preview(_blocks(message[1] if type(message) is tuple else message["content"], limit), limit)


messages_text = functools.partial(content.messages_text, _any_message_text)


def message_text(message: BaseMessage, limit: int) -> str:
    """Return a message's text and the tool calls that it asks for."""
    text = preview(_blocks(message.content, limit), limit)
    calls = getattr(message, "tool_calls", None)
    if calls and len(text) < limit:
        shown = calls[: content.CALLS_SHOWN]
        text = content.with_calls(
            text, [content.call_text(call.get("name"), call.get("args"), limit) for call in shown]
        )
    if message.type == "remove":
        text = f"remove message {preview(message.id, limit)}"
    return text[: limit + SLACK]


def _blocks(blocks: object, limit: int) -> str:
    if not isinstance(blocks, list):
        return blocks if isinstance(blocks, str) else preview(blocks, limit)
    texts: list[str] = []
    room = limit + SLACK
    for block in blocks:
        text = _block(block, room)
        if text:
            texts.append(text)
            room -= len(text)
        if room <= 0:
            break
    return "\n".join(texts)


def _block(block: object, limit: int) -> str:
    if isinstance(block, dict):
        kind = block.get("type")
        if kind in {"text", "output_text", "input_text"} and isinstance(block.get("text"), str):
            return preview(block["text"], limit)
        if kind in {"tool_use", "tool_call", "function_call", "tool_call_chunk"}:
            return ""
    return preview(block, limit)


def documents_facts(documents: Sequence[object]) -> list[dict[str, object]]:
    """Return each document's id, score and the beginning of its text."""
    return [_document(document) for document in documents[: content.DOCUMENTS_LISTED]]


def _document(document: object) -> dict[str, object]:
    if type(document) is not Document and not isinstance(document, Document):
        return {"preview": preview(document, content.DOCUMENT_CHARS)}
    metadata = document.metadata if isinstance(document.metadata, dict) else {}
    facts: dict[str, object] = {}
    found = document.id or metadata.get("id") or metadata.get("source")
    if found is not None:
        facts["id"] = preview(found, content.DOCUMENT_CHARS)
    for name in ("score", "relevance_score", "similarity_score", "_score"):
        score = metadata.get(name)
        if score is not None and isinstance(score, Real) and not isinstance(score, bool):
            facts["score"] = float(score)
            break
    facts["preview"] = preview(document.page_content, content.DOCUMENT_CHARS)
    return facts


documents_text = functools.partial(
    content.documents_text,
    # only the last one shown may be cut: what is cut inside could be half a secret
    lambda document, limit: preview(document.page_content if isinstance(document, Document) else document, limit),
)
