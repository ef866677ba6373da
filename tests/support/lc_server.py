"""A local server that answers as OpenAI and Anthropic do. What it answers is told by the model's name."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 0},
}
ANTHROPIC_USAGE = {
    "input_tokens": 30,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 20,
    "service_tier": "standard",
}
RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 120,
}


class Providers(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.paths: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Providers
    secret_headers: ClassVar = {"set-cookie": "session=very-secret-cookie", "x-request-id": "req_1"}

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        self.server.paths.append(path)
        if "refused" in asked.get("model", ""):
            error = {
                "message": f"Incorrect API key provided: {KEY}",
                "type": "invalid_request_error",
                "code": "bad_key",
            }
            self._json({"type": "error", "error": error}, 401)
        elif path.endswith("/messages"):
            self._anthropic(asked)
        elif path.endswith("/responses"):
            self._json(_response(asked))
        elif path.endswith("/chat/completions"):
            self._chat(asked)
        else:
            self._json(_completion(asked))

    def _chat(self, asked: dict[str, Any]) -> None:
        text = '{"wrong": 1}' if asked.get("response_format") else "hello there"
        if not asked.get("stream"):
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            choices = [{"index": at, **choice} for at in range(asked.get("n") or 1)]
            self._json(_chat_frame("chat.completion", choices=choices, usage=USAGE))
            return
        deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in ("hello ", "there"))]
        frames = [
            _chat_frame("chat.completion.chunk", choices=[{"index": 0, "delta": d, "finish_reason": None}])
            for d in deltas
        ]
        frames.append(
            _chat_frame("chat.completion.chunk", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        )
        if (asked.get("stream_options") or {}).get("include_usage"):
            frames.append(_chat_frame("chat.completion.chunk", choices=[], usage=USAGE))
        self._events([(None, frame) for frame in frames], done=True)

    def _anthropic(self, asked: dict[str, Any]) -> None:
        hourly = "hourly" in str(asked)
        usage = dict(ANTHROPIC_USAGE)
        if hourly:
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 50}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "content": [{"type": "text", "text": "hello there"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        if not asked.get("stream"):
            self._json(message)
            return
        start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        self._events(
            [
                ("message_start", {"type": "message_start", "message": start}),
                ("content_block_start", _block("start", content_block={"type": "text", "text": ""})),
                ("content_block_delta", _block("delta", delta={"type": "text_delta", "text": "hello "})),
                ("content_block_delta", _block("delta", delta={"type": "text_delta", "text": "there"})),
                ("content_block_stop", _block("stop")),
                (
                    "message_delta",
                    {
                        "type": "message_delta",
                        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                        "usage": {name: count for name, count in usage.items() if name.endswith("_tokens")},
                    },
                ),
                ("message_stop", {"type": "message_stop"}),
            ]
        )

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**self.secret_headers, "content-type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, events: list[tuple[str | None, dict[str, Any]]], *, done: bool = False) -> None:
        text = "".join((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n" for name, data in events)
        data = (text + ("data: [DONE]\n\n" if done else "")).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _chat_frame(kind: str, **facts: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "gpt-4o-2024-08-06", **facts}


def _block(event: str, **facts: Any) -> dict[str, Any]:
    return {"type": f"content_block_{event}", "index": 0, **facts}


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [
            {"index": at, "text": "done", "finish_reason": "stop", "logprobs": None} for at in range(len(prompts))
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def _response(asked: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "output_text", "text": "hello there", "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-4o-2024-08-06",
        "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": RESPONSES_USAGE,
    }
