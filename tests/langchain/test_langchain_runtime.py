"""The handler in the user's process. The user notices nothing."""

import asyncio
import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Model, TokenUsage, call, names, one, ordinary, step

import infinium_integrations
from infinium_integrations import diagnostics, instrument, runtime, suppress, uninstrument
from infinium_integrations.langchain import (
    base_handler,
    classify,
    graphs,
    handler,
    llm_calls,
    messages,
    resumption,
    tool_calls,
    trace_metadata,
)
from infinium_integrations.testing import captured_traces

AGENT = "6f1c1d0e-8a4b-4c57-9d1c-2f6f0f1c7a10"


class Receiver(ThreadingHTTPServer):
    """Takes traces in, after as long as it is held back."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.status = 201
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.keys: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.open_gate.wait(30)
        if self.server.status < 300:
            self.server.keys.append(self.headers["idempotency-key"])
            self.server.bodies.append(json.loads(body))
        reply = json.dumps({"success": True, "message": "ok", "traceId": AGENT}).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.open_gate.set()
    server.shutdown()
    server.server_close()


def run_program(code, receiver, tmp_path, **environment):
    """Run a program of the user's in a process of its own, with an account on the local receiver."""
    settings = {
        "INFINIUM_AGENT_ID": AGENT,
        "INFINIUM_AGENT_SECRET": "a-secret-of-the-test",
        "INFINIUM_BASE_URL": receiver.url,
        "INFINIUM_STORE": str(tmp_path / "store"),
        "INFINIUM_EXIT_TIMEOUT": "45",  # on a busy machine; a server that refuses ends the wait at once
        **environment,
    }
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("INFINIUM_")}, **settings}
    program = "from langchain_core.runnables import RunnableLambda\nfrom infinium_integrations.langchain import "
    program += "InfiniumCallbackHandler\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


RUNS = """
    handler = InfiniumCallbackHandler()
    for number in range({count}):
        RunnableLambda(lambda x: x).with_config(run_name=f"run {{number}}").invoke("hi", {{"callbacks": [handler]}})
"""


def test_a_process_that_ends_at_once_delivers_what_it_recorded(receiver, tmp_path):  # 24
    done = run_program(RUNS.format(count=20), receiver, tmp_path)
    assert done.stderr == ""
    assert sorted(body["name"] for body in receiver.bodies) == sorted(f"run {n}" for n in range(20))


def test_a_server_that_hangs_holds_the_end_of_a_process_up_for_a_bounded_time_and_loses_nothing(
    receiver, tmp_path
):  # 24
    receiver.open_gate.clear()
    done = run_program(RUNS.format(count=20), receiver, tmp_path, INFINIUM_EXIT_TIMEOUT="0.5")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    receiver.open_gate.set()
    run_program("from infinium_integrations import flush\nassert flush(30)", receiver, tmp_path)
    assert {body["name"] for body in receiver.bodies} == {f"run {n}" for n in range(20)}
    assert len(set(receiver.keys)) == 20


def test_a_forked_child_sends_its_own_traces_and_not_its_parents(receiver, tmp_path):  # 25
    code = """
        import os, sys
        from infinium_integrations import flush
        handler = InfiniumCallbackHandler()
        def run(name):
            RunnableLambda(lambda x: x).with_config(run_name=name).invoke("hi", {"callbacks": [handler]})
        def fork_inside(x):
            child = os.fork()
            if child == 0:
                run("in the child")
                assert flush(20)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        run("before")
        RunnableLambda(fork_inside).with_config(run_name="around").invoke("x", {"callbacks": [handler]})
        assert flush(20)
    """
    run_program(code, receiver, tmp_path)
    assert sorted(body["name"] for body in receiver.bodies) == ["around", "before", "in the child"]
    assert len(set(receiver.keys)) == 3


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_server_that_refuses_changes_nothing_for_the_user(receiver, tmp_path, status):  # 60
    receiver.status = status
    done = run_program(RUNS.format(count=5) + "    print('done')", receiver, tmp_path, INFINIUM_EXIT_TIMEOUT="0.3")
    assert done.stdout == "done\n"
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_server_that_is_down_changes_nothing_for_the_user(receiver, tmp_path):  # 60
    done = run_program(RUNS.format(count=5), receiver, tmp_path, INFINIUM_BASE_URL="http://127.0.0.1:9")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


# -- the caller's thread -----------------------------------------------------------------------------------------------


