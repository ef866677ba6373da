"""What waits for one account in one store, delivered oldest first by whichever process holds its lock."""

import heapq
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from infinium_integrations import diagnostics
from infinium_integrations.client.protocol.messages import Verdict
from infinium_integrations.client.protocol.rate_limit import AdaptiveRateLimiter
from infinium_integrations.client.protocol.retry import RetrySchedule
from infinium_integrations.settings import Settings
from infinium_integrations.storage import record as records
from infinium_integrations.storage.destinations import Place
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.memory import NoLock
from infinium_integrations.storage.record import DamagedError, NewerFormatError, Receipt, Record
from infinium_integrations.storage.selector import DeliveryCounters

__all__ = ["Outbox", "Outcome", "Transport", "Try"]

LOCK_FIRST, LOCK_LIMIT = 0.02, 1.0
"""Seconds between looks at what another process delivers for us."""
LAST_LOOKS = 6
"""After so many looks at exit, within a good second, what waits is left to the process that still has the lock."""
LOOK = 1.0
"""Seconds between looks at what other processes leave to us, while we deliver;"""
LOOK_SHARE = 50
"""and at least so many times as long as a look takes."""
FOREIGN = 100
"""Names of what was delivered before it was handed over, that are remembered so that it is counted once."""
GONE = 100
"""Entries of a heap whose traces are gone, beside twice as many as wait, before the heap is made anew."""
FAILURES_SAID = 5
PACE_SECONDS = 0.1
"""Least seconds of a pause for the pace's sake: then several requests follow each other, instead of one after each."""
HOLD = 0.25
"""Seconds after a flush in which only this process's own traces are sent: it may be about to end without a word."""
HELD_BYTES = 8_000_000
"""Of traces that were just written, kept in memory so that they needn't be read again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try; ``reached``: an answer came back; ``throttled``: it was 429."""

    verdict: Verdict
    reached: bool = True
    throttled: bool = False


class Transport(Protocol):
    """Delivers one trace; never raises for what the other side does."""

    destination: str
    """Stands in the receipt: ``infinium`` or ``otlp``."""
    receiver: str
    """Who takes the traces, as people call it."""
    start_rate: float
    """Requests a second to begin with."""

    @property
    def ready(self) -> bool:
        """Whether nothing of this process's own stands in the way."""

    @property
    def limit(self) -> float:
        """Seconds after which a try is given up that has not come back."""

    def send(self, record: Record, timeout: float) -> Outcome:
        """Try once, within so many seconds."""

    def renew(self, settings: Settings) -> bool:
        """Take over newer settings; True where that may make the next try go better."""


@dataclass(frozen=True, slots=True, eq=False)
class Try:
    """One trace on its way."""

    name: str
    record: Record | None
    """Its content, where it need not be read."""
    at: float
    """When it was begun (monotonic seconds)."""
    until: float
    """When it is given up (monotonic seconds)."""
    thread: threading.Thread


