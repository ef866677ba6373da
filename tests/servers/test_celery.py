"""Celery's real worker, with Redis, and the tasks of examples."""

import shutil
import signal
import subprocess
import sys

import pytest
from children import PATIENCE, child
from faultserver import Reply, closed_port
from server_kit import ended, names, tags

pytest.importorskip("celery", reason="uv pip install --group servers")
pytest.importorskip("redis", reason="uv pip install --group servers")
pytest.importorskip("langchain_core")
pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="apt-get install redis-server")

USERS = [f"u-{number}" for number in range(6)]
ASK = f"""
from celery_worker import answer
asked = [answer.delay("Hi", user) for user in {USERS!r}]
print(*[one.get(timeout={PATIENCE}) for one in asked])
"""


@pytest.fixture
def redis(tmp_path):
    port = closed_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    with child(command, stdout=subprocess.DEVNULL):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_each_task_is_a_trace_and_what_waits_is_delivered_before_the_worker_ends(pool, redis, written, env, infinium):
    folder = written("celery_worker.py")
    given = {**env, "BROKER": redis, "BACKEND": redis, "INFINIUM_STORE": "memory"}
    worker = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "celery_worker",
        "worker",
        f"--pool={pool}",
        "-c",
        "2",
        "-l",
        "error",
    ]
    infinium.then = Reply(401)  # which is tried again after some 15 seconds, and when asked to flush
    with child(worker, env=given, cwd=folder, stdout=subprocess.DEVNULL) as process:
        asked = subprocess.run(
            [sys.executable, "-c", ASK], env=given, cwd=folder, capture_output=True, text=True, timeout=90, check=False
        )
        assert (asked.returncode, asked.stdout) == (0, " ".join(["Hello!"] * len(USERS)) + "\n"), asked.stderr
        infinium.then = Reply(201)
        assert ended(process, signal.SIGTERM) == 0
    assert tags(infinium, "user_id", "status") == [(user, "ok") for user in USERS]
    assert set(names(infinium)) == {"Answer"}
    assert set(infinium.accepted.values()) == {1}
