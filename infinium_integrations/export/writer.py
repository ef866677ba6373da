"""The writer: one daemon thread that turns what was recorded into stored traces, and keeps the deadlines."""

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infinium_integrations import diagnostics
from infinium_integrations import settings as settings_module
from infinium_integrations._entropy import new_id
from infinium_integrations.export import fork_safety
from infinium_integrations.payload.finalize import Limits, encode, finalize
from infinium_integrations.settings import Settings
from infinium_integrations.storage.folder import CLIENT, Store
from infinium_integrations.storage.record import file_name, new_record, pack, safe_id
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of, origin

__all__ = ["PendingTrace", "Writer"]

logger = logging.getLogger("infinium_integrations")

STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class PendingTrace:
    """A trace before redaction.

    Args:
        trace_id: Our id of it, sent as ``Idempotency-Key``.
        wire: The payload's object, not redacted, its texts with some slack.
        redactor: Takes the secrets out.
        client: Anything with ``send_task_data(TaskData)`` that is to send it; None for the account of the settings.
        limits: Characters that are kept of each text; None for the usual ones.
    """

    trace_id: str
    wire: dict[str, object]
    redactor: Any
    client: Any = None
    limits: Limits | None = None


class _Job:
    __slots__ = ("item", "settings")

    def __init__(self, item: object, settings: Settings | None) -> None:
        self.item = item
        self.settings = settings


class _Stop:
    """Ends the thread."""


class _Wake:
    """Has the deadlines looked at."""


Enqueue = Callable[[Store, str, str, Settings, object], None]


class Writer:
    """Turns items into stored traces, in order.

    Args:
        assemble: Returns the pending trace of an item, or None where nothing is to be kept.
        sweep: Keeps the recorder's deadlines; takes perf_counter seconds, returns the seconds until the next call.
        selector: Where traces are kept.
        counters: Counts what becomes of them.
        enqueue: Hands a stored trace to the sender.
    """

    def __init__(
        self,
        *,
        assemble: Callable[[object], PendingTrace | None],
        sweep: Callable[[float], float | None] | None,
        selector: StoreSelector,
        counters: DeliveryCounters,
        enqueue: Enqueue,
    ) -> None:
        self._assemble = assemble
        self._sweep = sweep
        self._selector = selector
        self._counters = counters
        self._enqueue = enqueue
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._due: float | None = None
        self._last_ns = 0
        self._numbers = itertools.count(1)
        self._newest = 0
        self._done = 0
        self._empty = 0

    @property
    def mine(self) -> bool:
        """Whether the caller is on the writer's own thread."""
        return threading.current_thread() is self._thread

    def counts(self) -> tuple[int, int]:
        """Count the traces submitted, and those of them that are not stored yet."""
        done = self._done
        submitted = max(self._newest, done)
        return submitted - self._empty, submitted - done

    def submit(self, item: object) -> None:
        """Queue an item; takes no lock that it would wait for, so that a signal handler may call it."""
        # the settings in force now are the trace's; malformed ones are reported by the writer's thread
        self._newest = next(self._numbers)
        self._queue.put(_Job(item, diagnostics.attempt(_settings, lambda _: None)))
        self.ensure()

    def wake(self) -> None:
        """Have the deadlines looked at soon."""
        self._queue.put(_Wake())
        self.ensure()

    def settle(self, deadline: float) -> bool:
        """Wait until all that was queued before is written; False at the deadline (monotonic seconds)."""
        reached = threading.Event()
        self._queue.put(reached)
        self.ensure()
        return reached.wait(max(0.0, deadline - time.monotonic()))

    def catch_up(self, deadline: float) -> None:
        """For a reader: wait until what was queued is written, where there is a thread at all."""
        if self._alive() and not self.mine:
            self.settle(deadline)

    def finish(self, patience: float) -> None:
        """Before the process exits: write all that is queued, as long as one gets written in ``patience`` seconds."""
        while self._alive():
            before = self._done
            if self.settle(time.monotonic() + patience) or self._done == before:
                return
        self.write_here()

    def write_here(self) -> None:
        """Write what is queued on the caller's thread."""
        while not self._queue.empty():
            self._step(0.0)

    def stop(self) -> None:
        """End the thread; it is started again at need."""
        thread = self._thread
        if thread is not None and thread.is_alive() and not self.mine:
            self._queue.put(_Stop())
            thread.join(STOP_SECONDS)
        if not self._queue.empty():
            self.ensure()

    def ensure(self) -> None:
        """Start the thread where there is none."""
        if self._alive() or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._alive():
                self._thread = threading.Thread(target=self._run, name="infinium-writer", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter goes: see ``write_here``
                    self._thread.start()
        finally:
            self._starting.release()

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _run(self) -> None:
        self._look_after()
        while self._step(self._patience()):
            pass

    def _patience(self) -> float | None:
        return None if self._due is None else max(0.0, self._due - time.perf_counter())

    def _step(self, patience: float | None) -> bool:
        """Take one thing from the queue; False where it was the end."""
        try:
            job = self._queue.get(timeout=None if patience is None else min(patience, threading.TIMEOUT_MAX))
        except queue.Empty:
            job = _Wake()
        if isinstance(job, _Job):
            gate = (
                contextlib.nullcontext() if self._done else fork_safety.importing()
            )  # the first imports what it needs
            with gate, diagnostics.contained_or(lambda: self._counters.add("dropped")):
                pending = self._assemble(job.item)
                if pending is None:
                    self._empty += 1
                else:
                    self._keep(pending, job.settings or settings_module.current())
            self._done += 1
        elif isinstance(job, threading.Event):
            job.set()
        if isinstance(job, _Wake) or self._patience() == 0.0:
            self._look_after()
        return not isinstance(job, _Stop)

    def _look_after(self) -> None:
        self._due = None
        if self._sweep is not None:
            with diagnostics.contained:
                now = time.perf_counter()
                wait = self._sweep(now)
                self._due = None if wait is None else now + wait

    def _keep(self, pending: PendingTrace, settings: Settings) -> None:
        payload = finalize(pending.wire, pending.redactor, cut=True, limits=pending.limits)
        account, facts = _destination(pending, settings)
        self._last_ns = recorded = max(self._last_ns + 1, time.time_ns())  # later than the last
        trace_id = pending.trace_id if safe_id(pending.trace_id) else str(new_id())
        name = file_name(recorded, trace_id)
        data = pack(new_record(trace_id, payload, encode(payload), recorded, facts))
        store = self._selector.put(settings, name, data, account)
        if account is None:
            self._counters.add("local")
            if not _said_where.is_set() and settings.mode != "off":
                _said_where.set()
                logger.info(
                    "No Infinium account is set, so traces are only stored, in %s: `infinium-traces list` shows them.",
                    store.where(),
                )
        else:
            self._enqueue(store, name, account, settings, pending.client)


def _settings() -> Settings | None:
    return settings_module.current()


def _destination(pending: PendingTrace, settings: Settings) -> tuple[str | None, dict[str, Any]]:
    if pending.client is not None:
        return CLIENT, {"status": "pending", "client": type(pending.client).__name__}
    if settings.has_account:
        facts = {"status": "pending", "origin": origin(settings), "agent_id": str(settings.agent_id)}
        return account_of(settings), facts
    return None, {"status": "local"}


_said_where = threading.Event()
