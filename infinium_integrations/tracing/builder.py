"""TraceBuilder and StepContext: a trace made by hand, with or without a framework's runs in it."""

import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import pydantic

from infinium_integrations import diagnostics, settings
from infinium_integrations._entropy import new_id
from infinium_integrations.capture.preview import cut, preview
from infinium_integrations.errors import InfiniumError, ValidationError
from infinium_integrations.models import (
    DESCRIPTION_LIMIT,
    INPUT_SUMMARY_LIMIT,
    NAME_LIMIT,
    OUTPUT_SUMMARY_LIMIT,
    PREVIEW_LIMIT,
    EnvironmentContext,
    ErrorDetail,
    ExpectedOutcome,
    LlmCall,
    LlmUsage,
    PromptUse,
    TaskData,
    ToolCall,
)
from infinium_integrations.payload.build import assemble
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.exceptions import describe, failed
from infinium_integrations.recording.recorder import Recorder, ambient
from infinium_integrations.recording.run import Failure, ModelCall, Options, Run, ToolUse, Trace
from infinium_integrations.recording.trace_context import span_id_of, traceparent
from infinium_integrations.tracing import adjusted

__all__ = ["StepContext", "TraceBuilder"]

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")
Model = TypeVar("Model", bound=pydantic.BaseModel)

SUMMARIES = ("input_summary", "output_summary")

_innermost: ContextVar[Run | None] = ContextVar("infinium_step", default=None)


def _kept(setter: F) -> F:
    """Have the object go on without it where a setter has a fault."""
    guard = diagnostics.harmless(lambda self, *_args, **_kwargs: self, passes=(InfiniumError,))
    return guard(setter)  # type: ignore[return-value]


