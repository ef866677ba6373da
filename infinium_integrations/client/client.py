"""The blocking client: a thin driver over ``calls``."""

# ruff: noqa: D102  (``BaseClient`` documents the calls, and tools show its docstrings)

import itertools
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack

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

__all__ = ["Batch", "InfiniumClient"]

T = TypeVar("T")


class InfiniumClient(BaseClient[int, "httpx.Client"]):
    """Sends traces to Infinium, blocking until the platform has answered.

    It works inside a running event loop too, where it blocks that loop: use ``AsyncInfiniumClient`` there. It may be
    shared by threads. Making one opens no connection. Every call may raise what ``infinium_integrations.errors``
    lists; transport errors, 408, 425, 429 and 5xx are tried again first, always under the same ``Idempotency-Key``.

    Args:
        agent_id: The agent's UUID; else ``INFINIUM_AGENT_ID``.
        agent_secret: Its secret; else ``INFINIUM_AGENT_SECRET``. It shows in no repr, log line or exception.
        base_url: Else ``INFINIUM_BASE_URL``, else the platform's.
        timeout: Seconds for one try: for connecting, for sending, for the reply to begin, and for reading all of it.
        max_retries: How often a failed try is repeated.
        requests_per_second: The client's own limit, over all threads.
        burst: How many requests may start at once before that limit holds.
        enable_rate_limiting: False sends as fast as it is asked to.
        user_agent: The ``User-Agent`` of its requests, in place of this library's.
        enable_logging: Log its requests: see ``setup_logging``.
        log_level: From which level on.
        verify_ssl: False accepts any TLS certificate: for a server of your own during development.

    Raises:
        ConfigurationError: Credentials are missing, or an argument cannot work.

    Example:
        >>> from infinium_integrations import InfiniumClient
        >>> with InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret") as client:
        ...     client.base_url
        'https://platform.i42m.ai/api/v1'
    """

    _sleep = staticmethod(time.sleep)
    _connections: "dict[int, httpx.Client]"  # by process: a forked child shares no socket with its parent

    def send_task(
        self,
        name: str,
        description: str,
        duration: float,
        current_datetime: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> ApiResponse:
        return self.send_task_data(task_fields(name, description, duration, current_datetime, fields))

    def send_task_data(self, task_data: Task) -> ApiResponse:
        self._open()
        return self._run(self._core.call(self._core.prepare(task_data)))

    def send_tasks_batch(
        self, tasks: Iterable[Task], max_concurrent: int = 5, *, fail_fast: bool = False
    ) -> BatchResult:
        self._open(max_concurrent)
        return Batch(self, list(tasks), fail_fast=fail_fast).run(max_concurrent)

    def get_interpreted_task_result(self, trace_id: str = "", *, task_id: str = "") -> ApiResponse:
        self._open()
        return self._run(self._core.result(trace_id or task_id))

    def wait_for_interpretation(self, trace_id: str, timeout: float = 120.0, poll_interval: float = 3.0) -> ApiResponse:
        self._open()
        return self._run(self._core.wait(trace_id, timeout, poll_interval))

    def get_prompt(
        self,
        prompt_id: str,
        prompt_key: str | SecretStr,
        version: int | str = "latest",
        variables: Mapping[str, object] | None = None,
    ) -> PromptContent:
        self._open()
        return self._run(self._core.prompt(prompt_id, prompt_key, version, variables))

    def close(self) -> None:
        """Close the connections; a later call raises InfiniumError. May be called again.

        Where ``client.trace()`` was used it waits first until what was traced is sent, 10 s at most.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret").close()
        """
        if self._traces and not self._closed:
            delivered(CLOSE_SECONDS)
        self._closed = True
        http = self._connections.pop(os.getpid(), None)
        if http is not None:
            http.close()

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        from infinium_integrations.client.protocol.http import blocking_client, exchange  # noqa: PLC0415  (httpx is loaded at the first request)

        try:
            step = next(flow)
            while True:
                if isinstance(step, Sleep):
                    self._sleep(step.seconds)
                    step = next(flow)
                else:
                    pid = os.getpid()
                    http = self._connections.get(pid) or self._connections.setdefault(
                        pid, blocking_client(self._verify)
                    )
                    step = flow.send(exchange(http, step.request, step.timeout))
        except StopIteration as done:
            result: T = done.value
        return result


class Batch:
    """Threads that take tasks in turn. Daemons, so that Ctrl-C ends the wait; no executor, so that it works at exit."""

    def __init__(self, client: InfiniumClient, tasks: list[Task], *, fail_fast: bool) -> None:
        self._client = client
        self._tasks = tasks
        self._fail_fast = fail_fast
        self._turn = itertools.count()
        self._results: dict[int, ApiResponse] = {}
        self._fault: BaseException | None = None
        self._fatal: list[InfiniumError] = []

    def run(self, width: int) -> BatchResult:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(width, len(self._tasks)))]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._turn = itertools.count(len(self._tasks))  # nothing new is begun
        if self._fault is not None:
            raise self._fault
        if self._fatal:
            raise batch_error(self._results.values(), self._fatal[0]) from self._fatal[0]
        return batch_result(self._results[place] for place in range(len(self._tasks)))

    def _work(self) -> None:
        with ExitStack() as stack:
            stack.push(self._carry)
            while (place := next(self._turn)) < len(self._tasks):
                try:
                    self._results[place] = self._client.send_task_data(self._tasks[place])
                except InfiniumError as error:
                    self._results[place] = failed(error)
                    if self._fail_fast:
                        self._fatal.append(error)
                        self._turn = itertools.count(len(self._tasks))

    def _carry(self, _kind: object, error: BaseException | None, _trace: object) -> Literal[True]:
        """Carry what a thread failed with to the caller's thread."""
        if error is not None:
            self._fault = error
        return True
