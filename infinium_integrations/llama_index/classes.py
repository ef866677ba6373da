"""LlamaIndex's classes, recognised by their names: what they hold is read where it lies."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["OfClass", "fields", "is_a", "names"]

T = TypeVar("T")

_OWNERS = {"llama_index", "workflows", "llama_index_instrumentation"}
_LASTING = {*_OWNERS, "builtins"}


class OfClass(Generic[T]):
    """What is found out once of each class; a class of the user's is not kept alive.

    Args:
        find: Finds it out.
    """

    def __init__(self, find: Callable[[type], T]) -> None:
        self._find = find
        self._lasting: dict[type, T] = {}
        """Of the framework's own classes and Python's."""
        self._others: weakref.WeakKeyDictionary[type, T] = weakref.WeakKeyDictionary()

    def of(self, kind: type) -> T:
        """Return what is known of a class."""
        if kind in self._lasting:
            return self._lasting[kind]
        if kind in self._others:
            return self._others[kind]
        found = self._find(kind)
        (self._lasting if _owner(kind) in _LASTING else self._others)[kind] = found
        return found


def _names(kind: type) -> frozenset[str]:
    return frozenset(base.__name__ for base in kind.__mro__ if _owner(base) in _OWNERS)


def _owner(kind: type) -> str:
    return kind.__module__.partition(".")[0]


names = OfClass(_names).of
"""Returns the names of the framework's classes that a class is one of."""


def is_a(value: object, name: str) -> bool:
    """Return whether a value is an instance of the framework's class of that name."""
    return name in names(type(value))


def fields(value: object) -> dict[str, object]:
    """Return the fields of an event: those declared and those only set."""
    held = dict(getattr(value, "__dict__", None) or {})
    private = getattr(value, "__pydantic_private__", None)
    more = private.get("_data") if isinstance(private, dict) else None
    return {**held, **more} if isinstance(more, dict) else held
