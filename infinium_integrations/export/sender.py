"""The sender: a few daemon threads, started at need, blocked while idle; one is enough for a server that is quick.

A thread takes the next trace that is due, sends it, and takes the next. One that finds nothing waits, the only one to
do so, and takes over what is due while all others have been at theirs for a moment. Of the others that find nothing
one stays as a spare for some seconds: to end a thread and start one for each trace would cost more. The state of all
outboxes is guarded by one lock, which is never held during a request.

Light to import: httpx is preloaded by ``pipeline``, in the thread that makes the first handler.
"""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infinium_integrations import diagnostics
from infinium_integrations.export.outbox import Outbox, Transport, Try
from infinium_integrations.settings import Settings
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.record import Record
from infinium_integrations.storage.selector import DeliveryCounters

if TYPE_CHECKING:
    from infinium_integrations.export.transports import Connections, Coroutines

__all__ = ["IN_FLIGHT", "Sender"]

IN_FLIGHT = 8
QUICK, PATIENCE = 0.01, 0.05
"""Seconds in which a quick server answers, one thread being enough for it; and for which another thread leaves what is
due to those that are sending. For a server in between, one joins them each time that patience is over."""
SPARE_SECONDS = 10.0
"""Seconds after which the spare ends."""
CLOSE_SECONDS = 1.0
"""Seconds that the threads get to end."""
LEAVING = 0.8
"""Of the time at exit in which requests are begun; in the rest those under way may end."""
FAULT_SECONDS = 1.0
"""Seconds after which an outbox is asked again that had a fault of ours."""


