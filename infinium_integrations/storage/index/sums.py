"""Sums over many traces, made by SQLite from the index alone."""

import sqlite3
from typing import Any

from infinium_integrations.storage.index.query import HIGH, Query, SessionSums, Sums

__all__ = ["sessions", "span", "sums"]

_SUMMED = "count(*), sum(status = 'error'), total(tokens), total(cost)"


def span(database: sqlite3.Connection, query: Query) -> tuple[int, int] | None:
    """Give when the first and the last of the runs ended, in nanoseconds; None of no runs."""
    condition, values = query.where()
    first, last = database.execute(f"SELECT min(ended), max(ended) FROM traces WHERE {condition}", values).fetchone()  # noqa: S608
    return None if first is None else (first, last)


def sums(database: sqlite3.Connection, query: Query, size: int | None) -> list[Sums]:
    """Sum up the runs of each stretch of time of ``size`` nanoseconds that has some, oldest first; None for all in one.

    The stretches begin at the multiples of ``size`` since the epoch.
    """
    condition, values = query.where()
    size = size or HIGH
    found = database.execute(
        f"""
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
        """,  # noqa: S608
        [size, *values],
    )
    return [Sums(part * size, *_summed(*rest), p50, p95) for part, *rest, p50, p95 in found]


def sessions(database: sqlite3.Connection, query: Query) -> tuple[list[SessionSums], int]:
    """Give the query's page of sessions, the one with the latest run first, and how many there are."""
    condition, values = query.where()
    condition += " AND session_id <> ''"
    count = f"SELECT count(DISTINCT session_id) FROM traces WHERE {condition}"  # noqa: S608
    select = f"""
        SELECT session_id, total(duration), min(ended), max(ended), {_SUMMED} FROM traces WHERE {condition}
        GROUP BY session_id ORDER BY max(ended) DESC, session_id LIMIT ? OFFSET ?
    """  # noqa: S608
    limit = -1 if query.limit is None else query.limit
    found = database.execute(select, [*values, limit, query.offset]).fetchall()
    told = _told(database, condition, values, [session for session, *_ in found])
    return [_session(*one, told[one[0]]) for one in found], int(database.execute(count, values).fetchone()[0])


_Told = tuple[dict[str, int], set[str]]


def _told(database: sqlite3.Connection, condition: str, values: list[Any], sessions: list[str]) -> dict[str, _Told]:
    """Give each session's names, those of the latest runs first, and its users."""
    told: dict[str, _Told] = {session: ({}, set()) for session in sessions}
    marks = ", ".join("?" * len(sessions))
    select = f"""
        SELECT session_id, name, user_id, count(*) FROM traces WHERE {condition} AND session_id IN ({marks})
        GROUP BY session_id, name, user_id ORDER BY max(ended) DESC
    """  # noqa: S608
    for session, name, user, runs in database.execute(select, [*values, *sessions]):
        names, users = told[session]
        names[name] = names.get(name, 0) + runs
        users.update({user} if user else ())
    return told


def _session(session: str, duration: float, first: int, last: int, *rest: Any) -> SessionSums:
    *summed, (names, users) = rest
    runs, errors, tokens, cost = _summed(*summed)
    return SessionSums(session, runs, errors, duration, tokens, cost, first, last, names, users)


def _summed(runs: int, errors: int, tokens: float, cost: float) -> tuple[int, int, int, float]:
    return runs, errors, int(tokens), cost
