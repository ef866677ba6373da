"""An exception is described when it is seen, so that it need not be kept: type, message, frames, causes, status."""

import asyncio
import os
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType

from infinium_integrations.capture.preview import preview
from infinium_integrations.recording.run import Failure

__all__ = ["classify", "describe", "failed"]

_OUR_FOLDER = str(Path(__file__).parent.parent) + os.sep
MESSAGE_CHARS = 1_000
FRAMES_KEPT = 12
FRAMES_WALKED = 5_000
CAUSES_WALKED = 10


def classify(error: BaseException) -> str:
    """Give the status that an exception means for the run that it left.

    Control flow is no error: a closed generator, cancellation, an interrupt for a human, a hand-off. What belongs to
    a framework is told by its name and module, so that nothing needs to be imported.
    """
    if isinstance(error, GeneratorExit):
        return "abandoned"
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
        return "cancelled"
    for kind in type(error).__mro__:
        status = _CONTROL_FLOW.get(kind.__name__)
        if status is not None and kind.__module__.partition(".")[0] in _FRAMEWORKS:
            return status
    return "error"


_FRAMEWORKS = {"langgraph", "workflows", "llama_index"}

_CONTROL_FLOW = {
    "GraphInterrupt": "interrupted",
    "NodeInterrupt": "interrupted",
    "GraphDrained": "interrupted",
    "ParentCommand": "handoff",
    "GraphBubbleUp": "interrupted",
    "WorkflowCancelledByUser": "cancelled",
    "WorkflowDone": "ok",
}


def failed(error: BaseException) -> tuple[str, Failure | None]:
    """Give the status and, where the exception is an error, its description."""
    status = classify(error)
    return status, describe(error) if status == "error" else None


def describe(error: BaseException) -> Failure:
    """Describe an exception in bounded texts; nothing of it is kept."""
    failure = Failure(type(error).__name__, _message(error), _key(error))
    failure.causes = _causes(error)
    failure.frames = _frames(error.__traceback__)
    failure.code = _code(error)
    return failure


def _key(error: BaseException) -> Hashable:
    return (id(error), type(error).__name__)


def _causes(error: BaseException) -> tuple[Hashable, ...]:
    keys: list[Hashable] = []
    cause: BaseException | None = error
    while cause is not None and len(keys) < CAUSES_WALKED:
        keys.extend(_key(inner) for inner in getattr(cause, "exceptions", ())[:CAUSES_WALKED])
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if cause is not None:
            keys.append(_key(cause))
    return tuple(keys)


def _message(error: BaseException) -> str:
    if len(error.args) == 1 and isinstance(error.args[0], str) and type(error).__str__ is BaseException.__str__:
        return preview(error.args[0], MESSAGE_CHARS)
    if isinstance(error, KeyError) and type(error).__str__ is KeyError.__str__:
        return preview(error.args[0] if len(error.args) == 1 else error.args, MESSAGE_CHARS)
    if type(error).__str__ is BaseException.__str__:
        return preview(error.args, MESSAGE_CHARS) if error.args else ""
    try:
        return preview(str(error), MESSAGE_CHARS)
    except Exception:  # noqa: BLE001  (the user's own __str__)
        return f"<{type(error).__name__}, whose text cannot be read>"


def _frames(traceback: TracebackType | None) -> tuple[tuple[str, int, str], ...]:
    frames: deque[tuple[str, int, str]] = deque(maxlen=FRAMES_KEPT)
    walked = 0
    while traceback is not None and walked < FRAMES_WALKED:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_OUR_FOLDER):
            frames.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
        walked += 1
    return tuple(frames)


def _code(error: BaseException) -> str | None:
    facts = getattr(error, "__dict__", {})
    for name in ("code", "status_code"):
        value = facts.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)[:100]
    return None
