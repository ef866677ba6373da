"""Whose model's method the caller is in: LangChain says nowhere that what is called there belongs to the call."""

import sys
from types import FrameType
from uuid import UUID

__all__ = ["model_on_the_stack"]

FRAMES_WALKED = 200
_METHODS = frozenset(
    {"_call", "_acall", "_generate", "_agenerate", "_stream", "_astream", "stream", "astream"},
)
"""What a class of models implements, and LangChain's own that have the manager of the run where it hands on none."""


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
