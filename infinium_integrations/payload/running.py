"""An open trace as it stands, for who looks on. It is redacted like all else, and never stored or sent."""

from collections.abc import Sequence
from datetime import UTC, datetime

from infinium_integrations.models import DURATION_LIMIT, INPUT_SUMMARY_LIMIT, RUNNING, iso
from infinium_integrations.payload import build
from infinium_integrations.payload.captured import Capture
from infinium_integrations.payload.finalize import Limits, finished
from infinium_integrations.recording.run import Run, Trace

__all__ = ["so_far"]

STEPS = 300
"""Steps that are told of one trace: the latest, and those that are open."""
_SHOWN = frozenset({"tool_use", "retrieval"})
"""Of these the input is short, and tells what is waited for."""


def so_far(trace: Trace, steps: Sequence[Run], capture: Capture, now: float) -> dict[str, object]:
    """Return what is known of an open trace: its steps with names, times and statuses; of what it was given, a preview.

    Nothing in the trace is read that is still written, so that it ends as it would have without this.

    Args:
        trace: An open trace.
        steps: Its steps, as they were under the recorder's lock.
        capture: Renders what its runs hold.
        now: The recorder's clock.

    Returns:
        A payload as it is stored, with ``running`` as the status of the trace and of each open step.
    """
    told = [run for place, run in enumerate(steps) if run.ended is None or place >= len(steps) - STEPS][-STEPS:]
    duration = min(max(now - trace.started, 0.0), DURATION_LIMIT)
    name = trace.name or trace.root.name or "trace"
    draft = {
        "name": name,
        "description": trace.options.description or name,
        "current_datetime": iso(datetime.fromtimestamp(trace.started_wall + duration, UTC)),
        "duration": round(duration, 3),
        "input_summary": build.end_summary(trace, capture, "input", INPUT_SUMMARY_LIMIT),
        "steps": [_step(run, trace, capture) for run in told],
        "environment": build.environment(trace),
    }
    limits = Limits(preview=trace.options.preview_chars)
    payload = finished(draft, capture.redactor, cut=True, limits=limits)
    _mark(payload)
    return payload


def _step(run: Run, trace: Trace, capture: Capture) -> dict[str, object]:
    ended, error, call = run.ended, run.error, run.llm
    facts = {
        "parent_step": run.above.number if run.above else None,
        "started_ms": max(0, round((run.started - trace.started) * 1000)),
        "status": run.status if ended is not None else None,
        "name": run.name,
    }
    step: dict[str, object] = {
        "step_number": run.number,
        "action": run.action,
        "description": run.description or run.name,
        "duration_ms": None if ended is None else max(0, round((ended - run.started) * 1000)),
        "metadata": {key: value for key, value in facts.items() if value is not None or key == "parent_step"},
    }
    if error is not None:
        message = build.NOT_CAPTURED if error.private else error.message
        step["error"] = {"error_type": error.type, "message": message}
    if call is not None and (call.model or call.requested):
        step["llm_call"] = {"model": call.model or call.requested}
    if ended is None and run.action in _SHOWN and not run.private:
        step["input_preview"] = capture.input(run, trace.options.preview_chars)
    return step


def _mark(payload: dict[str, object]) -> None:
    """Set the statuses that no ended trace has; after redaction, since they are words of ours."""
    environment, steps = payload.get("environment"), payload.get("steps")
    if isinstance(environment, dict) and isinstance(tags := environment.get("custom_tags"), dict):
        tags["status"] = RUNNING
    for step in steps if isinstance(steps, list) else ():
        if "duration_ms" not in step and isinstance(facts := step.get("metadata"), dict):
            facts["status"] = RUNNING
