"""Bounded copies of anything, out of dict, list, str, int, float, bool and None."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from infinium_integrations.capture import media
from infinium_integrations.capture.forms import EXACT, FAMILIES, KNOWN, array, fields, placeholder
from infinium_integrations.redaction.key_names import HIDDEN, is_secret_key

__all__ = ["Copier"]

ITEMS: Final = 200
DEPTH: Final = 10
SHORT: Final = 255
"""A string up to this length is no picture, unless it is a data URL."""

_CIRCULAR = "<circular>"
_MORE = "…"
_NUMBERS = {int, bool, float, type(None)}
_PAIR = 2
_LARGE = 2**63

encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class Copier:
    """Copies one value into plain JSON types until its room is used up.

    What it counts is never more than is written, so that a text made of the copy is as long as was wanted.
    """

    __slots__ = ("above", "chars", "depth", "items", "room", "whole")

    def __init__(self, room: int, *, chars: int, whole: bool = False, items: int = ITEMS, depth: int = DEPTH) -> None:
        self.room = room
        self.chars = chars
        self.whole = whole  # a string that no longer fits is left out, not cut: half a secret could not be told
        self.items = items
        self.depth = depth
        self.above: list[int] = []

    def copy(self, value: Any) -> Any:
        """Copy one value and what it holds; what can't be read becomes ``<ClassName>``."""
        kind = type(value)
        try:
            if kind is str:
                return self.text(value)
            if kind is dict:
                return self.mapping(value, value)
            if kind is list or kind is tuple:
                return self.sequence(value, value[: self.items], len(value))
            if kind is int and -_LARGE < value < _LARGE:
                self.room -= 1
                return value
            return self.other(value, kind)
        except Exception:  # noqa: BLE001  (it changes under our hands, the stack is full: the user must not notice)
            return placeholder(kind)

    def text(self, value: str) -> str:
        """Copy a string as far as there is room; a picture becomes its type and size."""
        length = len(value)
        if length <= SHORT and length <= self.room and value[:5] != "data:":
            self.room -= length + 2
            return value
        value = media.encoded(value) or value[: self.chars]
        room, self.room = self.room, self.room - len(value) - 2
        if len(value) <= room:
            return value
        return _MORE if self.whole else value[: max(room, 0)]

    def mapping(self, value: Any, entries: dict[Any, Any]) -> Any:
        """Copy the entries of a value, without what stands under telling keys."""
        length = dict.__len__(entries)
        if (mark := self.closed(value, length, "dict")) is not None:
            return mark
        if dict.__contains__(entries, "type") and (mark := media.block(entries)) is not None:
            return self.text(mark)
        self.above.append(id(value))
        copy: dict[str, Any] = {}
        for key, item in tuple(islice(dict.items(entries), self.items)):
            if self.room <= 0:
                break
            name = key if type(key) is str and len(key) <= SHORT else self.key(key)
            self.room -= len(name) + 6
            hidden = is_secret_key(name) or (name == "value" and _is_secret_pair(entries))
            copy[name] = self.hide(item) if hidden else self.copy(item)
        self.above.pop()
        if len(copy) < length:
            copy[_MORE] = f"{length - len(copy):,} more"
        return copy

    def key(self, key: Any) -> str:
        """Give a key as text, as JSON has it."""
        kind = type(key)
        if kind is str:
            return self.text(key)
        if kind in _NUMBERS:
            return encode(key)
        text = self.copy(key)
        return text if type(text) is str else encode(text)

    def hide(self, value: object) -> Any:
        """Give what stands for a secret; what is none at all stays."""
        if value is None or value is True or value is False:
            return value
        self.room -= len(HIDDEN)
        return HIDDEN

    def sequence(self, value: Any, part: Iterable[Any], length: int) -> Any:
        """Copy the first part of a value that has ``length`` items."""
        if (mark := self.closed(value, length, "list")) is not None:
            return mark
        self.above.append(id(value))
        copy: list[Any] = []
        for item in part:
            if self.room <= 0:
                break
            self.room -= 2
            copy.append(self.copy(item))
        self.above.pop()
        if type(value) is tuple and length == _PAIR and _is_header(value):
            copy[1:] = [HIDDEN]
        if len(copy) < length:
            copy.append(f"{_MORE} {length - len(copy):,} more")
        return copy

    def closed(self, value: object, length: int, name: str) -> str | None:
        """Say why a container is not opened: it holds itself, or lies too deep."""
        if id(value) in self.above:
            return _CIRCULAR
        return f"<{name} of {length:,}>" if length and len(self.above) >= self.depth else None

    def other(self, value: Any, kind: type) -> Any:
        """Copy what is no plain container."""
        self.room -= 1
        if type(kind) is type and (write := EXACT.get(kind)) is not None:
            return write(self, value)
        if issubclass(kind, KNOWN):
            return next(write for base, write in FAMILIES if issubclass(kind, base))(self, value)
        if (held := fields(value, kind)) is not None:
            return self.mapping(value, held)
        return self.copy(array(value, kind) or placeholder(kind))


def _is_secret_pair(entries: dict[Any, Any]) -> bool:
    """Tell ``{"name": "Authorization", "value": …}``, as lists of headers and variables have them."""
    name = dict.get(entries, "name", dict.get(entries, "key"))
    return type(name) is str and is_secret_key(name)


def _is_header(pair: tuple[Any, ...]) -> bool:
    return type(pair[0]) is str and type(pair[1]) is str and is_secret_key(pair[0])
