"""A recorded trace becomes the object that is sent: numbered steps, errors, totals, environment.

The result is a draft: its texts are not redacted yet and have some slack beyond their limits, which
``payload.finalize`` takes away. Runs on the writer's thread, or in ``TraceBuilder.build``.
"""

import platform
import sys
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from infinium_integrations._version import __version__
from infinium_integrations.capture.preview import preview
from infinium_integrations.models import (
    DURATION_LIMIT,
    INPUT_SUMMARY_LIMIT,
    OUTPUT_SUMMARY_LIMIT,
    OWN_FACTS,
    STEP_NAMES,
    iso,
)
from infinium_integrations.payload import cost
from infinium_integrations.payload.captured import Capture
from infinium_integrations.payload.preview import value_text
from infinium_integrations.payload.summary import answered, asked, has_history, said_so_far
from infinium_integrations.recording.options import FACT_CHARS
from infinium_integrations.recording.run import Failure, ModelCall, Run, ToolUse, Trace
from infinium_integrations.recording.trace_context import remembered, span_id_of
from infinium_integrations.redaction.key_names import HIDDEN, Cut, Redacted, hides
from infinium_integrations.redaction.redactor import shorten

__all__ = ["NOT_CAPTURED", "Spans", "assemble", "end_summary", "environment", "spans", "version_of"]

NOT_CAPTURED = "(content is not captured)"
_HIDDEN_ERROR = {"message": NOT_CAPTURED, "stack_trace": None}

CALLS_LISTED = 100
"""Model calls listed one by one in ``llm_usage.calls``; beyond it there is one entry a model."""

OURS = ("parent_step", "started_ms", "status", "run_id")
"""Facts of a step that the user's own metadata does not replace."""

MODULES = {"langchain": "langchain_core", "llama_index": "llama_index.core"}
"""The module whose version is the framework's."""


def assemble(trace: Trace, capture: Capture, now: float | None = None) -> dict[str, object]:
    """Return the draft of what is sent.

    Args:
        trace: A sealed trace, or an open one of a ``TraceBuilder``.
        capture: Renders what its runs hold.
        now: The recorder's clock, for a trace whose root has not ended.
    """
    given = trace.overrides
    runs = trace.steps
    for run in runs:
        run.read()
    name = trace.name or trace.root.name or "trace"
    outcome = trace.expected_outcome or trace.options.expected_outcome
    sections = {name: section.model_dump(exclude_none=True) for name, section in trace.options.sections.items()}
    if trace.root.ended is None and now is not None:
        ended = now
    else:
        ended = max([trace.root.ended or trace.last_event, *(run.ended for run in runs if run.ended is not None)])
    duration = min(max(ended - trace.started, 0.0), DURATION_LIMIT)
    steps = [_step(run, trace, capture) for run in runs] + given.get("steps", [])
    draft = {
        "name": name,
        "description": trace.options.description or given.get("description") or name,
        "current_datetime": iso(datetime.fromtimestamp(trace.started_wall + duration, UTC)),
        "duration": round(duration, 6),
        "input_summary": end_summary(trace, capture, "input", INPUT_SUMMARY_LIMIT),
        "output_summary": end_summary(trace, capture, "output", OUTPUT_SUMMARY_LIMIT),
        "expected_outcome": outcome.model_dump(exclude_none=True) if outcome is not None else None,
        "steps": steps,
        "errors": [_error(failure) for failure in trace.failures]
        + [{**error, **_HIDDEN_ERROR} if trace.root.private else error for error in given.get("errors", [])],
        "llm_usage": given.get("llm_usage") or _usage(trace, runs),
        "sections": {**sections, **given.get("sections", {})},
        "environment": environment(trace),
        "prompt_studio": {"prompts_used": given["prompts"]} if given.get("prompts") else None,
    }
    return {key: value for key, value in draft.items() if value not in (None, [], {})}


class Spans(TypedDict, total=False):
    """When each step began, more exactly than the payload says it, and what the trace stood in."""

    started_ns: int
    """When the trace began, in nanoseconds since the epoch."""
    steps: dict[str, list[int]]
    """By step number: nanoseconds from the trace's beginning to the step's, and of its duration where it ended."""
    trace_id: str
    """Of OpenTelemetry's span that surrounded the trace, 32 hexadecimal digits; ``span_id`` has 16."""
    span_id: str
    sampled: bool
    """False where that span is not sampled, so that this trace goes to nobody by OTLP; else it is missing."""
    action: str
    """What the root did."""
    resumed_trace_id: str
    """Of the trace that this one goes on with, where it was part of another one outside."""
    ids: dict[str, str]
    """By step number, the ids that services were told which the steps called, where these have other numbers now."""


