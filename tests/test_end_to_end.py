"""From a LangChain run to a delivered trace, over a real server, a real store and real threads."""

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from faultserver import FaultServer, Reply
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

import infinium_integrations as infinium
from infinium_integrations import runtime, settings
from infinium_integrations.langchain import InfiniumCallbackHandler

AGENT = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def account(tmp_path):
    """Connects this process to a server, with a store of its own."""

    def connect(server, **more):
        infinium.configure(
            agent_id=AGENT, agent_secret="a-secret-of-ours", base_url=server.url, store=str(tmp_path / "store"), **more
        )

    return connect


def chain(answer="hello"):
    prompt = ChatPromptTemplate.from_messages([("human", "{x}")])
    return prompt | FakeListChatModel(responses=[answer]) | StrOutputParser()


def test_a_run_arrives_once_with_its_steps(account):
    with FaultServer() as server:
        account(server)
        chain().invoke({"x": "hi"}, {"callbacks": [InfiniumCallbackHandler()], "run_name": "Greeting"})
        assert infinium.flush()
        (request,) = server.requests
    assert request.path == f"/api/v1/agents/{AGENT}/trace"
    assert request.headers["x-agent-id"] == AGENT
    assert request.headers["x-agent-key"] == "a-secret-of-ours"
    assert request.key == request.json["environment"]["custom_tags"]["trace_id"]
    assert request.json["name"] == "Greeting"
    assert [step["action"] for step in request.json["steps"]] == ["llm_inference"]
    assert infinium.stats()["sent"] == 1


def test_a_server_that_recovers_gets_the_trace_once_under_one_key(account):
    with FaultServer([503, 500, 201]) as server:
        account(server)
        chain().invoke({"x": "hi"}, {"callbacks": [InfiniumCallbackHandler()]})
        assert infinium.flush(timeout=30)
        assert len(server.requests) == 3
        assert len({request.key for request in server.requests}) == 1
        assert list(server.accepted.values()) == [1]


def test_fifty_threads_and_fifty_tasks_sharing_a_handler_give_a_hundred_right_traces(account):
    handler = InfiniumCallbackHandler()
    config = {"callbacks": [handler]}
    work = RunnableLambda(lambda text: chain(f"answer to {text}").invoke({"x": text}))

    async def tasks():
        await asyncio.gather(*(work.ainvoke(f"task {n}", config) for n in range(50)))

    with FaultServer() as server:
        account(server)
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(lambda n: work.invoke(f"thread {n}", config), range(50)))
        asyncio.run(tasks())
        assert infinium.flush(timeout=60)
        assert len(server.accepted) == 100
        for payload in server.payloads.values():
            question = payload["input_summary"]
            (model,) = [step for step in payload["steps"] if step["action"] == "llm_inference"]
            assert model["input_preview"] == f"user: {question}"
            assert model["output_preview"] == f"answer to {question}"
            assert payload["output_summary"] == f"answer to {question}"
        assert len({p["input_summary"] for p in server.payloads.values()}) == 100
    assert runtime.recorder().open_runs == 0


def test_without_an_account_traces_are_kept_and_one_info_line_says_where(tmp_path, caplog, capfd):
    infinium.configure(store=str(tmp_path / "mine"))
    caplog.set_level(logging.INFO, logger="infinium_integrations")
    for _ in range(3):
        chain().invoke({"x": "hi"}, {"callbacks": [InfiniumCallbackHandler(name="Greeting")]})
    assert infinium.flush()
    found = infinium.traces(limit=10)
    assert [task.name for task in found] == ["Greeting"] * 3
    assert {task.delivery.status for task in found} == {"local"}
    (line,) = [record for record in caplog.records if record.name == "infinium_integrations"]
    assert (line.levelno, str(tmp_path / "mine") in line.getMessage()) == (logging.INFO, True)
    assert capfd.readouterr() == ("", "")


def test_runs_go_on_while_the_disk_and_the_network_block(account, monkeypatch):
    blocked, release = threading.Event(), threading.Event()
    real = os.open

    def slow(path, *args, **kwargs):
        if "store" in str(path):
            blocked.set()
            release.wait(10)
        return real(path, *args, **kwargs)

    with FaultServer(then=Reply(201)) as server:
        account(server)
        monkeypatch.setattr(os, "open", slow)
        config = {"callbacks": [InfiniumCallbackHandler()]}
        chain().invoke({"x": "first"}, config)
        assert blocked.wait(10)
        for number in range(100):
            chain().invoke({"x": str(number)}, config)
        assert not release.is_set()
        assert server.requests == []
        release.set()
        assert infinium.flush(timeout=60)
        assert len(server.accepted) == 101


