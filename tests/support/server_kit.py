"""What the tests of servers share: the programs in ``examples``, started as they stand there."""

import contextlib
import sys
import time
from pathlib import Path

import httpx
from children import PATIENCE, child
from faultserver import closed_port

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextlib.contextmanager
def serving(command, env, folder):
    """Start a Python program with ``{port}`` in its arguments; give its process and address once it answers."""
    port, log = closed_port(), folder / "log"
    with (
        log.open("w") as out,
        child(
            [sys.executable, "-m", *(part.format(port=port) for part in command)],
            env=env,
            cwd=folder,
            stdout=out,
            stderr=out,
        ) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process, url


def answers(url):
    try:
        return httpx.get(url, timeout=PATIENCE, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def ended(process, number):
    process.send_signal(number)
    return process.wait(PATIENCE)


def tags(server, *names):
    """These tags of each trace that the platform took."""
    found = [trace["environment"]["custom_tags"] for trace in server.payloads.values()]
    return sorted(tuple(tag.get(name, "") for name in names) for tag in found)


def names(server):
    return sorted(trace["name"] for trace in server.payloads.values())
