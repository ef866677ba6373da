"""The agent's secret stays in. The oracle is a search for its text."""

import asyncio
import copy
import logging
import pickle
import signal
import subprocess
import sys
import traceback

import pytest
from children import child
from pydantic import SecretStr
from scripted import AGENT, SECRET, answer

from infinium_integrations import AsyncInfiniumClient, InfiniumClient, errors, settings

TASK = {"name": "Report", "description": "Write it", "duration": 1.5}


def everything_about(error):
    """What a log handler, a debugger or an error reporter would show of an exception."""
    seen, parts, queue = set(), [], [error]
    while queue:
        item = queue.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        parts += [str(item), repr(item), repr(vars(item)), "".join(traceback.format_exception(item))]
        parts += [repr(vars(part)) for part in vars(item).values() if hasattr(part, "__dict__")]
        request = getattr(item, "_request", None)
        parts.append(repr(getattr(request, "headers", None) and list(request.headers.raw)))
        queue += [item.__cause__, item.__context__]
    return "".join(parts)


class TestCredentials:
    def test_they_come_from_the_environment(self, monkeypatch, server):
        monkeypatch.setenv("INFINIUM_AGENT_ID", AGENT)
        monkeypatch.setenv("INFINIUM_AGENT_SECRET", SECRET)
        monkeypatch.setenv("INFINIUM_BASE_URL", f"{server.url}/")
        with InfiniumClient() as client:
            client.send_task_data(TASK)
        assert server.seen[0].headers["x-agent-key"] == SECRET
        assert server.seen[0].path == f"/api/v1/agents/{AGENT}/trace"

    def test_arguments_win(self, monkeypatch):
        monkeypatch.setenv("INFINIUM_AGENT_ID", "99999999-2222-4333-8444-555555555555")
        monkeypatch.setenv("INFINIUM_AGENT_SECRET", "another")
        assert InfiniumClient(AGENT, SecretStr(SECRET)).agent_id == AGENT

    @pytest.mark.parametrize("kind", [InfiniumClient, AsyncInfiniumClient])
    @pytest.mark.parametrize("empty", [None, ""])
    def test_missing_ones_name_the_argument_and_the_variable(self, kind, empty):
        with pytest.raises(errors.ConfigurationError, match=r"agent_id=….*INFINIUM_AGENT_ID"):
            kind(empty, SECRET)
        with pytest.raises(errors.ConfigurationError, match=r"agent_secret=….*INFINIUM_AGENT_SECRET"):
            kind(AGENT, empty)

    @pytest.mark.parametrize("agent", ["me", "../..", f"{AGENT}/x", 7])
    def test_an_agents_id_is_a_uuid(self, agent):
        with pytest.raises(errors.ConfigurationError, match="agent_id must be a UUID"):
            InfiniumClient(agent, SECRET)

    @pytest.mark.parametrize("end", ["\n", "\r\nx-evil: 1", " ", "é", "\0"])
    def test_a_secret_that_fits_no_header_is_refused_and_not_shown(self, end):
        with pytest.raises(errors.ConfigurationError, match="agent_secret must be") as caught:
            InfiniumClient(AGENT, SECRET + end)
        assert SECRET not in everything_about(caught.value)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://platform.i42m.ai/api/v1", "INFINIUM_ALLOW_HTTP"),
            ("http://127.0.0.1.evil.example", "INFINIUM_ALLOW_HTTP"),
            ("ftp://x", "must be an http"),
            ("platform.i42m.ai", "must be an http"),
            ("https://me:pw@platform.i42m.ai", "no credentials"),
        ],
    )
    def test_a_url_that_would_let_the_secret_out_is_refused(self, url, says):
        with pytest.raises(errors.ConfigurationError, match=f"base_url .*{says}"):
            InfiniumClient(AGENT, SECRET, base_url=url)

    @pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"])
    def test_http_is_fine_on_loopback(self, url):
        assert InfiniumClient(AGENT, SECRET, base_url=url).base_url == url

    def test_http_is_possible_on_demand(self):
        settings.configure(allow_http=True)
        assert InfiniumClient(AGENT, SECRET, base_url="http://collector:8080").base_url == "http://collector:8080"

    @pytest.mark.parametrize(
        "option",
        [
            {"timeout": 0},
            {"timeout": float("inf")},
            {"timeout": float("nan")},
            {"timeout": "5"},
            {"timeout": None},
            {"max_retries": -1},
            {"max_retries": None},
            {"max_retries": 1.5},
            {"verify_ssl": "/no/file"},
            {"requests_per_second": 0},
            {"burst": 0},
            {"burst": "20"},
        ],
    )
    def test_an_option_that_cannot_work_is_named(self, option):
        with pytest.raises(errors.ConfigurationError, match=next(iter(option))):
            InfiniumClient(AGENT, SECRET, **option)


