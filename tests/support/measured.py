"""How much our callbacks allocate in the caller's thread."""

import functools
import tracemalloc

import pytest

from infinium_integrations.payload import cost

SIZES = [10_000_000, pytest.param(100_000_000, marks=pytest.mark.full)]
"""Characters of a picture inside a message."""
ALLOWED = 1_000_000
"""Bytes that a callback may hold for a moment: far less than one copy of the picture."""


def measured(monkeypatch, kind, *names):
    """Have methods of a class measured; return the list of their names and of the most bytes that each call held."""
    peaks = []
    cost.load()  # `captured_traces()` puts traces together, prices included, in the caller's thread

    def measure(name, method):
        @functools.wraps(method)
        def wrapper(*args, **kwargs):
            if tracemalloc.is_tracing():  # one inside another is measured with that
                return method(*args, **kwargs)
            tracemalloc.start()
            try:
                return method(*args, **kwargs)
            finally:
                peaks.append((name, tracemalloc.get_traced_memory()[1]))
                tracemalloc.stop()

        return wrapper

    for name in names:
        monkeypatch.setattr(kind, name, measure(name, getattr(kind, name)))
    return peaks
