"""What the model saw and said, taken by reference in the caller's thread; ``payload.captured`` renders it later.

A string cannot change, so a reference to it is a copy. What holds strings is copied, within bounds; a message that was
seen before in the same trace is recognised, and taken once.
"""

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations.capture import media
from infinium_integrations.capture.known import TEXT_CHARS, History, Known
from infinium_integrations.capture.serializer import LARGE, NUMBERS, SHORT, Copier
from infinium_integrations.redaction.key_names import SLACK, Cut

__all__ = [
    "GOES_ON",
    "HISTORIES",
    "Command",
    "Content",
    "Conversation",
    "Documents",
    "Fields",
    "Form",
    "Message",
    "Part",
    "Streamed",
    "held_bytes",
    "parsed",
]

Part = dict[str, Any]
"""One part of a message, in the words of OpenTelemetry's GenAI conventions: its ``type`` and what belongs to it."""
GOES_ON = "goes_on"
"""Of a text as an adapter reads it, not as it is kept: it goes on where the one before ended, with nothing between."""

CUT_CHARS = 200_000
"""Of a text longer than that, which is cut when it is taken."""
TRACE_BYTES = 8 * 1_048_576
"""Of all texts that one trace refers to, as they lie in memory; beyond it only previews are taken."""
PROCESS_BYTES = 64 * 1_048_576
"""The same of all open and queued traces."""
RECOUNT_BYTES = 262_144
BEGINNING_BYTES = 8_192
"""Of what is said in a stream for which there is no room: as much as the longest preview shows."""
TOGETHER = 64
"""Chunks of a stream that are counted in one go where they are short."""
LEAST_BYTES = 1_000
"""Of a trace, so that many small ones are counted, too."""
BY_TEXT_BYTES = 1_048_576
"""From here on a text is known by what it says, before by its identity alone, which costs less."""
STRUCTURE_ROOM = 200_000
"""Characters of keys, numbers and marks of one value: texts don't count."""
ITEMS_TAKEN = 5_000
DEPTH_TAKEN = 30
FLAT = 20
"""Entries of a dict that is copied at once where it holds short texts and numbers only."""
DATA, BEHIND_DATA = "data:", "data;"
"""A text between them begins with the first: comparing is quicker than cutting the beginning off."""
HISTORIES = frozenset({"chat_history", "history"})
"""Fields whose messages were said before: they are neither the question nor the answer."""
REMEMBERED, FEW = 8, 10
"""Histories of a trace that are remembered; as many messages as are looked up one by one."""


class Message:
    """One message as it was when it was seen.

    Args:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        name: The name of who speaks, or of the tool, if it has one.
        held: References to its texts and copies of what holds them, as ``read`` takes them.
        read: Returns its parts; called once, on the writer's thread.
    """

    __slots__ = ("_parts", "held", "name", "read", "role")

    def __init__(self, role: str, name: str | None, held: Any, read: Callable[[Any], list[Part]]) -> None:
        self.role = role
        self.name = name
        self.held = held
        self.read = read
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
    """What a retriever found: what was taken of each document, and how many there are.

    ``read`` makes of each, on the writer's thread, its ``content``, and ``metadata``, ``id`` and ``score`` where known.
    """

    held: list[Any]
    count: int
    read: Callable[[Any], dict[str, Any]]


@dataclass(slots=True, eq=False)
class Command:
    """Where a step sends the run next, and what it changes."""

    goto: list[object]
    """The names of the next steps."""
    update: object


class Fields(dict[str, object]):
    """A copy of the fields of an object, such as a pydantic model: as an answer it is a whole."""


