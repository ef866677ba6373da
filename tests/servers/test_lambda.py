"""AWS Lambda: the real runtime client, and a runtime API that freezes the process as soon as it has the answer."""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from children import PATIENCE, child
from faultserver import Reply
from server_kit import tags

pytest.importorskip("awslambdaric", reason="uv pip install --group servers")
pytest.importorskip("langchain_core")


class Runtime(ThreadingHTTPServer):
    """Hands out events; stops the process when it answers, as Lambda does."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.events, self.answers, self.process = queue.Queue(), queue.Queue(), None

    def call(self, event):
        """Thaw the process, have it answer an event, and freeze it."""
        self.process.send_signal(signal.SIGCONT)
        self.events.put(event)
        return self.answers.get(timeout=PATIENCE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def do_GET(self):
        event = self.server.events.get()
        body = json.dumps(event).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:1:function:f")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.process.send_signal(signal.SIGSTOP)
        self.server.answers.put(answer)
        with contextlib.suppress(OSError):  # the process may be gone
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()


@pytest.fixture
def container(written, env):
    folder = written("lambda_handler.py")
    store = folder / "tmp"
    with Runtime() as runtime:
        threading.Thread(target=runtime.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"127.0.0.1:{runtime.server_address[1]}"
        own = {"AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": str(folder), "AWS_LAMBDA_FUNCTION_NAME": "f"}
        command = [sys.executable, "-m", "awslambdaric", "lambda_handler.handler"]
        path = os.pathsep.join([str(folder), env["PYTHONPATH"]])
        given = {**env, **own, "PYTHONPATH": path, "INFINIUM_STORE": str(store)}
        with child(command, env=given, cwd=folder) as runtime.process:
            yield runtime
        runtime.shutdown()


def test_a_call_is_delivered_before_the_process_is_frozen(container, infinium):
    for number in (1, 2, 3):
        answer = container.call({"question": "Hi", "user": f"u-{number}"})
        assert answer == {"answer": "Hello!"}
        assert len(infinium.accepted) == number  # the process stands still


def test_what_could_not_be_delivered_is_delivered_by_the_next_call(container, infinium):
    infinium.then = Reply(503)
    container.call({"question": "Hi", "user": "u-1"})
    assert len(infinium.accepted) == 0
    infinium.then = Reply(201)
    container.call({"question": "Hi", "user": "u-2"})
    assert tags(infinium, "user_id") == [("u-1",), ("u-2",)]
    assert set(infinium.accepted.values()) == {1}
