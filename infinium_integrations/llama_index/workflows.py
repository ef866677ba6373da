"""Workflows and agents: their steps, turns, hand-offs, tools that nothing ran, and steps that are run again."""

import functools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.capture.content import Conversation
from infinium_integrations.llama_index import frames, interruptions, span_content
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.classify import AGENT_TURN, Kind
from infinium_integrations.llama_index.content import take, tool_message
from infinium_integrations.llama_index.span_state import Flow, State, Work, above
from infinium_integrations.recording.run import Failure, Run, ToolUse

__all__ = ["begin", "call_id", "dropped", "ended", "named", "sign", "stopped"]

UNNAMED = "Agent"
"""LlamaIndex's name for an agent that its user gave none."""


def named(what: Kind, instance: object) -> str | None:
    """Return the name of an agent that its user named; None for any other root."""
    if what.action != "agent" or instance is None:
        return None
    name = getattr(instance, "__dict__", {}).get("name")
    return name if isinstance(name, str) and name.strip() and name != UNNAMED else None


def begin(run: Run, state: State, instance: object, arguments: Mapping[str, Any]) -> None:
    """Take a workflow's run or one of its steps in."""
    if state.kind.role == "flow":
        state.flow = Flow(id(instance), run)
        interruptions.resumed(run, state.flow, arguments)
        return
    event, flow = _event_of(arguments), _flow(run)
    state.work = (state.kind.method, id(event))
    if flow is not None:
        _goes_on(run, flow, state.work, event)
    agent = getattr(event, "__dict__", {}).get("current_agent_name")
    if is_a(event, "ToolCall"):
        state.call_id = event.tool_id
    if flow is not None and isinstance(agent, str):
        flow.agent = agent
    if not run.is_step:
        return
    run.put(event=type(event).__name__ if event is not None else None)
    if flow is not None:
        run.put(agent=flow.agent)
        if state.kind.method == AGENT_TURN:
            flow.turns += 1
            run.description = f"{flow.agent or UNNAMED}, turn {flow.turns}"
            run.input = Conversation(flow.results) if flow.results else None
            flow.results = []


def _event_of(arguments: Mapping[str, Any]) -> Any:
    for value in arguments.values():
        if is_a(value, "Event"):
            return value
    return None


def _goes_on(run: Run, flow: Flow, work: Work, event: object) -> None:
    """Take in that a workflow has come to its next step, maybe one that is run again: it failed, or it has waited."""
    waited = flow.again.pop(work, None)
    if waited is not None:
        waited.status = "interrupted"
        interruptions.taken_back(flow, waited)
        run.put(replayed=True)
    flow.waits.discard(work)
    flow.idle = False
    flow.asked = flow.asked and id(event) in flow.made
    flow.working += 1
    interruptions.refresh(flow)
    if flow.resumed:
        interruptions.answered(flow.run, flow, event, getattr(_kept("state"), "collected_waiters", None))
    failed = flow.failed.get(work) if run.is_step else None
    if failed is not None:
        run.follow(failed)


def sign(run: Run) -> None:
    """Put the name of the agent that is at work on a step."""
    flow = _flow(run.parent)
    if flow is not None and flow.agent is not None:
        run.put(agent=flow.agent)


def _kept(name: str) -> Any:
    """Return what the framework keeps of the step that the caller is in; versions before 2.9 keep nothing."""
    kept = _keeper()
    return getattr(kept.get(None), name, None) if kept is not None else None


@functools.cache
def _keeper() -> ContextVar[object] | None:
    """Return where the framework keeps it; its steps run, so that all its modules are loaded."""
    known = getattr(sys.modules.get("workflows.runtime.types.results"), "StepWorkerStateContextVar", None)
    return known if isinstance(known, ContextVar) else None


def _flow(run: Run | None) -> Flow | None:
    state = above(run, "flow")
    return state.flow if state is not None else None


def call_id(run: Run) -> str | None:
    """Return the id of the tool call that a tool runs for, and remember that it ran."""
    step = above(run.parent, "step")
    if step is None or step.ran:
        return None
    step.ran = True
    return step.call_id


def ended(run: Run, state: State, result: object) -> tuple[str, Failure | None]:
    """Return how a workflow's run or a step ended; older workflows end a failed run with nothing at all."""
    if state.kind.role == "step":
        stopped(run, state, result)
        return _step_ended(run, state, result), None
    if state.flow is not None and result is None and not state.flow.stopped:
        failure = run.child_errors[-1] if run.child_errors else None
        return ("error", failure) if failure is not None else (interruptions.left(run, state, "cancelled"), None)
    if state.flow is not None:
        run.interrupted = False
    return "ok", None


