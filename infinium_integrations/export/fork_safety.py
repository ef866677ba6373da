"""Every fork hook of the package, and a gate between forking and our threads' imports.

A child that is forked while another thread imports a module inherits a half-imported module.
"""

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["SENDER_THREAD", "importing", "in_child"]

SENDER_THREAD = "infinium-sender"

FORK_SECONDS = 5.0
"""Seconds that a fork waits at most."""

_gate = threading.RLock()
"""Held by our threads while they import."""


def importing() -> AbstractContextManager[object]:
    """Return what our threads hold while they import, so that nothing forks meanwhile."""
    return _gate


def _before() -> None:
    global _held  # noqa: PLW0603
    _held = _gate.acquire(timeout=FORK_SECONDS)


def _in_parent() -> None:
    if _held:
        _gate.release()


def _in_child() -> None:
    global _gate  # noqa: PLW0603
    _gate = threading.RLock()


def in_child(hook: Callable[[], None]) -> None:
    """Have a hook called in every forked child, where the system forks at all."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=hook)


_held = False
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
