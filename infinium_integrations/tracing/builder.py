"""TraceBuilder and StepContext: a trace made by hand, with or without a framework's runs in it."""

import inspect
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self, TypeVar

import pydantic

from infinium_integrations import settings
from infinium_integrations.capture.preview import preview
from infinium_integrations.errors import ValidationError
from infinium_integrations.models import (
    DESCRIPTION_LIMIT,
    INPUT_SUMMARY_LIMIT,
    NAME_LIMIT,
    OUTPUT_SUMMARY_LIMIT,
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

__all__ = ["StepContext", "TraceBuilder"]

T = TypeVar("T")
Model = TypeVar("Model", bound=pydantic.BaseModel)

SUMMARY_CHARS = 500
SUMMARIES = ("input_summary", "output_summary")

_innermost: ContextVar[Run | None] = ContextVar("infinium_step", default=None)


class StepContext:
    """One step of a trace, timed between its start and its end.

    Use it as ``with builder.step(...) as step``, ``async with``, through ``run(fn)``, or with ``start()`` and
    ``finish()``. Every setter gives the step itself, so that calls chain. Values may be anything: a bounded preview
    is taken at once.
    """

    def __init__(self, recorder: Recorder, run: Run, *, live: bool) -> None:
        self._recorder = recorder
        self._run = run
        self._live = live
        self._tokens: list[tuple[ContextVar[Run | None], Token[Run | None]]] = []

    def start(self) -> Self:
        """Start the step's clock; a second call does nothing."""
        self._recorder.open(self._run)
        return self

    def finish(self, error: BaseException | None = None) -> Self:
        """End the step, with the exception that ended it if there was one; a second call does nothing."""
        self.start()
        status, failure = failed(error) if error is not None else (self._run.status or "ok", None)
        self._recorder.finish(self._run, status, failure)
        return self

    def run(self, fn: Callable[["StepContext"], T]) -> T:
        """Call ``fn(step)`` as the step's work and give what it gives (a coroutine where ``fn`` is async).

        An exception becomes the step's error and goes on to the caller.
        """
        if inspect.iscoroutinefunction(fn):
            return self._run_async(fn)  # type: ignore[return-value]
        with self:
            result = fn(self)
            if not inspect.iscoroutine(result):
                return result
        return self._run_async(lambda _: result)  # type: ignore[return-value]

    async def _run_async(self, fn: Callable[["StepContext"], Awaitable[T]]) -> T:
        async with self:
            return await fn(self)

    def set_input(self, value: object) -> Self:
        """Set what the step received; its preview has at most 500 characters. None is nothing."""
        self._run.input = self._preview(value)
        return self

    def set_output(self, value: object) -> Self:
        """Set what the step produced; its preview has at most 500 characters. None is nothing."""
        self._run.output = self._preview(value)
        return self

    def record_tool_call(self, call: ToolCall | Mapping[str, Any] | str | None = None, **fields: Any) -> Self:
        """Record that the step called a tool: a ``ToolCall``, a dict, the tool's name, or fields of a ``ToolCall``.

        Raises:
            ValidationError: A field is unknown or wrong.
        """
        texts = {name: preview(fields[name], SUMMARY_CHARS) for name in SUMMARIES if fields.get(name) is not None}
        given = _model(ToolCall, "tool_call", "tool_name", call, {**fields, **texts})
        tool = ToolUse(given.tool_name)
        tool.as_given = True
        tool.duration_ms = given.duration_ms
        tool.http_status = given.http_status
        tool.input = given.input_summary
        tool.output = given.output_summary
        self._run.tool = tool
        return self if given.error is None else self.set_error(given.error)

    def record_llm_call(self, call: LlmCall | Mapping[str, Any] | str | None = None, **fields: Any) -> Self:
        """Record that the step called a model: an ``LlmCall``, a dict, the model's name, or fields of an ``LlmCall``.

        Raises:
            ValidationError: A field is unknown or wrong.
        """
        given = _model(LlmCall, "llm_call", "model", call, fields)
        record = ModelCall(given.model, given.provider, given.prompt_tokens, given.completion_tokens)
        record.as_given = True
        record.latency_ms = given.latency_ms
        record.temperature = given.temperature
        record.purpose = given.purpose
        self._run.llm = record
        return self

    def set_metadata(self, metadata: Mapping[str, Any] | None = None, **facts: Any) -> Self:
        """Add facts of your own to the step."""
        self._run.put(**{str(key): value for key, value in {**(metadata or {}), **facts}.items()})
        return self

    def set_error(self, error: BaseException | ErrorDetail | Mapping[str, Any]) -> Self:
        """Record an error that the step met and survived, or that was told and not raised."""
        failure = (
            describe(error)
            if isinstance(error, BaseException)
            else _failure(_model(ErrorDetail, "error", "message", error, {}))
        )
        failure.run, failure.private = self._run, self._run.private
        self._run.error, self._run.status = failure, "error"
        self._run.trace.failures.append(failure)
        return self

    def _preview(self, value: object) -> str | None:
        return None if value is None else preview(value, self._run.trace.options.preview_chars)

    def __enter__(self) -> Self:
        self.start()
        for var in (_innermost, ambient) if self._live else (_innermost,):
            self._tokens.append((var, var.set(self._run)))
        return self

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
    """Builds one ``TaskData`` step by step; safe to use from several threads.

    Args:
        name: What the agent did, at most 500 characters.
        description: More of it, at most 10,000 characters; the name where left out.

    Raises:
        ValidationError: The name or description is blank or too long.
    """

    def __init__(self, name: str, description: str | None = None) -> None:
        recorder = Recorder(_nowhere)
        options = Options(
            description=opts.checked_text("description", description, DESCRIPTION_LIMIT),
            capture_content=settings.current().capture_content,
        )
        if opts.checked_text("name", name, NAME_LIMIT) is None:
            msg = "name is required: say what the agent did"
            raise ValidationError(msg, field="name")
        trace = Trace(str(uuid.uuid4()), options, recorder.clock(), recorder.wall())
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
        """Give a builder for a trace that goes on already; its steps stand under ``scope``."""
        builder = cls.__new__(cls)
        builder._bind(recorder, scope, live=True)  # noqa: SLF001
        return builder

    @property
    def trace_id(self) -> str:
        """The trace's own id, which is also its ``Idempotency-Key``."""
        return self._trace.id

    def step(self, action: str, description: str) -> StepContext:
        """Add a step; it is numbered now and timed when it is entered, run or started.

        Args:
            action: What kind of step, such as ``tool_use`` or ``llm_inference``; any text that is not blank.
            description: What it does.
        """
        if not isinstance(action, str) or not action.strip():
            msg = 'action must be a text that is not blank, such as "tool_use" or "llm_inference"'
            raise ValidationError(msg, field="action")
        text = preview(description, DESCRIPTION_LIMIT)
        run = self._recorder.create(self._around(), action, text[:NAME_LIMIT])
        run.description = text
        return StepContext(self._recorder, run, live=self._live)

    def _around(self) -> Run:
        for run in (_innermost.get(), self._recorder.surrounding() if self._live else None):
            if run is not None and run.trace is self._trace and run.ended is None:
                return run
        return self._scope

    def set_input_summary(self, value: object) -> Self:
        """Set what the agent received; Maestro reads 3,000 characters of it."""
        text = None if value is None else preview(value, INPUT_SUMMARY_LIMIT)
        if self._scope is self._trace.root:
            return self._give("input_summary", text)
        self._scope.input = text
        return self

    def set_output_summary(self, value: object) -> Self:
        """Set what the agent produced; Maestro reads 8,000 characters of it."""
        text = None if value is None else preview(value, OUTPUT_SUMMARY_LIMIT)
        if self._scope is self._trace.root:
            return self._give("output_summary", text)
        self._scope.output = text
        return self

    def set_expected_outcome(
        self,
        outcome: ExpectedOutcome | Mapping[str, Any] | str | None = None,
        **fields: Any,
    ) -> Self:
        """Set the rubric by which Maestro grades: a model, a dict, the objective alone, or fields."""
        value = {"task_objective": outcome, **fields} if isinstance(outcome, str) else (outcome or fields)
        self._trace.expected_outcome = opts.outcome(value)
        return self

    def set_environment(
        self,
        environment: EnvironmentContext | Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Self:
        """Set where the run happened; fields that are left out are filled in."""
        given = _model(EnvironmentContext, "environment", None, environment, fields)
        return self._give("environment", given.model_dump(exclude_none=True))

    def set_llm_usage(self, usage: LlmUsage | Mapping[str, Any] | None = None, **fields: Any) -> Self:
        """Set the token statistics, in place of the sum over the steps."""
        given = _model(LlmUsage, "llm_usage", None, usage, fields)
        return self._give("llm_usage", given.model_dump(exclude_none=True))

    def set_section(self, name: str, data: object = None, **fields: Any) -> Self:
        """Set one of the eleven domain sections, such as ``research``.

        Raises:
            ValidationError: No such section, or no such field in it.
        """
        section = opts.section(name, data if data is not None else fields)
        with self._lock:
            sections = {**self._trace.overrides.get("sections", {}), name: section.model_dump(exclude_none=True)}
            self._trace.overrides["sections"] = sections
        return self

    def add_error(self, error: BaseException | ErrorDetail | Mapping[str, Any] | None = None, **fields: Any) -> Self:
        """Add an error: an exception, an ``ErrorDetail``, a dict, or fields."""
        if isinstance(error, BaseException):
            failure = describe(error)
            failure.fatal, failure.private = True, self._scope.private
            with self._lock:
                self._trace.failures.append(failure)
            return self
        detail = _model(ErrorDetail, "error", None, error, fields)
        with self._lock:
            self._trace.overrides.setdefault("errors", []).append(detail.model_dump(exclude_none=True))
        return self

    def _add_prompt(self, prompt: PromptUse) -> None:
        with self._lock:
            self._trace.overrides.setdefault("prompts", []).append(prompt.model_dump(exclude_none=True))

    def _give(self, key: str, value: object) -> Self:
        self._trace.overrides[key] = value
        return self

    def build(self, trace_context: "TraceBuilder | None" = None) -> TaskData:
        """Give the trace as it is now; may be called many times.

        Args:
            trace_context: Another builder, such as ``current_trace()`` gives, whose steps, errors, usage and prompt
                fetches are merged in.
        """
        from infinium_integrations.payload.finalize import Limits, finalize  # noqa: PLC0415  (not on the handlers' light path)
        from infinium_integrations.redaction.redactor import Redactor, process_secrets  # noqa: PLC0415

        draft = self._draft()
        if trace_context is not None and trace_context._trace is not self._trace:  # noqa: SLF001
            _merge(draft, trace_context._draft(), self._trace.overrides)  # noqa: SLF001
        limits = Limits(preview=self._trace.options.preview_chars)
        redactor = Redactor(secrets=process_secrets(), user=self._trace.options.redact)
        return TaskData.model_validate(finalize(draft, redactor, cut=True, limits=limits))

    def _draft(self) -> dict[str, Any]:
        return assemble(self._trace, self._recorder.clock())


def _nowhere(trace: Trace) -> None:
    """A builder's trace is sent by whoever builds it."""


def _merge(draft: dict[str, Any], other: dict[str, Any], given: Mapping[str, Any]) -> None:
    steps, more = draft.get("steps", []), other.get("steps", [])
    first = max((step["step_number"] for step in steps), default=0)
    for step in more:
        step["step_number"] += first
        if step["metadata"].get("parent_step"):
            step["metadata"]["parent_step"] += first
    joined = {"steps": steps + more, "errors": draft.get("errors", []) + other.get("errors", [])}
    draft.update({key: value for key, value in joined.items() if value})
    prompts = [*draft.get("prompt_studio", {}).get("prompts_used", ())]
    prompts += other.get("prompt_studio", {}).get("prompts_used", ())
    if prompts:
        draft["prompt_studio"] = {"prompts_used": prompts}
    if "llm_usage" not in given and "llm_usage" in other:
        draft["llm_usage"] = (
            _both(draft["llm_usage"], other["llm_usage"]) if "llm_usage" in draft else other["llm_usage"]
        )


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    whole = {**other, **one}
    for key in whole:
        if key in one and key in other:
            same = one[key] == other[key]
            whole[key] = (one[key] if same else "multiple") if isinstance(one[key], str) else one[key] + other[key]
    return whole


def _model(kind: type[Model], field: str, main: str | None, given: object, fields: Mapping[str, Any]) -> Model:
    if isinstance(given, kind) and not fields:
        return given
    if isinstance(given, str) and main:
        given = {main: given}
    if isinstance(given, pydantic.BaseModel):
        given = given.model_dump()
    try:
        return kind.model_validate({**given, **fields} if isinstance(given, Mapping) else (given or fields))
    except pydantic.ValidationError as error:
        raise opts.explain(error, field) from None


def _failure(detail: ErrorDetail) -> Failure:
    failure = Failure(detail.error_type, detail.message)
    failure.code = detail.error_code
    failure.attempts = detail.retry_count
    failure.fatal = not detail.recoverable
    return failure
