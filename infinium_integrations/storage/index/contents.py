"""The second part of the index: what the runs say, step by step and word by word. It reads the files whole.

It is made when a query first asks for it, in batches, the newest runs first; what is there may be asked meanwhile.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from pydantic_core import from_json

from infinium_integrations import diagnostics
from infinium_integrations.models import TRACE_FACTS
from infinium_integrations.storage import record
from infinium_integrations.storage.index import words
from infinium_integrations.storage.index.query import HIGH
from infinium_integrations.storage.index.sync import transaction

__all__ = ["TEXT_LIMIT", "Contents", "ProgressLine", "Told", "read_contents", "unread"]

TEXT_LIMIT = 200_000
"""Characters of a trace that are searched for words, so that the index stays bounded: names and errors first."""
ERROR_CHARS = 1_000
BATCH = 1_000
SHOWN_AFTER, SHOWN_EVERY = 1.0, 0.2
"""Seconds until a person sees how far the reading is, and between two changes of it."""

_Json = Any


@dataclass(frozen=True, slots=True)
class Told:
    """What one trace says, as the index holds it.

    ``steps`` are tuples of number, kind, status, error, tokens, cost, milliseconds; a kind is a tuple of action, name,
    tool, model, requested model, agent and node, each empty where there is none. Number 0 is the run itself, where its
    errors are no step's. ``labels`` are the tags, and the user's own keys with their values. ``text`` is what is
    searched for words.
    """

    steps: list[tuple[Any, ...]]
    labels: list[tuple[str, str]]
    text: str


_NOTHING = Told([], [], "")
_Place = tuple[int, str, str, str]
"""The row's id, the trace's, and its folder and file."""
_Batch = list[tuple[int, Told | None]]
_KIND = "action, name, tool, model, requested, agent, node"


class Contents:
    """Takes in what traces say that are in the index already.

    Args:
        database: The index.
        data_of: Returns the bytes of a file, by folder and name.
    """

    def __init__(self, database: sqlite3.Connection, data_of: Callable[[str, str], bytes]) -> None:
        self._database = database
        self._data_of = data_of

    def run(self, progress: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """Take in all that are not yet; ``progress`` is called with how many are, and how many there are."""
        select = "SELECT id, trace_id, folder, file FROM traces WHERE read = 0 ORDER BY recorded DESC"
        places: list[_Place] = self._database.execute(select).fetchall()
        for at in range(0, len(places), BATCH):
            batch = places[at : at + BATCH]
            self._take([(number, self._read(*place)) for number, *place in batch])
            progress(at + len(batch), len(places))

    def _read(self, trace_id: str, folder: str, file: str) -> Told | None:
        """Read one file; None where it can't be read now, having moved."""
        try:
            return read_contents(trace_id, record.unpack(self._data_of(folder, file), facts=False))
        except (record.DamagedError, record.NewerFormatError):
            return _NOTHING
        except OSError:
            return None

    def _take(self, read: _Batch) -> None:
        """Take in a batch, apart from what was deleted or taken in by another reader meanwhile."""
        with transaction(self._database):
            ends = [end(number for number, _ in read) for end in (min, max)]
            select = "SELECT id FROM traces WHERE read = 0 AND id BETWEEN ? AND ?"
            still = {number for (number,) in self._database.execute(select, ends)}
            found = [(number, told) for number, told in read if told is not None and number in still]
            found.sort(key=itemgetter(0))
            distinct = {step[1] for _, told in found for step in told.steps}
            add = f"INSERT OR IGNORE INTO kinds({_KIND}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            self._database.executemany(add, distinct)
            find = f"SELECT id FROM kinds WHERE ({_KIND}) = (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            kinds = {kind: self._database.execute(find, kind).fetchone()[0] for kind in distinct}
            texts = [(number, told.text) for number, told in found]
            steps = [(number, step[0], kinds[step[1]], *step[2:]) for number, told in found for step in told.steps]
            labels = [(number, *label) for number, told in found for label in told.labels]
            self._database.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", texts)
            self._database.executemany("INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", steps)
            self._database.executemany("INSERT INTO labels VALUES (?, ?, ?)", labels)
            self._database.executemany("UPDATE traces SET read = 1 WHERE id = ?", [(number,) for number, _ in found])


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
        elif now - self._begun > SHOWN_AFTER and now - self._last > SHOWN_EVERY:
            self._last, self._shown = now, True
            self._write(f"Reading traces for the search: {done:,} of {total:,}, once".ljust(79) + "\r")

    def _write(self, text: str) -> None:
        if text and ("ipykernel" in sys.modules or diagnostics.in_terminal()):
            diagnostics.tell(text)


def unread(database: sqlite3.Connection) -> int:
    """Count the traces whose contents are not taken in."""
    return int(database.execute("SELECT count(*) FROM traces WHERE read = 0").fetchone()[0])


