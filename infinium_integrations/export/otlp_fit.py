"""Of a trace that is too large for one request, what goes first: the content of the oldest messages, marked."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from infinium_integrations.export.otlp import SAID, Span, as_json

__all__ = ["LEFT_OUT", "define_once", "leave_out_attributes", "write_messages"]

LEFT_OUT = "… (left out: the trace is too large to be sent whole)"
"""Stands for the content of a message for which there was no room."""


def write_messages(spans: list[Span], room: int) -> int:
    """Put the messages of spans among their attributes, as JSON; where there is no room, a mark for the oldest.

    A long conversation is in each call of its model: all of it at once may be far more than memory holds.

    Args:
        spans: Of one trace.
        room: Bytes that all messages may take.

    Returns:
        How many they take.
    """
    uses = Counter[int]()
    texts: dict[int, str] = {}
    marks: dict[int, str] = {}
    for span in spans:
        for some in span.messages.values():
            uses.update(map(id, some))
            for one in some:  # in order of their first use, which is their age
                if id(one) not in texts:
                    texts[id(one)] = as_json(one)
                    marks[id(one)] = as_json({**one, "parts": [{"type": "text", "content": LEFT_OUT}]})
    sizes = {key: _bytes(text) + 1 for key, text in texts.items()}  # and the comma
    taken = sum(sizes[key] * count for key, count in uses.items())
    fewest = sum(min(sizes[key], _bytes(marks[key]) + 1) * count for key, count in uses.items())
    together = fewest > room  # their marks alone would be too many: one stands for all at the beginning
    left: set[int] = set()
    for key, mark in marks.items():
        saved = sizes[key] - (0 if together else _bytes(mark) + 1)
        if taken > room and saved > 0:
            left.add(key)
            texts[key] = mark
            taken -= saved * uses[key]
    return sum(_write(span, texts, left, together=together) for span in spans)


def _write(span: Span, texts: Mapping[int, str], left: AbstractSet[int], *, together: bool) -> int:
    """Put a span's messages among its attributes; ``together``: of those left out at the beginning only the last."""
    reasons = span.attributes.get("gen_ai.response.finish_reasons")
    reason = as_json(reasons[0] if isinstance(reasons, list) else "")  # whoever reads by the schema asks for one
    size = 0
    for name, messages in span.messages.items():
        kept = (at for at, one in enumerate(messages) if id(one) not in left)
        first = next(kept, len(messages)) if together else 0
        written = [texts[id(one)] for one in messages[max(0, first - 1) :]]
        if name == SAID:
            written = [f'{text[:-1]},"finish_reason":{reason}}}' for text in written]
        text = f"[{','.join(written)}]"
        span.attributes[name] = text
        size += _bytes(text)
    if count := sum(id(one) in left for messages in span.messages.values() for one in messages):
        span.attributes["infinium.messages_left_out"] = count
    return size


def define_once(spans: list[Span]) -> None:
    """Leave the definitions of tools to the first call that has the same."""
    seen: set[object] = set()
    for span in spans:
        found = span.attributes.get("gen_ai.tool.definitions")
        if found in seen:
            del span.attributes["gen_ai.tool.definitions"]
        elif found is not None:
            seen.add(found)


def leave_out_attributes(span: Span, excess: int) -> None:
    """Leave out the longest texts of a span that is too large alone, and mark them."""
    texts = [(_bytes(value), name) for name, value in span.attributes.items() if isinstance(value, str)]
    for size, name in sorted(texts, reverse=True):
        if excess <= 0:
            return
        span.attributes[name] = LEFT_OUT
        excess -= size


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
