"""Reading stored traces back, and what a person does with them: look, delete, send again."""

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from infinium_integrations import diagnostics, settings
from infinium_integrations.errors import ConfigurationError, ValidationError, did_you_mean
from infinium_integrations.models import Status
from infinium_integrations.payload.finalize import encode
from infinium_integrations.settings import Settings
from infinium_integrations.storage import destinations, live
from infinium_integrations.storage import record as records
from infinium_integrations.storage.folder import CLIENT, LOCAL, SUFFIX, FolderStore, read_file
from infinium_integrations.storage.record import file_name, safe_id
from infinium_integrations.storage.selector import StoreSelector, account_of

if TYPE_CHECKING:
    from infinium_integrations.models import TaskData
    from infinium_integrations.storage.index.database import Index, Left
    from infinium_integrations.storage.index.query import Query, Row, SessionSums, Sums
    from infinium_integrations.storage.index.steps import StepSums
    from infinium_integrations.storage.memory import MemoryStore

__all__ = ["StoredQuery", "TraceQuery", "TraceReader"]

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
MOST_WORDS = 500
OVERLAP = 10_000_000_000
"""Nanoseconds that ``watch`` looks back, for what another process wrote a little late."""


Moment = datetime | timedelta | str | int | None


class TraceQuery(TypedDict, total=False):
    """Which traces to read; all that is given must hold.

    ``limit`` (100; None for all) and ``offset`` count traces. ``status`` is the run's or the delivery's, ``name`` a
    part of the name, upper and lower case alike. ``since`` and ``until`` (exclusive) are about when the run ended: a
    datetime, an ISO 8601 string (in UTC where it names no zone), or a timedelta before now; whole numbers are
    nanoseconds since the epoch.
    ``trace_id`` may be the beginning of one; ``session`` and ``user`` are whole ids; the words of ``text`` must all
    occur in the names, errors, previews or the content. ``sort`` is ``ended``, ``name``, ``status``, ``duration``,
    ``tokens``, ``cost``, ``steps``, ``errors`` or ``model``, with ``-`` before it the greatest first.
    """

    limit: int | None
    offset: int
    status: Status | Literal["local", "pending", "sent", "rejected"] | None
    name: str | None
    since: Moment
    until: Moment
    trace_id: str | None
    session: str | None
    user: str | None
    tag: str | None
    text: str | None
    sort: str


class StoredQuery(TraceQuery, total=False):
    """What the library asks besides.

    ``query`` is written as people write it (``infinium_integrations.storage.index.language``), ``exact_id`` a whole
    id, and ``stored_since`` is about when a trace was stored (nanoseconds since the epoch). ``step`` is a second query,
    whose fields hold for a step of their own.
    """

    query: str
    step: str
    exact_id: str | None
    stored_since: int | None


