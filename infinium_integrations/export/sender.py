"""The sender: one daemon thread with its own event loop, started at need, blocked while idle.

Light to import: httpx is preloaded by ``pipeline``, in the thread that makes the first handler.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from infinium_integrations import diagnostics
from infinium_integrations.export.outbox import Outbox
from infinium_integrations.settings import Settings
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.selector import DeliveryCounters

if TYPE_CHECKING:
    from infinium_integrations.export.transports import Connections

__all__ = ["IN_FLIGHT", "Sender", "SenderLoop"]

IN_FLIGHT = 8
ASK_SECONDS = 0.1
"""Seconds between looks at whether the loop has ended that was asked."""
CLOSE_SECONDS = 1.0
"""Seconds that the thread gets to close its connections."""


class Sender:
    """Delivers what is stored. Every method but ``_``… may be called from any thread, and only hands over.

    Args:
        counters: Counts what becomes of the traces.
        thread: The name of its thread.
    """

    def __init__(self, counters: DeliveryCounters, thread: str) -> None:
        self._counters = counters
        self._name = thread
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: SenderLoop | None = None
        self._inbox: deque[tuple[Store | None, str, Callable[[], None]]] = deque()
        """Jobs for the loop, each with the store and the name of the trace that it is about."""
        self._outboxes: dict[tuple[object, object], Outbox] = {}
        self._connections: Connections | None = None

    @property
    def mine(self) -> bool:
        """Whether the caller is on the sender's own thread."""
        return threading.current_thread() is self._thread

    def enqueue(self, store: Store, name: str, account: str, settings: Settings, client: object = None) -> None:
        """Deliver a stored trace, and what else waits for its account."""
        self._hand(store, name, lambda: self._outbox(store, account, settings, client).add(name))

    def look(self, store: Store, account: str, settings: Settings) -> None:
        """Deliver what earlier processes left for an account, at once."""
        self._hand(None, "", lambda: self._outbox(store, account, settings, None).retry_now())

    def pruned(self, names: list[str]) -> None:
        """Let go of waiting traces that were removed for want of room."""

        def tell() -> None:
            for outbox in self._outboxes.values():
                outbox.pruned(names)

        if self._alive():
            self._hand(None, "", tell)

    def drained(self, deadline: float) -> bool:
        """Wait until all that waits now is delivered or refused; False at the deadline (monotonic seconds)."""
        return self._ask(lambda outbox: outbox.drained(deadline), deadline)

    def leave(self, deadline: float) -> None:
        """Wait, before the process exits, until the deadline and only while requests make progress."""
        if self._alive():
            self._ask(lambda outbox: outbox.leave(deadline), deadline)
        elif self._inbox:
            self._run_here(deadline)

    def pending(self, *, durable: bool | None = None) -> int:
        """Count what is known to wait; ``durable`` picks what outlives the process, or what does not."""
        outboxes, inbox = list(self._outboxes.values()), list(self._inbox)
        counts = [(outbox.store, outbox.pending) for outbox in outboxes]
        if inbox and any(outbox.waits(inbox[0][1]) for outbox in outboxes):
            del inbox[0]  # the loop is about to take it out
        counts += [(store, 1) for store, _, _ in inbox if store is not None]
        return sum(count for store, count in counts if durable in {None, store.durable})

    def left(self) -> int:
        """Count the traces of this process that are kept on disk and not delivered, nor being so by another process."""
        return sum(outbox.own for outbox in list(self._outboxes.values()) if outbox.store.durable) + sum(
            store.durable for store, _, _ in list(self._inbox) if store is not None
        )

    def reason(self) -> str | None:
        """Say why something still waits."""
        outboxes = list(self._outboxes.values())
        return next((outbox.reason for outbox in outboxes if outbox.pending and outbox.reason), None)

    def stop(self, patience: float = CLOSE_SECONDS) -> None:
        """End the thread, and wait for that so many seconds at most; it is started again at need."""
        thread, loop = self._thread, self._loop
        if thread is not None and loop is not None and self._alive() and not self.mine:
            loop.closing = True
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.end)
            thread.join(patience)

    def end(self) -> None:
        """Let the thread end when it has nothing to do; safe inside a collection: it waits for nothing."""
        loop = self._loop
        if loop is not None and self._alive():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: loop.keep(loop.end_when_idle()))

    def retry_start(self) -> bool:
        """Start the thread where something waits for one; False where there still is none."""
        if self._inbox:
            self._ensure()
        return not self._inbox or self._alive()

    def _hand(self, store: Store | None, name: str, job: Callable[[], None]) -> None:
        self._inbox.append((store, name, job))
        self._ensure()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended; the next call starts another
                loop.call_soon_threadsafe(self._pull)

    def _alive(self) -> bool:
        thread, loop = self._thread, self._loop
        return thread is not None and thread.is_alive() and (loop is None or loop.intact())

    def _abandon(self) -> None:
        """Leave a thread whose file descriptors the program has closed: nothing wakes it any more."""
        thread, loop = self._thread, self._loop
        if thread is not None and thread.is_alive() and loop is not None and not loop.is_closed():
            for outbox in self._outboxes.values():
                outbox.abandon()
            self._outboxes, self._connections = {}, None
            diagnostics.warn_once(
                "closed", "The program closed file descriptors of infinium_integrations; delivery has begun anew."
            )

    def _ensure(self) -> None:
        if self._alive():
            return
        with self._starting:
            if self._alive():
                return
            self._abandon()
            try:
                self._loop = loop = SenderLoop()
            except OSError as error:  # no file descriptor is left; ``retry_start`` comes later
                diagnostics.warn_once(
                    "descriptors", "Traces are kept and delivered later: %s, so that nothing is sent.", error.strerror
                )
                return
            self._thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # none can be started while the interpreter goes: see ``_run_here``
                loop.close()
                self._loop = None

    def _run(self, loop: "SenderLoop") -> None:
        try:
            with diagnostics.contained:  # what is stored stays stored; the next trace starts another thread
                asyncio.set_event_loop(loop)
                loop.run_until_complete(self._main(loop))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            # start again for what was handed over while the thread ended
            with self._starting:
                if self._loop is loop:
                    self._loop = self._thread = None
            if self._inbox and not loop.last:
                self._ensure()

    def _run_here(self, deadline: float) -> None:
        """Send from the caller's thread: none can be started any more while the interpreter goes."""
        try:
            self._loop = loop = SenderLoop()
        except OSError:  # no file descriptor is left
            return
        loop.last = True
        loop.call_soon(self._pull)

        async def last() -> None:
            await self._all(lambda outbox: outbox.leave(deadline))
            loop.end()

        loop.call_soon(lambda: loop.keep(last()))
        self._run(loop)

    async def _main(self, loop: "SenderLoop") -> None:
        try:
            self._pull()
            await loop.ended.wait()
        finally:
            await loop.finish()
            if self._connections is not None:
                await self._connections.close()
            self._connections = None
            if not loop.last:  # at exit it is still counted what they could not deliver
                self._outboxes = {}

    def _pull(self) -> None:
        while self._inbox and not _loop().closing:
            with diagnostics.contained:
                self._inbox[0][-1]()
            self._inbox.popleft()

    def _ask(self, question: "Callable[[Outbox], Awaitable[bool | None]]", deadline: float) -> bool:
        """Ask every outbox on the loop and wait for the answer; False where one said so, or at the deadline."""
        loop = self._loop
        if loop is None or not self._alive():
            return not self._inbox and not self._outboxes
        answered, answers = threading.Event(), [False]

        async def ask() -> None:
            try:
                answers[0] = await self._all(question)
            finally:
                answered.set()

        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: loop.keep(ask()))
            while not answered.wait(max(0.0, min(ASK_SECONDS, deadline - time.monotonic() + 0.05))):
                if time.monotonic() > deadline or loop.is_closed():
                    break
        return answers[0] or (loop.idle and not self._inbox)  # it ended meanwhile, since nothing was left

    async def _all(self, question: "Callable[[Outbox], Awaitable[bool | None]]") -> bool:
        self._pull()
        return all(await asyncio.gather(*(question(outbox) for outbox in list(self._outboxes.values()))))

    def _outbox(self, store: Store, account: str, settings: Settings, client: object) -> "Outbox":
        key = (store.where() if store.durable else id(store), account if client is None else id(client))
        outbox = self._outboxes.get(key)
        if outbox is None:
            outbox = self._outboxes[key] = Outbox(
                store,
                account,
                self._transport(settings, client),
                slots=_loop().slots,
                spawn=_loop().keep,
                counters=self._counters,
                ceiling=settings.requests_per_second,
                shared=client is None,
            )

            async def serve(outbox: Outbox) -> None:
                await outbox.run()
                self._outboxes.pop(key, None)

            _loop().keep(serve(outbox))
        elif client is None:
            outbox.store = store
            # take over a secret or address that was put right meanwhile, and try at once
            outbox.rate_limiter.limit(settings.requests_per_second)
            if outbox.transport.renew(settings):
                outbox.retry_now()
        return outbox

    def _transport(self, settings: Settings, client: object) -> Any:
        from infinium_integrations.export import transports  # noqa: PLC0415  (preloaded)

        if client is not None:
            return transports.ClientCall(client)
        if self._connections is None:
            self._connections = transports.Connections()
        return transports.Platform(transports.agent_of(settings), self._connections)


