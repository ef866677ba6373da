"""The language in which runs are looked for: one for the page, the terminal and ``traces("QUERY")``.

A query is words and fields, apart by spaces, and all must hold: ``refund tool:refund_order status:error tokens>5000``.
Quotes make anything text, a hyphen in front negates. What can't be read raises ``QueryError``, which knows the place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.models import STATUSES

__all__ = ["DELIVERIES", "FIELDS", "STEP_FIELDS", "Field", "Operator", "QueryError", "Term", "check_status", "parse"]

Kind = Literal["text", "status", "number", "seconds", "moment"]
Operator = Literal[":", "=", "<", "<=", ">", ">="]

DELIVERIES = ("local", "pending", "sent", "rejected")
"""States of delivery, which ``status:`` takes beside those of a run."""
TERMS_LIMIT = 100
CHARS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Field:
    """What can be asked of a run: how its values are read, an example, and what it means."""

    kind: Kind
    example: str
    meaning: str


FIELDS = {
    "tool": Field("text", "tool:refund_order", "a step that calls this tool"),
    "model": Field("text", "model:gpt-4o", "a step of this model; a date or size may follow its name"),
    "error": Field("text", "error:Timeout", "a step whose error has this in its type or message"),
    "agent": Field("text", "agent:researcher", "a step of this agent"),
    "node": Field("text", "node:researcher", "a node, chain, agent or retriever of this name"),
    "step": Field("text", "step:retrieve", "a step with this in its name"),
    "status": Field("status", "status:error", "the run's, or its delivery's; beside a field of a step, that step's"),
    "name": Field("text", "name:triage", "the run has this in its name"),
    "user": Field("text", "user:u-1", "the run's user_id"),
    "session": Field("text", "session:s-1", "the run's session_id"),
    "tag": Field("text", "tag:prompt=v2", "a tag, or a key of the metadata, with its value or without"),
    "id": Field("text", "id:4f2a", "the run's id, or its beginning"),
    "tokens": Field("number", "tokens>5000", "of all its model calls; 5k is 5000"),
    "cost": Field("number", "cost>0.01", "in US dollars"),
    "steps": Field("number", "steps>=3", "how many it has"),
    "errors": Field("number", "errors>1", "how many it has"),
    "duration": Field("seconds", "duration>10s", "in ms, s, m or h; in seconds without a unit"),
    "since": Field("moment", "since:2d", "it ended then or later: 30m, 12h, 2d, 1w, or a date in UTC"),
    "before": Field("moment", "before:2026-11-01", "it ended earlier than that"),
}
"""The fields, in the order in which they are told."""
STEP_FIELDS = frozenset({"tool", "model", "error", "agent", "node", "step"})
"""Those of a step: they hold for one and the same step, and a ``status:`` beside them too."""

_ALIASES = {"until": "before", "user_id": "user", "session_id": "session", "tags": "tag", "trace_id": "id"}
_STATUS_WORDS = dict.fromkeys(("failed", "failure", "fail", "errors"), "error") | dict.fromkeys(
    ("success", "succeeded", "successful", "done", "passed", "completed"), "ok"
)
_SIZES = {"": 1.0, "k": 1e3, "m": 1e6}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_QUOTES = {'"': '"', "“": "”", "„": "“”"}
"""What opens a quotation, and what closes it; phones write curly ones. A straight one within is written twice."""

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:[<>]=?|:=?|[<>]=?|=)")
_NUMBER = re.compile(r"\$?(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})([a-z]*)", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_WORD = re.compile(r"\S*")
_KEY = re.compile(rf"[^\s={''.join(_QUOTES)}]*=(?=[{''.join(_QUOTES)}])")
"""In front of a value in quotes: ``prompt=`` of ``tag:prompt="version 2"``."""


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must hold, or must not.

    ``field`` is empty of words, which are searched for. ``value`` is a text, a number, seconds, or nanoseconds since
    the epoch. ``exact`` is of what stood in quotes.
    """

    field: str
    value: str | float
    operator: Operator = ":"
    exact: bool = False
    negated: bool = False


class QueryError(ConfigurationError):
    """A query can't be read; ``start`` and ``end`` say which of its characters are meant."""

    def __init__(self, message: str, query: str, start: int, end: int, hint: str = "") -> None:
        part = query[start:end]
        part = f"{part[:39]}…" if len(part) > 40 else part  # noqa: PLR2004
        place = f"at character {start + 1} of the query, {part!r}" if part else "at the end of the query"
        super().__init__(f"{message} ({place}){hint}")
        self.query = query
        self.start = start
        self.end = end


def parse(query: str, now: datetime | None = None) -> tuple[Term, ...]:
    """Read a query.

    Args:
        query: The query; an empty one has no terms.
        now: From when ``since:2d`` counts back.

    Returns:
        Its terms, as they stand.

    Raises:
        QueryError: It can't be read.

    Example:
        >>> from infinium_integrations.storage.index.language import parse
        >>> [(term.field, term.value) for term in parse('refund tool:refund_order duration>1.5m "it is late"')]
        [('', 'refund'), ('tool', 'refund_order'), ('duration', 90.0), ('', 'it is late')]
    """
    if len(query) > CHARS_LIMIT:
        msg = f"it has more than {CHARS_LIMIT:,} characters"
        raise QueryError(msg, query, CHARS_LIMIT, len(query))
    found = list[Term]()
    for term, start, end in _terms(query, now or datetime.now(UTC)):
        if len(found) == TERMS_LIMIT:
            msg = f"it asks for more than {TERMS_LIMIT} things"
            raise QueryError(msg, query, start, end)
        found.append(term)
    return tuple(found)