class TraceReader:
    """Reads finished traces back; every method does I/O on the caller's thread.

    Args:
        selector: Returns where traces are kept: another place in a forked child.
        catch_up: Waits, before a look, until what was recorded is written.
        send: Has the sender look at what waits for the account of the settings.
        patient: Whether to wait until all traces are listed, and read for a query that asks for steps or words.
    """

    def __init__(
        self,
        selector: Callable[[], StoreSelector],
        *,
        catch_up: Callable[[], None],
        send: Callable[[Settings], None],
        patient: bool = True,
    ) -> None:
        self._selector = selector
        self._catch_up = catch_up
        self._send = send
        self._patient = patient
        self.renew_lock()

    def renew_lock(self) -> None:
        """Replace the locks, which a forked child may have inherited locked."""
        self._keeping = threading.Lock()
        self._reading = threading.Lock()

    def impatient(self) -> "TraceReader":
        """Return one that answers at once with what is read so far, for the page; ``read_ahead`` has the rest read."""
        return TraceReader(self._selector, catch_up=self._catch_up, send=self._send, patient=False)

    def read_ahead(self) -> "Left":
        """Have what is not in the index yet be read in the background; return what that is."""
        left = self._index().left()
        reading = self._reading

        def read_all() -> None:
            try:
                self._index(patient=True).read_all()
            finally:
                reading.release()

        if (left.unread or not left.listed) and reading.acquire(blocking=False):
            threading.Thread(target=read_all, name="infinium-index", daemon=True).start()
        return left

    def traces(self, **query: Unpack[StoredQuery]) -> "list[TaskData]":
        """Read traces, the run that ended last first.

        Args:
            **query: See ``TraceQuery``.

        Returns:
            Each as ``TaskData`` with its ``delivery`` state.
        """
        return list(self.each(**query))

    def each(self, **query: Unpack[StoredQuery]) -> "Iterator[TaskData]":
        """Return what ``traces`` returns one by one; each is read when it is asked for."""
        found = (self._load(row) for row in self.listing(**query))
        return (task for task in found if task is not None)

    def listing(self, **query: Unpack[StoredQuery]) -> "list[Row]":
        """Return what ``traces`` returns as short rows, without reading the traces themselves."""
        return self._index().find(_query(**query))

    def page(self, **query: Unpack[StoredQuery]) -> "tuple[list[Row], int]":
        """Return what ``listing`` and ``count`` do, at one look."""
        return self._index().page(_query(**query))

    def count(self, **query: Unpack[StoredQuery]) -> int:
        """Count what ``traces`` would find without a limit."""
        return self._index().count(_query(**query))

    def span(self, **query: Unpack[StoredQuery]) -> tuple[int, int] | None:
        """Return when the first and the last of the runs ended, in nanoseconds since the epoch; None of no runs."""
        return self._index().span(_query(**query))

    def sums(self, size: int | None = None, **query: Unpack[StoredQuery]) -> "list[Sums]":
        """Sum up what ``traces`` would find without a limit, without reading the traces.

        Args:
            size: Nanoseconds: one sum for each stretch of time of this length that has runs, oldest first, beginning
                at multiples of it since the epoch. None sums up all in one.
            **query: As for ``traces``.
        """
        return self._index().sums(_query(**query), size)

    def step_sums(self, **query: Unpack[StoredQuery]) -> "list[StepSums]":
        """Sum up the steps of what ``traces`` would find without a limit: one sum a tool, a model and a node."""
        return self._index().step_sums(_query(**query))

    def sessions(self, **query: Unpack[StoredQuery]) -> "tuple[list[SessionSums], int]":
        """Sum up the sessions of the runs, the one with the latest run first; ``limit`` and ``offset`` count sessions.

        Returns:
            The sessions, and how many there are without a limit.
        """
        return self._index().sessions(_query(**query))

    def get(self, trace_id: str, *, exact: bool = False) -> "TaskData | None":
        """Read one trace; None where there is none.

        Args:
            trace_id: Its id, or the beginning of it that no other has. A whole UUID is never taken as a beginning.
            exact: Take no beginning.

        Raises:
            ValidationError: Several begin so.
        """
        row = self.find(trace_id, exact=exact)
        return self._load(row) if row is not None else None

    def running(self) -> "list[TaskData]":
        """Return the traces that are open now, in whatever process, as they stand; the latest first.

        Their ``environment.custom_tags["status"]`` is ``running``. Where traces are kept in memory there are none.
        """
        from infinium_integrations.models import TaskData  # noqa: PLC0415  (as in ``_task``)

        folder, found = self._folder(), []
        for payload in live.ask(folder.root) if folder is not None and folder.usable() else ():
            with contextlib.suppress(ValueError):
                found.append(TaskData.model_validate(payload))
        index = self._index() if found else None
        ended = {task.trace_id for task in found if index and index.find(_query(exact_id=task.trace_id, limit=1))}
        found = [task for task in found if task.trace_id not in ended]
        return sorted(found, key=lambda task: task.duration)

    def find(self, trace_id: str, *, exact: bool = False) -> "Row | None":
        """Return one trace as a short row, named as for ``get``; None where there is none.

        Raises:
            ValidationError: Several begin so.
        """
        found = self.listing(exact_id=trace_id, limit=1)
        if found or exact or not trace_id or re.fullmatch(UUID, trace_id):
            return next(iter(found), None)
        rows = self.listing(trace_id=trace_id, limit=2)
        if len(rows) > 1:
            msg = f"several traces begin with {trace_id!r}: give more of the id"
            raise ValidationError(msg, field="trace_id")
        return next(iter(rows), None)

    def delete(self, trace_id: str, *, exact: bool = False) -> bool:
        """Delete one trace, named as for ``get``; False where there is none.

        Raises:
            ValidationError: Several begin so.
        """
        row = self.find(trace_id, exact=exact)
        return row is not None and self.remove([row]).total() == 1

    def remove(self, rows: "Iterable[Row]") -> Counter[str]:
        """Delete traces that ``listing`` or ``find`` returned, waiting, delivered, local and refused ones alike.

        The index forgets them at once. What was sent is at Infinium too, and stays there.

        Returns:
            How many are gone by their state of delivery: ``local``, ``pending``, ``sent``, ``rejected``.
        """
        gone = Counter[str]()
        for row in rows:
            folder, name = self._folder(), records.stem(row.file).removesuffix(LOCAL)
            found = [memory.remove(name) for memory in self._selector().memories()]
            if any(found) | (folder is not None and folder.remove(name)):
                gone[row.delivery] += 1
        if gone:
            self._index(patient=True).forget()
        return gone

    def retry(self, trace_id: str | None = None, *, exact: bool = False) -> int:
        """Let traces that were refused be sent again; all of them, or one, named as for ``get``.

        With an account, those that a client of a process now gone was to send go to the account.

        Returns:
            How many wait to be sent again.

        Raises:
            ValidationError: Several begin so.
        """
        if trace_id is not None:
            row = self.find(trace_id, exact=exact)
            rows = [] if row is None else [row]
        else:
            rows = [*self.listing(status="rejected", limit=None), *self.listing(status="pending", limit=None)]
        moved = sum(self._put_back(row) for row in rows)
        given = settings.current()
        if moved and given.delivers:
            self._send(given)
        return moved

    def keep(self, trace_id: str, payload: dict[str, object]) -> bool:
        """Keep a trace that was received, for reading only: it is delivered nowhere, and ``stats`` doesn't count it.

        Args:
            trace_id: Its id: 1 to 128 ASCII letters, digits and ``_ . : -``.
            payload: What ``build_payload`` returns: checked and redacted.

        Returns:
            Whether it is kept now; False where there is one of this id, which stays as it is.

        Raises:
            ValidationError: The id can't be one.
        """
        if not safe_id(trace_id):
            msg = "a trace's id has 1 to 128 ASCII letters, digits and _ . : -"
            raise ValidationError(msg, field="trace_id")
        with self._keeping:
            if self.listing(exact_id=trace_id, limit=1):
                return False
            recorded = time.time_ns()
            record = records.new_record(trace_id, payload, encode(payload), recorded, {"status": "local"})
            self._selector().put(settings.current(), file_name(recorded, trace_id), records.pack(record), None)
            return True

    def watch(
        self, *, poll: float = 1.0, between: Callable[[], object] = lambda: None, **query: Unpack[StoredQuery]
    ) -> "Iterator[TaskData]":
        """Return traces as they are stored from now on, without end.

        Args:
            poll: Seconds between looks at the store.
            between: Called before each of these pauses.
            **query: As for ``traces``; ``since`` begins earlier, and is about when a trace was stored.
        """
        begin = _nanoseconds(query.pop("since", None)) or time.time_ns()
        query["limit"], query["offset"] = None, 0
        seen: set[str] = set()
        newest = begin
        while True:
            query["stored_since"] = max(begin, newest - OVERLAP)
            rows = self.listing(**query)
            rows.sort(key=lambda row: row.recorded)
            fresh = [row for row in rows if row.trace_id not in seen]
            seen = {row.trace_id for row in rows}
            newest = max([newest, *(row.recorded for row in rows)])
            yield from filter(None, map(self._load, fresh))
            if not fresh:
                between()
                time.sleep(poll)

    def _index(self, *, patient: bool | None = None) -> "Index":
        from infinium_integrations.storage.index.contents import ProgressLine  # noqa: PLC0415  (the same)
        from infinium_integrations.storage.index.database import Index  # noqa: PLC0415  (sqlite3, for readers only)

        self._catch_up()
        wait = self._patient if patient is None else patient
        return Index(self._folder(), self._selector().memories(), patient=wait, progress=ProgressLine())

    def _folder(self) -> FolderStore | None:
        return self._selector().folder(settings.current())

    def _load(self, row: "Row", *, again: bool = True) -> "TaskData | None":
        try:
            return _task(row, self._data(row), self._path(row))
        except FileNotFoundError:  # it has moved since the index was read
            moved = self._index().find(_query(exact_id=row.trace_id, limit=1)) if again else []
            return self._load(moved[0], again=False) if moved else None
        except (records.DamagedError, records.NewerFormatError, ValueError, OSError) as error:
            diagnostics.warn_once(
                ("unreadable", row.file), "A stored trace can't be read (%s): %s", type(error).__name__, row.file
            )
            return None

    def _path(self, row: "Row") -> Path | None:
        folder = self._folder()
        return (
            None
            if folder is None or row.folder.startswith("memory:")
            else folder.root / row.folder / f"{row.file}{SUFFIX}"
        )

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
        return self._selector().memories()[int(number)], (area, account, row.file)

    def _put_back(self, row: "Row") -> bool:
        """Move a refused trace, or one that waits for a client, to where it is sent from."""
        given = settings.current()
        keys = destinations.keys_of(row.folder.rpartition("/")[2])
        if CLIENT in keys and given.to_infinium:
            keys = [account_of(given) if key == CLIENT else key for key in keys]
        elif row.delivery != "rejected":
            return False
        account = destinations.joined(keys)
        path, folder = self._path(row), self._folder()
        if path is None or folder is None:
            memory, key = self._key(row)
            memory.put_back(key, account)
            return True
        with contextlib.suppress(FileNotFoundError):
            folder.put_back(path, account)
            return True
        return False


