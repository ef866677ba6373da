"""Tracing every LangChain run of the process, through LangChain's public configure hook.

A hook cannot be taken away again, so it is registered once and what it returns is switched. A plain object with
``get()`` serves in raw threads too, where a context variable would not.
"""

import threading
from typing import Any, Unpack, cast

from langchain_core.tracers.context import register_configure_hook

from infinium_integrations.langchain.handler import InfiniumCallbackHandler
from infinium_integrations.recording.options import HandlerOptions

__all__ = ["instrument", "instrumented", "uninstrument"]


class _Switch:
    handler: InfiniumCallbackHandler | None = None
    registered = False

    def get(self) -> InfiniumCallbackHandler | None:
        return self.handler


_switch = _Switch()
_lock = threading.Lock()


def instrument(**options: Unpack[HandlerOptions]) -> None:
    """Trace every run; options are those of ``InfiniumCallbackHandler``. Called again, it changes the options."""
    handler = InfiniumCallbackHandler(**options)
    with _lock:
        _switch.handler = handler
        if not _switch.registered:
            register_configure_hook(cast("Any", _switch), inheritable=True, handle_class=InfiniumCallbackHandler)
            _switch.registered = True


def uninstrument() -> None:
    """Stop tracing runs that start from now on; open ones are finished."""
    _switch.handler = None


def instrumented() -> bool:
    """Return whether every run is traced."""
    return _switch.handler is not None
