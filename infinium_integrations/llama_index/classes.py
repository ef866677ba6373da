"""LlamaIndex's classes, recognised by their names: what they hold is read where it lies."""

import weakref

__all__ = ["fields", "is_a", "names"]

_OWNERS = {"llama_index", "workflows", "llama_index_instrumentation"}

_names: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()
_lasting: dict[type, frozenset[str]] = {}
"""The framework's own classes and Python's; a class of the user's is not kept alive."""


def names(kind: type) -> frozenset[str]:
    """Return the names of the framework's classes that a class is one of."""
    known = _lasting.get(kind)
    if known is None:
        known = _names.get(kind)
    if known is None:
        known = frozenset(base.__name__ for base in kind.__mro__ if _owner(base) in _OWNERS)
        if _owner(kind) in {*_OWNERS, "builtins"}:
            _lasting[kind] = known
        else:
            _names[kind] = known
    return known


def _owner(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def is_a(value: object, name: str) -> bool:
    """Return whether a value is an instance of the framework's class of that name."""
    return name in names(type(value))


def fields(value: object) -> dict[str, object]:
    """Return the fields of an event: those declared and those only set."""
    held = dict(getattr(value, "__dict__", None) or {})
    private = getattr(value, "__pydantic_private__", None)
    more = private.get("_data") if isinstance(private, dict) else None
    return {**held, **more} if isinstance(more, dict) else held
