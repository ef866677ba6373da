"""Workflows and agents: their steps, turns, hand-offs, tools that nothing ran, and steps that are run again."""

from collections.abc import Mapping
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.llama_index import span_content
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.classify import AGENT_TURN, Kind
from infinium_integrations.llama_index.span_state import Flow, State, above
from infinium_integrations.recording.run import ATTEMPTS_REMEMBERED, Failure, Run, ToolUse

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
        state.flow = Flow(id(instance))
        return
    event = next((value for value in arguments.values() if is_a(value, "Event")), None)
    flow = _flow(run)
    state.work = (state.kind.method, id(event))
    agent = getattr(event, "__dict__", {}).get("current_agent_name")
    if is_a(event, "ToolCall"):
        state.call_id = event.tool_id  # type: ignore[union-attr]
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
        _again(run, flow, state.work)


def _again(run: Run, flow: Flow, work: tuple[str, int]) -> None:
    """Return whether a step is run again with the same event: after it failed, or after it waited for an answer."""
    waited = flow.waiting.pop(work, None)
    if waited is not None:
        waited.status = "interrupted"
        run.put(replayed=True)
    failed = flow.failed.get(work)
    if failed is not None:
        attempt = (failed.metadata or {}).get("attempt") or 1
        failed.put(attempt=attempt)
        run.put(attempt=attempt + 1)


def sign(run: Run) -> None:
    """Put the name of the agent that is at work on a step."""
    flow = _flow(run.parent)
    if flow is not None and flow.agent is not None:
        run.put(agent=flow.agent)


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
        _step_ended(run, state, result)
    elif state.flow is not None and result is None and not state.flow.stopped:
        failure = run.child_errors[-1] if run.child_errors else None
        return ("error", failure) if failure is not None else ("cancelled", None)
    return "ok", None


def _step_ended(run: Run, state: State, result: Any) -> None:
    flow = _flow(run)
    if flow is not None and len(flow.made) < ATTEMPTS_REMEMBERED:
        flow.made.add(id(result))
    if result is None and flow is not None and state.work is not None and run.is_step:
        flow.remember(flow.waiting, state.work, run)
    if run.is_step and is_a(result, "Event"):
        run.put(emits=type(result).__name__)
    if is_a(result, "ToolCallResult") and result.tool_output.is_error and not state.ran:
        _unknown_tool(run, state, result)


def stopped(run: Run, state: State, result: object) -> None:
    """Remember that a step ended the workflow, as it should."""
    if state.kind.role == "step" and is_a(result, "StopEvent"):
        flow = _flow(run)
        if flow is not None:
            flow.stopped = True


def dropped(run: Run, state: State, status: str) -> None:
    """Remember a failed step, in case that it is run again."""
    flow = _flow(run.parent)
    if state.work is None or flow is None or status != "error":
        return
    if flow.failed.get(state.work) is not run:
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