class TestTheSecretStaysIn:
    @pytest.mark.parametrize("kind", [InfiniumClient, AsyncInfiniumClient])
    def test_no_repr_or_vars_shows_it(self, kind):
        client = kind(AGENT, SECRET)
        core = client._core
        shown = f"{client!r} {client!s} {vars(client)} {vars(core)} {core.agent!r} {core.prepare(TASK)!r}"
        assert SECRET not in shown
        assert AGENT in repr(client)

    @pytest.mark.parametrize("kind", [InfiniumClient, AsyncInfiniumClient])
    @pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_a_client_is_not_pickled(self, kind, copied):
        with pytest.raises(TypeError, match="holds a secret"):
            copied(kind(AGENT, SECRET))

    @pytest.mark.parametrize(
        "made",
        [
            answer(400, {"error": f"bad header x-agent-key: {SECRET}", "headers": {"x-agent-key": SECRET}}),
            answer(401, {"error": SECRET}),
            answer(429, {"error": SECRET}),
            answer(500, f"<pre>{SECRET}</pre>".encode()),
            answer(200, f"<pre>{SECRET}</pre>".encode()),
            answer(302, {"error": SECRET}, location="https://evil.example/"),
            answer(fault="reset"),
            answer(fault="drop"),
            answer(fault="half"),
            answer(fault="hang"),
        ],
    )
    def test_no_fault_or_log_line_shows_it(self, call, server, made, caplog):
        caplog.set_level(logging.DEBUG)
        server.always = made
        with pytest.raises(errors.InfiniumError) as caught:
            call("send_task_data", TASK, options={"max_retries": 0, "timeout": 1.0 if made.fault == "hang" else 30})
        assert SECRET not in everything_about(caught.value)
        assert SECRET not in caplog.text
        assert len(server.seen) == 1

    def test_a_refused_connection_keeps_no_request_in_its_error(self, call):
        with pytest.raises(errors.TransportError) as caught:
            call("send_task_data", TASK, options={"base_url": "http://127.0.0.1:9", "max_retries": 0})
        assert SECRET not in everything_about(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_a_batch_shows_it_nowhere(self, call, server):
        server.always = answer(400, {"error": SECRET})
        assert SECRET not in repr(call("send_tasks_batch", [TASK]))


class TestLightness:
    def run(self, code):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def test_importing_the_clients_loads_no_http_library(self):
        code = "import infinium_integrations.client, sys; print('httpx' in sys.modules)"
        assert self.run(code) == "False"

    def test_making_a_client_loads_no_http_library(self):
        code = (
            "from infinium_integrations.client import *; import sys;"
            f"InfiniumClient('{AGENT}', 'x'); AsyncInfiniumClient('{AGENT}', 'x'); print('httpx' in sys.modules)"
        )
        assert self.run(code) == "False"

    def test_the_package_names_both(self):
        import infinium_integrations.client as package

        assert {"InfiniumClient", "AsyncInfiniumClient"} <= set(dir(package))
        with pytest.raises(AttributeError, match="nothing"):
            _ = package.nothing


def test_a_forked_child_shares_no_connection(server):
    code = f"""
import os, sys
from infinium_integrations import InfiniumClient
client = InfiniumClient({AGENT!r}, {SECRET!r}, base_url={server.url!r})
task = dict(name="parent", description="x", duration=1)
client.send_task_data(task)
children = []
for number in range(4):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if client.send_task_data(dict(task, name=f"child {{number}}")).success else 1)
    children.append(pid)
client.send_task_data(task)
sys.exit(sum(os.waitpid(pid, 0)[1] for pid in children))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert sorted(seen.json["name"] for seen in server.seen) == [*(f"child {n}" for n in range(4)), "parent", "parent"]


def test_an_interrupted_process_ends_at_once_during_a_batch(server):
    server.always = answer(fault="hang")
    code = f"""
from infinium_integrations import InfiniumClient
client = InfiniumClient({AGENT!r}, {SECRET!r}, base_url={server.url!r})
try:
    client.send_tasks_batch([dict(name="a", description="x", duration=1)] * 8, max_concurrent=2)
except KeyboardInterrupt:
    print("interrupted")
"""
    with child([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert server.arrived.acquire(timeout=20)
        assert server.arrived.acquire(timeout=20)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert len(server.seen) == 2


def test_a_cancelled_wait_passes_through(server):
    server.always = answer(200, {})

    async def main():
        async with AsyncInfiniumClient(AGENT, SECRET, base_url=server.url) as client:
            async with asyncio.timeout(0.2):
                await client.wait_for_interpretation("11111111-2222-4333-8444-555555555555", poll_interval=30)

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(main())
    assert not isinstance(caught.value, errors.InfiniumError)
