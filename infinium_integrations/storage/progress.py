"""One line that says how far the reading of many traces is, for a person who waits at a terminal or in a notebook."""

import contextlib
import sys
import time

__all__ = ["ProgressLine"]

AFTER, EVERY = 1.0, 0.2
"""Seconds until it is shown, and between two changes of it."""


class ProgressLine:
    """Writes to stderr, in one line that is written over; nothing where nobody looks, and nothing of what is quick."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Say that so many are done of all; at the end the line is taken away."""
        now = time.monotonic()
        if done >= total:
            self._write(" " * 79 + "\r" if self._shown else "")
        elif now - self._begun > AFTER and now - self._last > EVERY:
            self._last, self._shown = now, True
            self._write(f"Reading traces for the search: {done:,} of {total:,}, once".ljust(79) + "\r")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream that is closed, or none
            if text and (sys.stderr.isatty() or "ipykernel" in sys.modules):
                sys.stderr.write(text)
                sys.stderr.flush()
