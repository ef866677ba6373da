"""Bounded texts of LangChain's own values: messages, generations, documents. No object of the user's is kept."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage

from infinium_integrations.capture.preview import SLACK, preview

__all__ = ["documents_facts", "documents_text", "is_command", "message_text", "messages_text", "show"]

DOCUMENTS_LISTED = 50
DOCUMENT_CHARS = 200


def show(value: object, limit: int) -> str:
    """Return the text of anything that a chain takes or gives; of messages the newest comes first."""
    if isinstance(value, str):
        return preview(value, limit)
    value = _told(value)
    if isinstance(value, BaseMessage):
        return message_text(value, limit)
    if _are_messages(value):
        return messages_text(value, limit)
    if type(value) is dict and _are_messages(messages := value.get("messages")):
        return _state(value, messages, limit)
    return preview(value, limit)


def is_command(value: object) -> bool:
    """Tell LangGraph's ``Command``, without importing LangGraph."""
    kind = type(value)
    return kind.__name__ == "Command" and kind.__module__.startswith("langgraph")


def _told(value: Any) -> Any:
    """Return what a LangGraph ``Command`` says: its answer, its update, or where it goes."""
    command = value[0] if type(value) is list and len(value) == 1 else value
    if not is_command(command):
        return value
    if command.resume is not None:
        return command.resume
    return command.update if command.update is not None else {"goto": command.goto}


def _are_messages(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple) and bool(value) and _is_message(value[-1])


def _is_message(value: object) -> bool:
    if isinstance(value, BaseMessage):
        return True
    if type(value) is tuple:
        return len(value) == _PAIR and type(value[0]) is str and value[0] in _ROLES
    return type(value) is dict and "content" in value and type(value.get("role")) is str


_PAIR = 2
_ROLES = frozenset({"human", "user", "ai", "assistant", "system", "developer", "tool", "function", "placeholder"})


def _state(state: Mapping[str, Any], messages: Sequence[Any], limit: int) -> str:
    text = messages_text(messages, limit)
    if len(state) > 1 and len(text) < limit:
        rest = {key: value for key, value in state.items() if key != "messages"}
        text += "\n" + preview(rest, limit - len(text))
    return text


def messages_text(messages: Sequence[Any], limit: int) -> str:
    """Return the newest message, and how many came before it."""
    text = _any_message_text(messages[-1], limit) if messages else ""
    earlier = len(messages) - 1
    if earlier > 0 and len(text) < limit + SLACK:
        text += f"\n(+{earlier} earlier message{'s' if earlier > 1 else ''})"
    return text


def _any_message_text(message: Any, limit: int) -> str:
    if isinstance(message, BaseMessage):
        return message_text(message, limit)
    if not _is_message(message):
        return preview(message, limit)
    return preview(_blocks(message[1] if type(message) is tuple else message["content"], limit), limit)


def message_text(message: BaseMessage, limit: int) -> str:
    """Return a message's text and the tool calls that it asks for."""
    text = preview(_blocks(message.content, limit), limit)
    calls = getattr(message, "tool_calls", None)
    if calls and len(text) < limit:
        asked = ", ".join(_asked(call, limit) for call in calls[:20])
        text = f"{text}\n→ {asked}" if text else f"→ {asked}"
    if message.type == "remove":
        text = f"remove message {preview(message.id, limit)}"
    return text[: limit + SLACK]


def _asked(call: Mapping[str, Any], limit: int) -> str:
    return f"{preview(call.get('name'), 100)}({preview(call.get('args'), limit)})"


def _blocks(content: object, limit: int) -> str:
    if not isinstance(content, list):
        return content if isinstance(content, str) else preview(content, limit)
    texts: list[str] = []
    room = limit + SLACK
    for block in content:
        text = block if isinstance(block, str) else _block(block, room)
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
            return block["text"][:limit]  # type: ignore[no-any-return]
        if kind in {"tool_use", "tool_call", "function_call", "tool_call_chunk"}:
            return ""
    return preview(block, limit)


def documents_text(documents: Sequence[Any], limit: int) -> str:
    """Return how many documents were found, and the beginnings of the first."""
    count = len(documents)
    texts = [f"{count} document{'' if count == 1 else 's'}"]
    room = limit
    for document in documents:
        if room <= 0:
            break
        text = _content(document, room)  # only the last may be cut: what is cut inside could be half a secret
        texts.append(text)
        room -= len(text)
    return "\n".join(texts)


def documents_facts(documents: Sequence[Any]) -> list[dict[str, Any]]:
    """Return each document's id, score and the beginning of its text."""
    return [_document(document) for document in documents[:DOCUMENTS_LISTED]]


def _document(document: object) -> dict[str, Any]:
    if type(document) is not Document and not isinstance(document, Document):
        return {"preview": preview(document, DOCUMENT_CHARS)}
    metadata = document.metadata if isinstance(document.metadata, dict) else {}
    facts: dict[str, Any] = {}
    found = document.id or metadata.get("id") or metadata.get("source")
    if found is not None:
        facts["id"] = preview(found, DOCUMENT_CHARS)
    for name in ("score", "relevance_score", "similarity_score", "_score"):
        score = metadata.get(name)
        if score is not None and isinstance(score, Real) and not isinstance(score, bool):
            facts["score"] = float(score)
            break
    facts["preview"] = preview(document.page_content, DOCUMENT_CHARS)
    return facts


def _content(document: object, limit: int) -> str:
    return preview(document.page_content if isinstance(document, Document) else document, limit)
