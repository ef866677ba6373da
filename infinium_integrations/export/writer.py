"""The writer: one daemon thread that turns what was recorded into stored traces, and keeps the deadlines."""

import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from infinium_integrations import diagnostics
from infinium_integrations import settings as settings_module
from infinium_integrations._entropy import new_id
from infinium_integrations.payload.build import Spans
from infinium_integrations.payload.finalize import Limits, finished, fitted
from infinium_integrations.recording.run import KEPT_HERE
from infinium_integrations.settings import Settings
from infinium_integrations.storage.destinations import joined
from infinium_integrations.storage.folder import CLIENT, Store
from infinium_integrations.storage.record import Record, file_name, new_record, pack, safe_id
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of, origin

__all__ = ["PendingTrace", "Writer"]

logger = logging.getLogger("infinium_integrations")

STOP_SECONDS = 2.0
LAST_SECONDS = 0.2
"""Seconds that the trace which is being written gets when the rest is given up."""
QUEUE_BYTES = 32_000_000
"""About what all queued traces may hold."""
BATCH, BATCH_BYTES = 64, 2_000_000
"""Traces that are turned into bytes before their files are written, and about what they may hold.

Each system call gives the interpreter away, and with it what the processor has in its caches.
"""
GATHER_SECONDS = 0.05
"""Seconds from one awakening to the next while traces keep coming: each takes the interpreter from the program."""


@dataclass(frozen=True, slots=True)
class PendingTrace:
    """A trace before redaction.

    Args:
        trace_id: Our id of it, sent as ``Idempotency-Key``.
        wire: The payload's object, not redacted, its texts with some slack.
        redactor: Takes the secrets out.
        client: Anything with ``send_task_data(TaskData)`` that is to send it; None for the account of the settings.
        limits: Characters that are kept of each text; None for the usual ones.
        captured: What is kept beside the payload, redacted.
        spans: When each step began.
    """

    trace_id: str
    wire: dict[str, object]
    redactor: Any
    client: Any = None
    limits: Limits | None = None
    captured: dict[str, Any] | None = None
    spans: Spans | None = None


@dataclass(slots=True)
class _Job:
    number: int
    item: object
    settings: Settings | None
    size: int


T = TypeVar("T")
Result = TypeVar("Result")
Enqueue = Callable[[Store, str, str, Settings, object, Record], None]


