"""What OpenTelemetry's standard variables say of where traces go by OTLP, and what they say of themselves there."""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

__all__ = ["OtelEnvironment", "check", "read"]

DEFAULT_ENDPOINT = "http://localhost:4318"
PATH = "v1/traces"
DEFAULT_TIMEOUT = 10.0
_GENERAL, _TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
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
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_time(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _are_headers(text: str) -> bool:
    return all("=" in pair for pair in _pairs(text)) and all(_fits(one) for pair in _named_values(text) for one in pair)


def _is_readable(text: str) -> bool:
    return os.access(text, os.R_OK)


_FILE = "names a file that can't be read"
_MUST: dict[str, str] = {
    "ENDPOINT": f"must be an http:// or https:// URL, such as {DEFAULT_ENDPOINT}",
    "PROTOCOL": f"only http/protobuf is spoken here, to an endpoint such as {DEFAULT_ENDPOINT}",
    "HEADERS": "must be name=value, several by comma, with values that a header can have, percent-encoded",
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
    return OtelEnvironment(
        endpoint=_endpoint(environment),
        headers={name.lower(): value for name, value in _named_values(_of(environment, "HEADERS"))},
        timeout=float(_of(environment, "TIMEOUT") or DEFAULT_TIMEOUT),
        compression="gzip" if (_of(environment, "COMPRESSION") or "").lower() == "gzip" else "none",
        certificate=_of(environment, "CERTIFICATE"),
        client_certificate=_of(environment, "CLIENT_CERTIFICATE"),
        client_key=_of(environment, "CLIENT_KEY"),
        resource={**resource, "service.name": service or f"unknown_service:{program}"},
        content=environment.get(_CONTENT, "").strip().upper() not in _NO_SPANS,
    )


def _of(environment: Mapping[str, str], part: str) -> str | None:
    found = environment.get(_TRACES + part) or environment.get(_GENERAL + part)
    return found.strip() if found else None


def _endpoint(environment: Mapping[str, str]) -> str:
    whole = environment.get(f"{_TRACES}ENDPOINT")
    if whole:
        return whole.strip()
    base = environment.get(f"{_GENERAL}ENDPOINT") or DEFAULT_ENDPOINT
    return f"{base.strip().rstrip('/')}/{PATH}"


def _pairs(text: str | None) -> list[str]:
    return [pair for part in (text or "").split(",") if (pair := part.strip())]


def _named_values(text: str | None) -> list[tuple[str, str]]:
    found = (pair.partition("=") for pair in _pairs(text) if "=" in pair)
    return [(unquote(name.strip()), unquote(value.strip())) for name, _, value in found if name.strip()]


def _fits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()
