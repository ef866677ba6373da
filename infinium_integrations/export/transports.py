"""The two ways in which a stored trace leaves: a request to the platform, or a client of the user's."""

import asyncio
import inspect
import logging
import math
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from infinium_integrations import diagnostics
from infinium_integrations.client.protocol.http import Channel
from infinium_integrations.client.protocol.messages import Agent, Reply, Request, Verdict, trace_request, verdict
from infinium_integrations.client.protocol.rate_limit import START_RATE
from infinium_integrations.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
)
from infinium_integrations.export.fork_safety import OTLP_THREAD, SENDER_THREAD
from infinium_integrations.export.outbox import Outcome
from infinium_integrations.models import TaskData
from infinium_integrations.payload.finalize import encode, shrink
from infinium_integrations.settings import Settings
from infinium_integrations.storage.record import Record

__all__ = ["CLIENT_TIMEOUT", "ClientCall", "Connections", "Coroutines", "Platform", "agent_of"]

TRY_TIMEOUT = 10.0
"""Seconds that one try gets in all."""
LATE = 1.0
"""Seconds beyond that after which nothing more is heard of it."""
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
    """The connections of the sender's threads: made when first needed, and tried anew where that failed.

    Args:
        context: Makes what TLS is done with; raises as ``channel`` does. None for the environment's certificates.
    """

    def __init__(self, context: Callable[[], ssl.SSLContext] | None = None) -> None:
        self._context = context
        self._making = threading.Lock()
        self._channel: Channel | None = None
        self.ready = True
        """Whether they could be made the last time that they were needed."""
        logging.getLogger("httpx").addFilter(_not_ours)  # the same one again is not added

    def channel(self) -> Channel:
        """Return what sends a request.

        Raises:
            ConfigurationError: The environment's certificates or proxies make none possible.
            TransportError: No file descriptor is left.
        """
        with self._making:
            if self._channel is not None and not self._channel.intact():
                _lost.append(self._channel)
                self._channel = None
            if self._channel is None:
                self.ready = False
                self._channel = Channel(None if self._context is None else self._context())
                self.ready = True
            return self._channel

    def post(self, request: Request, deadline: float, judge: Callable[[Reply], Verdict]) -> Outcome:
        """Send a request once, and say what became of it; ``judge`` says what an answer means."""
        try:
            channel = self.channel()
        except ConfigurationError as error:
            return Outcome(Verdict("keep", str(error)), reached=False)
        except TransportError as error:
            return Outcome(Verdict("retry", str(error)), reached=False)
        reply = channel.exchange(request, deadline, REPLY_BYTES)
        if isinstance(reply, TransportError):
            return Outcome(Verdict("retry", str(reply)), reached=False)
        return Outcome(judge(reply), throttled=reply.status == 429)  # noqa: PLR2004

    def close(self) -> None:
        """Close them; they are made again at need."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


_lost: list[Channel] = []
"""Whose file descriptors the program closed, to daemonise: their numbers may be its own by now, so they stay open."""


def _not_ours(record: logging.LogRecord) -> bool:
    """Leave out httpx's line a request where the request is ours: a user who logs at INFO has no use for it."""
    return record.threadName not in {SENDER_THREAD, OTLP_THREAD}


class Platform:
    """Posts to Infinium for one agent."""

    destination, receiver, start_rate = "infinium", "Infinium", START_RATE

    def __init__(self, agent: Agent, connections: Connections) -> None:
        self.agent = agent
        self._connections = connections

    def renew(self, settings: Settings) -> bool:
        """Take over a secret or an address that was changed."""
        before, self.agent = self.agent, agent_of(settings)
        return before != self.agent

    @property
    def ready(self) -> bool:
        """Whether connections can be made at all."""
        return self._connections.ready

    @property
    def limit(self) -> float:
        """Seconds after which nothing more is heard of a try."""
        return TRY_TIMEOUT + LATE

    def send(self, record: Record, timeout: float = math.inf) -> Outcome:
        """Try once; a trace that is too large is made smaller and tried once more under the same key."""
        deadline = time.monotonic() + min(timeout, TRY_TIMEOUT)
        outcome = self._post(record.trace_id, record.body, deadline)
        if outcome.verdict.action != "shrink":
            return outcome
        smaller = encode(shrink(record.payload(), max(SMALLEST, len(record.body) // 2)))
        outcome = self._post(record.trace_id, smaller, deadline)
        if outcome.verdict.action != "shrink":
            return outcome
        return replace(outcome, verdict=replace(outcome.verdict, action="reject"))

    def _post(self, key: str, body: bytes, deadline: float) -> Outcome:
        request = trace_request(self.agent, body, key)

        def judge(reply: Reply) -> Verdict:
            return verdict(reply.status, reply.headers, reply.body, secrets=request.secrets, cut=reply.cut)

        return self._connections.post(request, deadline, judge)


class Coroutines:
    """Runs the coroutines of a user's client, all in one loop, so that it may keep its connections."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, work: Awaitable[object]) -> object:
        """Await what a client returned; raises what it raises."""
        ended = False

        async def wait() -> object:
            nonlocal ended
            try:
                return await asyncio.wait_for(work, CLIENT_TIMEOUT)
            finally:
                ended = True

        self._runner = self._runner or asyncio.Runner()
        try:
            return self._runner.run(wait())
        except OSError:
            if not ended:  # the program closed the loop's file descriptors
                _lost_runners.append(self._runner)
                self._runner = None
            raise

    def close(self) -> None:
        """Close the loop; another one is made at need."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()


_lost_runners: list[asyncio.Runner] = []


class ClientCall:
    """Hands traces to a client of the user's, anything with ``send_task_data(TaskData)``."""

    destination, receiver, start_rate = "infinium", "Infinium", START_RATE
    ready = True
    limit = math.inf

    def __init__(self, client: Any, coroutines: Coroutines) -> None:
        self.client = client
        self._coroutines = coroutines

    def renew(self, settings: Settings) -> bool:  # noqa: ARG002
        """Keep to the client."""
        return False

    def send(self, record: Record, timeout: float = math.inf) -> Outcome:  # noqa: ARG002  (the client's own affair)
        """Try once; a coroutine is awaited."""
        try:
            task = TaskData.model_validate(record.payload())
        except ValueError as error:  # another program may have written the file
            return Outcome(Verdict("reject", f"it is no trace: {type(error).__name__}"))

        def hand_over() -> object:
            answer = self.client.send_task_data(task)
            return self._coroutines.run(answer) if inspect.isawaitable(answer) else answer

        answer = diagnostics.attempt_apart(hand_over, self._failed)
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
