"""A stored trace leaves by OTLP over HTTP: encoded by OpenTelemetry's exporter, sent by our own connections.

The exporter's own way of sending hides the answer, of which more has to be known here than whether it was good.
"""

import gzip
import json
import math
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from pydantic import SecretStr

from infinium_integrations import diagnostics
from infinium_integrations._version import __version__
from infinium_integrations.client.protocol.messages import USER_AGENT, Action, Reply, Request, Verdict, scrub
from infinium_integrations.client.protocol.retry import header, retry_after
from infinium_integrations.errors import ConfigurationError
from infinium_integrations.export import otlp, otlp_fit
from infinium_integrations.export.otlp import Attributes, Span, Value
from infinium_integrations.export.outbox import Outcome
from infinium_integrations.export.transports import LATE, Connections
from infinium_integrations.otel_environment import OtelEnvironment
from infinium_integrations.settings import Settings
from infinium_integrations.storage.record import Record

__all__ = ["REQUEST_BYTES", "Collector", "connections", "encoded"]

REQUEST_BYTES = 4 * 1_048_576
"""Of one request before compression: what a Collector takes by default."""
LEAST_BYTES = 65_536
"""To which requests are made smaller for a receiver that takes less."""
SMALLER = 4
"""By which a request is divided that was too large."""
SLACK = 64
"""Of a span, for what stands around its messages."""
UNFINISHED = 100
"""Traces of several requests, of which those that were taken are remembered."""
MESSAGE_CHARS = 200
_RETRIED = frozenset({429, 502, 503, 504})
"""By the specification; nothing else is sent again by itself."""
_KEPT = frozenset({401, 403, 404, 407})
"""What a person puts right, with what they do about it in ``_ADVICE``."""
_ADVICE = {
    401: "check OTEL_EXPORTER_OTLP_HEADERS",
    403: "check OTEL_EXPORTER_OTLP_HEADERS",
    404: "check OTEL_EXPORTER_OTLP_ENDPOINT, to which v1/traces is added, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    407: "the proxy wants credentials: check HTTPS_PROXY",
}
_INTEGER = 2**63
_SCOPE = InstrumentationScope("infinium_integrations", __version__)
_SDK = {
    "telemetry.sdk.name": "infinium-integrations",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": __version__,
}


def connections(environment: OtelEnvironment) -> Connections:
    """Return connections that trust the certificates which the variables name."""
    own = environment.certificate or environment.client_certificate
    return Connections((lambda: _context(environment)) if own else None)


def _context(environment: OtelEnvironment) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=environment.certificate)
        if environment.client_certificate is not None:
            context.load_cert_chain(environment.client_certificate, environment.client_key)
    except OSError as error:
        msg = (
            f"the files that OTEL_EXPORTER_OTLP_CERTIFICATE and its like name can't be used: {error.strerror or error}"
        )
        raise ConfigurationError(msg) from None
    return context


