"""The two ways in which a stored trace leaves: a request to the platform, or a client of the user's."""

import asyncio
import inspect
import logging
from dataclasses import replace
from typing import Any

import anyio._backends._asyncio  # noqa: F401  (httpx would load it with the first request, while a fork may go on)
import httpx
from pydantic import SecretStr

from infinium_integrations import diagnostics
from infinium_integrations.client.protocol.http import aexchange, async_client
from infinium_integrations.client.protocol.messages import Agent, Verdict, trace_request, verdict
from infinium_integrations.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
)
from infinium_integrations.export.fork_safety import SENDER_THREAD
from infinium_integrations.export.outbox import Outcome
from infinium_integrations.models import TaskData
from infinium_integrations.payload.finalize import encode, shrink
from infinium_integrations.settings import Settings
from infinium_integrations.storage.record import Record

__all__ = ["CLIENT_TIMEOUT", "ClientCall", "Connections", "Platform", "agent_of"]

TRY_TIMEOUT = 10.0
"""Seconds that one try gets in all."""
REPLY_BYTES = 65_536
"""Read of a reply: it needs to say yes or no."""
CLIENT_TIMEOUT = 120.0
"""Seconds that a coroutine of the user's client gets."""
SMALLEST = 4_096
"""Bytes to which a trace can be made smaller."""
_LATER = (TransportError, RateLimitError, ServerError, OSError)
_BLOCKED = (AuthenticationError, PermissionDeniedError, NotFoundError)


def agent_of(settings: Settings) -> Agent:
    """Return the account of settings that have one."""
    return Agent(str(settings.agent_id), settings.agent_secret or SecretStr(""), settings.base_url)


class Connections:
    """The HTTP client of the sender's thread: made when first needed, and tried anew where that failed."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        logging.getLogger("httpx").addFilter(_not_ours)  # the same one again is not added

    def client(self) -> httpx.AsyncClient:
        """Return the client.

        Raises:
            ConfigurationError: The environment's certificates or proxies make none possible.
            TransportError: No file descriptor is left.
        """
        if self._client is None:
            self._client = async_client()
        return self._client

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()


def _not_ours(record: logging.LogRecord) -> bool:
    """Leave out httpx's line a request where the request is ours: a user who logs at INFO has no use for it."""
    return record.threadName != SENDER_THREAD


class Platform:
    """Posts to Infinium for one agent."""

    def __init__(self, agent: Agent, connections: Connections) -> None:
        self.agent = agent
        self._connections = connections

    def renew(self, settings: Settings) -> bool:
        """Take over a secret or an address that was changed."""
        before, self.agent = self.agent, agent_of(settings)
        return before != self.agent

    async def send(self, record: Record) -> Outcome:
        """Try once; a trace that is too large is made smaller and tried once more under the same key."""
        outcome = await self._post(record.trace_id, record.body)
        if outcome.verdict.action != "shrink":
            return outcome
        smaller = encode(shrink(record.payload(), max(SMALLEST, len(record.body) // 2)))
        outcome = await self._post(record.trace_id, smaller)
        if outcome.verdict.action != "shrink":
            return outcome
        return replace(outcome, verdict=replace(outcome.verdict, action="reject"))

    async def _post(self, key: str, body: bytes) -> Outcome:
        request = trace_request(self.agent, body, key)
        try:
            http = self._connections.client()
        except ConfigurationError as error:
            return Outcome(Verdict("keep", str(error)), reached=False)
        except TransportError as error:
            return Outcome(Verdict("retry", str(error)), reached=False)
        reply = await aexchange(http, request, TRY_TIMEOUT, REPLY_BYTES)
        if isinstance(reply, TransportError):
            return Outcome(Verdict("retry", str(reply)), reached=False)
        found = verdict(reply.status, reply.headers, reply.body, secrets=request.secrets, cut=reply.cut)
        return Outcome(found, throttled=reply.status == 429)  # noqa: PLR2004


class ClientCall:
    """Hands traces to a client of the user's, anything with ``send_task_data(TaskData)``."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def renew(self, settings: Settings) -> bool:  # noqa: ARG002
        """Keep to the client."""
        return False

    async def send(self, record: Record) -> Outcome:
        """Try once; a coroutine is awaited."""
        try:
            task = TaskData.model_validate(record.payload())
        except ValueError as error:  # another program may have written the file
            return Outcome(Verdict("reject", f"it is no trace: {type(error).__name__}"))

        async def hand_over() -> object:
            answer = self.client.send_task_data(task)
            return await asyncio.wait_for(answer, CLIENT_TIMEOUT) if inspect.isawaitable(answer) else answer

        answer = await diagnostics.attempt_async(hand_over, self._failed)
        if isinstance(answer, Outcome):
            return answer
        remote = getattr(answer, "trace_id", None)
        remote = remote if isinstance(remote, str) else None
        return Outcome(Verdict("delivered", "given to the client", trace_id=remote))

    def _failed(self, error: BaseException) -> Outcome:
        client, kind = type(self.client).__name__, type(error).__name__
        diagnostics.warn_once(
            ("client", client, kind), "The client %s given to a handler raised %s; the trace is kept.", client, kind
        )
        reason = f"the client {client} raised {kind}"
        if isinstance(error, _BLOCKED):
            return Outcome(Verdict("keep", reason))
        if isinstance(error, _LATER):
            after = getattr(error, "retry_after", None)
            return Outcome(Verdict("retry", reason, after=after), throttled=isinstance(error, RateLimitError))
        return Outcome(Verdict("reject", reason))
