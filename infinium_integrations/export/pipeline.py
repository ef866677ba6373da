"""``Delivery``: from a sealed trace to a stored and delivered one."""

import atexit
import contextlib
import importlib
import inspect
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Self

from infinium_integrations import diagnostics, settings
from infinium_integrations.export import fork_safety
from infinium_integrations.export.sender import Sender
from infinium_integrations.export.writer import PendingTrace, Writer
from infinium_integrations.storage.destinations import keys_of
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.live import LiveServer
from infinium_integrations.storage.locks import close_inherited
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.storage.record import Record
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of

__all__ = ["Delivery", "preload_for_client", "preload_for_sending", "preload_for_writing"]

WRITE_PATIENCE = 2.0
"""Seconds in which at least one queued trace must get written at exit, and that a reader waits for what is written."""
WRITE_EXTRA, END_EXTRA = 0.5, 0.6
"""Seconds beyond ``INFINIUM_EXIT_TIMEOUT`` in which traces are written, and threads waited for, at exit."""
POOL_SECONDS = 0.1
"""Seconds that a worker of ``multiprocessing.Pool`` waits at most until its trace is on the disk."""
LOOK_SECONDS = 2.0
"""Seconds that who looks on waits for the writer."""
OTLP_WIDTH = 4
"""Requests by OTLP that are in flight at once."""
START_AGAIN = 1.0
"""Seconds between tries to start a thread where the system gave none."""


