"""W3C's trace context: in which span a trace stands, and the ids under which its own steps are known outside.

OpenTelemetry is only read where the program has loaded it, and its context is never changed.
"""

import hashlib
import re
import sys
from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

__all__ = [
    "Surrounding",
    "current_span",
    "parse",
    "remember",
    "remembered",
    "span_id_of",
    "trace_id_of",
    "traceparent",
]

_HEADER = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


class Surrounding(NamedTuple):
    """The span around a trace: the ids of its trace and its own in hexadecimal, and whether it is sampled."""

    trace_id: str
    span_id: str
    sampled: bool = True


def current_span() -> Surrounding | None:
    """Return OpenTelemetry's current span, where a valid one is current; only for programs that have loaded it."""
    context = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Surrounding(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags & 1))


def parse(header: str) -> Surrounding | None:
    """Read a ``traceparent`` header; None where it is none."""
    found = _HEADER.fullmatch(header.strip())
    if found is None or (header.strip().startswith("00") and found[4]):
        return None
    trace_id, span_id, flags = found[1], found[2], int(found[3], 16)
    return Surrounding(trace_id, span_id, bool(flags & 1)) if int(trace_id, 16) and int(span_id, 16) else None


def trace_id_of(trace_id: str) -> str:
    """Return 32 hexadecimal digits that stand for our id of a trace: those of a UUID, which a person finds again."""
    try:
        found = UUID(trace_id).hex
    except ValueError:
        found = ""
    return found if found.strip("0") else hashlib.sha256(trace_id.encode()).hexdigest()[:32]


_interrupted: OrderedDict[str, str] = OrderedDict()
"""By our id of a trace that waits for a human, the id of the one that it is part of outside, where that is another."""
REMEMBERED = 10_000


def remember(trace_id: str, around: Surrounding | None) -> None:
    """Remember which trace an interrupted one is part of, for the one that goes on with it; one thread at a time."""
    if around is not None:
        _interrupted[trace_id] = around.trace_id
        if len(_interrupted) > REMEMBERED:
            _interrupted.popitem(last=False)


def remembered(trace_id: str) -> str | None:
    """Return which trace an interrupted one of this process is part of outside; None where it stands for itself."""
    return _interrupted.get(trace_id)


def span_id_of(trace_id: str, number: int) -> str:
    """Return 16 hexadecimal digits that stand for a step of a trace, 0 for the trace itself: each time the same."""
    return hashlib.sha256(f"{trace_id}/{number}".encode()).hexdigest()[:16]


def traceparent(trace_id: str, span_id: str, around: Surrounding | None) -> str:
    """Return the header by which a service that is called joins a trace.

    Args:
        trace_id: Our id of the trace.
        span_id: Of the step that calls, or of the trace itself.
        around: The span around the trace.
    """
    whole = trace_id_of(trace_id) if around is None else around.trace_id
    flags = "01" if around is None or around.sampled else "00"
    return f"00-{whole}-{span_id}-{flags}"