def read_contents(trace_id: str, found: record.Record) -> Told:
    """Read what a trace says; what has an odd shape says nothing.

    Raises:
        DamagedError: It can't be read.
    """
    payload = _object(found.body)
    captured = _dict(found.folded())
    tags = _dict(_dict(payload.get("environment")).get("custom_tags"))
    errors = [_error(error) for error in _list(payload.get("errors"))]
    labels = [(str(key), str(value)) for key, value in tags.items() if key not in TRACE_FACTS]
    seen = _dict(captured.get("steps"))
    texts = [_text(payload.get("name")), trace_id, *map(words.apart, errors), _text(payload.get("description"))]
    texts += [str(tags[key]) for key in ("session_id", "user_id", "tags") if tags.get(key)]
    texts += [text for label in labels for text in label]
    labels += [(tag.strip(), "") for tag in str(tags.get("tags", "")).split(",") if tag.strip()]
    steps = list[tuple[Any, ...]]()
    for place, step in enumerate(map(_dict, _list(payload.get("steps"))), start=1):
        row, said = _step(step, place, _dict(seen.get(str(step.get("step_number")))))
        steps.append(row)
        texts += said
    of_steps = {step[3] for step in steps}
    if left := [error for error in errors if words.unicode(error.casefold()) not in of_steps]:
        error = words.unicode("\n".join(left).casefold())
        steps.append((0, ("",) * 7, _text(tags.get("status")) or "error", error, None, None, None))
    texts += [_text(payload.get(f"{end}_summary")) for end in ("input", "output") if end not in captured]
    known = [(words.unicode(key), words.unicode(value)) for key, value in labels]
    return Told(steps, known, _joined([*texts, *_said(captured)]))


def _step(step: _Json, place: int, captured: _Json) -> tuple[tuple[Any, ...], list[str]]:
    """Return a step's row, and its texts beside the captured ones."""
    facts, call, tool = _dict(step.get("metadata")), _dict(step.get("llm_call")), _dict(step.get("tool_call"))
    action, description, name = step.get("action"), step.get("description"), facts.get("name")
    name = name or description
    agent = facts.get("agent") or (name if action == "agent" else "")
    tool_name = tool.get("tool_name") or (name if action == "tool_use" else "")
    model, requested, node = call.get("model"), facts.get("model_requested"), facts.get("node")
    kind, said = _kind(*map(_text, (action, name, tool_name, model, requested, agent, node)))
    failed = step.get("error") or tool.get("error")
    error = words.unicode(_error(failed)) if failed else None
    tokens = [n for key in ("prompt_tokens", "completion_tokens") if (n := _number(call.get(key))) is not None]
    row = (
        _number(step.get("step_number")) or place,
        kind,
        "error" if error else words.unicode(_text(facts.get("status")) or "ok"),
        error and error.casefold(),
        float(sum(tokens)) if tokens else None,
        _number(facts.get("estimated_cost_usd")),
        _number(step.get("duration_ms")),
    )
    texts = [said, _text(description)]
    texts += [words.apart(error)] if error else []
    if captured.keys().isdisjoint(_GIVEN):
        texts.append(_text(step.get("input_preview")))
    if captured.keys().isdisjoint(_CAME):
        texts.append(_text(step.get("output_preview")))
    return row, texts


@lru_cache(1_000)
def _kind(*names: str) -> tuple[tuple[str, ...], str]:
    """Return the names of a kind of step as a database holds them, and what is searched of them."""
    kind = tuple(words.unicode(text[:500]) for text in names)
    return kind, "\n".join(words.apart(text) for text in dict.fromkeys(kind[1:]) if text)


_GIVEN = frozenset({"input_messages", "arguments", "input"})
_CAME = frozenset({"output_messages", "result", "documents", "output"})
_NOT_SAID = frozenset({"tools", "parameters", "input_messages", "output_messages"})
"""Of a captured step: what the model was told besides messages, and which messages these were."""
_OF_PARTS = frozenset({"type", "id", "modality", "mime_type", "size"})


def _said(captured: _Json) -> list[str]:
    """Return what the model and the tools saw and said; definitions of tools are not among it."""
    texts = list[str]()
    for message in map(_dict, _list(captured.get("messages"))):
        for part in map(_dict, _list(message.get("parts"))):
            for key, value in part.items():
                if key not in _OF_PARTS:
                    _add_texts(texts, value)
    for step in _dict(captured.get("steps")).values():
        for key, value in _dict(step).items():
            if key not in _NOT_SAID:
                _add_texts(texts, value)
    _add_texts(texts, [captured.get("input"), captured.get("output")])
    return texts


def _add_texts(texts: list[str], value: _Json) -> None:
    """Add the texts, numbers and keys of JSON, in their order; what refers to another place stands there."""
    rest = [value]
    while rest:
        one = rest.pop()
        kind = type(one)
        if kind is str:
            texts.append(one)
        elif kind is list:
            rest += reversed(one)
        elif kind is dict and not (len(one) == 1 and isinstance(one.get("$is"), str)):
            for key, item in reversed(one.items()):
                rest += (item, key)
        elif kind is int or kind is float:
            texts.append(str(one))


def _joined(texts: Iterable[str]) -> str:
    """Return the texts as the index holds them, equal ones once, cut where there is no more room."""
    seen, room = dict[str, None](), TEXT_LIMIT
    for text in texts:
        if text and text not in seen:
            seen[text[:room]] = None
            room -= len(text) + 1
            if room <= 0:
                break
    return words.ready("\n".join(seen))


def _error(error: _Json) -> str:
    facts = _dict(error)
    return f"{facts.get('error_type') or ''}: {facts.get('message') or ''}"[:ERROR_CHARS]


def _object(body: bytes) -> dict[str, _Json]:
    try:
        return _dict(from_json(body))
    except ValueError as error:
        raise record.DamagedError from error


def _dict(value: _Json) -> dict[str, _Json]:
    return value if isinstance(value, dict) else {}


def _list(value: _Json) -> list[_Json]:
    return value if isinstance(value, list) else []


def _text(value: _Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: _Json) -> float | None:
    """Return a number that SQLite can hold; None of what is none."""
    return value if isinstance(value, int | float) and abs(value) < HIGH else None
