"""Nothing that the handler meets changes a run, leaks a secret, or keeps an object of the user's alive."""

import asyncio
import gc
import queue
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from kit import Scripted, actions, add, an_engine, an_index, one, status, steps
from llama_index.core import VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step

from infinium_integrations import diagnostics
from infinium_integrations.llama_index import InfiniumEventHandler, events, spans


class Hostile:
    """Raises at whatever is asked of it."""

    def __getattribute__(self, name):
        if name == "__class__":
            return object.__getattribute__(self, name)
        raise RuntimeError("do not look")

    def __repr__(self):
        raise RuntimeError("do not print")


@pytest.mark.parametrize("place", ["enter", "leave"])
def test_a_fault_of_ours_does_not_change_the_users_result(traces, monkeypatch, place):
    seen = []
    monkeypatch.setattr(diagnostics, "record", seen.append)
    monkeypatch.setattr(spans, place, lambda *args, **kwargs: 1 / 0)
    answer = an_engine(Scripted(replies=["Paris"])).query("q?")
    assert str(answer) == "Paris"
    assert {type(fault) for fault in seen} == {ZeroDivisionError}


def test_a_fault_in_an_event_does_not_lose_the_trace(traces, monkeypatch):
    seen = []
    monkeypatch.setattr(diagnostics, "record", seen.append)
    monkeypatch.setattr(events, "handle", lambda event: 1 / 0)
    an_engine(Scripted(replies=["Paris"])).query("q?")
    assert seen
    assert status(one(traces)) == "ok"


@pytest.mark.parametrize(
    "value",
    [
        threading.Lock(),
        queue.Queue(),
        (part for part in "abc"),
        MagicMock(),
        b"\x89PNG" * 1_000,
        "x" * 50_000_000,
        Hostile(),
        {"deep": [[[[[[[[[[1]]]]]]]]]]},
    ],
    ids=["lock", "queue", "generator", "mock", "bytes", "50 MB", "hostile", "deep"],
)
def test_a_tool_may_take_and_give_anything(traces, value):
    def odd(value):
        return value

    tool = FunctionTool.from_defaults(odd)
    try:
        tool.call(value=value)
    except RuntimeError:
        assert isinstance(value, Hostile)
    trace = one(traces)
    assert len(trace.model_dump_json()) < 20_000


def test_a_generator_among_the_arguments_is_not_consumed(traces):
    def give(value):
        return "done"

    parts = (part for part in "abc")
    FunctionTool.from_defaults(give).call(value=parts)
    assert list(parts) == ["a", "b", "c"]


def test_a_value_that_holds_itself_is_no_trouble(traces):
    def give(value):
        return "done"

    circle = {}
    circle["itself"] = circle
    FunctionTool.from_defaults(give).call(value=circle)
    assert status(one(traces)) == "ok"


def test_components_among_the_arguments_are_their_names(traces):
    def give(value):
        return "done"

    index = an_index()
    assert isinstance(index, VectorStoreIndex)
    FunctionTool.from_defaults(give).call(value={"index": index, "llm": Scripted(), "engine": an_engine()})
    (tool,) = steps(one(traces), "tool_use")
    assert tool.input_preview == (
        '{"value": {"index": "<VectorStoreIndex>", "llm": "<Scripted>", "engine": "<RetrieverQueryEngine>"}}'
    )


def test_secrets_of_a_model_object_never_reach_the_payload(traces):
    openai = pytest.importorskip("llama_index.llms.openai")
    llm = openai.OpenAI(model="gpt-4o", api_key="sk-very-secret-0123456789", default_headers={"x-team": "hush-hush-1"})

    class Asks(Event):
        llm: object
        settings: dict

    class Flow(Workflow):
        @step
        async def one(self, ev: StartEvent) -> Asks:
            return Asks(llm=llm, settings={"api_key": "hush-hush-2", "inner": {"llm": llm}})

        @step
        async def two(self, ev: Asks) -> StopEvent:
            return StopEvent(result={"llm": llm})

    async def go():
        await Flow().run(llm=llm)

    asyncio.run(go())
    text = one(traces).model_dump_json()
    assert "very-secret" not in text
    assert "hush-hush" not in text


