"""Servers that fork, patch and terminate: real gunicorn with gevent and --preload, pools of workers."""

import signal
import subprocess
import sys
import time

import httpx
import pytest
from delivery_kit import account, environment, files
from faultserver import FaultServer, closed_port

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
