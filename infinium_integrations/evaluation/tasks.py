"""What may be run over examples: functions and coroutines, LangChain runnables, LlamaIndex engines and workflows."""

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from infinium_integrations import instrumentation
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.evaluation.examples import Example

__all__ = ["Call", "call_of", "frameworks_traced"]

Call = Callable[[Example], object]
"""Runs a task with an example."""

METHODS = (("query", "aquery"), ("retrieve", "aretrieve"))
"""Of LlamaIndex's engines and retrievers: for threads, for an event loop."""


def call_of(task: object, *, is_async: bool) -> tuple[Call, bool]:
    """Return what runs a task with an example, and whether that belongs on an event loop.

    Args:
        task: The task.
        is_async: Whether a task that can do both is to run on the event loop.

    Raises:
        ConfigurationError: It is nothing that can be run.
    """
    runnables = sys.modules.get("langchain_core.runnables")
    names = (("invoke", "ainvoke"),) if runnables and isinstance(task, runnables.Runnable) else METHODS
    if names is METHODS and callable(task):
        return _called(task), _is_coroutine_function(task)
    for name, later in names:
        method = getattr(task, later if is_async else name, None)
        if callable(method):
            return partial(_with_input, method), is_async
    if callable(getattr(task, "chat", None)):
        msg = "task is a chat engine, which remembers: give a function that makes one for each example and asks it"
        raise ConfigurationError(msg)
    run = getattr(task, "run", None)
    if callable(run):
        return partial(_run_workflow, run), True
    msg = f"task is a {type(task).__name__}: give a function, a coroutine function, a LangChain runnable, or an engine"
    raise ConfigurationError(msg)


def _called(function: Callable[..., object]) -> Call:
    """Have a function called with the example's input, or the whole example where its one parameter is named so."""
    try:
        first = next(iter(inspect.signature(function).parameters), None)
    except (TypeError, ValueError):  # a builtin
        first = None
    return lambda example: function(example.given if first == "example" else example.input)


def _with_input(method: Callable[..., object], example: Example) -> object:
    return method(example.input)


async def _run_workflow(run: Callable[..., Awaitable[object]], example: Example) -> object:
    """Run an agent with a message, any other workflow with the input's fields as its start event's."""
    if isinstance(example.input, dict):
        return await run(**example.input)
    parameters = inspect.signature(run).parameters
    takes_message = "user_msg" in parameters or any(one.kind is one.VAR_POSITIONAL for one in parameters.values())
    return await run(**{"user_msg" if takes_message else "input": example.input})


def _is_coroutine_function(task: object) -> bool:
    return inspect.iscoroutinefunction(task) or inspect.iscoroutinefunction(getattr(task, "__call__", None))  # noqa: B004


class frameworks_traced:  # noqa: N801  (used as a function is)
    """Trace the frameworks that are imported and not traced yet, while any experiment runs."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _users: ClassVar[Counter[instrumentation.Framework]] = Counter()

    def __enter__(self) -> None:
        with self._lock:
            self._mine = [
                name
                for name, module in instrumentation.FRAMEWORKS.items()
                if module in sys.modules and (self._users[name] or not instrumentation.instrumented(name))
            ]
            new = [name for name in self._mine if not self._users[name]]
            if new:
                instrumentation.instrument(*new)
            self._users.update(self._mine)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users.subtract(self._mine)
            over = [name for name in self._mine if not self._users[name]]
            if over:
                instrumentation.uninstrument(*over)
