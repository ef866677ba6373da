"""Infinium's protocol, as far as a program under development needs it: send a trace, ask for its result."""

import json
import uuid
from typing import Any, NoReturn

import pydantic
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infinium_integrations.models import TaskData
from infinium_integrations.payload.finalize import build_payload
from infinium_integrations.viewer.server.security import API, Access, same
from infinium_integrations.viewer.server.source import Source

__all__ = ["BODY_LIMIT", "Refused", "read_body", "routes"]

BODY_LIMIT = 1_048_576
DRAINED = 16 * BODY_LIMIT
"""Bytes of too large a body that are read and forgotten, so that its sender gets to read the answer."""
KEY_LIMIT = 200
NOT_GRADED = (
    "Not graded: this trace was received by infinium-traces serve, which keeps traces on this machine. "
    "Maestro grades what is sent to Infinium."
)


class Refused(Exception):  # noqa: N818  (it becomes an answer)
    """A request that is answered with an error."""

    def __init__(self, status: int, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.field = field

    def answer(self) -> JSONResponse:
        """Give the reply, in the shape of the platform's."""
        body = {"success": False, "error": str(self), "message": str(self)}
        return JSONResponse(body | ({"field": self.field} if self.field else {}), self.status)


class Ingest:
    """Answers programs. ``key`` is the agent's key that they must bring, None for any."""

    def __init__(self, source: Source, access: Access, key: str | None) -> None:
        self._source = source
        self._key = key or access.token

    async def trace(self, request: Request) -> Response:
        """Take a trace in."""
        try:
            agent = self._agent(request)
            body = await read_body(request)
            trace_id = await run_in_threadpool(self._keep, agent, request.headers.get("idempotency-key"), body)
        except Refused as refused:
            return refused.answer()
        reply = {"success": True, "message": "The trace is kept on this machine.", "traceId": trace_id}
        return JSONResponse(reply)

    async def result(self, request: Request) -> Response:
        """Say that a received trace is graded nowhere."""
        try:
            self._agent(request)
            trace_id = _uuid(request.path_params["trace_id"], "trace_id")
            await run_in_threadpool(self._known, trace_id)
        except Refused as refused:
            return refused.answer()
        reply = {"success": True, "message": NOT_GRADED, "traceId": trace_id, "interpretedTraceResult": NOT_GRADED}
        return JSONResponse(reply)

    def _known(self, trace_id: str) -> None:
        if self._source.get(trace_id) is None:
            raise Refused(404, "There is no such trace here.")

    def _agent(self, request: Request) -> str:
        agent = _uuid(request.path_params["agent_id"], "agent_id")
        if self._key and not same(request.headers.get("x-agent-key", ""), self._key):
            raise Refused(401, "The agent's key (x-agent-key) is missing or wrong.")
        return agent

    def _keep(self, agent: str, key: str | None, body: bytes) -> str:
        task = _task(_parsed(body))
        trace_id = _trace_id(agent, key, task)
        self._source.put(trace_id, build_payload(task))
        return trace_id


async def read_body(request: Request) -> bytes:
    """Read a JSON request's body, no more of it than a trace may have.

    Raises:
        Refused: It is too large (413) or not said to be plain JSON (415).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "Send the trace as application/json, not compressed.")
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= BODY_LIMIT:
            body += chunk
        elif length > DRAINED:
            break
    if length > BODY_LIMIT:
        raise Refused(413, f"A trace may have at most {BODY_LIMIT:,} bytes.")
    return bytes(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, json.JSONDecodeError) else "not UTF-8, or nested too deeply"
        raise Refused(400, f"The body is no valid JSON: {detail}") from None
    if not isinstance(found, dict):
        raise Refused(422, "The body must be a JSON object: one trace.")
    return found


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise json.JSONDecodeError(msg, name, 0)


def _task(wire: dict[str, Any]) -> TaskData:
    try:
        return TaskData.model_validate(wire)
    except pydantic.ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "the trace"
        raise Refused(422, f"{field}: {fault['msg'].removeprefix('Value error, ')}", field) from None


def _trace_id(agent: str, key: str | None, task: TaskData) -> str:
    """Give the id under which a trace is kept: its own, else one that the same key gives again."""
    own = _own_uuid(task.trace_id) or _own_uuid(key)
    if own or not key:
        return own or str(uuid.uuid4())
    if len(key) > KEY_LIMIT:
        raise Refused(400, f"The Idempotency-Key may have at most {KEY_LIMIT} characters.", "Idempotency-Key")
    return str(uuid.uuid5(uuid.UUID(agent), key))


def _own_uuid(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError:
        return None


def _uuid(text: str, what: str) -> str:
    found = _own_uuid(text)
    if found is None:
        raise Refused(400, f"{what} must be a UUID.", what)
    return found


async def _unknown(_: Request) -> Response:
    return Refused(404, "This address of Infinium's API is not served here.").answer()


def routes(source: Source, access: Access, key: str | None) -> list[Route]:
    """Give the routes of Infinium's protocol."""
    ingest = Ingest(source, access, key)
    return [
        Route(API + "agents/{agent_id}/trace", ingest.trace, methods=["POST"]),
        Route(API + "agents/{agent_id}/interpreted-result/{trace_id}", ingest.result, methods=["GET"]),
        Route(API + "{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
