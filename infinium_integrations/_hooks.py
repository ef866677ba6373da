"""Calls upward: how a trace is drawn, how its result is fetched, and which open trace used a prompt.

The package's front door registers all three, so that ``models`` and ``client`` import nothing that stands above them.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["drawn", "interpreted", "prompt_used", "register"]

_hooks: dict[str, Callable[..., Any]] = {}


def register(
    *,
    draw: Callable[[Any], dict[str, str]],
    interpret: Callable[[Any, float, Any], object],
    note_prompt: Callable[[Any], None],
) -> None:
    """Register what returns a trace's MIME bundle, waits (trace, seconds, client) for its result, notes a prompt."""
    _hooks.update(draw=draw, interpret=interpret, note_prompt=note_prompt)


def drawn(task: object) -> dict[str, str]:
    """Return a trace's MIME bundle for a notebook."""
    bundle: dict[str, str] = _hooks["draw"](task)
    return bundle


def interpreted(task: object, timeout: float, client: object) -> Any:
    """Wait for Maestro's result of a trace."""
    return _hooks["interpret"](task, timeout, client)


def prompt_used(use: object) -> None:
    """Note in the open trace, where there is one, that it used a managed prompt."""
    _hooks["note_prompt"](use)
