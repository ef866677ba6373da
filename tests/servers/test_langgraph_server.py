"""LangGraph's own server, ``langgraph dev``, offline, with the graph of examples."""

import asyncio
import json
import signal
import sys

import pytest
from server_kit import ended, names, serving, tags

pytest.importorskip("langgraph_api", reason="uv pip install --group servers")
sdk = pytest.importorskip("langgraph_sdk")

DEV = ["langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", "{port}"]
AGAIN = (
    "    if state",
    """\
    if state["messages"][-1].content == "again" and not TRIED:
        TRIED.append(True)
        from langgraph_runtime.retry import RETRIABLE_EXCEPTIONS

        raise RETRIABLE_EXCEPTIONS[0]
    if state""",
)


@pytest.fixture
def served(written, env):
    def serve(**replaced):
        folder = written("langgraph_server/graph.py", **replaced)
        written("langgraph_server/auth.py", "langgraph_server/langgraph.json")
        return serving(DEV, env, folder)

    return serve


def says(text):
    return {"messages": [{"role": "user", "content": text}]}


def test_each_run_is_one_trace_and_a_thread_is_a_session(served, infinium):
    async def use(url):
        async with sdk.get_client(url=url, headers={"Authorization": "Bearer u-7"}) as client:
            thread = (await client.threads.create())["thread_id"]
            await client.runs.wait(thread, "support", input=says("Hi"))
            assert [part async for part in client.runs.stream(thread, "support", input=says("Hi"))]
            background = await client.runs.create(thread, "support", input=says("Hi"), metadata={"user_id": "own"})
            await client.runs.join(thread, background["run_id"])
            asked = await client.runs.wait(thread, "support", input=says("refund"))
            assert asked["__interrupt__"]
            answered = await client.runs.wait(thread, "support", command={"resume": "yes"})
            assert answered["messages"][-1]["content"] == "You said yes"
            await client.runs.wait(None, "support", input=says("Hi"))
            return thread

    with served() as (process, url):
        thread = asyncio.run(use(url))
        assert infinium.wait_for_accepted(6)
        ended(process, signal.SIGTERM)
    assert set(infinium.accepted.values()) == {1}
    assert set(names(infinium)) == {"Support"}
    of_the_thread = [found[1:] for found in tags(infinium, "session_id", "status", "user_id") if found[0] == thread]
    assert sorted(of_the_thread) == sorted([("ok", "u-7")] * 3 + [("ok", "own"), ("interrupted", "u-7")])
    assert set(tags(infinium, "graph_id", "run_attempt")) == {("support", "1")}
    interrupted = [found for found in tags(infinium, "trace_id", "status") if found[1] == "interrupted"]
    assert [found for (found,) in tags(infinium, "resumed_from") if found] == [interrupted[0][0]]


def test_a_run_that_the_server_tries_again_is_told_apart(served, infinium):
    async def use(url):
        async with sdk.get_client(url=url) as client:
            await client.runs.wait(None, "support", input=says("again"))

    with served(instead=[AGAIN, ("def reply", "TRIED = []\n\n\ndef reply")]) as (_, url):
        asyncio.run(use(url))
        assert infinium.wait_for_accepted(2)
    assert tags(infinium, "run_attempt", "status", "user_id") == [("1", "error", "nobody"), ("2", "ok", "nobody")]


def test_a_graph_that_knows_nothing_of_us_is_traced_under_run(written, env, infinium):
    ours = [("from infinium_integrations.langchain import InfiniumCallbackHandler\n", "")]
    ours += [(".with_config(callbacks=[InfiniumCallbackHandler()])", "")]
    folder = written("langgraph_server/graph.py", instead=ours)
    (folder / "langgraph.json").write_text(
        json.dumps({"dependencies": ["."], "graphs": {"support": "./graph.py:graph"}})
    )

    async def use(url):
        async with sdk.get_client(url=url) as client:
            thread = (await client.threads.create())["thread_id"]
            await client.runs.wait(thread, "support", input=says("Hi"), metadata={"user_id": "own"})
            return thread

    with serving(["infinium_integrations", "run", sys.executable, "-m", *DEV], env, folder) as (_, url):
        thread = asyncio.run(use(url))
        assert infinium.wait_for_accepted(1)
    assert tags(infinium, "session_id", "user_id", "status") == [(thread, "own", "ok")]