class Delivery:
    """Stores and delivers what is submitted, off the caller's thread. One per process.

    Making one starts no thread, no file and no network.

    Args:
        assemble: Called on the writer's thread for each item; returns its ``PendingTrace``, or
            None where nothing is to be kept.
        sweep: Called on the writer's thread with perf_counter seconds; returns the seconds until the next call.
        seal: Called at exit, to submit what is still open.
        discard: Called with each item that is dropped for want of room.
        listens: Whether who looks on is told of those that are open; called on the writer's thread. None: never.
        running: Returns the open traces as JSON, for who looks on; called on the writer's thread.
    """

    def __init__(
        self,
        *,
        assemble: Callable[[Any], PendingTrace | None],
        sweep: Callable[[float], float | None] | None = None,
        seal: Callable[[], None] | None = None,
        discard: Callable[[Any], None] = lambda _: None,
        listens: Callable[[], bool] | None = None,
        running: Callable[[], bytes] = lambda: b"[]",
    ) -> None:
        self._assemble = assemble
        self._listens = listens
        self._running = running
        self._sweep = sweep
        self._seal = seal
        self._discard = discard
        preload_for_writing()
        self._exiting = False
        self._pid = 0
        self._own()
        self.reader = TraceReader(
            lambda: self._own()._selector,  # noqa: SLF001  (its own)
            catch_up=lambda: self._writer.catch_up(time.monotonic() + WRITE_PATIENCE),
            send=self._look,
        )
        _deliveries.add(self)
        _preload_for(settings.current())

    def _own(self) -> Self:
        """Make what this process has of its own: at first, and anew in a forked child when it is first used there.

        Not in the fork itself: a server may first have gevent replace what locks and queues are made of.
        """
        if self._pid == os.getpid():
            return self
        self._pid = os.getpid()
        self._leaving_known = False
        self._terminated = False
        """It is a worker of a pool, which is terminated without a word once it has returned its result."""
        self._counters = DeliveryCounters()
        self._lost = 0
        """Of the traces that were lost, those of which a flush has told."""
        self._selector = StoreSelector(self._counters, self._pruned)
        self._sender = Sender(self._counters, fork_safety.SENDER_THREAD)
        self._otlp_sender = Sender(self._counters, fork_safety.OTLP_THREAD, OTLP_WIDTH, otlp=True)
        self._client_senders: dict[int, Sender] = {}
        self._live: LiveServer | None = None
        self._writer = Writer(
            assemble=self._assembled,
            sweep=self._look_after,
            selector=self._selector,
            counters=self._counters,
            enqueue=self._enqueue,
            discard=self._discard,
        )
        return self

    def submit(self, item: object, size: int = 0) -> None:
        """Take a finished trace, on the caller's thread: no I/O and no lock that it would wait for.

        In a worker of ``multiprocessing.Pool`` it waits until the trace is stored, for a moment at most.

        Args:
            item: What ``assemble`` takes.
            size: About how many bytes it holds.
        """
        self._own()
        if not self._leaving_known:
            self._leaving_known = True
            # have what ``atexit`` does done in a child of ``multiprocessing``, which ends without it
            process = sys.modules.get("multiprocessing.process")
            if process is not None and process.parent_process() is not None:
                from multiprocessing.util import Finalize  # noqa: PLC0415  (loaded in such a child)

                Finalize(None, _at_exit, exitpriority=100)
                self._terminated = process.current_process().daemon
        self._writer.submit(item, size)
        if self._terminated and not self._writer.mine:
            self._writer.settle(time.monotonic() + POOL_SECONDS)
        if self._exiting and not self._writer.mine:
            self._writer.finish(time.monotonic() + WRITE_PATIENCE, WRITE_PATIENCE)

    def _enqueue(
        self, store: Store, name: str, account: str, given: settings.Settings, client: object, record: Record
    ) -> None:
        """Hand a stored trace on to all that are to have it, each with a sender, so that a slow one holds up no other.

        Args:
            store: Where it waits.
            name: Its name there.
            account: For whom it waits.
            given: The settings that hold for it.
            client: The user's own that is to have it, in place of Infinium.
            record: Its content.
        """
        for key in keys_of(account):
            if given.otlp is not None and key == given.otlp.key:
                sender, whose = self._otlp_sender, None
            else:
                sender, whose = self._sender if client is None else self._client_sender(client), client
            sender.enqueue(store, name, key, given, whose, record)
            if not sender.retry_start():
                self._writer.wake()

    def _client_sender(self, client: object) -> Sender:
        key = id(client)
        sender = self._client_senders.get(key)
        if sender is None:
            sender = self._client_senders[key] = Sender(self._counters, "infinium-client", width=1)
            with contextlib.suppress(TypeError):  # one that can't be referred to weakly keeps its thread
                weakref.finalize(client, self._end_client, key, sender).atexit = False
        return sender

    def _end_client(self, key: int, sender: Sender) -> None:
        if self._client_senders.get(key) is sender:
            del self._client_senders[key]
        sender.end()

    def _senders(self) -> list[Sender]:
        return [self._sender, self._otlp_sender, *list(self._client_senders.values())]

    def _look_after(self, now: float) -> float | None:
        """Keep the recorder's deadlines, and have a sender tried again that could not be started."""
        wait = self._sweep(now) if self._sweep is not None else None
        if wait is not None and self._listens is not None and self._listens():
            self._answer_who_looks()
        if all(sender.retry_start() for sender in self._senders()):
            return wait
        return START_AGAIN if wait is None else min(wait, START_AGAIN)

    def _assembled(self, item: object) -> PendingTrace | None:
        """Assemble a trace that is recorded; of the next ones who looks on is told while they are open."""
        if self._live is None and self._listens is not None:
            self._answer_who_looks()
        return self._assemble(item)

    def _answer_who_looks(self) -> None:
        """Have it answered from now on which traces are open, in the folder where they will be stored."""
        folder = self._selector.folder(settings.current())
        before, writer, running = self._live, self._writer, self._running
        if (before.root if before else None) == (folder.root if folder else None):
            return
        if before is not None:
            before.close()
            self._live = None
        if folder is not None:
            self._live = LiveServer(folder.root, lambda: writer.ask(running, LOOK_SECONDS) or b"[]")
            with contextlib.suppress(OSError):
                folder.check()
                self._live.start()

    def wake(self) -> None:
        """Have ``sweep`` called soon."""
        self._own()
        self._writer.wake()

    def configure(self) -> None:
        """Take over changed settings; what was submitted before goes where it was meant to go."""
        _preload_for(settings.current())
        self.wake()

    def flush(self, timeout: float) -> bool:
        """Deliver all that was submitted before, and what earlier processes left.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether all of it is delivered, refused for good or, without an account, written, and nothing that this
            process recorded was lost since the flush before.
        """
        self._own()
        if self._writer.mine or any(sender.mine for sender in self._senders()):
            return False  # it would wait for itself
        deadline = time.monotonic() + timeout
        if not self._writer.settle(deadline):
            return False
        given = settings.current()
        self._look(given)
        drained = [
            sender.drained(deadline) for sender in self._senders()
        ]  # one that can't must not keep others from it
        before, self._lost = self._lost, self._counters.lost
        return all(drained) and before == self._lost

    def _pruned(self, names: list[str]) -> None:
        for sender in self._senders():
            sender.pruned(names)

    def shutdown(self, timeout: float) -> bool:
        """Flush, then end the threads where nothing is left; what is submitted later starts them again."""
        done = self.flush(timeout)
        if done:
            self._writer.stop()
            for sender in self._senders():
                sender.stop(idle_only=True)
            if self._live is not None:
                self._live.close()
                self._live = None
        return done

    def stats(self) -> dict[str, int]:
        """Count the traces of this process.

        Returns:
            ``recorded``; ``local`` (no account), ``sent``, ``rejected``, ``dropped`` and ``pending``; ``sent`` and
            ``rejected`` count those that earlier processes left, too.
        """
        self._own()
        recorded, waiting = self._writer.counts()
        return {"recorded": recorded, "pending": waiting + self._pending(), **self._counters.counts()}

    def _pending(self, *, durable: bool | None = None) -> int:
        return len(set().union(*(sender.waiting(durable=durable) for sender in self._senders())))

    def _look(self, given: settings.Settings) -> None:
        """Have what waits for those delivered whom the settings name."""
        if given.to_infinium:
            self._sender.look(self._selector.store(given), account_of(given), given)
        if given.otlp is not None:
            self._otlp_sender.look(self._selector.store(given), given.otlp.key, given)

    def _at_exit(self) -> None:
        """Seal and write all that is left, and send while that makes progress; say what is left after that."""
        if self._pid != os.getpid():
            return
        if self._seal is not None:
            diagnostics.guarded(self._seal)()
        self._exiting = True
        if self._live is not None:
            self._live.close()
        patience = settings.current().exit_timeout
        begun = time.monotonic()
        given_up = self._writer.finish(begun + patience + WRITE_EXTRA, WRITE_PATIENCE)
        for sender in self._senders():
            sender.leave(begun + patience)
        self._say_what_is_left(given_up)
        for sender in self._senders():
            sender.stop(max(0.0, begun + patience + END_EXTRA - time.monotonic()))

    def _say_what_is_left(self, given_up: int) -> None:
        lost = self._pending(durable=False)
        self._counters.add("dropped", lost)
        if lost:
            diagnostics.warn_once(
                "lost",
                "%d %s kept in memory could not be delivered and %s lost.",
                lost,
                *(("trace", "is") if lost == 1 else ("traces", "are")),
            )
        if given_up:
            diagnostics.warn_once(
                "given up",
                "%d %s could not be written in time and %s lost.",
                given_up,
                *(("trace", "is") if given_up == 1 else ("traces", "are")),
            )
        if left := len(set().union(*(sender.left() for sender in self._senders()))):
            reasons = (reason for sender in self._senders() if (reason := sender.reason()))
            diagnostics.warn_once(
                "left",
                "%d %s not delivered yet: %s. The next process with this account sends what waits, as does "
                "`infinium-traces send`.",
                left,
                "trace is" if left == 1 else "traces are",
                next(reasons, "the time at exit (INFINIUM_EXIT_TIMEOUT) was over"),
            )


