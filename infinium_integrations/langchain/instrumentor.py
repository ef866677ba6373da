"""Tracing every LangChain run of the process, through LangChain's public configure hook.

A hook cannot be taken away again, so it is registered once and what it returns is switched. A plain object with
``get()`` serves in raw threads too, where a context variable would not.
"""

import threading
from typing import Any, Unpack, cast

from langchain_core.tracers.context import register_configure_hook

from infinium_integrations.diagnostics import guarded, warn_once
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.langchain.handler import InfiniumCallbackHandler
from infinium_integrations.recording.options import HandlerOptions

__all__ = ["instrument", "instrument_at_first_run", "instrumented", "uninstrument"]


class _Switch:
    handler: InfiniumCallbackHandler | None = None
    registered = False
    waits = False
    """Whether the handler is made at the first run."""

    def get(self) -> InfiniumCallbackHandler | None:
        if self.waits:
            _begin()
        return self.handler


_switch = _Switch()
_lock = threading.Lock()


def instrument(**options: Unpack[HandlerOptions]) -> None:
    """Trace every run; options are those of ``InfiniumCallbackHandler``. Called again, it changes the options."""
    handler = InfiniumCallbackHandler(**options)
    with _lock:
        _switch.handler, _switch.waits = handler, False
        _register()


def instrument_at_first_run() -> None:
    """Trace every run, by a handler that is made when the first begins; a malformed setting is a warning there."""
    with _lock:
        if _switch.handler is None:
            _switch.waits = True
            _register()


def _register() -> None:
    if not _switch.registered:
        register_configure_hook(cast("Any", _switch), inheritable=True, handle_class=InfiniumCallbackHandler)
        _switch.registered = True


@guarded
def _begin() -> None:
    """Make the handler. No lock, which a forked child might inherit locked: of two threads, either's handler serves."""
    try:
        handler = InfiniumCallbackHandler()
    except ConfigurationError as error:
        handler = None
        warn_once("instrument", "LangChain's runs are not traced: %s", error)
    if _switch.waits:
        _switch.handler, _switch.waits = handler, False


def uninstrument() -> None:
    """Stop tracing runs that start from now on; open ones are finished."""
    with _lock:
        _switch.handler, _switch.waits = None, False


def instrumented() -> bool:
    """Return whether every run is traced."""
    return _switch.waits or _switch.handler is not None
