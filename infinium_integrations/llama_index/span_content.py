"""What a span receives and returns, taken by reference, and its facts."""

from collections.abc import Mapping, Sequence
from typing import Any

from infinium_integrations.capture.content import Content
from infinium_integrations.capture.preview import preview
from infinium_integrations.llama_index import evaluators, ingestion, llm_calls, structured
from infinium_integrations.llama_index.classes import fields, is_a
from infinium_integrations.llama_index.classify import AGENT_TURN, Kind
from infinium_integrations.llama_index.content import answering, documents, final_answer, take, text_of_output, turn
from infinium_integrations.llama_index.span_state import State, state_of
from infinium_integrations.models import OUTPUT_SUMMARY_LIMIT
from infinium_integrations.recording.exceptions import describe
from infinium_integrations.recording.run import Failure, Run

__all__ = ["OUTPUT_SUMMARY_LIMIT", "facts", "given", "judged", "taken", "tool_failure", "tool_input"]


_ASKED = {
    "engine": ("str_or_query_bundle", "message"),
    "retrieval": ("str_or_query_bundle",),
    "synthesis": ("query",),
    "rerank": ("query_bundle", "query_str"),
}
_UNPACKED = {"kwargs", "args", "prompt_args", "llm_kwargs"}
_SETTINGS = {"self", "ctx", "tags", "init_state", "callback_manager", "cls"}


def given(run: Run, what: Kind, arguments: Mapping[str, object], limit: int) -> object:  # noqa: PLR0911  (a table in the form of code)
    """Take what a span was called with."""
    content = run.trace.content
    if what.role in _ASKED:
        found = next((arguments[name] for name in _ASKED[what.role] if arguments.get(name) is not None), None)
        return take(content, found, limit) if found is not None else None
    if what.role in {"embedding", "llm"}:
        return llm_calls.asked(run, arguments, limit) if what.role == "llm" else None
    if what.role == "structured":
        return structured.asked(content, arguments, limit) or _call(content, arguments, limit)
    if what.role == "flow":
        held: Any = arguments if "start_event" in arguments else arguments.get("kwargs") or {}  # workflows 2.14, 2.15
        start, asked = held.get("start_event"), arguments.get("user_msg")
        if start is not None:
            return take(content, start, limit) if fields(start) else None
        if asked is not None:
            return take(content, asked, limit)
    if what.role == "ingestion":
        return ingestion.counted(arguments.get("documents") or arguments.get("nodes"), "document")
    if what.role == "transformation":
        return ingestion.nodes(run, arguments)
    if what.method == ingestion.JOBS:
        return ingestion.counted(arguments.get("jobs"), "job")
    return _call(content, arguments, limit)


def judged(run: Run, values: Mapping[str, Any]) -> object:
    """Take what an evaluator judges."""
    return take(run.trace.content, values, run.limit)


def _call(content: Content, arguments: Mapping[str, Any], limit: int) -> object:
    """Return a call's arguments by their names; of a single event its fields."""
    events = [value for value in arguments.values() if is_a(value, "Event")]
    if len(events) == 1:
        return take(content, events[0], limit) if fields(events[0]) else None
    flat = {name: value for name, value in arguments.items() if name not in _UNPACKED}
    for name in ("kwargs", "prompt_args"):
        flat.update(arguments.get(name) or {})
    if arguments.get("args"):
        flat["args"] = arguments["args"]
    shown = {name: value for name, value in flat.items() if value is not None and name not in _SETTINGS}
    return take(content, shown, limit) if shown else None


def tool_input(run: Run, arguments: Mapping[str, Any], limit: int) -> object:
    """Take a tool's arguments; the workflow's context among them is not the model's."""
    content = run.trace.content
    named = arguments.get("kwargs")
    if isinstance(named, Mapping) and named:
        return take(content, {name: value for name, value in named.items() if not is_a(value, "Context")}, limit)
    if arguments.get("args"):
        args = arguments["args"]
        return take(content, args[0] if len(args) == 1 else args, limit)
    rest = {name: value for name, value in arguments.items() if name not in {"self", "args", "kwargs"}}
    if list(rest) == ["input"]:
        return take(content, rest["input"], limit)
    return take(content, rest, limit)


def taken(run: Run, what: Kind, result: object, limit: int) -> object:  # noqa: PLR0911  (a table in the form of code)
    """Take what a span gave."""
    content = run.trace.content
    if result is None or what.role == "llm":
        return None
    if what.role in {"retrieval", "rerank"} and isinstance(result, list):
        return documents(content, result, limit)
    if what.role in {"ingestion", "transformation"}:
        run.put(nodes_out=len(result) if what.role == "transformation" and isinstance(result, Sequence) else None)
        return ingestion.counted(result, "node")
    if what.role == "structured":
        return structured.answer(content, result, limit)
    if what.role == "flow" and is_a(result, "AgentOutput"):
        return final_answer(content, result, limit)
    if what.method == AGENT_TURN and is_a(result, "AgentOutput"):
        state = state_of(run)
        return turn(content, result, state.said if state is not None else None, limit)
    if isinstance(result, list) and result and type(result[0]) is float:
        result = f"<vector of {len(result)}>"
    came = take(content, result, limit)
    return came if run.tool is None else answering(came, run.tool.name, run.tool.call_id)


def facts(run: Run, state: State, result: object) -> None:
    """Put what a result says beyond its text on the step."""
    role = state.kind.role
    if role == "llm" and state.call is not None and not state.call.started:
        llm_calls.answered(run, state.call, result)
        if state.leaf is not None:
            run.output = state.leaf.output
        elif not run.private:
            run.output = llm_calls.answer(run, result, state.call, OUTPUT_SUMMARY_LIMIT)
    elif role == "ingestion":
        ingestion.done_elsewhere(run, state)
    elif role == "function":
        evaluators.given_on(run, result)
    elif role in {"retrieval", "rerank"} and isinstance(result, list):
        run.put(document_count=len(result))
    elif role == "embedding":
        texts = (run.metadata or {}).get("texts")
        if texts is not None and not run.private:  # how many vectors there are; their numbers are not recorded
            run.output = f"{texts} vector{'' if texts == 1 else 's'}"


def tool_failure(output: object, limit: int) -> Failure:
    """Describe the error in a tool's output."""
    error = getattr(output, "__pydantic_private__", None) or {}
    raised = error.get("_exception")
    if isinstance(raised, BaseException):
        return describe(raised)
    text = preview(text_of_output(output, limit), limit)
    return Failure("ToolError", text, (id(output), text))  # the spans of one call hand the same output on
