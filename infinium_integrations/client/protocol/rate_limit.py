"""A token bucket that holds across threads."""

import os
import threading
import time
from collections.abc import Callable

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets ``rate`` requests a second through, and ``burst`` at once.

    It never sleeps: ``take()`` reserves a place and says how many seconds to wait for it.
    """

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock()
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def take(self) -> float:
        """Reserve one request and give the seconds to wait before it may start."""
        if self._pid != os.getpid():  # a lock held at the moment of a fork would stay held in the child
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self._burst), self._tokens + (now - self._filled) * self._rate) - 1.0
            self._filled = now
            return max(0.0, -self._tokens / self._rate)
