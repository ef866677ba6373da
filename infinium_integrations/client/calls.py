"""What both clients do, without I/O: generators that yield what is to be done next, and are given its outcome."""

import itertools
import logging
import math
import re
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pydantic
from pydantic import SecretStr

from infinium_integrations._hooks import prompt_used
from infinium_integrations.client.protocol.messages import (
    USER_AGENT,
    Agent,
    Reply,
    Request,
    as_uuid,
    check_secret,
    check_user_agent,
    idempotency_key,
    prompt_request,
    response,
    result_request,
    trace_request,
)
from infinium_integrations.client.protocol.rate_limit import TokenBucket
from infinium_integrations.client.protocol.retry import backoff, is_transient, retry_after
from infinium_integrations.errors import (
    ConfigurationError,
    TimeoutError,  # noqa: A004
    TransportError,
    ValidationError,
)
from infinium_integrations.models import ApiResponse, PromptContent, PromptUse, TaskData, field_errors, iso_now
from infinium_integrations.payload.finalize import build_payload, encode
from infinium_integrations.redaction.redactor import Redactor, process_secrets
from infinium_integrations.settings import check_base_url, current

__all__ = ["Core", "Flow", "Sleep", "Try", "find_agent"]

T = TypeVar("T")

ERRORS_LISTED = 5

logger = logging.getLogger("infinium_integrations.client")
"""Of each try, what was asked and what came: INFO for an answer, DEBUG for the rest. Nothing that is secret."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Try:
    """Send the request, within so many seconds; the outcome is a ``Reply`` or a ``TransportError``."""

    request: Request
    timeout: float


Flow = Generator[Sleep | Try, Reply | TransportError, T]
"""Yields what is to be done next: a ``Try`` is answered with its outcome, after a ``Sleep`` nothing is sent back."""


class Core:
    """One client's rules: its agent, its time limits, its retries and its rate."""

    def __init__(self, agent: Agent, *, timeout: float, max_retries: int, bucket: TokenBucket | None) -> None:
        self.agent = agent
        self.timeout = timeout
        self.max_retries = max_retries
        self.bucket = bucket
        self.clock = time.monotonic

    def prepare(self, task: TaskData | Mapping[str, object]) -> Request:
        """Build the request for a trace: checked, redacted, encoded. Takes a while for a large trace."""
        secrets = {*process_secrets(), self.agent.secret.get_secret_value()}
        payload = build_payload(as_task(task), Redactor(secrets=secrets))
        return trace_request(self.agent, encode(payload), idempotency_key(payload))

    def call(self, request: Request, until: float = math.inf) -> Flow[ApiResponse]:
        """Send a request until it succeeds, is refused, or the retries are used up."""
        for tries in itertools.count(1):
            yield from self._pause(self.bucket.take() if self.bucket is not None else 0.0, until)
            logger.debug("%s %s", request.method, request.url)
            outcome = yield Try(request, min(self.timeout, max(1.0, until - self.clock())))
            _log(request, outcome)
            if tries > self.max_retries or (isinstance(outcome, Reply) and not is_transient(outcome.status)):
                break
            asked = retry_after(outcome.headers) if isinstance(outcome, Reply) else None
            wait = backoff(tries, asked)
            logger.debug("trying again in %.2f s", wait)
            yield from self._pause(wait, until)
        if isinstance(outcome, Reply):
            return response(request, outcome)
        if tries > 1:
            outcome.args = (f"{outcome} (tried {tries} times)",)
        raise outcome

    def result(self, trace_id: str) -> Flow[ApiResponse]:
        """Read Maestro's result."""
        return self.call(result_request(self.agent, trace_id))

    def wait(self, trace_id: str, timeout: float, poll_interval: float) -> Flow[ApiResponse]:
        """Read Maestro's result again and again until it is there."""
        request = result_request(self.agent, trace_id)
        until = self.clock() + timeout
        try:
            while True:
                answer = yield from self.call(request, until)
                if answer.data and answer.data.get("interpretedTraceResult"):
                    return answer
                yield from self._pause(poll_interval, until)
        except _OutOfTimeError:
            pass
        msg = f"no interpretation of trace {trace_id} within {timeout:g} s: it usually takes 5 to 30 s; ask again later"
        late = TimeoutError(msg)
        late.timeout_duration = timeout
        raise late

    def prompt(
        self, prompt_id: str, prompt_key: str | SecretStr, version: int | str, variables: Mapping[str, object] | None
    ) -> Flow[PromptContent]:
        """Fetch a managed prompt, fill in its placeholders, and note it in the open trace."""
        key = prompt_key if isinstance(prompt_key, SecretStr) else SecretStr(prompt_key)
        agent = self.agent
        request = prompt_request(agent.base_url, prompt_id, key, version, user_agent=agent.user_agent)
        answer = yield from self.call(request)
        prompt = read_prompt(answer, variables)
        used = [name for name in variables or {} if f"{{{{{name}}}}}" in prompt.content]
        use = PromptUse(prompt_id=prompt.prompt_id, prompt_name=prompt.name, version=prompt.version)
        prompt_used(use.model_copy(update={"variables_used": used or None, "fetched_at": iso_now()}))
        return prompt

    def _pause(self, seconds: float, until: float) -> Flow[None]:
        if seconds <= 0:
            return
        if self.clock() + seconds > until:
            raise _OutOfTimeError
        yield Sleep(seconds)


