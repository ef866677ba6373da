"""The store in memory: for ``INFINIUM_STORE=memory`` and ``off``, and where the folder can't be used."""

import threading
from collections.abc import Callable

from infinium_integrations.storage import destinations
from infinium_integrations.storage import record as records
from infinium_integrations.storage.destinations import Place
from infinium_integrations.storage.record import Receipt, Record

__all__ = ["MEMORY_BYTES", "MemoryStore", "NoLock"]

MEMORY_BYTES = 16_000_000


class NoLock:
    """The lock of a store that no other process sees."""

    def take(self) -> bool:
        """Succeed."""
        return True

    def stands(self) -> bool:
        """Say yes."""
        return True

    def release(self) -> None:
        """Do nothing."""


class MemoryStore:
    """Keeps traces in this process, bounded by bytes: the oldest that nothing waits for goes first.

    Args:
        keep_delivered: Whether delivered traces stay to be read.
        keep_others: Whether local and refused ones do.
        on_drop: Called with the undelivered or local traces that had to go: (area, account, name) of each.
        limit: Bytes.
    """

    durable = False

    def __init__(
        self,
        *,
        keep_delivered: bool = True,
        keep_others: bool = True,
        on_drop: Callable[[list[tuple[str, str, str]]], None] = lambda _: None,
        limit: int = MEMORY_BYTES,
    ) -> None:
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        self._files: dict[tuple[str, str, str], bytes] = {}
        self._bytes = 0
        self._keep_delivered = keep_delivered
        self._keep_others = keep_others
        self._on_drop = on_drop
        self._limit = limit

    def where(self) -> str:
        """Say for people where it is."""
        return "memory"

    def put(self, name: str, data: bytes, account: str) -> None:
        """Keep a trace that waits to be delivered."""
        self._add(("outbox", account, name), data)

    def keep(self, name: str, data: bytes, *, local: bool = False) -> None:
        """Keep a trace for reading only."""
        if self._keep_others if local else self._keep_delivered:
            self._add(("local" if local else "history", "", name), data)

    def waiting(self, account: str) -> list[str]:
        """Return the names of what waits, oldest first."""
        with self._lock:
            return sorted(
                records.stem(name)
                for area, folder, name in self._files
                if area == "outbox" and destinations.waits_for(folder, account)
            )

    def due(self) -> set[str]:
        """Return the names of all that waits, for whomever."""
        return {records.stem(name) for area, _, name in self.files() if area == "outbox"}

    def holds(self, account: str, name: str) -> bool:
        """Whether a trace still waits."""
        return self._find(account, name) is not None

    def _find(self, account: str, name: str) -> tuple[str, str, str] | None:
        key = ("outbox", account, name)
        if key in self._files:
            return key
        found = (key for key in self.files() if key[0] == "outbox" and destinations.waits_for(key[1], account))
        return next((key for key in found if records.stem(key[2]) == name), None)

    def was_rejected(self, name: str) -> bool:
        """Whether a trace was refused for good."""
        return any(key[0] == "rejected" and records.stem(key[2]) == name for key in self.files())

    def was_delivered(self, name: str) -> bool:
        """Whether a trace is in the history."""
        return any(key[0] == "history" and records.stem(key[2]) == name for key in self.files())

    def stands(self, account: str) -> bool:  # noqa: ARG002  (the interface of Store)
        """Say yes: memory isn't removed."""
        return True

    def read(self, account: str, name: str) -> Record:
        """Read what waits."""
        key = self._find(account, name)
        data = None if key is None else self._files.get(key)
        if data is None:
            raise FileNotFoundError(name)
        return records.unpack_trace(data)

    def delivered(self, account: str, name: str, receipt: Receipt) -> Place:
        """Move a trace on; one that was deleted while it was being sent is not kept."""
        return self._move_on(account, name, receipt, None)

    def reject(self, account: str, name: str, record: Record) -> Place:
        """Move a trace on that was refused."""
        return self._move_on(account, name, None, record)

    def _move_on(self, account: str, name: str, receipt: Receipt | None, record: Record | None) -> Place:
        with self._moving:
            key = self._find(account, name)
            data = None if key is None else self._remove(key)
            if key is None or data is None:
                return "rejected" if receipt is None else "history"
            data = data if record is None else records.pack(record)
            area, folder, moved = destinations.after(key[1], key[2], account, receipt)
            if area == "history":
                self.keep(moved, data)
                return "history"
            if area == "outbox":
                self._add((area, folder, moved), data)
                return "outbox"
            if self._keep_others:
                self._add((area, folder, moved), data)
            return "rejected"

    def lock(self, account: str) -> NoLock:  # noqa: ARG002  (the interface of Store)
        """Return a lock that is always free: no other process sees this store."""
        return NoLock()

    def files(self) -> dict[tuple[str, str, str], bytes]:
        """Return a copy of all that is kept: (area, account, name) → bytes of the file."""
        with self._lock:
            return dict(self._files)

    def remove(self, name: str) -> bool:
        """Delete a trace; False where it is gone."""
        return [self._remove(key) for key in self.files() if records.stem(key[2]) == name] != []

    def put_back(self, key: tuple[str, str, str], account: str) -> None:
        """Move a refused trace back to what waits."""
        data = self._remove(key)
        if data is not None:
            self._add(("outbox", account, key[2]), data)

    def _remove(self, key: tuple[str, str, str]) -> bytes | None:
        with self._lock:
            data = self._files.pop(key, None)
            self._bytes -= len(data or b"")
            return data

    def _add(self, key: tuple[str, str, str], data: bytes) -> None:
        with self._lock:
            self._bytes += len(data) - len(self._files.get(key, b""))
            self._files[key] = data
            gone = []
            if self._bytes > self._limit:  # what was delivered goes first, then the oldest of the rest
                for other in sorted(self._files, key=lambda key: (key[0] != "history", key[2])):
                    if self._bytes > self._limit and other != key:
                        self._bytes -= len(self._files.pop(other))
                        gone.append(other)
        dropped = [other for other in gone if other[0] != "history"]
        if dropped:
            self._on_drop(dropped)
