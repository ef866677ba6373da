"""Calls of tools that no tool ran: invented by the model, answered by middleware, refused by a human."""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import BaseMessage

from infinium_integrations import runtime
from infinium_integrations.capture.content import Conversation
from infinium_integrations.capture.preview import preview
from infinium_integrations.langchain import classify
from infinium_integrations.langchain.content import is_command
from infinium_integrations.langchain.messages import take
from infinium_integrations.recording.run import Failure, Run, ToolUse

__all__ = ["answered_by_human", "called", "refused", "without_run"]

_REFUSALS = frozenset(
    {
        *("no", "n", "nope", "false", "cancel", "cancelled", "abort", "stop", "ignore"),
        *("reject", "rejected", "deny", "denied", "decline", "declined", "refuse", "refused"),
    }
)
_APPROVALS = frozenset({"approve", "approved", "accept", "accepted", "allow", "allowed", "confirm", "confirmed", "ok"})
ANSWER_DEPTH, ANSWER_ITEMS = 4, 20


def called(run: Run) -> None:
    """Remember that a tool call was run."""
    if run.tool is not None and run.tool.call_id is not None and run.parent is not None:
        classify.memory(run)["tool", run.tool.call_id] = True


def without_run(run: Run, outputs: Any) -> None:
    """Add a step for each tool call that ended with an error though no tool ran: invented, or rejected."""
    if run.parent is None or not (isinstance(outputs, (dict, list)) or is_command(outputs)):
        return
    failed: list[object] = []
    for message in _newest_first(outputs):
        if getattr(message, "type", None) != "tool":
            break
        if getattr(message, "status", None) == "error":
            failed.append(message)
    for message in reversed(failed):
        _add(run, message)


def _newest_first(outputs: Any) -> Iterator[object]:
    """Yield the messages that a node gave, by itself or by commands."""
    for one in reversed(outputs) if isinstance(outputs, list) else (outputs,):
        update = one.update if is_command(one) else one
        given = update.get("messages") if isinstance(update, dict) else [update]
        yield from reversed(given) if isinstance(given, list) else [given] if isinstance(given, BaseMessage) else ()


def _add(run: Run, message: Any) -> None:
    known = classify.memory(run)
    if ("tool", message.tool_call_id) in known:
        return
    known["tool", message.tool_call_id] = True
    name = message.name or "tool"
    rejected = _answered_for(run, message.name) or refused(run)  # no failure of a tool
    step = runtime.recorder().add_step(run, "tool_use", name, "cancelled" if rejected else "error")
    step.tool = ToolUse(name, message.tool_call_id)
    step.put(node=(run.metadata or {}).get("node"), agent=(run.metadata or {}).get("agent"))
    limit = run.trace.options.preview_chars
    if not run.private:
        step.input = _arguments(run.input, message.tool_call_id)
        step.output = take(run.trace.content, message, limit)
    if rejected:
        return
    failure = Failure("ToolError", preview(message.content, limit))
    failure.run, failure.private = step, run.private
    step.error = failure
    run.trace.failures.append(failure)


def _arguments(given: object, call_id: object) -> object:
    """Return what a tool was asked, out of what was taken of its node's input: calls, one of them, or messages."""
    if isinstance(given, Conversation):
        said = next((one for one in reversed(given.messages) if one.role == "assistant"), None)
        given = said.held.get("calls") if said is not None else None
    calls = [given.get("tool_call")] if isinstance(given, dict) else given if isinstance(given, list) else []
    called = (call for call in calls if isinstance(call, dict) and call.get("id") == call_id)
    return next((call.get("args") for call in called), None)


def _answered_for(run: Run, tool: str | None) -> bool:
    """Return whether middleware answered in the tool's place: in a hook of its own, or around a tool that exists."""
    if run.name.endswith(classify.HOOKS):
        return True
    graph = classify.graph_of(run.parent)
    wrapped = graph.wrapped_tools.get(run.name) if graph is not None else None
    return wrapped is not None and (tool is None or tool in wrapped)


# -- a human's answer --------------------------------------------------------------------------------------------------


def answered_by_human(run: Run, answer: object) -> None:
    """Remember whether the answer that a graph goes on with is a refusal; it holds until a model is asked again."""
    classify.memory(run)["refused after"] = run.trace.count if _refuses(answer, ANSWER_DEPTH) else None


def refused(run: Run) -> bool:
    """Return whether a human refused what is done now."""
    since = classify.memory(run).get("refused after")
    if since is None:
        return False
    return all(step.llm is None for step in run.trace.steps if step.number > since)


def _refuses(answer: object, depth: int) -> bool:
    if type(answer) is str:
        word, _, rest = answer.strip().partition(" ")
        return word.rstrip(",.:;!").lower() in _REFUSALS and (not rest or word[-1:] in ",.:;!")
    if depth and type(answer) is list:
        return any(_refuses(item, depth - 1) for item in answer[:ANSWER_ITEMS])
    if depth and type(answer) is dict:
        some = list(answer.items())[:ANSWER_ITEMS]
        return any(_refuses(item, depth - 1) for key, item in some if type(item) is not bool or key in _APPROVALS)
    return answer is False
