"""A real HTTP server that answers as it is told: for every test that needs a platform with faults.

    with FaultServer([503, Reply(500), Reset(), 201]) as server:
        ...                                  # configure(base_url=server.url, …)
        server.wait_for(4)                   # until so many requests came in
    assert server.accepted.keys() == {...}   # Idempotency-Key -> how often a trace was accepted under it

Each request takes the next step of the script; after its end ``then`` is repeated (201 by default).
"""

import json
import socket
import ssl
import struct
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Reply:
    """An HTTP reply. ``accept`` says whether the trace counts as accepted; by default where the status is 2xx.

    ``wait``: seconds between that and the reply; ``server.release`` ends them.
    """

    status: int = 201
    body: bytes | str | dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    accept: bool | None = None
    content_type: str = "application/json"
    wait: float = 0.0


@dataclass
class Reset:
    """The connection is reset after the request was read."""

    accept: bool = False


@dataclass
class Close:
    """The connection is closed without a reply."""

    accept: bool = False


@dataclass
class Half:
    """Half of a reply, then the end."""

    accept: bool = True


@dataclass
class Hang:
    """No reply until ``server.release`` is set."""

    accept: bool = False


Step = int | Reply | Reset | Close | Half | Hang


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: tuple[str, int]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: "FaultServer"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


class FaultServer:
    """See the module. ``port=0`` takes a free one; a fixed one lets a server come back at the same address.

    With a ``tls`` context it speaks HTTPS.
    """

    def __init__(
        self,
        script: list[Step] | None = None,
        *,
        then: Step = 201,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = list(script or [])
        self.then = then
        self.requests: list[Seen] = []
        self.accepted: Counter[str] = Counter()
        self.payloads: dict[str, Any] = {}
        self.release = threading.Event()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        if tls is not None:  # the handshake is the handler's, so that one that fails holds up no other
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "http" if tls is None else "https"
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """For ``base_url``."""
        return f"{self.origin}/api/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def wait_for(self, requests: int, timeout: float = 30.0) -> bool:
        """Wait until so many requests came in."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= requests, timeout)

    def wait_for_accepted(self, traces: int, timeout: float = 30.0) -> bool:
        """Wait until so many traces were accepted, each key counted once."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.accepted) >= traces, timeout)

    def _next(self, seen: Seen) -> Step:
        with self._changed:
            self.requests.append(seen)
            step = self.script.pop(0) if self.script else self.then
            self._changed.notify_all()
            return step

    def _accept(self, seen: Seen) -> None:
        with self._changed:
            self.accepted[seen.key or ""] += 1
            self.payloads[seen.key or ""] = json.loads(seen.body or b"null")
            self._changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # who sent it was killed in the midst
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, body, time.monotonic(), self.client_address)
        step = owner._next(seen)
        step = Reply(step) if isinstance(step, int) else step
        accept = (200 <= step.status < 300) if isinstance(step, Reply) and step.accept is None else bool(step.accept)
        if accept:
            owner._accept(seen)
        if isinstance(step, Reply):
            self._reply(step, seen)
        else:
            self._misbehave(step)

    do_GET = do_POST

    def _reply(self, step: Reply, seen: Seen) -> None:
        body = step.body
        if body is None and step.status not in {204, 304}:
            ok = step.status < 300
            fields = {"success": ok, "message": "Trace received" if ok else "no", "traceId": _remote(seen)}
            body = fields if ok else {"error": f"status {step.status}"}
        self.server.owner.release.wait(step.wait)
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        self.send_response(step.status)
        for name, value in step.headers.items():
            self.send_header(name, value)
        if data is not None:
            self.send_header("Content-Type", step.content_type)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def _misbehave(self, step: Reset | Close | Half | Hang) -> None:
        self.close_connection = True
        if isinstance(step, Hang):
            self.server.owner.release.wait(60)
        elif isinstance(step, Half):
            self.wfile.write(
                b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"trace'
            )
            self.wfile.flush()
        elif isinstance(step, Reset):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


def _remote(seen: Seen) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, seen.key or ""))


def closed_port() -> int:
    """Give a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
