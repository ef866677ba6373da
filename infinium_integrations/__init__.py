"""One faithful trace of every LangChain, LangGraph and LlamaIndex run.

Names are loaded when first used, so that importing this package loads neither a framework nor an HTTP client.
(PYTEST_DONT_REWRITE: else pytest warns where this package is imported before pytest.)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from infinium_integrations import _hooks
from infinium_integrations._version import __version__ as __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from infinium_integrations.client import AsyncInfiniumClient, InfiniumClient
    from infinium_integrations.client.base import setup_logging as setup_logging
    from infinium_integrations.errors import AuthenticationError as AuthenticationError
    from infinium_integrations.errors import BatchError as BatchError
    from infinium_integrations.errors import ConfigurationError as ConfigurationError
    from infinium_integrations.errors import InfiniumError as InfiniumError
    from infinium_integrations.errors import InfiniumTimeoutError as InfiniumTimeoutError
    from infinium_integrations.errors import NetworkError as NetworkError
    from infinium_integrations.errors import NotFoundError as NotFoundError
    from infinium_integrations.errors import RateLimitError as RateLimitError
    from infinium_integrations.errors import ServerError as ServerError
    from infinium_integrations.errors import TimeoutError as TimeoutError  # noqa: A004
    from infinium_integrations.errors import ValidationError as ValidationError
    from infinium_integrations.evaluation import aexperiment, experiment
    from infinium_integrations.instrumentation import instrument, uninstrument
    from infinium_integrations.models import (
        ApiResponse,
        EnvironmentContext,
        ErrorDetail,
        ExecutionStep,
        ExpectedOutcome,
        LlmCall,
        LlmUsage,
        PromptUse,
        TaskData,
        ToolCall,
    )
    from infinium_integrations.models import BatchResult as BatchResult
    from infinium_integrations.models import Content as Content
    from infinium_integrations.models import Customer as Customer
    from infinium_integrations.models import Development as Development
    from infinium_integrations.models import Executive as Executive
    from infinium_integrations.models import General as General
    from infinium_integrations.models import Marketing as Marketing
    from infinium_integrations.models import Project as Project
    from infinium_integrations.models import PromptContent as PromptContent
    from infinium_integrations.models import Research as Research
    from infinium_integrations.models import Sales as Sales
    from infinium_integrations.models import Support as Support
    from infinium_integrations.models import TimeTracking as TimeTracking
    from infinium_integrations.recording.run import TraceClient
    from infinium_integrations.runtime import (
        configure,
        flush,
        shutdown,
        stats,
    )
    from infinium_integrations.tracing import StepContext, TraceBuilder, current_trace, suppress, trace
    from infinium_integrations.tracing.agents import async_trace_agent as async_trace_agent
    from infinium_integrations.tracing.agents import trace_agent as trace_agent
    from infinium_integrations.viewer.comparison import compare
    from infinium_integrations.viewer.experiments import experiments
    from infinium_integrations.viewer.notebook.trace_list import traces


@_hooks.provides("draw")
def _draw(task: "TaskData") -> dict[str, str]:
    from infinium_integrations.viewer.notebook.plain_text import trace_bundle  # noqa: PLC0415  (light until a trace is shown)

    return trace_bundle(task)


@_hooks.provides("interpret")
def _interpret(task: "TaskData", timeout: float, client: "InfiniumClient | None") -> object:
    from infinium_integrations.viewer.notebook.interpretation import wait  # noqa: PLC0415  (the same)

    return wait(task, timeout, client)


@_hooks.provides("prompt")
def _note_prompt(use: "PromptUse") -> None:
    from infinium_integrations.tracing import current_trace  # noqa: PLC0415  (the same)

    builder = current_trace()
    if builder is not None:
        builder.add_prompt_use(use)


@_hooks.provides("trace")
def _traced(name: str, client: "TraceClient", *, auto_send: bool, description: str | None) -> object:
    from infinium_integrations.tracing.agents import trace_agent  # noqa: PLC0415  (the same)

    return trace_agent(name, client, auto_send=auto_send, description=description)


@_hooks.provides("flush")
def _flush(timeout: float) -> bool:
    from infinium_integrations.runtime import flush  # noqa: PLC0415  (the same)

    return flush(timeout)


_HOMES = {
    "client": ("AsyncInfiniumClient", "InfiniumClient"),
    "evaluation": ("aexperiment", "experiment"),
    "instrumentation": ("instrument", "uninstrument"),
    "models": (
        "ApiResponse",
        "EnvironmentContext",
        "ErrorDetail",
        "ExecutionStep",
        "ExpectedOutcome",
        "LlmCall",
        "LlmUsage",
        "TaskData",
        "ToolCall",
    ),
    "runtime": ("configure", "flush", "shutdown", "stats"),
    "tracing": ("StepContext", "TraceBuilder", "current_trace", "suppress", "trace"),
    "viewer.comparison": ("compare",),
    "viewer.experiments": ("experiments",),
    "viewer.notebook.trace_list": ("traces",),
}
_ALSO = {
    "client.base": ("setup_logging",),
    "errors": (
        "AuthenticationError",
        "BatchError",
        "ConfigurationError",
        "InfiniumError",
        "InfiniumTimeoutError",
        "NetworkError",
        "NotFoundError",
        "RateLimitError",
        "ServerError",
        "TimeoutError",
        "ValidationError",
    ),
    "models": (
        "BatchResult",
        "Content",
        "Customer",
        "Development",
        "Executive",
        "General",
        "Marketing",
        "Project",
        "PromptContent",
        "Research",
        "Sales",
        "Support",
        "TimeTracking",
    ),
    "tracing.agents": ("async_trace_agent", "trace_agent"),
}
"""What Infinium's own SDK has here, too; ``import *`` leaves it out."""
_HOME = {name: home for homes in (_HOMES, _ALSO) for home, names in homes.items() for name in names}

__all__ = [
    "ApiResponse",
    "AsyncInfiniumClient",
    "EnvironmentContext",
    "ErrorDetail",
    "ExecutionStep",
    "ExpectedOutcome",
    "InfiniumClient",
    "LlmCall",
    "LlmUsage",
    "StepContext",
    "TaskData",
    "ToolCall",
    "TraceBuilder",
    "aexperiment",
    "compare",
    "configure",
    "current_trace",
    "experiment",
    "experiments",
    "flush",
    "instrument",
    "shutdown",
    "stats",
    "suppress",
    "trace",
    "traces",
    "uninstrument",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add the notebook's magics: ``%load_ext infinium_integrations``."""
    from infinium_integrations.viewer.notebook import magic  # noqa: PLC0415

    magic.load_ipython_extension(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Take the notebook's magics away: ``%unload_ext infinium_integrations``."""
    from infinium_integrations.viewer.notebook import magic  # noqa: PLC0415

    magic.unload_ipython_extension(shell)
