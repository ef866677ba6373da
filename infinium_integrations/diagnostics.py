"""Our own faults: logged once per cause, counted, never raised into the user's program."""

import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

__all__ = [
    "attempt",
    "attempt_async",
    "contained",
    "contained_or",
    "count",
    "guarded",
    "raising",
    "record",
    "renew_lock",
    "warn_once",
]

logger = logging.getLogger("infinium_integrations")

P = ParamSpec("P")
T = TypeVar("T")

_CAUSES_REMEMBERED = 1_000

_lock = threading.RLock()
_said: set[object] = set()
_count = 0
_raising = False


def renew_lock() -> None:
    """Replace the lock, which a forked child may have inherited locked."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


def raising(*, on: bool) -> None:
    """Make faults raise instead, so that tests see them."""
    global _raising  # noqa: PLW0603
    _raising = on


def count() -> int:
    """Return how many faults of ours were swallowed since the process began."""
    return _count


def warn_once(cause: object, message: str, *details: object) -> None:
    """Log a warning the first time that ``cause`` is seen in this process.

    Args:
        cause: What tells one warning from another.
        message: A text with ``%s`` for each of the details.
        details: What is put there. Control characters, as a server may have sent them, are written as escapes.
    """
    with _lock:
        if cause in _said or len(_said) >= _CAUSES_REMEMBERED:
            return
        _said.add(cause)
    logger.warning(message, *map(_printable, details))


def _printable(detail: object) -> object:
    text = "" if isinstance(detail, int | float) else str(detail)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text) or detail


def record(error: BaseException) -> None:
    """Count a fault and log it once per place and type; under test, raise it.

    The log line has the place and the type, never the message: that may hold the user's data.
    """
    global _count  # noqa: PLW0603
    if _raising:
        raise error
    with _lock:
        _count += 1
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
    warn_once(
        (type(error), where),
        "infinium_integrations has a fault and went on without a part of a trace: %s at %s. Please report it.",
        type(error).__name__,
        where,
    )


class _Contained:
    """Records an exception that its block raises, and goes on behind the block."""

    __slots__ = ("_otherwise",)

    def __init__(self, otherwise: Callable[[], object] | None = None) -> None:
        self._otherwise = otherwise

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        if self._otherwise is not None:
            self._otherwise()
        record(error)
        return True


contained: Final = _Contained()
"""``with contained:`` keeps a fault of ours inside a block; it may be used by any number of threads at once."""


def contained_or(otherwise: Callable[[], object]) -> _Contained:
    """Return a ``contained`` that calls ``otherwise`` before it records the exception."""
    return _Contained(otherwise)


def attempt(function: Callable[P, T], otherwise: Callable[[Exception], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what may raise anything, such as a user's own code, and return what ``otherwise`` makes of the exception."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  (passed to ``otherwise``)
        return otherwise(error)


async def attempt_async(function: Callable[[], Awaitable[T]], otherwise: Callable[[BaseException], T]) -> T:
    """Await a user's own code on a thread of ours, where a SystemExit means no more; a cancellation passes through."""
    try:
        return await function()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (passed to ``otherwise``)
        return otherwise(error)


def guarded(function: Callable[P, object]) -> Callable[P, None]:
    """Wrap an entry from a framework so that no fault of ours goes through it."""

    @functools.wraps(function)
    def entry(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            record(error)

    return entry
