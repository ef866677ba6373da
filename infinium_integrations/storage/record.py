"""The file of one trace: gzipped JSON, its facts first, then its payload, then what the model saw and said.

It is written as three gzip members, which any gzip reader reads as one text: what a list shows is read without
unpacking the payload, what is sent without unpacking the content, and a receipt is added without packing either again.
Format 1 had no content.
"""

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infinium_integrations.capture.folding import unfolded

__all__ = [
    "EMPTY",
    "FORMAT",
    "DamagedError",
    "NewerFormatError",
    "Record",
    "facts_of",
    "file_name",
    "new_record",
    "pack",
    "peek",
    "receipt",
    "safe_id",
    "unpack",
    "unpack_head",
    "unpack_trace",
    "without_content",
]

FORMAT = 2
UNPACKED_LIMIT = 16 * 1_048_576
"""Bytes: what unpacks to more is no file of ours."""
CAPTURED_LIMIT = 64 * 1_048_576
"""Bytes: the same of the content alone."""
HEAD_LIMIT = 262_144
SEARCHED_CHARS = 2_000
"""Characters of a trace's texts that free-text search sees."""
LINE_CHARS = 160

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_BEFORE, _AFTER = b'"payload":', b"}"
_CAPTURED = b',"captured":'


class DamagedError(Exception):
    """The file is not a whole trace."""


class NewerFormatError(Exception):
    """A later version of this library wrote the file."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored trace: ``head`` has the facts, ``body`` is the payload exactly as it is sent."""

    head: dict[str, Any]
    body: bytes
    packed: bytes = b""
    """What the model saw and said, as it lies in the file."""

    def captured(self) -> dict[str, Any] | None:
        """Return what the model saw and said, each reference in it replaced by what it refers to; None of nothing.

        Raises:
            DamagedError: It can't be read.
        """
        if not self.packed:
            return None
        text, rest = _member(self.packed, CAPTURED_LIMIT)
        if rest or not text.endswith(_AFTER):
            raise DamagedError
        if text == _AFTER:
            return None
        try:
            return unfolded(json.loads(text[len(_CAPTURED) : -len(_AFTER)]))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError from error

    @property
    def trace_id(self) -> str:
        """Our id of the trace, sent as ``Idempotency-Key``."""
        return str(self.head["trace_id"])

    def payload(self) -> dict[str, object]:
        """Return the payload as an object."""
        found: dict[str, object] = json.loads(self.body)
        return found


