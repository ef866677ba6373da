"""The facts of a top-level LlamaIndex run: its name, session, tags, and the trace elsewhere that it belongs to."""

import os
from collections.abc import Mapping
from contextvars import ContextVar

from infinium_integrations._entropy import new_id
from infinium_integrations.capture.preview import cut, preview
from infinium_integrations.recording.adapters import identify_trace, keep_facts, own_facts
from infinium_integrations.recording.run import Options, Run

__all__ = ["begin", "capture", "carried", "keep_own", "restore"]

TAG_CHARS = 500
TAGS_LISTED = 50
_INTERNAL = ("llamaindex.", "infinium", "run_name")
"""What the framework's and our own keys begin with."""

_COMMON = frozenset(
    {
        *("llamaindex.run_id", "llamaindex.start_event"),
        *("llamaindex.step.input_event", "llamaindex.step.input_summary"),
    }
)

KEY = "infinium"

_THIS_HOST = new_id().hex

_carried: ContextVar[Mapping[str, str] | None] = ContextVar("infinium_carried", default=None)
"""What ``restore_propagation_context`` brought here from another task, thread or process."""


def begin(run: Run, options: Options, name: str, tags: Mapping[str, object]) -> None:
    """Set what is known of the trace when its root starts."""
    trace = run.trace
    named = tags.get("run_name")
    trace.name = named if isinstance(named, str) and named.strip() else options.name or name
    trace.tags["run_id"] = str(run.id)
    identify_trace(run, options, _listed(tags.get("tags")), tags, internal=_INTERNAL, limit=TAG_CHARS)
    elsewhere = _carried.get()
    if elsewhere and elsewhere.get("process") != _process():  # in this process, its parent would have been found
        trace.tags["parent_trace_id"] = cut(elsewhere["trace_id"], TAG_CHARS)
        trace.tags["parent_run_id"] = cut(elsewhere.get("span_id", ""), TAG_CHARS)


def keep_own(run: Run, tags: Mapping[str, object]) -> None:
    """Keep the tags of one part, as of ``instrument_tags(…)``, on its steps; a root's are the trace's."""
    if not tags:
        return
    own = own_facts(run, tags, internal=_INTERNAL, common=_COMMON)
    if run.parent is not None and own:
        run.put(tags=_listed(own.pop("tags", None)) or None)
        keep_facts(run, own, TAG_CHARS)


def _listed(tags: object) -> list[str]:
    """Return the tags that were given as a list, or as one text."""
    given = [tags] if isinstance(tags, str) else tags[:TAGS_LISTED] if isinstance(tags, list | tuple) else ()
    return [cut(preview(tag, TAG_CHARS), TAG_CHARS) for tag in given]


# -- other tasks, threads and processes --------------------------------------------------------------------------------


def capture(run: Run | None) -> dict[str, object]:
    """Return what another task, thread or process needs to say where its runs belong."""
    if run is None:
        before = _carried.get()
        return {KEY: dict(before)} if before else {}
    return {KEY: {"trace_id": run.trace.id, "span_id": str(run.id), "process": _process()}}


def restore(context: Mapping[str, object]) -> None:
    """Remember what was captured elsewhere, for the runs that start here."""
    found = context.get(KEY)
    if isinstance(found, Mapping) and isinstance(found.get("trace_id"), str):
        _carried.set({key: value for key, value in found.items() if type(key) is type(value) is str})


def carried() -> str | None:
    """Return the span that was carried here, which may be open in this process."""
    found = _carried.get()
    return found.get("span_id") if found else None


def _process() -> str:
    return f"{_THIS_HOST}-{os.getpid()}"
