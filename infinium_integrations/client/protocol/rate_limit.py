"""How fast requests may start: a token bucket with a fixed rate, and one whose rate follows the platform's answers."""

import os
import threading
import time
from collections.abc import Callable

__all__ = ["START_RATE", "AdaptiveRateLimiter", "TokenBucket"]

START_RATE, SLOWEST_RATE = 10.0, 0.5
"""Requests a second: what the platform documents, and what is left after any number of 429s."""
BURST_SECONDS = 2.0
"""An adaptive limiter's burst, in seconds of its rate."""


class TokenBucket:
    """Lets ``rate`` requests a second through, and ``burst`` at once; any thread may call it.

    It never sleeps: ``take()`` reserves a place and returns how many seconds to wait for it.
    """

    def __init__(self, rate: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock()
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def take(self) -> float:
        """Reserve one request and return the seconds to wait before it may start."""
        if self._pid != os.getpid():  # a lock held at the moment of a fork would stay held in the child
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self.burst), self._tokens + (now - self._filled) * self.rate) - 1.0
            self._filled = now
            return max(0.0, -self._tokens / self.rate)


class AdaptiveRateLimiter(TokenBucket):
    """A token bucket that starts at 10 a second with bursts of 20, speeds up with every success and halves on 429.

    Its rate must only be changed with the sender's lock held.

    Args:
        ceiling: The highest rate it may reach, in requests a second.
        start: The rate that it begins with.
    """

    def __init__(
        self, ceiling: float, *, start: float = START_RATE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ceiling = ceiling
        rate = min(start, ceiling)
        super().__init__(rate, max(1.0, rate * BURST_SECONDS), clock=clock)

    def limit(self, ceiling: float) -> None:
        """Set another ceiling."""
        self._ceiling = ceiling
        self._change(self.rate)

    def faster(self) -> None:
        """Speed up by one request a second after a success."""
        self._change(self.rate + 1.0)

    def slower(self) -> None:
        """Halve the rate after a 429, and forgo what is left of the burst."""
        self._change(max(SLOWEST_RATE, self.rate / 2.0))
        self._tokens = min(self._tokens, 0.0)

    def _change(self, rate: float) -> None:
        self.rate = min(self._ceiling, rate)
        self.burst = max(1.0, self.rate * BURST_SECONDS)
