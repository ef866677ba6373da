"""What waits for one account in one store, delivered oldest first by whichever process holds its lock."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from infinium_integrations import diagnostics
from infinium_integrations.client.protocol.messages import Verdict
from infinium_integrations.client.protocol.rate_limit import AdaptiveRateLimiter
from infinium_integrations.client.protocol.retry import RetrySchedule
from infinium_integrations.settings import Settings
from infinium_integrations.storage import record as records
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.memory import NoLock
from infinium_integrations.storage.record import DamagedError, NewerFormatError, Receipt, Record
from infinium_integrations.storage.selector import DeliveryCounters

__all__ = ["Outbox", "Outcome", "Transport"]

LOCK_FIRST, LOCK_LIMIT = 0.02, 1.0
"""Seconds between looks at what another process delivers for us."""
FAILURES_SAID = 5
HOLD = 0.25
"""Seconds after a flush in which only this process's own traces are sent: it may be about to end without a word."""
LEAVING = 0.8
"""Of the time at exit in which requests are begun; in the rest those under way may end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try; ``reached``: an answer came back; ``throttled``: it was 429."""

    verdict: Verdict
    reached: bool = True
    throttled: bool = False


class Transport(Protocol):
    """Delivers one trace; never raises for what the other side does."""

    async def send(self, record: Record) -> Outcome:
        """Try once."""

    def renew(self, settings: Settings) -> bool:
        """Take over newer settings; True where that may make the next try go better."""


