"""Brings the index up to date with the folder: only what changed is read, and of a trace only its head."""

import contextlib
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
from infinium_integrations.storage.memory import MemoryStore

__all__ = ["VERSION", "Update", "add_memory", "make_tables", "version_of"]

VERSION = 2
SETTLED = 2_000_000_000
"""Nanoseconds after which a folder's modification time is to be trusted."""
BATCH = 1_000
BEGINNING = 4_096
"""Bytes of a file that are read first; its head seldom takes more."""

_SCHEMA = f"""
CREATE TABLE traces(id INTEGER PRIMARY KEY, {", ".join(COLUMNS)});
CREATE UNIQUE INDEX by_trace ON traces(trace_id);
CREATE INDEX by_end ON traces(ended, recorded);
CREATE INDEX by_folder ON traces(folder, file);
CREATE TABLE texts(id INTEGER PRIMARY KEY, text);
CREATE TABLE folders(folder PRIMARY KEY, changed INTEGER, settled INTEGER);
PRAGMA user_version = {VERSION};
"""
_INSERT = f"""
INSERT INTO traces({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
ON CONFLICT(trace_id) DO UPDATE SET {", ".join(f"{column} = excluded.{column}" for column in COLUMNS)}
"""  # noqa: S608
_INSERT_TEXT = "INSERT OR REPLACE INTO texts VALUES ((SELECT id FROM traces WHERE trace_id = ?), ?)"

_NUMBERS = frozenset({"recorded", "ended", "duration", "steps", "errors", "tokens", "cost"})
_Head = dict[str, Any]
"""What a file begins with."""
_Entry = tuple[str, str, str, _Head]
"""The folder, the file, the state of delivery, and the file's head."""


def version_of(database: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 where there are none.

    Raises:
        sqlite3.DatabaseError: It is another.
    """
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, VERSION}:
        msg = "another version"
        raise sqlite3.DatabaseError(msg)
    return version


def make_tables(database: sqlite3.Connection) -> None:
    """Make the tables, unless another process was first."""
    with _transaction(database):
        if version_of(database) == 0:
            for statement in _SCHEMA.strip().split(";\n"):
                database.execute(statement)


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Lock out other writers from the beginning on."""
    database.execute("BEGIN IMMEDIATE")
    with database:  # commits, or rolls back what was broken off
        yield


class Update:
    """Brings the index up to date with one folder."""

    def __init__(self, database: sqlite3.Connection, store: FolderStore) -> None:
        self._database = database
        self._store = store

    def run(self) -> None:
        """Take over what came, moved or went; each changed folder in a transaction of its own."""
        found = self._database.execute("SELECT folder, changed, settled FROM folders")
        known = {folder: (changed, settled) for folder, changed, settled in found}
        present: dict[str, Path] = {}
        for area in ("outbox", "rejected", "history"):  # the last says what is true of a trace that moves meanwhile
            with contextlib.suppress(OSError), os.scandir(self._store.root / area) as entries:
                folders = (entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
                present |= {f"{area}/{name}": self._store.root / area / name for name in folders}
        for folder in known.keys() - present.keys():
            with _transaction(self._database):
                self._remove("folder = ?", [(folder,)])
                self._database.execute("DELETE FROM folders WHERE folder = ?", (folder,))
        for folder, path in present.items():
            with contextlib.suppress(FileNotFoundError):
                if known.get(folder) != (path.stat().st_mtime_ns, 1):
                    self._read(folder, path)

    def _read(self, folder: str, path: Path) -> None:
        with _transaction(self._database):  # who waited for another reader finds its work done
            changed = path.stat().st_mtime_ns
            settled = time.time_ns() - changed > SETTLED
            names = set(list_names(path))
            have = {file for (file,) in self._database.execute("SELECT file FROM traces WHERE folder = ?", (folder,))}
            if gone := have - names:
                self._remove("folder = ? AND file = ?", [(folder, file) for file in gone])
            _add(self._database, self._entries(folder, path, sorted(names - have)))
            self._database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (folder, changed, int(settled)))

    def _remove(self, condition: str, keys: Sequence[tuple[str, ...]]) -> None:
        select = f"DELETE FROM texts WHERE id IN (SELECT id FROM traces WHERE {condition})"  # noqa: S608
        self._database.executemany(select, keys)
        self._database.executemany(f"DELETE FROM traces WHERE {condition}", keys)  # noqa: S608

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


def add_memory(database: sqlite3.Connection, number: int, memory: MemoryStore) -> None:
    """Take over what a store in memory has."""
    entries: list[_Entry] = []
    for (area, account, name), data in memory.files().items():
        head = record.unpack_head(data)
        delivery = _delivery("history" if area == "local" else area, name, head)
        entries.append((f"memory:{number}/{area}/{account}", name, delivery, head))
    with _transaction(database):
        _add(database, iter(entries))


def _delivery(area: str, name: str, head: _Head) -> str:
    if area == "history":
        return "local" if name.endswith(LOCAL) or head["delivery"].get("status") == "local" else "sent"
    return "pending" if area == "outbox" else "rejected"


def _add(database: sqlite3.Connection, entries: Iterator[_Entry]) -> None:
    while batch := list(islice(entries, BATCH)):
        database.executemany(_INSERT, (_row(*entry) for entry in batch))
        database.executemany(_INSERT_TEXT, ((head["trace_id"], _searched(head)) for _, _, _, head in batch))


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
    }
    return [_plain(column, own.get(column)) for column in COLUMNS]


def _plain(column: str, value: object) -> str | float | None:
    """Return a value as SQLite can hold it; None where it is no finite number and ought to be one."""
    if value is None:
        return None
    if column not in _NUMBERS:
        return _unicode(str(value))
    if isinstance(value, int) and LOW <= value <= HIGH:
        return value
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _unicode(text: str) -> str:
    """Replace lone surrogates, which no database holds."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _searched(head: _Head) -> str:
    """Return the text that searches look through."""
    facts = _facts(head)
    parts = [head.get("name"), *(facts.get(key) for key in ("text", "tags", "session_id", "user_id", "model"))]
    return _unicode("\n".join(str(part) for part in [head["trace_id"], *parts] if part)).casefold()
