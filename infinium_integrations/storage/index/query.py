"""What readers ask the index, and what it answers. Moments are nanoseconds since the epoch, durations are seconds."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from infinium_integrations.errors import ConfigurationError, did_you_mean
from infinium_integrations.storage.index import words
from infinium_integrations.storage.index.language import DELIVERIES, FIELDS, STEP_FIELDS, Term

__all__ = [
    "COLUMNS",
    "HIGH",
    "LOW",
    "SORTS",
    "UNKNOWN",
    "Query",
    "Row",
    "SessionSums",
    "Sums",
    "check_sort",
    "percentile_of_sorted",
]

UNKNOWN = "unknown"
"""The name of a model of which none is known."""
LOW, HIGH = -(2**63), 2**63 - 1
"""The integers that SQLite can hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trace as lists show it; None is unknown.

    ``recorded`` is when it was stored; ``ended`` when the run ended, as its payload says, but never after it was
    stored. ``status`` is the run's, ``delivery`` is ``local``, ``pending``, ``sent`` or ``rejected``. ``folder`` and
    ``file`` say where it is kept. ``tags`` are joined by commas. ``input`` and ``output`` are the beginnings of what
    went in and came out, each in one line.
    """

    trace_id: str
    folder: str
    file: str
    recorded: int
    ended: int
    name: str
    status: str
    delivery: str
    reason: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: str | None = None
    framework: str | None = None
    duration: float | None = None
    steps: int | None = None
    errors: int | None = None
    model: str | None = None
    tokens: int | None = None
    cost: float | None = None
    input: str | None = None
    output: str | None = None

    @property
    def preview(self) -> str | None:
        """What came out, else what went in."""
        return self.output or self.input


SORTS = frozenset({"ended", "name", "status", "duration", "steps", "errors", "model", "tokens", "cost"})
"""The columns by which lists are sorted."""


def check_sort(sort: str) -> None:
    """Refuse what lists are not sorted by.

    Raises:
        ConfigurationError: It is no column; the text says which there are.
    """
    if sort.removeprefix("-") not in SORTS:
        msg = f"sort={sort!r} is no column{did_you_mean(sort, SORTS) or ';'} these are: {', '.join(sorted(SORTS))}"
        raise ConfigurationError(msg)


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Sums:
    """The runs that ended within a stretch of time, which begins at ``start``.

    ``p50`` and ``p95`` are durations that happened, None of no runs; ``tokens`` and ``cost`` are None where no run's
    are known.
    """

    start: int = 0
    runs: int = 0
    errors: int = 0
    tokens: int | None = None
    cost: float | None = None
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The runs of one session. ``duration`` is theirs together; ``names`` counts the runs of each name.

    ``tokens`` and ``cost`` are None where no run's are known.
    """

    session_id: str
    runs: int
    errors: int
    duration: float
    tokens: int | None
    cost: float | None
    first: int
    last: int
    names: dict[str, int]
    users: set[str]


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; all that is given must hold.

    ``name`` is a part of the name, upper and lower case alike. ``since`` and ``until`` (exclusive) are about when the
    run ended, ``stored_since`` about when it was stored. ``trace_id`` begins the id, ``exact_id`` is all of it. The
    words of ``text`` must all occur. ``terms`` are those of a query as people write it, and ``step`` those of another,
    whose fields hold for a step of their own. ``sort`` is one of ``SORTS``, with ``-`` before it the greatest first.
    """

    status: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None
    stored_since: int | None = None
    trace_id: str | None = None
    exact_id: str | None = None
    session: str | None = None
    user: str | None = None
    tag: str | None = None
    text: str | None = None
    terms: tuple[Term, ...] = ()
    step: tuple[Term, ...] = ()
    sort: str = "-ended"
    limit: int | None = 100
    offset: int = 0

    @property
    def reads_steps(self) -> bool:
        """Whether it asks what only the steps and texts of the runs say."""
        return bool(self.text) or any(term.field in {"", "tag", *STEP_FIELDS} for term in (*self.terms, *self.step))

    def where(self, *, full_text: bool) -> tuple[str, list[object]]:
        """Return the SQL condition and its values. It needs the SQL function ``folded`` (``str.casefold``).

        Args:
            full_text: Whether the table ``words`` is a full-text index.
        """
        given: list[tuple[str, object]] = [
            ("? IN (status, delivery)", self.status),
            ("instr(folded(name), ?)", self.name.casefold() if self.name else None),
            ("ended >= ?", _bounded(self.since)),
            ("ended < ?", _bounded(self.until)),
            ("recorded >= ?", _bounded(self.stored_since)),
            ("trace_id >= ?", self.trace_id),
            ("trace_id < ?", None if self.trace_id is None else self.trace_id + "\U0010ffff"),
            ("trace_id = ?", self.exact_id),
            ("session_id = ?", self.session),
            ("user_id = ?", self.user),
            (_TAGGED, self.tag),
        ]
        asked: list[_Condition] = [(sql, [value]) for sql, value in given if value is not None]
        terms = [*self.terms, *(Term("", word) for word in (self.text or "").split())]
        for some in (terms, self.step):
            asked += _conditions(some, full_text=full_text)
        values = [value for _, some in asked for value in some]
        known = [words.unicode(value) if isinstance(value, str) else value for value in values]
        return " AND ".join(sql for sql, _ in asked) or "1", known

    def order(self) -> str:
        """Return the SQL order."""
        column, falling = self.sort.removeprefix("-"), self.sort.startswith("-")
        newest = "ended DESC, recorded DESC, id DESC"
        if column == "ended":
            return newest if falling else "ended, recorded, id"
        text = column in {"name", "status", "model"}
        by = f"folded({column})" if text else column
        return f"{by} {'DESC' if falling else 'ASC'} NULLS LAST, {newest}"


_Condition = tuple[str, list[object]]

_TAGGED = "instr(',' || replace(tags, ', ', ',') || ',', ',' || ? || ',')"
# +id: a list is read in its order, each run looked up among those found, rather than all found being sorted
_STEPS = "+id IN (SELECT trace FROM kinds CROSS JOIN steps ON steps.kind = kinds.id WHERE {})"
_FAILED_STEPS = "+id IN (SELECT trace FROM steps WHERE {})"


def _conditions(terms: Iterable[Term], *, full_text: bool) -> Iterator[_Condition]:
    groups, rest = _grouped(terms)
    for group in groups:
        yield _of_steps(group)
    sought = [term for term in rest if not term.field]
    for some in [[term for term in sought if not term.negated], *([term] for term in sought if term.negated)]:
        if some:
            sql, values = words.condition(some, full_text=full_text)
            yield f"+id {'NOT ' * some[0].negated}IN (SELECT rowid FROM words WHERE {sql})", values  # noqa: S608
    for term in rest:
        if term.field:
            sql, values = _of_run(term)
            yield f"({sql}) IS {'NOT ' * term.negated}TRUE", values


def _grouped(terms: Iterable[Term]) -> tuple[list[list[Term]], list[Term]]:
    """Return what must hold of one and the same step, each such group of terms, and the terms about runs.

    A field that comes again begins another group: ``tool:a tool:b`` has a step of each. What is negated besides a
    status is a group of its own: no step is so. A status alone is the run's.
    """
    groups: list[list[Term]] = [[]]
    alone: list[list[Term]] = []
    rest: list[Term] = []
    for term in terms:
        status = term.field == "status" and str(term.value) not in DELIVERIES
        if term.field in STEP_FIELDS and term.negated:
            alone.append([term])
        elif term.field in STEP_FIELDS or status:
            if any(term.field == other.field for other in groups[-1]):
                groups.append([])
            groups[-1].append(term)
        else:
            rest.append(term)
    of_runs = [group for group in groups if all(term.field == "status" for term in group)]
    return [group for group in groups if group not in of_runs] + alone, rest + [t for group in of_runs for t in group]


def _of_steps(terms: list[Term]) -> _Condition:
    conditions, values = list[str](), list[object]()
    for term in terms:
        sql, more = _of_step(term)
        conditions.append(sql)
        values += more
    own = all(term.field in {"error", "status"} for term in terms)
    select = (_FAILED_STEPS if own else _STEPS).format(" AND ".join(conditions))
    no = len(terms) == 1 and terms[0].negated
    return select.replace("+id IN", "+id NOT IN", 1) if no else select, values


def _of_step(term: Term) -> _Condition:
    text = str(term.value)
    if term.field == "status":
        return f"steps.status {'<>' if term.negated else '='} ?", [text]
    if term.field == "error":
        part, found = _within(term, "steps.error")
        return f"steps.error IS NOT NULL AND {part}", found
    if term.field == "node":
        named, found = _like(term, "folded(kinds.name)")
        return f"(kinds.tool = '' AND kinds.requested = '' AND kinds.model IN ('', '{UNKNOWN}') AND {named})", found
    if term.field == "step":
        (name, found), (node, _) = (_within(term, f"folded(kinds.{column})") for column in ("name", "node"))
        return f"({name} OR {node})", found * 2
    if term.field == "model":
        either = [_like(term, f"folded(kinds.{column})") for column in ("model", "requested")]
        sql, values = [sql for sql, _ in either], [value for _, values in either for value in values]
        if not term.exact and "*" not in text:  # gpt-4o is also gpt-4o-2024-08-06, and not gpt-4o-mini
            sql.append("folded(kinds.model) GLOB ?")
            values.append(f"{_glob(text.casefold())}[-:@][0-9]*")
        return f"({' OR '.join(sql)})", values
    return _like(term, f"folded(kinds.{term.field})")


def _of_run(term: Term) -> _Condition:  # noqa: PLR0911  (a table in the form of code)
    field, text = term.field, str(term.value)
    if FIELDS[field].kind in {"number", "seconds"}:
        return f"{field} {term.operator} ?", [term.value]
    if field in {"since", "before"}:
        return f"ended {'>=' if field == 'since' else '<'} ?", [_bounded(int(term.value))]
    if field == "status":
        return "? IN (status, delivery)", [text]
    if field == "name":
        return _within(term, "folded(name)")
    if field == "id":
        return "instr(trace_id, ?) = 1", [text.rstrip("*")]
    if field == "tag":
        label, values = _like(term, "label", fold=False)
        key, equals, value = text.partition("=")
        if equals:
            parts = [
                _like(replace(term, value=part), column, fold=False)
                for part, column in ((key, "label"), (value, "value"))
            ]
            label = f"{label} OR ({' AND '.join(sql for sql, _ in parts)})"
            values = [*values, *(one for _, some in parts for one in some)]
        return f"+id IN (SELECT trace FROM labels WHERE {label})", values  # noqa: S608
    return _like(term, f"{field}_id", fold=False)


def _within(term: Term, column: str) -> _Condition:
    """Look for a part of a text; a star stands for any characters, unless it is in quotes."""
    text = str(term.value).casefold()
    if term.exact or "*" not in text:
        return f"instr({column}, ?)", [text]
    return f"{column} GLOB ?", [f"*{_glob(text)}*"]


def _like(term: Term, column: str, *, fold: bool = True) -> _Condition:
    """Compare a text as a whole; a star stands for any characters, unless it is in quotes."""
    text = str(term.value).casefold() if fold else str(term.value)
    if term.exact or "*" not in text:
        return f"{column} = ?", [text]
    return f"({column} <> '' AND {column} GLOB ?)", [_glob(text)]


def _glob(text: str) -> str:
    """Write a text as a pattern of GLOB, in which only stars have a meaning, and not more than five of them."""
    head, *tail = text.split("*", 5)
    escaped = [re.sub(r"[\[?*]", r"[\g<0>]", part) for part in (head, *tail)]
    return "*".join(escaped)


def _bounded(moment: int | None) -> int | None:
    return None if moment is None else min(max(moment, LOW), HIGH)


def percentile_of_sorted(values: list[float], share: int) -> float | None:
    """Return the smallest value that ``share`` per cent of the values do not exceed; None of no values."""
    return values[max(0, -(-len(values) * share // 100) - 1)] if values else None
