"""The store: a folder with one file a trace. The files are the truth; writing one needs no lock.

outbox/<account>/     waits to be delivered; <account> stands for the origin and the agent, or for a receiver of OTLP;
                      of what waits for both it has both (``storage.destinations``)
history/<day>/        delivered, its receipt in its name; or local (``.local.``), where there was no account
rejected/<account>/   refused for good, with the reason
damaged/              could not be read
aside/                being written
"""

import contextlib
import errno
import glob
import itertools
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from infinium_integrations.storage import destinations
from infinium_integrations.storage import record as records
from infinium_integrations.storage.destinations import Place
from infinium_integrations.storage.locks import Lock
from infinium_integrations.storage.memory import NoLock
from infinium_integrations.storage.record import Receipt, Record

__all__ = [
    "CLIENT",
    "SUFFIX",
    "FolderStore",
    "Store",
    "UnsafeFolderError",
    "is_shared",
    "list_names",
    "make_folder",
    "read_beginning",
    "read_file",
    "write_new",
]

SUFFIX = ".json.gz"
LOCAL = ".local"
CLIENT = "client"
"""The account under which traces wait that a client of the user's is to send."""
AREAS = ("outbox", "history", "rejected", "damaged", "aside")
MOVES = 5
"""How often a trace is looked for that others move meanwhile."""
KNOWN = 100_000
"""Of traces that wait for others, those of which the place is remembered."""
REASONS = 1_000
"""Of refused traces that wait for others, those of which the reason is remembered."""
STALE = 3_600
"""Seconds after which a half-written file was left by a process that died."""

_counter = itertools.count()


class UnsafeFolderError(OSError):
    """The folder is not the user's own, so that traces are not put there."""


class Store(Protocol):
    """Where traces are kept. Every method may raise OSError; each is for the background threads.

    ``account`` is the key of one for whom traces wait, but that of ``put``, which may have several. ``name`` is without
    receipts.
    """

    durable: bool
    """Whether what it holds outlives the process."""

    def put(self, name: str, data: bytes, account: str) -> None:
        """Keep a trace that waits to be delivered."""

    def keep(self, name: str, data: bytes, *, local: bool = False) -> None:
        """Keep a trace for reading only."""

    def waiting(self, account: str) -> list[str]:
        """Return the names of what waits, oldest first."""

    def due(self) -> set[str]:
        """Return the names of all that waits, for whomever."""

    def holds(self, account: str, name: str) -> bool:
        """Whether a trace still waits."""

    def was_rejected(self, name: str) -> bool:
        """Whether a trace was refused for good."""

    def was_delivered(self, name: str) -> bool:
        """Whether a trace is in the history."""

    def stands(self, account: str) -> bool:
        """Whether the place where traces of an account wait is still there."""

    def read(self, account: str, name: str) -> Record:
        """Read what waits; DamagedError (it was set aside), NewerFormatError, FileNotFoundError."""

    def delivered(self, account: str, name: str, receipt: Receipt) -> Place:
        """Move a trace to what waits for others, else to the history, with its receipt; say where it went."""

    def reject(self, account: str, name: str, record: Record) -> Place:
        """Move a trace to what waits for others, else to what was refused; say where it went."""

    def lock(self, account: str) -> Lock | NoLock:
        """Return the lock of which the holder delivers."""

    def where(self) -> str:
        """Say for people where it is."""


