"""The object whose run LangChain or LangGraph reports right now: callbacks do not name it, the frames that call do."""

import sys
from types import FrameType

__all__ = ["graph", "runnable"]

FRAMES = 14
"""How far up is looked: from a callback through LangChain's manager to what called that."""


def graph() -> object:
    """Return LangGraph's graph whose start is reported; None where it is none."""
    return _caller(sys._getframe(1), "Pregel.")  # noqa: SLF001


def runnable() -> object:
    """Return the runnable whose start or end is reported; None where none is found."""
    return _caller(sys._getframe(1), "Runnable")  # noqa: SLF001


def _caller(frame: FrameType | None, method: str) -> object:
    for _ in range(FRAMES):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            return None
        if frame.f_code.co_qualname.startswith(method):
            return frame.f_locals.get("self")
    return None