def test_nothing_of_the_users_is_kept_alive(traces):
    class Mine(BaseRetriever):
        def _retrieve(self, query_bundle):
            return [NodeWithScore(node=TextNode(text="x"), score=1.0)]

    class Answer:
        pass

    retriever, answer = Mine(), Answer()

    def give(value):
        return value

    tool = FunctionTool.from_defaults(give)
    retriever.retrieve("q?")
    tool.call(value=answer)
    gone = [weakref.ref(thing) for thing in (retriever, answer, tool, Mine, Answer)]
    del retriever, answer, tool, Mine, Answer, give
    gc.collect()
    assert [thing() for thing in gone] == [None] * len(gone)


def test_a_response_is_not_kept_while_its_trace_is_open(traces):
    from infinium_integrations import trace

    with trace("Open"):
        response = an_engine(Scripted(replies=["a"])).query("q?")
        gone = weakref.ref(response)
        del response
        gc.collect()
        assert gone() is None


def test_long_texts_are_cut_to_their_limits(traces):
    llm = Scripted(replies=["a" * 20_000])
    llm.chat([ChatMessage(role="user", content="q" * 20_000)])
    trace = one(traces)
    assert (len(trace.input_summary), len(trace.output_summary)) == (3_000, 8_000)
    (call,) = steps(trace, "llm_inference")
    assert (len(call.input_preview), len(call.output_preview)) == (500, 500)


def test_previews_are_as_long_as_the_user_wants(caught):
    engine = an_engine(Scripted(replies=["a" * 5_000]))
    with InfiniumEventHandler(preview_chars=50):
        engine.query("q?")
    (call,) = steps(one(caught), "llm_inference")
    assert len(call.output_preview) == 50


def test_a_redactor_of_the_users_sees_every_text(caught):
    engine = an_engine(Scripted(replies=["call Ada"]), "Ada was here")
    with InfiniumEventHandler(redact=lambda text: text.replace("Ada", "[NAME]")):
        engine.query("who is Ada?")
    assert "Ada" not in one(caught).model_dump_json()


def test_a_client_gets_the_trace(tmp_path, monkeypatch):
    from infinium_integrations import configure, flush, shutdown

    got = []

    class Client:
        def send_task_data(self, task):
            got.append(task)

    engine = an_engine(Scripted(replies=["Paris"]))
    with InfiniumEventHandler(client=Client()):
        engine.query("capital?")
    assert flush(10)
    assert [task.output_summary for task in got] == ["Paris"]
    shutdown(5)
    assert configure is not None


def test_a_traced_stream_is_delivered_without_a_flush_in_a_script(tmp_path):
    program = (
        "from kit import *\n"
        "from infinium_integrations.llama_index import InfiniumEventHandler\n"
        "handler = InfiniumEventHandler().register()\n"
        "response = an_engine(Scripted(replies=['one two']), streaming=True).query('q?')\n"
        "list(response.response_gen)\n"
    )
    run_program(program, tmp_path)
    assert len(list(tmp_path.glob("**/*.json.gz"))) == 1


def test_a_forked_child_records_on_and_the_parents_open_stream_is_the_parents(tmp_path):
    program = (
        "import os, sys\n"
        "from kit import *\n"
        "from infinium_integrations import flush, shutdown\n"
        "from infinium_integrations.llama_index import InfiniumEventHandler, streams\n"
        "handler = InfiniumEventHandler().register()\n"
        "response = an_engine(Scripted(replies=['one two']), streaming=True).query('parent')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert streams.open_streams() == 0\n"
        "    an_engine(Scripted(replies=['a'])).query('child')\n"
        "    assert shutdown(10)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "list(response.response_gen)\n"
        "assert flush(10)\n"
    )
    run_program(program, tmp_path)
    assert len(list(tmp_path.glob("**/*.json.gz"))) == 2


def run_program(program, store):
    here = Path(__file__).parents[1] / "support"
    environment = {"PYTHONPATH": f"{here}:{here.parent.parent}", "INFINIUM_STORE": str(store), "HOME": str(store)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env=environment, timeout=60)


def test_an_agent_with_a_hundred_tools_is_no_trouble(traces):
    tools = [FunctionTool.from_defaults(add, name=f"add{at}") for at in range(100)]

    async def go():
        await FunctionAgent(tools=tools, llm=Scripted(replies=["hi"])).run("go")

    asyncio.run(go())
    (call,) = steps(one(traces), "llm_inference")
    assert len(call.metadata["tools"]) == 50
    assert actions(traces[0]) == ["workflow_step", "llm_inference"]
    assert MockLLM is not None
