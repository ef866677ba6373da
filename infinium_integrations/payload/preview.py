"""Messages and values as a person reads them: the previews and summaries that stand on the wire.

All is redacted already, so that what is cut here can hold no half of a secret.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from infinium_integrations.capture.content import Part
from infinium_integrations.capture.media import size
from infinium_integrations.capture.serializer import encode
from infinium_integrations.redaction.redactor import shorten

__all__ = [
    "bare",
    "choices_text",
    "documents_text",
    "input_text",
    "output_text",
    "said",
    "system_text",
    "tool_text",
    "value_text",
]

CALL_ROOM = 150
"""Characters that an answer leaves for the calls that it asks for."""
REASONING_LEAST = 40
"""Less of a message's reasoning is not worth a line."""
CALLS_SHOWN = 20
NAME_CHARS = 100

WHOLE_CHARS = 8_000


class JsonMessage(dict[str, Any]):
    """A redacted message as JSON, and its text without reasoning once that was asked for."""

    __slots__ = ("whole",)

    whole: str | None

    def __init__(self, message: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.whole = None


def input_text(messages: Sequence[JsonMessage], limit: int, rest: object = None) -> str:
    """Return the newest message under its role, what stands beside it, then earlier ones while there is room.

    System prompts stand elsewhere, see ``system_text``.
    """
    lines: list[str] = []
    room = limit
    shown = [message for message in messages if message["role"] != "system"] or list(messages)
    for number, message in enumerate(reversed(shown)):
        line = f"{_speaker(message)}: {_inline(message, room)}"
        lines.append(line)
        room -= len(line) + 1
        if number == 0 and rest:
            lines.append(value_text(rest))
            room -= len(lines[-1]) + 1
        if room <= 0:
            break
    return shorten("\n".join(lines), limit)


def output_text(messages: Sequence[JsonMessage], limit: int, rest: object = None) -> str:
    """Return the last answer, the calls that it asks for and its reasoning; of tools' answers all that came last."""
    if not messages:
        return value_text(rest)[:limit] if rest else ""
    last = messages[-1]
    if last["role"] != "tool":
        text = said(last, limit)
    else:
        newest = list(takewhile(lambda message: message["role"] == "tool", reversed(messages)))[::-1]
        text = "\n".join(f"{_speaker(message)}: {_inline(message, limit)}" for message in newest)
    if rest and len(text) < limit:
        text = f"{text}\n{value_text(rest)}"
    return shorten(text, limit)


def tool_text(
    messages: Sequence[JsonMessage], called: object, limit: int, goes: str = "", rest: object = None
) -> str | None:
    """Return the result of one tool, where the run goes next, and the messages that came with the result.

    Args:
        messages: What the tool gave; it may hold all that was said before, too.
        called: The id of the call; None where that is not known.
        limit: Characters.
        goes: Where the run goes next, if the tool says so.
        rest: What stands beside the messages.

    Returns:
        None where no message is known to be the result.
    """
    results = [index for index, message in enumerate(messages) if message["role"] == "tool"]
    own = next((index for index in reversed(results) if _answers(messages[index], called)), None)
    if own is None:
        if len(results) != 1 or results[0] < len(messages) - 1:
            return None
        own = results[0]
    first = own
    while first and messages[first - 1]["role"] == "tool":
        first -= 1
    others = [*messages[first:own], *messages[own + 1 :]]
    lines = [said(messages[own], limit), goes, *(f"{_speaker(other)}: {_inline(other, limit)}" for other in others)]
    return shorten("\n".join(filter(None, [*lines, value_text(rest) if rest else ""])), limit)


def _answers(message: JsonMessage, called: object) -> bool:
    return called is not None and any(part.get("id") == called for part in message["parts"])


def said(message: JsonMessage, limit: int, *, reasoning: bool = True, served: bool = True) -> str:
    """Return a message's text, then ``→ tool(arguments)``, then its reasoning.

    Args:
        message: Redacted.
        limit: Characters.
        reasoning: Whether its reasoning is wanted.
        served: Whether calls of tools that the provider ran itself are wanted.
    """
    kinds = {"tool_call", "server_tool_call"} if served else {"tool_call"}
    text = plain_text(message)
    asked = [part for part in message["parts"] if part["type"] in kinds][:CALLS_SHOWN]
    if asked:
        calls = "→ " + ", ".join(call_text(part, limit) for part in asked)
        room = max(limit - len(text) - 1, min(CALL_ROOM, len(calls)))
        text = "\n".join(filter(None, (shorten(text, max(limit - room - 1, 0)), shorten(calls, room))))
    if reasoning and limit - len(text) > REASONING_LEAST:
        thought = thoughts(message)
        if thought:
            text = "\n".join(filter(None, (text, f"reasoning: {thought}")))
    return shorten(text, limit)


def bare(message: JsonMessage, limit: int) -> str:
    """Return what a message says and nothing else: its text, else the calls that it asks for, else its reasoning."""
    text = plain_text(message) or said(message, limit, reasoning=False, served=False)
    return shorten(text or said(message, limit, reasoning=False) or thoughts(message), limit)


def choices_text(messages: Sequence[JsonMessage], limit: int) -> str:
    """Return the first of several answers to one question, and how many more there are."""
    room = limit - 20
    first = said(messages[0], room, reasoning=False, served=False) or said(messages[0], room)
    return f"{first}\n(+{len(messages) - 1} more)"


def thoughts(message: JsonMessage) -> str:
    """Return a message's reasoning."""
    return "\n".join(str(part["content"]) for part in message["parts"] if part["type"] == "reasoning")


def plain_text(message: JsonMessage) -> str:
    """Return what a message says, without calls and reasoning; of one of unknown parts alone which they are."""
    parts = message["parts"]
    unknown = "" if _KNOWN & {part["type"] for part in parts} else " ".join(f"<{part['type']}>" for part in parts)
    return "\n".join(filter(None, map(_part, parts))) or unknown


_KNOWN = frozenset(
    {
        *("text", "refusal", "reasoning", "tool_call", "server_tool_call", "tool_call_response"),
        *("server_tool_call_response", "blob", "uri", "file"),
    }
)


def _told(part: Part) -> str:
    """Return what a part of a tool's answer says: there nothing is left out."""
    if part["type"] == "server_tool_call_response":
        return value_text(part.get("response"))
    return _part(part) if part["type"] in _KNOWN else value_text(part)


def _part(part: Part) -> str:
    match part["type"]:
        case "text" | "refusal":
            return value_text(part["content"])
        case "tool_call_response":
            response = part["response"]
            if isinstance(response, list) and all(isinstance(one, dict) and "type" in one for one in response):
                return "\n".join(filter(None, map(_told, response)))
            return value_text(response)
        case "blob" | "uri" | "file":
            kind = part.get("mime_type") or part.get("modality") or "file"
            if part["type"] == "blob":
                return f"<{kind}, {size(part['size'])}>"
            return f"<{kind} {part.get('uri') or part.get('file_id') or part.get('name') or ''}".rstrip() + ">"
    return ""


def _inline(message: JsonMessage, limit: int) -> str:
    room = max(limit, CALL_ROOM)
    if message.whole is None:
        message.whole = said(message, WHOLE_CHARS, reasoning=False)
    return message.whole if len(message.whole) < min(room, WHOLE_CHARS) else said(message, room, reasoning=False)


def _speaker(message: JsonMessage) -> str:
    name = message.get("name")
    return f"{message['role']} {str(name)[:NAME_CHARS]}" if name else str(message["role"])


def call_text(part: Part, limit: int) -> str:
    """Return a tool call as ``name(arguments)``."""
    return f"{str(part.get('name') or '')[:NAME_CHARS]}({value_text(part.get('arguments'))[:limit]})"


def system_text(messages: Iterable[JsonMessage]) -> str:
    """Return the system prompt that a call's messages are; empty where there are none."""
    return "\n".join(map(plain_text, messages))


def documents_text(count: int, documents: Sequence[dict[str, Any]], limit: int) -> str:
    """Return how many documents were found, and the beginnings of the first."""
    texts = [f"{count} document{'' if count == 1 else 's'}"]
    room = limit
    for document in documents:
        if room <= 0:
            break
        texts.append(value_text(document.get("content")))
        room -= len(texts[-1])
    return shorten("\n".join(texts), limit)


def value_text(value: object) -> str:
    """Return a text as it is, None as nothing, any other JSON value written out with ``, `` and ``: ``."""
    if isinstance(value, str):
        return value
    return "" if value is None else encode(value)
