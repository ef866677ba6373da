"""The index: a SQLite file beside the traces, for whoever looks. Recording, writing and sending never open it.

It is brought up to date when opened, and made anew when it is missing, damaged or of another version.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from infinium_integrations import faults
from infinium_integrations.delivery import records
from infinium_integrations.delivery.memory import MemoryStore
from infinium_integrations.delivery.store import LOCAL, SUFFIX, FolderStore, list_names, read_file, write_new

__all__ = ["Index", "Query", "Row"]

T = TypeVar("T")

VERSION = 1
FILE = "index.sqlite3"
BUSY = 60.0
"""Seconds to wait for another process that brings the index up to date."""
SETTLED = 2_000_000_000
"""Nanoseconds after which a folder's time of change is to be trusted."""
BATCH = 1_000
LOW, HIGH = -(2**63), 2**63 - 1

_COLUMNS = (
    "trace_id", "folder", "file", "recorded", "name", "status", "delivery", "reason", "session_id", "user_id", "tags",
    "framework", "duration", "steps", "errors", "model", "tokens", "cost",
)  # fmt: skip

_SCHEMA = f"""
CREATE TABLE traces({", ".join(_COLUMNS)}, PRIMARY KEY(trace_id)) WITHOUT ROWID;
CREATE INDEX by_time ON traces(recorded);
CREATE INDEX by_folder ON traces(folder, file);
CREATE TABLE texts(trace_id PRIMARY KEY, text) WITHOUT ROWID;
CREATE TABLE folders(folder PRIMARY KEY, changed INTEGER, settled INTEGER);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One trace as lists show it. ``recorded`` is in nanoseconds since the epoch, ``duration`` in seconds.

    ``status`` is the run's, ``delivery`` is ``local``, ``pending``, ``sent`` or ``rejected``. ``folder`` and ``file``
    say where it is kept.
    """

    trace_id: str
    folder: str
    file: str
    recorded: int
    name: str
    status: str
    delivery: str
    reason: str | None
    session_id: str | None
    user_id: str | None
    tags: str | None
    framework: str | None
    duration: float | None
    steps: int | None
    errors: int | None
    model: str | None
    tokens: int | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; all that is given must hold. Times are nanoseconds since the epoch."""

    status: str | None = None
    name: str | None = None
    since: int | None = None
    trace_id: str | None = None
    session: str | None = None
    tag: str | None = None
    text: str | None = None
    limit: int | None = 100
    offset: int = 0

    def where(self) -> tuple[str, list[Any]]:
        """Give the SQL condition and its values."""
        found = [(sql, value) for sql, value in self._conditions() if value is not None]
        words = (self.text or "").casefold().split()
        found += [("instr((SELECT text FROM texts WHERE texts.trace_id = traces.trace_id), ?)", word) for word in words]
        condition = " AND ".join(sql for sql, _ in found) or "1"
        return condition, [one for _, value in found for one in (value if isinstance(value, tuple) else (value,))]

    def _conditions(self) -> list[tuple[str, Any]]:
        prefix = None if self.trace_id is None else (self.trace_id, self.trace_id + "\U0010ffff")
        return [
            ("? IN (status, delivery)", self.status),
            ("name = ?", self.name),
            ("recorded >= ?", None if self.since is None else min(max(self.since, LOW), HIGH)),
            ("trace_id >= ? AND trace_id < ?", prefix),
            ("session_id = ?", self.session),
            ("instr(',' || replace(tags, ', ', ',') || ',', ',' || ? || ',')", self.tag),
        ]


class Index:
    """Looks through one folder and what this process keeps in memory.

    Args:
        store: The folder; None where there is none.
        memories: Stores in memory.
    """

    def __init__(self, store: FolderStore | None, memories: list[MemoryStore]) -> None:
        self._store = store if store is not None and store.usable() else None
        self._memories = [memory for memory in memories if memory.files()]

    def find(self, query: Query) -> list[Row]:
        """Give what is found, newest first."""
        condition, values = query.where()
        order = "ORDER BY recorded DESC, trace_id LIMIT ? OFFSET ?"
        sql = f"SELECT {', '.join(_COLUMNS)} FROM traces WHERE {condition} {order}"  # noqa: S608
        values += [-1 if query.limit is None else query.limit, query.offset]
        return self._use(lambda database: [Row(*found) for found in database.execute(sql, values)])

    def count(self, query: Query) -> int:
        """Count what is found, without regard to ``limit`` and ``offset``."""
        condition, values = query.where()
        sql = f"SELECT count(*) FROM traces WHERE {condition}"  # noqa: S608
        return self._use(lambda database: int(database.execute(sql, values).fetchone()[0]))

    def _use(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the file; a damaged one is made anew, and where there can be none, memory serves."""
        if self._store is not None and not self._memories:
            path = self._store.root / FILE
            for _ in range(2):
                try:
                    return self._ask(_open(path), ask)
                except (sqlite3.Error, OSError) as error:
                    if "locked" not in str(error):
                        _remove(path)
        return self._ask(_made(sqlite3.connect(":memory:", isolation_level=None)), ask)

    def _ask(self, database: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
        with closing(database):
            if self._store is not None:
                _Update(database, self._store).run()
            for number, memory in enumerate(self._memories):
                _add(database, _in_memory(number, memory))
            return ask(database)


def _open(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        write_new(path, b"")  # 0600; SQLite gives its side files the same
    database = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        return database if _version(database) else _made(database)
    except BaseException:
        database.close()
        raise


def _version(database: sqlite3.Connection) -> int:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, VERSION}:
        msg = "another version"
        raise sqlite3.DatabaseError(msg)
    return version


def _made(database: sqlite3.Connection) -> sqlite3.Connection:
    """Make the tables, unless another process was first."""
    database.execute("BEGIN IMMEDIATE")
    if _version(database) == 0:
        for statement in _SCHEMA.strip().split(";\n"):
            database.execute(statement)
    database.execute("COMMIT")
    return database


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()


class _Update:
    """Brings the index up to date with the folder: only what changed is read."""

    def __init__(self, database: sqlite3.Connection, store: FolderStore) -> None:
        self._database = database
        self._store = store

    def run(self) -> None:
        found = self._database.execute("SELECT folder, changed, settled FROM folders")
        known = {folder: (changed, settled) for folder, changed, settled in found}
        present = dict(self._folders())
        for folder in known.keys() - present.keys():
            self._forget(folder)
        for folder, path in present.items():
            with contextlib.suppress(FileNotFoundError):
                changed = path.stat().st_mtime_ns
                if known.get(folder) != (changed, 1):
                    self._read(folder, path, changed)

    def _folders(self) -> Iterator[tuple[str, Path]]:
        for area in ("outbox", "rejected", "history"):  # the last says what is true of a trace that moves meanwhile
            with contextlib.suppress(OSError), os.scandir(self._store.root / area) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield f"{area}/{entry.name}", self._store.root / area / entry.name

    def _forget(self, folder: str) -> None:
        self._remove("SELECT trace_id FROM traces WHERE folder = ?", [(folder,)])
        self._database.execute("DELETE FROM folders WHERE folder = ?", (folder,))

    def _read(self, folder: str, path: Path, changed: int) -> None:
        settled = time.time_ns() - changed > SETTLED
        names = set(list_names(path))
        have = {file for (file,) in self._database.execute("SELECT file FROM traces WHERE folder = ?", (folder,))}
        gone = [(folder, file) for file in have - names]
        if gone:
            self._remove("SELECT trace_id FROM traces WHERE folder = ? AND file = ?", gone)
        new = sorted(names - have)
        for start in range(0, len(new), BATCH):
            _add(self._database, self._heads(folder, path, new[start : start + BATCH]))
        self._database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (folder, changed, int(settled)))

    def _remove(self, select: str, keys: Sequence[tuple[str, ...]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(f"DELETE FROM texts WHERE trace_id IN ({select})", keys)  # noqa: S608
        self._database.executemany(f"DELETE FROM traces WHERE trace_id IN ({select})", keys)  # noqa: S608
        self._database.execute("COMMIT")

    def _heads(self, folder: str, path: Path, names: list[str]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        area = folder.partition("/")[0]
        for name in names:
            file = path / f"{name}{SUFFIX}"
            try:
                head = records.unpack_head(read_file(file))
            except (OSError, records.NewerFormatError):  # gone meanwhile; or not for us to judge
                continue
            except records.DamagedError:
                self._set_aside(file)
                continue
            yield folder, name, _delivery(area, name, head), head

    def _set_aside(self, file: Path) -> None:
        faults.warn_once("damaged", "A stored trace is damaged and was set aside, in %s.", self._store.where())
        with contextlib.suppress(OSError):
            self._store.set_aside(file)


def _in_memory(number: int, memory: MemoryStore) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for (area, account, name), data in memory.files().items():
        folder = f"memory:{number}/{area}/{account}"
        yield (
            folder,
            name,
            _delivery("history" if area == "local" else area, name, head := records.unpack_head(data)),
            head,
        )


def _delivery(area: str, name: str, head: dict[str, Any]) -> str:
    if area == "history":
        return "local" if name.endswith(LOCAL) or head["delivery"].get("status") == "local" else "sent"
    return "pending" if area == "outbox" else "rejected"


def _add(database: sqlite3.Connection, heads: Iterator[tuple[str, str, str, dict[str, Any]]]) -> None:
    rows, texts = [], []
    for folder, file, delivery, head in heads:
        given = head.get("facts")
        facts: dict[str, Any] = given if isinstance(given, dict) else {}
        rows.append(_row(folder, file, delivery, head, facts))
        texts.append((head["trace_id"], _searched(head, facts)))
    marks = ", ".join("?" * len(_COLUMNS))
    database.execute("BEGIN IMMEDIATE")
    database.executemany(f"INSERT OR REPLACE INTO traces VALUES ({marks})", rows)  # noqa: S608
    database.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", texts)
    database.execute("COMMIT")


def _row(folder: str, file: str, delivery: str, head: dict[str, Any], facts: dict[str, Any]) -> list[Any]:
    own = {
        **facts,
        "trace_id": head["trace_id"],
        "folder": folder,
        "file": file,
        "recorded": _recorded(file),
        "name": head.get("name", ""),
        "status": head.get("status", ""),
        "delivery": delivery,
        "reason": head["delivery"].get("reason"),
    }
    return [_plain(own.get(column)) for column in _COLUMNS]


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not LOW <= value <= HIGH:
        return float(value)
    if value is None or isinstance(value, (int, float)):
        return value
    return str(value).encode("utf-8", "replace").decode()


def _recorded(file: str) -> int:
    digits = file.partition("-")[0]
    return min(int(digits), HIGH) if digits.isascii() and digits.isdigit() else 0


def _searched(head: dict[str, Any], facts: dict[str, Any]) -> str:
    parts = [head.get("name"), *(facts.get(key) for key in ("text", "tags", "session_id", "user_id", "model"))]
    text = "\n".join(str(part) for part in [head["trace_id"], *parts] if part)
    return text.encode("utf-8", "replace").decode().casefold()
