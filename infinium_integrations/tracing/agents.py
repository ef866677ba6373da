"""``trace()`` under the names and with the arguments of Infinium's own SDK."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from infinium_integrations.models import DESCRIPTION_LIMIT
from infinium_integrations.recording.run import KEPT_HERE, TraceClient
from infinium_integrations.tracing.decorator import trace

__all__ = ["async_trace_agent", "trace_agent"]

F = TypeVar("F", bound=Callable[..., Any])


def trace_agent(
    name: str, client: TraceClient | None = None, *, auto_send: bool = True, description: str | None = None
) -> Callable[[F], F]:
    """Return a decorator that traces each call of a function: ``trace()`` as Infinium's own SDK names it.

    Args:
        name: The trace's name, at most 500 characters.
        client: What sends the trace, in the background; the account of the settings where left out.
        auto_send: False keeps the trace on this machine and sends it nowhere.
        description: More of it; the function's docstring, else the name, where left out.

    Returns:
        A decorator for functions, coroutine functions and generators of both kinds.

    Raises:
        ValidationError: The name or description is blank or too long.
        ConfigurationError: The client has no method ``send_task_data``, or a setting cannot work.

    Example:
        >>> from infinium_integrations import trace_agent
        >>> from infinium_integrations.testing import captured_traces
        >>> @trace_agent("Shout")
        ... def shout(text):
        ...     "Say it in capitals"
        ...     return text.upper()
        >>> with captured_traces() as traces:
        ...     shout("hello")
        'HELLO'
        >>> traces[0].description
        'Say it in capitals'
    """
    sends = client if auto_send else KEPT_HERE
    trace(name, description, client=sends)  # what cannot work is raised here, and not where a function is decorated

    def decorate(function: F) -> F:
        said = description or (inspect.getdoc(function) or "")[:DESCRIPTION_LIMIT].strip()
        return trace(name, said or None, client=sends)(function)

    return decorate


async_trace_agent = trace_agent
"""The same for coroutine functions, which ``trace_agent`` takes as well."""
