"""What leaves the store by itself: delivered traces by age; past the limit on bytes their content, then the oldest."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from infinium_integrations.storage import record as records
from infinium_integrations.storage.folder import LOCAL, STALE, SUFFIX, read_file, write_new

__all__ = ["Pruner", "StoredFile"]

DAY = 86_400.0
MANY, RECENT = 5_000, 60
"""Files that take a while to measure, and seconds for which a process then relies on what another one has measured."""
LOOKS = 200
"""A store that fills up is measured this many times until it is full."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of the store, as it was when the store was measured."""

    path: str
    size: int
    changed: float
    delivered: bool

    @property
    def name(self) -> str:
        """Its name, which begins with when it was stored."""
        return self.path.rpartition(os.sep)[2]


class Pruner:
    """Measures one store now and then, as this process writes to it, and removes what is too old or too much.

    Args:
        root: The store's folder.
        limit: Bytes of all traces together.
        days: How long delivered traces stay.
        on_drop: Called with what went without being delivered or read back: (area, account, name) of each.
    """

    def __init__(
        self, root: Path, *, limit: int, days: float, on_drop: Callable[[list[tuple[str, str, str]]], None]
    ) -> None:
        self._root = root
        self._limit = limit
        self._seconds = days * DAY
        self._on_drop = on_drop
        self._room = 0
        self._next = 0.0
        self._looked = root / ".measured"
        """Its time is that of the last look at a store of many files, of whatever process."""

    def wrote(self, size: int) -> None:
        """Note that so many bytes were written, and look after the store when it is time."""
        if self._next == 0 and self._was_measured():
            self._room, self._next = self._limit // LOOKS, time.monotonic() + STALE
        self._room -= size
        if self._room < 0 or time.monotonic() >= self._next:
            self.prune()

    def _was_measured(self) -> bool:
        """Return whether another process has measured the store just now."""
        try:
            return 0 <= time.time() - self._looked.stat().st_mtime < RECENT
        except OSError:
            return False

    def prune(self) -> None:
        """Remove what is too old, then what is too much: content of delivered ones, then those, then the oldest."""
        files = [file for file in self._files() if not self._expired(file)]
        used = sum(file.size for file in files)
        for number, file in sorted(enumerate(files), key=lambda one: one[1].name) if used > self._limit else ():
            if used > self._limit and file.delivered:
                saved = _strip(file)
                files[number] = replace(file, size=file.size - saved)
                used -= saved
        dropped: list[tuple[str, str, str]] = []
        for file in sorted(files, key=lambda file: (not file.delivered, file.name)) if used > self._limit else ():
            if used <= self._limit:
                break
            if _remove(file.path) and not file.delivered:
                area, account = Path(file.path).relative_to(self._root).parts[:2]
                dropped.append((area, account, file.name.removesuffix(SUFFIX)))
            used -= file.size
        if dropped:
            self._on_drop(dropped)
        self._room = max((self._limit - used) // 8, self._limit // LOOKS)
        self._next = time.monotonic() + STALE
        if len(files) > MANY:
            with contextlib.suppress(OSError):
                self._looked.touch(0o600)

    def _expired(self, file: StoredFile) -> bool:
        if not file.delivered and os.path.basename(os.path.dirname(file.path)) != "aside":
            return False
        return time.time() - file.changed > (self._seconds if file.delivered else STALE) and _remove(file.path)

    def _files(self) -> Iterator[StoredFile]:
        for area in ("history", "outbox", "rejected"):
            folders: list[Path] = []
            with contextlib.suppress(OSError), os.scandir(self._root / area) as entries:
                folders = [self._root / area / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            for folder in folders:
                yield from _measure(folder, delivered=area == "history")
                if area == "history" and folder.name < datetime.now(UTC).date().isoformat():
                    with contextlib.suppress(OSError):
                        folder.rmdir()  # a past day of which nothing is left
        for area in ("damaged", "aside"):
            yield from _measure(self._root / area, delivered=False)


def _measure(folder: Path, *, delivered: bool) -> Iterator[StoredFile]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with contextlib.suppress(OSError):  # gone meanwhile
                        facts = entry.stat(follow_symlinks=False)
                        kept = delivered and not entry.name.endswith(LOCAL + SUFFIX)
                        yield StoredFile(entry.path, facts.st_size, facts.st_mtime, kept)
    except OSError:
        return


def _strip(file: StoredFile) -> int:
    """Take what the model saw and said out of a file; return how many bytes that saves."""
    aside = Path(file.path).with_name(f".{file.name}")
    try:
        with open(file.path, "rb") as stored:
            stored.seek(-min(len(records.EMPTY), file.size), os.SEEK_END)
            if stored.read() == records.EMPTY:
                return 0
        data = records.without_content(read_file(file.path))
        saved = file.size - len(data)
        if saved <= 0:
            return 0
        write_new(aside, data)
        os.utime(aside, (file.changed, file.changed))  # its age counts from its delivery
        aside.replace(file.path)
    except (OSError, records.DamagedError, records.NewerFormatError):
        with contextlib.suppress(OSError):
            aside.unlink()
        return 0
    return saved


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
