"""Messages of the frameworks' own that were seen before in a trace, and whether they still say the same."""

import threading
from collections.abc import Iterable, Sequence
from operator import is_, itemgetter
from typing import Any, Generic, TypeVar

from infinium_integrations.capture import media

__all__ = ["TEXT_CHARS", "History", "Known"]

TEXT_CHARS = 1_000_000
"""A longer text is cut when it is taken."""
WATCHED, WATCHED_CHARS = 300, 16_384
"""Lists and dicts of one message that are held and looked at for a change, and characters of a picture in them.

A message that has more is taken anew each time that it is seen.
"""
DEPTH_WATCHED = 15
NEWEST, NEWEST_ALONE = 8, 4
"""Messages of a history that are compared by all that they hold, whatever that is; and where no other is compared."""
Taken = TypeVar("Taken")


class _Structure:
    """Copies what lists and dicts hold, and keeps everything else as it is: equal to it while nothing is changed."""

    def __init__(self) -> None:
        self.left = WATCHED
        """How many containers may still come; none where there is a large picture."""
        self.objects: list[dict[str, Any]] = []
        """The fields of objects, beside copies of them."""
        self.copies: list[dict[str, Any]] = []

    def copy(self, value: Any, depth: int = 0) -> Any:
        """Copy one value that lies so deep."""
        kind = type(value)
        if kind is str or kind is bytes:
            if len(value) > WATCHED_CHARS and (kind is bytes or len(value) > TEXT_CHARS or media.encoded(value)):
                self.left = 0
            return value
        if kind in _PLAIN or self.left <= 0 or depth > DEPTH_WATCHED:
            return value
        self.left -= 1
        if kind is dict:
            copied: dict[Any, Any] = value.copy()
            for key, item in copied.items():
                if type(item) not in _PLAIN and (type(item) is not str or len(item) > WATCHED_CHARS):
                    copied[key] = self.copy(item, depth + 1)
            return copied
        if kind is list:
            return [self.copy(item, depth + 1) for item in value]
        if kind is tuple:
            return tuple([self.copy(item, depth + 1) for item in value])
        fields = getattr(value, "__dict__", None)
        if type(fields) is dict:
            copied = self.copy(fields, depth + 1)
            self.objects.append(fields)
            self.copies.append(copied)
        return value


class Known(Generic[Taken]):
    """A message that was taken, beside the fields of the framework's own and a copy of what they held then.

    Args:
        taken: What was taken.
        own: The fields of the framework's own message.
        said: The names of those that are content, its text first.
        copied: The name of a field that was copied when the message was taken.
        copy: That copy; None where there is none.
    """

    __slots__ = ("before", "deep", "holds_more", "more", "more_before", "own", "taken")

    def __init__(
        self, taken: Taken, own: dict[str, Any], said: Sequence[str], copied: str = "", copy: object = None
    ) -> None:
        self.taken = taken
        self.own: dict[str, Any] | None = None
        """None of a message that is not held: it is taken anew each time that it is seen."""
        self.before: dict[str, Any] = {}
        self.more: list[dict[str, Any]] = []
        """The fields of objects that it holds, beside copies of them."""
        self.more_before: list[dict[str, Any]] = []
        self.holds_more = self.deep = True
        """It holds more than a text; and that not only beside a text."""
        if own.get("artifact") is not None:  # what a tool keeps for the program may be large
            return
        before, structure = own.copy(), None
        for name in said:
            value = before.get(name)
            kind = type(value)
            if kind is str or value is None:
                continue
            if kind in _EMPTY and not value:
                before[name] = _EMPTY[kind]
            elif copy is not None and name == copied:
                before[name] = copy
            else:
                structure = structure or _Structure()
                before[name] = structure.copy(value)
        if structure is None or structure.left > 0:
            self.own, self.before = own, before
            self.holds_more = copy is not None or structure is not None
            self.deep = False
            if structure is not None:
                self.deep = type(own.get(said[0])) is not str or bool(structure.objects)
                self.more, self.more_before = structure.objects, structure.copies

    def __eq__(self, fields: object) -> bool:
        """Compare with the fields of a message, where a history holds it among plain copies.

        One that is not held equals any: the history takes it anew, see ``History.again``.
        """
        return self.own is None or self.stands_for(fields)

    __hash__ = None  # type: ignore[assignment]

    def stands_for(self, own: object) -> bool:
        """Return whether what was taken is what the message says that has these fields now."""
        if self.own is not own:
            return False
        try:  # what is identical is compared by identity alone
            return own == self.before and self.more == self.more_before
        except _INCOMPARABLE:
            return False

    def marked(self, own: dict[str, Any]) -> dict[str, str]:
        """Return the id and the name that a message has got since it was taken, where nothing else has changed.

        LangGraph gives it an id, frameworks name who spoke on the message that the model returned. It is known by them
        from now on.
        """
        marks: dict[str, str] = {key: own[key] for key in _MARKS if type(own.get(key)) is str}
        marks = {key: mark for key, mark in marks.items() if self.before.get(key, mark) is None}
        if self.own is not own or not marks:
            return {}
        try:
            same = own == {**self.before, **marks} and self.more == self.more_before
        except _INCOMPARABLE:
            return {}
        if same:
            self.before.update(marks)
        return marks if same else {}


