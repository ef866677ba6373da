"""``Delivery``: from a sealed trace to a stored and delivered one."""

import atexit
import contextlib
import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

from infinium_integrations import diagnostics, settings
from infinium_integrations.export import fork_safety
from infinium_integrations.export.sender import Sender
from infinium_integrations.export.writer import PendingTrace, Writer
from infinium_integrations.storage.locks import close_inherited
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of

__all__ = ["Delivery"]

WRITE_PATIENCE = 2.0
"""Seconds in which at least one queued trace must get written at exit, and that a reader waits for what is written."""


class Delivery:
    """Stores and delivers what is submitted, off the caller's thread. One per process.

    Making one starts no thread, no file and no network.

    Args:
        assemble: Called on the writer's thread for each item; returns its ``PendingTrace``, or
            None where nothing is to be kept.
        sweep: Called on the writer's thread with perf_counter seconds; returns the seconds until the next call.
        seal: Called at exit, to submit what is still open.
    """

    def __init__(
        self,
        *,
        assemble: Callable[[Any], PendingTrace | None],
        sweep: Callable[[float], float | None] | None = None,
        seal: Callable[[], None] | None = None,
    ) -> None:
        self._assemble = assemble
        self._sweep = sweep
        self._seal = seal
        self._exiting = False
        self._fresh()
        self.reader = TraceReader(
            lambda: self._selector,
            catch_up=lambda: self._writer.catch_up(time.monotonic() + WRITE_PATIENCE),
            send=self._look,
        )
        _deliveries.add(self)

    def _fresh(self) -> None:
        self._pid = os.getpid()
        self._leaving_known = False
        self._counters = DeliveryCounters()
        self._selector = StoreSelector(self._counters)
        self._sender = Sender(self._counters)
        self._writer = Writer(
            assemble=self._assemble,
            sweep=self._sweep,
            selector=self._selector,
            counters=self._counters,
            enqueue=self._sender.enqueue,
        )

    def submit(self, item: object) -> None:
        """Take a finished trace, on the caller's thread: no I/O and no lock that it would wait for."""
        self._own()
        if not self._leaving_known:
            self._leaving_known = True
            # have what ``atexit`` does done in a child of ``multiprocessing``, which ends without it
            process = sys.modules.get("multiprocessing.process")
            if process is not None and process.parent_process() is not None:
                from multiprocessing.util import Finalize  # noqa: PLC0415  (loaded in such a child)

                Finalize(None, _at_exit, exitpriority=100)
        self._writer.submit(item)
        if self._exiting and not self._writer.mine:
            self._writer.finish(WRITE_PATIENCE)

    def wake(self) -> None:
        """Have ``sweep`` called soon."""
        self._own()
        self._writer.wake()

    def configure(self) -> None:
        """Take over changed settings; what was submitted before goes where it was meant to go."""
        self.wake()

    def flush(self, timeout: float) -> bool:
        """Deliver all that was submitted before, and what earlier processes left.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether all of it is delivered, refused for good or, without an account, written.
        """
        self._own()
        if self._writer.mine or self._sender.mine:
            return False  # it would wait for itself
        deadline = time.monotonic() + timeout
        if not self._writer.settle(deadline):
            return False
        given = settings.current()
        if given.has_account:
            self._look(given)
        return self._sender.drained(deadline)

    def shutdown(self, timeout: float) -> bool:
        """Flush, then end the threads where nothing is left; what is submitted later starts them again."""
        done = self.flush(timeout)
        if done:
            self._writer.stop()
            self._sender.stop()
        return done

    def stats(self) -> dict[str, int]:
        """Count the traces of this process.

        Returns:
            ``recorded``; ``local`` (no account), ``sent``, ``rejected``, ``dropped`` and ``pending``; ``sent`` and
            ``rejected`` count those that earlier processes left, too.
        """
        recorded, waiting = self._writer.counts()
        return {"recorded": recorded, "pending": waiting + self._sender.pending(), **self._counters.counts()}

    def _look(self, given: settings.Settings) -> None:
        self._sender.look(self._selector.store(given), account_of(given), given)

    def _own(self) -> None:
        """Begin anew in a forked child that no hook announced (some servers fork without Python's knowledge)."""
        if self._pid != os.getpid():
            self._after_fork()

    def _after_fork(self) -> None:
        """Leave to the parent what is the parent's: its queue, its sockets and its locks."""
        _inherited.append((self._writer, self._sender, self._selector))
        close_inherited()
        self._fresh()
        self.reader.renew_lock()

    def _at_exit(self) -> None:
        """Seal and write all that is left, and send while that makes progress."""
        if self._pid != os.getpid():
            return
        if self._seal is not None:
            diagnostics.guarded(self._seal)()
        self._exiting = True
        self._writer.finish(WRITE_PATIENCE)
        self._sender.leave(time.monotonic() + settings.current().exit_timeout)
        lost = self._sender.pending(durable=False)
        if lost:
            self._counters.add("dropped", lost)
            diagnostics.warn_once(
                "lost", "%d traces that were kept in memory could not be delivered and are lost.", lost
            )
        self._sender.stop()


_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()
_inherited: list[object] = []
"""What a forked child took over and must not touch, close or free: it shares the parent's sockets."""


def _at_exit() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        for delivery in list(_deliveries):
            diagnostics.guarded(delivery._at_exit)()  # noqa: SLF001


def _in_child() -> None:
    for delivery in list(_deliveries):
        delivery._after_fork()  # noqa: SLF001


atexit.register(_at_exit)
fork_safety.in_child(_in_child)
