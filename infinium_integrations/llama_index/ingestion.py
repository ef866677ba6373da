"""Ingestion: one step a transformation with the nodes that went in and came out; whose work a nameless root is."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from infinium_integrations.llama_index.classes import is_a, names
from infinium_integrations.llama_index.classify import Kind
from infinium_integrations.llama_index.span_state import FRAMES_WALKED, state_of
from infinium_integrations.recording.run import Run

__all__ = ["JOBS", "counted", "name_root", "named", "nodes", "transformation"]

JOBS = "run_jobs"
"""The framework's function in which a transformation works on many nodes at once."""
_CALL = ".__call__"


def transformation(what: Kind, instance: object, around: Run | None) -> Kind:
    """Return what a span is: directly in a pipeline's run it is one of its transformations.

    An embedding is a step of its own, with its texts counted.
    """
    state = state_of(around)
    if state is None or state.kind.role != "ingestion" or what.role not in {"plumbing", "function"}:
        return what
    if what.method != JOBS and (not is_a(instance, "TransformComponent") or is_a(instance, "BaseEmbedding")):
        return what
    return Kind("transformation", "chain", what.method)


def named(instance: object) -> str:
    """Return the name of a transformation; in another's jobs, of the one whose they are."""
    if instance is not None:
        return type(instance).__name__
    found = next((held["self"] for _, held in _calls() if is_a(held.get("self"), "TransformComponent")), None)
    return type(found).__name__ if found is not None else JOBS


def nodes(run: Run, arguments: Mapping[str, Any]) -> str | None:
    """Return how many nodes a transformation was given."""
    given = next((value for value in arguments.values() if isinstance(value, Sequence) and type(value) is not str), ())
    run.put(nodes_in=len(given))
    return counted(given, "document" if given and is_a(given[0], "Document") else "node")


def counted(items: object, noun: str) -> str | None:
    """Return a number of things in words; None of what has none."""
    if not isinstance(items, Sequence):
        return None
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def name_root(run: Run, default: str) -> None:
    """Name a trace whose root is the framework's plumbing after the index that is built and what is at work for it.

    Args:
        run: The root, which is about to end.
        default: The name that it has where its user gave none.
    """
    trace = run.trace
    if trace.name != default or trace.options.name is not None:
        return
    worker = default.removesuffix(_CALL) if default.endswith(_CALL) else None
    index = None
    for method, held in _calls():
        owner = held.get("self")
        if worker is None and default == JOBS and is_a(owner, "TransformComponent"):
            worker = type(owner).__name__
            run.input = run.input if run.private else counted(held.get("nodes"), "node") or run.input
        kind = held.get("cls") if isinstance(held.get("cls"), type) else type(owner)
        if isinstance(kind, type) and "BaseIndex" in names(kind):
            index = kind.__name__ if method.startswith("_") else f"{kind.__name__}.{method}"
    if index is not None:
        trace.name = index if worker is None else f"{index}: {worker}"
    elif worker is not None and default == JOBS:
        trace.name = worker


def _calls() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the framework's methods that the caller is in, the innermost first, with what they hold."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(FRAMES_WALKED):
        if frame is None:
            return
        if frame.f_globals.get("__name__", "").startswith("llama_index."):
            yield frame.f_code.co_name, frame.f_locals
        frame = frame.f_back