_MARKS = ("id", "name")
_PLAIN = frozenset({int, float, bool, type(None)})
_EMPTY: dict[type, Any] = {list: [], dict: {}}
"""What an empty container was; it holds nothing that could change."""
_INCOMPARABLE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What comparing changed values may raise, such as arrays."""


class History(Generic[Taken]):
    """Messages that were taken in one go. Several threads may take messages of one trace."""

    __slots__ = ("_lock", "again", "before", "beside", "deep", "messages", "now", "said", "taken", "texts")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: list[object] = []
        """The frameworks' own, held, so that each is known by its identity."""
        self.taken: list[Taken] = []
        self.again: list[int] = []
        """Where those stand that are taken anew each time that they are seen: they compare equal to anything."""
        self.now: list[dict[str, Any]] = []
        """The fields of each, beside what they held when it was taken."""
        self.before: list[object] = []
        self.texts: list[dict[str, Any]] = []
        """The fields of those that hold no more than a text, beside that text."""
        self.said: list[object] = []
        self.beside = _Pairs()
        """Those that hold a text and, beside it, more."""
        self.deep = _Pairs()
        """All others."""

    def standing(self, given: Sequence[object], text: str | None) -> int:
        """Return how many of its messages these begin with, unchanged: all that there can be, or none.

        The newest are compared by all that they hold, down to the last list. Of those before them, what is a text is
        compared as that, and what stands beside a text by identity.

        Args:
            given: Messages.
            text: The name of the field that has a message's text; None compares the newest only.
        """
        return self._standing(given, text) or (self._given_ids() and self._standing(given, text))

    def _given_ids(self) -> bool:
        """Take over the ids that LangGraph has given messages since; return whether there are any."""
        found = False
        for all_before, all_now in ((self.before, self.now), (self.beside.before, self.beside.now)):
            for before, now in zip(all_before, all_now, strict=False):
                if type(before) is dict and before.get("id", "") is None and now["id"] is not None:
                    before["id"], found = now["id"], True
        return found

    def _standing(self, given: Sequence[object], text: str | None) -> int:
        known = len(self.messages)
        count = min(known, len(given))
        if not all(map(is_, self.messages, given)):  # none of their own code is asked whether they are equal
            return 0
        try:
            if count < known or count <= NEWEST:
                return count if self.before[:count] == self.now[:count] else 0
            newest = slice(known - (NEWEST if text is not None else NEWEST_ALONE), known)
            if self.before[newest] != self.now[newest]:
                return 0
            return count if text is None or self._unchanged(text) else 0
        except _INCOMPARABLE:
            return 0

    def _unchanged(self, text: str) -> bool:
        others = self.deep.before == self.deep.now and self.beside.before == self.beside.now
        return others and self.said == list(map(itemgetter(text), self.texts))

    def known(self) -> dict[int, Known[Taken]]:
        """Return those that hold a text and nothing else, by their identity."""
        found, texts = dict[int, Known[Taken]](), set(map(id, self.texts))
        for message, taken, now, before in zip(self.messages, self.taken, self.now, self.before, strict=False):
            if id(now) in texts and type(before) is dict:
                found[id(message)] = known = Known(taken, now, ())
                known.before = before
        return found

    def extend_plain(
        self, count: int, given: Sequence[object], before: list[dict[str, Any]], taken: list[Taken], text: str
    ) -> None:
        """Add those that come after its first ``count`` messages, each a text and nothing else, as ``extend`` does."""
        with self._lock:
            if count != len(self.messages):
                return
            messages = given[count : count + len(taken)]
            fields = [message.__dict__ for message in messages]
            self.taken += taken
            self.before += before
            self.now += fields
            self.said += [one[text] for one in before]
            self.texts += fields
            self.messages += messages

    def extend(
        self, count: int, given: Sequence[object], known: "Iterable[Known[Taken] | None]", taken: list[Taken], text: str
    ) -> None:
        """Add what comes after its first ``count`` messages, unless another thread did; what is not known ends it."""
        with self._lock:
            if count != len(self.messages):
                return
            for message, one, how in zip(given, known, taken, strict=True):
                if one is None:
                    break
                fields = one.own or one.before
                before = one if one.own is None or one.more else one.before
                if one.own is None:
                    self.again.append(len(self.messages))
                self.taken.append(how)
                self.before.append(before)
                self.now.append(fields)
                if one.own is None or one.deep or text not in fields:
                    self.deep.add(fields, before)
                elif one.holds_more:
                    self.beside.add(fields, fields.copy())
                else:
                    self.said.append(fields[text])
                    self.texts.append(fields)
                self.messages.append(message)  # comes last: by it is counted


class _Pairs:
    """Fields of messages, beside what they held."""

    __slots__ = ("before", "now")

    def __init__(self) -> None:
        self.now: list[dict[str, Any]] = []
        self.before: list[object] = []

    def add(self, now: dict[str, Any], before: object) -> None:
        """Add those of one message."""
        self.now.append(now)
        self.before.append(before)