class Collector:
    """Posts to one receiver of OTLP."""

    destination, receiver, start_rate = "otlp", "The OTLP endpoint", math.inf

    def __init__(self, environment: OtelEnvironment, connections: Connections) -> None:
        self.environment = environment
        self._connections = connections
        self._room = REQUEST_BYTES
        self._taken: OrderedDict[str, set[int]] = OrderedDict()
        """By trace, which of its several requests were taken."""

    def renew(self, settings: Settings) -> bool:
        """Take over another timeout or compression."""
        before, self.environment = self.environment, settings.otlp or self.environment
        return before != self.environment

    @property
    def ready(self) -> bool:
        """Whether connections can be made at all."""
        return self._connections.ready

    @property
    def limit(self) -> float:
        """Seconds after which nothing more is heard of a try."""
        return self.environment.timeout + LATE

    def send(self, record: Record, timeout: float = math.inf) -> Outcome:
        """Try once; for a receiver that takes less, in smaller requests."""
        deadline = time.monotonic() + min(timeout, self.environment.timeout)
        encode: Callable[[Record, int, bool], list[bytes] | Outcome] = encoded
        while True:
            room = self._room
            requests = diagnostics.attempt(encode, _unreadable, record, room, self.environment.content)
            if isinstance(requests, Outcome):
                return requests
            outcome = self._post_all(record.trace_id, requests, deadline)
            if outcome.verdict.action != "shrink":
                return outcome
            self._taken.pop(record.trace_id, None)
            if room <= LEAST_BYTES:
                return Outcome(Verdict("reject", outcome.verdict.reason))
            self._room = max(LEAST_BYTES, max(map(len, requests)) // SMALLER)

    def probe(self) -> Outcome:
        """Send a request without spans, as a person does who wants to know whether it would be taken."""
        return self._post(b"", time.monotonic() + self.environment.timeout)

    def _post_all(self, trace_id: str, requests: list[bytes], deadline: float) -> Outcome:
        taken = self._taken.pop(trace_id, set())
        for place, body in enumerate(requests):
            if place in taken:
                continue
            outcome = self._post(body, deadline)
            if outcome.verdict.action != "delivered":
                if taken:
                    self._taken[trace_id] = taken
                    while len(self._taken) > UNFINISHED:
                        self._taken.popitem(last=False)
                return outcome
            taken.add(place)
        return Outcome(Verdict("delivered", "taken"))

    def _post(self, body: bytes, deadline: float) -> Outcome:
        given = self.environment
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": USER_AGENT, **given.headers}
        if given.compression == "gzip":
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        secrets = tuple(SecretStr(value) for value in given.headers.values())
        request = Request("POST", given.endpoint, "trace", headers, body, secrets)
        return self._connections.post(request, deadline, lambda reply: _verdict(reply, secrets))


# -- answers -----------------------------------------------------------------------------------------------------------


def _verdict(reply: Reply, secrets: tuple[SecretStr, ...]) -> Verdict:
    """Say what becomes of a trace after the answer to it."""
    action = _action(reply)
    if action == "delivered":
        _say_what_was_refused(reply, secrets)
        return Verdict("delivered", "taken")
    said = scrub(_said(reply), secrets, least=8)
    advice = _ADVICE.get(reply.status) or ("it is no receiver of OTLP" if reply.status < 400 else "")  # noqa: PLR2004
    reason = "; ".join(str(part) for part in (f"status {reply.status}", said, advice) if part)
    return Verdict(action, reason, after=retry_after(reply.headers) if action == "retry" else None)


def _action(reply: Reply) -> Action:
    if 200 <= reply.status < 300:  # noqa: PLR2004
        return "keep" if header(reply.headers, "content-type").startswith("text/html") else "delivered"
    if reply.status in _RETRIED:
        return "retry"
    if reply.status < 400 or reply.status in _KEPT:  # noqa: PLR2004
        return "keep"
    return "shrink" if reply.status == 413 else "reject"  # noqa: PLR2004


def _say_what_was_refused(reply: Reply, secrets: tuple[SecretStr, ...]) -> None:
    """Say once that a receiver took a trace only in part: sent again, it would be the same."""
    count, message = _refused(reply)
    if count or message:
        diagnostics.warn_once(
            "partial",
            "The OTLP endpoint took a trace only in part (%d spans were refused): %s",
            count,
            scrub(_flat(message), secrets, least=8),
        )


def _refused(reply: Reply) -> tuple[int, str]:
    """Read how many spans were refused, and why."""
    if "json" in header(reply.headers, "content-type"):
        try:
            read = json.loads(reply.body)
            partial = (read.get("partialSuccess") if isinstance(read, Mapping) else None) or {}
            return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
        except (ValueError, TypeError, AttributeError, OverflowError):
            return 0, ""
    try:
        found = ExportTraceServiceResponse.FromString(reply.body).partial_success
    except DecodeError:
        return 0, ""
    return int(found.rejected_spans), str(found.error_message)


def _said(reply: Reply) -> str:
    """Return the text of an answer, which may be in a message of protobuf."""
    return _flat(reply.body[: 4 * MESSAGE_CHARS].decode("utf-8", "replace"))


def _flat(text: str) -> str:
    """Return the beginning of a text in one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:MESSAGE_CHARS]


# -- requests ----------------------------------------------------------------------------------------------------------


def _unreadable(error: Exception) -> Outcome:
    """Refuse a trace that another program wrote or that was damaged: sent again, it would be the same."""
    return Outcome(Verdict("reject", f"it can't be read as spans: {type(error).__name__}"))


def encoded(record: Record, room: int = REQUEST_BYTES, content: bool = True) -> list[bytes]:  # noqa: FBT001, FBT002
    """Return the requests that send a stored trace: one, where it can be made to fit.

    Where it is too large, the content of the oldest messages goes first; what is too large then is split by spans.

    Args:
        record: The trace.
        room: Bytes that a request may have.
        content: Whether what the model saw and said goes with it, if that was meant when it was stored.

    Raises:
        DamagedError: What lies beside the payload can't be read.
    """
    spans = otlp.spans_of(record, content=content)
    given = record.head["delivery"].get("resource")
    named = {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}
    resource = Resource({**_SDK, **{_clean(name): _clean(value) for name, value in named.items()}})
    written = otlp_fit.write_messages(spans, room)
    whole = _encode(spans, resource)
    if len(whole) > room:
        otlp_fit.define_once(spans)
        rest = len(whole) - written + SLACK * len(spans)
        otlp_fit.write_messages(spans, max(room // 2, room - rest))
        whole = _encode(spans, resource)
    if len(whole) <= room:
        return [whole]
    return [_encode(some, resource) for some in _split(spans, resource, room)]


def _split(spans: list[Span], resource: Resource, room: int) -> list[list[Span]]:
    parts: list[list[Span]] = []
    left = 0
    for span in spans:
        size = len(_encode([span], resource))
        if size > room:
            otlp_fit.leave_out_attributes(span, size - room)
            size = len(_encode([span], resource))
        if size > left:
            parts.append([])
            left = room
        parts[-1].append(span)
        left -= size
    return parts


def _encode(spans: list[Span], resource: Resource) -> bytes:
    written: bytes = encode_spans([_readable(span, resource) for span in spans]).SerializeToString()
    return written


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    status = Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, _clean(span.error) or None)
    return ReadableSpan(
        name=_clean(span.name),
        context=_context_of(span.trace_id, span.span_id),
        parent=None if span.parent_id is None else _context_of(span.trace_id, span.parent_id),
        resource=resource,
        attributes=_cleaned(span.attributes),
        events=[Event(_clean(one.name), _cleaned(one.attributes), one.at_ns) for one in span.events],
        links=[Link(_context_of(*ids)) for ids in span.links],
        kind=SpanKind.CLIENT if span.client else SpanKind.INTERNAL,
        status=status,
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context_of(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))


def _cleaned(attributes: Attributes) -> dict[str, Value]:
    return {_clean(name): _sendable(value) for name, value in attributes.items()}


def _sendable(value: Value) -> Value:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value if not isinstance(value, int) or -_INTEGER <= value < _INTEGER else str(value)


def _clean(text: str) -> str:
    """Return a text that UTF-8 can hold: half a character becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
