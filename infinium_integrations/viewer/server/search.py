"""What an address of the page asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

__all__ = ["PAGE", "Search"]

PAGE = 50
TEXT_LIMIT = 300
PERIODS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""Periods that end now, by their names in an address."""

_ASKED = {"q": "text", "status": "status", "name": "name", "tag": "tag", "session": "session"}
_MOMENTS = ("since", "until")


@dataclass(frozen=True, slots=True)
class Search:
    """An address's parameters, read.

    ``asked`` has them as they were written, ``query`` as keyword arguments of a ``TraceReader``; ``page`` is the
    number of the list's page, from 1.
    """

    asked: dict[str, str]
    query: dict[str, Any]
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, str], now: datetime | None = None) -> Self:
        """Read an address's parameters; what makes no sense is taken as not asked.

        They are ``q``, ``status``, ``name``, ``tag``, ``session``, ``since``, ``until`` and ``page``.
        """
        given = {key: value.replace("\0", "").strip()[:TEXT_LIMIT] for key, value in parameters.items()}
        page = given.get("page", "")
        number = min(int(page), 10_000_000) if page.isascii() and page.isdigit() and len(page) < 9 else 1  # noqa: PLR2004
        asked = {key: value for key, value in given.items() if key in (*_ASKED, *_MOMENTS) and value}
        texts = {_ASKED[key]: value for key, value in asked.items() if key in _ASKED}
        times = {key: _moment(asked.get(key, ""), now or datetime.now(UTC)) for key in _MOMENTS}
        return cls(asked, texts | {key: moment for key, moment in times.items() if moment}, max(number, 1))

    @property
    def offset(self) -> int:
        """How many traces stand on earlier pages."""
        return (self.page - 1) * PAGE


def _moment(text: str, now: datetime) -> datetime | None:
    if text in PERIODS:
        return now - PERIODS[text]
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
