"""A real HTTP/1.1 server on loopback that answers each request with the next line of its script."""

import contextlib
import json
import socket
import socketserver
import struct
import threading
from dataclasses import dataclass, field

AGENT = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"
SECRET = "zq9-the-agents-own-secret-77x"


@dataclass
class Answer:
    """What one request gets. ``fault`` is reset, drop (close without an answer), half (cut off
    in the body), drip (its body a byte at a time) or hang."""

    status: int = 201
    body: bytes = b'{"success": true, "message": "received", "traceId": "11111111-2222-4333-8444-555555555555"}'
    headers: dict = field(default_factory=dict)
    fault: str = ""


def answer(status=201, body=None, fault="", **headers):
    """An answer; a dict is sent as JSON, ``retry_after=1`` as the header ``retry-after: 1``."""
    made = Answer(status=status, headers={name.replace("_", "-"): str(value) for name, value in headers.items()})
    made.fault = fault
    if body is not None:
        made.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return made


@dataclass
class Seen:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while (seen := self._read()) and self._respond(self.server.owner.next(seen), seen):
                pass

    def _read(self):
        line = self.rfile.readline().decode().split()
        if not line:
            return None
        headers = {}
        while (text := self.rfile.readline().decode().strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        return Seen(line[0], line[1], headers, self.rfile.read(int(headers.get("content-length", 0))))

    def _respond(self, made, seen):
        if made.fault == "hang":
            self.server.owner.over.wait(30)
            return False
        if made.fault == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
            return False
        if made.fault == "drop":
            return False
        body = made.body(seen) if callable(made.body) else made.body
        headers = {"content-length": str(len(body)), "content-type": "application/json", **made.headers}
        head = f"HTTP/1.1 {made.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if made.fault == "drip":
            return self._drip(head.encode() + b"\r\n", body)
        self.wfile.write(head.encode() + b"\r\n" + (body[: len(body) // 2] if made.fault == "half" else body))
        return made.fault != "half"

    def _drip(self, head, body):
        self.wfile.write(head)
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            if self.server.owner.over.wait(0.05):
                break
        return False


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass


class Scripted:
    """``script`` is used up line by line; after it, ``always``. ``seen`` holds every request, in order."""

    def __init__(self):
        self.script = []
        self.always = answer()
        self.seen = []
        self.over = threading.Event()
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def next(self, seen):
        with self._lock:
            self.seen.append(seen)
            self.arrived.release()
            return self.script.pop(0) if self.script else self.always

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
