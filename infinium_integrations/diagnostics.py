"""Our own faults: logged once per cause, counted, never raised into the user's program."""

import contextlib
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

__all__ = [
    "attempt",
    "attempt_apart",
    "contained",
    "contained_or",
    "count",
    "guarded",
    "harmless",
    "in_terminal",
    "is_raising",
    "raising",
    "record",
    "renew_lock",
    "surrounded",
    "tell",
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


def is_raising() -> bool:
    """Return whether faults raise, as under test."""
    return _raising


def raising(*, on: bool) -> None:
    """Make faults raise instead, so that tests see them."""
    global _raising  # noqa: PLW0603
    _raising = on


def count() -> int:
    """Return how many faults of ours were swallowed since the process began."""
    return _count


def in_terminal() -> bool:
    """Return whether stderr is a terminal; one that is closed, or none, is not."""
    try:
        return sys.stderr.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def tell(text: str) -> None:
    """Write to stderr at once; where it is closed, broken or none, nothing is said."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


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
    written: list[object] = []
    for detail in details:
        text = "" if isinstance(detail, int | float) else str(detail)
        written.append("".join(char if char.isprintable() else repr(char)[1:-1] for char in text) or detail)
    logger.warning(message, *written)


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


def attempt_apart(function: Callable[[], T], otherwise: Callable[[BaseException], T]) -> T:
    """Call a user's own code on a thread of ours, where a SystemExit means no more."""
    try:
        return function()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (passed to ``otherwise``)
        return otherwise(error)


def guarded(function: Callable[P, object]) -> Callable[P, None]:
    """Wrap an entry from a framework so that no fault of ours goes through it."""
    return harmless(lambda *_args, **_kwargs: None)(function)  # type: ignore[arg-type]


def harmless(
    otherwise: Callable[..., T], *, passes: tuple[type[Exception], ...] = ()
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Wrap an entry from a user's program so that no fault of ours goes through it.

    Args:
        otherwise: Called with the same arguments where the function failed; what it returns is returned.
        passes: Exceptions that are raised on purpose.
    """

    def wrap(function: Callable[P, T]) -> Callable[P, T]:
        # fmt: off
        @functools.wraps(function)
        def entry(*args: P.args, **kwargs: P.kwargs) -> T:
            try: return function(*args, **kwargs)  # noqa: E701  (so that no line of ours is outside the ``try``)
            except passes: raise  # noqa: E701
            except Exception as error: return _after(error, otherwise, *args, **kwargs)  # noqa: BLE001, E701
        # fmt: on

        return entry

    return wrap


def _after(error: Exception, otherwise: Callable[..., T], *args: object, **kwargs: object) -> T:
    place = error.__traceback__
    if isinstance(error, TypeError) and place is not None and place.tb_next is None:
        raise error  # it was called with other arguments than it has
    record(error)
    return otherwise(*args, **kwargs)


Enter = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
Leave = Callable[[Any, BaseException | None, Any], None]


class _Call:
    """One call of a user's function between two steps of ours, which happens exactly once whatever becomes of those."""

    __slots__ = ("begun", "handle", "raised", "result")

    def __init__(self) -> None:
        self.begun: Any = []
        self.handle: Any = None
        self.raised: BaseException | None = None
        self.result: list[Any] = []

    # the list's two entries stand on one line: the call has begun, or a fault on that line came before it
    def run(self, function: Callable[..., Any], enter: Enter, leave: Leave, args: Any, kwargs: Any) -> Any:
        self.handle = enter(function, args, kwargs)
        try:
            self.result = [self.begun.append(True), function(*args, **kwargs)]
        except BaseException as error:
            self.raised = error if self.begun else None
            leave(self.handle, self.raised, None)
            raise
        leave(self.handle, None, self.result[1])
        return self.result[1]

    async def run_async(self, function: Callable[..., Any], enter: Enter, leave: Leave, args: Any, kwargs: Any) -> Any:
        self.handle = enter(function, args, kwargs)
        try:
            self.result = [self.begun.append(True), await function(*args, **kwargs)]
        except BaseException as error:
            self.raised = error if self.begun else None
            leave(self.handle, self.raised, None)
            raise
        leave(self.handle, None, self.result[1])
        return self.result[1]


def _rescued(call: _Call | None, error: BaseException, otherwise: Callable[[], Any]) -> Any:
    """Return what the user's function returned, raise what it raised, or call it where it was not called yet."""
    if call is not None and error is call.raised:
        raise error
    if not isinstance(error, Exception):
        raise error
    if call is not None and call.begun and not call.result:
        raise call.raised or error.__context__ or error
    record(error)
    return call.result[1] if call is not None and call.result else otherwise()


def surrounded(function: Callable[..., Any], enter: Enter, leave: Leave) -> Callable[..., Any]:
    """Return a function that does something of ours before and after the user's, whose result and exception stay.

    Args:
        function: A function or coroutine function of the user's.
        enter: Called before with the function, its arguments and its keyword arguments; it may fail.
        leave: Called after with what ``enter`` returned, the exception and the result; it may fail.
    """

    # fmt: off
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try: return (call := _Call()).run(function, enter, leave, args, kwargs)  # noqa: E701
        except BaseException as error: return _rescued(locals().get("call"), error, lambda: function(*args, **kwargs))  # noqa: BLE001, E701

    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        try: return await (call := _Call()).run_async(function, enter, leave, args, kwargs)  # noqa: E701
        except BaseException as error:  # noqa: BLE001
            found = _rescued(locals().get("call"), error, lambda: function(*args, **kwargs))
            return await found if inspect.iscoroutine(found) else found
    # fmt: on

    return async_wrapper if inspect.iscoroutinefunction(function) else wrapper
