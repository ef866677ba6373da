"""Calls of models that ``watch()`` of Infinium's own SDK captures: each becomes a step of the trace that surrounds it.

That SDK puts what it captures where a context variable of its own says, by ``set_trace_context()``. In code that a
trace surrounds this says: here. Which trace it is in, a call asks when it begins.
"""

import functools
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from infinium_integrations import diagnostics
from infinium_integrations._entropy import new_id
from infinium_integrations._hooks import prompt_used
from infinium_integrations.models import PromptUse
from infinium_integrations.recording.adapters import bounded_name, set_temperature
from infinium_integrations.recording.exceptions import failed
from infinium_integrations.recording.run import Failure, ModelCall, Run

if TYPE_CHECKING:
    from infinium_integrations.recording.recorder import Recorder

__all__ = ["listen"]

SDK = "infinium.integrations"


def listen(recorder: "Recorder") -> None:
    """Have what the SDK captures in the caller's context recorded, where the program has loaded it."""
    sdk = sys.modules.get(SDK)
    if sdk is not None:
        _listen(recorder, sdk)


@diagnostics.guarded
def _listen(recorder: "Recorder", sdk: ModuleType) -> None:
    if not hasattr(sdk, "set_trace_context"):  # it is being imported
        return
    around = sdk.get_current_trace_context()
    calls = getattr(around, "calls", None)
    if isinstance(calls, _Calls):
        if calls.recorder() is recorder:
            return
        around = calls.around
    sdk.set_trace_context(sdk.TraceContext(calls=_Calls(recorder, around), prompts=_Prompts(around)))


class _Calls(list[Any]):
    """Takes captured calls in place of the SDK's list; a trace of the SDK's own that is around has them as well."""

    def __init__(self, recorder: "Recorder", around: Any) -> None:
        super().__init__()
        self.recorder = weakref.ref(recorder)
        self.around = around

    def append(self, call: Any) -> None:
        if self.around is not None:
            self.around.calls.append(call)
        _begin(self.recorder(), call, sys._getframe(1).f_code)  # noqa: SLF001  (who captures it)


class _Prompts(list[Any]):
    """Takes fetched prompts in the same way."""

    def __init__(self, around: Any) -> None:
        super().__init__()
        self.around = around

    def append(self, fetch: Any) -> None:
        if self.around is not None:
            self.around.prompts.append(fetch)
        _note_prompt(fetch)


@diagnostics.guarded
def _note_prompt(fetch: Any) -> None:
    known = {name: getattr(fetch, name, None) for name in PromptUse.model_fields}
    prompt_used(PromptUse.model_validate({name: value for name, value in known.items() if value is not None}))


@diagnostics.guarded
def _begin(recorder: "Recorder | None", call: Any, captured_by: CodeType) -> None:
    """Record that a call has begun, unless a framework reports it itself."""
    around = recorder.surrounding() if recorder is not None else None
    if recorder is None or around is None or recorder.calling(around) is not None:
        return
    facts = vars(call)
    if around.action == "llm_inference" and around.llm is None:  # the step of ``trace()`` that was made for it
        _take(around, facts)
        return
    if around.llm is not None and not around.llm.as_given:
        return
    model = bounded_name(facts.get("model")) or "model"
    run = recorder.start(new_id(), around.id, "llm_inference", model, options=around.trace.options, watch=False)
    if run is not None:
        _take(run, facts)
        watch = facts["_infinium_watch"] = _Watch(recorder, run, facts, captured_by)
        run.adapter_state = weakref.ref(call, lambda _: watch.gone())
        kind: Any = type(call)
        call.__class__ = _telling(kind)


def _take(run: Run, facts: Mapping[str, Any]) -> None:
    run.llm = ModelCall(requested=bounded_name(facts.get("model")), as_given=True)
    run.llm.unread = _Said(run, run.llm, facts)
    if not run.private and run.input is None and facts.get("input_preview") is not None:
        run.input = run.trace.content.take(facts["input_preview"], run.limit)


@functools.cache
def _telling(kind: type) -> type:
    """Return a captured call's class that tells of what is set on it: the SDK itself tells nobody when a call ends."""

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807
        object.__setattr__(self, name, value)
        _tell(self, name, sys._getframe(1).f_code)  # noqa: SLF001  (whether it is the one that has begun it)

    return type(kind.__name__, (kind,), {"__setattr__": __setattr__, "__module__": kind.__module__})


@diagnostics.guarded
def _tell(call: Any, name: str, by: CodeType) -> None:
    watch = vars(call).get("_infinium_watch")
    if watch is not None:
        watch.was_set(name, by)


class _Watch:
    """Ends the step of a captured call.

    The SDK sets ``latency_ns`` when it ends. Where the function that captured the call does so, tokens and
    ``output_preview``, or the error, are set next; where another does, it is a stream, whose tokens are known by then.
    """

    def __init__(self, recorder: "Recorder", run: Run, facts: dict[str, Any], captured_by: CodeType) -> None:
        self._recorder = recorder
        self._run = run
        self._facts = facts
        self._captured_by = captured_by
        self._over: float | None = None

    def was_set(self, name: str, by: CodeType) -> None:
        """Take in that a field was set."""
        if name == "latency_ns":
            self._over = self._recorder.clock()
            if by is not self._captured_by:
                self._end("ok")
        elif name == "output_preview" and self._over is not None:
            self._end("ok")
        elif name == "error_message":
            error = sys.exc_info()[1]
            status, failure = failed(error) if error is not None else ("error", self._described())
            self._end(status, failure)

    @diagnostics.guarded
    def gone(self) -> None:
        """Take in that nobody holds the call any more: it was left, unless it had ended."""
        self._end("abandoned" if self._over is None else "ok")

    def _described(self) -> Failure:
        kind, message = self._facts.get("error_type"), self._facts.get("error_message")
        return Failure(bounded_name(kind) or "Error", str(message))

    def _end(self, status: str, failure: Failure | None = None) -> None:
        self._facts.pop("_infinium_watch", None)
        self._recorder.finish(self._run, status, failure, at=self._over)


@dataclass(slots=True, eq=False)
class _Said:
    """What is known of a captured call: the SDK's own record of texts and numbers, read on the writer's thread."""

    run: Run
    call: ModelCall
    facts: Mapping[str, Any]

    def read(self) -> Mapping[str, object]:
        """Read it into the call; there is nothing beside."""
        call, facts = self.call, self.facts
        call.model, call.provider = bounded_name(facts.get("model")), bounded_name(facts.get("provider"))
        call.prompt_tokens, call.completion_tokens = (
            _number(facts.get(name)) for name in ("prompt_tokens", "completion_tokens")
        )
        set_temperature(call, facts.get("temperature"))
        taken = _number(facts.get("latency_ns"))
        call.latency_ms = None if taken is None else round(taken / 1_000_000)
        call.partial = taken is None
        said = facts.get("output_preview")
        if isinstance(said, str) and self.run.output is None and not self.run.private:
            self.run.output = said
        return {}


def _number(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
