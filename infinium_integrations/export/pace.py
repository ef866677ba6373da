"""How fast, and when again: the sender's own pace, and its pauses after a failure. No I/O."""

import random
import time
from collections.abc import Callable

from infinium_integrations.client.protocol.retry import RETRY_AFTER_LIMIT, backoff

__all__ = ["AdaptiveRateLimiter", "RetrySchedule"]

START = 10.0
"""Requests a second, as the platform documents."""
BURST = 2.0
"""Seconds of the pace that may be sent at once."""
SLOWEST = 0.5

PROBE_FIRST, PROBE_LIMIT = 15.0, 300.0
"""Seconds between tries where something must be put right first."""


class AdaptiveRateLimiter:
    """A token bucket: it starts at 10 a second with bursts of 20, rises with every success and halves on 429.

    Args:
        ceiling: Requests a second to which it may rise.
    """

    def __init__(self, ceiling: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ceiling = ceiling
        self.rate = min(START, ceiling)
        self._tokens = max(1.0, self.rate * BURST)
        self._at = clock()

    def limit(self, ceiling: float) -> None:
        """Set another ceiling."""
        self._ceiling = ceiling
        self.rate = min(self.rate, ceiling)

    def take(self) -> float:
        """Take a token and give the seconds to wait for it."""
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._at) * self.rate, max(1.0, self.rate * BURST)) - 1.0
        self._at = now
        return max(0.0, -self._tokens / self.rate)

    def faster(self) -> None:
        """Rise after a success."""
        self.rate = min(self._ceiling, self.rate + 1.0)

    def slower(self) -> None:
        """Halve after a 429."""
        self.rate = min(self._ceiling, max(SLOWEST, self.rate / 2.0))
        self._tokens = min(self._tokens, 0.0)


class RetrySchedule:
    """When to try again after failures, of one account."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._chance = chance
        self.tries = 0
        """Failures in a row."""
        self._asked = False
        self.until = 0.0
        self.blocked = False
        """Someone must put something right first: credentials, the address."""
        self.reached = True
        """Whether a server answered at all the last time."""

    @property
    def failing(self) -> bool:
        """Whether the last try failed, so that one at a time is tried."""
        return self.tries > 0

    @property
    def left(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self.until - self._clock()) if self.failing else 0.0

    def succeeded(self) -> None:
        """End the pause."""
        self.tries, self.blocked, self.reached, self.until = 0, False, True, 0.0

    def failed(self, after: float | None = None, *, reached: bool = True) -> None:
        """Begin or lengthen the pause; ``after`` is what the server asked for, in seconds."""
        self.reached = reached
        resting = self.left > 0
        asked = min(RETRY_AFTER_LIMIT, (after or 0.0) * (1.0 + 0.1 * self._chance()))
        wait = asked or (0.0 if resting else self._own())
        self.tries += not resting
        self._asked = bool(asked) or (self._asked and resting)
        self.until = max(self.until if resting else 0.0, self._clock() + wait)
        self.blocked = False

    def block(self) -> None:
        """Begin a long pause: another try soon would change nothing."""
        if self.left <= 0 or not self.blocked:
            wait = min(PROBE_LIMIT, PROBE_FIRST * 2.0**self.tries) * (0.75 + 0.25 * self._chance())
            self.tries += 1
            self.until = self._clock() + wait
        self.blocked, self.reached, self._asked = True, True, False

    def cut(self) -> None:
        """End the wait now, unless the server asked for it."""
        if not self._asked:
            self.until = self._clock()

    def _own(self) -> float:
        return min(30.0, 0.1 + backoff(self.tries, chance=lambda: 0.5 + 0.5 * self._chance()))
