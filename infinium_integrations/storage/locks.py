"""The lock that picks which process delivers. The system frees it when its process dies, however it dies."""

import contextlib
import os
import sys
import time
import weakref
from pathlib import Path

__all__ = ["Lock", "close_inherited"]

SEEN_SECONDS = 0.05
"""For so long a lock that was seen in its place is taken to stand there: traces come in bursts."""

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> None:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # what Windows says of a lock that another has
            raise BlockingIOError from error

    def _free(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _free(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


class Lock:
    """A lock file, 0600 from its creation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._file: os.stat_result | None = None
        """What the handle stood for when it was opened."""
        self._looked = 0.0
        """When it was last seen in its place, by ``time.monotonic``."""
        _locks.add(self)

    def take(self) -> bool:
        """Try to take it, without waiting; True where this process has it."""
        if self._handle is not None:
            if time.monotonic() - self._looked < SEEN_SECONDS or self._stands(self._handle):
                return True
            self.release()  # the store was removed: another process may hold a new file of the same name
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileNotFoundError:  # no folder, so nothing waits in it
            return False
        except OSError:  # no room for it: a full disk must still drain
            return True
        try:
            _take(handle)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:  # a file system without locks: rather a trace twice, under one key, than never
            os.close(handle)
            return True
        self._handle, self._file = handle, os.fstat(handle)
        return True

    def stands(self) -> bool:
        """Whether the file that this process holds is still in its place: else the store was removed."""
        return self._handle is None or self._stands(self._handle)

    def _stands(self, handle: int) -> bool:
        try:
            stands = os.path.samestat(os.fstat(handle), self._path.stat())
        except OSError:
            return False
        self._looked = time.monotonic() if stands else 0.0
        return stands

    def release(self) -> None:
        """Let it go. It is unlocked first, because a forked child may hold the same handle."""
        handle, self._handle, self._looked = self._handle, None, 0.0
        if handle is None or self._file is None:
            return
        with contextlib.suppress(OSError):
            # a program that daemonises closes our handle, and may have opened another file by its number
            if os.path.samestat(os.fstat(handle), self._file):
                with contextlib.suppress(OSError):
                    _free(handle)
                os.close(handle)

    def forget(self) -> None:
        """Close it in a forked child; the parent keeps the lock."""
        handle, self._handle, self._looked = self._handle, None, 0.0
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def close_inherited() -> None:
    """In a forked child: close the parent's locks without letting them go."""
    for lock in list(_locks):
        lock.forget()
