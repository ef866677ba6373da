"""The asyncio client: a thin driver over ``_core``."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import SecretStr

from infinium_integrations.client.base import BaseClient, Task, batch_result, check_width, failed, task_fields
from infinium_integrations.client.calls import Flow, Sleep, Try
from infinium_integrations.errors import InfiniumError
from infinium_integrations.models import ApiResponse, BatchResult, PromptContent

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncInfiniumClient"]

T = TypeVar("T")


class AsyncInfiniumClient(BaseClient):
    """The same as ``InfiniumClient`` for asyncio: its arguments, rules and errors are the same.

    It may be used in one event loop after another, and in several at once: each has its own connections, which are
    closed with ``aclose()`` or when the loop ends. Cancelling a call cancels its request.
    """

    def __init__(
        self,
        agent_id: str | None = None,
        agent_secret: str | SecretStr | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        requests_per_second: float = 10.0,
        burst: int = 20,
    ) -> None:
        super().__init__(
            agent_id,
            agent_secret,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            requests_per_second=requests_per_second,
            burst=burst,
        )
        self._sleep = asyncio.sleep
        self._kept: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[httpx.AsyncClient], httpx.AsyncClient]] = {}

    async def send_task(
        self, name: str, description: str, duration: float, current_datetime: str | None = None, **fields: Any
    ) -> ApiResponse:
        """Send one trace, given by its fields; see ``InfiniumClient.send_task``.

        Raises:
            ValidationError: A field is unknown or has a bad value; ``field`` names it.
        """
        return await self.send_task_data(task_fields(name, description, duration, current_datetime, fields))

    async def send_task_data(self, task_data: Task) -> ApiResponse:
        """Send one trace, a ``TaskData`` or a dict of its fields. Secrets in its texts are redacted.

        Raises:
            ValidationError: A field is missing, unknown or has a bad value; ``field`` names it.
        """
        self._open()
        request = await asyncio.to_thread(self._core.prepare, task_data)  # a large trace must not hold up the loop
        return await self._run(self._core.call(request))

    async def send_tasks_batch(self, tasks: Iterable[Task], max_concurrent: int = 5) -> BatchResult:
        """Send many traces, ``max_concurrent`` at a time: one result per task, in their order.

        A task that fails has ``success=False`` and its error's text in its result; the others go on.
        """
        self._open()
        places = asyncio.Semaphore(check_width(max_concurrent))
        async with asyncio.TaskGroup() as group:
            sends = [group.create_task(self._send(task, places)) for task in tasks]
        return batch_result(send.result() for send in sends)

    async def get_interpreted_task_result(self, trace_id: str) -> ApiResponse:
        """Read Maestro's result; ``data["interpretedTraceResult"]`` is empty until it is ready.

        Args:
            trace_id: The platform's id, ``ApiResponse.trace_id`` of the sent trace.
        """
        self._open()
        return await self._run(self._core.result(trace_id))

    async def wait_for_interpretation(
        self,
        trace_id: str,
        timeout: float = 120.0,  # noqa: ASYNC109  (as the blocking client's)
        poll_interval: float = 3.0,
    ) -> ApiResponse:
        """Wait until Maestro's result is there, asking every ``poll_interval`` seconds.

        Raises:
            TimeoutError: It is not there after ``timeout`` seconds.
        """
        self._open()
        return await self._run(self._core.wait(trace_id, timeout, poll_interval))

    async def get_prompt(
        self,
        prompt_id: str,
        prompt_key: str | SecretStr,
        version: int | str = "latest",
        variables: Mapping[str, object] | None = None,
    ) -> PromptContent:
        """Fetch a managed prompt; with ``variables``, ``rendered_content`` has its ``{{name}}`` placeholders filled.

        The fetch is noted in the trace that is open, if any.
        """
        self._open()
        return await self._run(self._core.prompt(prompt_id, prompt_key, version, variables))

    async def aclose(self) -> None:
        """Close this loop's connections; a later call raises InfiniumError. May be called again."""
        self._closed = True
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[0].aclose()

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, task: Task, places: asyncio.Semaphore) -> ApiResponse:
        async with places:
            try:
                return await self.send_task_data(task)
            except InfiniumError as error:
                return failed(error)

    async def _run(self, flow: Flow[T]) -> T:
        outcome = None
        try:
            while True:
                outcome = await self._do(flow.send(outcome))
        except StopIteration as done:
            result: T = done.value
        return result

    async def _do(self, step: Sleep | Try) -> Any:
        if isinstance(step, Sleep):
            return await self._sleep(step.seconds)
        from infinium_integrations.client.protocol import http as _http  # noqa: PLC0415  (httpx is loaded at the first request)

        return await _http.aexchange(await self._client(), step.request, step.timeout)

    async def _client(self) -> "httpx.AsyncClient":
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            for ended in [other for other in list(self._kept) if other.is_closed()]:
                self._kept.pop(ended, None)
            keeper = _keeper()
            self._kept[loop] = keeper, await anext(keeper)
        return self._kept[loop][1]


async def _keeper() -> "AsyncGenerator[httpx.AsyncClient]":
    """Keep a client until the loop ends: ``asyncio.run`` closes open async generators, and so this client."""
    from infinium_integrations.client.protocol import http as _http  # noqa: PLC0415

    http = _http.async_client()
    try:
        yield http
    finally:
        await http.aclose()
