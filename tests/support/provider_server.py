"""A local server that answers as OpenAI and Anthropic do: chat, responses, tools, streams, with and without usage."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHAT_USAGE = {
    "prompt_tokens": 13,
    "completion_tokens": 7,
    "total_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
RESPONSES_USAGE = {
    "input_tokens": 13,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 20,
}
ANTHROPIC_USAGE = {
    "input_tokens": 5,
    "output_tokens": 7,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 2,
}
WORDS = ["It", " is", " blue"]


class Providers(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked["model"].endswith("refused"):
            return self.send({"error": {"message": "no such model", "type": "x", "code": "model_not_found"}}, 404)
        path = self.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            return self.chat(asked)
        if path.endswith("/responses"):
            return self.send(responses(asked))
        if path.endswith("/messages"):
            return self.messages(asked)
        return self.send({"error": {"message": path}}, 404)

    def chat(self, asked):
        if asked.get("stream"):
            return self.events([f"data: {json.dumps(chunk)}" for chunk in chat_chunks(asked)] + ["data: [DONE]"])
        return self.send(chat(asked))

    def messages(self, asked):
        if asked.get("stream"):
            return self.events([f"event: {it['type']}\ndata: {json.dumps(it)}" for it in message_events(asked)])
        return self.send(message(asked))

    def send(self, answer, status=200):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self, lines):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write("".join(f"{line}\n\n" for line in lines).encode())
        self.close_connection = True


def wants_tool(asked):
    said = asked["messages"][-1]
    return bool(asked.get("tools")) and said["role"] == "user" and "tool_result" not in json.dumps(said)


TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}


def chat(asked):
    said = {"role": "assistant", "content": "".join(WORDS)}
    if wants_tool(asked):
        said = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    if asked.get("functions"):  # the form of 2023
        said = {"role": "assistant", "content": None, "function_call": TOOL_CALL["function"]}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": asked["model"] + "-2026"}
    return {**whole, "choices": [choice], "usage": CHAT_USAGE}


def chat_chunks(asked):
    whole = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"] + "-2026"}
    deltas = [{"role": "assistant", "content": word} for word in WORDS]
    if wants_tool(asked):
        deltas = [{"role": "assistant", "content": "", "tool_calls": [{"index": 0, **TOOL_CALL}]}]
    for delta in deltas:
        yield {**whole, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**whole, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**whole, "choices": [], "usage": CHAT_USAGE}


HOSTED = {
    "mcp": {
        "type": "mcp_call",
        "id": "mc1",
        "server_label": "dice",
        "name": "roll",
        "arguments": '{"n": 20}',
        "output": "seven",
    },
    "file_search": {
        "type": "file_search_call",
        "id": "fs1",
        "status": "completed",
        "queries": ["refund"],
        "results": [{"file_id": "f1", "filename": "a.pdf", "text": "Refund within 30 days", "score": 0.9}],
    },
}


def responses(asked):
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
    custom = [tool for tool in asked.get("tools") or () if tool["type"] == "custom"]
    called = [
        {"type": "custom_tool_call", "id": f"ctc{at}", "call_id": f"call_{at}", "name": tool["name"], "input": "1 + 2"}
        for at, tool in enumerate(custom)
    ]
    served = [HOSTED[tool["type"]] for tool in asked.get("tools") or () if tool["type"] in HOSTED]
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "model": asked["model"] + "-2026",
        "status": "completed",
        "output": [*served, item, *called],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }


def message(asked):
    content = [{"type": "text", "text": "".join(WORDS)}]
    if wants_tool(asked):
        content = [{"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 1, "b": 2}}]
    whole = {"id": "m1", "type": "message", "role": "assistant", "model": asked["model"], "stop_reason": "end_turn"}
    return {**whole, "stop_sequence": None, "content": content, "usage": ANTHROPIC_USAGE}


def message_events(asked):
    start = {**message(asked), "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in WORDS:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}
