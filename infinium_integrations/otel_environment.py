"""What OpenTelemetry's standard variables say of where traces go by OTLP, and what they say of themselves there."""

import base64
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

__all__ = ["OtelEnvironment", "check", "credentials", "read"]

DEFAULT_ENDPOINT = "http://localhost:4318"
PATH = "v1/traces"
DEFAULT_TIMEOUT = 10.0
_GENERAL, _TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header's name, by RFC 9110."""
_FRAMING = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})
"""Headers that say what a request's body is, as nobody else can."""
_NO_SPANS = frozenset({"NO_CONTENT", "EVENT_ONLY", "FALSE"})
"""Values of that variable by which spans carry no content."""


@dataclass(frozen=True, slots=True)
class OtelEnvironment:
    """Where traces go, how, and the resource that they name."""

    endpoint: str = f"{DEFAULT_ENDPOINT}/{PATH}"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float = DEFAULT_TIMEOUT
    """Seconds that a request gets in all."""
    compression: Literal["none", "gzip"] = "none"
    certificate: str | None = None
    """A file of the certificates that are trusted; None for the system's."""
    client_certificate: str | None = None
    client_key: str | None = None
    resource: dict[str, str] = field(default_factory=dict)
    content: bool = True
    """Whether spans carry what the model saw and said."""

    @property
    def address(self) -> str:
        """The endpoint as it may be shown: what stands behind its path may be a key."""
        parts = urlsplit(self.endpoint)
        return urlunsplit(parts._replace(query="…" if parts.query else ""))

    @property
    def key(self) -> str:
        """What stands for this receiver: its address, and the headers that say whose the traces are."""
        named = "\n".join(f"{name}={value}" for name, value in sorted(self.headers.items()))
        return hashlib.sha256(f"otlp|{self.endpoint}|{named}".encode()).hexdigest()[:16]


def check(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the variables, each by name; nothing of their values, which may be secret."""
    found = []
    for part, what in _MUST.items():
        text = _endpoint(environment) if part == "ENDPOINT" else _of(environment, part)
        if text is not None and not _HOLDS[part](text):
            name = _TRACES + part if environment.get(_TRACES + part) else _GENERAL + part
            found.append(f"{name}: {what}")
    return found


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    readable = text.isprintable() and " " not in parts.netloc
    return readable and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _is_time(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _are_headers(text: str) -> bool:
    pairs = _named_values(text)
    whole = all("=" in pair for pair in _pairs(text))
    return whole and all(_NAME.fullmatch(name) and _fits(value) for name, value in pairs)


def _is_readable(text: str) -> bool:
    return os.access(text, os.R_OK)


_FILE = "names a file that can't be read"
_MUST: dict[str, str] = {
    "ENDPOINT": f"must be an http:// or https:// URL, such as {DEFAULT_ENDPOINT}",
    "PROTOCOL": f"only http/protobuf is spoken here, to an endpoint such as {DEFAULT_ENDPOINT}",
    "HEADERS": "must be name=value, several by comma, with names and values that a header can have, percent-encoded",
    "TIMEOUT": "must be a number of seconds above 0",
    "COMPRESSION": "must be gzip or none",
    **dict.fromkeys(("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"), _FILE),
}
_HOLDS: dict[str, Callable[[str], bool]] = {
    "ENDPOINT": _is_url,
    "PROTOCOL": lambda text: text == "http/protobuf",
    "HEADERS": _are_headers,
    "TIMEOUT": _is_time,
    "COMPRESSION": lambda text: text.lower() in {"gzip", "none"},
    **dict.fromkeys(("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"), _is_readable),
}


def read(environment: Mapping[str, str]) -> OtelEnvironment:
    """Read the variables, of which ``check`` has found nothing wrong; those for traces go before the general ones."""
    resource = dict(_named_values(environment.get("OTEL_RESOURCE_ATTRIBUTES")))
    service = environment.get("OTEL_SERVICE_NAME") or resource.get("service.name")
    program = Path(sys.executable or "python").name
    url = urlsplit(_endpoint(environment))
    headers = {name.lower(): value for name, value in _named_values(_of(environment, "HEADERS"))}
    return OtelEnvironment(
        endpoint=urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2])),
        headers={
            **_basic(url),
            **{name: value for name, value in headers.items() if name not in _FRAMING},
        },
        timeout=float(_of(environment, "TIMEOUT") or DEFAULT_TIMEOUT),
        compression="gzip" if (_of(environment, "COMPRESSION") or "").lower() == "gzip" else "none",
        certificate=_of(environment, "CERTIFICATE"),
        client_certificate=_of(environment, "CLIENT_CERTIFICATE"),
        client_key=_of(environment, "CLIENT_KEY"),
        resource={**resource, "service.name": service or f"unknown_service:{program}"},
        content=environment.get(_CONTENT, "").strip().upper() not in _NO_SPANS,
    )


def credentials(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the headers that any exporter of OTLP in this program sends, each without its scheme, and passwords.

    They are the program's own, also where our traces don't go by OTLP.
    """
    for variable, text in environment.items():
        if not variable.startswith(_GENERAL):
            continue
        if variable.endswith("HEADERS"):
            yield from ((name.lower(), value.rpartition(" ")[2]) for name, value in _named_values(text))
        elif variable.endswith("ENDPOINT") and "@" in text and _is_url(text):
            url = urlsplit(text)
            yield from ((name, value.rpartition(" ")[2]) for name, value in _basic(url).items())
            yield "password", unquote(url.password or "")


def _of(environment: Mapping[str, str], part: str) -> str | None:
    found = environment.get(_TRACES + part) or environment.get(_GENERAL + part)
    return found.strip() if found else None


def _endpoint(environment: Mapping[str, str]) -> str:
    whole = environment.get(f"{_TRACES}ENDPOINT")
    if whole:
        return whole.strip()
    base = (environment.get(f"{_GENERAL}ENDPOINT") or DEFAULT_ENDPOINT).strip()
    address, mark, query = base.partition("?")
    return f"{address.rstrip('/')}/{PATH}{mark}{query}"


def _basic(url: SplitResult) -> dict[str, str]:
    """Return the header that says what an address has before its host: a name, and perhaps a password."""
    if url.username is None:
        return {}
    text = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def _pairs(text: str | None) -> list[str]:
    return [pair for part in (text or "").split(",") if (pair := part.strip())]


def _named_values(text: str | None) -> list[tuple[str, str]]:
    found = (pair.partition("=") for pair in _pairs(text) if "=" in pair)
    return [(unquote(name.strip()), unquote(value.strip())) for name, _, value in found if name.strip()]


def _fits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()
