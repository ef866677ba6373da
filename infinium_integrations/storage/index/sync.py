"""Brings the index up to date with the folder: only what changed is read, and of a trace only its head."""

import contextlib
import functools
import math
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations.storage import record
from infinium_integrations.storage.folder import LOCAL, SUFFIX, FolderStore, list_names, read_beginning, read_file
from infinium_integrations.storage.index.query import COLUMNS, HIGH, LOW
from infinium_integrations.storage.index.words import unicode
from infinium_integrations.storage.memory import MemoryStore

__all__ = [
    "VERSION",
    "Update",
    "add_memory",
    "full_text",
    "has_fts5",
    "make_tables",
    "transaction",
    "version_of",
    "whole",
]

VERSION = 3
SETTLED = 2_000_000_000
"""Nanoseconds after which a folder's modification time is to be trusted."""
BATCH = 1_000
MANY = 4_000
"""Traces that are taken over in one transaction, for which other readers that write have to wait."""
BEGINNING = 4_096
"""Bytes of a file that are read first; its head seldom takes more."""

_SCHEMA = f"""
CREATE TABLE traces(id INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(COLUMNS)}, read INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX by_trace ON traces(trace_id);
CREATE INDEX by_end ON traces(ended, recorded);
CREATE INDEX by_folder ON traces(folder, file);
CREATE INDEX unread ON traces(id) WHERE read = 0;
CREATE INDEX by_duration ON traces(duration);
CREATE INDEX by_tokens ON traces(tokens);
CREATE INDEX by_cost ON traces(cost);
CREATE TABLE kinds(id INTEGER PRIMARY KEY, action, name, tool, model, requested, agent, node);
CREATE UNIQUE INDEX by_kind ON kinds(action, name, tool, model, requested, agent, node);
CREATE TABLE steps(
    trace INTEGER, number INTEGER, kind INTEGER, status, error, tokens, cost, duration, PRIMARY KEY(trace, number)
) WITHOUT ROWID;
CREATE INDEX steps_by_kind ON steps(kind, status);
CREATE INDEX failed_steps ON steps(error, status) WHERE error IS NOT NULL;
CREATE TABLE labels(trace INTEGER, label, value);
CREATE INDEX by_label ON labels(label, value, trace);
CREATE INDEX labels_of ON labels(trace);
CREATE TABLE folders(folder PRIMARY KEY, changed INTEGER, settled INTEGER)
"""
_FULL_TEXT = """
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = "unicode61 remove_diacritics 2", columnsize = 0);
INSERT INTO words(words, rank) VALUES ('hashsize', 33554432);
INSERT INTO words(words, rank) VALUES ('automerge', 0);
INSERT INTO words(words, rank) VALUES ('crisismerge', 64);
INSERT INTO words(words, rank) VALUES ('pgsz', 16000)
"""
"""Written in large parts, which are merged when there are many."""
_PLAIN_TEXT = "CREATE TABLE words(text)"
_INSERT = f"""
INSERT INTO traces({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
ON CONFLICT(trace_id) DO UPDATE SET {", ".join(f"{column} = excluded.{column}" for column in COLUMNS)}
"""  # noqa: S608
_NUMBERS = frozenset({"recorded", "ended", "duration", "steps", "errors", "tokens", "cost"})
_Head = dict[str, Any]
"""What a file begins with."""
_Entry = tuple[str, str, str, _Head]
"""The folder, the file, the state of delivery, and the file's head."""


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 where there are none.

    Raises:
        sqlite3.DatabaseError: It is another, or was made for full-text search, which this build of SQLite has not.
    """
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, VERSION} or (version and full_text(database) != has_fts5()):
        msg = "another version"
        raise sqlite3.DatabaseError(msg)
    return version


def full_text(database: sqlite3.Connection) -> bool:
    """Whether the table ``words`` is a full-text index."""
    found = database.execute("SELECT sql FROM sqlite_master WHERE name = 'words'").fetchone()
    return found is not None and "fts5" in found[0]


@functools.cache
def has_fts5() -> bool:
    """Whether this build of SQLite has full-text search."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError:
            return False
    return True


def whole(database: sqlite3.Connection) -> bool:
    """Whether all traces of the folder are taken over, as of the latest look."""
    return database.execute("SELECT 1 FROM folders WHERE changed = 0").fetchone() is None


