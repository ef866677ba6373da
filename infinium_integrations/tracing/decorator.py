"""``trace()``: one trace around any code, as a context manager and as a decorator."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, TypeVar, Unpack

from infinium_integrations import diagnostics, runtime
from infinium_integrations.errors import ConfigurationError, InfiniumError, ValidationError
from infinium_integrations.models import DESCRIPTION_LIMIT, NAME_LIMIT, OUTPUT_SUMMARY_LIMIT
from infinium_integrations.recording import options as opts
from infinium_integrations.recording import watched
from infinium_integrations.recording.exceptions import failed
from infinium_integrations.recording.recorder import ambient, suppressed
from infinium_integrations.recording.run import Options, Run
from infinium_integrations.recording.trace_context import Surrounding, parse
from infinium_integrations.tracing import adjusted
from infinium_integrations.tracing.builder import StepContext, TraceBuilder, reset

__all__ = ["StepContext", "TraceBuilder", "current_trace", "suppress", "trace"]

F = TypeVar("F", bound=Callable[..., object])

_nothing: Callable[..., Any] = lambda *_args: None  # noqa: E731  (typed, for a guard)


class trace:  # noqa: N801  (used as a function is)
    """Open a trace around a block or a function, and send it at the end.

    LangChain and LlamaIndex runs inside become its steps, and so does another ``trace()``. An exception is recorded
    and goes on. As a decorator it serves functions, coroutine functions and generators of both kinds; the arguments
    are the input, what is returned or yielded is the output, unless the function sets summaries of its own
    (``current_trace()``). Any thread may use it; one decorator serves all calls.

    Args:
        name: What the agent does, at most 500 characters.
        description: More of it, at most 10,000 characters; the name where left out.
        traceparent: W3C's header that came with what is worked on, such as a message of a queue: by OTLP the trace is
            then part of the trace that it names. One that is malformed is passed over.
        **options: ``expected_outcome``, ``sections``, ``tags``, ``metadata`` (its ``session_id`` and ``user_id`` name
            the session and the user), ``capture_content``, ``detail``, ``redact``, ``client``, ``preview_chars``: as
            with the handlers.

    Raises:
        ValidationError: A name, rubric or section that the platform would refuse.
        ConfigurationError: An option or a setting that cannot work.

    Example:
        >>> from infinium_integrations import trace
        >>> from infinium_integrations.testing import captured_traces
        >>> @trace("Shout")
        ... def shout(text):
        ...     return text.upper()
        >>> with captured_traces() as traces:
        ...     shout("hello")
        'HELLO'
        >>> traces[0].name, traces[0].output_summary
        ('Shout', 'HELLO')
    """

    _name, _options = "trace", Options()
    _surrounding: Surrounding | None = None

    @diagnostics.harmless(lambda *_args, **_kwargs: None, passes=(InfiniumError,))
    def __init__(
        self,
        name: str,
        description: str | None = None,
        *,
        traceparent: str | bytes | None = None,
        **options: Unpack[opts.TraceOptions],
    ) -> None:
        self._scopes: list[_Scope] = []
        self._adjusted: dict[str, str] = {}
        """Which of the options did not fit, as a fact of each trace."""
        if not diagnostics.is_raising():
            with adjusted.noted(self._adjusted):
                name = adjusted.text("name", name, NAME_LIMIT, "trace")
                if description is not None:
                    description = adjusted.text("description", description, DESCRIPTION_LIMIT, name)
                options = adjusted.options(options)
        if opts.checked_text("name", name, NAME_LIMIT) is None:
            msg = "name is required: say what the agent does"
            raise ValidationError(msg, field="name")
        self._surrounding = _joined(traceparent)
        self._name = name
        self._options = opts.make_options(name=name, description=description, **options)
        runtime.tracing(self._options.client)

    @diagnostics.harmless(lambda _: TraceBuilder.inert(), passes=(ConfigurationError,))
    def __enter__(self) -> TraceBuilder:
        scope = _Scope(self._name, self._options, self._adjusted, self._surrounding)
        scope.enter(self)
        return scope.builder

    @diagnostics.guarded
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope = next((scope for scope in reversed(_entered.get()) if scope.owner is self and not scope.left), None)
        # left in another context than it was entered in, such as a fixture's
        scope = scope or next((scope for scope in reversed(self._scopes) if not scope.left), None)
        if scope is not None:
            scope.leave(error)

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
        """Decorate a function: each call is one trace.

        Raises:
            TypeError: It is a ``classmethod`` or ``staticmethod``; the decorator belongs below that.
        """
        if isinstance(function, classmethod | staticmethod):
            msg = "put @trace(...) below @classmethod or @staticmethod, next to the function itself"
            raise TypeError(msg)
        wrapper: Callable[..., object]
        if inspect.isasyncgenfunction(function):
            wrapper = _around_async_generator(function, self._scope)
        elif inspect.isgeneratorfunction(function):
            wrapper = _around_generator(function, self._scope)
        else:
            wrapper = _around_function(function, self._scope)
        return functools.wraps(function)(wrapper)  # type: ignore[return-value]

    @diagnostics.harmless(_nothing)
    def _scope(
        self, function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> "_Scope | None":
        scope = _Scope(self._name, self._options, self._adjusted, self._surrounding)
        try:
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
            given = {name: value for name, value in bound.items() if name not in {"self", "cls"}}
        except (TypeError, ValueError):
            given = {"args": args, **kwargs}
        scope.called("input", given)
        return scope


def _joined(traceparent: object) -> Surrounding | None:
    """Return the span that a header names; one that came from outside must not raise, whatever it is."""
    text = traceparent.decode("latin-1") if isinstance(traceparent, bytes) else traceparent
    found = parse(text) if isinstance(text, str) else None
    if found is None and text not in (None, ""):
        diagnostics.warn_once("traceparent", "trace() was given a traceparent that is none: it is passed over.")
    return found


class _Scope:
    """One opening of a trace: a root of its own, or a step where a trace goes on already."""

    owner: trace | None = None
    left = False

    def __init__(
        self, name: str, options: Options, facts: Mapping[str, str], surrounding: Surrounding | None = None
    ) -> None:
        self._recorder = runtime.recorder()
        self._token: Token[Run | None] | None = None
        around = self._recorder.surrounding()
        if around is not None and (around.trace.silent or not suppressed.get()):
            self._run = self._recorder.create(around, "custom", name)
            self._recorder.open(self._run)
            self._run.description = options.description or name
            self._run.private = self._run.private or not options.capture_content
        else:
            self._run = self._recorder.begin(name, options)
            trace = self._run.trace
            trace.name = name
            trace.surrounding = surrounding or trace.surrounding
            trace.silent = trace.silent or not runtime.tracing()
            trace.tags.update(opts.identify(options.metadata))
            if options.tags:
                trace.tags["tags"] = ",".join(options.tags)
        self._run.trace.tags.update(facts)
        self.builder = TraceBuilder.over(self._recorder, self._run)
        self._run.builder = self.builder

    def called(self, side: Literal["input", "output"], value: object) -> None:
        """Take the arguments of a decorated function, or what it gave; a summary that its user sets stands."""
        overrides, is_root = self._run.trace.overrides, self._run is self._run.trace.root
        if side == "input":
            self.builder.set_input_summary(value)
        elif (overrides.get("output_summary") if is_root else self._run.output) is None:
            self.builder.set_output_summary(value)
        else:
            return
        if is_root:
            overrides[f"called_{side}"] = overrides.get(f"{side}_summary")

    @diagnostics.guarded
    def close(self, error: BaseException | None) -> None:
        status, failure = failed(error) if error is not None else ("ok", None)
        self._recorder.finish(self._run, status, failure)

    def surround(self) -> None:
        """Have the trace surround the code that follows."""
        self._token = ambient.set(self._run)
        watched.listen(self._recorder)

    def step_back(self) -> None:
        """Have it surround the code no longer."""
        token, self._token = self._token, None
        if token is not None:
            reset(ambient, token)

    def enter(self, owner: trace | None = None) -> None:
        """Have it surround what follows; ``owner`` is the object that stands in the ``with`` statement."""
        if owner is not None:  # first of all: what is found can be left
            self.owner = owner
            owner._scopes.append(self)  # noqa: SLF001
            _entered.set((*_not_left(_entered.get()), self))
        self.surround()

    def leave(self, error: BaseException | None) -> None:
        """Undo ``enter`` and end; each part is done whatever becomes of the others."""
        self.left = True
        try:
            if self._token is not None:
                reset(ambient, self._token)
        finally:
            try:
                self.close(error)
            finally:
                if self.owner is not None:
                    self.owner._scopes.remove(self)  # noqa: SLF001
                    _entered.set(_not_left(_entered.get()))


def _not_left(scopes: Iterable[_Scope]) -> tuple[_Scope, ...]:
    return tuple([scope for scope in scopes if not scope.left])


_entered: ContextVar[tuple[_Scope, ...]] = ContextVar("infinium_entered", default=())
"""The ``with`` blocks of ``trace`` objects that this code is in: one object may be entered by many tasks at once."""


Opener = Callable[[Callable[..., object], tuple[object, ...], dict[str, object]], _Scope | None]


def _around_function(function: Callable[..., Any], opened: Opener) -> Callable[..., object]:
    def enter(called: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Scope | None:
        scope = opened(called, args, kwargs)
        if scope is not None:
            scope.enter()
        return scope

    def leave(scope: _Scope | None, error: BaseException | None, result: object) -> None:
        if scope is not None:
            if error is None:
                scope.called("output", result)
            scope.leave(error)

    return diagnostics.surrounded(function, enter, leave)


def _around_generator(function: Callable[..., Any], opened: Opener) -> Callable[..., object]:
    def wrapper(*args: object, **kwargs: object) -> Generator[object, object, object]:
        output = _yielded(opened, function, args, kwargs)
        thrown, value = _Thrown(), None
        with output:
            inner = function(*args, **kwargs)
            while True:
                advance, given = (inner.throw, thrown.error) if thrown.error is not None else (inner.send, value)
                try:
                    with output.running:
                        item = advance(given)
                except StopIteration as end:
                    output.returned = end.value
                    return end.value
                output.add(item)
                try:
                    with thrown:
                        value = yield item
                except GeneratorExit:
                    with output.running:
                        inner.close()
                    raise

    return wrapper


def _around_async_generator(function: Callable[..., Any], opened: Opener) -> Callable[..., object]:
    async def wrapper(*args: object, **kwargs: object) -> AsyncGenerator[object, object]:
        output = _yielded(opened, function, args, kwargs)
        thrown, value = _Thrown(), None
        with output:
            inner = function(*args, **kwargs)
            while True:
                advance, given = (inner.athrow, thrown.error) if thrown.error is not None else (inner.asend, value)
                try:
                    with output.running:
                        item = await advance(given)
                except StopAsyncIteration:
                    return
                output.add(item)
                try:
                    with thrown:
                        value = yield item
                except GeneratorExit:
                    with output.running:
                        await inner.aclose()
                    raise

    return wrapper


class _Thrown:
    """Holds what was thrown into a generator at its ``yield``, to be thrown into the inner one; a close goes on."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        self.error = None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is None or isinstance(error, GeneratorExit):
            return False
        self.error = error
        return True


