"""The asyncio client: a thin driver over ``calls``."""

# ruff: noqa: D102  (``BaseClient`` documents the calls, and tools show its docstrings)

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar, Unpack

from pydantic import SecretStr

from infinium_integrations._hooks import delivered
from infinium_integrations.client.base import (
    CLOSE_SECONDS,
    BaseClient,
    Task,
    TaskFields,
    batch_error,
    batch_result,
    failed,
    task_fields,
)
from infinium_integrations.client.calls import Flow, Sleep
from infinium_integrations.errors import InfiniumError
from infinium_integrations.models import ApiResponse, BatchResult, PromptContent

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncInfiniumClient"]

T = TypeVar("T")


class AsyncInfiniumClient(
    BaseClient[asyncio.AbstractEventLoop, "tuple[AsyncGenerator[httpx.AsyncClient], httpx.AsyncClient]"]
):
    """The same as ``InfiniumClient`` for asyncio: its arguments, rules and errors are the same.

    It may be used in one event loop after another, and in several at once: each has its own connections, which are
    closed with ``aclose()`` or when the loop ends. Cancelling a call cancels its request.

    Args:
        agent_id: As for ``InfiniumClient``, like all others.
        agent_secret: The agent's secret.
        base_url: Else ``INFINIUM_BASE_URL``, else the platform's.
        timeout: Seconds for each phase of one try.
        max_retries: How often a failed try is repeated.
        requests_per_second: The client's own limit, over all loops.
        burst: How many requests may start at once before that limit holds.
        enable_rate_limiting: False sends as fast as it is asked to.
        user_agent: The ``User-Agent`` of its requests, in place of this library's.
        enable_logging: Log its requests: see ``setup_logging``.
        log_level: From which level on.
        verify_ssl: False accepts any TLS certificate: for a server of your own during development.

    Raises:
        ConfigurationError: Credentials are missing, or an argument cannot work.

    Example:
        >>> import asyncio
        >>> from infinium_integrations import AsyncInfiniumClient
        >>> async def main():
        ...     async with AsyncInfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret") as client:
        ...         return client.base_url
        >>> asyncio.run(main())
        'https://platform.i42m.ai/api/v1'
    """

    _sleep = staticmethod(asyncio.sleep)

    async def send_task(
        self,
        name: str,
        description: str,
        duration: float,
        current_datetime: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> ApiResponse:
        return await self.send_task_data(task_fields(name, description, duration, current_datetime, fields))

    async def send_task_data(self, task_data: Task) -> ApiResponse:
        self._open()
        request = await asyncio.to_thread(self._core.prepare, task_data)  # a large trace must not hold up the loop
        return await self._run(self._core.call(request))

    async def send_tasks_batch(
        self, tasks: Iterable[Task], max_concurrent: int = 5, *, fail_fast: bool = False
    ) -> BatchResult:
        self._open(max_concurrent)
        places = asyncio.Semaphore(max_concurrent)
        results: dict[int, ApiResponse] = {}
        fatal: list[InfiniumError] = []

        async def send(place: int, task: Task) -> None:
            async with places:
                if fatal:
                    return
                try:
                    results[place] = await self.send_task_data(task)
                except InfiniumError as error:
                    results[place] = failed(error)
                    if fail_fast:
                        fatal.append(error)

        async with asyncio.TaskGroup() as group:  # what is under way when one fails may arrive: it is waited for
            sends = [group.create_task(send(*one)) for one in enumerate(tasks)]
        if fatal:
            raise batch_error(results.values(), fatal[0]) from fatal[0]
        return batch_result(results[place] for place in range(len(sends)))

    async def get_interpreted_task_result(self, trace_id: str = "", *, task_id: str = "") -> ApiResponse:
        self._open()
        return await self._run(self._core.result(trace_id or task_id))

    async def wait_for_interpretation(
        self,
        trace_id: str,
        timeout: float = 120.0,  # noqa: ASYNC109  (as the blocking client's)
        poll_interval: float = 3.0,
    ) -> ApiResponse:
        self._open()
        return await self._run(self._core.wait(trace_id, timeout, poll_interval))

    async def get_prompt(
        self,
        prompt_id: str,
        prompt_key: str | SecretStr,
        version: int | str = "latest",
        variables: Mapping[str, object] | None = None,
    ) -> PromptContent:
        self._open()
        return await self._run(self._core.prompt(prompt_id, prompt_key, version, variables))

    async def aclose(self) -> None:
        """Close this loop's connections; a later call raises InfiniumError. May be called again.

        Where ``client.trace()`` was used it waits first until what was traced is sent, 10 s at most.

        Example:
            >>> import asyncio
            >>> from infinium_integrations import AsyncInfiniumClient
            >>> client = AsyncInfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> asyncio.run(client.aclose())
        """
        if self._traces and not self._closed:
            await asyncio.to_thread(delivered, CLOSE_SECONDS)
        self._closed = True
        kept = self._connections.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[0].aclose()

    async def close(self) -> None:
        """Do as ``aclose`` does, which is what asyncio's own objects call it.

        Example:
            >>> import asyncio
            >>> from infinium_integrations import AsyncInfiniumClient
            >>> client = AsyncInfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> asyncio.run(client.close())
        """
        await self.aclose()

    def __enter__(self) -> NoReturn:
        msg = "use `async with AsyncInfiniumClient(…)`, or InfiniumClient where nothing is awaited"
        raise TypeError(msg)

    def __exit__(self, *_: object) -> None:
        """Do nothing: it is never entered."""

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        from infinium_integrations.client.protocol.http import aexchange  # noqa: PLC0415  (httpx is loaded at the first request)

        try:
            step = next(flow)
            while True:
                if isinstance(step, Sleep):
                    await self._sleep(step.seconds)
                    step = next(flow)
                else:
                    loop = asyncio.get_running_loop()
                    if loop not in self._connections:
                        for ended in [other for other in list(self._connections) if other.is_closed()]:
                            self._connections.pop(ended, None)
                        keeper = _keeper(verify=self._verify)
                        self._connections[loop] = keeper, await anext(keeper)
                    step = flow.send(await aexchange(self._connections[loop][1], step.request, step.timeout))
        except StopIteration as done:
            result: T = done.value
        return result


async def _keeper(*, verify: bool) -> "AsyncGenerator[httpx.AsyncClient]":
    """Keep a client until the loop ends: ``asyncio.run`` closes open async generators, and so this client."""
    from infinium_integrations.client.protocol.http import async_client  # noqa: PLC0415

    http = async_client(verify=verify)
    try:
        yield http
    finally:
        await http.aclose()
