"""Ids and jitter from sources of our own: ``uuid`` and ``random`` of the user's process may be patched or seeded."""

import os
import random
from uuid import UUID

__all__ = ["chance", "new_id"]

_source = random.SystemRandom()  # without a state, so that forked workers don't wait the same time


def chance() -> float:
    """Return a random number from 0 to below 1."""
    return _source.random()


def new_id() -> UUID:
    """Return a new random UUID."""
    return UUID(bytes=os.urandom(16), version=4)
