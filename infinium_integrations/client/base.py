"""What the two clients share besides the rules: construction, and keeping the secret in."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from pydantic import SecretStr

from infinium_integrations.client.calls import Core, find_agent
from infinium_integrations.client.protocol.rate_limit import TokenBucket
from infinium_integrations.errors import ConfigurationError, InfiniumError, ValidationError
from infinium_integrations.models import ApiResponse, BatchResult, TaskData, iso_now

__all__ = ["BaseClient", "Task"]

Task = TaskData | Mapping[str, Any]


class BaseClient:
    """Construction, repr and the timestamp. See ``InfiniumClient``."""

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
        _check(timeout > 0 and math.isfinite(timeout), "timeout must be a number of seconds above 0")
        _check(max_retries >= 0, "max_retries must be 0 or more")
        _check(requests_per_second > 0, "requests_per_second must be above 0")
        _check(burst >= 1, "burst must be 1 or more")
        agent = find_agent(agent_id, agent_secret, base_url)
        bucket = TokenBucket(requests_per_second, burst)
        self._core = Core(agent, timeout=timeout, max_retries=max_retries, bucket=bucket)
        self._closed = False

    @property
    def agent_id(self) -> str:
        """The agent's id."""
        return self._core.agent.agent_id

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at its end."""
        return self._core.agent.base_url

    @staticmethod
    def get_current_iso_datetime() -> str:
        """Give the time now as ISO 8601 in UTC, for ``current_datetime``."""
        return iso_now()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent_id={self.agent_id!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        msg = f"{type(self).__name__} holds a secret and is not pickled or copied: make one where it is needed"
        raise TypeError(msg)

    def _open(self) -> None:
        if self._closed:
            msg = f"this {type(self).__name__} is closed: make a new one"
            raise InfiniumError(msg)


def _check(fine: bool, message: str) -> None:  # noqa: FBT001
    if not fine:
        raise ConfigurationError(message)


def task_fields(
    name: str, description: str, duration: float, current_datetime: str | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the arguments of ``send_task`` together; what is None counts as not given."""
    known = {"name": name, "description": description, "duration": duration}
    extra = {"current_datetime": current_datetime, **fields}
    return {**known, **{key: value for key, value in extra.items() if value is not None}}


def check_width(max_concurrent: int) -> int:
    """Give ``max_concurrent`` where it is 1 or more."""
    if max_concurrent < 1:
        msg = "max_concurrent must be 1 or more"
        raise ValidationError(msg, field="max_concurrent")
    return max_concurrent


def failed(error: InfiniumError) -> ApiResponse:
    """Give a batch's result for a task that failed."""
    return ApiResponse(success=False, status_code=getattr(error, "status_code", None), message=str(error))


def batch_result(results: Iterable[ApiResponse]) -> BatchResult:
    """Count what became of a batch."""
    done = list(results)
    errors = [f"task {number}: {result.message}" for number, result in enumerate(done, 1) if not result.success]
    return BatchResult(successful=len(done) - len(errors), failed=len(errors), results=done, errors=errors)
