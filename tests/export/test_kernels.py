"""A notebook's kernel that is restarted: real jupyter_client, real ipykernel."""

import contextlib
import sys

import pytest
from children import PATIENCE
from delivery_kit import account, files
from faultserver import FaultServer, Reply

jupyter = pytest.importorskip("jupyter_client", reason="uv pip install --group notebook")
pytest.importorskip("ipykernel", reason="uv pip install --group notebook")

CELL = """
from infinium_integrations import flush, trace
with trace({name!r}):
    pass
print(flush(60))
"""
UNAVAILABLE = Reply(503, headers={"Retry-After": "120"})
"""Beyond what a flush waits for, so that it ends when this came."""


@contextlib.contextmanager
def kernel(env, log):
    """Start a kernel; it is killed at the end of the block, whatever it is doing."""
    manager = jupyter.KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    with log.open("w") as written:
        manager.start_kernel(env=env, stdout=written, stderr=written)
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(PATIENCE)
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def run(client, code):
    """Run a cell and return all that it shows: what it prints, logs or raises."""
    shown = []

    def show(message):
        if message["msg_type"] in {"stream", "error"}:
            shown.append(message["content"].get("text") or message["content"]["evalue"])

    client.execute_interactive(code, timeout=PATIENCE, output_hook=show)
    return "".join(shown)


@pytest.mark.parametrize("now", [False, True], ids=["asked to end", "killed"])
@pytest.mark.parametrize("reachable", [True, False], ids=["delivered before", "kept before"])
def test_a_restarted_kernel_records_on_and_what_was_flushed_before_arrives_once(tmp_path, now, reachable):
    store, log = tmp_path / "store", tmp_path / "log"
    with FaultServer(then=Reply(201) if reachable else UNAVAILABLE) as server:
        env = account(server.url, store, INFINIUM_EXIT_TIMEOUT=1)
        with kernel(env, log) as (manager, client):
            assert run(client, CELL.format(name="before")) == f"{reachable}\n"
            assert len(files(store, "history" if reachable else "outbox")) == 1
            manager.restart_kernel(now=now)
            client.wait_for_ready(PATIENCE)
            server.then = Reply(201)
            assert run(client, CELL.format(name="after")) == "True\n"
        assert sorted(server.accepted.values()) == [1, 1]
        assert sorted(sent["name"] for sent in server.payloads.values()) == ["after", "before"]
    assert files(store, "outbox") == []
    assert "Traceback" not in log.read_text()


def test_a_kernel_that_is_asked_to_end_delivers_the_trace_that_is_still_open(tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    with FaultServer() as server, kernel(account(server.url, store, INFINIUM_EXIT_TIMEOUT=3), log) as (manager, client):
        assert run(client, "from infinium_integrations import trace\nopen_trace = trace('open').__enter__()") == ""
        assert server.requests == []
        manager.restart_kernel(now=False)
        assert server.wait_for_accepted(1), log.read_text()
        assert [sent["name"] for sent in server.payloads.values()] == ["open"]
    assert "Traceback" not in log.read_text()
