"""The sender: one daemon thread with its own event loop, started at need, blocked while idle.

Light to import: httpx is loaded on its thread.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from infinium_integrations import diagnostics
from infinium_integrations.export import fork_safety
from infinium_integrations.settings import Settings
from infinium_integrations.storage.folder import Store
from infinium_integrations.storage.selector import DeliveryCounters

if TYPE_CHECKING:
    import httpx

    from infinium_integrations.export.outbox import Outbox

__all__ = ["IN_FLIGHT", "Sender", "SenderLoop"]

IN_FLIGHT = 8
CLOSE_SECONDS = 1.0
"""Seconds that the thread gets to close its connections."""


class Sender:
    """Delivers what is stored. Every method but ``_``… may be called from any thread, and only hands over.

    Args:
        counters: Counts what becomes of the traces.
    """

    def __init__(self, counters: DeliveryCounters) -> None:
        self._counters = counters
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: SenderLoop | None = None
        self._inbox: deque[tuple[Store | None, Callable[[], None]]] = deque()
        """Jobs for the loop, each with the store of the trace that it is about."""
        self._outboxes: dict[tuple[object, object], Outbox] = {}
        self._http: httpx.AsyncClient | None = None

    @property
    def mine(self) -> bool:
        """Whether the caller is on the sender's own thread."""
        return threading.current_thread() is self._thread

    def enqueue(self, store: Store, name: str, account: str, settings: Settings, client: object = None) -> None:
        """Deliver a stored trace, and what else waits for its account."""
        self._hand(store, lambda: self._outbox(store, account, settings, client).add(name))

    def look(self, store: Store, account: str, settings: Settings) -> None:
        """Deliver what earlier processes left for an account, at once."""
        self._hand(None, lambda: self._outbox(store, account, settings, None).retry_now())

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
        counts = [(outbox.store, outbox.pending) for outbox in list(self._outboxes.values())]
        counts += [(store, 1) for store, _ in list(self._inbox) if store is not None]
        return sum(count for store, count in counts if durable in {None, store.durable})

    def stop(self) -> None:
        """End the thread; it is started again at need."""
        thread, loop = self._thread, self._loop
        if thread is not None and loop is not None and thread.is_alive() and not self.mine:
            loop.closing = True
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.end)
            thread.join(CLOSE_SECONDS)

    def _hand(self, store: Store | None, job: Callable[[], None]) -> None:
        self._inbox.append((store, job))
        self._ensure()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended; the next call starts another
                loop.call_soon_threadsafe(self._pull)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _ensure(self) -> None:
        if self._alive():
            return
        with self._starting:
            if self._alive():
                return
            self._loop = loop = SenderLoop()
            self._thread = threading.Thread(target=self._run, args=(loop,), name=fork_safety.SENDER_THREAD, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # none can be started while the interpreter goes: see ``_run_here``
                loop.close()
                self._loop = None

    def _run(self, loop: "SenderLoop") -> None:
        try:
            with diagnostics.contained:  # what is stored stays stored; the next trace starts another thread
                asyncio.set_event_loop(loop)
                with fork_safety.importing():
                    from infinium_integrations.export import transports  # noqa: F401, PLC0415  (and with it httpx)
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
        self._loop = loop = SenderLoop()
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
            if self._http is not None:
                await self._http.aclose()
            self._http = None
            if not loop.last:  # at exit it is still counted what they could not deliver
                self._outboxes = {}

    def _pull(self) -> None:
        while self._inbox and not _loop().closing:
            _, job = self._inbox.popleft()
            with diagnostics.contained:
                job()

    def _ask(self, question: "Callable[[Outbox], Awaitable[bool | None]]", deadline: float) -> bool:
        """Ask every outbox on the loop and wait for the answer; False where one said so, or at the deadline."""
        loop = self._loop
        if loop is None or not self._alive():
            return not self._inbox
        answered, answers = threading.Event(), [False]

        async def ask() -> None:
            try:
                answers[0] = await self._all(question)
            finally:
                answered.set()

        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: loop.keep(ask()))
            answered.wait(max(0.0, deadline - time.monotonic()) + 0.05)
        return answers[0]

    async def _all(self, question: "Callable[[Outbox], Awaitable[bool | None]]") -> bool:
        self._pull()
        return all(await asyncio.gather(*(question(outbox) for outbox in list(self._outboxes.values()))))

    def _outbox(self, store: Store, account: str, settings: Settings, client: object) -> "Outbox":
        key = (store.where() if store.durable else id(store), account if client is None else id(client))
        outbox = self._outboxes.get(key)
        if outbox is None:
            with fork_safety.importing():
                from infinium_integrations.export.outbox import Outbox  # noqa: PLC0415

                transport = self._transport(settings, client)
            outbox = self._outboxes[key] = Outbox(
                store,
                account,
                transport,
                slots=_loop().slots,
                counters=self._counters,
                ceiling=settings.requests_per_second,
                shared=client is None,
            )
            _loop().keep(self._serve(key, outbox))
        elif client is None:
            outbox.store = store
            # take over a secret or address that was put right meanwhile, and try at once
            outbox.rate_limiter.limit(settings.requests_per_second)
            if outbox.transport.renew(settings):
                outbox.retry_now()
        return outbox

    async def _serve(self, key: tuple[object, object], outbox: "Outbox") -> None:
        await outbox.run()
        self._outboxes.pop(key, None)

    def _transport(self, settings: Settings, client: object) -> Any:
        from infinium_integrations.export import transports  # noqa: PLC0415

        if client is not None:
            return transports.ClientCall(client)
        if self._http is None:
            self._http = transports.new_client()
        return transports.Platform(transports.agent_of(settings), self._http)


class SenderLoop(asyncio.SelectorEventLoop):
    """A loop that needs no executor, which would be unusable while the interpreter exits."""

    def __init__(self) -> None:
        super().__init__()
        self.last = False
        """It runs while the interpreter goes."""
        self.closing = False
        """Nothing new is begun."""
        self.ended = asyncio.Event()
        self.slots = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[object]] = set()

    def keep(self, work: Any) -> None:
        """Run a coroutine as a task, and hold it."""
        task = self.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Let the thread end."""
        self.ended.set()

    async def finish(self) -> None:
        """Cancel what still runs."""
        for task in (tasks := asyncio.all_tasks(self) - {asyncio.current_task()}):
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
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self.call_soon_threadsafe(_answer, answer, found, error)


def _answer(answer: "asyncio.Future[Any]", found: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)


def _loop() -> SenderLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SenderLoop)  # noqa: S101
    return loop