class Streamed:
    """What came of a stream, in the order in which it came; read as a message's parts if nothing better comes."""

    __slots__ = ("_counted", "_due", "bytes", "chunks", "cut", "read")

    def __init__(self, read: Callable[[list[Any]], list[Part]]) -> None:
        self.chunks: list[Any] = []
        self.bytes = 0
        """What the chunks take that are counted."""
        self._counted, self._due = 0, TOGETHER
        """How many chunks are counted, and with how many the next are."""
        self.cut = False
        """There was no room for what came last."""
        self.read = read

    def add(self, content: "Content", chunk: object) -> None:
        """Keep a chunk by reference; of a stream for which the trace has no room its beginning."""
        chunks = self.chunks
        chunks.append(chunk)
        if len(chunks) >= self._due or type(chunk) is not str or len(chunk) > SHORT:
            self._count(content)

    def _count(self, content: "Content") -> None:
        new = self.chunks[self._counted :]
        if self.bytes > BEGINNING_BYTES and content.full():
            self.cut = content.cut = True
            del self.chunks[self._counted :]
            self._due = self._counted + 1
            return
        count = sum(map(_bytes_of, new))
        self._counted += len(new)
        self._due = self._counted + TOGETHER
        self.bytes += count
        content.spend(count)

    def forget(self, content: "Content") -> None:
        """Let go of the chunks: the whole answer has come."""
        content.spend(-self.bytes)
        self.chunks, self.bytes = [], 0
        self._counted, self._due = 0, TOGETHER

    def message(self) -> Message | None:
        """Return what was said as a message; None where nothing was."""
        return Message("assistant", None, self.chunks, self._parts) if self.chunks else None

    def _parts(self, chunks: list[Any]) -> list[Part]:
        parts = self.read(chunks)
        if self.cut and parts and type(parts[-1].get("content")) is str:
            parts[-1] = {**parts[-1], "content": Cut(parts[-1]["content"])}
        return parts


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How the messages of one framework are taken.

    Args:
        said: The names of their fields that are content; first the one that is their text, or holds all that they say.
        copied: Of these, the one of which what was taken may hold a copy under the same name; "" for none.
        owns: Returns whether a value is such a message.
        new: Takes one that is new or has changed; called with the trace's content, the message and the limit.
        other: Takes what is none, the same way.
        plain: Takes messages as long as each is a text and nothing else, and returns beside them the fields that they
            had then.
    """

    said: tuple[str, ...]
    copied: str
    owns: Callable[[object], bool]
    new: "Callable[[Content, Any, int], Message]"
    other: "Callable[[Content, Any, int], Message]"
    plain: "Callable[[Content, Sequence[object], int], tuple[list[Message], list[dict[str, Any]]]] | None" = None


class Content:
    """What one trace refers to: its messages and texts by identity, and how many bytes of text in all."""

    __slots__ = ("__weakref__", "_beginnings", "_histories", "_known", "_same", "_texts", "bytes", "cut")

    def __init__(self) -> None:
        _all.live.add(weakref.ref(self))
        self.bytes = 0
        """About what the texts take in memory, each once."""
        self.cut = False
        """Something was cut when it was taken, for want of room."""
        self._texts: dict[int, str] = {}
        """By identity."""
        self._same: dict[str, str] | None = None
        """By what they say, from ``BY_TEXT_BYTES`` on, those that are longer than ``SHORT``."""
        self._beginnings: dict[tuple[int, int, int], Cut] = {}
        """Of texts that were cut, by the whole's hash and length, and where it was cut."""
        self._known: dict[int, Known[Message]] = {}
        """By the identity of the framework's own message."""
        self._histories: dict[int, History[Message]] = {}
        """By the identity of the first message."""
        self.spend(LEAST_BYTES)

    def message(self, own: object, form: Form, limit: int) -> Message:
        """Take a message of the framework's; one that was seen before, and holds the same, is the same.

        Args:
            own: The framework's own message.
            form: How it is taken.
            limit: Characters that are kept where there is no room for the whole.
        """
        fields = getattr(own, "__dict__", {})
        known = self._known.get(id(own))
        if known is None or not known.stands_for(fields):
            marks = known.marked(fields) if known is not None else None
            if known is not None and marks:
                known.taken.name = marks.get("name", known.taken.name)
            else:
                taken = form.new(self, own, limit)
                known = Known(taken, fields, form.said, form.copied, taken.held.get(form.copied))
                self._known[id(own)] = known
        return known.taken

    def take_all(self, given: Sequence[object], form: Form, limit: int, *, every: bool = True) -> list[Message]:
        """Take messages in order; those of a history that was seen before are compared in one go.

        Args:
            given: The framework's own messages, and others.
            form: How they are taken.
            limit: Characters that are kept of each where there is no room for the whole.
            every: Whether a text that has changed in place is looked for in every message of a long history, or in its
                newest only, as is enough of what a model is sent later.
        """
        if len(given) <= FEW:
            return self._each(given, form, limit)
        history = self._histories.get(id(given[0]))
        if history is None:
            before = self._each(given[:1], form, limit)
            if before[0].role == "system":  # which stands before the very messages that a node was given
                return before + self._history(given[1:], form, limit, every=every)
        return self._history(given, form, limit, every=every)

    def _history(self, given: Sequence[object], form: Form, limit: int, *, every: bool) -> list[Message]:
        history, before, text = self._histories.get(id(given[0])), None, form.said[0]
        count = history.standing(given, text if every else None) if history is not None else 0
        if history is None or count == 0:
            before, history = history, History()
            if before is not None:  # each of its messages that still stands is the same
                self._known |= before.known()
            if len(self._histories) >= REMEMBERED:
                self._histories.clear()
            self._histories[id(given[0])] = history
        taken = history.taken[:count]
        for index in history.again:
            if index < count:
                taken[index] = form.new(self, given[index], limit)
        if form.plain is not None and before is None and len(given) - count > FEW:
            plain, fields = form.plain(self, given[count:], limit)
            history.extend_plain(count, given, fields, plain, text)
            taken += plain
            count += len(plain)
        if count < len(given):
            new = given[count:]
            taken += self._each(new, form, limit)
            history.extend(count, new, [self._known.get(id(message)) for message in new], taken[count:], text)
        return taken

    def _each(self, given: Sequence[object], form: Form, limit: int) -> list[Message]:
        seen, taken = self._known.get, []
        for message in given:
            known = seen(id(message))
            if known is not None and known.stands_for(getattr(message, "__dict__", None)):
                taken.append(known.taken)
            elif form.owns(message):
                taken.append(self.message(message, form, limit))
            else:
                taken.append(form.other(self, message, limit))
        return taken

    def forget(self) -> None:
        """Let go of the framework's own messages: no more of them come."""
        self._known.clear()
        self._histories.clear()
        self._texts.clear()
        self._beginnings.clear()
        self._same = None

    def release(self) -> None:
        """Count no longer: its trace is rendered, or dropped."""
        _all.live.discard(weakref.ref(self))

    def take(self, value: Any, limit: int, adapt: "Callable[[object], object] | None" = None) -> object:
        """Return references to the texts of a value and copies of what holds them.

        Args:
            value: Anything; it is neither consumed nor changed, and none of its own code is called.
            limit: Characters that are kept where there is no room for the whole.
            adapt: Returns what stands for a value of the framework's own; None for any other.
        """
        kind = type(value)
        if kind is str:
            return self.text(value, limit)
        if kind is dict:
            if not self.full() and (copied := self.copied(value)) is not None:
                return copied
        elif kind is list and value and type(value[0]) is dict:
            if (several := self.several(value)) is not None:
                return several
        elif value is None or (kind in NUMBERS and -LARGE < value < LARGE):
            return value
        taker = Taker(self, limit, adapt)
        taken = taker.whole_value(value)
        self.cut = self.cut or taker.room <= 0
        return Fields(taken) if type(taken) is dict and not issubclass(kind, dict) else taken

    def text(self, text: str, limit: int) -> str:
        """Return a text as it is; its beginning where there is no room for it, of a picture type and size."""
        if id(text) in self._texts:
            return text
        length = len(text)
        if length <= SHORT:
            if not DATA <= text < BEHIND_DATA:
                self._texts[id(text)] = text
                self.spend(length if text.isascii() else text.__sizeof__())
                return text
        elif self.bytes >= BY_TEXT_BYTES and (known := self._again(text)) is not None:
            return known
        if " " not in text[: media.SAMPLE] or DATA <= text < BEHIND_DATA:
            found = media.encoded(text)
            if found is not None:
                return found
        full = length > limit and self.full()
        if full or length > TEXT_CHARS:
            return self._beginning(text, limit if full else CUT_CHARS)
        self.spend(length if text.isascii() else text.__sizeof__())
        self._texts[id(text)] = text
        if self._same is not None:
            self._same[text] = text
        return text

    def whole(self, texts: list[str], limit: int) -> int:
        """Take texts as ``text`` does, as long as there is room for each as it is; return how many there are."""
        known, new, count = self._texts, 0, 0
        for text in texts:
            if len(text) <= SHORT and not DATA <= text < BEHIND_DATA:
                if id(text) not in known:
                    known[id(text)] = text
                    new += len(text) if text.isascii() else text.__sizeof__()
            elif self.text(text, limit) is not text:
                break
            count += 1
        self.spend(new)
        return count

    def _again(self, text: str) -> str | None:
        """Return a longer text that was taken before and says the same; None of a new one."""
        if self._same is None:
            self._same = {known: known for known in list(self._texts.values()) if len(known) > SHORT}
        return self._same.get(text)

    def _beginning(self, text: str, limit: int) -> str:
        """Return the beginning of a text, and of what comes after as much as shows a secret across the cut."""
        self.cut = True
        key = hash(text), len(text), limit
        known = self._beginnings.get(key)
        if known is None:
            known = self._beginnings[key] = Cut(text[: limit + SLACK])
            self.spend(known.__sizeof__())
        return known

    def copied(self, entries: dict[Any, Any], depth: int = 1) -> dict[Any, Any] | None:
        """Return a copy of a few short texts and numbers under short names, and of such dicts among them.

        None where there is anything else. What is a secret by its name is seen on the writer's thread.
        """
        # what has any other ``type`` may be a picture
        if len(entries) > FLAT or ("type" in entries and not _is_call(entries["type"])):
            return None
        copy, known, new = entries.copy(), self._texts, 0
        for key, value in copy.items():
            kind = type(value)
            if type(key) is not str or len(key) > SHORT:
                break
            if kind is str:
                if len(value) > SHORT or DATA <= value < BEHIND_DATA:
                    break
                if id(value) not in known:
                    known[id(value)] = value
                    new += len(value) if value.isascii() else value.__sizeof__()
            elif kind is dict:
                if depth == 0 or (inner := self.copied(value, depth - 1)) is None:
                    break
                copy[key] = inner
            elif value is not None and not (kind in NUMBERS and -LARGE < value < LARGE):
                break
        else:
            self.spend(new)
            return copy
        self.spend(new)  # whoever takes the rest takes them, too
        return None

    def several(self, given: list[Any]) -> list[dict[Any, Any]] | None:
        """Return copies of a few dicts, such as calls of tools, if ``copied`` makes one of each; None if not."""
        copies = list[dict[Any, Any]]()
        if len(given) <= FLAT and not self.full():
            for one in given:
                copy = self.copied(one) if type(one) is dict else None
                if copy is None:
                    return None
                copies.append(copy)
            return copies
        return None

    def full(self) -> bool:
        """Return whether previews only are taken from now on."""
        return self.bytes >= TRACE_BYTES or _all.counted + _all.since >= PROCESS_BYTES

    def spend(self, count: int) -> None:
        """Count bytes that are referred to."""
        self.bytes += count
        _all.since += count
        if _all.since >= RECOUNT_BYTES:
            held_bytes()


