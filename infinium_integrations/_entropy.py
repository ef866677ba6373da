"""Ids and jitter from sources of our own: ``uuid`` and ``random`` of the user's process may be patched or seeded."""

import os
import random
from uuid import UUID

__all__ = ["chance", "new_id"]

chance = random.SystemRandom().random
"""Return a number from 0 to below 1; without a state, so that forked workers don't wait the same time."""


def new_id() -> UUID:
    """Return a new random UUID."""
    return UUID(bytes=os.urandom(16), version=4)
