"""What the model saw and said, taken by reference in the caller's thread; ``payload.captured`` renders it later.

A string cannot change, so a reference to it is a copy. What holds strings is copied, within bounds; a message that was
seen before in the same trace is recognised, and taken once.
"""

import contextlib
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations.capture import media
from infinium_integrations.capture.serializer import SHORT, Copier
from infinium_integrations.redaction.key_names import SLACK

__all__ = [
    "Command",
    "Content",
    "Conversation",
    "Documents",
    "Message",
    "Part",
    "Streamed",
    "held_chars",
    "leaves",
    "parsed",
]

Part = dict[str, Any]
"""One part of a message, in the words of OpenTelemetry's GenAI conventions: its ``type`` and what belongs to it."""

TEXT_CHARS = 1_000_000
CUT_CHARS = 200_000
"""Of a text longer than that, which is cut when it is taken."""
TRACE_CHARS = 8 * 1_048_576
"""Of all texts that one trace refers to; beyond it only previews are taken."""
PROCESS_CHARS = 64 * 1_048_576
"""The same of all open and queued traces."""
RECOUNT_CHARS = 262_144
STRUCTURE_ROOM = 200_000
"""Characters of keys, numbers and marks of one value: texts don't count."""
ITEMS_TAKEN = 5_000
DEPTH_TAKEN = 30
LEAVES = 300
"""Of a message that is looked at for a change."""


class Message:
    """One message as it was when it was seen.

    Args:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        name: The name of who speaks, or of the tool, if it has one.
        held: References to its texts and copies of what holds them, as ``read`` takes them.
        read: Returns its parts; called once, on the writer's thread.
        seen: What it is recognised by, see ``leaves``.
    """

    __slots__ = ("_parts", "held", "name", "read", "role", "seen")

    def __init__(
        self, role: str, name: str | None, held: Any, read: Callable[[Any], list[Part]], seen: object = None
    ) -> None:
        self.role = role
        self.name = name
        self.held = held
        self.read = read
        self.seen = seen
        self._parts: list[Part] | None = None

    def parts(self) -> list[Part]:
        """Return its parts; what can't be read is none."""
        if self._parts is None:
            self._parts = diagnostics.attempt(lambda: self.read(self.held), lambda _: [])
        return self._parts


@dataclass(slots=True, eq=False)
class Conversation:
    """Messages in order, and what else stands in the state that holds them."""

    messages: Sequence[Message]
    rest: object = None
    structured: object = None
    """The answer in the form that was asked for, beside its text."""
    choices: bool = False
    """They are several answers to one question."""


@dataclass(slots=True, eq=False)
class Documents:
    """What a retriever found: of each document ``content``, ``metadata``, ``id`` and ``score`` where known."""

    items: list[dict[str, Any]]
    count: int


@dataclass(slots=True, eq=False)
class Command:
    """Where a step sends the run next, and what it changes."""

    goto: object
    update: object


class Streamed:
    """What came of a stream, in the order in which it came; read as a message's parts if nothing better comes."""

    __slots__ = ("chunks", "read")

    def __init__(self, read: Callable[[list[Any]], list[Part]]) -> None:
        self.chunks: list[Any] = []
        self.read = read

    def message(self) -> Message | None:
        """Return what was said as a message; None where nothing was."""
        return Message("assistant", None, self.chunks, self.read) if self.chunks else None


