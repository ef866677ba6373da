"""The file of one trace: gzipped JSON, its facts first, then its payload, its spans, and what the model saw and said.

It is written as four gzip members, which any gzip reader reads as one text: what a list shows is read without
unpacking the payload, what is sent without unpacking the content, and content is taken away without packing the rest
again. That a trace was delivered stands in its file's name. Format 1 had no spans and no content, and its receipt among
its facts.
"""

import gzip
import json
import re
import urllib.parse
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from infinium_integrations.capture.folding import unfolded

if TYPE_CHECKING:
    from infinium_integrations.payload.build import Spans

__all__ = [
    "EMPTY",
    "FORMAT",
    "DamagedError",
    "NewerFormatError",
    "Receipt",
    "Record",
    "facts_of",
    "file_name",
    "new_record",
    "pack",
    "peek",
    "receipt_of",
    "refused",
    "safe_id",
    "stem",
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
LINE_CHARS = 160

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_BEFORE, _AFTER = b'"payload":', b"}"
_SPANS, _CAPTURED = b',"spans":', b',"captured":'
_NAME_LIMIT = 190
"""Bytes of a file's name with a remote id in it; most file systems take 255, receipts to come and suffix included."""


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
    """Its spans and what the model saw and said, as they lie in the file."""

    def spans(self) -> "Spans | None":
        """Return when each step began; None where that isn't known. Raises as ``captured`` does."""
        if not self.packed:
            return None
        text, rest = _member(self.packed)
        found: Spans | None = _loaded(text, _SPANS)
        if not rest:
            raise DamagedError
        return found

    def captured(self) -> dict[str, Any] | None:
        """Return what the model saw and said, each reference in it replaced by what it refers to; None of nothing.

        Raises:
            DamagedError: It can't be read.
        """
        try:
            found = self.folded()
            return None if found is None else unfolded(found)
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError from error

    def folded(self) -> dict[str, Any] | None:
        """Return the same as it lies in the file, with references to what occurs again. Raises as ``captured``."""
        if not self.packed:
            return None
        text, rest = _member(_member(self.packed)[1], CAPTURED_LIMIT)
        if rest or not text.endswith(_AFTER):
            raise DamagedError
        found: dict[str, Any] | None = _loaded(text[: -len(_AFTER)], _CAPTURED)
        return found

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
    spans: "Spans | None" = None,
    captured: dict[str, object] | None = None,
) -> Record:
    """Make the record of a trace that was just recorded.

    Args:
        trace_id: Our id of it.
        payload: What will be sent, redacted.
        body: The same, encoded.
        recorded_ns: Nanoseconds since the epoch.
        delivery: What is known of its delivery, at least ``status``.
        spans: When its steps began.
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
    return Record(head, body, _packed(spans, captured))


def _packed(spans: object, captured: object) -> bytes:
    content = EMPTY if captured is None else _squeeze(_CAPTURED + _json(captured) + _AFTER)
    return _squeeze(b"" if spans is None else _SPANS + _json(spans)) + content


def _loaded(text: bytes, key: bytes) -> Any:
    if not text:
        return None
    if not text.startswith(key):
        raise DamagedError
    try:
        return from_json(text[len(key) :], allow_inf_nan=False)
    except ValueError:  # a file that something else wrote may have half a character in it
        pass
    try:
        return json.loads(text[len(key) :])
    except (ValueError, RecursionError) as error:
        raise DamagedError from error


def _json(value: object) -> bytes:
    return to_json(value, inf_nan_mode="null")


def moment(ns: int) -> str:
    """Write nanoseconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def refused(record: Record, reason: str | None, at: int) -> Record:
    """Return the same record with the server's reason for refusing it, ``at`` nanoseconds since the epoch."""
    # lone surrogates, which a server's JSON may carry and no file can, are replaced
    reason = None if reason is None else reason.encode("utf-8", "replace").decode()
    facts = {**record.head.get("delivery", {}), "status": "rejected", "reason": reason, "rejected_at": moment(at)}
    return replace(record, head={**record.head, "delivery": facts})


def facts_of(payload: dict[str, Any]) -> dict[str, object]:
    """Return what lists need of a payload."""
    tags, usage = _tags(payload), payload.get("llm_usage") or {}
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
        "input": _line(payload.get("input_summary")),
        "output": _line(payload.get("output_summary")),
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


def _line(text: Any) -> str | None:
    """Return the beginning of a text in one line, None of nothing; the payload is redacted already."""
    line = " ".join((text or "")[: 4 * LINE_CHARS].split())
    return (line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…") or None


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
    return data[: -len(_member(packed)[1])] + EMPTY if packed else data


def unpack(data: bytes, *, facts: bool = True) -> Record:
    """Read a file's bytes.

    Args:
        data: The bytes.
        facts: Whether its head is needed; else it may be empty.

    Raises:
        DamagedError: It is not a whole trace.
        NewerFormatError: A later version wrote it.
    """
    first, rest = _member(data)
    second, rest = _member(rest) if rest else (b"", b"")
    if second.startswith(_BEFORE) and rest and not facts:
        return Record({}, second[len(_BEFORE) :], rest)
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
    payload, spans, captured = (head.pop(key, None) for key in ("payload", "spans", "captured"))
    if not isinstance(payload, dict):
        raise DamagedError
    found = [value if isinstance(value, dict) else None for value in (spans, captured)]
    return Record(head, _json(payload), _packed(*found) if any(found) else b"")


def unpack_trace(data: bytes) -> Record:
    """Read a file's bytes as ``unpack`` does, and refuse a payload that is no trace as damaged."""
    record = unpack(data)
    try:
        payload = json.loads(record.body)
    except (ValueError, RecursionError) as error:
        raise DamagedError from error
    # what every server asks for; the rest is the server's to judge
    if not isinstance(payload, dict):
        raise DamagedError
    texts = (payload.get(key) for key in ("name", "description", "current_datetime"))
    duration, steps = payload.get("duration"), payload.get("steps", [])
    if not (
        all(isinstance(text, str) and text.strip() for text in texts)
        and isinstance(duration, int | float)
        and isinstance(steps, list)
        and all(isinstance(step, dict) for step in steps)
    ):
        raise DamagedError
    return record


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a trace was delivered: it stands behind ``~`` in the name of its file, once for each destination."""

    destination: str
    """``infinium``, or what else takes traces: letters only."""
    at_ms: int
    """Milliseconds since the epoch."""
    remote_id: str | None = None
    """Under which id it is known there."""

    def added(self, name: str) -> str:
        """Return a file's name with this receipt; without the remote id, where no name could hold it."""
        short = f"{name}~{self.destination},{self.at_ms}"
        remote = urllib.parse.quote(self.remote_id or "", safe="", errors="replace")
        remote = remote.replace("~", "%7E").replace(".", "%2E")  # which end a receipt and a name
        whole = f"{short},{remote}" if remote else short
        return whole if len(whole) <= _NAME_LIMIT else short


def receipt_of(name: str, destination: str = "infinium") -> Receipt | None:
    """Return the receipt of one destination that stands in a file's name; None where there is none."""
    for written in name.split("~")[1:]:
        to, at, remote = (*written.split(","), "", "")[:3]
        if to == destination and at.isascii() and at.isdigit():
            return Receipt(to, int(at), urllib.parse.unquote(remote) or None)
    return None


def stem(name: str) -> str:
    """Return a file's name without receipts."""
    return name.partition("~")[0]
