"""Servers that fork and patch: real gunicorn with gevent and --preload."""

import signal
import subprocess
import sys
import time

import httpx
import pytest
from delivery_kit import account
from faultserver import FaultServer, closed_port

pytest.importorskip("gevent", reason="uv pip install --group test")
pytest.importorskip("gunicorn", reason="uv pip install --group test")

APP = """
from infinium_integrations import flush, trace

with trace("in the parent"):
    pass
assert flush(10)


def app(environ, start):
    with trace("in a worker"):
        pass
    start("200 OK", [("content-type", "text/plain")])
    return [str(flush(10)).encode()]
"""


def answer(url):
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, timeout=20, trust_env=False).text
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_workers_forked_before_gevent_patches_them_record_and_deliver(tmp_path):
    (tmp_path / "application.py").write_text(APP)
    port = closed_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "--preload", "-w", "2"]
    with FaultServer() as server:
        env = account(server.url, tmp_path / "store")
        arguments = ["-b", f"127.0.0.1:{port}", "--chdir", str(tmp_path), "application:app"]
        process = subprocess.Popen([*command, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            assert [answer(f"http://127.0.0.1:{port}/") for _ in range(6)] == ["True"] * 6
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        assert len(server.accepted) == 7
