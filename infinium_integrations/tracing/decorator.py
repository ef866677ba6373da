"""``trace()``: one trace around any code, as a context manager and as a decorator."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from infinium_integrations import runtime
from infinium_integrations.errors import ValidationError
from infinium_integrations.models import NAME_LIMIT, OUTPUT_SUMMARY_LIMIT
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.exceptions import failed
from infinium_integrations.recording.recorder import Recorder, ambient, suppressed
from infinium_integrations.recording.run import Options, Run
from infinium_integrations.tracing.builder import StepContext, TraceBuilder, reset

__all__ = ["StepContext", "TraceBuilder", "current_trace", "suppress", "trace"]

F = TypeVar("F", bound=Callable[..., Any])


class trace:  # noqa: N801  (used as a function is)
    """Open a trace around a block or a function, and send it at the end.

    LangChain and LlamaIndex runs inside become its steps, and so does another ``trace()``. An exception is recorded
    and goes on. As a decorator it serves functions, coroutine functions and generators of both kinds; the arguments
    are the input, what is given back or yielded is the output.

    Args:
        name: What the agent does, at most 500 characters.
        description: More of it; the name where left out.
        **options: ``expected_outcome``, ``sections``, ``tags``, ``metadata`` (its ``session_id`` and ``user_id`` name
            the session and the user), ``capture_content``, ``detail``, ``redact``, ``client``, ``preview_chars``: as
            with the handlers.

    Raises:
        ValidationError: A name, rubric or section that the platform would refuse.
        ConfigurationError: An option or a setting that cannot work.
    """

    def __init__(self, name: str, description: str | None = None, **options: Any) -> None:
        if opts.checked_text("name", name, NAME_LIMIT) is None:
            msg = "name is required: say what the agent does"
            raise ValidationError(msg, field="name")
        self._name = name
        self._options = opts.make_options(name=name, description=description, **options)
        self._scopes: list[_Scope] = []

    def __enter__(self) -> TraceBuilder:
        scope = _Scope(self._name, self._options)
        self._scopes.append(scope)
        scope.enter()
        return scope.builder

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope = self._scopes.pop()
        scope.leave()
        scope.close(error)

    async def __aenter__(self) -> TraceBuilder:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is one trace."""
        if isinstance(function, classmethod | staticmethod):
            msg = "put @trace(...) below @classmethod or @staticmethod, next to the function itself"
            raise TypeError(msg)
        if inspect.isasyncgenfunction(function):
            wrapper = self._around_async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._around_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapper = self._around_coroutine(function)
        else:
            wrapper = self._around_function(function)
        return functools.wraps(function)(wrapper)  # type: ignore[return-value]

    def _scope(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "_Scope":
        scope = _Scope(self._name, self._options)
        scope.builder.set_input_summary(_arguments(function, args, kwargs))
        return scope

    def _around_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            scope = self._scope(function, args, kwargs)
            with scope:
                result = function(*args, **kwargs)
                scope.builder.set_output_summary(result)
                return result

        return wrapper

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            scope = self._scope(function, args, kwargs)
            with scope:
                result = await function(*args, **kwargs)
                scope.builder.set_output_summary(result)
                return result

        return wrapper

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            scope = self._scope(function, args, kwargs)
            inner = function(*args, **kwargs)
            output = _Yielded()
            advance, value = inner.send, None
            try:
                while True:
                    try:
                        with scope.active():
                            item = advance(value)
                    except StopIteration as end:
                        scope.builder.set_output_summary(output.text(end.value))
                        scope.close(None)
                        return end.value
                    output.add(item)
                    try:
                        advance, value = inner.send, (yield item)
                    except GeneratorExit:
                        with scope.active():
                            inner.close()
                        raise
                    except BaseException as error:  # noqa: BLE001  (thrown in from outside: passed on)
                        advance, value = inner.throw, error
            except BaseException as error:
                scope.builder.set_output_summary(output.text(None))
                scope.close(error)
                raise

        return wrapper

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            scope = self._scope(function, args, kwargs)
            inner = function(*args, **kwargs)
            output = _Yielded()
            advance, value = inner.asend, None
            try:
                while True:
                    try:
                        with scope.active():
                            item = await advance(value)
                    except StopAsyncIteration:
                        scope.builder.set_output_summary(output.text(None))
                        scope.close(None)
                        return
                    output.add(item)
                    try:
                        advance, value = inner.asend, (yield item)
                    except GeneratorExit:
                        with scope.active():
                            await inner.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001  (thrown in from outside: passed on)
                        advance, value = inner.athrow, error
            except BaseException as error:
                scope.builder.set_output_summary(output.text(None))
                scope.close(error)
                raise

        return wrapper


class _Scope:
    """One opening of a trace: a root of its own, or a step where a trace goes on already."""

    def __init__(self, name: str, options: Options) -> None:
        self._recorder: Recorder = runtime.recorder()
        self.run = self._open(name, options)
        self.builder = self.run.builder = TraceBuilder.over(self._recorder, self.run)
        self._token: Any = None

    def _open(self, name: str, options: Options) -> Run:
        around = self._recorder.surrounding()
        if around is not None and (around.trace.silent or not suppressed.get()):
            run = self._recorder.create(around, "custom", name)
            self._recorder.open(run)
            run.description = options.description or name
            run.private = run.private or not options.capture_content
            return run
        run = self._recorder.begin(name, options)
        trace = run.trace
        trace.name = name
        trace.silent = trace.silent or not runtime.tracing()
        trace.tags.update(opts.identify(options.metadata))
        if options.tags:
            trace.tags["tags"] = ",".join(options.tags)
        return run

    def enter(self) -> None:
        self._token = ambient.set(self.run)

    def leave(self) -> None:
        reset(ambient, self._token)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Have the trace surround the code only while it runs."""
        token = ambient.set(self.run)
        try:
            yield
        finally:
            reset(ambient, token)

    def close(self, error: BaseException | None) -> None:
        status, failure = failed(error) if error is not None else ("ok", None)
        self._recorder.finish(self.run, status, failure)

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.leave()
        self.close(error)


class _Yielded:
    """The first characters of what a generator yielded."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._chars = 0
        self._others = 0

    def add(self, item: object) -> None:
        if isinstance(item, str) and self._chars <= OUTPUT_SUMMARY_LIMIT:
            self._texts.append(item[: OUTPUT_SUMMARY_LIMIT + 1])
            self._chars += len(item)
        elif not isinstance(item, str):
            self._others += 1

    def text(self, returned: object) -> object:
        if self._texts:
            return "".join(self._texts)
        return returned if returned is not None else f"{self._others} items"


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {"args": args, **kwargs}
    return {name: value for name, value in bound.items() if name not in {"self", "cls"}}


def current_trace() -> TraceBuilder | None:
    """Give the trace that surrounds this code (of ``trace()`` or of a framework's run), or None."""
    recorder = runtime.recorder()
    around = recorder.surrounding()
    if around is None:
        return None
    run: Run | None = around
    while run is not None:
        if run.builder is not None:
            return run.builder  # type: ignore[no-any-return]
        run = run.parent
    return TraceBuilder.over(recorder, around.trace.root)


@contextmanager
def suppress() -> Iterator[None]:
    """Record nothing of what starts inside, also where it goes on after the block."""
    token = suppressed.set(True)
    try:
        yield
    finally:
        suppressed.reset(token)