class FolderStore:
    """A store in a folder, shared by any number of processes.

    Args:
        root: The folder; it and its parents are made when first written to.
        keep_delivered: Whether delivered traces stay (until pruned by age).
    """

    durable = True

    def __init__(self, root: Path, *, keep_delivered: bool = True) -> None:
        self.root = root
        self._place = str(root)
        self._keep_delivered = keep_delivered
        self._checked = False
        self._moved: dict[str, str] = {}
        """The paths of traces with receipts, by their names."""
        self._refusals: OrderedDict[str, dict[str, object]] = OrderedDict()
        """Why traces were refused that wait for others, by their names."""

    def where(self) -> str:
        """Say for people where it is."""
        return str(self.root)

    def check(self) -> None:
        """Make the folders, or refuse.

        Raises:
            UnsafeFolderError: It belongs to someone else, everyone may write to it, or a part of it is a link.
            OSError: It cannot be made.
        """
        make_folder(self.root)
        _refuse_unsafe(self.root, self.root.stat())
        for area in AREAS:
            make_folder(self.root / area)
            _refuse_unsafe(self.root / area, (self.root / area).lstat())
        self._checked = True

    def usable(self) -> bool:
        """Whether there is such a folder and it is the user's own; makes none."""
        try:
            _refuse_unsafe(self.root, self.root.stat())
        except OSError:
            return False
        return True

    def put_back(self, path: Path, account: str) -> None:
        """Move a stored trace to what waits for an account."""
        _move(path, self._outbox(account, path.name.removesuffix(SUFFIX)))

    def put(self, name: str, data: bytes, account: str) -> None:
        """Keep a trace that waits to be delivered."""
        self._write(self._outbox(account, name), data)
        for key in destinations.keys_of(account):
            if key != account and not os.path.isdir(folder := f"{self._place}/outbox/{key}"):
                make_folder(Path(folder))  # its lock lies there

    def keep(self, name: str, data: bytes, *, local: bool = False) -> None:
        """Keep a trace for reading only, under today's day."""
        day = datetime.now(UTC).date().isoformat()
        self._write(f"{self._place}/history/{day}/{name}{LOCAL if local else ''}{SUFFIX}", data)

    def waiting(self, account: str) -> list[str]:
        """Return the names of what waits, oldest first."""
        found: set[str] = set()
        own, *shared = self._folders(account)
        for name in [name for name, path in list(self._moved.items()) if path.startswith(f"{own}/")]:
            self._moved.pop(name, None)
        for folder in (own, *shared):
            for file in list_names(Path(folder)):
                found.add(name := records.stem(file))
                if name != file:
                    self._moved[name] = f"{folder}/{file}{SUFFIX}"
        return sorted(found)

    def due(self) -> set[str]:
        """Return the names of all that waits, for whomever."""
        return {_stem(path) for path in (self.root / "outbox").glob(f"*/*{SUFFIX}")}

    def holds(self, account: str, name: str) -> bool:
        """Whether a trace still waits."""
        return self._find(account, name) is not None

    def _folders(self, account: str) -> list[str]:
        """Return the paths of the folders in which traces wait for one, its own first."""
        own = f"{self._place}/outbox/{account}"
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{self._place}/outbox") as entries:
            found = [one.path for one in entries if one.name != account and destinations.waits_for(one.name, account)]
        if found:
            make_folder(Path(own))  # its lock lies there
        return [own, *sorted(found)]

    def _find(self, account: str, name: str) -> str | None:
        """Return the path of what waits for one; None where it doesn't."""
        path = self._outbox(account, name)
        if os.path.exists(path):
            return path
        own, *shared = self._folders(account)
        found = (f"{folder}/{name}{SUFFIX}" for folder in shared)
        moved = self._moved.get(name, "")
        if moved.startswith(f"{own}/") and os.path.exists(moved):
            return moved
        path = next((path for path in found if os.path.exists(path)), "")
        if not path:
            files = (file for file in list_names(Path(own)) if records.stem(file) == name)
            path = next((f"{own}/{file}{SUFFIX}" for file in files), "")
        return path or None

    def was_rejected(self, name: str) -> bool:
        """Whether a trace was refused for good."""
        return any(_stem(path) == name for path in (self.root / "rejected").glob(f"*/{glob.escape(name)}*{SUFFIX}"))

    def was_delivered(self, name: str) -> bool:
        """Whether a trace is in the history."""
        return any(_stem(path) == name for path in (self.root / "history").glob(f"*/{glob.escape(name)}*{SUFFIX}"))

    def stands(self, account: str) -> bool:
        """Whether the folder of what waits for an account is still there."""
        return (self.root / "outbox" / account).is_dir()

    def read(self, account: str, name: str) -> Record:
        """Read what waits; a damaged file, and one that holds no trace, is set aside."""
        path = self._outbox(account, name)
        for _ in range(MOVES):
            try:
                return records.unpack_trace(read_file(path))
            except records.DamagedError:
                self.set_aside(Path(path))
                raise
            except FileNotFoundError:  # it waits for another, too, or did so until now
                path = self._find(account, name) or ""
                if not path:
                    raise
        raise FileNotFoundError(name)

    def set_aside(self, path: Path) -> None:
        """Move a damaged file out of the way of the rest."""
        with contextlib.suppress(FileNotFoundError):
            _move(path, f"{self._place}/damaged/{path.name}")

    def remove(self, name: str) -> bool:
        """Delete a trace wherever it is kept: one that was being moved may be in two places. False where it is gone."""
        found = False
        for area in ("outbox", "history", "rejected"):
            for path in (self.root / area).glob(f"*/{glob.escape(name)}[.~]*{SUFFIX[1:]}"):
                if _stem(path).removesuffix(LOCAL) == name:
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()
                        found = True
        return found

    def delivered(self, account: str, name: str, receipt: Receipt) -> Place:
        """Move a trace on; where it can't be moved to the history, it is only taken from the outbox.

        One that was deleted while it was being sent is not kept.
        """
        for _ in range(MOVES):
            if (path := self._find(account, name)) is None:
                break
            with contextlib.suppress(FileNotFoundError):  # another has just moved it
                return self._move_on(path, account, receipt)
        return "history"

    def _move_on(self, path: str, account: str, receipt: Receipt) -> Place:
        folder, file = Path(path).parts[-2:]
        area, target, name = destinations.after(folder, file.removesuffix(SUFFIX), account, receipt)
        if area == "outbox":
            self._pass_on(path, target, name)
            return "outbox"
        self._moved.pop(records.stem(name), None)
        if area == "rejected":
            _move(path, refused := f"{self._place}/rejected/{target}/{name}{SUFFIX}")
            self._give_reason(refused)
            return "rejected"
        if self._keep_delivered:
            with contextlib.suppress(OSError):
                os.utime(path)  # its age counts from its delivery
                _move(path, f"{self._place}/history/{datetime.now(UTC).date().isoformat()}/{name}{SUFFIX}")
                return "history"
        _remove(path)
        return "history"

    def _pass_on(self, path: str, folder: str, name: str) -> None:
        _move(path, moved := self._outbox(folder, name))
        if len(self._moved) >= KNOWN:
            self._moved.clear()  # those are looked for then
        self._moved[records.stem(name)] = moved

    def _give_reason(self, path: str) -> None:
        """Write into the file of a refused trace why it was refused, where that is known."""
        facts = self._refusals.pop(_stem(Path(path)), None)
        with contextlib.suppress(OSError, records.DamagedError, records.NewerFormatError):
            record = records.unpack(read_file(path))
            delivery = {**record.head["delivery"], **(facts or {"status": "rejected"})}
            self._write(path, records.pack(replace(record, head={**record.head, "delivery": delivery})))

    def reject(self, account: str, name: str, record: Record) -> Place:
        """Move a trace on that was refused; where there is no room for the reason, without it."""
        for _ in range(MOVES):
            if (path := self._find(account, name)) is None:  # deleted while it was being sent
                break
            with contextlib.suppress(FileNotFoundError):
                return self._refuse(path, account, record)
        return "rejected"

    def _refuse(self, path: str, account: str, record: Record) -> Place:
        folder, file = Path(path).parts[-2:]
        area, target, name = destinations.after(folder, file.removesuffix(SUFFIX), account, None)
        if area == "outbox":
            self._pass_on(path, target, name)
            self._refusals[records.stem(name)] = record.head["delivery"]
            while len(self._refusals) > REASONS:
                self._refusals.popitem(last=False)
            return "outbox"
        self._moved.pop(records.stem(name), None)
        refused = f"{self._place}/rejected/{target}/{name}{SUFFIX}"
        try:
            self._write(refused, records.pack(record))
        except OSError:
            _move(path, refused)
        _remove(path)
        return "rejected"

    def lock(self, account: str) -> Lock:
        """Return the lock of which the holder delivers."""
        return Lock(self.root / "outbox" / account / ".lock")

    def _outbox(self, account: str, name: str) -> str:
        return f"{self._place}/outbox/{account}/{name}{SUFFIX}"

    def _write(self, target: str, data: bytes) -> None:
        if not self._checked:
            self.check()
        try:
            self._write_aside(target, data)
        except FileNotFoundError:  # the folder of a new account or day; or someone removed the store
            self.check()
            make_folder(Path(target).parent)
            self._write_aside(target, data)

    def _write_aside(self, target: str, data: bytes) -> None:
        aside = f"{self._place}/aside/{os.getpid()}-{next(_counter)}-{time.time_ns()}"
        in_place = False
        try:
            write_new(aside, data)
            os.replace(aside, target)
            in_place = True
        finally:
            if not in_place:
                _remove(aside)


