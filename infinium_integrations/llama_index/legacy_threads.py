"""Runs that older versions start in a thread without its context: a tool that is no coroutine, a step that is none.

llama-index-core before 0.14.22 and llama-index-workflows before 2.14 hand them to an executor as they are.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from types import FrameType

from infinium_integrations import runtime
from infinium_integrations.llama_index.classes import is_a
from infinium_integrations.llama_index.span_state import FRAMES_WALKED, State, state_of
from infinium_integrations.recording.run import Run

__all__ = ["around", "handed"]

TOOL_IN_THREAD = "sync_to_async.<locals>._async_wrapped_fn.<locals>.<lambda>"

Handed = tuple[int, ...]


def handed(function: object, named: Mapping[str, object]) -> Handed:
    """Distinguish calls of a tool's function by the objects passed to it."""
    return (id(function), *(id(value) for value in named.values()))


def around(name: str, instance: object, arguments: Mapping[str, object]) -> Run | None:
    """Return the run that handed this thread its work, where the thread's own context knows of none."""
    if threading.current_thread() is threading.main_thread():
        return None
    if is_a(instance, "Workflow") and not name.endswith(".run"):
        event = next((value for value in arguments.values() if is_a(value, "Event")), None)
        return _flow(id(instance), id(event)) if event is not None else None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(FRAMES_WALKED):
        if frame is None:
            return None
        if frame.f_code.co_qualname == TOOL_IN_THREAD:
            held = frame.f_locals
            call = handed(held.get("fn"), held.get("kwargs") or {})
            return next((run for run, state in _open() if state.handed == call), None)
        frame = frame.f_back
    return None


def _flow(instance: int, event: int) -> Run | None:
    """Find the workflow's run: of several at once the one that made this event, else one that has not begun."""
    found = [(run, state.flow) for run, state in _open() if state.flow is not None and state.flow.instance == instance]
    makers = [run for run, flow in found if event in flow.made]
    fresh = [run for run, flow in found if not flow.made]
    return next(iter([*makers, *fresh, *(run for run, _ in found)]), None)


def _open() -> Iterator[tuple[Run, State]]:
    for trace in runtime.recorder().traces():
        for run in list(trace.open.values()):
            state = state_of(run)
            if state is not None:
                yield run, state
