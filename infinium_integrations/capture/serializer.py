"""Bounded copies of anything, out of dict, list, str, int, float, bool and None.

How each known type is written stands at the end; nothing of a user's class is called.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import isfinite
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, SimpleNamespace
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from infinium_integrations import diagnostics
from infinium_integrations.capture import media
from infinium_integrations.redaction.key_names import (
    HIDDEN,
    Cut,
    Redacted,
    harmless_value,
    hidden,
    hides,
    is_secret_key,
)

__all__ = ["Copier", "encode", "fields_of"]

ITEMS: Final = 200
DEPTH: Final = 10
SHORT: Final = 255
"""A string up to this length is no picture, unless it is a data URL."""
NUMBERS: Final = frozenset({int, float, bool})
LARGE: Final = 2**63
"""A number from here on is no plain one: it may have any length."""

_CIRCULAR = "<circular>"
_MORE = "…"
_PAIR = 2
_UNREADABLE = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, MemoryError)
"""What even a plain value may raise: it changes under our hands, it is half made, the stack is full."""

encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class Copier:
    """Copies one value into plain JSON types until its room is used up.

    What it counts is never more than is written, so that a text made of the copy is as long as was wanted.
    """

    __slots__ = ("above", "chars", "depth", "items", "room", "whole")

    def __init__(self, room: int, *, chars: int, whole: bool = False, items: int = ITEMS, depth: int = DEPTH) -> None:
        self.room = room
        self.chars = chars
        self.whole = whole  # a string that no longer fits is left out, not cut: half a secret could not be recognised
        self.items = items
        self.depth = depth
        self.above: list[int] = []

    def copy(self, value: Any) -> object:
        """Copy one value and what it holds; what can't be read becomes ``<ClassName>``."""
        kind = type(value)
        try:
            if kind is str:
                return self.text(value)
            if kind is dict:
                return self.mapping(value, value)
            if kind is list or kind is tuple:
                return self.sequence(value, value[: self.items], len(value))
            if kind is int and -LARGE < value < LARGE:
                self.room -= 1
                return value
            return self.other(value, kind)
        except _UNREADABLE:
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

    def mapping(self, value: object, entries: dict[object, object]) -> object:
        """Copy the entries of a value, without what stands under secret keys."""
        length = dict.__len__(entries)
        if (mark := self.closed(value, length, "dict")) is not None:
            return mark
        if dict.__contains__(entries, "type") and (mark := media.block(entries)) is not None:
            return self.text(mark)
        self.above.append(id(value))
        copy: dict[str, object] = {}
        for key, item in tuple(islice(dict.items(entries), self.items)):
            if self.room <= 0:
                break
            name = key if type(key) is str and len(key) <= SHORT else self.key(key)
            self.room -= len(name) + 6
            copy[name] = self.hide(item) if hides(entries, name, item) else self.copy(item)
        self.above.pop()
        if len(copy) < length:
            copy[_MORE] = f"{length - len(copy):,} more"
        return copy

    def key(self, key: Any) -> str:
        """Return a key as text, as JSON has it."""
        kind = type(key)
        if kind is str:
            return self.text(key)
        if key is None or kind in NUMBERS:
            return encode(key)
        text = self.copy(key)
        return text if type(text) is str else encode(text)

    def hide(self, value: object = None) -> object:
        """Return what stands for a secret."""
        found = hidden(value)
        if found is not HIDDEN:
            return self.copy(found)
        self.room -= len(HIDDEN)
        return HIDDEN

    def sequence(self, value: Any, part: Iterable[object], length: int) -> object:
        """Copy the first part of a value that has ``length`` items."""
        if (mark := self.closed(value, length, "list")) is not None:
            return mark
        self.above.append(id(value))
        copy: list[object] = []
        for item in part:
            if self.room <= 0:
                break
            self.room -= 2
            copy.append(
                [self.copy(item[0]), HIDDEN] if type(item) is list and _is_secret_pair(item) else self.copy(item)
            )
        self.above.pop()
        if type(value) is tuple and _is_secret_pair(value):
            copy[1:] = [HIDDEN]
        if len(copy) < length:
            copy.append(f"{_MORE} {length - len(copy):,} more")
        return copy

    def closed(self, value: object, length: int, name: str) -> str | None:
        """Say why a container is not opened: it holds itself, or lies too deep."""
        if id(value) in self.above:
            return _CIRCULAR
        return f"<{name} of {length:,}>" if length and len(self.above) >= self.depth else None

    def other(self, value: object, kind: type) -> object:
        """Copy what is no plain container; reading a value of a user's class may raise anything."""
        self.room -= 1
        if type(kind) is type and (exact := _EXACT.get(kind)) is not None:
            return exact(self, value)
        copy = diagnostics.attempt(self.unknown, _failed, value, kind)
        return placeholder(kind) if copy is _FAILED else copy

    def unknown(self, value: object, kind: type) -> object:
        """Copy a value of a class that is not known by itself, by what it is a kind of."""
        if issubclass(kind, _KNOWN):
            return next(write for base, write in _FAMILIES if issubclass(kind, base))(self, value)
        if (held := fields_of(value, kind)) is not None:
            return self.mapping(value, held)
        return self.copy(_array(value, kind) or placeholder(kind))

    def whole_value(self, value: object) -> object:
        """Copy a value, whatever reading it raises."""
        copy = diagnostics.attempt(self.copy, _failed, value)
        return placeholder(type(value)) if copy is _FAILED else copy