class _Running:
    """Has a scope surround the code of a generator while that runs, and not what takes its items."""

    def __init__(self, scope: _Scope | None) -> None:
        self._scope = scope

    @diagnostics.guarded
    def __enter__(self) -> None:
        if self._scope is not None:
            self._scope.surround()

    @diagnostics.guarded
    def __exit__(self, *_: object) -> None:
        if self._scope is not None:
            self._scope.step_back()


class _Yielded:
    """Keeps the first characters of what a generator yields, and ends its scope with them as the output.

    Every part that is called is guarded: the generator goes on without a part of its trace, or without any.
    """

    def __init__(self, scope: _Scope | None) -> None:
        self.running = _Running(scope)
        self.returned: object = None
        self._scope = scope
        self._texts: list[str] = []
        self._chars = 0
        self._others = 0

    @diagnostics.guarded
    def add(self, item: object) -> None:
        if isinstance(item, str) and self._chars <= OUTPUT_SUMMARY_LIMIT:
            self._texts.append(item[: OUTPUT_SUMMARY_LIMIT + 1])
            self._chars += len(item)
        elif not isinstance(item, str):
            self._others += 1

    @diagnostics.guarded
    def __enter__(self) -> None: ...

    @diagnostics.guarded
    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._scope is None:
            return
        output = self.returned if self.returned is not None else f"{self._others} items"
        try:
            self._scope.called("output", "".join(self._texts) if self._texts else output)
        finally:
            self._scope.close(error)