class StepContext:
    """One step of a trace, timed between its start and its end.

    Use it as ``with builder.step(...) as step``, ``async with``, through ``run(fn)``, or with ``start()`` and
    ``finish()``, from any thread. Every setter returns the step itself, so that calls chain. Values may be anything:
    a bounded preview is taken at once.

    Example:
        >>> from infinium_integrations import TraceBuilder
        >>> builder = TraceBuilder("Answer")
        >>> with builder.step("tool_use", "Look it up") as step:
        ...     _ = step.set_input("capital of France").record_tool_call("search", http_status=200).set_output("Paris")
        >>> builder.build().steps[0].output_preview
        'Paris'
    """

    def __init__(self, recorder: Recorder, run: Run, *, live: bool) -> None:
        self._recorder = recorder
        self._run = run
        self._live = live
        self._tokens: list[tuple[ContextVar[Run | None], Token[Run | None]]] = []

    @classmethod
    def inert(cls) -> Self:
        """Return a step that is in no trace, for where none could be made."""
        builder = TraceBuilder.inert()
        return cls(builder._recorder, builder._recorder.create(builder._scope, "custom", "step"), live=False)  # noqa: SLF001

    @_kept
    def start(self) -> Self:
        """Start the step's clock; a second call does nothing.

        Returns:
            The step. ``finish`` ends it; a ``with`` block does both.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> _ = builder.step("custom", "Ask").start().finish()
            >>> builder.build().steps[0].metadata["status"]
            'ok'
        """
        self._recorder.open(self._run)
        return self

    @_kept
    def finish(self, error: BaseException | None = None) -> Self:
        """End the step; a second call does nothing.

        Args:
            error: The exception that ended it, if one did.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> _ = builder.step("custom", "Ask").start().finish(ValueError("no answer"))
            >>> builder.build().errors[0].message
            'no answer'
        """
        self.start()
        status, failure = failed(error) if error is not None else (self._run.status or "ok", None)
        if failure is not None:
            self._run.error = None  # what the step survived gives way to what ended it
        self._recorder.finish(self._run, status, failure)
        return self

    def run(self, fn: Callable[["StepContext"], T]) -> T:
        """Call ``fn(step)`` as the step's work. An exception becomes the step's error and goes on to the caller.

        Args:
            fn: A function or coroutine function of the step.

        Returns:
            What ``fn`` returns: a coroutine, to be awaited, where it is a coroutine function.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Add").step("custom", "Sum up").run(lambda step: 1 + 1)
            2
        """

        async def run_async(fn: Callable[["StepContext"], Awaitable[T]]) -> T:
            async with self:
                return await fn(self)

        if inspect.iscoroutinefunction(fn):
            return run_async(fn)  # type: ignore[return-value]
        with self:
            result = fn(self)
            if not inspect.iscoroutine(result):
                return result
        return run_async(lambda _: result)  # type: ignore[return-value]

    @_kept
    def set_input(self, value: object) -> Self:
        """Set what the step received.

        Args:
            value: Anything; it is copied at once, neither consumed nor changed. Its preview has at most
                ``preview_chars`` (500) characters. None takes it back.

        Returns:
            The step.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("custom", "Ask") as step:
            ...     _ = step.set_input({"city": "Paris"})
            >>> builder.build().steps[0].input_preview
            '{"city": "Paris"}'
        """
        self._run.input = self._taken(value)
        return self

    @_kept
    def set_output(self, value: object) -> Self:
        """Set what the step produced.

        Args:
            value: Anything; it is copied at once, neither consumed nor changed. Its preview has at most
                ``preview_chars`` (500) characters. None takes it back.

        Returns:
            The step.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("custom", "Ask") as step:
            ...     _ = step.set_output({"city": "Paris"})
            >>> builder.build().steps[0].output_preview
            '{"city": "Paris"}'
        """
        self._run.output = self._taken(value)
        return self

    @_kept
    def record_tool_call(self, call: ToolCall | Mapping[str, object] | str | None = None, **fields: object) -> Self:
        """Record that the step called a tool.

        Args:
            call: A ``ToolCall``, a dict of its fields, or the tool's name.
            **fields: Fields of a ``ToolCall``, such as ``duration_ms`` (milliseconds) and ``http_status``.

        Returns:
            The step.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("tool_use", "Look up") as step:
            ...     _ = step.record_tool_call("search", http_status=200)
            >>> builder.build().steps[0].tool_call.tool_name
            'search'
        """
        texts = {name: preview(fields[name], PREVIEW_LIMIT) for name in SUMMARIES if fields.get(name) is not None}
        given = self._model(ToolCall, "tool_call", "tool_name", call, {**fields, **texts})
        if given is None:
            return self
        self._run.tool = ToolUse(
            given.tool_name,
            input=texts.get("input_summary", given.input_summary),  # a model forgets that a text was cut
            output=texts.get("output_summary", given.output_summary),
            duration_ms=given.duration_ms,
            http_status=given.http_status,
            as_given=True,
        )
        if given.error is not None:
            self.set_error(given.error)
            self._run.status = "error"
        return self

    @_kept
    def record_llm_call(self, call: LlmCall | Mapping[str, object] | str | None = None, **fields: object) -> Self:
        """Record that the step called a model.

        Args:
            call: An ``LlmCall``, a dict of its fields, or the model's name.
            **fields: Fields of an ``LlmCall``, such as ``prompt_tokens`` and ``latency_ms`` (milliseconds).

        Returns:
            The step.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("llm_inference", "Write") as step:
            ...     _ = step.record_llm_call("gpt-4o", prompt_tokens=12, completion_tokens=3)
            >>> builder.build().llm_usage.total_tokens
            15
        """
        given = self._model(LlmCall, "llm_call", "model", call, fields)
        if given is None:
            return self
        self._run.llm = ModelCall(
            given.model,
            given.provider,
            given.prompt_tokens,
            given.completion_tokens,
            latency_ms=given.latency_ms,
            temperature=given.temperature,
            purpose=given.purpose,
            as_given=True,
        )
        return self

    @_kept
    def set_metadata(self, metadata: Mapping[str, object] | None = None, **facts: object) -> Self:
        """Add facts of your own to the step; a value of None is ignored.

        Args:
            metadata: A dict of facts.
            **facts: Facts by name.

        Returns:
            The step.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("custom", "Ask") as step:
            ...     _ = step.set_metadata(region="eu")
            >>> builder.build().steps[0].metadata["region"]
            'eu'
        """
        self._run.put(**{str(key): value for key, value in {**(metadata or {}), **facts}.items()})
        return self

    @_kept
    def set_error(self, error: BaseException | ErrorDetail | Mapping[str, object]) -> Self:
        """Record an error that the step met and survived, or that was reported and not raised.

        Args:
            error: An exception, an ``ErrorDetail``, or a dict of its fields.

        Returns:
            The step.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Answer")
            >>> with builder.step("custom", "Ask") as step:
            ...     _ = step.set_error({"error_type": "Timeout", "message": "no answer"})
            >>> builder.build().steps[0].error.message
            'no answer'
        """
        if isinstance(error, BaseException):
            failure = describe(error)
        else:
            detail = self._model(ErrorDetail, "error", "message", error, {})
            if detail is None:
                return self
            failure = Failure(detail.error_type, detail.message, code=detail.error_code, attempts=detail.retry_count)
            failure.fatal = not detail.recoverable
        failure.run, failure.private = self._run, self._run.private
        self._run.error = failure
        self._run.trace.failures.append(failure)
        return self

    def _model(
        self, kind: type[Model], field: str, main: str, given: object, fields: Mapping[str, object]
    ) -> Model | None:
        return _model(kind, field, main, given, fields, self._run.trace if self._live else None)

    def _taken(self, value: object) -> object:
        trace = self._run.trace
        return None if value is None else trace.content.take(value, trace.options.preview_chars)

    @_kept
    def __enter__(self) -> Self:
        self.start()
        for var in (_innermost, ambient) if self._live else (_innermost,):
            self._tokens.append((var, var.set(self._run)))
        return self

    @diagnostics.guarded
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._tokens:
            reset(*self._tokens.pop())
        self.finish(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def reset(var: ContextVar[Run | None], token: Token[Run | None]) -> None:
    """Undo a set, also where the block is left in another context than it was entered in."""
    try:
        var.reset(token)
    except ValueError:
        var.set(None)


class TraceBuilder:
    """Builds one ``TaskData`` step by step; safe to use from several threads. Every setter returns the builder.

    Args:
        name: What the agent did, at most 500 characters.
        description: More of it, at most 10,000 characters; the name where left out.

    Raises:
        ValidationError: The name or description is blank or too long.

    Example:
        >>> from infinium_integrations import TraceBuilder
        >>> builder = TraceBuilder("Answer").set_input_summary("What is 6 times 7?").set_output_summary("42")
        >>> with builder.step("llm_inference", "Ask the model") as step:
        ...     _ = step.record_llm_call("gpt-5", prompt_tokens=9, completion_tokens=1)
        >>> task = builder.build()
        >>> task.output_summary, len(task.steps)
        ('42', 1)
    """

    def __init__(self, name: str, description: str | None = None) -> None:
        options = Options(
            description=opts.checked_text("description", description, DESCRIPTION_LIMIT),
            capture_content=settings.current().capture_content,
        )
        if opts.checked_text("name", name, NAME_LIMIT) is None:
            msg = "name is required: say what the agent did"
            raise ValidationError(msg, field="name")
        self._begin(name, options)

    def _begin(self, name: str, options: Options) -> None:
        recorder = Recorder(lambda _: None)  # whoever builds the trace sends it
        trace = Trace(str(new_id()), options, recorder.clock(), recorder.wall())
        trace.name = name
        trace.root = Run(trace.id, trace, None, "custom", name)
        trace.root.started = trace.started
        trace.root.private = not options.capture_content
        self._bind(recorder, trace.root, live=False)

    def _bind(self, recorder: Recorder, scope: Run, *, live: bool) -> None:
        self._recorder = recorder
        self._scope = scope
        self._trace = scope.trace
        self._live = live
        self._lock = threading.Lock()

    @classmethod
    def over(cls, recorder: Recorder, scope: Run) -> Self:
        """Return a builder for a trace that goes on already; its steps stand under ``scope``."""
        builder = cls.__new__(cls)
        builder._bind(recorder, scope, live=True)  # noqa: SLF001
        return builder

    @classmethod
    def inert(cls) -> Self:
        """Return a builder of which nothing is sent, for where a trace could not be opened."""
        builder = cls.__new__(cls)
        builder._begin("trace", Options(capture_content=False))  # noqa: SLF001
        return builder

    def _model(self, kind: type[Model], field: str, given: object, fields: Mapping[str, object]) -> Model | None:
        return _model(kind, field, None, given, fields, self._trace if self._live else None)

    @property
    def trace_id(self) -> str:
        """The trace's own id, which is also its ``Idempotency-Key``."""
        return self._trace.id

    @property
    @diagnostics.harmless(lambda _: "")
    def traceparent(self) -> str:
        """The W3C header by which a service that is called from here joins the trace, by OTLP.

        It names the innermost step around the caller. It is only of use where traces leave by OTLP
        (``INFINIUM_EXPORTERS``).

        Example:
            >>> from infinium_integrations import current_trace, trace
            >>> with trace("Ask a service"):
            ...     headers = {"traceparent": current_trace().traceparent}
            >>> len(headers["traceparent"])
            55
        """
        innermost = (self._scope, _innermost.get(), self._recorder.surrounding() if self._live else None)
        found = [run for run in innermost if run is not None and run.trace is self._trace]
        around = max(found, key=lambda run: run.started)
        step = around if around.is_step and around.number else around.above
        span_id = step.span_id if step is not None else None
        span_id = span_id or span_id_of(self._trace.id, step.number if step is not None else 0)
        if step is not None:
            step.span_id = span_id
        return traceparent(self._trace.id, span_id, self._trace.surrounding)

    @diagnostics.harmless(lambda *_args, **_kwargs: StepContext.inert(), passes=(InfiniumError,))
    def step(self, action: str, description: str) -> StepContext:
        """Add a step; it is numbered now and timed when it is entered, run or started.

        Args:
            action: What kind of step, such as ``tool_use`` or ``llm_inference``; any text that is not blank.
            description: What it does.

        Returns:
            The step, inside the step that surrounds the caller.

        Raises:
            ValidationError: The action is blank.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> builder = TraceBuilder("Plan")
            >>> with builder.step("agent", "Plan"), builder.step("retrieval", "Read"):
            ...     pass
            >>> [step.action for step in builder.build().steps]
            ['agent', 'retrieval']
        """
        if self._live and not diagnostics.is_raising():
            with adjusted.noted(self._trace.tags):
                action = adjusted.text("action", action, NAME_LIMIT, "custom")
        if not isinstance(action, str) or not action.strip():
            msg = 'action must be a text that is not blank, such as "tool_use" or "llm_inference"'
            raise ValidationError(msg, field="action")
        text = preview(description, DESCRIPTION_LIMIT)
        candidates = (_innermost.get(), self._recorder.surrounding() if self._live else None)
        around = next((run for run in candidates if run and run.trace is self._trace and run.ended is None), None)
        run = self._recorder.create(around or self._scope, action, cut(text, NAME_LIMIT))
        run.description = text
        return StepContext(self._recorder, run, live=self._live)

    @_kept
    def set_input_summary(self, value: object) -> Self:
        """Set what the agent received; Maestro reads 3,000 characters of it.

        Args:
            value: Anything; it is copied at once, neither consumed nor changed. None takes it back.

        Returns:
            The builder.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").set_input_summary("Paris").build().input_summary
            'Paris'
        """
        return self._set_summary("input", value, INPUT_SUMMARY_LIMIT)

    @_kept
    def set_output_summary(self, value: object) -> Self:
        """Set what the agent produced; Maestro reads 8,000 characters of it.

        Args:
            value: Anything; it is copied at once, neither consumed nor changed. None takes it back.

        Returns:
            The builder.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").set_output_summary("Paris").build().output_summary
            'Paris'
        """
        return self._set_summary("output", value, OUTPUT_SUMMARY_LIMIT)

    def _set_summary(self, side: Literal["input", "output"], value: object, chars: int) -> Self:
        taken = None if value is None else self._trace.content.take(value, chars)
        if self._scope is self._trace.root:
            self._trace.overrides[f"{side}_summary"] = taken
        else:
            setattr(self._scope, side, taken)
        return self

    @_kept
    def set_expected_outcome(
        self,
        outcome: ExpectedOutcome | Mapping[str, object] | str | None = None,
        **fields: object,
    ) -> Self:
        """Set the rubric by which Maestro grades.

        Args:
            outcome: An ``ExpectedOutcome``, a dict of its fields, or the objective alone.
            **fields: Fields of an ``ExpectedOutcome``.

        Returns:
            The builder.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> built = TraceBuilder("Answer").set_expected_outcome("Name it", constraints=["one word"]).build()
            >>> built.expected_outcome.constraints
            ['one word']
        """
        value = {"task_objective": outcome, **fields} if isinstance(outcome, str) else (outcome or fields)
        self._trace.expected_outcome = self._model(ExpectedOutcome, "expected_outcome", value, {})
        return self

    @_kept
    def set_environment(
        self,
        environment: EnvironmentContext | Mapping[str, object] | None = None,
        **fields: object,
    ) -> Self:
        """Set where the run happened; what is left out is filled in.

        Args:
            environment: An ``EnvironmentContext`` or a dict of its fields.
            **fields: Fields of an ``EnvironmentContext``, such as ``region`` and ``custom_tags``.

        Returns:
            The builder.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").set_environment(region="eu-west-1").build().environment.region
            'eu-west-1'
        """
        given = self._model(EnvironmentContext, "environment", environment, fields)
        if given is not None:
            self._trace.overrides["environment"] = given.model_dump(exclude_none=True)
        return self

    @_kept
    def set_llm_usage(self, usage: LlmUsage | Mapping[str, object] | None = None, **fields: object) -> Self:
        """Set the token statistics, in place of the sum over the steps.

        Args:
            usage: An ``LlmUsage`` or a dict of its fields.
            **fields: Fields of an ``LlmUsage``, such as ``total_tokens`` and ``estimated_cost_usd`` (US dollars).

        Returns:
            The builder.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").set_llm_usage(total_tokens=15).build().llm_usage.total_tokens
            15
        """
        given = self._model(LlmUsage, "llm_usage", usage, fields)
        if given is not None:
            self._trace.overrides["llm_usage"] = given.model_dump(exclude_none=True)
        return self

    @_kept
    def set_section(self, name: str, data: object = None, **fields: object) -> Self:
        """Set one of the eleven domain sections.

        Args:
            name: The section's name, such as ``research``.
            data: The section's model, or a dict of its fields.
            **fields: The fields, where ``data`` is left out.

        Returns:
            The builder.

        Raises:
            ValidationError: No such section, or no such field in it.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").set_section("sales", deal_value=12_000.0).build().sales.deal_value
            12000.0
        """
        given = data if data is not None else fields
        lenient = self._live and not diagnostics.is_raising()
        with adjusted.noted(self._trace.tags):
            section = adjusted.section(name, given) if lenient else opts.section(name, given)
        if section is None:
            return self
        with self._lock:
            sections = {**self._trace.overrides.get("sections", {}), name: section.model_dump(exclude_none=True)}
            self._trace.overrides["sections"] = sections
        return self

    @_kept
    def add_error(
        self, error: BaseException | ErrorDetail | Mapping[str, object] | None = None, **fields: object
    ) -> Self:
        """Add an error to the trace.

        Args:
            error: An exception, an ``ErrorDetail``, or a dict of its fields.
            **fields: Fields of an ``ErrorDetail``, where ``error`` is left out.

        Returns:
            The builder.

        Raises:
            ValidationError: A field is unknown or wrong.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> built = TraceBuilder("Answer").add_error(error_type="Timeout", message="no answer in 5 s").build()
            >>> built.errors[0].error_type
            'Timeout'
        """
        if isinstance(error, BaseException):
            failure = describe(error)
            failure.fatal, failure.private = True, self._scope.private
            with self._lock:
                self._trace.failures.append(failure)
            return self
        detail = self._model(ErrorDetail, "error", error, fields)
        if detail is None:
            return self
        with self._lock:
            self._trace.overrides.setdefault("errors", []).append(detail.model_dump(exclude_none=True))
        return self

    @_kept
    def add_prompt_use(self, prompt: PromptUse) -> None:
        """Note that the run fetched a managed prompt; ``get_prompt`` of the clients calls this.

        Args:
            prompt: Which prompt, which version, and which variables were filled in.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> from infinium_integrations.models import PromptUse
            >>> builder = TraceBuilder("Answer")
            >>> builder.add_prompt_use(PromptUse(prompt_id="p-1", prompt_name="Triage", version=3))
            >>> builder.build().prompt_studio.prompts_used[0].prompt_name
            'Triage'
        """
        with self._lock:
            self._trace.overrides.setdefault("prompts", []).append(prompt.model_dump(exclude_none=True))

    def build(self, trace_context: "TraceBuilder | None" = None) -> TaskData:
        """Return the trace as it is now, redacted and cut to the platform's limits; may be called many times.

        Args:
            trace_context: Another builder, such as ``current_trace()`` returns, whose steps, errors, usage and prompt
                fetches are merged in.

        Returns:
            The trace, for ``client.send_task_data``.

        Example:
            >>> from infinium_integrations import TraceBuilder
            >>> TraceBuilder("Answer").add_error(message="no answer", error_type="Refused").build().errors[0].message
            'no answer'
        """
        from infinium_integrations.payload.captured import Capture, capture_of  # noqa: PLC0415  (as below)
        from infinium_integrations.payload.finalize import Limits, finalize  # noqa: PLC0415  (not on the handlers' light path)

        capture = capture_of(self._trace)
        wire = assemble(self._trace, capture, self._recorder.clock())
        if trace_context is not None and trace_context._trace is not self._trace:  # noqa: SLF001
            own = Capture(capture.redactor, settings.current().content_chars)
            other = assemble(trace_context._trace, own, trace_context._recorder.clock())  # noqa: SLF001
            _merge(wire, other, self._trace.overrides)
        limits = Limits(preview=self._trace.options.preview_chars)
        return TaskData.model_validate(finalize(wire, capture.redactor, cut=True, limits=limits))


def _merge(wire: dict[str, Any], other: dict[str, Any], overrides: Mapping[str, object]) -> None:
    """Add another trace's steps, errors, prompts and usage to this one's."""
    steps, more = wire.get("steps", []), other.get("steps", [])
    first = max((step["step_number"] for step in steps), default=0)
    for step in more:
        step["step_number"] += first
        if step["metadata"].get("parent_step"):
            step["metadata"]["parent_step"] += first
    joined = {"steps": steps + more, "errors": wire.get("errors", []) + other.get("errors", [])}
    wire.update({key: value for key, value in joined.items() if value})
    prompts = [*wire.get("prompt_studio", {}).get("prompts_used", ())]
    prompts += other.get("prompt_studio", {}).get("prompts_used", ())
    if prompts:
        wire["prompt_studio"] = {"prompts_used": prompts}
    if "llm_usage" not in overrides and "llm_usage" in other:
        usage, added = wire.get("llm_usage", {}), other["llm_usage"]
        wire["llm_usage"] = {**added, **usage}
        for key in usage.keys() & added.keys():
            one, two = usage[key], added[key]
            wire["llm_usage"][key] = (one if one == two else "multiple") if isinstance(one, str) else one + two


def _model(
    kind: type[Model], field: str, main: str | None, given: object, fields: Mapping[str, object], live: Trace | None
) -> Model | None:
    """Return a model of what was given; in a ``live`` trace, which is being recorded, of what of it fits."""
    if isinstance(given, kind) and not fields:
        return given
    if given is not None and main and not isinstance(given, Mapping | pydantic.BaseModel):
        given = {main: given}
    if isinstance(given, pydantic.BaseModel):
        given = given.model_dump(exclude_unset=True)
    value = {**given, **fields} if isinstance(given, Mapping) else (given or fields)
    if live is not None and not diagnostics.is_raising():
        with adjusted.noted(live.tags):
            return adjusted.model(kind, field, value if isinstance(value, Mapping) else {})
    return opts.validated(field, kind, value)
