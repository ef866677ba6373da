"""An exception is described when it is seen, so that it need not be kept: type, message, frames, causes, status."""

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from traceback import walk_tb

from infinium_integrations.capture.preview import cut, preview
from infinium_integrations.diagnostics import attempt
from infinium_integrations.recording.run import Failure

__all__ = ["classify", "describe", "failed"]

_OUR_FOLDER = str(Path(__file__).parent.parent) + os.sep
MESSAGE_CHARS = 1_000
FRAMES_KEPT = 12
TRACEBACK_FRAMES = 5_000
CAUSES_WALKED = 10
CAUSES_SAID = 5
"""Of a group of exceptions, those that its message names."""


def classify(error: BaseException) -> str:
    """Return the status that an exception means for the run that it left.

    Control flow is no error: a closed generator, cancellation, an interrupt for a human, a hand-off. What belongs to
    a framework is recognised by its name and module, so that nothing needs to be imported.
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
    "WaitingForEvent": "interrupted",
}


def failed(error: BaseException) -> tuple[str, Failure | None]:
    """Return the status and, where the exception is an error, its description."""
    status = classify(error)
    return status, describe(error) if status == "error" else None


def describe(error: BaseException) -> Failure:
    """Describe an exception in bounded texts; nothing of it is kept."""
    failure = Failure(type(error).__name__, _with_causes(error), _key(error))
    keys: list[Hashable] = []
    cause: BaseException | None = error
    while cause is not None and len(keys) < CAUSES_WALKED:
        keys.extend(_key(inner) for inner in getattr(cause, "exceptions", ())[:CAUSES_WALKED])
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if cause is not None:
            keys.append(_key(cause))
    failure.causes = tuple(keys)
    frames = (
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in itertools.islice(walk_tb(error.__traceback__), TRACEBACK_FRAMES)
        if not frame.f_code.co_filename.startswith(_OUR_FOLDER)
    )
    failure.frames = tuple(deque(frames, maxlen=FRAMES_KEPT))
    own = getattr(error, "__dict__", {})
    codes = [own.get("code"), own.get("status_code")]
    known = (str(code) for code in codes if isinstance(code, str | int) and not isinstance(code, bool) and code != "")
    failure.code = next((cut(code, 100) for code in known), None)
    return failure


def _key(error: BaseException) -> Hashable:
    return (id(error), type(error).__name__)


def _with_causes(error: BaseException) -> str:
    """Return an exception's message; of a group what was raised in it, too."""
    message = _message(error)
    if not isinstance(error, BaseExceptionGroup):
        return message
    causes: list[str] = []
    waiting: list[BaseException] = [error]
    while waiting and len(causes) < CAUSES_SAID:
        one = waiting.pop(0)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions[:CAUSES_WALKED])
        else:
            causes.append(f"{type(one).__name__}: {_message(one)}")
    return preview(f"{message}: {'; '.join(causes)}", MESSAGE_CHARS)


def _message(error: BaseException) -> str:
    if len(error.args) == 1 and isinstance(error.args[0], str) and type(error).__str__ is BaseException.__str__:
        return preview(error.args[0], MESSAGE_CHARS)
    if isinstance(error, KeyError) and type(error).__str__ is KeyError.__str__:
        return preview(error.args[0] if len(error.args) == 1 else error.args, MESSAGE_CHARS)
    if type(error).__str__ is BaseException.__str__:
        return preview(error.args, MESSAGE_CHARS) if error.args else ""
    unreadable = f"<{type(error).__name__}, whose text cannot be read>"
    return attempt(lambda: preview(str(error), MESSAGE_CHARS), lambda _: unreadable)
