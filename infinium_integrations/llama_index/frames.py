"""What only frames know of a span: that its task failed, that its step waits, who called."""

import sys
from types import FrameType

from llama_index_instrumentation.dispatcher import Dispatcher

__all__ = ["OF_A_TASK", "caller", "ending_frame", "waiting"]

_DISPATCHER = Dispatcher.__module__

OF_A_TASK = {"handle_future_result": "future", "_on_workflow_complete": "task"}
"""Functions that end the span of a task, and what they call the task: the dispatcher's, and that of workflows 2.15."""

_SPANNING = {
    **dict.fromkeys(("wrapper", "async_wrapper", "handle_future_result"), _DISPATCHER),
    "_on_workflow_complete": "workflows.workflow",
}
"""The functions that begin and end spans, and their modules."""

_SEARCHED = 50
"""Of the caller's: others may wrap the dispatcher's methods and our handler's."""


def ending_frame() -> FrameType | None:
    """Return the frame of the function that has a span begin or end; None where that was done by hand."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(_SEARCHED):
        module = _SPANNING.get(frame.f_code.co_name) if frame is not None else None
        if frame is None or (module is not None and frame.f_globals.get("__name__") == module):
            return frame
        frame = frame.f_back
    return None


def waiting() -> tuple[bool, object]:
    """Return whether it is known why the step that ends gave nothing, and the exception by which it waits, if it does.

    Workflows from 2.16 on take ``WaitingForEvent`` out of the step before its span ends, and keep it beside.
    """
    frame = ending_frame()
    called = frame.f_locals.get("func") if frame is not None else None
    names = getattr(getattr(called, "__code__", None), "co_freevars", ())
    if called is None or "captured_waiting" not in names:
        return False, None
    return True, called.__closure__[names.index("captured_waiting")].cell_contents


def caller() -> FrameType | None:
    """Return the frame that called what the dispatcher has a span for; None where the span is made by hand."""
    frame = ending_frame()
    return frame.f_back if frame is not None else None