def _query(**query: Unpack[StoredQuery]) -> "Query":
    from infinium_integrations.storage.index.language import check_status, parse  # noqa: PLC0415
    from infinium_integrations.storage.index.query import Query, check_sort  # noqa: PLC0415

    for name in query:
        if name not in StoredQuery.__annotations__:
            guess = did_you_mean(name, TraceQuery.__annotations__) or ";"
            msg = f"traces are not found by {name!r}{guess} these are: {', '.join(TraceQuery.__annotations__)}"
            raise ConfigurationError(msg)
    for name in ("limit", "offset"):
        number = query.get(name, 0)
        if not (isinstance(number, int) and number >= 0) and (name, number) != ("limit", None):
            msg = f"{name}={number!r} counts no traces: pass a whole number from 0 on"
            raise ConfigurationError(msg)
    if status := query.get("status"):
        check_status(status)
    if len((query.get("text") or "").split()) > MOST_WORDS:
        msg = f"text has more than {MOST_WORDS} words"
        raise ConfigurationError(msg)
    check_sort(query.get("sort", "-ended"))
    since, until = _nanoseconds(query.get("since")), _nanoseconds(query.get("until"))
    terms, step = parse(query.pop("query", "")), parse(query.pop("step", ""))
    return Query(**{**query, "since": since, "until": until, "terms": terms, "step": step})  # type: ignore[arg-type]  # of TypedDict


