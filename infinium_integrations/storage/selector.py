"""Picks where a finished trace is kept: the folder of the settings, else memory. Counts what becomes of traces."""

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infinium_integrations import diagnostics
from infinium_integrations.settings import Settings
from infinium_integrations.storage.destinations import keys_of
from infinium_integrations.storage.folder import FolderStore, Store, is_shared
from infinium_integrations.storage.memory import MemoryStore
from infinium_integrations.storage.record import stem
from infinium_integrations.storage.retention import Pruner

__all__ = ["DeliveryCounters", "StoreSelector", "account_of"]

SETTLED = 10_000
"""Of traces that are done with, those that are remembered, so that one which several were to have is counted once."""
PORTS = {"http": 80, "https": 443}

logger = logging.getLogger("infinium_integrations")


class DeliveryCounters:
    """Counts what became of the traces of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("local", "sent", "rejected", "dropped"), 0)
        self.lost = 0
        """Of those dropped, how many this process recorded and had yet to write or to deliver."""
        self._settled: OrderedDict[str, None] = OrderedDict()

    def add(self, what: str, count: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[what] += count

    def settle(self, what: str, name: str, *, shared: bool, again: bool = True) -> None:
        """Count a trace that is done with.

        Args:
            what: What became of it.
            name: Its name.
            shared: Whether others may count it, too.
            again: Whether it counts also where it was counted before, as one does that is sent once more.
        """
        with self._lock:
            if again or name not in self._settled:
                self._counts[what] += 1
            if shared:
                self._settled[name] = None
                if len(self._settled) > SETTLED:
                    self._settled.popitem(last=False)

    def lose(self, count: int = 1, *, own: bool = True) -> None:
        """Count traces that can't be delivered or written any more; ``own``: this process recorded them."""
        self.add("dropped", count)
        with self._lock:
            self.lost += count * own

    def counts(self) -> dict[str, int]:
        """Return a copy of the counts."""
        return dict(self._counts)

    def drop(self, count: int, own: int = 0) -> None:
        """Count traces that went for want of room, ``own`` of which this process had yet to deliver; say so once."""
        self.lose(own)
        self.add("dropped", count - own)
        diagnostics.warn_once(
            "full",
            "The store of traces is full, so the oldest are dropped (INFINIUM_STORE_BYTES; stats() counts them).",
        )


@dataclass
class _Folder:
    store: FolderStore
    pruner: Pruner


class StoreSelector:
    """The stores of this process: one folder per setting seen, and memory.

    Args:
        counters: Counts what goes for want of room.
        pruned: Called with the names of what went and waited to be delivered.
    """

    def __init__(self, counters: DeliveryCounters, pruned: Callable[[list[str]], None] = lambda _: None) -> None:
        self._counters = counters
        self._pruned = pruned
        self._accounts: set[str] = set()
        """For which this process has put something."""
        self._newest = ""
        self._folders: dict[tuple[str, int, float], _Folder] = {}
        self._memories: dict[tuple[bool, bool], MemoryStore] = {}
        self._lock = threading.Lock()

    def put(self, settings: Settings, name: str, data: bytes, account: str | None) -> Store:
        """Keep a trace and return the store that has it; without an account it is kept for reading only."""
        self._newest = name
        store = self._put(settings, name, data, account)
        if account is not None:
            self._accounts.update([account, *keys_of(account)])
        return store

    def _put(self, settings: Settings, name: str, data: bytes, account: str | None) -> Store:
        if settings.mode == "folder":
            folder = self._folder(settings)
            try:
                _place(folder.store, name, data, account)
            except OSError as error:
                diagnostics.warn_once(
                    ("unusable", settings.store),
                    "The folder for traces, %s, can't be used (%s): they are kept in memory, and what is not delivered "
                    "is lost when the process ends. INFINIUM_STORE names another folder.",
                    settings.store,
                    error.strerror or error,
                )
            else:
                folder.pruner.wrote(len(data))
                return folder.store
        memory = self._memory(settings)
        _place(memory, name, data, account)
        return memory

    def store(self, settings: Settings) -> Store:
        """Return the store of the settings."""
        return self._folder(settings).store if settings.mode == "folder" else self._memory(settings)

    def folder(self, settings: Settings) -> FolderStore | None:
        """Return the folder of the settings; None where traces stay in memory."""
        return self._folder(settings).store if settings.mode == "folder" else None

    def memories(self) -> list[MemoryStore]:
        """Return the stores in memory that this process has used."""
        return list(self._memories.values())

    def _folder(self, settings: Settings) -> _Folder:
        key = (settings.store, settings.store_bytes, settings.history_days)
        with self._lock:
            if key not in self._folders:
                store = FolderStore(_own_folder(Path(settings.store)), keep_delivered=settings.history_days > 0)
                pruner = Pruner(
                    store.root, limit=settings.store_bytes, days=settings.history_days, on_drop=self._dropped
                )
                self._folders[key] = _Folder(store, pruner)
            return self._folders[key]

    def _memory(self, settings: Settings) -> MemoryStore:
        others = settings.mode != "off"
        key = (others and settings.history_days > 0, others)
        with self._lock:
            if key not in self._memories:
                self._memories[key] = MemoryStore(keep_delivered=key[0], keep_others=key[1], on_drop=self._dropped)
            return self._memories[key]

    def _dropped(self, found: list[tuple[str, str, str]]) -> None:
        """Count what went for want of room: (area, account, name) of each."""
        waiting = [
            stem(name)
            for area, account, name in found
            if area == "outbox" and (account in self._accounts or name == self._newest)
        ]
        self._counters.drop(len(found), len(waiting))
        self._pruned(waiting)


def _own_folder(given: Path) -> Path:
    """Return a folder of the user's own: the one given, or one in it where that is shared.

    Volumes of Kubernetes belong to root, and everyone or a group may write to them.
    """
    try:
        facts = given.stat()
    except OSError:  # it is made, or said to be unusable, when first written to
        return given
    if os.name != "posix" or not is_shared(facts):
        return given
    return given / f"infinium-{os.geteuid()}"


def _place(store: Store, name: str, data: bytes, account: str | None) -> None:
    if account is None:
        store.keep(name, data, local=True)
    else:
        store.put(name, data, account)


def account_of(settings: Settings) -> str:
    """Return the name of the folder for what waits for the account of the settings: it stands for origin and agent."""
    key = f"{origin(settings)}|{settings.agent_id}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def origin(settings: Settings) -> str:
    """Return scheme, host and port of the platform."""
    parts = urlsplit(settings.base_url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS.get(parts.scheme)}"