class Content:
    """What one trace refers to: its messages by identity, and how many characters in all."""

    __slots__ = ("__weakref__", "chars", "cut", "messages")

    def __init__(self) -> None:
        _all.live.add(self)
        self.chars = 0
        self.cut = False
        """Something was taken as a preview only, for want of room."""
        self.messages: dict[int, Message] = {}
        """By the identity of the framework's own message."""

    def take(self, value: object, limit: int, adapt: "Callable[[object], object] | None" = None) -> object:
        """Return references to the texts of a value and copies of what holds them.

        Args:
            value: Anything; it is neither consumed nor changed, and none of its own code is called.
            limit: Characters that are kept where there is no room for the whole.
            adapt: Returns what stands for a value of the framework's own; None for any other.
        """
        if type(value) is str:
            return self.text(value, limit)
        room, chars = (limit + SLACK, limit + SLACK) if self.full() else (STRUCTURE_ROOM, TEXT_CHARS)
        taker = Taker(room, chars, adapt)
        taken = taker.whole_value(value)
        self.spend(taker.taken)
        return taken

    def text(self, text: str, limit: int) -> str:
        """Return a text as it is; its beginning where there is no room for it, of a picture type and size."""
        length = len(text)
        if length <= SHORT and text[:5] != "data:":
            return text
        found = media.encoded(text)
        if found is not None:
            return found
        if length > TEXT_CHARS or self.full():
            text = text[: limit + SLACK if self.full() else CUT_CHARS]
            length = len(text)
        self.spend(length)
        return text

    def full(self) -> bool:
        """Return whether previews only are taken from now on."""
        if self.chars < TRACE_CHARS and _all.counted + _all.since < PROCESS_CHARS:
            return False
        self.cut = True
        return True

    def spend(self, chars: int) -> None:
        """Count characters that are referred to."""
        self.chars += chars
        _all.since += chars
        if _all.since >= RECOUNT_CHARS:
            held_chars()


class Taker(Copier):
    """Copies a value's structure and keeps its texts as they are."""

    __slots__ = ("adapt", "taken")

    def __init__(self, room: int, chars: int, adapt: Callable[[object], object] | None) -> None:
        super().__init__(room, chars=chars, items=ITEMS_TAKEN, depth=DEPTH_TAKEN)
        self.adapt = adapt
        self.taken = 0
        """Characters referred to."""

    def text(self, value: str) -> str:
        """Take a text as it is; a picture becomes its type and size."""
        if len(value) > SHORT or value[:5] == "data:":
            value = media.encoded(value) or (value if len(value) <= self.chars else value[: min(self.chars, CUT_CHARS)])
        self.taken += len(value)
        self.room -= 2 if self.chars == TEXT_CHARS else len(value) + 2
        return value

    def unknown(self, value: object, kind: type) -> object:
        """Take a value of the framework's own as its adapter has it."""
        found = self.adapt(value) if self.adapt is not None else None
        return found if found is not None else super().unknown(value, kind)


class _All:
    """The contents of all open and queued traces."""

    def __init__(self) -> None:
        self.live: weakref.WeakSet[Content] = weakref.WeakSet()
        self.counted = 0
        self.since = 0
        """Characters taken since they were counted."""


_all = _All()


def held_chars() -> int:
    """Count the characters that all open and queued traces refer to."""
    with contextlib.suppress(RuntimeError):  # another thread began a trace meanwhile: the next count will do
        _all.counted, _all.since = sum(content.chars for content in list(_all.live)), 0
    return _all.counted + _all.since


def parsed(text: object) -> object:
    """Return what a text of JSON says; the text where it is none, and any other value as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def leaves(value: object) -> object:
    """Return what a value is recognised by: the identities of its texts, which whoever compares it holds."""
    if type(value) is str:
        return id(value)
    found: list[object] = []
    _gather(value, found)
    return tuple(found)


def _gather(value: Any, found: list[object]) -> None:
    kind = type(value)
    if len(found) >= LEAVES:
        return
    if kind is str:
        found.append(id(value))
    elif kind is dict:
        found.append(len(value))
        for key, item in tuple(value.items()):
            found.append(key)
            _gather(item, found)
    elif kind is list or kind is tuple:
        found.append(len(value))
        for item in value[:LEAVES]:
            _gather(item, found)
    elif kind in _PLAIN:
        found.append(value)
    else:
        held = getattr(value, "__dict__", None)
        if type(held) is dict:
            _gather(held, found)
        else:
            found.append(id(value))


_PLAIN = frozenset({int, float, bool, type(None)})