_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()
_inherited: list[object] = []
"""What a forked child took over and must not touch, close or free: it shares the parent's sockets."""


def _at_exit() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        for delivery in list(_deliveries):
            diagnostics.guarded(delivery._at_exit)()  # noqa: SLF001


def _in_child() -> None:
    """Leave to the parent what is the parent's: its queue, its sockets and its locks."""
    for one in list(_deliveries):
        _inherited.append((one._writer, one._sender, one._otlp_sender, one._client_senders))  # noqa: SLF001
        _inherited.append((one._selector, one._live))  # noqa: SLF001
        if one._live is not None:  # noqa: SLF001
            one._live.forget()  # noqa: SLF001
        close_inherited()
        one.reader.renew_lock()


atexit.register(_at_exit)
fork_safety.in_child(_in_child)


# -- what our threads will need, imported by whoever makes the first handler, client or trace --------------------------

# An import on a thread of ours, beside the user's own, may hand the user half-imported modules, and a child forked
# meanwhile inherits them. So our threads import nothing, of the standard library and of other packages neither.

_WRITING = (
    "infinium_integrations.payload.running",
    "tokenize",  # by ``linecache``, for a line of a stack trace
)
_SENDING = (
    "infinium_integrations.export.transports",
    "encodings.idna",  # by ``getaddrinfo``
    "h11",
    "httpcore",
)
"""What httpx and the resolver import at the first request or connection."""

_OTLP = ("infinium_integrations.export.otlp_transport",)
"""And what OTLP needs beyond that: OpenTelemetry's exporter."""

_AWAITING = ("concurrent.futures.thread", "anyio._backends._asyncio")
"""What ``AsyncInfiniumClient`` needs beyond that."""

_preloaded: set[tuple[str, ...]] = set()
_preloading = threading.RLock()


def preload_for_writing() -> None:
    """Import what the writer needs, and the prices where they are installed."""
    if _WRITING not in _preloaded:
        _preload(_WRITING)
        from infinium_integrations.payload import cost  # noqa: PLC0415  (as all here)

        cost.load()


def preload_for_sending() -> None:
    """Import what the sender needs, an HTTP client above all."""
    if _SENDING not in _preloaded:
        _preload(_SENDING)


def _preload_for(given: settings.Settings) -> None:
    """Import what the settings ask for."""
    if given.delivers:
        preload_for_sending()
    if given.otlp is not None and _OTLP not in _preloaded:
        _preload(_OTLP)


def preload_for_client(client: object) -> None:
    """Import what the thread of a client of the user's needs."""
    preload_for_sending()
    if _AWAITING not in _preloaded and inspect.iscoroutinefunction(getattr(type(client), "send_task_data", None)):
        _preload(_AWAITING)


def _preload(names: tuple[str, ...]) -> None:
    with _preloading:
        for name in names:
            importlib.import_module(name)
        _preloaded.add(names)