def test_a_run_needs_no_executor(traces):  # 59
    """The default executor is full: a handler that used it would wait for ever."""
    release = threading.Event()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, release.wait)
        chain = RunnableLambda(lambda x: x, afunc=lambda x: asyncio.sleep(0, x)) | Model()
        async with asyncio.timeout(20):
            await chain.ainvoke("hi", ordinary())
        release.set()
        await blocked

    asyncio.run(main())
    assert names(one(traces)) == ["RunnableLambda", "Model"]


def test_the_callers_thread_opens_no_file_and_no_socket(tmp_path, monkeypatch):
    opened: list[str] = []
    caller = threading.get_ident()
    watching = [False]

    def audit(event: str, args: Any) -> None:
        if watching[0] and threading.get_ident() == caller and event.startswith(("open", "socket.", "os.")):
            opened.append(event)

    monkeypatch.setenv("INFINIUM_STORE", str(tmp_path))
    sys.addaudithook(audit)
    chain, config = RunnableLambda(lambda x: x) | Model(usage=TokenUsage()), ordinary()
    chain.invoke("first", config)
    list(chain.stream("first", config))
    watching[0] = True
    for _ in range(20):
        chain.invoke("hi", config)
        list(chain.stream("hi", config))
    watching[0] = False
    assert opened == []
    assert infinium_integrations.flush(20)


def test_nothing_is_kept_in_the_context(traces):
    """An async stream that is left must not make the next run its child."""
    import contextvars

    async def main():
        stream = Model(replies=["a b c"]).astream("hi", ordinary())
        await anext(stream)
        held = contextvars.copy_context().items()
        before = {var.name for var, value in held if "infinium" in var.name and value not in (None, ())}
        await Model().ainvoke("x", ordinary(name="other"))
        assert before <= {"infinium_token", "infinium_trace_ctx"}  # the second is the SDK's, and knows of no run
        await stream.aclose()

    asyncio.run(main())
    assert [len(task.steps) for task in traces] == [1, 1]


# -- our faults --------------------------------------------------------------------------------------------------------


PLACES = [
    (handler, "preview"),
    (llm_calls, "asked"),
    (handler, "taken_documents"),
    (handler, "to_json_value"),
    (base_handler, "failed"),
    (base_handler, "take"),
    (llm_calls, "ended"),
    (llm_calls, "finish_reason"),
    (llm_calls, "set_temperature"),
    (llm_calls, "tool_names"),
    (classify, "describe"),
    (classify, "kind"),
    (classify, "fold_idle"),
    (tool_calls, "without_run"),
    (graphs, "started"),
    (resumption, "started"),
    (trace_metadata, "keep_own"),
    (classify, "attempted"),
    (trace_metadata, "begin"),
    (trace_metadata, "started"),
    (messages, "take"),
]