class Sender:
    """Delivers what is stored. Every method but ``_``… may be called from any thread.

    Args:
        counters: Counts what becomes of the traces.
        thread: The name of its threads.
        width: How many there may be, each with a request in flight.
        otlp: Whether it sends by OTLP.
    """

    def __init__(self, counters: DeliveryCounters, thread: str, width: int = IN_FLIGHT, *, otlp: bool = False) -> None:
        self._otlp = otlp
        self._counters = counters
        self._name = thread
        self._width = width
        self._changed = threading.Condition()
        """Its lock guards all that follows and the outboxes; those who wait for deliveries are told by it."""
        self._outboxes: dict[tuple[object, object], Outbox] = {}
        self._connections: Connections | None = None
        self._coroutines: Coroutines | None = None
        self._threads: set[threading.Thread] = set()
        self._hanging: set[threading.Thread] = set()
        """Whose try was given up: they end when they come back."""
        self._alarm: float | None = None
        """When the one thread that waits wakes by itself (monotonic seconds); None where none waits."""
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Holds something where that thread is to look at once."""
        self._spare = False
        """A thread waits to be called."""
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Holds something where it was."""
        self._coming = False
        """A thread was called or started, and has not looked yet."""
        self._took = 0.0
        """Seconds of the latest try."""
        self._joined = 0.0
        """When a thread joined those that were sending, the last time (monotonic seconds)."""
        self._stopping = self._retiring = False

    @property
    def mine(self) -> bool:
        """Whether the caller is on a thread of the sender's."""
        return threading.current_thread() in self._threads | self._hanging

    def enqueue(
        self,
        store: Store,
        name: str,
        account: str,
        settings: Settings,
        client: object = None,
        record: Record | None = None,
    ) -> None:
        """Deliver a stored trace, and what else waits for its account; its record saves reading it again."""
        with self._changed:
            self._outbox(store, account, settings, client).add(name, record)
            self._summon()

    def look(self, store: Store, account: str, settings: Settings) -> None:
        """Deliver what earlier processes left for an account, at once."""
        with self._changed:
            self._outbox(store, account, settings, None).retry_now()
            self._summon()

    def pruned(self, names: list[str]) -> None:
        """Let go of waiting traces that were removed for want of room."""
        with self._changed:
            for outbox in self._outboxes.values():
                outbox.pruned(names)

    def drained(self, deadline: float) -> bool:
        """Wait until all that waits now is delivered or refused; False at the deadline (monotonic seconds)."""
        with self._locked(deadline) as locked:
            if not locked:
                return False
            goals = [(outbox, outbox.begin()) for outbox in self._outboxes.values()]
            if any(goal for _, goal in goals):
                self._summon()
            while self._threads and any(goal and not outbox.hopeless(deadline) for outbox, goal in goals):
                if not self._wait(deadline):
                    break
            done = not any(goal for _, goal in goals)
            for outbox, goal in goals:
                outbox.end(goal)
            return self._landed(deadline) and done

    def leave(self, deadline: float) -> None:
        """Wait, before the process exits, until the deadline and only while requests make progress."""
        with self._locked(deadline) as locked:
            outboxes = list(self._outboxes.values()) if locked else []
            for outbox in outboxes:
                outbox.leave()
            begun_until = time.monotonic() + (deadline - time.monotonic()) * LEAVING
            if any(outbox.pending for outbox in outboxes):
                self._summon()
            while self._threads and any(outbox.hopeful(begun_until) for outbox in outboxes):
                if not self._wait(begun_until):
                    break
        if not self._threads:
            self._run_here(deadline)
        with self._locked(deadline) as locked:
            if locked:
                for outbox in outboxes:
                    outbox.close()
                self._landed(deadline)

    def pending(self) -> bool:
        """Whether something is known to wait."""
        return any(outbox.pending for outbox in list(self._outboxes.values()))

    def waiting(self, *, durable: bool | None = None) -> set[str]:
        """Return the names of what waits; ``durable`` picks what outlives the process, or what does not."""
        outboxes = list(self._outboxes.values())
        return {name for outbox in outboxes if durable in {None, outbox.store.durable} for name in outbox.waiting()}

    def left(self) -> set[str]:
        """Return the names of this process's traces on disk that wait and that no other process is delivering."""
        return {name for outbox in list(self._outboxes.values()) if outbox.store.durable for name in outbox.left()}

    def reason(self) -> str | None:
        """Say why something still waits."""
        outboxes = list(self._outboxes.values())
        return next((outbox.reason for outbox in outboxes if outbox.pending and outbox.reason), None)

    def stop(self, patience: float = CLOSE_SECONDS, *, idle_only: bool = False) -> None:
        """End the threads, and let go of what waits in the store; they are started again at need.

        Args:
            patience: Seconds to wait at most until they have ended.
            idle_only: Do so only where nothing waits.
        """
        until = time.monotonic() + patience
        with self._locked(until) as locked:
            if not locked or self.mine or (idle_only and any(outbox.pending for outbox in self._outboxes.values())):
                return
            for outbox in self._outboxes.values():
                outbox.close()
            self._outboxes = {}
            self._stopping = bool(self._threads)
            threads = list(self._threads)
            if not threads:
                self._close()
            self._call_spare()
        self._tokens.put(None)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def end(self) -> None:
        """Let the threads end when they have nothing to do; safe inside a collection: it takes no lock."""
        self._retiring = True
        self._tokens.put(None)

    def retry_start(self) -> bool:
        """Start a thread where something waits for one; False where there still is none."""
        if not self._threads and self.pending():
            with self._changed:
                self._summon()
        return bool(self._threads or not self.pending())

    # -- with the lock -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self, deadline: float) -> Iterator[bool]:
        """Take the lock, which someone may hold for whom the disk hangs; False at the deadline."""
        locked = self._changed.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))
        try:
            yield locked
        finally:
            if locked:
                self._changed.release()

    def _wait(self, deadline: float) -> bool:
        return self._changed.wait(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))

    def _landed(self, deadline: float) -> bool:
        """Wait for what is under way; what is cut off there may be sent a second time."""
        flights = [(outbox, set(outbox.sending.values())) for outbox in self._outboxes.values()]

        def flying() -> bool:
            return any(outbox.flying(those) for outbox, those in flights)

        while flying() and self._wait(deadline):
            pass
        return not flying()

    def _summon(self, at: float | None = None) -> None:
        """Have a thread look at the outboxes, at once or at a moment (monotonic seconds)."""
        if at is None:
            at = self._impatient_at()
        if self._alarm is not None:
            if at < self._alarm:
                self._alarm = at
                self._tokens.put(None)
        elif not self._coming:
            self._coming = self._call_spare() or self._start_one()

    def _start_one(self) -> bool:
        """Start a thread where there may be one more."""
        if self._stopping or not len(self._threads) < self._width > len(self._hanging):
            return False
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # none can be started while the interpreter goes: see ``_run_here``
            self._threads.discard(thread)
            return False
        return True

    def _call_spare(self) -> bool:
        """Have the spare look at the outboxes, or end; False where there is none."""
        called, self._spare = self._spare, False
        if called:
            self._calls.put(None)
        return called

    def _impatient_at(self) -> float:
        """Return when (monotonic seconds) a thread that has not just sent begins what is due; 0 for at once."""
        sending = [outbox.served for outbox in self._outboxes.values() if outbox.sending]
        if not sending or self._took > PATIENCE:
            return 0.0
        return PATIENCE + (self._joined if self._took > QUICK else max(sending))

    def _next(self, *, fresh: bool) -> tuple[Outbox, Try] | float:
        """Begin the next try; else return the seconds until there may be one.

        Args:
            fresh: The thread has just sent; else it leaves what is due to those that are sending, for a moment.
        """
        now = time.monotonic()
        waits = [math.inf]
        if not fresh:
            for outbox in self._outboxes.values():
                for begun in list(outbox.sending.values()):
                    if begun.until > now:
                        waits.append(begun.until - now)
                    else:
                        self._threads.discard(begun.thread)
                        self._hanging.add(begun.thread)
                        outbox.give_up(begun)
            if (impatient_at := self._impatient_at()) > now:
                return impatient_at - now
        for key, outbox in sorted(self._outboxes.items(), key=lambda one: one[1].served):
            found: Try | float = FAULT_SECONDS
            with diagnostics.contained:
                found = outbox.next(now)
            if isinstance(found, Try):
                self._joined = self._joined if fresh else now
                if any(other.busy for other in self._outboxes.values()):
                    self._summon(self._impatient_at())
                return outbox, found
            waits.append(found)
            if not (outbox.shared or outbox.pending):  # it would keep the user's client alive
                del self._outboxes[key]
        return min(waits)

    def _outbox(self, store: Store, account: str, settings: Settings, client: object) -> Outbox:
        key = (store.where() if store.durable else id(store), account if client is None else id(client))
        outbox = self._outboxes.get(key)
        if outbox is None:
            outbox = self._outboxes[key] = Outbox(
                store,
                account,
                self._transport(settings, client),
                changed=self._changed,
                counters=self._counters,
                settings=settings,
                shared=client is None,
            )
        elif outbox.settings is not settings:
            outbox.renew(store, settings)
        return outbox

    def _transport(self, settings: Settings, client: object) -> Transport:
        from infinium_integrations.export import transports  # noqa: PLC0415  (preloaded)

        if client is not None:
            self._coroutines = self._coroutines or transports.Coroutines()
            return transports.ClientCall(client, self._coroutines)
        if self._otlp and settings.otlp is not None:
            from infinium_integrations.export import otlp_transport  # noqa: PLC0415  (the same)

            environment = settings.otlp
            self._connections = self._connections or otlp_transport.connections(environment)
            return otlp_transport.Collector(environment, self._connections)
        self._connections = self._connections or transports.Connections()
        return transports.Platform(transports.agent_of(settings), self._connections)

    # -- the threads ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with diagnostics.contained:  # what is stored stays stored; the next trace starts another thread
                sent: bool | None = False
                while sent is not None:
                    sent = self._step(fresh=sent)
        finally:
            self._ended(threading.current_thread())

    def _step(self, *, fresh: bool) -> bool | None:
        """Send one trace and return True; else wait until there may be one; None where the thread is to end."""
        with self._changed:
            self._coming = self._coming and fresh
            if threading.current_thread() in self._hanging or self._stopping:
                return None
            found = self._next(fresh=fresh)
            if not isinstance(found, tuple):
                if self._retiring and not self._outboxes:
                    self._call_spare()
                    return None
                wait = max(found, 0.001)
                at = time.monotonic() + wait
                waits = self._alarm is None  # one that waits is enough
                if waits:
                    self._alarm = at
                else:
                    self._summon(at)
                    if self._spare:
                        return None
                    self._spare = True
        if isinstance(found, tuple):
            outbox, begun = found
            outbox.deliver(begun)
            self._took = time.monotonic() - begun.at
            return True
        return self._sleep(wait) if waits else self._stand_by()

    def _sleep(self, wait: float) -> bool:
        with contextlib.suppress(queue.Empty):
            self._tokens.get(timeout=min(wait, threading.TIMEOUT_MAX))
        with self._changed:
            self._alarm = None
        return False

    def _stand_by(self) -> bool | None:
        """Wait as the spare; None where nobody calls."""
        try:
            self._calls.get(timeout=SPARE_SECONDS)
        except queue.Empty:
            with self._changed:
                if self._spare:
                    self._spare = False
                    return None
                self._calls.get()  # it was called in the last moment
        return False

    def _ended(self, thread: threading.Thread) -> None:
        with self._changed:
            self._threads.discard(thread)
            self._hanging.discard(thread)
            if self._threads:
                if self._stopping:
                    self._tokens.put(None)
                return
            if self._stopping or self._retiring:
                self._close()
            self._stopping = False
            if self.pending():  # what was handed over while the threads ended
                self._summon()

    def _close(self) -> None:
        for kept in (self._connections, self._coroutines):
            if kept is not None:
                kept.close()

    def _run_here(self, deadline: float) -> None:
        """Send from the caller's thread: none can be started any more while the interpreter goes."""
        begun_until = time.monotonic() + (deadline - time.monotonic()) * LEAVING
        while time.monotonic() < begun_until:
            with self._changed:
                found = self._next(fresh=True)
                if not any(outbox.hopeful(begun_until) for outbox in self._outboxes.values()):
                    return
            if isinstance(found, tuple):
                found[0].deliver(found[1], deadline - time.monotonic())
            elif time.monotonic() + found < begun_until:
                time.sleep(found)
            else:
                return
