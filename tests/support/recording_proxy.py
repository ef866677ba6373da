"""An HTTP proxy in front of the model's server: keeps every exchange, so that a trace can be held against it."""

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BEGINS_A_CALL = "@"
END_OF_TURN = 2
URGE = [[BEGINS_A_CALL, 30], [END_OF_TURN, 30]]
"""Bias under which the small model calls a tool once. From there on a grammar holds it to the tool's schema."""


class Exchange:
    """One request to the model, and the whole body of its reply."""

    def __init__(self, request: dict) -> None:
        self.request = request
        self.parts: list[bytes] = []
        self.ended = threading.Event()

    @property
    def body(self) -> str:
        """The reply as it came; waits for its end."""
        assert self.ended.wait(60), "the model's server does not come to an end"
        return b"".join(self.parts).decode()

    @property
    def chunks(self) -> list[dict]:
        """The reply's JSON objects: one, or one for each event of a stream."""
        if not self.request.get("stream"):
            return [json.loads(self.body)]
        events = [line.removeprefix("data: ") for line in self.body.splitlines() if line.startswith("data: ")]
        return [json.loads(event) for event in events if event != "[DONE]"]

    @property
    def usage(self) -> dict | None:
        """What the server says that it billed."""
        return next((chunk["usage"] for chunk in reversed(self.chunks) if chunk.get("usage")), None)


class RecordingProxy:
    """Passes requests on as they come and replies as they are streamed."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.exchanges: list[Exchange] = []
        self.urging = True
        """Whether the model is brought to call tools; off for tools with free texts, which bias would spoil."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens of all exchanges, as the server counted them."""
        usages = [exchange.usage for exchange in self.exchanges]
        return sum(use["prompt_tokens"] for use in usages), sum(use["completion_tokens"] for use in usages)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


def _handler(proxy: RecordingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            connection = HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=60)
            exchange = Exchange(request)
            proxy.exchanges.append(exchange)
            try:
                sent = json.dumps(urged(request) if proxy.urging else request)
                connection.request("POST", self.path, sent, {"Content-Type": "application/json"})
                self.pass_on(exchange, connection.getresponse())
            except ConnectionError:
                pass  # the client went away, which some tests do
            finally:
                exchange.ended.set()
                connection.close()

        def pass_on(self, exchange, reply):
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers["Content-Type"])
            self.end_headers()
            while part := reply.read1():
                exchange.parts.append(part)
                self.wfile.write(part)

        def log_message(self, *args):
            pass

    return Handler


def urged(request: dict) -> dict:
    """Have a model of 135 million parameters call a tool when a person asks, and answer when the tool has spoken."""
    if not request.get("tools") or request["messages"][-1]["role"] == "tool":
        return {key: value for key, value in request.items() if key not in {"tools", "tool_choice"}}
    return {**request, "logit_bias": URGE}


def sent(exchange: Exchange) -> list[tuple[str, object]]:
    """What the model was sent, as (role, text), or (role, its calls) where it has no text."""
    return [
        (message["role"], message.get("content") or [_call(call) for call in message.get("tool_calls") or ()])
        for message in exchange.request["messages"]
    ]


def answered(exchange: Exchange) -> object:
    """What the model answered: its text, or its calls where it has none."""
    text, calls = "", []
    for chunk in exchange.chunks:
        for choice in chunk["choices"]:
            message = choice.get("message") or choice["delta"]
            text += message.get("content") or ""
            calls += message.get("tool_calls") or []
    if text or exchange.request.get("stream"):
        return text
    return [_call(call) for call in calls]


def captured(messages: list[dict]) -> list[tuple[str, object]]:
    """Captured messages in the same form."""
    return [(message["role"], _said(message["parts"])) for message in messages]


def _said(parts: list[dict]) -> object:
    texts = [part.get("content", part.get("response")) for part in parts if part["type"] != "tool_call"]
    return texts[0] if texts else [(part["name"], part["arguments"]) for part in parts]


def _call(call: dict) -> tuple[str, object]:
    return call["function"]["name"], json.loads(call["function"]["arguments"])