def spans(trace: Trace) -> Spans:
    """Return when each step began, to the nanosecond, and the span that surrounds the trace."""
    times = {
        str(run.number): [_ns(run.started - trace.started)]
        + ([] if run.ended is None else [_ns(run.ended - run.started)])
        for run in trace.steps
    }
    found: Spans = {"started_ns": _ns(trace.started_wall), "steps": times, "action": trace.root.action}
    if trace.surrounding is not None:
        found["trace_id"], found["span_id"], sampled = trace.surrounding
        if not sampled:
            found["sampled"] = False
    if (before := remembered(trace.tags.get("resumed_from", ""))) is not None:
        found["resumed_trace_id"] = before
    told = {run.number: run.span_id for run in trace.steps if run.span_id is not None}
    if moved := {str(number): told_id for number, told_id in told.items() if told_id != span_id_of(trace.id, number)}:
        found["ids"] = moved
    return found


def _ns(seconds: float) -> int:
    return max(0, round(seconds * 1e9))


_LEFT = frozenset({"abandoned", "cancelled", "interrupted", "incomplete"})
_MATERIAL = frozenset({"embedding", "rerank", "retrieval", "tool_use"})
"""Steps whose output is what an answer is made of, and never itself one."""


def end_summary(trace: Trace, capture: Capture, end: Literal["input", "output"], limit: int) -> str | None:
    """Return the text of what a trace was given, or gave."""
    if trace.root.private:
        return None
    root, key = trace.root, f"{end}_summary"
    taken = trace.overrides.get(key, getattr(root, end))
    stopped = trace.status == "interrupted"
    if key not in trace.overrides:
        read = said_so_far if stopped else answered
        taken = asked(taken) if end == "input" else read(taken, root.input)
    elif taken is trace.overrides.get(f"called_{end}"):  # what its user sets stands as it is
        taken = asked(taken) if end == "input" else answered(taken, None) if has_history(taken) else taken
    if taken is None and end == "output" and trace.status in _LEFT:  # then what there is
        came = (run.output for run in reversed(trace.steps) if not run.private and run.action not in _MATERIAL)
        told = (said_so_far(one, root.input) if stopped else one for one in came)
        taken = next((one for one in told if one is not None), None)
    return capture.summary(taken, limit, given=end == "input")


# -- steps -------------------------------------------------------------------------------------------------------------


def _step(run: Run, trace: Trace, capture: Capture) -> dict[str, object]:
    duration_ms = _duration_ms(run)
    error = _error(run.error) if run.error else None
    facts: dict[str, Any] = {
        "parent_step": run.above.number if run.above else None,
        "started_ms": max(0, round((run.started - trace.started) * 1000)),
        "status": run.status or ("incomplete" if run.ended is None else "ok"),
        "name": run.name,
        "run_id": str(run.id),
    }
    if run.tool is not None and run.tool.call_id:
        facts["tool_call_id"] = run.tool.call_id
    if run.llm is not None:
        facts.update(_model_facts(run.llm))
    if run.metadata:
        facts = {**facts, **run.metadata, **{key: facts[key] for key in OURS}}
    limit = trace.options.preview_chars
    given = came = None
    if not run.private:
        given, came = capture.input(run, limit), capture.output(run, limit)
        facts.update(_content_facts(run, capture))
    events = [*(facts.pop("events", None) or ()), *(run.events or ())]
    if events:
        shown = ("name", "at_ms", "attempt", "error_type")
        facts["events"] = [{key: e[key] for key in shown if key in e} for e in events] if run.private else events
    if run.users_metadata:
        _add_users(facts, run.users_metadata)
    step = {
        "step_number": run.number,
        "action": run.action,
        "description": run.description or _described(run, facts),
        "duration_ms": duration_ms,
        "input_preview": given,
        "output_preview": came,
        "error": error,
        "tool_call": _tool_call(run, run.tool, (given, came), duration_ms, error) if run.tool else None,
        "llm_call": _llm_call(run.llm, duration_ms) if run.llm else None,
        "metadata": facts,
    }
    return {key: value for key, value in step.items() if value is not None}


