"""What a trace's model calls and does not know: how a trace is drawn, and how its result is fetched.

The package's front door registers both, so that ``models`` imports nothing that stands above it.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["draw_with", "drawn", "interpret_with", "interpreted"]

_hooks: dict[str, Callable[..., Any]] = {}


def draw_with(draw: Callable[[Any], dict[str, str]]) -> None:
    """Register what returns a trace's MIME bundle for a notebook."""
    _hooks["draw"] = draw


def interpret_with(wait: Callable[[Any, float, Any], Any]) -> None:
    """Register what waits for Maestro's result of a trace: it takes the trace, seconds, and a client or None."""
    _hooks["interpret"] = wait


def drawn(task: object) -> dict[str, str]:
    """Return a trace's MIME bundle for a notebook."""
    bundle: dict[str, str] = _hooks["draw"](task)
    return bundle


def interpreted(task: object, timeout: float, client: object) -> Any:
    """Wait for Maestro's result of a trace."""
    return _hooks["interpret"](task, timeout, client)
