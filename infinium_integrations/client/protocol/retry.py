"""What is tried again, and when: for direct calls and for the background sender. Nothing here sleeps."""

import email.utils
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC

from infinium_integrations import _entropy

__all__ = ["RETRY_AFTER_LIMIT", "RetrySchedule", "backoff", "header", "is_transient", "retry_after"]

RETRY_AFTER_LIMIT = 300.0
"""Seconds: the longest wait that a server is granted."""
BACKOFF_FIRST, BACKOFF_LIMIT = 0.5, 30.0
PROBE_FIRST, PROBE_LIMIT = 15.0, 300.0
"""Seconds between tries where something must be put right first."""


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later: 408, 425, 429 and 5xx."""
    return status in {408, 425, 429} or status >= 500  # noqa: PLR2004


def backoff(tries: int, asked: float | None = None, *, chance: Callable[[], float] = _entropy.chance) -> float:
    """Return the seconds to wait after ``tries`` failed tries: jittered, and never less than was asked."""
    ceiling = min(BACKOFF_LIMIT, BACKOFF_FIRST * 2.0 ** min(tries, 30))
    return max(asked or 0.0, chance() * ceiling)


def retry_after(headers: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> float | None:
    """Read ``Retry-After``, seconds or an HTTP date, as seconds from now within 0 to 300; None where it is neither."""
    text = header(headers, "retry-after").strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?([eE]\+?\d+)?", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - clock()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header's value, whatever the case of its name; empty where it is missing."""
    return next((value for key, value in headers.items() if key.lower() == name), "")


class RetrySchedule:
    """When the background sender tries again after failures of one account."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = _entropy.chance
    ) -> None:
        self._clock = clock
        self._chance = chance
        self.tries = 0
        """Failures in a row."""
        self._asked = False
        self.until = 0.0
        self.blocked = False
        """Whether a person must put something right first: credentials or the address."""
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
        if asked or resting:
            wait = asked
        else:
            wait = min(BACKOFF_LIMIT, 0.1 + backoff(self.tries, chance=lambda: 0.5 + 0.5 * self._chance()))
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

    def end_wait(self) -> None:
        """End the wait now, unless the server asked for it."""
        if not self._asked:
            self.until = self._clock()
