"""Servers that fork, patch, reload and terminate: real gunicorn with gevent and --preload, real uvicorn, pools."""

import signal
import subprocess
import sys
import time

import httpx
import pytest
from children import PATIENCE, child
from delivery_kit import account, environment, files
from faultserver import FaultServer, Hang, Reply, closed_port

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
        except httpx.TransportError:  # not listening yet, or no more
            assert time.monotonic() < deadline
            time.sleep(0.1)


POOL = """
import multiprocessing
import sys

from infinium_integrations import trace


def work(number):
    with trace(f"work {number}"):
        return number


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(work, range(20))))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_workers_of_a_pool_recorded_before_they_were_terminated_is_kept(tmp_path, method):
    (tmp_path / "program.py").write_text(POOL)
    command = [sys.executable, str(tmp_path / "program.py"), method]
    env = environment(INFINIUM_STORE=tmp_path / "store")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "190\n", "")
    assert len(files(tmp_path / "store", "history")) == 20


def test_workers_forked_before_gevent_patches_them_record_and_deliver(tmp_path):
    pytest.importorskip("gevent", reason="uv pip install --group test")
    pytest.importorskip("gunicorn", reason="uv pip install --group test")
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


RELOADED = """
from infinium_integrations import trace


@trace("answer")
def traced():
    return "first"


async def app(scope, receive, send):
    if scope["type"] == "http":
        body = traced() if scope["path"] == "/traced" else "first"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})
"""


def awaited(condition, log):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("first", [Reply(201), Reply(503), Hang()], ids=["delivered", "refused", "in flight"])
def test_a_worker_that_uvicorn_reloads_leaves_its_traces_to_the_next_one_and_none_is_sent_twice(tmp_path, first):
    """The worker ends by its signal, without ``atexit``: after a delivery, before the next try, or amid one."""
    pytest.importorskip("uvicorn", reason="uv pip install -e .[server]")
    source, log, port = tmp_path / "source", tmp_path / "log", closed_port()
    source.mkdir()
    (source / "application.py").write_text(RELOADED)
    command = [sys.executable, "-m", "uvicorn", "--reload", "--reload-dir", str(source), "--app-dir", str(source)]
    command += ["--port", str(port), "--log-level", "error", "application:app"]
    url = f"http://127.0.0.1:{port}"
    with FaultServer([first], then=Reply(503)) as server, log.open("w") as written:
        env = account(server.url, tmp_path / "store")
        with child(command, env=env, cwd=source, stdout=written, stderr=subprocess.STDOUT) as process:
            try:
                assert answer(f"{url}/traced") == "first"
                assert server.wait_for(1), log.read_text()
                if first == Reply(201):
                    awaited(lambda: not files(tmp_path / "store", "outbox"), log)
                (source / "application.py").write_text(RELOADED.replace("first", "second"))
                awaited(lambda: answer(url) == "second", log)
                server.then = Reply(201)
                assert answer(f"{url}/traced") == "second"
                awaited(lambda: len(files(tmp_path / "store", "history")) == 2, log)
            finally:
                process.send_signal(signal.SIGINT)  # which ends its worker too
                process.wait(PATIENCE)
        assert sorted(server.accepted.values()) == [1, 1]
        assert sorted(sent["output_summary"] for sent in server.payloads.values()) == ["first", "second"]
    assert files(tmp_path / "store", "outbox") == []
    assert log.read_text() == ""
