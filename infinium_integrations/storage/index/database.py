"""The index: a SQLite file beside the traces, for whoever looks. Recording, writing and sending never open it.

It is brought up to date when opened, and made anew when it is missing, damaged or of another version.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from infinium_integrations.storage.folder import FolderStore, write_new
from infinium_integrations.storage.index import sums
from infinium_integrations.storage.index.query import COLUMNS, Query, Row, SessionSums, Sums
from infinium_integrations.storage.index.sync import VERSION, Update, add_memory, make_tables, version_of
from infinium_integrations.storage.memory import MemoryStore

__all__ = ["FILE", "VERSION", "Index", "Query", "Row"]

T = TypeVar("T")

FILE = "index.sqlite3"
BUSY = 60.0
"""Seconds to wait for another process that brings the index up to date."""


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
        """Give what is found, the run that ended last first."""
        return self._use(lambda database: _find(database, query))

    def count(self, query: Query) -> int:
        """Count what is found, without regard to ``limit`` and ``offset``."""
        return self._use(lambda database: _count(database, query))

    def page(self, query: Query) -> tuple[list[Row], int]:
        """Give what ``find`` and ``count`` do, at one look."""
        return self._use(lambda database: (_find(database, query), _count(database, query)))

    def span(self, query: Query) -> tuple[int, int] | None:
        """Give when the first and the last of the runs ended, in nanoseconds; None of no runs."""
        return self._use(lambda database: sums.span(database, query))

    def sums(self, query: Query, size: int | None) -> list[Sums]:
        """Sum up the runs of each stretch of time of ``size`` nanoseconds that has some; None for all in one."""
        return self._use(lambda database: sums.sums(database, query, size))

    def sessions(self, query: Query) -> tuple[list[SessionSums], int]:
        """Give the query's page of sessions, the one with the latest run first, and how many there are."""
        return self._use(lambda database: sums.sessions(database, query))

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
        return self._ask(make_tables(sqlite3.connect(":memory:", isolation_level=None)), ask)

    def _ask(self, database: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
        with closing(database):
            if self._store is not None:
                Update(database, self._store).run()
            for number, memory in enumerate(self._memories):
                add_memory(database, number, memory)
            database.create_function("folded", 1, lambda text: str(text).casefold(), deterministic=True)
            return ask(database)


def _find(database: sqlite3.Connection, query: Query) -> list[Row]:
    condition, values = query.where()
    order = "ORDER BY ended DESC, recorded DESC, id DESC LIMIT ? OFFSET ?"
    sql = f"SELECT {', '.join(COLUMNS)} FROM traces WHERE {condition} {order}"  # noqa: S608
    limit = -1 if query.limit is None else query.limit
    return [Row(*found) for found in database.execute(sql, [*values, limit, query.offset])]


def _count(database: sqlite3.Connection, query: Query) -> int:
    condition, values = query.where()
    return int(database.execute(f"SELECT count(*) FROM traces WHERE {condition}", values).fetchone()[0])  # noqa: S608


def _open(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        write_new(path, b"")  # 0600; SQLite gives its side files the same
    database = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -16000")
        return database if version_of(database) else make_tables(database)
    except BaseException:
        database.close()
        raise


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()