@diagnostics.harmless(lambda *_: _Yielded(None))
def _yielded(
    opened: Opener, function: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> _Yielded:
    return _Yielded(opened(function, args, kwargs))


def current_trace() -> TraceBuilder | None:
    """Return the trace that surrounds this code, of ``trace()`` or of a framework's run.

    It follows the context: a thread of your own sees it only where it runs in a copy of that context.

    Returns:
        Its builder, to add steps, summaries and sections to; None where nothing is being traced here.

    Example:
        >>> from infinium_integrations import current_trace, trace
        >>> from infinium_integrations.testing import captured_traces
        >>> with captured_traces() as traces, trace("Look up"):
        ...     _ = current_trace().set_output_summary("found")
        >>> traces[0].output_summary, current_trace()
        ('found', None)
    """
    recorder = runtime.recorder()
    around = recorder.surrounding()
    if around is None:
        return None
    run: Run | None = around
    while run is not None:
        if isinstance(run.builder, TraceBuilder):
            return run.builder
        run = run.parent
    return TraceBuilder.over(recorder, around.trace.root)


@contextmanager
def suppress() -> Iterator[None]:
    """Record nothing of what starts inside, also where it goes on after the block.

    Example:
        >>> from infinium_integrations import suppress, trace
        >>> from infinium_integrations.testing import captured_traces
        >>> with captured_traces() as traces, suppress(), trace("Health check"):
        ...     pass
        >>> traces
        []
    """
    token = suppressed.set(True)
    try:
        yield
    finally:
        suppressed.reset(token)
