"""Calls upward: how a trace is drawn, and what the clients do with traces that this process records.

The package's front door provides them all, so that ``models`` and ``client`` import nothing that stands above them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["decorator", "delivered", "drawn", "interpreted", "prompt_used", "provides"]

F = TypeVar("F", bound=Callable[..., object])

_hooks: dict[str, Callable[..., Any]] = {}


def provides(name: str) -> Callable[[F], F]:
    """Register one of them: ``draw``, ``interpret``, ``prompt``, ``trace`` or ``flush``."""

    def register(hook: F) -> F:
        _hooks[name] = hook
        return hook

    return register


def drawn(task: object) -> dict[str, str]:
    """Return a trace's MIME bundle for a notebook."""
    bundle: dict[str, str] = _hooks["draw"](task)
    return bundle


def interpreted(task: object, timeout: float, client: object) -> Any:
    """Wait for Maestro's result of a trace."""
    return _hooks["interpret"](task, timeout, client)


def decorator(name: str, client: object, *, auto_send: bool, description: str | None) -> Callable[[F], F]:
    """Return a decorator that traces a function and has a client send its traces."""
    made: Callable[[F], F] = _hooks["trace"](name, client, auto_send=auto_send, description=description)
    return made


def delivered(timeout: float) -> bool:
    """Wait until what was recorded is delivered, for so many seconds at most; return whether it is."""
    return bool(_hooks["flush"](timeout))


def prompt_used(use: object) -> None:
    """Note in the open trace, where there is one, that it used a managed prompt."""
    _hooks["prompt"](use)
