"""Every fork hook of the package. The locks of the modules below, which may be held while another thread forks, too."""

import os
from collections.abc import Callable

from infinium_integrations import diagnostics, settings

__all__ = ["OTLP_THREAD", "SENDER_THREAD", "before", "in_child", "renew_locks"]

SENDER_THREAD, OTLP_THREAD = "infinium-sender", "infinium-otlp"


def in_child(hook: Callable[[], None]) -> None:
    """Have a hook called in every forked child, where the system forks at all."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=hook)


def before(hook: Callable[[], None]) -> None:
    """Have a hook called by whoever is about to fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hook)


def renew_locks() -> None:
    """Replace the locks of the modules below, which a forked child may have inherited locked."""
    diagnostics.renew_lock()
    settings.renew_lock()


in_child(renew_locks)