_FAILED: Final = object()


def _failed(_: Exception) -> object:
    return _FAILED


def _is_secret_pair(value: Sequence[object]) -> bool:
    """Recognise ``("Authorization", …)``: a tuple, or a list in a list. A list by itself may be one of names."""
    if len(value) != _PAIR or type(value[0]) is not str or type(value[1]) is not str:
        return False
    return is_secret_key(value[0]) and not harmless_value(value[0], value[1])


# -- how each known type is written

_INT_BITS = 256
_NAME_LENGTH = 100

Writer = Callable[[Copier, Any], object]


def placeholder(kind: type) -> str:
    """Return ``<ClassName>``."""
    return f"<{name_of(kind)[:_NAME_LENGTH]}>"


name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def class_value(kind: type, name: str) -> object:
    """Read a class's attribute without calling anything of the class or its metaclass."""
    return next((found for base in bases_of(kind) if (found := base.__dict__.get(name)) is not None), None)


def _integer(copier: Copier, value: int) -> object:
    bits = int.bit_length(value)
    if bits > _INT_BITS:
        return copier.text(f"<int of about {int(bits * 0.30103) + 1:,} digits>")
    copier.room -= bits // 4
    return int(value)


def _float(copier: Copier, value: float) -> object:
    number = float.__float__(value)
    text = float.__repr__(number)
    copier.room -= len(text)
    return number if isfinite(number) else text.replace("inf", "Infinity").replace("nan", "NaN")


def _constant(_: Copier, value: object) -> object:
    return value


def _written(copier: Copier, value: object) -> str:
    return copier.text(str(value))


def _as_it_is(copier: Copier, value: str) -> str:
    copier.room -= len(value) + 2
    return value


def _moment(copier: Copier, value: datetime) -> str:
    if type(value.tzinfo) not in {timezone, ZoneInfo, type(None)}:
        value = value.replace(tzinfo=None)  # the user's own time zone would have to be asked
    return copier.text(value.isoformat())


def _bytes(copier: Copier, value: Any) -> str:
    return copier.text(f"<{name_of(type(value))} {memoryview(value).nbytes}>")


def _string(copier: Copier, value: str) -> object:
    if "secret" in name_of(type(value)).lower():
        return copier.hide()
    return copier.text(str.__getitem__(value, slice(0, copier.chars + 1)))


def _member(copier: Copier, value: Enum) -> object:
    kind = type(value)
    inner = object.__getattribute__(value, "__dict__").get("_value_")
    if issubclass(kind, str | int) and type(inner) in {str, int}:
        return copier.copy(inner)
    return copier.text(f"{name_of(kind)}.{object.__getattribute__(value, '__dict__').get('_name_')}")


def _sequence(base: Any) -> Writer:
    def write(copier: Copier, value: object) -> object:
        part = tuple(islice(base.__iter__(value), copier.items))
        return copier.sequence(value, part, base.__len__(value))

    return write


def _tuple(copier: Copier, value: tuple[object, ...]) -> object:
    names = class_value(type(value), "_fields")
    part = tuple(islice(tuple.__iter__(value), copier.items))
    if type(names) is tuple and len(names) == tuple.__len__(value):
        return copier.mapping(value, dict(zip(names, part, strict=False)))
    return copier.sequence(value, part, tuple.__len__(value))


