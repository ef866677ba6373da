"""How values of each known type are written for a preview, without calling anything of a user's class."""

import sys
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import isfinite
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from infinium_integrations.capture.serializer import Copier

__all__ = ["EXACT", "FAMILIES", "KNOWN", "array", "fields", "placeholder"]

_ITEMS = 200
_INT_BITS = 256
_NAME_LENGTH = 100

Writer = Callable[["Copier", Any], Any]


def placeholder(kind: type) -> str:
    """Give ``<ClassName>``."""
    return f"<{name_of(kind)[:_NAME_LENGTH]}>"


name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def class_value(kind: type, name: str) -> Any:
    """Read a class's attribute without calling anything of the class or its metaclass."""
    return next((found for base in bases_of(kind) if (found := base.__dict__.get(name)) is not None), None)


def _integer(copier: "Copier", value: int) -> Any:
    bits = int.bit_length(value)
    if bits > _INT_BITS:
        return copier.text(f"<int of about {int(bits * 0.30103) + 1:,} digits>")
    copier.room -= bits // 4
    return int(value)


def _float(copier: "Copier", value: float) -> Any:
    number = float.__float__(value)
    text = float.__repr__(number)
    copier.room -= len(text)
    return number if isfinite(number) else text.replace("inf", "Infinity").replace("nan", "NaN")


def _constant(_: "Copier", value: object) -> Any:
    return value


def _written(copier: "Copier", value: object) -> str:
    return copier.text(str(value))


def _moment(copier: "Copier", value: datetime) -> str:
    if type(value.tzinfo) not in {timezone, ZoneInfo, type(None)}:
        value = value.replace(tzinfo=None)  # the user's own time zone would have to be asked
    return copier.text(value.isoformat())


def _day(copier: "Copier", value: date) -> str:
    return copier.text(value.isoformat())


def _bytes(copier: "Copier", value: Any) -> str:
    return copier.text(f"<{name_of(type(value))} {memoryview(value).nbytes}>")


def _string(copier: "Copier", value: str) -> Any:
    if "secret" in name_of(type(value)).lower():
        return copier.hide(value)
    return copier.text(str.__getitem__(value, slice(0, copier.chars + 1)))


def _member(copier: "Copier", value: Enum) -> Any:
    kind = type(value)
    inner = object.__getattribute__(value, "__dict__").get("_value_")
    if issubclass(kind, str | int) and type(inner) in {str, int}:
        return copier.copy(inner)
    return copier.text(f"{name_of(kind)}.{object.__getattribute__(value, '__dict__').get('_name_')}")


def _dict(copier: "Copier", value: dict[Any, Any]) -> Any:
    return copier.mapping(value, value)


def _sequence(base: Any) -> Writer:
    def write(copier: "Copier", value: Any) -> Any:
        part = tuple(islice(base.__iter__(value), copier.items))
        return copier.sequence(value, part, base.__len__(value))

    return write


def _tuple(copier: "Copier", value: tuple[Any, ...]) -> Any:
    names = class_value(type(value), "_fields")
    part = tuple(islice(tuple.__iter__(value), copier.items))
    if type(names) is tuple and len(names) == tuple.__len__(value):
        return copier.mapping(value, dict(zip(names, part, strict=False)))
    return copier.sequence(value, part, tuple.__len__(value))


def _error(copier: "Copier", value: BaseException) -> str:
    parts = BaseException.__dict__["args"].__get__(value)
    said = ", ".join(str(part)[: copier.chars] for part in parts[:5] if type(part) in {str, int, float, bool})
    name = name_of(type(value))
    return copier.text(f"{name}: {said}" if said else name)


def _class(copier: "Copier", value: type) -> str:
    return copier.text(f"<class {name_of(value)[:_NAME_LENGTH]}>")


def _function(copier: "Copier", value: Any) -> str:
    return copier.text(f"<function {value.__name__[:_NAME_LENGTH]}>")


def _namespace(copier: "Copier", value: SimpleNamespace) -> Any:
    return copier.mapping(value, value.__dict__)


_NONE: dict[str, Any] = {}
_VIEWS: tuple[type, ...] = (type(_NONE.keys()), type(_NONE.values()), type(_NONE.items()))
EXACT: dict[type, Writer] = {
    int: _integer,
    float: _float,
    bool: _constant,
    type(None): _constant,
    datetime: _moment,
    date: _day,
    time: _moment,
    SimpleNamespace: _namespace,
    FunctionType: _function,
    BuiltinFunctionType: _function,
    **dict.fromkeys((UUID, Decimal, timedelta, complex, range), _written),
    **dict.fromkeys((PosixPath, PurePosixPath, WindowsPath, PureWindowsPath), _written),
    **{kind: _sequence(kind) for kind in _VIEWS},
}
FAMILIES: tuple[tuple[type, Writer], ...] = (
    (Enum, _member),
    (str, _string),
    (dict, _dict),
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
    (type, _class),
)
KNOWN = tuple(base for base, _ in FAMILIES)
_FIRST = ("page_content", "content", "text")


def fields(value: object, kind: type) -> dict[Any, Any] | None:
    """Give the fields of a pydantic model or a dataclass as they lie in it; None for anything else."""
    for base in bases_of(kind):
        known = base.__dict__
        if "__dataclass_fields__" in known:
            return _of_dataclass(value, kind, known["__dataclass_fields__"])
        if "__pydantic_complete__" in known or "__fields_set__" in known:
            return _of_model(value, kind)
    return None


def _of_dataclass(value: object, kind: type, known: dict[str, Any]) -> dict[Any, Any]:
    held = {name: _held(value, kind, name) for name, field in islice(known.items(), _ITEMS) if field.repr}
    return {name: item for name, item in held.items() if item is not _ABSENT}


def _of_model(value: object, kind: type) -> dict[Any, Any]:
    """Give a model's fields that are not empty, what it says first: a message's content before its ids."""
    held: dict[str, Any] = object.__getattribute__(value, "__dict__")
    first = {name: held[name] for name in _FIRST if name in held}
    first.update((name, item) for name, item in islice(held.items(), _ITEMS) if not _is_empty(item))
    extra = _held(value, kind, "__pydantic_extra__")
    return first | extra if type(extra) is dict else first


_ABSENT: Any = object()
_SLOT = MemberDescriptorType


def _held(value: object, kind: type, name: str) -> Any:
    slot = class_value(kind, name)
    if type(slot) is _SLOT:
        try:
            return slot.__get__(value)
        except AttributeError:
            return _ABSENT
    return object.__getattribute__(value, "__dict__").get(name, _ABSENT)


def _is_empty(item: object) -> bool:
    return item is None or (type(item) in {str, list, dict, tuple, set} and not item)


def array(value: Any, kind: type) -> Any:
    """Give type and shape of an array, a table or a picture whose library is loaded; a NumPy number as a number."""
    for library, name in (("numpy", "ndarray"), ("pandas", "DataFrame"), ("pandas", "Series"), ("torch", "Tensor")):
        if kind is getattr(sys.modules.get(library), name, None):
            return f"<{name} {tuple(value.shape)} {_kind(value)}".rstrip() + ">"
    numpy: Any = sys.modules.get("numpy")
    if numpy and getattr(numpy, "generic", None) in bases_of(kind):
        return number if type(number := value.item()) in {int, float, bool} else str(value)
    picture = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return f"<{name_of(kind)} {value.size[0]} x {value.size[1]}>" if picture and picture in bases_of(kind) else None


def _kind(value: Any) -> str:
    return "" if len(value.shape) > 1 and hasattr(value, "columns") else str(value.dtype)[:_NAME_LENGTH]
