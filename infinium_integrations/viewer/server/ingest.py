"""Infinium's protocol, as far as a program under development needs it: send a trace, ask for its result."""

import json
import uuid
from typing import NoReturn

import pydantic
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infinium_integrations._entropy import new_id
from infinium_integrations.models import TaskData, field_errors
from infinium_integrations.payload.finalize import build_payload
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.viewer.server.security import API, same

__all__ = ["BODY_LIMIT", "Refused", "read_body", "refuse", "routes"]

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


class Ingest:
    """Answers programs. ``key`` is the agent's key that they must bring, None for any."""

    def __init__(self, reader: TraceReader, key: str | None) -> None:
        self._reader = reader
        self._key = key

    async def trace(self, request: Request) -> Response:
        """Take a trace in."""
        agent = self._agent(request)
        body = await read_body(request)
        trace_id = await run_in_threadpool(self._keep, agent, request.headers.get("idempotency-key"), body)
        reply = {"success": True, "message": "The trace is kept on this machine.", "traceId": trace_id}
        return JSONResponse(reply)

    async def result(self, request: Request) -> Response:
        """Say that a received trace is graded nowhere."""
        self._agent(request)
        trace_id = _uuid(request.path_params["trace_id"], "trace_id")
        if await run_in_threadpool(self._reader.get, trace_id, exact=True) is None:
            raise Refused(404, "There is no such trace here.")
        reply = {"success": True, "message": NOT_GRADED, "traceId": trace_id, "interpretedTraceResult": NOT_GRADED}
        return JSONResponse(reply)

    def _agent(self, request: Request) -> str:
        agent = _uuid(request.path_params["agent_id"], "agent_id")
        if self._key and not same(request.headers.get("x-agent-key", ""), self._key):
            raise Refused(401, "The agent's key (x-agent-key) is missing or wrong.")
        return agent

    def _keep(self, agent: str, key: str | None, body: bytes) -> str:
        """Keep a trace under its own id, else under one that is the same for the same key."""
        task = _task(body)
        trace_id = _own_uuid(task.trace_id) or _own_uuid(key)
        if key and not trace_id:
            if len(key) > KEY_LIMIT:
                raise Refused(400, f"The Idempotency-Key may have at most {KEY_LIMIT} characters.", "Idempotency-Key")
            trace_id = str(uuid.uuid5(uuid.UUID(agent), key))
        trace_id = trace_id or str(new_id())
        self._reader.keep(trace_id, build_payload(task))
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


def _task(body: bytes) -> TaskData:
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, json.JSONDecodeError) else "not UTF-8, or nested too deeply"
        raise Refused(400, f"The body is no valid JSON: {detail}") from None
    if not isinstance(found, dict):
        raise Refused(422, "The body must be a JSON object: one trace.")
    try:
        return TaskData.model_validate(found)
    except pydantic.ValidationError as error:
        field, fault = field_errors(error)[0]
        field = field or "the trace"
        raise Refused(422, f"{field}: {fault}", field) from None


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise json.JSONDecodeError(msg, name, 0)


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


async def _unknown(_: Request) -> NoReturn:
    raise Refused(404, "This address of Infinium's API is not served here.")


async def refuse(_: Request, refused: Exception) -> JSONResponse:
    """Answer a refused request, in the shape of the platform's replies."""
    text, field = str(refused), getattr(refused, "field", None)
    body = {"success": False, "error": text, "message": text} | ({"field": field} if field else {})
    return JSONResponse(body, getattr(refused, "status", 400))


def routes(reader: TraceReader, key: str | None) -> list[Route]:
    """Return the routes of Infinium's protocol."""
    ingest = Ingest(reader, key)
    return [
        Route(API + "agents/{agent_id}/trace", ingest.trace, methods=["POST"]),
        Route(API + "agents/{agent_id}/interpreted-result/{trace_id}", ingest.result, methods=["GET"]),
        Route(API + "{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