class Writer:
    """Turns items into stored traces, in order.

    Args:
        assemble: Returns the pending trace of an item, or None where nothing is to be kept.
        sweep: Keeps the recorder's deadlines; takes perf_counter seconds, returns the seconds until the next call.
        selector: Where traces are kept.
        counters: Counts what becomes of them.
        enqueue: Hands a stored trace to the sender, with its content.
        discard: Called with each item that is dropped for want of room, on the thread that submits.
    """

    def __init__(
        self,
        *,
        assemble: Callable[[object], PendingTrace | None],
        sweep: Callable[[float], float | None] | None,
        selector: StoreSelector,
        counters: DeliveryCounters,
        enqueue: Enqueue,
        discard: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._assemble = assemble
        self._sweep = sweep
        self._selector = selector
        self._counters = counters
        self._enqueue = enqueue
        self._discard = discard
        self._lock = threading.RLock()  # a signal handler may submit in the midst of a submission
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        """About what the queued items hold."""
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Holds something where there is something to do: a job, a deadline, someone who waits, or the end."""
        self._nudged = False
        self._hurries: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Holds something where what is queued is not to wait for more."""
        self._asked: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        """What others want done on this thread."""
        self._waiting: list[tuple[int, threading.Event]] = []
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._due: float | None = None
        self._sweep_soon = True
        self._last_ns = 0
        self._newest = 0
        self._working = 0
        """How many jobs are being worked on."""
        self._done = 0
        self._empty = 0

    @property
    def mine(self) -> bool:
        """Whether the caller is on the writer's own thread."""
        return threading.current_thread() is self._thread

    def counts(self) -> tuple[int, int]:
        """Count the traces submitted, and those of them that are not stored yet."""
        waiting = len(self._jobs) + self._working
        return max(self._newest, waiting) - self._empty, waiting

    def submit(self, item: object, size: int = 0) -> None:
        """Queue an item; takes no lock that it would wait for, so that a signal handler may call it.

        Args:
            item: What ``assemble`` takes.
            size: About how many bytes it holds; the oldest queued items go where there are too many.
        """
        # the settings in force now are the trace's; malformed ones are reported by the writer's thread
        current: Callable[[], Settings | None] = settings_module.current
        settings = diagnostics.attempt(current, lambda _: None)
        dropped: list[object] = []
        with self._lock:
            self._newest += 1
            self._jobs.append(_Job(self._newest, item, settings, size))
            self._bytes += size
            while self._bytes > QUEUE_BYTES and len(self._jobs) > 1:
                oldest = self._jobs.popleft()
                self._bytes -= oldest.size
                dropped.append(oldest.item)
        if self._full() and self._hurries.empty():
            self._hurries.put(None)
        self._nudge()
        if dropped:
            self._counters.lose(len(dropped))
            for each in dropped:
                self._discard(each)
            diagnostics.warn_once(
                "queue", "More traces end than can be written, so the oldest are dropped (stats() counts them)."
            )

    def _nudge(self) -> None:
        if not self._nudged:
            self._nudged = True
            self._tokens.put(None)
        self.ensure()

    def wake(self) -> None:
        """Have the deadlines looked at soon."""
        self._sweep_soon = True
        self._nudge()

    def ask(self, do: Callable[[], Result], seconds: float) -> Result | None:
        """Have something done on the writer's thread, where rules of the user's are called; None where it takes long.

        Args:
            do: What is to be done.
            seconds: How long to wait for it.
        """
        done: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._asked.put(lambda: done.put(do()))
        self._nudge()
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=seconds)
        return None

    def settle(self, deadline: float) -> bool:
        """Wait until all that was queued before is written or given up; False at the deadline (monotonic seconds)."""
        reached = threading.Event()
        self._waiting.append((self._newest, reached))
        self._hurries.put(None)
        self._nudge()
        return reached.wait(max(0.0, deadline - time.monotonic()))

    def catch_up(self, deadline: float) -> None:
        """For a reader: wait until what was queued is written, where there is a thread at all."""
        if self._alive() and not self.mine:
            self.settle(deadline)

    def finish(self, deadline: float, patience: float) -> int:
        """Before the process exits: write what is queued, until the deadline, and give the rest up.

        Args:
            deadline: Monotonic seconds.
            patience: Seconds in which at least one must get written: a disk that hangs is not waited for longer.

        Returns:
            How many traces were given up.
        """
        while self._alive() and not self.mine:
            before, until = self._done, min(deadline, time.monotonic() + patience)
            if self.settle(until) or until == deadline or self._done == before:
                break
        else:
            self.write_here(deadline)
        with self._lock:
            given_up = len(self._jobs)
            self._jobs.clear()
            self._bytes = 0
        if self._alive() and not self.mine:
            self.settle(time.monotonic() + LAST_SECONDS)
        given_up += self._working
        self._counters.lose(given_up)
        return given_up

    def write_here(self, deadline: float = math.inf) -> None:
        """Write what is queued on the caller's thread."""
        while self._jobs and time.monotonic() < deadline:
            self._work(1)

    def stop(self) -> None:
        """End the thread; it is started again at need."""
        thread = self._thread
        if thread is not None and thread.is_alive() and not self.mine:
            self._ending = True
            self._hurries.put(None)
            self._nudge()
            thread.join(STOP_SECONDS)
        if self._jobs:
            self.ensure()

    def ensure(self) -> None:
        """Start the thread where there is none."""
        if self._alive() or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._alive():
                self._ending = False
                self._thread = threading.Thread(target=self._run, name="infinium-writer", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter goes: see ``write_here``
                    self._thread.start()
        finally:
            self._starting.release()

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _run(self) -> None:
        while not self._ending:
            begun, worked = time.monotonic(), self._work()
            self._report()
            while not self._asked.empty():
                with diagnostics.contained:
                    self._asked.get()()
            if self._sweep_soon or (self._due is not None and self._due <= time.perf_counter()):
                self._sweep_soon, self._due = False, None
                if self._sweep is not None:
                    with diagnostics.contained:
                        now = time.perf_counter()
                        wait = self._sweep(now)
                        self._due = None if wait is None else now + wait
            if worked and not self._full():
                self._gather(begun + GATHER_SECONDS - time.monotonic())
            if not self._jobs:
                due = self._due
                patience = None if due is None else max(0.0, min(due - time.perf_counter(), threading.TIMEOUT_MAX))
                with contextlib.suppress(queue.Empty):
                    self._tokens.get(timeout=patience)
                    self._nudged = False
        if self._jobs:  # who ended the thread has stopped waiting for it
            self._thread = None
            self.ensure()

    def _full(self) -> bool:
        """Return whether a batch waits, so that there is nothing to wait for."""
        return len(self._jobs) >= BATCH or self._bytes > BATCH_BYTES

    def _gather(self, seconds: float) -> None:
        """Let more traces come, unless someone waits for those that are there."""
        with contextlib.suppress(queue.Empty):
            self._hurries.get(timeout=max(0.0, seconds))
            while True:
                self._hurries.get_nowait()

    def _work(self, most: int = BATCH) -> bool:
        """Turn the oldest queued items into stored traces; False where there are none."""
        worked, size = False, 0
        ready: list[_Ready] = []
        until = time.monotonic() + GATHER_SECONDS
        try:
            while len(ready) < most and size <= BATCH_BYTES and (job := self._taken()) is not None:
                worked, size = True, size + job.size
                ready += self._each([job], self._ready)
                if time.monotonic() > until:  # a rule of the user's may take its time
                    break
            self._each(self._each(ready, _packed), self._keep)
        finally:
            self._done += self._working
            self._working = 0
        return worked

    def _taken(self) -> _Job | None:
        """Take the oldest queued item out, to work on it."""
        with self._lock:
            if not self._jobs:
                return None
            job = self._jobs.popleft()
            self._bytes -= job.size
            self._working += 1
        return job

    def _each(self, items: Iterable[T], do: Callable[[T], Result | None]) -> list[Result]:
        """Return what came of each item; one that fails is lost, of one that gives nothing there is nothing more."""
        results = []
        for item in items:
            result = None
            with diagnostics.contained_or(self._counters.lose):
                result = do(item)
            if result is None:
                self._done += 1
                self._working -= 1
            else:
                results.append(result)
        return results

    def _report(self) -> None:
        """Let those go on who wait for what is written by now."""
        with self._lock:
            oldest = self._jobs[0].number if self._jobs else math.inf
        for waiting in [waiting for waiting in self._waiting if waiting[0] < oldest]:
            self._waiting.remove(waiting)
            waiting[1].set()

    def _ready(self, job: _Job) -> "_Ready | None":
        pending = self._assemble(job.item)
        if pending is None:
            self._empty += 1
            return None
        settings = job.settings or settings_module.current()
        payload, body = fitted(finished(pending.wire, pending.redactor, cut=True, limits=pending.limits))
        account, facts = _destination(pending, settings)
        self._last_ns = recorded = max(self._last_ns + 1, time.time_ns())  # later than the last
        trace_id = pending.trace_id if safe_id(pending.trace_id) else str(new_id())
        name = file_name(recorded, trace_id)
        return _Ready(pending, settings, account, name, (trace_id, payload, body, recorded, facts))

    def _keep(self, packed: "tuple[_Ready, Record, bytes]") -> None:
        ready, record, data = packed
        store = self._selector.put(ready.settings, ready.name, data, ready.account)
        if ready.account is None:
            self._counters.add("local")
            if not _said_where.is_set() and ready.settings.mode != "off" and not ready.settings.has_account:
                _said_where.set()
                logger.info(
                    "No Infinium account is set, so traces are only stored, in %s: `infinium-traces list` shows them.",
                    store.where(),
                )
        else:
            self._enqueue(store, ready.name, ready.account, ready.settings, ready.pending.client, record)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A trace as it is stored and sent, to be packed."""

    pending: PendingTrace
    settings: Settings
    account: str | None
    name: str
    facts: tuple[str, dict[str, object], bytes, int, dict[str, object]]
    """The first arguments of ``new_record``."""


def _packed(ready: _Ready) -> tuple[_Ready, Record, bytes]:
    record = new_record(*ready.facts, spans=ready.pending.spans, captured=ready.pending.captured)
    return ready, record, pack(record)


def _destination(pending: PendingTrace, settings: Settings) -> tuple[str | None, dict[str, Any]]:
    if pending.client is KEPT_HERE:
        return None, {"status": "local"}
    keys: list[str] = []
    facts: dict[str, Any] = {}
    if pending.client is not None:
        keys.append(CLIENT)
        facts["client"] = type(pending.client).__name__
    elif settings.to_infinium:
        keys.append(account_of(settings))
        facts |= {"origin": origin(settings), "agent_id": str(settings.agent_id)}
    elif "infinium" in settings.exporters:
        _say_what_is_missing(settings)
    if settings.otlp is not None and (pending.spans or {}).get("sampled", True):
        keys.append(settings.otlp.key)
        facts["resource"] = settings.otlp.resource
        facts |= {} if settings.otlp.content else {"content": False}
    return (joined(keys), {"status": "pending", **facts}) if keys else (None, {"status": "local"})


def _say_what_is_missing(settings: Settings) -> None:
    if settings.agent_id is not None or settings.agent_secret is not None:
        missing = "INFINIUM_AGENT_SECRET" if settings.agent_secret is None else "INFINIUM_AGENT_ID"
        diagnostics.warn_once(
            "half an account", "%s is not set: traces stay on this machine. With it they are delivered.", missing
        )


_said_where = threading.Event()
