"""Who calls a handler: LangChain calls ours in the caller's own thread, at no other handler's expense.

Whose model's method the caller is in, or that a task is the event's alone, LangChain says nowhere: the stack tells.
"""

import asyncio
import sys
from types import FrameType
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

__all__ = ["InlineHandler", "model_on_the_stack", "task_of_the_event"]

SELECTIVE = "AsyncCallbackManager.on_llm_start"
"""The one function of LangChain that calls no other handler where one is inline."""
FRAMES_WALKED = 200
_METHODS = frozenset(
    {"_call", "_acall", "_generate", "_agenerate", "_stream", "_astream", "stream", "astream"},
)
"""What a class of models implements, and LangChain's own that have the manager of the run where it hands on none."""


class InlineHandler(BaseCallbackHandler):
    """A handler that is called inline: in an executor it would cost ten times as much.

    To ``AsyncCallbackManager.on_llm_start`` alone it is one of the others, unless it is the only one or another handler
    is inline: what the others see is what they would see without it. It is called inline there too, since
    ``ahandle_event``, which calls it, asks again.
    """

    @property
    def run_inline(self) -> bool:  # type: ignore[override]  # a plain attribute of LangChain's class
        """Whether LangChain is to call the handler in the caller's thread."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (who asks decides)
        if frame is None or not frame.f_code.co_qualname.startswith(SELECTIVE):
            return True
        # does a handler that ``on_llm_start`` would call without ours go uncalled because ours is inline?
        if frame.f_code.co_name == "<listcomp>":  # Python 3.11
            frame = frame.f_back
        manager = frame.f_locals.get("self") if frame is not None else None
        others = [handler for handler in getattr(manager, "handlers", ()) if not isinstance(handler, InlineHandler)]
        return not others or any(handler.run_inline for handler in others)


def task_of_the_event() -> asyncio.Task[object] | None:
    """Return the current task where LangChain made it for this event alone: its end says nothing of the run's."""
    running = asyncio._get_running_loop() is not None  # noqa: SLF001  (public in effect: documented for frameworks)
    task = asyncio.current_task() if running else None
    return task if task is not None and getattr(task.get_coro(), "__name__", "") == "ahandle_event" else None


def model_on_the_stack() -> UUID | None:
    """Return the id of the model's run whose method the caller is in; None where there is none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(FRAMES_WALKED):
        if frame is None:
            return None
        if frame.f_code.co_name in _METHODS and "run_manager" in frame.f_code.co_varnames:
            found = getattr(frame.f_locals.get("run_manager"), "run_id", None)
            if isinstance(found, UUID):
                return found
        frame = frame.f_back
    return None
