"""The index: a SQLite file beside the traces, built lazily, by readers only.

It is brought up to date when opened, and made anew when it is missing, damaged or of another version. Recording,
writing and sending never open it.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from infinium_integrations.storage.folder import FolderStore, write_new
from infinium_integrations.storage.index.query import COLUMNS, HIGH, Query, Row, SessionSums, Sums
from infinium_integrations.storage.index.sync import VERSION, Update, add_memory, make_tables, version_of
from infinium_integrations.storage.memory import MemoryStore

__all__ = ["FILE", "VERSION", "Index", "Query", "Row", "count_of", "rows_of", "sessions_of"]

T = TypeVar("T")

FILE = "index.sqlite3"
BUSY = 60.0
"""Seconds to wait for another process that brings the index up to date."""

_SUMMED = "count(*), sum(status = 'error'), total(tokens), total(cost)"


class Index:
    """Finds and sums up the traces of one folder and of this process's memory.

    Args:
        store: The folder; None where there is none.
        memories: Stores in memory.
    """

    def __init__(self, store: FolderStore | None, memories: list[MemoryStore]) -> None:
        self._store = store if store is not None and store.usable() else None
        self._memories = [(number, memory) for number, memory in enumerate(memories) if memory.files()]

    def find(self, query: Query) -> list[Row]:
        """Return what is found, the run that ended last first."""
        return self._use(lambda database: rows_of(database, query))

    def count(self, query: Query) -> int:
        """Count what is found, without regard to ``limit`` and ``offset``."""
        return self._use(lambda database: count_of(database, query))

    def page(self, query: Query) -> tuple[list[Row], int]:
        """Return what ``find`` and ``count`` do, from one state of the index."""
        return self._use(lambda database: (rows_of(database, query), count_of(database, query)))

    def span(self, query: Query) -> tuple[int, int] | None:
        """Return when the first and the last of the runs ended, in nanoseconds; None of no runs."""
        condition, values = query.where()
        select = f"SELECT min(ended), max(ended) FROM traces WHERE {condition}"  # noqa: S608
        first, last = self._use(lambda database: database.execute(select, values).fetchone())
        return None if first is None else (first, last)

    def sums(self, query: Query, size: int | None) -> list[Sums]:
        """Sum up the runs of each stretch of ``size`` nanoseconds that has some, oldest first; None for all in one.

        The stretches begin at the multiples of ``size`` since the epoch.
        """
        condition, values = query.where()
        length = size or HIGH
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
        found = self._use(lambda database: database.execute(select, [length, *values]).fetchall())
        return [Sums(part * length, runs, errors, int(tokens), *rest) for part, runs, errors, tokens, *rest in found]

    def sessions(self, query: Query) -> tuple[list[SessionSums], int]:
        """Return the query's page of sessions, the one with the latest run first, and how many there are."""
        return self._use(lambda database: sessions_of(database, query))

    def _use(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the file; a damaged one is made anew, and where there can be none, memory serves."""
        if self._store is not None:
            path = self._store.root / FILE
            for _ in range(2):
                try:
                    with contextlib.suppress(FileExistsError):
                        write_new(path, b"")  # 0600; SQLite creates its side files with the same mode
                    return self._ask(sqlite3.connect(path, timeout=BUSY, isolation_level=None), ask)
                except (sqlite3.Error, OSError) as error:
                    if "locked" not in str(error):
                        for name in (path.name, f"{path.name}-journal"):
                            with contextlib.suppress(OSError):
                                path.with_name(name).unlink()
        return self._ask(sqlite3.connect(":memory:", isolation_level=None), ask)

    def _ask(self, connection: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
        with closing(connection) as database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA secure_delete = ON")  # what was deleted is not left in the file's free pages
            database.execute("PRAGMA cache_size = -16000")
            if not version_of(database):
                make_tables(database)
            if self._store is not None:
                Update(database, self._store).run()
            if not self._memories:
                return _answer(database, ask)
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as joined:
                database.backup(joined)
                for number, memory in self._memories:
                    add_memory(joined, number, memory)
                return _answer(joined, ask)


def _answer(database: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
    database.create_function("folded", 1, lambda text: str(text).casefold(), deterministic=True)
    return ask(database)


def rows_of(database: sqlite3.Connection, query: Query) -> list[Row]:
    """Return the rows that a query asks for, the run that ended last first."""
    condition, values = query.where()
    order = "ORDER BY ended DESC, recorded DESC, id DESC LIMIT ? OFFSET ?"
    sql = f"SELECT {', '.join(COLUMNS)} FROM traces WHERE {condition} {order}"  # noqa: S608
    limit = -1 if query.limit is None else query.limit
    return [Row(*found) for found in database.execute(sql, [*values, limit, query.offset])]


def count_of(database: sqlite3.Connection, query: Query) -> int:
    """Count what a query finds without its limit."""
    condition, values = query.where()
    return int(database.execute(f"SELECT count(*) FROM traces WHERE {condition}", values).fetchone()[0])  # noqa: S608


def sessions_of(database: sqlite3.Connection, query: Query) -> tuple[list[SessionSums], int]:
    """Return the sessions of the runs that a query finds, and how many there are without its limit."""
    condition, values = query.where()
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
        SessionSums(session, runs, errors, duration, int(tokens), cost, first, last, names[session], users[session])
        for session, runs, errors, tokens, cost, duration, first, last in found
    ]
    return page, int(database.execute(count, values).fetchone()[0])
