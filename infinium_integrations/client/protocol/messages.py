"""The platform's HTTP contract without I/O: requests, and what a reply means to a client or to the sender."""

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit
from uuid import UUID

from pydantic import SecretStr

from infinium_integrations._entropy import new_id
from infinium_integrations._version import __version__
from infinium_integrations.client.protocol.retry import header, is_transient, retry_after
from infinium_integrations.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
    UnprocessableError,
    ValidationError,
)
from infinium_integrations.models import ApiResponse
from infinium_integrations.redaction.key_names import HIDDEN

__all__ = [
    "REPLY_LIMIT",
    "USER_AGENT",
    "Agent",
    "Reply",
    "Request",
    "Verdict",
    "as_uuid",
    "check_secret",
    "check_user_agent",
    "idempotency_key",
    "prompt_request",
    "response",
    "result_request",
    "scrub",
    "trace_request",
    "verdict",
]

REPLY_LIMIT = 1_048_576
"""Bytes of a reply that are read; what is longer is no answer of the platform."""
MESSAGE_LIMIT = 500
USER_AGENT = f"infinium-integrations/{__version__} (Python {platform.python_version()})"

Purpose = Literal["trace", "result", "prompt"]
_NAMES: dict[str, str] = {"trace": "sending the trace", "result": "reading the result", "prompt": "fetching the prompt"}


@dataclass(frozen=True, slots=True)
class Agent:
    """Who sends, and where to: the agent's id (a UUID), its secret, and the base URL without a slash at its end."""

    agent_id: str
    secret: SecretStr
    base_url: str
    user_agent: str = USER_AGENT


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Its headers and body show in no repr; ``secrets`` are taken out of whatever comes back."""

    method: Literal["GET", "POST"]
    url: str
    purpose: Purpose
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[SecretStr, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, its body read up to ``REPLY_LIMIT``; ``cut`` says that there was more."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cut: bool = False


# --- requests ---------------------------------------------------------------------------------------------------------


def trace_request(agent: Agent, payload: bytes, key: str) -> Request:
    """Build the request that sends one trace.

    Args:
        agent: Whose trace it is.
        payload: The encoded body; it is sent as it is.
        key: The ``Idempotency-Key``, the same on every try.
    """
    headers = {**_agent_headers(agent), "Idempotency-Key": key}
    url = f"{agent.base_url}/agents/{agent.agent_id}/trace"
    return Request("POST", url, "trace", headers, payload, (agent.secret,))


def result_request(agent: Agent, trace_id: str) -> Request:
    """Build the request that reads Maestro's result for the platform's ``trace_id``.

    Raises:
        ValidationError: ``trace_id`` is no UUID.
    """
    if (checked := as_uuid(trace_id)) is None:
        msg = "trace_id must be a UUID, such as 6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
        raise ValidationError(msg, field="trace_id")
    url = f"{agent.base_url}/agents/{agent.agent_id}/interpreted-result/{checked}"
    return Request("GET", url, "result", _agent_headers(agent), None, (agent.secret,))


def prompt_request(
    base_url: str, prompt_id: str, prompt_key: SecretStr, version: int | str, *, user_agent: str = USER_AGENT
) -> Request:
    """Build the request that fetches a managed prompt; ``version`` is ``latest`` or an integer from 1.

    Raises:
        ValidationError: The id, the key or the version cannot be right.
    """
    if not re.fullmatch(r"[\w-]{1,200}", prompt_id, re.ASCII):
        msg = "prompt_id must be the prompt's id from Prompt Studio: letters, digits, '-' and '_'"
        raise ValidationError(msg, field="prompt_id")
    if not _fits_a_header(prompt_key.get_secret_value()):
        msg = "prompt_key must be printable ASCII without spaces or line breaks around it"
        raise ValidationError(msg, field="prompt_key")
    if not re.fullmatch(r"latest|[1-9]\d{0,17}", str(version), re.ASCII):
        msg = "version must be 'latest' or an integer from 1"
        raise ValidationError(msg, field="version")
    headers = {**_headers(user_agent), "x-prompt-id": prompt_id, "x-prompt-key": prompt_key.get_secret_value()}
    url = f"{base_url}/prompts/{quote(prompt_id, safe='')}/v/{version}"
    return Request("GET", url, "prompt", headers, None, (prompt_key,))


def _headers(user_agent: str) -> dict[str, str]:
    # identity: a small compressed reply cannot unfold into a large one
    return {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}


def _agent_headers(agent: Agent) -> dict[str, str]:
    return {
        **_headers(agent.user_agent),
        "Content-Type": "application/json",
        "x-agent-id": agent.agent_id,
        "x-agent-key": agent.secret.get_secret_value(),
    }


def as_uuid(value: object) -> str | None:
    """Return a UUID in its usual form; None for what is no UUID."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