def make_tables(database: sqlite3.Connection) -> None:
    """Make the tables, unless another process was first."""
    with transaction(database):
        if version_of(database) == 0:
            texts = _FULL_TEXT if has_fts5() else _PLAIN_TEXT
            for statement in f"{_SCHEMA};\n{texts};\nPRAGMA user_version = {VERSION}".strip().split(";\n"):
                database.execute(statement)


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Lock out other writers from the beginning on."""
    database.execute("BEGIN IMMEDIATE")
    with database:  # commits, or rolls back what was broken off
        yield


class Update:
    """Brings the index up to date with one folder.

    Args:
        database: The index.
        store: The folder.
        most: How many traces that are new to take over at most.
    """

    def __init__(self, database: sqlite3.Connection, store: FolderStore, most: int = HIGH) -> None:
        self._database = database
        self._store = store
        self._room = most
        self._gone = 0

    def run(self) -> int:
        """Take over what came, moved or went, in transactions of bounded length; return how many went."""
        found = self._database.execute("SELECT folder, changed, settled FROM folders")
        known = {folder: (changed, settled) for folder, changed, settled in found}
        present: dict[str, Path] = {}
        for area in ("outbox", "rejected", "history"):  # the last says what is true of a trace that moves meanwhile
            with contextlib.suppress(OSError), os.scandir(self._store.root / area) as entries:
                folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
                present |= {f"{area}/{name}": self._store.root / area / name for name in sorted(folders, reverse=True)}
        for folder in known.keys() - present.keys():
            with transaction(self._database):
                self._remove("folder = ?", [(folder,)])
                self._database.execute("DELETE FROM folders WHERE folder = ?", (folder,))
        for folder, path in present.items():
            with contextlib.suppress(FileNotFoundError):
                if known.get(folder) != (path.stat().st_mtime_ns, 1):
                    tried = set[str]()
                    while self._read_some(folder, path, tried):
                        pass
        return self._gone

    def _read_some(self, folder: str, path: Path, tried: set[str]) -> bool:
        """Take over what went, and of what is new the latest, but no more than once; return whether to go on."""
        with transaction(self._database):  # who waited for another reader finds its work done
            changed = path.stat().st_mtime_ns
            settled = time.time_ns() - changed > SETTLED
            names = set(list_names(path))
            have = {file for (file,) in self._database.execute("SELECT file FROM traces WHERE folder = ?", (folder,))}
            if gone := have - names:
                self._remove("folder = ? AND file = ?", [(folder, file) for file in gone])
            new = sorted(names - have - tried, reverse=True)
            some = new[: min(self._room, MANY)]
            _add(self._database, self._entries(folder, path, some))
            self._room -= len(some)
            tried.update(some)
            # a folder of which there is more is not settled, and did not change at any time
            mark = (folder, changed, int(settled)) if len(some) == len(new) else (folder, 0, 0)
            self._database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", mark)
        return len(some) < len(new) and self._room > 0

    def _remove(self, condition: str, keys: Sequence[tuple[str, ...]]) -> None:
        found = f"(SELECT id FROM traces WHERE {condition})"  # noqa: S608
        for table, key in (("words", "rowid"), ("steps", "trace"), ("labels", "trace")):
            self._database.executemany(f"DELETE FROM {table} WHERE {key} IN {found}", keys)  # noqa: S608
        self._gone += self._database.executemany(f"DELETE FROM traces WHERE {condition}", keys).rowcount  # noqa: S608
        self._database.execute("DELETE FROM kinds WHERE NOT EXISTS (SELECT 1 FROM steps WHERE kind = kinds.id)")

    def _entries(self, folder: str, path: Path, names: Iterable[str]) -> Iterator[_Entry]:
        """Read the heads of files, from the files' beginnings where they fit; damaged files are set aside."""
        for name in names:
            file = f"{path}{os.sep}{name}{SUFFIX}"
            try:
                head = record.peek(read_beginning(file, BEGINNING))
                head = record.unpack_head(read_file(file)) if head is None else head
            except (OSError, record.NewerFormatError):  # gone meanwhile; or not for us to judge
                continue
            except record.DamagedError:
                message = "A stored trace is damaged and was set aside, in %s."
                diagnostics.warn_once("damaged", message, self._store.where())
                with contextlib.suppress(OSError):
                    self._store.set_aside(Path(file))
                continue
            yield folder, name, _delivery(folder.partition("/")[0], name, head), head


def add_memory(database: sqlite3.Connection, number: int, memory: MemoryStore) -> dict[tuple[str, str], bytes]:
    """Take over what a store in memory has; return the files, by folder and name as the index has them."""
    entries, found = list[_Entry](), dict[tuple[str, str], bytes]()
    for (area, account, name), data in memory.files().items():
        head = record.unpack_head(data)
        delivery = _delivery("history" if area == "local" else area, name, head)
        folder = f"memory:{number}/{area}/{account}"
        entries.append((folder, name, delivery, head))
        found[folder, name] = data
    with transaction(database):
        _add(database, iter(entries))
    return found


def _delivery(area: str, name: str, head: _Head) -> str:
    if area == "history":
        return "local" if name.endswith(LOCAL) or head["delivery"].get("status") == "local" else "sent"
    return "pending" if area == "outbox" else "rejected"


def _add(database: sqlite3.Connection, entries: Iterator[_Entry]) -> None:
    while batch := list(islice(entries, BATCH)):
        database.executemany(_INSERT, (_row(*entry) for entry in batch))


def _facts(head: _Head) -> _Head:
    facts = head.get("facts")
    return facts if isinstance(facts, dict) else {}


def _row(folder: str, file: str, delivery: str, head: _Head) -> list[object]:
    facts, digits = _facts(head), file.partition("-")[0]
    recorded = min(int(digits), HIGH) if digits.isascii() and digits.isdigit() else 0
    ended = facts.get("ended")
    own = {
        **facts,
        "trace_id": head["trace_id"],
        "folder": folder,
        "file": file,
        "recorded": recorded,
        # a run that ended later than it was stored had a clock ahead of ours
        "ended": ended if isinstance(ended, int) and 0 <= ended <= recorded else recorded,
        "name": head.get("name", ""),
        "status": head.get("status", ""),
        "delivery": delivery,
        "reason": head["delivery"].get("reason"),
        "output": facts.get("output", facts.get("preview")),  # what earlier versions wrote
    }
    return [_plain(column, own.get(column)) for column in COLUMNS]


def _plain(column: str, value: object) -> str | float | None:
    """Return a value as SQLite can hold it; None where it is no finite number and ought to be one."""
    if value is None:
        return None
    if column not in _NUMBERS:
        return unicode(str(value))
    if isinstance(value, int) and LOW <= value <= HIGH:
        return value
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