class Outbox:
    """What waits for one account. Must only be used on the sender's event loop.

    Args:
        store: Where the traces wait.
        account: Under which name they wait there.
        transport: How one leaves.
        slots: Bounds the requests in flight of the whole process.
        spawn: Runs a coroutine as a task that the loop cancels when it ends.
        counters: Counts what becomes of them.
        ceiling: Requests a second to which the pace may rise.
        shared: Whether traces of other processes are delivered too; else only those added here.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        transport: Transport,
        *,
        slots: asyncio.Semaphore,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[Any]],
        counters: DeliveryCounters,
        ceiling: float,
        shared: bool = True,
    ) -> None:
        self.store = store
        self.transport = transport
        self.retry = RetrySchedule()
        self.rate_limiter = AdaptiveRateLimiter(ceiling)
        self._account = account
        self._slots = slots
        self._spawn = spawn
        self._counters = counters
        self._shared = shared
        self._lock = store.lock(account) if shared else NoLock()
        self._elsewhere = False
        self._waiting: set[str] = set()
        self._mine: set[str] = set()
        self._held_until = 0.0
        self._closing = False
        self._finished: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._work = asyncio.Event()
        self._retry_requested = asyncio.Event()
        self._watchers: set[asyncio.Event] = set()
        self._goals: list[set[str]] = []
        """What those wait for who wait until all is delivered; a trace leaves each set when it no longer waits."""
        self.reason: str | None = None
        """Why the last try failed; None where it went well."""

    @property
    def pending(self) -> int:
        """How many traces are known to wait."""
        return len(self._waiting)

    @property
    def own(self) -> int:
        """How many traces of this process wait that no other process is delivering."""
        return 0 if self._elsewhere else len(self._mine)

    def waits(self, name: str) -> bool:
        """Whether a trace is known to wait."""
        return name in self._waiting

    def add(self, name: str) -> None:
        """Note a trace that was just stored."""
        self._waiting.add(name)
        self._mine.add(name)
        self._work.set()
        self._notify()

    def pruned(self, names: list[str]) -> None:
        """Forget traces that were removed for want of room, and counted there."""
        for name in self._waiting.intersection(names) - self._sending.keys():
            self._forget(name)
        self._notify()

    def retry_now(self) -> None:
        """Look at the store, and try at once unless the server asked to wait."""
        self.retry.end_wait()
        self._retry_requested.set()
        self._work.set()

    async def run(self) -> None:
        """Deliver whenever there is something, until cancelled; an outbox of a client's ends when nothing is left."""

        def later() -> None:
            self.retry.failed()
            self._work.set()

        while self._shared or self._waiting or self._work.is_set():
            await self._work.wait()
            self._work.clear()
            await self._rest()
            try:
                with diagnostics.contained_or(later):
                    await self._drain()
            finally:
                self._lock.release()
                self._notify()

    async def drained(self, deadline: float) -> bool:
        """Wait until all that waits now is gone; False at the deadline, or when the next try lies beyond it."""
        self.retry_now()
        self._look()
        if not await self._emptied(deadline):
            self._look()  # what went meanwhile, such as with the store, waits no more
            return False
        self._held_until = time.monotonic() + HOLD
        return await self._landed(deadline)

    async def _emptied(self, deadline: float) -> bool:
        """Wait until nothing is left of what waits now."""
        goal = set(self._waiting)
        self._goals.append(goal)
        try:
            while goal:
                if not self._sending and time.monotonic() + self.retry.left > deadline:
                    return False
                if not await self._change(deadline):
                    return False
        finally:
            self._goals = [other for other in self._goals if other is not goal]
        return True

    async def leave(self, deadline: float) -> None:
        """Wait, before the process exits, only while requests make progress; then begin no more."""
        self._look()
        begun_until = time.monotonic() + (deadline - time.monotonic()) * LEAVING
        while self._waiting and self._hopeful(begun_until) and await self._change(begun_until):
            pass
        self._closing = True
        await self._landed(deadline)

    def abandon(self) -> None:
        """Leave it as it is: its lock's file descriptor is no longer ours."""
        self._lock.disown()

    async def _landed(self, deadline: float) -> bool:
        """Wait for what is under way; what is cut off there may be sent a second time."""
        flying = set(self._sending)
        while flying & self._sending.keys():
            if not await self._change(deadline):
                return False
        return True

    def _may_start(self, name: str) -> bool:
        if self._closing or self.retry.left > 0:
            return False
        return name in self._mine or time.monotonic() >= self._held_until

    def _hopeful(self, deadline: float) -> bool:
        if self._sending or not self.retry.failing:
            return not self._elsewhere
        soon = time.monotonic() + self.retry.left < deadline
        return soon and self.retry.reached and not self.retry.blocked

    async def _drain(self) -> None:
        looks = 0
        try:
            while (names := self._scan()) or self._sending:
                self._elsewhere = not self._lock.take()
                self._notify()
                if self._elsewhere:
                    looks += 1
                    await self._sleep(min(LOCK_LIMIT, LOCK_FIRST * 2.0 ** min(looks, 10)))
                    continue
                # while a request is under way the lock is kept: another process would send the same trace
                if self._sending or not names or any(map(self._may_start, names)) or self.retry.left > 0:
                    await self._round(names)
                    await self._rest()
                else:
                    self._lock.release()
                    await self._sleep(HOLD)
        except OSError as error:
            self._unreadable(error)
            self._work.set()

    async def _round(self, names: list[str]) -> None:
        """Start one after the other; after a failure, one at a time, and none while the pause lasts."""
        for name in names:
            if self.retry.failing and self._sending:
                await asyncio.wait(list(self._sending.values()))
            if not self._may_start(name):
                continue
            if wait := self.rate_limiter.take():
                await asyncio.sleep(wait)
            await self._slots.acquire()
            if self._may_start(name):
                self._sending[name] = self._spawn(self._deliver(name))
            else:
                self._slots.release()
        while self._sending and not self._work.is_set():  # one that takes long holds up no other
            await self._change(None)
        self._work.clear()

    async def _rest(self) -> None:
        if self.retry.blocked and not self._sending:
            self._lock.release()  # a process with the right credentials may do better
        while self.retry.left > 0:
            self._notify()
            await self._sleep(self.retry.left)

    async def _sleep(self, seconds: float) -> None:
        self._retry_requested.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._retry_requested.wait()

    async def _deliver(self, name: str) -> None:
        def failed() -> None:  # a fault of ours must neither end the thread nor make it spin
            self._tries[name] += 1
            self.retry.failed()

        try:
            with diagnostics.contained_or(failed):
                record = self._read(name)
                if record is not None:
                    self._conclude(name, record, await self.transport.send(record))
        finally:
            self._sending.pop(name, None)
            self._slots.release()
            self._notify()

    def _read(self, name: str) -> Record | None:
        try:
            return self.store.read(self._account, name)
        except FileNotFoundError:
            self._gone(name)
        except NewerFormatError:
            self._skip(name)
            diagnostics.warn_once(
                "newer", "A stored trace was written by a later version of infinium-integrations: it stays."
            )
        except DamagedError:
            self._lose(name)
            self._finished.add(name)
            diagnostics.warn_once("damaged", "A stored trace is damaged and was set aside, in %s.", self.store.where())
        except OSError as error:
            self._tries[name] += 1
            self._unreadable(error)
        return None

    def _unreadable(self, error: OSError) -> None:
        """Begin a pause: no file descriptor is left, or the disk is away."""
        self.reason = f"the store can't be read: {error.strerror}"
        self.retry.failed(reached=False)

    def _conclude(self, name: str, record: Record, outcome: Outcome) -> None:
        verdict = outcome.verdict
        if verdict.action == "delivered":
            self.retry.succeeded()
            self.reason = None
            self.rate_limiter.faster()
            receipt = Receipt("infinium", time.time_ns() // 1_000_000, verdict.trace_id)
            self._finish(name, "sent", lambda: self.store.delivered(self._account, name, receipt))
        elif verdict.action in {"reject", "shrink"}:
            self.retry.succeeded()
            refused = records.refused(record, verdict.reason, time.time_ns())
            diagnostics.warn_once(("reject", verdict.reason), "Infinium refused a trace: %s", verdict.reason)
            self._finish(name, "rejected", lambda: self.store.reject(self._account, name, refused))
        else:
            self._later(name, outcome)

    def _later(self, name: str, outcome: Outcome) -> None:
        verdict = outcome.verdict
        self.reason = verdict.reason
        self._tries[name] += 1
        if verdict.action == "keep":
            self.retry.block()
            diagnostics.warn_once(("keep", verdict.reason), "Traces are kept and not delivered yet. %s", verdict.reason)
            return
        if outcome.throttled:
            self.rate_limiter.slower()
        self.retry.failed(verdict.after, reached=outcome.reached)
        if self.retry.tries == FAILURES_SAID:
            diagnostics.warn_once(
                ("down", self._account),
                "Traces are kept and delivered later. Infinium can't be used: %s",
                verdict.reason,
            )

    def _finish(self, name: str, what: str, move: Callable[[], None]) -> None:
        self._skip(name)  # even where its file can't be moved: it must not be sent again
        self._counters.add(what)
        try:
            move()
        except OSError as error:
            diagnostics.warn_once("move", "A file of the store can't be moved: %s", error.strerror)
        else:
            self._finished.discard(name)

    def _skip(self, name: str) -> None:
        self._forget(name)
        self._finished.add(name)

    def _forget(self, name: str) -> None:
        self._waiting.discard(name)
        self._mine.discard(name)
        self._tries.pop(name, None)
        for goal in self._goals:
            goal.discard(name)

    def _gone(self, name: str) -> None:
        """Count what another process has dealt with, or went with the store; what was pruned is counted there."""
        if name not in self._waiting:
            return
        if not (self.store.stands(self._account) and self._lock.stands()):
            self._lose(name)
            diagnostics.warn_once(
                "removed", "The store %s was removed, and traces with it that were not delivered.", self.store.where()
            )
        elif self.store.was_rejected(self._account, name):
            self._counters.add("rejected")
        elif self._elsewhere or self.store.was_delivered(name):
            self._counters.add("sent")
        self._forget(name)

    def _lose(self, name: str) -> None:
        """Count a trace that can't be delivered any more; flush() tells of this process's own."""
        self._counters.lose(own=name in self._mine)
        self._forget(name)

    def _look(self) -> None:
        """Take in what waits by now, where the store can be read."""
        try:
            self._scan()
        except OSError as error:
            self._unreadable(error)
            self._work.set()

    def _scan(self) -> list[str]:
        """Return what waits: the least tried first, then the oldest, so that one bad trace does not stop the rest."""
        if self._shared:
            names = set(self.store.waiting(self._account)) - self._finished
        else:
            names = {name for name in self._waiting if self.store.holds(self._account, name)}
        for name in self._waiting - names - self._sending.keys():
            self._gone(name)
        self._waiting |= names
        return sorted(names - self._sending.keys(), key=lambda name: (self._tries[name], name))

    async def _change(self, deadline: float | None) -> bool:
        """Wait until something has changed; False at the deadline (monotonic seconds; None for none)."""
        event = asyncio.Event()
        self._watchers.add(event)
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - time.monotonic())):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._watchers.discard(event)
        return True

    def _notify(self) -> None:
        for event in self._watchers:
            event.set()
