"""Reading stored traces back, and what a person does with them: look, delete, send again."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infinium_integrations import faults, settings
from infinium_integrations.delivery import records
from infinium_integrations.delivery.store import CLIENT, SUFFIX, FolderStore, read_file
from infinium_integrations.delivery.writer import Writer, account_of
from infinium_integrations.errors import ValidationError

if TYPE_CHECKING:
    from infinium_integrations.delivery.index import Index, Query, Row
    from infinium_integrations.delivery.memory import MemoryStore
    from infinium_integrations.delivery.sender import Sender
    from infinium_integrations.delivery.shelf import Shelf
    from infinium_integrations.models import TaskData

__all__ = ["Reading"]

WRITE_PATIENCE = 2.0
"""Seconds that a reader waits for what is just being written."""
OVERLAP = 10_000_000_000
"""Nanoseconds that ``watch`` looks back, for what another process wrote a little late."""


class Reading:
    """The half of ``Delivery`` that reads; every method does I/O on the caller's thread."""

    _writer: Writer
    _sender: "Sender"
    _shelf: "Shelf"

    def traces(self, **query: Any) -> "list[TaskData]":
        """Read traces, newest first.

        Args:
            **query: ``limit`` (100; None for all), ``offset``, ``status`` (of the run or of the delivery), ``name``,
                ``since`` (a datetime, an ISO 8601 string, or a timedelta before now), ``trace_id`` (or its beginning),
                ``session``, ``tag``, ``text`` (words that must all occur).

        Returns:
            Each as ``TaskData`` with its ``delivery`` state.
        """
        found = (self._load(row) for row in self.listing(**query))
        return [task for task in found if task is not None]

    def listing(self, **query: Any) -> "list[Row]":
        """Give what ``traces`` gives as short rows, without reading the traces themselves."""
        return self._index().find(_query(**query))

    def count(self, **query: Any) -> int:
        """Count what ``traces`` would find without a limit."""
        return self._index().count(_query(**query))

    def get(self, trace_id: str) -> "TaskData | None":
        """Read one trace by its id or a beginning of it that no other has; None where there is none.

        Raises:
            ValidationError: Several begin so.
        """
        row = self._one(trace_id)
        return self._load(row) if row is not None else None

    def delete(self, trace_id: str) -> bool:
        """Delete one trace by its id or its beginning; False where there is none.

        Raises:
            ValidationError: Several begin so.
        """
        row = self._one(trace_id)
        return row is not None and self._remove(row)

    def retry(self, trace_id: str | None = None) -> int:
        """Let traces that were refused be sent again; all of them, or one by its id or its beginning.

        With an account, those that a client of a process now gone was to send go to the account.

        Returns:
            How many wait to be sent again.

        Raises:
            ValidationError: Several begin so.
        """
        if trace_id is not None:
            row = self._one(trace_id)
            rows = [] if row is None else [row]
        else:
            rows = [*self.listing(status="rejected", limit=None), *self.listing(status="pending", limit=None)]
        moved = sum(self._put_back(row) for row in rows)
        given = settings.current()
        if moved and given.has_account:
            self._sender.look(self._shelf.store(given), account_of(given), given)
        return moved

    def watch(self, *, poll: float = 1.0, **query: Any) -> "Iterator[TaskData]":
        """Give traces as they are stored from now on, without end.

        Args:
            poll: Seconds between looks at the store.
            **query: As for ``traces``; ``since`` begins earlier.
        """
        begin = _query(**query).since or time.time_ns()
        query.update(limit=None, offset=0)
        seen: set[str] = set()
        newest = begin
        while True:
            rows = self.listing(**{**query, "since": max(begin, newest - OVERLAP)})
            fresh = [row for row in reversed(rows) if row.trace_id not in seen]
            seen = {row.trace_id for row in rows}
            newest = max([newest, *(row.recorded for row in rows)])
            yield from filter(None, map(self._load, fresh))
            if not fresh:
                time.sleep(poll)

    def _index(self) -> "Index":
        from infinium_integrations.delivery.index import Index  # noqa: PLC0415  (sqlite3, for readers only)

        if not self._writer.mine:
            self._writer.catch_up(time.monotonic() + WRITE_PATIENCE)
        return Index(self._folder(), self._shelf.memories())

    def _folder(self) -> FolderStore | None:
        return self._shelf.folder(settings.current())

    def _one(self, trace_id: str) -> "Row | None":
        rows = self.listing(trace_id=trace_id, limit=2) if trace_id else []
        exact = [row for row in rows if row.trace_id == trace_id]
        if len(rows) > 1 and not exact:
            msg = f"several traces begin with {trace_id!r}: give more of the id"
            raise ValidationError(msg, field="trace_id")
        return next(iter(exact or rows), None)

    def _load(self, row: "Row", *, again: bool = True) -> "TaskData | None":
        try:
            return _task(row, self._data(row), self._path(row))
        except FileNotFoundError:  # it has moved since the index was read
            moved = self._index().find(_query(trace_id=row.trace_id, limit=1)) if again else []
            return self._load(moved[0], again=False) if moved else None
        except (records.DamagedError, records.NewerFormatError, ValueError, OSError) as error:
            faults.warn_once(
                ("unreadable", row.file), "A stored trace can't be read (%s): %s", type(error).__name__, row.file
            )
            return None

    def _path(self, row: "Row") -> Path | None:
        folder = self._folder()
        return None if folder is None or _in_memory(row) else folder.root / row.folder / f"{row.file}{SUFFIX}"

    def _data(self, row: "Row") -> bytes:
        path = self._path(row)
        if path is not None:
            return read_file(path)
        memory, key = self._key(row)
        found = memory.files().get(key)
        if found is None:
            raise FileNotFoundError(row.file)
        return found

    def _key(self, row: "Row") -> "tuple[MemoryStore, tuple[str, str, str]]":
        number, area, account = row.folder.removeprefix("memory:").split("/", 2)
        memories = [memory for memory in self._shelf.memories() if memory.files()]
        return memories[int(number)], (area, account, row.file)

    def _remove(self, row: "Row") -> bool:
        path = self._path(row)
        if path is None:
            memory, key = self._key(row)
            return memory.remove(key)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            return True
        return False

    def _put_back(self, row: "Row") -> bool:
        """Move a refused trace, or one that waits for a client, to where it is sent from."""
        given = settings.current()
        account = row.folder.rpartition("/")[2]
        if account == CLIENT and given.has_account:
            account = account_of(given)
        elif row.delivery != "rejected":
            return False
        path, folder = self._path(row), self._folder()
        if path is None or folder is None:
            memory, key = self._key(row)
            memory.put_back(key, account)
            return True
        with contextlib.suppress(FileNotFoundError):
            folder.put_back(path, account)
            return True
        return False


def _in_memory(row: "Row") -> bool:
    return row.folder.startswith("memory:")


def _query(*, since: datetime | timedelta | str | int | None = None, **given: Any) -> "Query":
    from infinium_integrations.delivery.index import Query  # noqa: PLC0415

    return Query(since=_nanoseconds(since), **given)


def _nanoseconds(since: datetime | timedelta | str | int | None) -> int | None:
    if since is None or isinstance(since, int):
        return since
    if isinstance(since, timedelta):
        moment = datetime.now(UTC) - since
    else:
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
    return int(moment.timestamp() * 1e6) * 1_000


def _task(row: "Row", data: bytes, path: Path | None) -> "TaskData":
    from infinium_integrations.models import DeliveryState, TaskData  # noqa: PLC0415

    record = records.unpack(data)
    facts = record.head["delivery"]
    rejected, sent = row.delivery == "rejected", row.delivery == "sent"
    state = DeliveryState(
        status=row.delivery,
        path=str(path) if path is not None else None,
        reason=facts.get("reason") if rejected else None,
        remote_trace_id=facts.get("remote_trace_id") if sent else None,
    )
    return TaskData.model_validate(record.payload()).with_delivery(state)
