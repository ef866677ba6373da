"""What a trace's model calls and does not know: how a trace is drawn, and how its result is fetched.

The package's front door registers both, so that ``models`` imports nothing that stands above it.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["drawn", "interpreted", "register"]

_hooks: dict[str, Callable[..., Any]] = {}


def register(*, draw: Callable[[Any], dict[str, str]], interpret: Callable[[Any, float, Any], object]) -> None:
    """Register what returns a trace's MIME bundle, and what waits (trace, seconds, client) for its result."""
    _hooks.update(draw=draw, interpret=interpret)


def drawn(task: object) -> dict[str, str]:
    """Return a trace's MIME bundle for a notebook."""
    bundle: dict[str, str] = _hooks["draw"](task)
    return bundle


def interpreted(task: object, timeout: float, client: object) -> Any:
    """Wait for Maestro's result of a trace."""
    return _hooks["interpret"](task, timeout, client)