def _move(path: Path | str, target: str) -> None:
    try:
        os.replace(path, target)
    except FileNotFoundError:  # the folder of a new account or day
        make_folder(Path(target).parent)
        os.replace(path, target)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _stem(path: Path) -> str:
    return records.stem(path.name.removesuffix(SUFFIX))


def write_new(path: Path | str, data: bytes) -> None:
    """Write a new file that only its owner can read, from its creation on."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]


def read_file(path: Path | str, limit: int = records.UNPACKED_LIMIT) -> bytes:
    """Read a file of a bounded size; a longer one, or what is no file, is damaged."""
    handle = _open_plain(path)
    try:
        size = os.fstat(handle).st_size
        if size > limit:
            raise records.DamagedError
        data = b""
        while more := os.read(handle, size + 1 - len(data)):  # not as long a buffer as the limit
            data += more
        return data
    finally:
        os.close(handle)


def read_beginning(path: Path | str, length: int) -> bytes:
    """Read the first bytes of a file; what is no file is damaged."""
    handle = _open_plain(path)
    try:
        return os.read(handle, length)
    finally:
        os.close(handle)


def _open_plain(path: Path | str) -> int:
    """Open what is a plain file, no link and nothing that would block."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:  # nothing is known of the file
            raise
        raise records.DamagedError from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise records.DamagedError
    return handle


def make_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, and its parents."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        if path.parent.exists():  # and yet nothing can be made in it, as in /proc
            raise
        make_folder(path.parent)
        make_folder(path)  # another process may have made it meanwhile


def list_names(folder: Path) -> Iterator[str]:
    """Return the names of the traces in a folder, without the suffix; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    yield entry.name.removesuffix(SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return


def is_shared(facts: os.stat_result) -> bool:
    """Whether a folder is another user's, or everyone may write to it."""
    return facts.st_uid != os.geteuid() or bool(facts.st_mode & stat.S_IWOTH)


def _refuse_unsafe(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISDIR(facts.st_mode):
        msg = f"{path} is not a folder"
        raise UnsafeFolderError(msg)
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        msg = f"{path} belongs to another user"
        raise UnsafeFolderError(msg)
    if os.name == "posix" and facts.st_mode & stat.S_IWOTH:
        msg = f"everyone may write to {path}"
        raise UnsafeFolderError(msg)