class Taker(Copier):
    """Copies a value's structure and keeps its texts as they are.

    Args:
        content: Where the texts are counted.
        limit: Characters that are kept where there is no room for the whole.
        adapt: Returns what stands for a value of the framework's own; None for any other.
    """

    __slots__ = ("adapt", "content", "limit")

    def __init__(self, content: Content, limit: int, adapt: Callable[[object], object] | None) -> None:
        self.content, self.limit, self.adapt = content, limit, adapt
        room = limit + SLACK if content.full() else STRUCTURE_ROOM
        super().__init__(
            room, chars=TEXT_CHARS if room == STRUCTURE_ROOM else room, items=ITEMS_TAKEN, depth=DEPTH_TAKEN
        )

    def text(self, value: str) -> str:
        """Take a text as it is; a picture becomes its type and size."""
        value = self.content.text(value, self.limit)
        self.room -= 2 if self.chars == TEXT_CHARS else len(value) + 2
        return value

    def mapping(self, value: object, entries: dict[Any, Any]) -> object:
        """Take the entries of a value; a few plain ones at once, whose secret keys are looked for on our thread."""
        plain = type(entries) is dict and len(self.above) < self.depth and self.room > FLAT * SHORT
        copied = self.content.copied(entries) if plain else None
        if copied is None:
            return super().mapping(value, entries)
        for named in (copied, *(item for item in copied.values() if type(item) is dict)):
            self.room -= len(named) * 6 + sum(map(len, named))
        return copied

    def unknown(self, value: object, kind: type) -> object:
        """Take a value of the framework's own as its adapter has it."""
        found = self.adapt(value) if self.adapt is not None else None
        return found if found is not None else super().unknown(value, kind)