def _error(copier: Copier, value: BaseException) -> str:
    parts = BaseException.__dict__["args"].__get__(value)
    known = copier.copy(tuple([part for part in parts[:5] if type(part) in {str, int, float, bool}]))
    said = ", ".join(map(str, known)) if type(known) is list else ""
    name = name_of(type(value))
    return copier.text(f"{name}: {said}" if said else name)


def _function(copier: Copier, value: Any) -> str:
    return copier.text(f"<function {value.__name__[:_NAME_LENGTH]}>")


_NONE: dict[str, object] = {}
_VIEWS: tuple[type, ...] = (type(_NONE.keys()), type(_NONE.values()), type(_NONE.items()))
_EXACT: dict[type, Writer] = {
    int: _integer,
    float: _float,
    bool: _constant,
    type(None): _constant,
    Redacted: _as_it_is,
    Cut: _as_it_is,
    datetime: _moment,
    date: lambda copier, value: copier.text(value.isoformat()),
    time: _moment,
    SimpleNamespace: lambda copier, value: copier.mapping(value, value.__dict__),
    FunctionType: _function,
    BuiltinFunctionType: _function,
    **dict.fromkeys((UUID, Decimal, timedelta, complex, range), _written),
    **dict.fromkeys((PosixPath, PurePosixPath, WindowsPath, PureWindowsPath), _written),
    **{kind: _sequence(kind) for kind in _VIEWS},
}
_FAMILIES: tuple[tuple[type, Writer], ...] = (
    (Enum, _member),
    (str, _string),
    (dict, lambda copier, value: copier.mapping(value, value)),
    (list, _sequence(list)),
    (tuple, _tuple),
    (set, _sequence(set)),
    (frozenset, _sequence(frozenset)),
    (deque, _sequence(deque)),
    (int, _integer),
    (float, _float),
    (BaseException, _error),
    (bytes, _bytes),
    (bytearray, _bytes),
    (memoryview, _bytes),
    (type, lambda copier, value: copier.text(f"<class {name_of(value)[:_NAME_LENGTH]}>")),
)
_KNOWN = tuple(base for base, _ in _FAMILIES)
_MAY_BE_EMPTY = frozenset({type(None), str, list, dict, tuple, set})
_FIRST = ("page_content", "content", "text")


def fields_of(value: object, kind: type) -> dict[object, object] | None:
    """Return the fields of a pydantic model or a dataclass as they lie in it; None for anything else."""
    for base in bases_of(kind):
        known = base.__dict__
        if "__dataclass_fields__" in known:
            names = [name for name, field in islice(known["__dataclass_fields__"].items(), ITEMS) if field.repr]
            return {name: item for name in names if (item := _held(value, kind, name)) is not _ABSENT}
        if "__pydantic_complete__" in known or "__fields_set__" in known:
            held: dict[str, object] = object.__getattribute__(value, "__dict__")
            # what a model says first: a message's content before its ids; empty fields are left out
            first: dict[Any, object] = {name: held[name] for name in _FIRST if name in held}
            first.update(
                (name, item) for name, item in islice(held.items(), ITEMS) if type(item) not in _MAY_BE_EMPTY or item
            )
            extra = _held(value, kind, "__pydantic_extra__")
            return first | extra if type(extra) is dict else first
    return None


_ABSENT: object = object()


def _held(value: object, kind: type, name: str) -> object:
    slot = class_value(kind, name)
    if type(slot) is MemberDescriptorType:
        try:
            return slot.__get__(value)
        except AttributeError:
            return _ABSENT
    return object.__getattribute__(value, "__dict__").get(name, _ABSENT)


def _array(value: Any, kind: type) -> object:
    """Return type and shape of an array, a table or a picture whose library is loaded; a NumPy number as a number."""
    for library, name in (("numpy", "ndarray"), ("pandas", "DataFrame"), ("pandas", "Series"), ("torch", "Tensor")):
        if kind is getattr(sys.modules.get(library), name, None):
            table = len(value.shape) > 1 and hasattr(value, "columns")
            return f"<{name} {tuple(value.shape)} {'' if table else str(value.dtype)[:_NAME_LENGTH]}".rstrip() + ">"
    numpy: object = sys.modules.get("numpy")
    if numpy and getattr(numpy, "generic", None) in bases_of(kind):
        return number if type(number := value.item()) in {int, float, bool} else str(value)
    picture = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return f"<{name_of(kind)} {value.size[0]} x {value.size[1]}>" if picture and picture in bases_of(kind) else None