def _terms(query: str, now: datetime) -> Iterator[tuple[Term, int, int]]:
    text = query.replace("\0", " ")
    at = _after_spaces(text, 0)
    while at < len(text):
        start = at
        follows = text[at + 1 : at + 2]
        negated = text[at] == "-" and (follows.isalnum() or follows == "_" or follows in _QUOTES)
        at += negated
        field, operator, at = _field(query, text, at)
        begin = at
        key = _KEY.match(text, at) if field == "tag" else None
        value, exact, at = _value(query, text, key.end() if key else at)
        if key:
            value, exact = key[0] + value, "*" not in key[0]
        if not value.strip():
            what = FIELDS[field].example if field else ""
            msg = f"{field}{operator} needs a value, such as {what}" if field else "there is nothing between the quotes"
            raise QueryError(msg, query, start, at)
        read = _Reading(query, begin, at, field, operator)
        yield read.term(value, now, exact=exact, negated=negated), start, at
        at = _after_spaces(text, at)


def _after_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _field(query: str, text: str, at: int) -> tuple[str, Operator, int]:
    """Return the field that stands here, its operator, and where its value begins; no field of plain words."""
    found = _FIELD.match(text, at)
    rest = text[found.end() : found.end() + 2] if found else ""
    if found is None or (found[2] == ":" and (rest.startswith(":") or rest == "//")):  # std::string, https://…
        return "", ":", at
    name = _ALIASES.get(found[1].lower(), found[1].lower())
    if name not in FIELDS:
        if found[2] == "=":
            return "", ":", at
        msg = f"there is no field {found[1]!r}{did_you_mean(name, FIELDS)}"
        hint = f"; the fields are {', '.join(FIELDS)}; in quotes it is text"
        raise QueryError(msg, query, at, found.end(), hint)
    operator, kind = found[2].removeprefix(":") or ":", FIELDS[name].kind
    if operator == "=" and kind in {"text", "status"}:
        operator = ":"
    if operator != ":" and kind not in {"number", "seconds"}:
        msg = f"{found[1]!r} is not compared by {operator}: write {FIELDS[name].example}"
        raise QueryError(msg, query, at, found.end())
    return name, operator, found.end()  # type: ignore[return-value]  # one that the pattern allows


def _value(query: str, text: str, at: int) -> tuple[str, bool, int]:
    """Return the value that stands here, whether it was in quotes, and where it ends."""
    closing = _QUOTES.get(text[at : at + 1])
    if closing is None:
        word = _WORD.match(text, at)
        end = at if word is None else word.end()
        return text[at:end], False, end
    end = at + 1
    while end < len(text) and (text[end] not in closing or text[end : end + 2] == '""'):
        end += 2 if text[end : end + 2] == '""' and text[end] in closing else 1
    if end >= len(text):
        msg = "the quotation has no end"
        raise QueryError(msg, query, at, len(text))
    return text[at + 1 : end].replace('""', '"'), True, end + 1


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the value of one field."""

    query: str
    start: int
    end: int
    field: str
    operator: Operator

    def term(self, value: str, now: datetime, *, exact: bool, negated: bool) -> Term:
        kind = FIELDS[self.field].kind if self.field else "text"
        if kind == "number":
            return Term(self.field, self._number(value, _SIZES), self._compared(), exact, negated)
        if kind == "seconds":
            return Term(self.field, self._number(value, _SECONDS), self._compared(), exact, negated)
        if kind == "moment":
            return Term(self.field, self._moment(value, now), ":", exact, negated)
        if kind == "status" and not exact:
            value = value.lower()
            try:
                check_status(value)
            except ConfigurationError as error:
                raise self._error(str(error)) from None
        return Term(self.field, value, ":", exact, negated)

    def _compared(self) -> Operator:
        return "=" if self.operator == ":" else self.operator

    def _number(self, text: str, units: dict[str, float]) -> float:
        found = _NUMBER.fullmatch(text.replace("_", "").replace(",", ""))
        if found is None or found[2].lower() not in units:
            example = FIELDS[self.field].example
            msg = f"{self.field} is compared with a number, such as {example}"
            raise self._error(msg)
        return float(found[1]) * units[found[2].lower()]

    def _moment(self, text: str, now: datetime) -> int:
        try:
            return int(moment_of(text, now).timestamp() * 1e6) * 1_000
        except (ValueError, OverflowError):
            msg = f"{self.field} takes a span such as 30m, 12h, 2d or 1w, or a date such as 2026-11-01"
            raise self._error(msg) from None

    def _error(self, message: str) -> QueryError:
        return QueryError(message, self.query, self.start, self.end)


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment that a span before now means, such as 2d, or an ISO 8601 date, in UTC where it names no zone.

    Raises:
        ValueError: It is neither; OverflowError: it lies too far away.
    """
    found = _SPAN.fullmatch(text)
    if found:
        return now - timedelta(**{_SPANS[found[2]]: int(found[1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_status(status: str) -> None:
    """Refuse what is no status, of a run or of its delivery.

    Raises:
        ConfigurationError: It is none; the text says which there are.
    """
    known = [*sorted(STATUSES), *DELIVERIES]
    if status not in known:
        meant = _STATUS_WORDS.get(status)
        guess = f"; did you mean {meant!r}?" if meant else did_you_mean(status, known)
        msg = f"{status!r} is no status{guess or ';'} these are: {', '.join(known)}"
        raise ConfigurationError(msg)
