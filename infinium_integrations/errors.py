"""What a direct call can raise. A framework's callback raises none of them.

InfiniumError
├── ConfigurationError (also ValueError)   a setting or argument that cannot work
├── ValidationError (also ValueError)      a field of a trace that the platform would refuse
├── TransportError                         no usable answer came back
│   └── TimeoutError (also builtins')      … within the time given
└── ApiError                               the platform answered, and refused
    ├── AuthenticationError                401
    ├── PermissionDeniedError              403
    ├── NotFoundError                      404
    ├── RateLimitError                     429, after all retries; has ``retry_after``
    └── ServerError                        5xx, after all retries
"""

import builtins
import difflib
from collections.abc import Iterable

__all__ = [
    "ApiError",
    "AuthenticationError",
    "ConfigurationError",
    "InfiniumError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "TimeoutError",
    "TransportError",
    "ValidationError",
    "did_you_mean",
]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` where ``name`` is close to a known name, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class InfiniumError(Exception):
    """Anything this library raises on purpose.

    Example:
        >>> from infinium_integrations import configure
        >>> from infinium_integrations.errors import InfiniumError
        >>> try:
        ...     configure(grase=1)
        ... except InfiniumError as error:
        ...     print(str(error).partition("?")[0])
        configure() has no setting 'grase'; did you mean 'grace'
    """


class ConfigurationError(InfiniumError, ValueError):
    """A setting or an argument cannot work; the text names it and says what to do."""


class ValidationError(InfiniumError, ValueError):
    """A field of a trace has a value that the platform would refuse.

    ``field`` is the dotted path of the first such field, such as ``steps.0.action``.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TransportError(InfiniumError):
    """No usable answer came back: refused, reset, a name that does not resolve, a reply that is not the platform's."""


class TimeoutError(TransportError, builtins.TimeoutError):  # noqa: A001  (httpx and asyncio name theirs so too)
    """No answer within the time given."""


class ApiError(InfiniumError):
    """The platform answered with an error.

    ``status_code`` is the HTTP status, ``data`` the reply's JSON object where it was one.
    """

    def __init__(self, message: str, *, status_code: int, data: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.data = data


class AuthenticationError(ApiError):
    """401: the agent's id or secret is wrong."""


class PermissionDeniedError(ApiError):
    """403: the credentials are valid and may not do this."""


class NotFoundError(ApiError):
    """404: no such agent, trace or prompt."""


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
