"""What our threads will need, imported by whoever makes the first handler, client or trace.

An import on a thread of ours, beside the user's own, may hand the user half-imported modules, and a child forked
meanwhile inherits them. So our threads import nothing, of the standard library and of other packages neither.
"""

import importlib
import inspect
import threading

__all__ = ["for_client", "for_sending", "for_writing"]

_WRITING = (
    "infinium_integrations.payload.build",
    "tokenize",  # by ``linecache``, for a line of a stack trace
)
_SENDING = (
    "infinium_integrations.export.transports",
    "encodings.idna",  # by ``getaddrinfo``
    "h11",
    "httpcore",
)
"""What httpx, asyncio and the resolver import at the first request or connection."""

_AWAITING = ("concurrent.futures.thread",)
"""What ``AsyncInfiniumClient`` needs beyond that."""

_loaded: set[tuple[str, ...]] = set()
_lock = threading.RLock()


def for_writing() -> None:
    """Import what the writer needs, and the prices where they are installed."""
    if _WRITING not in _loaded:
        _load(_WRITING)
        from infinium_integrations.payload import cost  # noqa: PLC0415  (as all here)

        cost.load()


def for_sending() -> None:
    """Import what the sender needs, an HTTP client above all."""
    if _SENDING not in _loaded:
        _load(_SENDING)


def for_client(client: object) -> None:
    """Import what the thread of a client of the user's needs."""
    for_sending()
    if _AWAITING not in _loaded and inspect.iscoroutinefunction(getattr(type(client), "send_task_data", None)):
        _load(_AWAITING)


def _load(names: tuple[str, ...]) -> None:
    with _lock:
        for name in names:
            importlib.import_module(name)
        _loaded.add(names)