def _nanoseconds(given: Moment) -> int | None:
    if given is None or isinstance(given, int):
        return given
    if isinstance(given, timedelta):
        moment = datetime.now(UTC) - given
    else:
        from infinium_integrations.storage.index.language import moment_of  # noqa: PLC0415

        try:
            moment = moment_of(given, datetime.now(UTC)) if isinstance(given, str) else given
        except (ValueError, OverflowError):
            msg = f"{given!r} is no time: give a datetime, an ISO 8601 string such as 2026-01-31, or a timedelta"
            raise ConfigurationError(msg) from None
    return int(moment.timestamp() * 1e6) * 1_000


def _task(row: "Row", data: bytes, path: Path | None) -> "TaskData":
    from infinium_integrations.models import DeliveryState, TaskData  # noqa: PLC0415

    record = records.unpack(data)
    facts, receipt = record.head["delivery"], records.receipt_of(row.file)
    remote = facts.get("remote_trace_id") if receipt is None else receipt.remote_id
    rejected, sent = row.delivery == "rejected", row.delivery == "sent"
    state = DeliveryState(
        status=row.delivery,
        path=str(path) if path is not None else None,
        reason=facts.get("reason") if rejected else None,
        remote_trace_id=remote if sent or receipt is not None else None,
    )
    task = TaskData.model_validate(record.payload()).with_delivery(state)
    try:
        return task.with_captured(record.captured())
    except (records.DamagedError, LookupError, TypeError):
        diagnostics.warn_once(("content", row.file), "The content of a stored trace can't be read: %s", row.file)
        return task
