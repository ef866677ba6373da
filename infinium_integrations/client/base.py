"""What the two clients share: construction, the documentation of their calls, and keeping the secret in."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, NoReturn, TypedDict, TypeVar, Unpack

from pydantic import SecretStr

from infinium_integrations import _hooks, models
from infinium_integrations.client.calls import Core, as_task, find_agent, logger
from infinium_integrations.client.protocol.rate_limit import TokenBucket
from infinium_integrations.errors import BatchError, ConfigurationError, InfiniumError, ValidationError
from infinium_integrations.models import ApiResponse, BatchResult, PromptContent, TaskData, iso_now

__all__ = ["CLOSE_SECONDS", "BaseClient", "Task", "TaskFields", "setup_logging"]

CLOSE_SECONDS = 10.0
"""How long closing a client waits at most for what its decorators have traced."""

Owner = TypeVar("Owner")
Connection = TypeVar("Connection")
Function = TypeVar("Function", bound=Callable[..., object])

Fields = Mapping[str, object]
Task = TaskData | Fields


class TaskFields(TypedDict, total=False):
    """The optional fields and sections of ``TaskData``, as ``send_task`` takes them; ``None`` counts as left out."""

    input_summary: str | None
    output_summary: str | None
    expected_outcome: models.ExpectedOutcome | Fields | None
    steps: Iterable[models.ExecutionStep | Fields] | None
    errors: Iterable[models.ErrorDetail | Fields] | None
    llm_usage: models.LlmUsage | Fields | None
    time_tracking: models.TimeTracking | Fields | None
    customer: models.Customer | Fields | None
    support: models.Support | Fields | None
    sales: models.Sales | Fields | None
    marketing: models.Marketing | Fields | None
    content: models.Content | Fields | None
    research: models.Research | Fields | None
    project: models.Project | Fields | None
    development: models.Development | Fields | None
    executive: models.Executive | Fields | None
    general: models.General | Fields | None
    environment: models.EnvironmentContext | Fields | None
    prompt_studio: models.PromptStudio | Fields | None
    sections: Fields | None


class BaseClient(Generic[Owner, Connection]):
    """The calls of ``InfiniumClient`` and ``AsyncInfiniumClient``, documented once.

    The first returns their results, the second awaitables of them.
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
        enable_rate_limiting: bool = True,
        user_agent: str | None = None,
        enable_logging: bool = False,
        log_level: str = "INFO",
        verify_ssl: bool = True,
    ) -> None:
        for fine, message in (
            (_is_number(timeout) and 0 < timeout < math.inf, "timeout must be a number of seconds above 0"),
            (isinstance(max_retries, int) and max_retries >= 0, "max_retries must be a whole number, 0 or more"),
            (_is_number(requests_per_second) and requests_per_second > 0, "requests_per_second must be above 0"),
            (_is_number(burst) and burst >= 1, "burst must be 1 or more"),
            (isinstance(verify_ssl, bool), "verify_ssl must be True or False"),
        ):
            if not fine:
                raise ConfigurationError(message)
        agent = find_agent(agent_id, agent_secret, base_url, user_agent)
        bucket = TokenBucket(requests_per_second, burst) if enable_rate_limiting else None
        if enable_logging:
            setup_logging(log_level)
        self._core = Core(agent, timeout=timeout, max_retries=max_retries, bucket=bucket)
        self._verify = verify_ssl
        self._closed = False
        self._traces = False
        """Whether it was asked to send what is traced."""
        self._connections: dict[Owner, Connection] = {}

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self._core.agent.agent_id

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at its end."""
        return self._core.agent.base_url

    def trace(
        self, name: str, *, auto_send: bool = True, description: str | None = None
    ) -> Callable[[Function], Function]:
        """Return a decorator that traces each call of a function, and has this client send the trace.

        It is ``trace()`` with ``client=``: the trace is stored first and sent in the background, so that no call
        waits for the platform; ``flush()``, and closing the client, wait for it. Inside another trace it is a step.

        Args:
            name: The trace's name, at most 500 characters.
            auto_send: False keeps the trace on this machine and sends it nowhere.
            description: More of it; the function's docstring, else the name, where left out.

        Returns:
            A decorator for functions, coroutine functions and generators of both kinds.

        Raises:
            ValidationError: The name or description is blank or too long.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> from infinium_integrations.testing import captured_traces
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> @client.trace("Shout")
            ... def shout(text):
            ...     return text.upper()
            >>> with captured_traces() as traces:
            ...     shout("hello")
            'HELLO'
            >>> traces[0].name, traces[0].output_summary
            ('Shout', 'HELLO')
        """
        self._traces = self._traces or auto_send
        return _hooks.decorator(name, self, auto_send=auto_send, description=description)

    @staticmethod
    def create_task_data(
        name: str,
        description: str,
        duration: float,
        current_datetime: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskData:
        """Return a checked ``TaskData``, for ``send_task_data`` and ``send_tasks_batch``.

        Args:
            name: At most 500 characters.
            description: At most 10,000 characters.
            duration: Seconds, 0 to 86,400.
            current_datetime: When it ended, ISO 8601; now, when left out.
            **fields: Any other field or section of ``TaskData``, each a model or a dict of its fields.

        Raises:
            ValidationError: A field is unknown or has a bad value; ``field`` names it.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> task = InfiniumClient.create_task_data("Report", "Write it", 1.5, sales={"deal_value": 12_000.0})
            >>> task.sales.deal_value
            12000.0
        """
        return as_task(task_fields(name, description, duration, current_datetime, fields))

    @staticmethod
    def get_current_iso_datetime() -> str:
        """Return the time now as ISO 8601 in UTC, for ``current_datetime``.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> InfiniumClient.get_current_iso_datetime().endswith("Z")
            True
        """
        return iso_now()

    def send_task(
        self,
        name: str,
        description: str,
        duration: float,
        current_datetime: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> ApiResponse | Awaitable[ApiResponse]:
        """Send one trace, given by its fields. Secrets in its texts are redacted.

        Args:
            name: At most 500 characters.
            description: At most 10,000 characters.
            duration: Seconds, 0 to 86,400.
            current_datetime: When it ended, ISO 8601; now, when left out.
            **fields: Any other field or section of ``TaskData``.

        Returns:
            The platform's answer; ``trace_id`` is the platform's id of the trace.

        Raises:
            ValidationError: A field is unknown or has a bad value; ``field`` names it.
            InfiniumError: The trace did not arrive; see ``infinium_integrations.errors``.

        Example:
            A field that cannot be right is refused before anything is sent:

            >>> from infinium_integrations import InfiniumClient
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> client.send_task("Report", "Write it", duration=-1)
            Traceback (most recent call last):
            infinium_integrations.errors.ValidationError: duration: Input should be greater than or equal to 0
        """
        raise NotImplementedError

    def send_task_data(self, task_data: Task) -> ApiResponse | Awaitable[ApiResponse]:
        """Send one trace. Secrets in its texts are redacted.

        Args:
            task_data: A ``TaskData`` or a dict of its fields.

        Returns:
            The platform's answer; ``trace_id`` is the platform's id of the trace.

        Raises:
            ValidationError: A field is missing, unknown or has a bad value; ``field`` names it.
            InfiniumError: The trace did not arrive; see ``infinium_integrations.errors``.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> client.send_task_data({"name": "Report", "description": "Write it", "duration": 1, "custmer": {}})
            Traceback (most recent call last):
            infinium_integrations.errors.ValidationError: custmer: there is no such field; did you mean 'customer'?
        """
        raise NotImplementedError

    def send_tasks_batch(
        self, tasks: Iterable[Task], max_concurrent: int = 5, *, fail_fast: bool = False
    ) -> BatchResult | Awaitable[BatchResult]:
        """Send many traces. One that fails does not stop the others, unless that is asked for.

        Args:
            tasks: Each a ``TaskData`` or a dict of its fields.
            max_concurrent: How many are sent at a time.
            fail_fast: Begin no other once one has failed, and raise when those that are under way have ended.

        Returns:
            One result per task, in their order; that of a failed one has ``success=False`` and its error's text.

        Raises:
            ValidationError: ``max_concurrent`` is less than 1.
            BatchError: One failed, with ``fail_fast``; it says how many had arrived.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> client.send_tasks_batch([{"name": "Report"}]).errors
            ['task 1: description: Field required; duration: Field required']
        """
        raise NotImplementedError

    def get_interpreted_task_result(
        self, trace_id: str = "", *, task_id: str = ""
    ) -> ApiResponse | Awaitable[ApiResponse]:
        """Read Maestro's result of a trace.

        Args:
            trace_id: The platform's id, ``ApiResponse.trace_id`` of the sent trace.
            task_id: The same under the name that Infinium's documentation has for it.

        Returns:
            The answer; its ``data["interpretedTraceResult"]`` is empty until the result is ready.

        Raises:
            ValidationError: ``trace_id`` is no UUID.
            InfiniumError: No answer, or a refusal; see ``infinium_integrations.errors``.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> client.get_interpreted_task_result("12")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            infinium_integrations.errors.ValidationError: trace_id must be a UUID, such as ...
        """
        raise NotImplementedError

    def wait_for_interpretation(
        self, trace_id: str, timeout: float = 120.0, poll_interval: float = 3.0
    ) -> ApiResponse | Awaitable[ApiResponse]:
        """Wait until Maestro's result of a trace is there.

        Args:
            trace_id: The platform's id, ``ApiResponse.trace_id`` of the sent trace.
            timeout: Seconds to wait altogether.
            poll_interval: Seconds between two questions.

        Returns:
            The answer, with the result in ``data["interpretedTraceResult"]``.

        Raises:
            TimeoutError: It is not there after ``timeout`` seconds.
            InfiniumError: As for ``get_interpreted_task_result``.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> def score(client: InfiniumClient, trace_id: str):
            ...     return client.wait_for_interpretation(trace_id, timeout=60).data["interpretedTraceResult"]
        """
        raise NotImplementedError

    def get_prompt(
        self,
        prompt_id: str,
        prompt_key: str | SecretStr,
        version: int | str = "latest",
        variables: Mapping[str, object] | None = None,
    ) -> PromptContent | Awaitable[PromptContent]:
        """Fetch a managed prompt, and note that in the trace that is open, if any.

        Args:
            prompt_id: The prompt's id from Prompt Studio.
            prompt_key: The prompt's own key; the agent's secret is not sent.
            version: ``latest`` or an integer from 1.
            variables: Values for the ``{{name}}`` placeholders; unknown placeholders are left as they are.

        Returns:
            The prompt; with ``variables``, its ``rendered_content`` has the placeholders filled.

        Raises:
            ValidationError: The id, the key or the version cannot be right.
            InfiniumError: No answer, or a refusal; see ``infinium_integrations.errors``.

        Example:
            >>> from infinium_integrations import InfiniumClient
            >>> client = InfiniumClient("6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10", "the-agents-secret")
            >>> client.get_prompt("greeting", "the-prompts-key", version=0)
            Traceback (most recent call last):
            infinium_integrations.errors.ValidationError: version must be 'latest' or an integer from 1
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent_id={self.agent_id!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        msg = f"{type(self).__name__} holds a secret and is not pickled or copied: make one where it is needed"
        raise TypeError(msg)

    def _open(self, max_concurrent: int = 1) -> None:
        """Refuse a call when the client is closed, and a batch that may send nothing at a time."""
        if self._closed:
            msg = f"this {type(self).__name__} is closed: make a new one"
            raise InfiniumError(msg)
        if max_concurrent < 1:
            msg = "max_concurrent must be 1 or more"
            raise ValidationError(msg, field="max_concurrent")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def setup_logging(level: str = "INFO") -> None:
    """Have the clients' requests logged: to stderr, unless the program has configured logging.

    Args:
        level: ``INFO`` tells of every answer, ``DEBUG`` of every try.

    Raises:
        ConfigurationError: There is no such level.

    Example:
        >>> from infinium_integrations import setup_logging
        >>> setup_logging("LOUD")
        Traceback (most recent call last):
        infinium_integrations.errors.ConfigurationError: log_level must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL
    """
    if str(level).upper() not in LEVELS:
        msg = f"log_level must be one of {', '.join(LEVELS)}"
        error = ConfigurationError(msg)
        error.config_key = "log_level"
        raise error
    logger.setLevel(str(level).upper())
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
        logger.addHandler(handler)


def task_fields(
    name: str, description: str, duration: float, current_datetime: str | None, fields: TaskFields
) -> dict[str, object]:
    """Put the arguments of ``send_task`` together; what is None counts as not given."""
    extra = {"current_datetime": current_datetime, **fields}
    given = {key: value for key, value in extra.items() if value is not None}
    return {"name": name, "description": description, "duration": duration, **given}


def failed(error: InfiniumError) -> ApiResponse:
    """Return a batch's result for a task that failed."""
    return ApiResponse(success=False, status_code=getattr(error, "status_code", None), message=str(error))


def batch_result(results: Iterable[ApiResponse]) -> BatchResult:
    """Count what became of a batch."""
    done = list(results)
    errors = [f"task {number}: {result.message}" for number, result in enumerate(done, 1) if not result.success]
    return BatchResult(successful=len(done) - len(errors), failed=len(errors), results=done, errors=errors)


def batch_error(results: Iterable[ApiResponse], error: InfiniumError) -> BatchError:
    """Return what ends a batch: an error, and what had become of its traces by then."""
    done = list(results)
    arrived = sum(result.success for result in done)
    msg = f"the batch was ended by a trace that failed: {error} ({arrived} had arrived)"
    return BatchError(msg, successful_count=arrived, errors=[one.message for one in done if not one.success])
