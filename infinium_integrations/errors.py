"""Errors that direct calls can raise. A framework's callbacks raise none of them.

InfiniumError
├── ConfigurationError (also ValueError)   a setting or argument that cannot work
├── ValidationError (also ValueError)      a field of a trace that the platform would reject
├── TransportError, or NetworkError        no usable answer
│   └── TimeoutError (also builtins'),     no answer within the timeout
│       or InfiniumTimeoutError
├── BatchError                             a batch with ``fail_fast`` stopped at its first failure
└── ApiError                               the platform answered with an error
    ├── AuthenticationError                401
    ├── PermissionDeniedError              403
    ├── NotFoundError                      404
    ├── UnprocessableError                 422; also a ValidationError
    ├── RateLimitError                     429, after all retries; has ``retry_after``
    └── ServerError                        5xx, after all retries

The alternative names, and the attributes that every error has, match those of Infinium's own SDK.
"""

import builtins
import difflib
from collections.abc import Iterable

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BatchError",
    "ConfigurationError",
    "InfiniumError",
    "InfiniumTimeoutError",
    "NetworkError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "TimeoutError",
    "TransportError",
    "UnprocessableError",
    "ValidationError",
    "did_you_mean",
]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` where ``name`` is close to a known name, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class InfiniumError(Exception):
    """Base class of every error that this library raises on purpose.

    Example:
        >>> from infinium_integrations import configure
        >>> from infinium_integrations.errors import InfiniumError
        >>> try:
        ...     configure(grase=1)
        ... except InfiniumError as error:
        ...     print(str(error).partition("?")[0])
        configure() has no setting 'grase'; did you mean 'grace'
    """

    status_code: int | None = None
    """The HTTP status, where the platform answered."""
    data: dict[str, object] | None = None
    """The reply's JSON object, where it was one."""

    @property
    def message(self) -> str:
        """The error's text."""
        return str(self)

    @property
    def details(self) -> dict[str, object]:
        """What else is known: the reply under ``response_data``, where there was one."""
        return {} if self.status_code is None else {"response_data": self.data}


class ConfigurationError(InfiniumError, ValueError):
    """A setting or an argument cannot work; the text names it and says what to do."""

    config_key: str | None = None
    """The argument's name, where one is to blame."""


class ValidationError(InfiniumError, ValueError):
    """A field of a trace has a value that the platform would reject.

    ``field`` is the dotted path of the first such field, such as ``steps.0.action``.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TransportError(InfiniumError):
    """No usable answer: connection refused or reset, an unresolved host name, a reply not from the platform."""

    original_error: Exception | None = None
    """The underlying error, without the request and its secrets."""


class TimeoutError(TransportError, builtins.TimeoutError):  # noqa: A001  (httpx and asyncio name theirs so too)
    """No answer within the timeout, which is ``timeout_duration`` (seconds)."""

    timeout_duration: float | None = None


NetworkError = TransportError
InfiniumTimeoutError = TimeoutError


class BatchError(InfiniumError):
    """A batch with ``fail_fast`` stopped at the first trace that failed; that trace's error is the ``__cause__``.

    ``successful_count`` and ``failed_count`` say how many traces were delivered and failed, ``errors`` why.
    """

    def __init__(self, message: str, *, successful_count: int, errors: list[str]) -> None:
        super().__init__(message)
        self.successful_count = successful_count
        self.failed_count = len(errors)
        self.errors = errors


class ApiError(InfiniumError):
    """The platform answered with an error."""

    status_code: int

    def __init__(self, message: str, *, status_code: int, data: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.data = data


class AuthenticationError(ApiError):
    """401: the agent's id or secret is wrong."""


class PermissionDeniedError(ApiError):
    """403: the credentials are valid but do not permit this."""


class NotFoundError(ApiError):
    """404: no such agent, trace or prompt. ``resource_type`` says which of them was asked for."""

    resource_type: str | None = None
    resource_id: str | None = None


class UnprocessableError(ApiError, ValidationError):
    """422: the platform rejected a field; ``field`` names it if the reply does."""

    def __init__(self, message: str, *, status_code: int = 422, data: dict[str, object] | None = None) -> None:
        super().__init__(message, status_code=status_code, data=data)
        named = (data or {}).get("field")
        self.field = named if isinstance(named, str) else None


class RateLimitError(ApiError):
    """429 after all retries. ``retry_after`` is what the server asked for, in seconds, or None."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 429,
        data: dict[str, object] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status_code=status_code, data=data)
        self.retry_after = retry_after


class ServerError(ApiError):
    """5xx after all retries."""