def _step_ended(run: Run, state: State, result: Any) -> str:
    flow = _flow(run)
    if is_a(result, "ToolCallResult"):
        if result.tool_output.is_error and not state.ran:
            _unknown_tool(run, state, result)
        if flow is not None and not run.private:
            flow.results.append(tool_message(run.trace.content, result, run.trace.options.preview_chars))
    given = result if isinstance(result, list) else [result] if result is not None else []
    entries = getattr(_kept("sends"), "entries", None)
    sent = [*given, *[one.event for one in entries]] if entries else given
    if run.is_step and sent:
        run.put(emits=_counted(sent))
        if result is None and not run.private:
            run.output = _counted(sent)
    if flow is None or state.work is None:
        return "ok"
    for event in sent:
        flow.made_by_steps(event)
    flow.working -= 1
    status = "ok" if given else _gave_nothing(run, flow, state.work, sent=bool(sent))
    for event in given:
        if is_a(event, "InputRequiredEvent"):
            flow.asked, flow.question = True, run.output
            interruptions.asks(run, flow, event)
    interruptions.refresh(flow)
    return status


def _counted(events: Sequence[object]) -> str:
    """Name events by their classes; where there are several of one, with their number."""
    if len(events) == 1:
        return type(events[0]).__name__
    kinds = Counter(type(event).__name__ for event in events)
    return ", ".join(f"{count} × {name}" for name, count in kinds.items())  # noqa: RUF001  (meant)


def _gave_nothing(run: Run, flow: Flow, work: Work, *, sent: bool) -> str:
    """Return the status of a step that gave nothing: it waits, or it has gathered what is not complete yet."""
    known, waits = frames.waiting()
    if waits is not None:
        _asks(run, waits)
        _waits(run, flow, work)
        return "interrupted"
    gathered = any(type(one).__name__ == "AddCollectedEvent" for one in getattr(_kept("returns"), "return_values", ()))
    if not known and not gathered and not sent and run.is_step:
        flow.remember(flow.again, work, run)
    flow.idle = not flow.working and not gathered and not sent
    return "ok"


def _waits(run: Run, flow: Flow, work: Work) -> None:
    flow.waits.add(work)
    if run.is_step:
        flow.remember(flow.again, work, run)


def _asks(run: Run, waits: object) -> None:
    """Take what a step or a tool asks for while it waits."""
    asks = getattr(getattr(waits, "add", None), "waiter_event", None)
    if asks is None or run.private:
        return
    asked = take(run.trace.content, asks, run.trace.options.preview_chars)
    run.output = asked if run.is_step else run.output
    flow = _flow(run)
    if flow is not None:
        flow.question = asked
        interruptions.asks(run, flow, asks)


def stopped(run: Run, state: State, result: object) -> None:
    """Remember that a step ended the workflow, as it should."""
    if state.kind.role == "step" and is_a(result, "StopEvent"):
        flow = _flow(run)
        if flow is not None:
            flow.stopped = True


def dropped(run: Run, state: State, status: str, error: BaseException | None) -> None:
    """Remember a step that failed or waits, in case that it is run again."""
    waits = error if type(error).__name__ == "WaitingForEvent" else None
    if waits is not None:
        _asks(run, waits)
    flow = _flow(run.parent)
    if state.work is None or flow is None:
        return
    flow.working -= 1
    if waits is not None:
        _waits(run, flow, state.work)
        interruptions.refresh(flow)
    if status == "error" and flow.failed.get(state.work) is not run:
        flow.remember(flow.failed, state.work, run)


def _unknown_tool(run: Run, state: State, result: Any) -> None:
    """Add a step for the call of a tool that does not exist: the model invented it, so nothing ran."""
    step = runtime.recorder().add_step(run, "tool_use", result.tool_name, "error")
    step.tool = ToolUse(result.tool_name, state.call_id)
    sign(step)
    limit = run.trace.options.preview_chars
    if not run.private:
        step.input = span_content.tool_input(step, {"kwargs": result.tool_kwargs}, limit)
        step.output = span_content.taken(step, state.kind, result.tool_output, limit)
    failure = span_content.tool_failure(result.tool_output, limit)
    failure.run, failure.private = step, run.private
    step.error = failure
    run.trace.failures.append(failure)