class SenderLoop(asyncio.SelectorEventLoop):
    """A loop that needs no executor, which would be unusable while the interpreter exits."""

    def __init__(self) -> None:
        super().__init__()
        self.last = False
        """It runs while the interpreter goes."""
        self.closing = False
        """Nothing new is begun."""
        self.idle = False
        """It ends because nothing is left to do."""
        self.ended = asyncio.Event()
        self.slots = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[object]] = set()
        self._sockets = {end.fileno(): os.fstat(end.fileno()).st_ino for end in (self._ssock, self._csock)}  # type: ignore[attr-defined]

    def intact(self) -> bool:
        """Whether it can be woken: a program that daemonises closes file descriptors that aren't its own."""
        try:
            return all(os.fstat(handle).st_ino == inode for handle, inode in self._sockets.items())
        except OSError:
            return False

    def close(self) -> None:
        """Close it, unless its file descriptors' numbers may be those of the program's own files by now."""
        if self.is_closed() or self.intact():
            super().close()
        else:
            _lost.append(self)

    def keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task, and hold it."""
        task: asyncio.Task[Any] = self.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def end(self) -> None:
        """Let the thread end."""
        self.ended.set()

    async def end_when_idle(self) -> None:
        """Let the thread end once what was kept is done."""
        while others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others)
        self.idle = True
        self.end()

    async def finish(self) -> None:
        """Cancel what still runs."""
        while tasks := list(self._tasks):  # ours alone: anyio warns of a task of its own that is cancelled unstarted
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve a name on a thread of its own; in place where none can be started any more."""
        answer: asyncio.Future[object] = self.create_future()
        arguments = (answer, host, port, options)
        try:
            threading.Thread(target=self._resolve, args=arguments, name="infinium-resolver", daemon=True).start()
        except RuntimeError:
            return socket.getaddrinfo(host, port, **options)
        return await answer

    def _resolve(self, answer: "asyncio.Future[Any]", host: Any, port: Any, options: dict[str, Any]) -> None:
        found: object = None
        error: Exception | None = None
        try:
            found = socket.getaddrinfo(host, port, **options)
        except (OSError, UnicodeError) as failure:
            error = failure

        def tell() -> None:
            if not answer.done() and error is not None:
                answer.set_exception(error)
            elif not answer.done():
                answer.set_result(found)

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self.call_soon_threadsafe(tell)


_lost: list[SenderLoop] = []
"""Loops whose file descriptors the program closed; to free one is to close it."""


def _loop() -> SenderLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SenderLoop)  # noqa: S101
    return loop
