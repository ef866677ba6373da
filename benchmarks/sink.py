"""A server on this machine that takes whatever any of the libraries sends, and counts it by library."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPLY = b'{"success": true, "traceId": "00000000-0000-4000-8000-000000000000"}'


class Sink:
    """Each library sends to a path that begins with its name; ``bytes`` and ``requests`` are counted by that name.

    Args:
        delay: Seconds before it answers.
        context: The TLS context that it serves with; without one it is plain HTTP.
    """

    def __init__(self, delay=0.0, context=None):
        self.bytes, self.requests = Counter(), Counter()
        self.delay = delay
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if context else "http"
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self):
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                self._take(len(self.rfile.read(size)) if size else self._chunks())

            do_PUT = do_PATCH = do_POST

            def do_GET(self):
                self._reply()

            def _take(self, size):
                name = self.path.split("/")[1]
                sink.requests[name] += 1
                sink.bytes[name] += size
                threading.Event().wait(sink.delay)
                self._reply()

            def _chunks(self):
                total = 0
                while self.headers.get("Transfer-Encoding") and (size := int(self.rfile.readline(), 16)):
                    total += len(self.rfile.read(size + 2)) - 2
                return total

            def _reply(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(REPLY)))
                self.end_headers()
                self.wfile.write(REPLY)

            def log_message(self, *args):
                pass

        return Handler