def check_secret(value: SecretStr) -> SecretStr:
    """Return a secret that can travel in a header.

    Raises:
        ConfigurationError: It is empty, or has spaces or line breaks around it, or other than printable ASCII in it.
    """
    if _fits_a_header(value.get_secret_value()):
        return value
    msg = (
        "agent_secret must be printable ASCII without spaces or line breaks around it (is there a newline at its end?)"
    )
    raise ConfigurationError(msg)


def check_user_agent(value: str) -> str:
    """Return a User-Agent that can travel in a header.

    Raises:
        ConfigurationError: It is empty, or has line breaks or other than printable ASCII in it.
    """
    if _fits_a_header(value):
        return value
    msg = "user_agent must be printable ASCII without spaces or line breaks around it"
    raise ConfigurationError(msg)


def _fits_a_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()


def idempotency_key(payload: Mapping[str, object]) -> str:
    """Return the ``Idempotency-Key`` of a finished payload: its ``trace_id`` tag, else a new UUID."""
    environment = payload.get("environment")
    tags = environment.get("custom_tags") if isinstance(environment, Mapping) else None
    tag = tags.get("trace_id") if isinstance(tags, Mapping) else None
    if isinstance(tag, str) and re.fullmatch(r"[\w.:-]{8,200}", tag, re.ASCII):
        return tag
    return str(new_id())


# --- what a reply means to a direct call ------------------------------------------------------------------------------


def response(request: Request, reply: Reply) -> ApiResponse:
    """Turn a reply into what the call returns.

    Raises:
        ApiError: The platform refused; see the tree in ``infinium_integrations.errors``.
        TransportError: A reply that is not the platform's, such as a login page.
    """
    data = _parse(reply)
    if _is_success(reply.status, repeated=request.purpose == "trace"):
        if isinstance(data, _NotJson) and reply.status != 409:  # noqa: PLR2004
            msg = f"{_NAMES[request.purpose]}: {_not_ours(reply)}"
            raise TransportError(msg)
        return _success(reply.status, scrub(data, request.secrets, least=8))
    data = scrub(data, request.secrets)
    text = f"{_NAMES[request.purpose]}: {_explain(reply, data, request.purpose)}"
    message = str(scrub(text, request.secrets, least=8))
    fields = data if isinstance(data, dict) else None
    if reply.status == 429:  # noqa: PLR2004
        raise RateLimitError(message, data=fields, retry_after=retry_after(reply.headers))
    kind = ServerError if reply.status >= 500 else _KINDS.get(reply.status, ApiError)  # noqa: PLR2004
    error = kind(message, status_code=reply.status, data=fields)
    if isinstance(error, NotFoundError):
        error.resource_type, error.resource_id = _asked_for(request)
    raise error


_KINDS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: UnprocessableError,
}


def _asked_for(request: Request) -> tuple[str, str]:
    """Return what kind of thing a request is about, and its id."""
    path = urlsplit(request.url).path.split("/")
    return {"trace": ("agent", path[-2]), "result": ("trace", path[-1]), "prompt": ("prompt", path[-3])}[
        request.purpose
    ]


def _is_success(status: int, *, repeated: bool) -> bool:
    """2xx; and 409 to a trace, which says that an earlier try had arrived."""
    return 200 <= status < 300 or (repeated and status == 409)  # noqa: PLR2004


def _success(status: int, data: object) -> ApiResponse:
    fields = data if isinstance(data, dict) else None
    message = (fields or {}).get("message")
    text = message if isinstance(message, str) else "Success"
    return ApiResponse(success=True, status_code=status, message=text, data=fields)


# --- what a reply means to the background sender ----------------------------------------------------------------------