def _add_users(facts: dict[str, Any], given: Mapping[str, object]) -> None:
    """Add the user's own facts to ours; where a name is taken, under ``user``."""
    free = {key: value for key, value in given.items() if key not in STEP_NAMES and key not in facts}
    taken = {key: value for key, value in given.items() if key not in free}
    if taken and "user" in free:
        taken["user"] = free.pop("user")
    facts.update(free)
    if taken:
        facts["user"] = taken


DOCUMENTS_LISTED = 50
"""Documents of a retrieval that its step lists on the wire."""
DOCUMENT_CHARS = 200
"""Characters of each that are shown."""
DOCUMENT_FACTS, DOCUMENT_FACT_CHARS = 12, 120
"""Entries of a document's own metadata that are shown, and characters of each."""


def _content_facts(run: Run, capture: Capture) -> dict[str, Any]:
    """Return what stands in a step's metadata of what it holds: the system prompt, the documents found."""
    facts: dict[str, Any] = capture.system(run) if run.llm is not None else {}
    documents = capture.documents(run)
    if documents is not None:
        facts["documents"] = [_document(one) for one in documents[:DOCUMENTS_LISTED]]
    return facts


def _document(document: dict[str, Any]) -> dict[str, Any]:
    metadata = document.get("metadata")
    few = list(metadata.items())[:DOCUMENT_FACTS] if isinstance(metadata, dict) else ()
    facts = {
        key: value if isinstance(value, (int, float)) else Redacted(shorten(value_text(value), DOCUMENT_FACT_CHARS))
        for key, value in few
    }
    shown = {
        "id": document.get("id"),
        "score": document.get("score"),
        "preview": Redacted(shorten(value_text(document.get("content")), DOCUMENT_CHARS)),
        "metadata": facts or None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _described(run: Run, facts: dict[str, Any]) -> str:
    """Return a step's name; a model's call says for whom, since most have one model throughout."""
    if run.action != "llm_inference":
        return run.name
    names = (facts.get("agent"), facts.get("node"), run.above.name if run.above is not None else None)
    whose = next((name for name in names if isinstance(name, str) and name and name not in {run.name, "model"}), None)
    return f"{run.name} ({whose})" if whose and type(run.name) is not Cut else run.name


def _duration_ms(run: Run) -> int | None:
    if run.duration_ms is not None:
        return run.duration_ms
    return max(0, round((run.ended - run.started) * 1000)) if run.ended is not None else None


def _model_facts(call: ModelCall) -> dict[str, object]:
    facts = {
        "ttft_ms": call.ttft_ms,
        "model_requested": call.requested if call.requested != call.model else None,
        "usage_details": call.details or None,
        "cached": call.cached or None,
        "partial": call.partial or None,
        "estimated_cost_usd": None if call.cached else cost.cost(call),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _tool_call(
    run: Run,
    tool: ToolUse,
    ends: tuple[str | None, str | None],
    duration_ms: int | None,
    error: dict[str, object] | None,
) -> dict[str, object]:
    given, came = (None, None) if tool.as_given and run.private else ends
    if tool.as_given and not run.private:
        given, came = tool.input, tool.output
    call = {
        "tool_name": tool.name or run.name,
        "duration_ms": tool.duration_ms if tool.as_given else duration_ms,
        "input_summary": given,
        "output_summary": came,
        "error": error,
        "http_status": tool.http_status,
    }
    return {key: value for key, value in call.items() if value is not None}


def _llm_call(call: ModelCall, duration_ms: int | None = None) -> dict[str, object]:
    fields = {
        "model": call.model or call.requested or "unknown",
        "provider": call.provider,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "latency_ms": call.latency_ms if call.as_given or call.latency_ms is not None else duration_ms,
        "temperature": call.temperature,
        "purpose": call.purpose,
    }
    return {key: value for key, value in fields.items() if value is not None}


# -- errors ------------------------------------------------------------------------------------------------------------


def _error(failure: Failure) -> dict[str, object]:
    message = NOT_CAPTURED if failure.private else failure.message
    stack = None
    if failure.frames:
        line = "" if failure.private else None
        frames = [traceback.FrameSummary(file, number, name, line=line) for file, number, name in failure.frames]
        stack = "".join(traceback.StackSummary.from_list(frames).format()) + f"{failure.type}: {message}"
        stack = Cut(stack) if type(message) is Cut else stack
    detail = {
        "error_type": failure.type,
        "message": message,
        "recoverable": failure.recoverable,
        "retry_count": failure.attempts,
        "stack_trace": stack,
        "error_code": None if failure.private and not str(failure.code).isdecimal() else failure.code,
    }
    return {key: value for key, value in detail.items() if value is not None}


# -- totals ------------------------------------------------------------------------------------------------------------


def _usage(trace: Trace, runs: Iterable[Run]) -> dict[str, object] | None:
    calls = [(run.llm, _duration_ms(run)) for run in runs if run.llm is not None and not run.llm.cached]
    if trace.elided is not None:
        calls += [(call, call.latency_ms) for call in trace.elided.calls if not call.cached]
    if not calls:
        return None
    records = [call for call, _ in calls]
    prompt = _sum(call.prompt_tokens for call in records)
    completion = _sum(call.completion_tokens for call in records)
    model = _one_of(call.model or call.requested for call in records)
    provider = _one_of(call.provider for call in records)
    usage = {
        "model": model,
        "provider": model if provider and model == "multiple" else provider,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": _sum(
            call.total_tokens if call.total_tokens is not None else _sum((call.prompt_tokens, call.completion_tokens))
            for call in records
        ),
        "estimated_cost_usd": cost.total(records),
        "api_calls_count": len(calls),
        "total_latency_ms": _sum(call.latency_ms if call.latency_ms is not None else ms for call, ms in calls),
        "calls": _listed(calls),
    }
    return {key: value for key, value in usage.items() if value is not None}


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _one_of(values: Iterable[str | None]) -> str | None:
    known = {value for value in values if value}
    return "multiple" if len(known) > 1 else next(iter(known), None)


def _listed(calls: list[tuple[ModelCall, int | None]]) -> list[dict[str, object]]:
    if len(calls) <= CALLS_LISTED:
        return [_llm_call(call, ms) for call, ms in calls]
    by_model: dict[tuple[str | None, str | None], list[tuple[ModelCall, int | None]]] = {}
    for call, ms in calls:
        by_model.setdefault((call.model or call.requested, call.provider), []).append((call, ms))
    totals = []
    for (model, provider), group in by_model.items():
        whole = ModelCall(model, provider)
        whole.prompt_tokens = _sum(call.prompt_tokens for call, _ in group)
        whole.completion_tokens = _sum(call.completion_tokens for call, _ in group)
        whole.latency_ms = _sum(call.latency_ms if call.latency_ms is not None else ms for call, ms in group)
        whole.purpose = f"total of {len(group)} calls"
        totals.append(_llm_call(whole))
    return totals


# -- environment -------------------------------------------------------------------------------------------------------


def environment(trace: Trace) -> dict[str, object]:
    """Return where a trace ran, and its own facts and the user's."""
    found: dict[str, object] = {
        "framework": trace.framework,
        "framework_version": version_of(MODULES.get(trace.framework or "")),
        "python_version": platform.python_version(),
        "sdk_version": __version__,
    }
    given = dict(trace.overrides.get("environment", {}))
    known = trace.options.metadata
    users = {
        str(key): HIDDEN if hides(known, str(key), value) else preview(value, FACT_CHARS)
        for key, value in known.items()
        if value is not None
    }
    users = {**users, **given.pop("custom_tags", {})}
    facts = {"status": trace.status or trace.root.status or "ok", "trace_id": trace.id, **trace.tags}
    if trace.left_open:
        facts["left_open"] = str(trace.left_open)
    if trace.elided is not None:
        counts = ", ".join(f"{count} {action}" for action, count in sorted(trace.elided.actions.items()))
        facts["steps_folded"] = str(trace.elided.steps)
        facts["steps_folded_as"] = counts
        facts["steps_folded_with_errors"] = str(trace.elided.errors)
    renamed = {key for key in users.keys() & OWN_FACTS if facts.get(key) != users[key]}
    tags = {**{f"user.{key}" if key in renamed else key: value for key, value in users.items()}, **facts}
    return {
        **{key: value for key, value in {**found, **given}.items() if value is not None},
        "custom_tags": tags,
    }


def version_of(module: str | None) -> str | None:
    """Return the version of a module that is loaded, or None; it reads no file."""
    found = getattr(sys.modules.get(module or ""), "__version__", None)
    return found if isinstance(found, str) else None