class Outbox:
    """What waits for one account. All but ``deliver`` must be called with the lock of ``changed`` held.

    Args:
        store: Where the traces wait.
        account: Under which name they wait there.
        transport: How one leaves.
        changed: Told of what those who wait for deliveries want to know.
        counters: Counts what becomes of them.
        settings: Of the account.
        shared: Whether traces of other processes are delivered too; else only those added here.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        transport: Transport,
        *,
        changed: threading.Condition,
        counters: DeliveryCounters,
        settings: Settings,
        shared: bool = True,
    ) -> None:
        self.store = store
        self.transport = transport
        self.settings = settings
        self.shared = shared
        self.served = 0.0
        """When a try was begun the last time (monotonic seconds)."""
        self.sending: dict[str, Try] = {}
        self.reason: str | None = None
        """Why the last try failed; None where it went well."""
        self._retry = RetrySchedule()
        self._rate_limiter = AdaptiveRateLimiter(settings.requests_per_second, start=transport.start_rate)
        self._account = account
        self._changed = changed
        self._counters = counters
        self._lock = store.lock(account) if shared else NoLock()
        self._elsewhere = False
        """Another process delivers."""
        self._looks = 0
        self._may_look_at = 0.0
        """Until when another process is left to deliver (monotonic seconds)."""
        self._look_wanted = shared
        self._look_again_at = 0.0
        self._may_start_at: float | None = None
        """When the pace lets the next request start, once that is settled."""
        self._held_until = 0.0
        self._closed = False
        self._waiting: set[str] = set()
        self._mine: set[str] = set()
        self._finished: set[str] = set()
        """Of which the file stays where it is: it can't be moved, or is a later version's."""
        self._foreign: deque[str] = deque(maxlen=FOREIGN)
        """What was found in the store and dealt with, the latest."""
        self._tries: Counter[str] = Counter()
        self._own: list[tuple[int, str]] = []
        self._others: list[tuple[int, str]] = []
        """Heaps of what waits, the least tried first, then the oldest; some of it may have left since."""
        self._records: dict[str, Record] = {}
        self._held = 0
        self._goals: list[set[str]] = []
        """What those wait for who wait until all is delivered; a trace leaves each set when it no longer waits."""

    @property
    def pending(self) -> int:
        """How many traces are known to wait."""
        return len(self._waiting)

    def waiting(self) -> list[str]:
        """Return the names of the traces that are known to wait; any thread may call it."""
        return list(self._waiting.copy())  # no other thread comes between a set's copy

    def left(self) -> list[str]:
        """Return the names of those of this process that no other process is delivering; any thread may call it."""
        return [] if self._elsewhere else list(self._mine.copy())

    @property
    def own(self) -> int:
        """How many traces of this process wait that no other process is delivering."""
        return len(self.left())

    @property
    def busy(self) -> bool:
        """Whether more waits than is on its way."""
        return not self._closed and len(self._waiting) > len(self.sending)

    def add(self, name: str, record: Record | None = None) -> None:
        """Note a trace that was just stored, and keep its content while there is room."""
        if name in self._foreign:  # it was found in the store before it was handed over
            return
        self._waiting.add(name)
        self._mine.add(name)
        if name not in self.sending:
            heapq.heappush(self._own, (self._tries[name], name))
            if record is not None and not self._retry.failing and self._held + _size(record) <= HELD_BYTES:
                self._records[name] = record
                self._held += _size(record)

    def pruned(self, names: list[str]) -> None:
        """Forget traces that were removed for want of room, and counted there."""
        for name in self._waiting.intersection(names) - self.sending.keys():
            self._forget(name)

    def renew(self, store: Store, settings: Settings) -> None:
        """Take over a secret or address that was put right meanwhile, and try at once."""
        self.store, self.settings = store, settings
        self._rate_limiter.limit(settings.requests_per_second)
        if self.transport.renew(settings):
            self.retry_now()

    def retry_now(self) -> None:
        """Look at the store, and try at once unless the server asked to wait."""
        self._retry.end_wait()
        self._may_look_at, self._look_wanted = 0.0, True

    @property
    def _several(self) -> bool:
        """Whether other outboxes may wait for the same traces."""
        return len(self.settings.exporters) > 1

    # -- one try -------------------------------------------------------------------------------------------------------

    def next(self, now: float) -> Try | float:
        """Begin the next try and return it; else the seconds until it is worth asking again."""
        try:
            wait = self._pause() or self._turn(now)
        except OSError as error:
            self._unreadable(error)
            wait = self._retry.left
        if wait:
            return wait
        queue = self._queue(now)
        if queue is None:  # while a request is under way the lock is kept: another process would send the same trace
            if not self.sending:
                self._lock.release()
            return (max(0.0, self._held_until - now) or LOOK) if self.busy else math.inf
        if self._may_start_at is None:
            pause = self._rate_limiter.take()
            self._may_start_at = now + (max(pause, PACE_SECONDS) if pause else 0.0)
        if now < self._may_start_at:
            return self._may_start_at - now
        self._may_start_at = None
        name = heapq.heappop(queue)[1]
        until = now + self.transport.limit
        begun = self.sending[name] = Try(name, self._released(name), now, until, threading.current_thread())
        self.served = now
        return begun

    def _pause(self) -> float:
        """Return the seconds in which nothing may be begun, or need be; 0 where it may."""
        if self._closed or (self._retry.failing and self.sending):  # after a failure, one at a time
            return math.inf
        if (resting := self._retry.left) > 0:
            if self._retry.blocked and not self.sending:
                self._lock.release()  # a process with the right credentials may do better
            return resting
        if self.busy or self._look_wanted:
            return 0.0
        self._elsewhere, self._looks = False, 0
        if not self.sending:
            self._lock.release()
        return math.inf

    def _turn(self, now: float) -> float:
        """Take the lock, and look at the store where it is time; the seconds for which another process delivers."""
        if now < self._may_look_at:
            return self._may_look_at - now
        mine = self._lock.take()
        if not mine:
            self._elsewhere, self._looks = True, self._looks + 1
            self._may_look_at = now + min(LOCK_LIMIT, LOCK_FIRST * 2.0 ** min(self._looks, 10))
            self._changed.notify_all()
        if self._elsewhere or self._look_wanted or (self.shared and now > self._look_again_at):
            self._scan()
        self._elsewhere = not mine
        return 0.0 if mine else self._may_look_at - now

    def _queue(self, now: float) -> list[tuple[int, str]] | None:
        """Return the heap with the trace that is next; None where none may be begun."""
        for queue in (self._own, self._others):
            while queue and (queue[0][1] not in self._waiting or queue[0][1] in self.sending):
                heapq.heappop(queue)
        queues = [queue for queue in (self._own, self._others if now >= self._held_until else []) if queue]
        return min(queues, key=lambda queue: queue[0]) if queues else None

    def deliver(self, begun: Try, timeout: float = math.inf) -> None:
        """Make a try, without the lock."""

        def failed() -> None:  # a fault of ours must neither end the thread nor make it spin
            self._retry.failed()

        conclude: Callable[[], None] = failed
        try:
            with diagnostics.contained:
                conclude = self._made(begun.name, begun.record, timeout)
        finally:
            self._conclude(begun, conclude)

    def give_up(self, begun: Try) -> None:
        """End a try of which nothing is heard: its thread hangs where no timeout reaches, as in looking up a name."""
        verdict = Verdict("retry", f"no answer within {self.transport.limit:g} s")
        self._conclude(begun, lambda: self._later(Outcome(verdict, reached=False)))

    def _conclude(self, begun: Try, conclude: Callable[[], None]) -> None:
        name = begun.name
        with self._changed:
            if self.sending.get(name) is not begun:  # it was given up
                return
            del self.sending[name]
            with diagnostics.contained_or(self._retry.failed):
                conclude()
            if name in self._waiting:
                self._tries[name] += 1
                heapq.heappush(self._own if name in self._mine else self._others, (self._tries[name], name))
            if self._closed and not self.sending:
                self._lock.release()
            if self._retry.failing or not self._goals or name not in self._waiting:
                self._changed.notify_all()

    def _made(self, name: str, record: Record | None, timeout: float) -> Callable[[], None]:
        """Send one; return what is to be noted of that, with the lock."""
        try:
            if record is None:
                record = self.store.read(self._account, name)
            elif not self.store.holds(self._account, name):
                return lambda: self._gone(name)
        except FileNotFoundError:
            return lambda: self._gone(name)
        except (NewerFormatError, DamagedError) as error:
            newer = isinstance(error, NewerFormatError)
            return lambda: self._set_aside(name, newer=newer)
        except OSError as error:
            reason = error
            return lambda: self._unreadable(reason)
        outcome = self.transport.send(record, timeout)
        verdict = outcome.verdict
        if verdict.action in {"retry", "keep"}:
            stored = self.store.holds(self._account, name)  # what was in flight no look at the store misses
            return lambda: self._later(outcome) if stored else self._vanished(name, outcome)
        place: Place | None = None
        try:
            if verdict.action == "delivered":
                receipt = Receipt(self.transport.destination, time.time_ns() // 1_000_000, verdict.trace_id)
                place = self.store.delivered(self._account, name, receipt)
            else:
                refused = records.refused(record, verdict.reason, time.time_ns())
                place = self.store.reject(self._account, name, refused)
        except OSError as error:
            diagnostics.warn_once("move", "A file of the store can't be moved: %s", error.strerror)
        return lambda: self._finish(name, verdict, place)

    def _finish(self, name: str, verdict: Verdict, place: Place | None) -> None:
        self._retry.succeeded()
        if verdict.action == "delivered":
            self.reason = None
            self._rate_limiter.faster()
        else:
            who = self.transport.receiver
            diagnostics.warn_once(("reject", who, verdict.reason), "%s refused a trace: %s", who, verdict.reason)
        if place is None:  # its file still lies there: it must not be sent again
            self._finished.add(name)
            place = "history" if verdict.action == "delivered" else "rejected"
        if place != "outbox":
            self._counters.settle("sent" if place == "history" else "rejected", name, shared=self._several)
        if name not in self._mine:
            self._foreign.append(name)
        self._forget(name)

    def _vanished(self, name: str, outcome: Outcome) -> None:
        self._later(outcome)
        self._gone(name)

    def _later(self, outcome: Outcome) -> None:
        verdict = outcome.verdict
        self.reason = verdict.reason
        self._records.clear()  # what waits longer is read when its time has come
        self._held = 0
        if verdict.action == "keep":
            self._retry.block()
            diagnostics.warn_once(("keep", verdict.reason), "Traces are kept and not delivered yet. %s", verdict.reason)
            return
        if outcome.throttled:
            self._rate_limiter.slower()
        self._retry.failed(verdict.after, reached=outcome.reached)
        if self._retry.tries == FAILURES_SAID:
            diagnostics.warn_once(
                ("down", self._account),
                "Traces are kept and delivered later. %s can't be used: %s",
                self.transport.receiver,
                verdict.reason,
            )

    def _set_aside(self, name: str, *, newer: bool) -> None:
        """Leave a file alone that can't be read."""
        self._finished.add(name)
        if newer:
            self._forget(name)
            diagnostics.warn_once(
                "newer", "A stored trace was written by a later version of infinium-integrations: it stays."
            )
        else:
            self._lose(name)
            diagnostics.warn_once("damaged", "A stored trace is damaged and was set aside, in %s.", self.store.where())

    def _unreadable(self, error: OSError) -> None:
        """Begin a pause: no file descriptor is left, or the disk is away."""
        self.reason = f"the store can't be read: {error.strerror}"
        self._retry.failed(reached=False)

    # -- what waits ----------------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Look at what waits in the store."""
        begun = time.monotonic()
        if self.shared:
            names = set(self.store.waiting(self._account)) - self._finished
        else:
            names = {name for name in self._waiting if self.store.holds(self._account, name)}
        gone = self._waiting - names - self.sending.keys()
        due = self.store.due() if gone else set()
        for name in gone:
            self._gone(name, due)
        for name in names - self._waiting:
            self._waiting.add(name)
            heapq.heappush(self._others, (self._tries[name], name))
        for queue in (self._own, self._others):
            if len(queue) > 2 * len(self._waiting) + GONE:  # of what another process delivers
                queue[:] = [entry for entry in queue if entry[1] in self._waiting]
                heapq.heapify(queue)
        ended = time.monotonic()
        self._look_wanted, self._look_again_at = False, ended + max(LOOK, LOOK_SHARE * (ended - begun))

    def _released(self, name: str) -> Record | None:
        """Return the content that was kept of a trace, and let go of it."""
        record = self._records.pop(name, None)
        if record is not None:
            self._held -= _size(record)
        return record

    def _forget(self, name: str) -> None:
        self._released(name)
        self._waiting.discard(name)
        self._mine.discard(name)
        self._tries.pop(name, None)
        for goal in self._goals:
            goal.discard(name)
            if not goal:
                self._changed.notify_all()

    def _gone(self, name: str, due: AbstractSet[str] | None = None) -> None:
        """Count what another process has dealt with, or went with the store; what was pruned is counted there."""
        if name not in self._waiting:
            return
        if not (self.store.stands(self._account) and self._lock.stands()):
            self._lose(name)
            diagnostics.warn_once(
                "removed", "The store %s was removed, and traces with it that were not delivered.", self.store.where()
            )
        elif name not in (self.store.due() if due is None else due):  # else others are to have it, too
            if self.store.was_rejected(name):
                self._counters.settle("rejected", name, shared=self._several, again=False)
            elif self._elsewhere or self.store.was_delivered(name):
                self._counters.settle("sent", name, shared=self._several, again=False)
        self._forget(name)

    def _lose(self, name: str) -> None:
        """Count a trace that can't be delivered any more; flush() tells of this process's own."""
        self._counters.lose(own=name in self._mine)
        self._forget(name)

    # -- those who wait for deliveries ---------------------------------------------------------------------------------

    def begin(self) -> set[str]:
        """Have all delivered at once, and return what waits: a set that shrinks as it goes."""
        self.retry_now()
        self.look()
        goal = set(self._waiting)
        if goal:
            self._goals.append(goal)
        return goal

    def end(self, goal: set[str]) -> None:
        """Wait for this no longer; what is left of it may have gone meanwhile, such as with the store."""
        self._goals = [other for other in self._goals if other is not goal]
        if goal:
            self.look()
        else:
            self._held_until = time.monotonic() + HOLD

    def hopeless(self, deadline: float) -> bool:
        """Whether nothing will be sent before the deadline."""
        return not self.sending and time.monotonic() + self._retry.left > deadline

    def hopeful(self, deadline: float) -> bool:
        """Whether something waits, and requests make progress, or may before the deadline, be it another process's."""
        if not self._waiting or self.sending or not self._retry.failing:
            patient = bool(self._mine) and self._looks < LAST_LOOKS
            return bool(self._waiting) and (patient or not self._elsewhere)
        soon = time.monotonic() + self._retry.left < deadline
        return soon and (self._retry.reached or not self.transport.ready) and not self._retry.blocked

    def look(self) -> None:
        """Take in what waits by now, where the store can be read."""
        try:
            self._scan()
        except OSError as error:
            self._unreadable(error)

    def leave(self) -> None:
        """Take in what waits by now, and ask anew whether another process delivers: that may have ended."""
        self._may_look_at, self._looks = 0.0, 0
        self.look()

    def close(self) -> None:
        """Begin nothing more; another process may, once what is on its way has landed."""
        self._closed = True
        if not self.sending:
            self._lock.release()

    def flying(self, flights: AbstractSet[Try]) -> bool:
        """Whether some of these are still on their way."""
        return any(self.sending.get(flight.name) is flight for flight in flights)


def _size(record: Record) -> int:
    return len(record.body) + len(record.packed)