def _is_call(kind: object) -> bool:
    return type(kind) is str and kind == "tool_call"


class _All:
    """The contents of all open and queued traces."""

    def __init__(self) -> None:
        self.live: set[weakref.ref[Content]] = set()
        """One operation on it is atomic, unlike one on a ``WeakSet``, which costs ten times as much, too."""
        self.counted = 0
        self.since = 0
        """Bytes taken since they were counted."""


_all = _All()


def held_bytes() -> int:
    """Count the bytes of text that all open and queued traces refer to."""
    known = [(ref, ref()) for ref in list(_all.live)]
    _all.counted, _all.since = sum(content.bytes for _, content in known if content is not None), 0
    _all.live.difference_update([ref for ref, content in known if content is None])
    return _all.counted + _all.since


def _bytes_of(chunk: object, depth: int = 4) -> int:
    """Count the bytes of the texts in a chunk of a stream."""
    if type(chunk) is str:
        return len(chunk) if chunk.isascii() else chunk.__sizeof__()
    if isinstance(chunk, str):  # LangChain's texts are of a class of its own
        return _bytes_of(str.__str__(chunk))
    if type(chunk) is dict:
        return sum(_bytes_of(item, depth - 1) for key, item in chunk.items() if key != "type")
    return sum(_bytes_of(item, depth - 1) for item in chunk) if type(chunk) is list and depth else 0


def parsed(text: object) -> object:
    """Return what a text of JSON says; the text where it is none, and any other value as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
