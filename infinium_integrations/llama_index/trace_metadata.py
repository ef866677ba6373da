"""The facts of a top-level LlamaIndex run: its name, session, tags, and the trace elsewhere that it belongs to."""

import os
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from infinium_integrations.capture.preview import HIDDEN, is_secret_key, preview
from infinium_integrations.recording import options as opts
from infinium_integrations.recording.run import Options, Run

__all__ = ["begin", "capture", "carried", "restore"]

FACT_CHARS = 500
KEY = "infinium"

_IDENTITY = {"session_id", "user_id", "thread_id", "conversation_id"}
_INTERNAL = ("llamaindex.", "infinium", "run_name")

_THIS_HOST = uuid.uuid4().hex

_carried: ContextVar[Mapping[str, str] | None] = ContextVar("infinium_carried", default=None)
"""What ``restore_propagation_context`` brought here from another task, thread or process."""


def begin(run: Run, options: Options, name: str, tags: Mapping[str, Any]) -> None:
    """Set what is known of the trace when its root starts."""
    trace = run.trace
    named = tags.get("run_name")
    trace.name = named if isinstance(named, str) and named.strip() else options.name or name
    facts = trace.tags
    facts["run_id"] = str(run.id)
    facts.update(opts.identify({**options.metadata, **tags} if options.metadata else tags))
    own = [*options.tags, *_listed(tags.get("tags"))]
    if own:
        facts["tags"] = ",".join(dict.fromkeys(own))
    for key, value in tags.items():
        if isinstance(value, str | int | float) and key not in _IDENTITY and not key.startswith(_INTERNAL):
            facts.setdefault(key, HIDDEN if is_secret_key(key) else preview(value, FACT_CHARS))
    _join(facts)


def _listed(tags: object) -> list[str]:
    if isinstance(tags, str):
        return [tags[:FACT_CHARS]]
    return [str(tag)[:FACT_CHARS] for tag in tags[:50]] if isinstance(tags, list | tuple) else []


# -- other tasks, threads and processes --------------------------------------------------------------------------------


def capture(run: Run | None) -> dict[str, Any]:
    """Return what another task, thread or process needs to say where its runs belong."""
    if run is None:
        before = _carried.get()
        return {KEY: dict(before)} if before else {}
    return {KEY: {"trace_id": run.trace.id, "span_id": str(run.id), "process": _process()}}


def restore(context: Mapping[str, Any]) -> None:
    """Remember what was captured elsewhere, for the runs that start here."""
    found = context.get(KEY)
    if isinstance(found, Mapping) and isinstance(found.get("trace_id"), str):
        _carried.set({str(key): str(value) for key, value in found.items()})


def carried() -> str | None:
    """Return the span that was carried here, which may be open in this process."""
    found = _carried.get()
    return found.get("span_id") if found else None


def _process() -> str:
    return f"{_THIS_HOST}-{os.getpid()}"


def _join(facts: dict[str, str]) -> None:
    """Say which trace of another process this one belongs to; in this process a parent would have been found."""
    found = _carried.get()
    if found and found.get("process") != _process():
        facts["parent_trace_id"] = found["trace_id"][:FACT_CHARS]
        facts["parent_run_id"] = found.get("span_id", "")[:FACT_CHARS]
