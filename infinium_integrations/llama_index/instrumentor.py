"""Tracing every LlamaIndex run of the process, for ``instrument()``."""

import threading
from typing import Unpack

from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.llama_index.handler import any_registered
from infinium_integrations.recording.options import HandlerOptions

__all__ = ["instrument", "instrument_at_first_run", "instrumented", "uninstrument"]

_lock = threading.Lock()
_handler: InfiniumEventHandler | None = None


def instrument(**options: Unpack[HandlerOptions]) -> None:
    """Trace every run; options are those of ``InfiniumEventHandler``. Called again, it changes the options."""
    _put(InfiniumEventHandler(**options))


def instrument_at_first_run() -> None:
    """Trace every run, by a handler that is ready when the first begins; a malformed setting is a warning there."""
    if _handler is None:
        _put(InfiniumEventHandler.at_first_run())


def _put(handler: InfiniumEventHandler) -> None:
    global _handler
    with _lock:
        before, _handler = _handler, handler.register()
        if before is not None:
            before.unregister()


def uninstrument() -> None:
    """Stop tracing runs that start from now on; open ones are finished."""
    global _handler
    with _lock:
        before, _handler = _handler, None
        if before is not None:
            before.unregister()


def instrumented() -> bool:
    """Return whether every run is traced, by ``instrument`` or by a registered handler."""
    return _handler is not None or any_registered()
