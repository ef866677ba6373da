"""The blocking client: a thin driver over ``_core``."""

import itertools
import os
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import SecretStr

from infinium_integrations.client.base import BaseClient, Task, batch_result, check_width, failed, task_fields
from infinium_integrations.client.calls import Flow, Sleep, Try
from infinium_integrations.errors import InfiniumError
from infinium_integrations.models import ApiResponse, BatchResult, PromptContent

if TYPE_CHECKING:
    import httpx

__all__ = ["InfiniumClient"]

T = TypeVar("T")


class InfiniumClient(BaseClient):
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

    Raises:
        ConfigurationError: Credentials are missing, or an argument cannot work.
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
        self._sleep = time.sleep
        self._http: dict[int, httpx.Client] = {}  # by process: a forked child shares no socket with its parent

    def send_task(
        self, name: str, description: str, duration: float, current_datetime: str | None = None, **fields: Any
    ) -> ApiResponse:
        """Send one trace, given by its fields.

        Args:
            name: At most 500 characters.
            description: At most 10,000 characters.
            duration: Seconds, 0 to 86,400.
            current_datetime: When it ended, ISO 8601; now, when left out.
            **fields: Any other field or section of ``TaskData``.

        Raises:
            ValidationError: A field is unknown or has a bad value; ``field`` names it.
        """
        return self.send_task_data(task_fields(name, description, duration, current_datetime, fields))

    def send_task_data(self, task_data: Task) -> ApiResponse:
        """Send one trace, a ``TaskData`` or a dict of its fields. Secrets in its texts are redacted.

        Raises:
            ValidationError: A field is missing, unknown or has a bad value; ``field`` names it.
        """
        self._open()
        return self._run(self._core.call(self._core.prepare(task_data)))

    def send_tasks_batch(self, tasks: Iterable[Task], max_concurrent: int = 5) -> BatchResult:
        """Send many traces, ``max_concurrent`` at a time: one result per task, in their order.

        A task that fails has ``success=False`` and its error's text in its result; the others go on.
        """
        self._open()
        batch = _Batch(self, list(tasks))
        return batch.run(check_width(max_concurrent))

    def get_interpreted_task_result(self, trace_id: str) -> ApiResponse:
        """Read Maestro's result; ``data["interpretedTraceResult"]`` is empty until it is ready.

        Args:
            trace_id: The platform's id, ``ApiResponse.trace_id`` of the sent trace.
        """
        self._open()
        return self._run(self._core.result(trace_id))

    def wait_for_interpretation(self, trace_id: str, timeout: float = 120.0, poll_interval: float = 3.0) -> ApiResponse:
        """Wait until Maestro's result is there, asking every ``poll_interval`` seconds.

        Raises:
            TimeoutError: It is not there after ``timeout`` seconds.
        """
        self._open()
        return self._run(self._core.wait(trace_id, timeout, poll_interval))

    def get_prompt(
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
        return self._run(self._core.prompt(prompt_id, prompt_key, version, variables))

    def close(self) -> None:
        """Close the connections; a later call raises InfiniumError. May be called again."""
        self._closed = True
        http = self._http.pop(os.getpid(), None)
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
        outcome = None
        try:
            while True:
                outcome = self._do(flow.send(outcome))
        except StopIteration as done:
            result: T = done.value
        return result

    def _do(self, step: Sleep | Try) -> Any:
        if isinstance(step, Sleep):
            return self._sleep(step.seconds)
        from infinium_integrations.client.protocol import http as _http  # noqa: PLC0415  (httpx is loaded at the first request)

        pid = os.getpid()
        http = self._http.get(pid) or self._http.setdefault(pid, _http.blocking_client())
        return _http.exchange(http, step.request, step.timeout)


class _Batch:
    """Threads that take tasks in turn. Daemons, so that Ctrl-C ends the wait; no executor, so that it works at exit."""

    def __init__(self, client: InfiniumClient, tasks: list[Task]) -> None:
        self._client = client
        self._tasks = tasks
        self._turn = itertools.count()
        self._results: dict[int, ApiResponse] = {}
        self._fault: BaseException | None = None

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
        return batch_result(self._results[place] for place in range(len(self._tasks)))

    def _work(self) -> None:
        try:
            while (place := next(self._turn)) < len(self._tasks):
                self._results[place] = self._send(self._tasks[place])
        except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
            self._fault = error

    def _send(self, task: Task) -> ApiResponse:
        try:
            return self._client.send_task_data(task)
        except InfiniumError as error:
            return failed(error)