class _OutOfTimeError(Exception):
    """A pause would outlast the time given to a whole wait."""


def _log(request: Request, outcome: Reply | TransportError) -> None:
    if isinstance(outcome, Reply):
        logger.info("%s %s: %d", request.method, request.url, outcome.status)
    else:
        logger.debug("%s %s: %s", request.method, request.url, outcome)


# --- the agent --------------------------------------------------------------------------------------------------------


def find_agent(
    agent_id: object, agent_secret: str | SecretStr | None, base_url: str | None, user_agent: str | None = None
) -> Agent:
    """Take the credentials and the URL from the arguments, else from the settings.

    Raises:
        ConfigurationError: One is missing or cannot work; the text says what to do and shows no secret.
    """
    settings = current()
    given = agent_id or settings.agent_id
    secret = agent_secret or settings.agent_secret
    if not given or not secret:
        name = "agent_secret" if given else "agent_id"
        msg = f"{name} is missing: give it as an argument ({name}=…) or set INFINIUM_{name.upper()}"
        raise ConfigurationError(msg)
    if (checked := as_uuid(given)) is None:
        msg = "agent_id must be a UUID, such as 6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10 (also INFINIUM_AGENT_ID)"
        raise ConfigurationError(msg)
    hidden = check_secret(secret if isinstance(secret, SecretStr) else SecretStr(secret))
    url = (base_url or settings.base_url).rstrip("/")
    try:
        check_base_url(url, allow_http=settings.allow_http)
    except ValueError as error:
        msg = f"base_url {error}"
    else:
        return Agent(checked, hidden, url, USER_AGENT if user_agent is None else check_user_agent(user_agent))
    raise ConfigurationError(msg)


# --- tasks and prompts ------------------------------------------------------------------------------------------------


def as_task(task: TaskData | Mapping[str, object]) -> TaskData:
    """Return a checked ``TaskData``.

    Raises:
        ValidationError: It is neither that nor a mapping, or a field is missing, unknown or of a bad value.
    """
    if isinstance(task, TaskData):
        return task
    if not isinstance(task, Mapping):
        msg = f"a trace is a TaskData or a dict with its fields, not {type(task).__name__}"
        raise ValidationError(msg)
    try:
        return TaskData.model_validate(dict(task))
    except pydantic.ValidationError as error:
        found = field_errors(error)
    lines = [f"{path}: {reason}" if path else reason for path, reason in found[:ERRORS_LISTED]]
    if len(found) > ERRORS_LISTED:
        lines.append(f"and {len(found) - ERRORS_LISTED} more")
    raise ValidationError("; ".join(lines), field=found[0][0] or None)


def read_prompt(answer: ApiResponse, variables: Mapping[str, object] | None) -> PromptContent:
    """Read a fetched prompt, and fill in its ``{{name}}`` placeholders; unknown ones are left as they are."""
    data = answer.data or {}
    names = {"prompt_id": "promptId", "name": "name", "version": "version", "content": "content"}
    fields = {ours: data.get(theirs) for ours, theirs in names.items()}
    try:
        prompt = PromptContent.model_validate({**fields, "created_at": str(data.get("createdAt") or "")})
    except pydantic.ValidationError as error:
        missing = ", ".join(names[path] for path, _ in field_errors(error))
    else:
        if variables is None:
            return prompt
        filled = re.sub(r"\{\{(\w+)\}\}", lambda found: str(variables.get(found[1], found[0])), prompt.content)
        return prompt.model_copy(update={"rendered_content": filled})
    msg = f"fetching the prompt: the reply is no prompt: it lacks {missing}"
    raise TransportError(msg)