def new_record(
    trace_id: str,
    payload: dict[str, object],
    body: bytes,
    recorded_ns: int,
    delivery: dict[str, object],
    *,
    captured: dict[str, object] | None = None,
) -> Record:
    """Make the record of a trace that was just recorded.

    Args:
        trace_id: Our id of it.
        payload: What will be sent, redacted.
        body: The same, encoded.
        recorded_ns: Nanoseconds since the epoch.
        delivery: What is known of its delivery, at least ``status``.
        captured: What the model saw and said, redacted; references in it are as ``unfolded`` reads them.
    """
    tags = _tags(payload)
    head = {
        "format": FORMAT,
        "trace_id": trace_id,
        "recorded_at": moment(recorded_ns),
        "name": payload.get("name", ""),
        "status": tags.get("status", "error" if payload.get("errors") else "ok"),
        "facts": facts_of(payload),
        "delivery": delivery,
    }
    written = b"" if captured is None else _CAPTURED + _json(captured)
    return Record(head, body, _squeeze(written + _AFTER))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def moment(ns: int) -> str:
    """Write nanoseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def receipt(record: Record, **facts: object) -> Record:
    """Return the same record with facts of its delivery added; None takes one away."""
    # lone surrogates, which a server's JSON may carry and no file can, are replaced
    facts = {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in facts.items()
    }
    delivery = {**record.head.get("delivery", {}), **facts}
    return Record(
        {**record.head, "delivery": {key: value for key, value in delivery.items() if value is not None}},
        record.body,
        record.packed,
    )


def facts_of(payload: dict[str, Any]) -> dict[str, object]:
    """Return what lists and searches need of a payload."""
    tags, usage = _tags(payload), payload.get("llm_usage") or {}
    errors = [f"{error.get('error_type')} {error.get('message')}"[:300] for error in (payload.get("errors") or ())[:5]]
    parts = [payload.get("description"), *errors]
    parts += [(payload.get(key) or "")[:700] for key in ("input_summary", "output_summary")]
    facts = {
        "session_id": tags.get("session_id"),
        "user_id": tags.get("user_id"),
        "tags": tags.get("tags"),
        "framework": (payload.get("environment") or {}).get("framework"),
        "duration": payload.get("duration"),
        "steps": len(payload.get("steps") or ()),
        "errors": len(payload.get("errors") or ()),
        "model": usage.get("model"),
        "tokens": usage.get("total_tokens"),
        "cost": usage.get("estimated_cost_usd"),
        "ended": _nanoseconds(payload.get("current_datetime")),
        "preview": _preview(payload),
        "text": "\n".join(part for part in parts if part)[:SEARCHED_CHARS],
    }
    return {key: value for key, value in facts.items() if value is not None}


def _tags(payload: dict[str, Any]) -> dict[str, object]:
    return (payload.get("environment") or {}).get("custom_tags") or {}


def _nanoseconds(moment: Any) -> int | None:
    """Read a moment as nanoseconds since the epoch; without a zone it is taken as UTC."""
    try:
        read = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return None
    aware = read if read.utcoffset() is not None else read.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1) * 1_000


def _preview(payload: dict[str, Any]) -> str | None:
    """Return the beginning of what came out, else of what went in, in one line; the payload is redacted already."""
    for key in ("output_summary", "input_summary"):
        line = " ".join((payload.get(key) or "")[: 4 * LINE_CHARS].split())
        if line:
            return line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…"
    return None


def pack(record: Record) -> bytes:
    """Return the bytes of the file."""
    packed = record.packed
    head = json.dumps({**record.head, "format": FORMAT if packed else 1}, separators=(",", ":")).encode()
    end = b"" if packed else _AFTER
    return _squeeze(head[:-1] + b",") + _squeeze(_BEFORE + record.body + end) + packed


def _squeeze(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


EMPTY = _squeeze(_AFTER)
"""How a file ends that has no content beside its payload."""


def without_content(data: bytes) -> bytes:
    """Return a file's bytes without what the model saw and said; the same where there is none.

    Raises:
        DamagedError: It is not a whole trace.
        NewerFormatError: A later version wrote it.
    """
    packed = unpack(data).packed
    return data[: -len(packed)] + EMPTY if packed else data


def unpack(data: bytes) -> Record:
    """Read a file's bytes.

    Raises:
        DamagedError: It is not a whole trace.
        NewerFormatError: A later version wrote it.
    """
    first, rest = _member(data)
    second, rest = _member(rest) if rest else (b"", b"")
    if second.startswith(_BEFORE) and first.endswith(b","):
        head = _head(first[:-1] + b"}")
        if (head["format"] != 1) != bool(rest):
            raise DamagedError
        return Record(head, second[len(_BEFORE) :] if rest else second[len(_BEFORE) : -len(_AFTER)], rest)
    # read a file that something else wrote, in other members or with its keys in another order
    text = first + second
    while rest:
        more, rest = _member(rest, CAPTURED_LIMIT)
        text += more
    head = _head(text)
    payload, captured = head.pop("payload", None), head.pop("captured", None)
    if not isinstance(payload, dict):
        raise DamagedError
    packed = _squeeze(_CAPTURED + _json(captured) + _AFTER) if isinstance(captured, dict) else b""
    return Record(head, _json(payload), packed)


def unpack_trace(data: bytes) -> Record:
    """Read a file's bytes as ``unpack`` does, and refuse a payload that is no trace as damaged."""
    record = unpack(data)
    try:
        payload = json.loads(record.body)
    except (ValueError, RecursionError) as error:
        raise DamagedError from error
    if not _is_trace(payload):
        raise DamagedError
    return record


def _is_trace(payload: object) -> bool:
    """Whether a payload has what every server asks for; the rest is the server's to judge."""
    if not isinstance(payload, dict):
        return False
    texts = (payload.get(key) for key in ("name", "description", "current_datetime"))
    duration, steps = payload.get("duration"), payload.get("steps", [])
    return (
        all(isinstance(text, str) and text.strip() for text in texts)
        and isinstance(duration, int | float)
        and isinstance(steps, list)
        and all(isinstance(step, dict) for step in steps)
    )


def peek(beginning: bytes) -> dict[str, object] | None:
    """Read the facts from a file's beginning; None where they don't end in it. Raises as ``unpack`` does."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(beginning, HEAD_LIMIT)
    except zlib.error as error:
        raise DamagedError from error
    if not (unpacker.eof and unpacker.unused_data and text.endswith(b",")):
        return None
    return _head(text[:-1] + b"}")


def unpack_head(data: bytes) -> dict[str, object]:
    """Read the facts only; raises as ``unpack`` does."""
    head = peek(data)
    return unpack(data).head if head is None else head


def _member(data: bytes, limit: int = UNPACKED_LIMIT) -> tuple[bytes, bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise DamagedError from error
    if not unpacker.eof:
        raise DamagedError
    return text, unpacker.unused_data


def _head(text: bytes) -> dict[str, object]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError from error
    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise DamagedError
    if head["format"] > FORMAT:
        raise NewerFormatError
    if not _ID.fullmatch(str(head.get("trace_id", ""))):
        raise DamagedError
    head["delivery"] = head["delivery"] if isinstance(head.get("delivery"), dict) else {}
    return head


def safe_id(trace_id: str) -> bool:
    """Whether a trace can be kept and sent under this id."""
    return re.fullmatch(r"[\w.:-]{1,128}", trace_id, re.ASCII) is not None


def file_name(recorded: int, trace_id: str) -> str:
    """Return the name of a trace's file, without the suffix; it begins with when it was stored, in nanoseconds."""
    return f"{recorded:020d}-{trace_id.replace(':', '_')}"