def test_a_secret_in_a_run_reaches_neither_disk_nor_wire(account, tmp_path):
    secret = "sk-proj-" + "a1B2c3D4" * 5

    def leak(text):
        raise ValueError(f"refused key {secret}")

    with FaultServer() as server:
        account(server)
        with pytest.raises(ValueError, match="refused"):
            RunnableLambda(leak).invoke(
                {"question": f"use {secret}", "api_key": "hunter2hunter2"},
                {"callbacks": [InfiniumCallbackHandler()], "tags": [secret], "metadata": {"note": secret}},
            )
        assert infinium.flush()
        bodies = b"".join(request.body for request in server.requests)
    import gzip

    files = b"".join(gzip.decompress(path.read_bytes()) for path in (tmp_path / "store").rglob("*.gz"))
    for blob in (bodies, files):
        assert b"REDACTED" in blob
        assert secret.encode() not in blob
        assert b"hunter2" not in blob
        assert b"a-secret-of-ours" not in blob


PROGRAM = """
    import os, sys
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from infinium_integrations.langchain import InfiniumCallbackHandler
    handler = InfiniumCallbackHandler(name=sys.argv[1])
    for number in range(int(sys.argv[2])):
        FakeListChatModel(responses=["hello"]).invoke("hi", {"callbacks": [handler]})
    print("done")
"""


def environment_for(server_url, store):
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("INFINIUM_")},
        "INFINIUM_AGENT_ID": AGENT,
        "INFINIUM_AGENT_SECRET": "a-secret-of-ours",
        "INFINIUM_BASE_URL": server_url,
        "INFINIUM_EXIT_TIMEOUT": "45",  # on a busy machine; a server that refuses ends the wait at once
        "INFINIUM_STORE": str(store),
    }


def run_program(server_url, store, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *map(str, arguments)],
        env=environment_for(server_url, store),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_a_script_that_just_ends_delivers_its_trace(tmp_path):
    with FaultServer() as server:
        run = run_program(server.url, tmp_path / "store", "one", 1)
        assert run.stdout == "done\n"
        assert [payload["name"] for payload in server.payloads.values()] == ["one"]


def test_what_a_process_left_while_the_server_was_down_the_next_one_delivers_once(tmp_path):
    with FaultServer() as probe:
        port = probe.port
    run_program(f"http://127.0.0.1:{port}/api/v1", tmp_path / "store", "left", 5)
    with FaultServer(port=port) as server:
        run_program(server.url, tmp_path / "store", "next", 1)
        assert server.wait_for_accepted(6)
        names = sorted(payload["name"] for payload in server.payloads.values())
        assert names == ["left"] * 5 + ["next"]
        assert set(server.accepted.values()) == {1}


def test_children_of_multiprocessing_deliver_their_traces(tmp_path):
    program = """
        import multiprocessing, sys
        from infinium_integrations import trace

        def work(number):
            with trace(f"child {number}"):
                pass

        if __name__ == "__main__":
            with trace("parent"):
                pass
            for method in ("fork", "forkserver", "spawn"):
                child = multiprocessing.get_context(method).Process(target=work, args=(method,))
                child.start()
                child.join(30)
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    with FaultServer() as server:
        subprocess.run(
            [sys.executable, path], env=environment_for(server.url, tmp_path / "store"), timeout=60, check=True
        )
        names = sorted(payload["name"] for payload in server.payloads.values())
    assert names == ["child fork", "child forkserver", "child spawn", "parent"]
    assert set(server.accepted.values()) == {1}


def test_a_forked_child_inside_an_open_trace_sends_its_own_runs_and_not_the_parents(tmp_path):
    program = """
        import os
        from infinium_integrations import flush, trace

        with trace("parent"):
            child = os.fork()
            if child == 0:
                with trace("child"):
                    pass
        if child == 0:
            flush(10)
            os._exit(0)
        os.waitpid(child, 0)
    """
    with FaultServer() as server:
        environment = environment_for(server.url, tmp_path / "store")
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, timeout=60, check=True)
    assert sorted(payload["name"] for payload in server.payloads.values()) == ["child", "parent"]
    assert set(server.accepted.values()) == {1}


def test_a_malformed_setting_is_said_when_the_handler_is_made(monkeypatch):
    monkeypatch.setenv("INFINIUM_GRACE", "soon")
    settings.reset()
    runtime.install(None)
    with pytest.raises(infinium.errors.ConfigurationError, match="INFINIUM_GRACE"):
        InfiniumCallbackHandler()
