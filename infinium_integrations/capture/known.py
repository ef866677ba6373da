"""Messages of the frameworks' own that were seen before in a trace, and whether they still say the same."""

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
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
Taken = TypeVar("Taken")


class _Structure:
    """Copies what lists and dicts hold, and keeps everything else as it is: equal to it while nothing is changed."""

    def __init__(self) -> None:
        self.left = WATCHED
        """How many containers may still come; none where there is a large picture."""
        self.objects: list[tuple[dict[str, Any], dict[str, Any]]] = []

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
            self.objects.append((fields, self.copy(fields, depth + 1)))
        return value


class Known(Generic[Taken]):
    """A message that was taken, beside the fields of the framework's own and a copy of what they held then.

    Args:
        taken: What was taken.
        own: The fields of the framework's own message.
        said: The names of those that are content.
    """

    __slots__ = ("before", "more", "own", "taken")

    def __init__(self, taken: Taken, own: dict[str, Any], said: Iterable[str]) -> None:
        self.taken = taken
        self.own: dict[str, Any] | None = None
        """None of a message that is not held: it is taken anew each time that it is seen."""
        self.before: dict[str, Any] = {}
        self.more: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """Fields of objects that it holds, each beside a copy."""
        if own.get("artifact") is not None:  # what a tool keeps for the program may be large
            return
        before, structure = own.copy(), None
        for name in said:
            value = before.get(name)
            kind = type(value)
            if kind is str or value is None:
                continue
            if not value and kind in _EMPTY:
                before[name] = _EMPTY[kind]
            else:
                structure = structure or _Structure()
                before[name] = structure.copy(value)
        if structure is None or structure.left > 0:
            self.own, self.before = own, before
            self.more = structure.objects if structure is not None else []

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
            return own == self.before and (not self.more or all(fields == before for fields, before in self.more))
        except _INCOMPARABLE:
            return False


_PLAIN = frozenset({int, float, bool, type(None)})
_EMPTY: dict[type, Any] = {list: [], dict: {}}
"""What an empty container was; it holds nothing that could change."""
_fields = attrgetter("__dict__")
_INCOMPARABLE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What comparing changed values may raise, such as arrays."""


@dataclass(slots=True, frozen=True, eq=False)
class History(Generic[Taken]):
    """Messages that were taken in one go; never changed, since several threads may take messages of one trace."""

    before: list[object] = field(default_factory=list)
    """What the fields of the frameworks' own held then."""
    taken: list[Taken] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    """Where those stand that are taken anew each time that they are seen: their entry in ``before`` equals anything."""

    def standing(self, given: Sequence[object]) -> int:
        """Return how many of its messages these begin with, unchanged: all that there can be, or none."""
        count = min(len(self.before), len(given))
        with contextlib.suppress(*_INCOMPARABLE):  # a pair or a dict has no fields
            if self.before[:count] == list(map(_fields, given[:count])):
                return count
        return 0

    def extended(self, known: "list[Known[Taken] | None]", taken: list[Taken]) -> "History[Taken]":
        """Return it with what came after; what is not known by its fields ends it."""
        found = list(itertools.takewhile(lambda one: one is not None, known))
        whole = [one if one.own is None or one.more else one.before for one in found if one is not None]
        again = [len(self.before) + at for at, one in enumerate(found) if one is not None and one.own is None]
        return History(self.before + whole, self.taken + taken[: len(found)], self.again + again)
