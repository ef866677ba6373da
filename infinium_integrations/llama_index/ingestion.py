"""Ingestion: one step a transformation with the nodes that went in and came out; whose work a nameless root is.

Where a pipeline leaves its transformations to processes of its own, their steps have no times. What is traced in such
a process (one that was forked) is a trace of its own, which names the pipeline's.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any

from infinium_integrations import runtime
from infinium_integrations.diagnostics import guarded
from infinium_integrations.export import fork_safety
from infinium_integrations.llama_index import trace_metadata
from infinium_integrations.llama_index.classes import is_a, names
from infinium_integrations.llama_index.classify import Kind
from infinium_integrations.llama_index.span_state import FRAMES_WALKED, State, state_of
from infinium_integrations.recording.run import Run

__all__ = ["JOBS", "begin", "counted", "done_elsewhere", "name_root", "named", "nodes", "transformation"]

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


def begin(run: Run, state: State, instance: object, arguments: Mapping[str, Any]) -> None:
    """Note which transformations a pipeline's run leaves to other processes."""
    workers = arguments.get("num_workers")
    if type(workers) is not int or workers <= 1:
        return
    global _any_elsewhere  # noqa: PLW0603
    _any_elsewhere = True
    run.put(workers=workers)
    for one in getattr(instance, "__dict__", {}).get("transformations") or ():
        state.elsewhere.append(("embedding" if is_a(one, "BaseEmbedding") else "chain", type(one).__name__))


def done_elsewhere(run: Run, state: State) -> None:
    """Add the steps of transformations that other processes have done; when each began and ended isn't known."""
    for action, name in state.elsewhere:
        step = runtime.recorder().add_step(run, action, name)
        step.started, step.ended = run.started, None
        step.put(workers=(run.metadata or {}).get("workers"))


@guarded
def _before_fork() -> None:
    """Keep which pipeline's run forks, for the child."""
    if not _any_elsewhere:
        return
    run = runtime.recorder().surrounding()
    state = state_of(run)
    _forking.set(trace_metadata.capture(run) if state is not None and state.elsewhere else None)


@guarded
def _in_child() -> None:
    """Have what is traced in a pipeline's process say where it belongs."""
    found = _forking.get()
    if found is not None:
        trace_metadata.restore(found)


_any_elsewhere = False
"""A pipeline of this process has left its work to others."""
_forking: ContextVar[Mapping[str, object] | None] = ContextVar("infinium_forking", default=None)

fork_safety.before(_before_fork)
fork_safety.in_child(_in_child)


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