Action = Literal["delivered", "retry", "keep", "shrink", "reject"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a trace after a reply.

    ``delivered``: the platform has it. ``retry``: try again, not before ``after`` seconds where the server said so.
    ``keep``: nothing is wrong with the trace; keep it, say so once, probe slowly. ``shrink``: too large. ``reject``:
    refused for good. ``reason`` is one line for people, without secrets; ``trace_id`` is the platform's id.
    """

    action: Action
    reason: str
    after: float | None = None
    trace_id: str | None = None


def verdict(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Iterable[SecretStr] = (), cut: bool = False
) -> Verdict:
    """Say what becomes of a trace after the reply to it; never raises."""
    reply = Reply(status, headers, body, cut)
    secrets = tuple(secrets)
    data = _parse(reply)
    reason = str(scrub(_explain(reply, scrub(data, secrets), "trace"), secrets, least=8))
    action = _action(status, readable=not isinstance(data, _NotJson))
    if action == "delivered":
        return Verdict(action, reason, trace_id=_success(status, scrub(data, secrets, least=8)).trace_id)
    return Verdict(action, reason, after=retry_after(headers) if action == "retry" else None)


def _action(status: int, *, readable: bool) -> Action:
    if _is_success(status, repeated=True):
        return "delivered" if readable or status == 409 else "keep"  # noqa: PLR2004
    if is_transient(status):
        return "retry"
    if status < 400 or status in {401, 403, 404, 407}:  # noqa: PLR2004  (407: a proxy's, not the platform's)
        return "keep"
    return "shrink" if status == 413 else "reject"  # noqa: PLR2004


# --- reading a reply --------------------------------------------------------------------------------------------------


class _NotJson:
    """Stands for a body that is neither empty nor JSON."""


def _parse(reply: Reply) -> object:
    if reply.cut:
        return _NotJson()
    if not reply.body.strip():
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return _NotJson()


def scrub(data: object, secrets: Iterable[SecretStr], *, least: int = 1) -> object:
    """Return JSON-like data with every secret of at least ``least`` characters taken out of keys and texts."""
    if data is None or isinstance(data, _NotJson):
        return data
    texts = [json.dumps(text)[1:-1] for secret in secrets if len(text := secret.get_secret_value()) >= least]
    try:
        written = json.dumps(data)
        if not any(text in written for text in texts):
            return data
        for text in texts:
            written = written.replace(text, HIDDEN)
        return json.loads(written)
    except (ValueError, RecursionError):
        return None  # the secret was part of the structure: nothing is better than some of it


_ADVICE: dict[int, str] = {
    401: "the agent's id or secret is wrong: check INFINIUM_AGENT_ID and INFINIUM_AGENT_SECRET",
    403: "these credentials may not do this: check the agent's permissions",
    404: "not found: check INFINIUM_AGENT_ID, the id asked for, and INFINIUM_BASE_URL",
    407: "the proxy wants credentials: check HTTPS_PROXY",
    409: "the platform had this trace already",
    413: "the trace is too large for the platform",
    429: "too many requests",
}
_PROMPT_ADVICE: dict[int, str] = {
    401: "the prompt's id or key is wrong: check prompt_id and prompt_key",
    404: "no such prompt or version: check prompt_id and version",
}


def _explain(reply: Reply, data: object, purpose: Purpose) -> str:
    """One line for people: the status, what to do about it, and what the platform said."""
    status = reply.status
    if 200 <= status < 300:  # noqa: PLR2004
        return _not_ours(reply) if isinstance(data, _NotJson) else f"{status}: received"
    if status < 400:  # noqa: PLR2004
        try:
            host = urlsplit(header(reply.headers, "location")).hostname
        except ValueError:
            host = None
        where = f"to {host}" if host else "elsewhere on the same host"
        return f"{status}: a redirect {where}, never followed, so that no secret leaves: check INFINIUM_BASE_URL"
    prompt_advice = _PROMPT_ADVICE if purpose == "prompt" else {}
    parts = (prompt_advice.get(status) or _ADVICE.get(status), _said(data))
    return f"{status}: {' - '.join(part for part in parts if part) or 'no reason given'}"


def _not_ours(reply: Reply) -> str:
    size = f"more than {REPLY_LIMIT:,} bytes" if reply.cut else "neither empty nor JSON"
    return f"{reply.status}, but the reply is {size}, so it is not the platform's (a login page or proxy in between?)"


def _said(data: object) -> str:
    if not isinstance(data, dict):
        return ""
    for name in ("error", "message", "detail"):
        value = data.get(name)
        text = value.get("message") if isinstance(value, dict) else value
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())[:MESSAGE_LIMIT]
    return ""
