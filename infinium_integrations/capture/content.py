"""Bounded texts of messages and documents, joined alike for every framework."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from infinium_integrations.capture.preview import SLACK, preview

__all__ = ["call_text", "documents_text", "messages_text", "with_calls"]

T = TypeVar("T")

CALLS_SHOWN = 20
DOCUMENTS_LISTED = 50
"""Documents of a retrieval that its step lists."""
DOCUMENT_CHARS = 200
"""Characters of each that are shown."""


def messages_text(text_of: Callable[[T, int], str], messages: Sequence[T], limit: int) -> str:
    """Return the newest message, and how many came before it."""
    text = text_of(messages[-1], limit) if messages else ""
    earlier = len(messages) - 1
    if earlier > 0 and len(text) < limit + SLACK:
        text += f"\n(+{earlier} earlier message{'s' if earlier > 1 else ''})"
    return text


def with_calls(text: str, calls: Sequence[str]) -> str:
    """Return a message's text followed by the tool calls that it asks for."""
    asked = "→ " + ", ".join(calls[:CALLS_SHOWN])
    return f"{text}\n{asked}" if text else asked


def call_text(name: object, arguments: object, limit: int) -> str:
    """Return a tool call as ``name(arguments)``."""
    return f"{preview(name, 100)}({preview(arguments, limit)})"


def documents_text(text_of: Callable[[T, int], str], documents: Sequence[T], limit: int) -> str:
    """Return how many documents were found, and the beginnings of the first."""
    count = len(documents)
    texts = [f"{count} document{'' if count == 1 else 's'}"]
    room = limit
    for document in documents:
        if room <= 0:
            break
        text = text_of(document, room)
        texts.append(text)
        room -= len(text)
    return "\n".join(texts)
