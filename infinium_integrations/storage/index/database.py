"""The index: a SQLite file beside the traces, built lazily, by readers only.

It is brought up to date when opened, and made anew when it is missing, damaged or of another version. Recording,
writing and sending never open it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from infinium_integrations.storage.folder import SUFFIX, FolderStore, read_file, write_new
from infinium_integrations.storage.index.contents import Contents, unread
from infinium_integrations.storage.index.query import COLUMNS, HIGH, Query, Row, SessionSums, Sums
from infinium_integrations.storage.index.steps import StepSums, step_sums_of
from infinium_integrations.storage.index.sync import (
    VERSION,
    Update,
    add_memory,
    full_text,
    make_tables,
    transaction,
    version_of,
    whole,
)
from infinium_integrations.storage.memory import MemoryStore

__all__ = ["FILE", "VERSION", "Index", "Left", "Query", "Row"]

T = TypeVar("T")

FILE = "index.sqlite3"
FEW = 300
"""Traces that are read for steps and words at once, even for who is not patient."""
SOME = 1_000
"""Traces that are listed at once, even for who is not patient."""
SMALL = 5_000
"""Traces: of so many the remains of deleted ones are cleared away at once, of more when a tenth is gone."""
SHORT_MS = 200
"""Milliseconds that who is not patient waits for another reader, time and again."""
BUSY = 60.0
"""Seconds to wait for another process that brings the index up to date."""

_SUMMED = "count(*), sum(status = 'error'), sum(tokens + 0.0), sum(cost)"


@dataclass(frozen=True, slots=True)
class Left:
    """What is not in the index yet: so many traces are not read for their steps and words; are all listed?"""

    unread: int = 0
    listed: bool = True


class Index:
    """Finds and sums up the traces of one folder and of this process's memory.

    Args:
        store: The folder; None where there is none.
        memories: Stores in memory.
        patient: Whether to wait until all traces are listed, and of a query that asks for steps or words until all are
            read for them; otherwise only where few are left, and else what is there is found.
        progress: Called with how many traces are read for steps and words, and how many are to be.
    """

    def __init__(
        self,
        store: FolderStore | None,
        memories: list[MemoryStore],
        *,
        patient: bool = True,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self._store = store if store is not None and store.usable() else None
        self._memories = [(number, memory) for number, memory in enumerate(memories) if memory.files()]
        self._patient = patient
        self._progress = progress

    def find(self, query: Query) -> list[Row]:
        """Return what is found in the query's order, by default the run that ended last first."""
        return self._use(query, lambda database: _rows_of(database, query))

    def count(self, query: Query) -> int:
        """Count what is found, without regard to ``limit`` and ``offset``."""
        return self._use(query, lambda database: _count_of(database, query))

    def page(self, query: Query) -> tuple[list[Row], int]:
        """Return what ``find`` and ``count`` do, from one state of the index."""
        return self._use(query, lambda database: (_rows_of(database, query), _count_of(database, query)))

    def left(self) -> "Left":
        """Return what is not in the index yet."""
        return self._use(Query(), lambda database: Left(unread(database), listed=whole(database)))

    def read_all(self) -> None:
        """Read what is unread."""
        self._use(Query(text="all"), lambda _: None)

    def forget(self) -> None:
        """Take over what was deleted, and leave no remains of it in the file."""
        self._use(Query(), _clear)

    def span(self, query: Query) -> tuple[int, int] | None:
        """Return when the first and the last of the runs ended, in nanoseconds; None of no runs."""

        def ask(database: sqlite3.Connection) -> tuple[int | None, int | None]:
            condition, values = _where(database, query)
            select = f"SELECT min(ended), max(ended) FROM traces WHERE {condition}"  # noqa: S608
            found: tuple[int | None, int | None] = database.execute(select, values).fetchone()
            return found

        first, last = self._use(query, ask)
        return None if first is None or last is None else (first, last)

    def sums(self, query: Query, size: int | None) -> list[Sums]:
        """Sum up the runs of each stretch of ``size`` nanoseconds that has some, oldest first; None for all in one.

        The stretches begin at the multiples of ``size`` since the epoch.
        """
        length = size or HIGH
        found = self._use(query, lambda database: _sums_of(database, query, length))
        return [Sums(part * length, runs, errors, _whole(tokens), *rest) for part, runs, errors, tokens, *rest in found]

    def step_sums(self, query: Query) -> list[StepSums]:
        """Sum up the steps of what ``find`` would find without a limit; of the runs that are read for their steps."""

        def ask(database: sqlite3.Connection) -> list[StepSums]:
            return step_sums_of(database, *_where(database, query))

        return self._use(Query(text="all"), ask)

    def sessions(self, query: Query) -> tuple[list[SessionSums], int]:
        """Return the query's page of sessions, the one with the latest run first, and how many there are."""
        return self._use(query, lambda database: _sessions_of(database, query))

    def _use(self, query: Query, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the file; a damaged one is made anew, and where there can be none, memory serves."""
        if self._store is not None:
            path = self._store.root / FILE
            for _ in range(2):
                try:
                    with contextlib.suppress(FileExistsError):
                        write_new(path, b"")  # 0600; SQLite creates its side files with the same mode
                    return self._ask(sqlite3.connect(path, timeout=BUSY, isolation_level=None), query, ask)
                except (sqlite3.Error, OSError) as error:
                    if "locked" not in str(error):
                        for end in ("", "-journal", "-wal", "-shm"):
                            with contextlib.suppress(OSError):
                                path.with_name(f"{path.name}{end}").unlink()
        return self._ask(sqlite3.connect(":memory:", isolation_level=None), query, ask)

    def _ask(self, connection: sqlite3.Connection, query: Query, ask: Callable[[sqlite3.Connection], T]) -> T:
        with closing(connection) as database:
            database.execute("PRAGMA page_size = 16384")  # of a new file
            database.execute("PRAGMA journal_mode = WAL")  # who reads and who writes don't wait for each other
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA secure_delete = ON")  # what was deleted is not left in the file's free pages
            database.execute("PRAGMA cache_size = -16000")
            if not version_of(database):
                make_tables(database)
            if self._store is not None:
                self._bring_up_to_date(database, self._store, query)
            if not self._memories:
                return _answer(database, ask)
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as joined:
                database.backup(joined)
                files = dict[tuple[str, str], bytes]()
                for number, memory in self._memories:
                    files |= add_memory(joined, number, memory)
                if query.reads_steps:
                    Contents(joined, lambda folder, file: files.get((folder, file), b"")).run()
                return _answer(joined, ask)

    def _bring_up_to_date(self, database: sqlite3.Connection, store: FolderStore, query: Query) -> None:
        if not self._patient:
            database.execute(f"PRAGMA busy_timeout = {SHORT_MS}")
        try:
            gone = Update(database, store, HIGH if self._patient else SOME).run()
            if gone and database.execute("SELECT count(*) FROM traces").fetchone()[0] < max(SMALL, 10 * gone):
                _clear(database)
            if query.reads_steps and (self._patient or unread(database) <= FEW):
                Contents(database, self._data_of).run(self._progress)
        except sqlite3.OperationalError as error:
            if self._patient or "locked" not in str(error):
                raise  # else another reader is at it

    def _data_of(self, folder: str, file: str) -> bytes:
        if self._store is None:
            raise FileNotFoundError(file)
        return read_file(f"{self._store.root}{os.sep}{folder}{os.sep}{file}{SUFFIX}")


def _answer(database: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
    database.create_function("folded", 1, lambda text: text and str(text).casefold(), deterministic=True)
    return ask(database)


def _clear(database: sqlite3.Connection) -> None:
    if full_text(database):  # what was deleted is still named in parts of it that are not merged yet
        with transaction(database):
            database.execute("INSERT INTO words(words) VALUES ('optimize')")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _where(database: sqlite3.Connection, query: Query) -> tuple[str, list[object]]:
    return query.where(full_text=full_text(database))


def _rows_of(database: sqlite3.Connection, query: Query) -> list[Row]:
    """Return the rows that a query asks for, the run that ended last first."""
    condition, values = _where(database, query)
    page = f"SELECT id FROM traces WHERE {condition} ORDER BY {query.order()} LIMIT ? OFFSET ?"  # noqa: S608
    sql = f"SELECT {', '.join(COLUMNS)} FROM traces WHERE id IN ({page}) ORDER BY {query.order()}"  # noqa: S608
    limit = -1 if query.limit is None else query.limit
    return [Row(*found) for found in database.execute(sql, [*values, limit, query.offset])]


def _count_of(database: sqlite3.Connection, query: Query) -> int:
    """Count what a query finds without its limit."""
    condition, values = _where(database, query)
    return int(database.execute(f"SELECT count(*) FROM traces WHERE {condition}", values).fetchone()[0])  # noqa: S608


def _sums_of(database: sqlite3.Connection, query: Query, length: int) -> list[tuple[Any, ...]]:
    condition, values = _where(database, query)
    select = f"""
            SELECT part, {_SUMMED},
                max(CASE WHEN place = (runs * 50 + 99) / 100 THEN length END),
                max(CASE WHEN place = (runs * 95 + 99) / 100 THEN length END)
            FROM (
                SELECT part, status, tokens, cost, length,
                    row_number() OVER (PARTITION BY part ORDER BY length) AS place,
                    count(*) OVER (PARTITION BY part) AS runs
                FROM (
                    SELECT ended / ? AS part, status, tokens, cost, CAST(coalesce(duration, 0) AS REAL) AS length
                    FROM traces WHERE {condition}
                )
            ) GROUP BY part ORDER BY part
    """  # noqa: S608
    return database.execute(select, [length, *values]).fetchall()


def _whole(tokens: float | None) -> int | None:
    """Return a sum, which is a float so that it can't overflow, as a whole number."""
    return None if tokens is None else int(tokens)


def _sessions_of(database: sqlite3.Connection, query: Query) -> tuple[list[SessionSums], int]:
    """Return the sessions of the runs that a query finds, and how many there are without its limit."""
    condition, values = _where(database, query)
    condition += " AND session_id <> ''"
    count = f"SELECT count(DISTINCT session_id) FROM traces WHERE {condition}"  # noqa: S608
    select = f"""
        SELECT session_id, {_SUMMED}, total(duration), min(ended), max(ended) FROM traces WHERE {condition}
        GROUP BY session_id ORDER BY max(ended) DESC, session_id LIMIT ? OFFSET ?
    """  # noqa: S608
    limit = -1 if query.limit is None else query.limit
    found = database.execute(select, [*values, limit, query.offset]).fetchall()
    names: dict[str, dict[str, int]] = {session: {} for session, *_ in found}
    users: dict[str, set[str]] = {session: set() for session in names}
    parts = f"""
        SELECT session_id, name, user_id, count(*) FROM traces
        WHERE {condition} AND session_id IN ({", ".join("?" * len(names))})
        GROUP BY session_id, name, user_id ORDER BY max(ended) DESC
    """  # noqa: S608
    for session, name, user, runs in database.execute(parts, [*values, *names]):
        names[session][name] = names[session].get(name, 0) + runs
        users[session].update({user} if user else ())
    page = [
        SessionSums(session, runs, errors, duration, _whole(tokens), cost, first, last, names[session], users[session])
        for session, runs, errors, tokens, cost, duration, first, last in found
    ]
    return page, int(database.execute(count, values).fetchone()[0])
