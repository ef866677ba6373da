"""Calls upward: how a trace is drawn, its result fetched, a prompt noted in the open trace, a framework instrumented.

The package's front door provides them, so that ``models``, ``client`` and ``autostart`` import nothing that stands
above them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["drawn", "framework_arrived", "interpreted", "prompt_used", "provides"]

F = TypeVar("F", bound=Callable[..., object])

_hooks: dict[str, Callable[..., Any]] = {}


def provides(name: str) -> Callable[[F], F]:
    """Register what draws a trace (``draw``), waits for its result (``interpret``), or notes a prompt (``prompt``).

    ``instrument`` is what instruments a framework.
    """

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


def prompt_used(use: object) -> None:
    """Note in the open trace, where there is one, that it used a managed prompt."""
    _hooks["prompt"](use)


def framework_arrived(framework: str) -> None:
    """Instrument a framework that the program has imported."""
    _hooks["instrument"](framework)