@pytest.mark.parametrize(("module", "function"), PLACES, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_fault_of_ours_changes_nothing_and_leaves_no_state(monkeypatch, caplog, module, function, way):  # 61
    from langchain.agents import create_agent

    @tool
    def add(a: int) -> int:
        """Add."""
        if a > 1:
            raise ValueError("too much")
        return a

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("ours")

    asks = [AIMessage("", tool_calls=[call("add", {"a": n}, f"c{n}")]) for n in (1, 2)]
    monkeypatch.setattr(module, function, broken)
    with captured_traces() as traces, caplog.at_level(logging.WARNING):
        diagnostics.raising(on=False)
        agent = create_agent(Model(replies=asks), tools=[add])
        config = {**ordinary(), "run_name": "agent"}
        with pytest.raises(ValueError, match="too much"):
            agent.invoke({"messages": [("user", "go")]}, config) if way == "invoke" else asyncio.run(
                agent.ainvoke({"messages": [("user", "go")]}, config)
            )
        assert runtime.recorder().open_runs == 0
        assert len(traces) <= 1 or function == "kind"
    ours = [record for record in caplog.records if record.name == "infinium_integrations"]
    assert len({(record.msg, record.args) for record in ours}) == len(ours)
    assert "ours" not in caplog.text


@pytest.mark.parametrize("number", range(12))
def test_faults_at_random_never_reach_the_user(monkeypatch, number):  # 61
    import random

    dice = random.Random(number)

    def sometimes(function: Any) -> Any:
        def maybe(*args: Any, **kwargs: Any) -> Any:
            if dice.random() < 0.3:
                raise ZeroDivisionError
            return function(*args, **kwargs)

        return maybe

    for module, function in PLACES:
        monkeypatch.setattr(module, function, sometimes(getattr(module, function)))
    with captured_traces():
        diagnostics.raising(on=False)
        for index in range(10):
            chain = RunnableLambda(lambda x: x) | Model(replies=[f"answer {index}"])
            assert chain.invoke("hi", ordinary()).content == f"answer {index}"
            assert "".join(chunk.content for chunk in chain.stream("hi", ordinary())) == f"answer {index}"
        assert runtime.recorder().open_runs == 0


# -- imports, copies, switches -----------------------------------------------------------------------------------------


def test_importing_us_loads_no_framework_and_the_handler_no_langgraph():  # 64
    code = """
import sys
import infinium_integrations
assert not any(name.split(".")[0] in {"langchain_core", "langgraph", "llama_index"} for name in sys.modules)
from infinium_integrations.langchain import InfiniumCallbackHandler
assert "langchain_core" in sys.modules
InfiniumCallbackHandler()
assert not any(name.startswith("langgraph") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_langchain_the_error_says_what_to_install():  # 64
    code = """
import sys
sys.modules["langchain_core"] = None
import infinium_integrations
try:
    import infinium_integrations.langchain
except ImportError as error:
    assert "pip install 'infinium-integrations[langchain]'" in str(error)
else:
    raise SystemExit(1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_copied_config_holds_the_same_handler_and_pickling_says_why_not():  # 65
    config = ordinary()
    assert copy.copy(config["callbacks"][0]) is config["callbacks"][0]
    assert copy.deepcopy(config)["callbacks"][0] is config["callbacks"][0]
    with pytest.raises(TypeError, match="make one in the process"):
        pickle.dumps(config["callbacks"][0])


def test_the_handler_works_in_every_kind_of_loop(traces):  # 67
    import anyio

    async def main():
        return await (RunnableLambda(lambda x: x) | Model()).ainvoke("hi", ordinary())

    asyncio.run(main())
    anyio.run(main)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert [task.status for task in traces] == ["ok", "ok", "ok"]


def test_the_handler_works_in_uvloop(traces):  # 67
    uvloop = pytest.importorskip("uvloop")
    uvloop.run((RunnableLambda(lambda x: x) | Model()).ainvoke("hi", ordinary()))
    assert one(traces).status == "ok"


def test_the_handler_works_in_a_loop_inside_a_loop(traces):  # 67
    """As in Jupyter with ``nest_asyncio``, or where sync code is called from async code."""

    def sync_in_async(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(Model().ainvoke(x, ordinary()))).result()

    async def main():
        return sync_in_async("hi") and (RunnableLambda(lambda x: x) | Model()).invoke("hi", ordinary())

    asyncio.run(main())
    assert [task.status for task in traces] == ["ok", "ok"]


def test_without_a_loop_at_all_a_cancelled_style_error_is_just_a_status(traces):
    def cancel(x):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        RunnableLambda(cancel).invoke("x", ordinary())
    assert (one(traces).status, one(traces).errors) == ("cancelled", None)


def test_what_is_suppressed_is_not_recorded(traces):
    with suppress():
        Model().invoke("hi", ordinary())
    assert traces == []


def test_tracing_that_is_switched_off_records_nothing(traces, monkeypatch):
    runtime.current().tracing = False
    Model().invoke("hi", ordinary())
    assert traces == []


def test_instrument_called_again_changes_the_options(traces):
    instrument("langchain", name="first")
    instrument("langchain", name="second")
    try:
        Model().invoke("hi")
    finally:
        uninstrument("langchain")
    assert one(traces).name == "second"


def test_a_chain_group_is_one_trace(traces):
    from langchain_core.callbacks.manager import trace_as_chain_group

    instrument("langchain")
    try:
        with trace_as_chain_group("group", inputs={"a": 1}) as manager:
            Model().invoke("hi", {"callbacks": manager})
            Model().invoke("ho", {"callbacks": manager})
            manager.on_chain_end({"b": 2})
    finally:
        uninstrument("langchain")
    assert names(one(traces)) == ["Model", "Model"]


def test_handlers_bound_to_a_runnable_in_any_way_are_heard_once(traces):
    by_config = (RunnableLambda(lambda x: x) | Model()).with_config(callbacks=ordinary()["callbacks"])
    by_config.invoke("hi")
    Model(callbacks=ordinary()["callbacks"]).bind(stop=["x"]).invoke("hi")
    assert [len(task.steps) for task in traces] == [2, 1]


def test_a_tool_run_on_its_own_is_a_trace_with_one_step(traces):
    @tool
    def double(n: int) -> int:
        """Double."""
        return n * 2

    double.invoke({"n": 2}, ordinary())
    task = one(traces)
    assert (task.name, task.output_summary) == ("double", "4")
    assert step(task, "double").tool_call.tool_name == "double"
