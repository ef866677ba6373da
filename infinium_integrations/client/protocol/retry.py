"""What is tried again, and when. Nothing here sleeps or reads a clock by itself."""

import email.utils
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC

__all__ = ["RETRY_AFTER_LIMIT", "backoff", "header", "is_transient", "retry_after"]

RETRY_AFTER_LIMIT = 300.0
"""Seconds: the longest wait that a server is granted."""
BACKOFF_FIRST, BACKOFF_LIMIT = 0.5, 30.0


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later: 408, 425, 429 and 5xx."""
    return status in {408, 425, 429} or status >= 500  # noqa: PLR2004


def backoff(tries: int, asked: float | None = None, *, chance: Callable[[], float] = random.random) -> float:
    """Give the seconds to wait after ``tries`` failed tries: jittered, and never less than was asked."""
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
    """Give a header's value, whatever its capitals; empty where it is missing."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
