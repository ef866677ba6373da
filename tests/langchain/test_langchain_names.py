"""Names, statuses and facts that could be mistaken: whose call it was, whose metadata, whether a human was asked."""

import datetime as dt
import uuid

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Model, one, ordinary

from infinium_integrations import shutdown


def test_the_traces_own_facts_win_and_the_users_stand_beside_them(traces):
    mine = {"status": "gold", "trace_id": "mine", "run_id": "r", "left_open": "no", "tier": 3}
    RunnableLambda(lambda x: x).invoke("x", {**ordinary(), "metadata": mine})
    tags = one(traces).environment.custom_tags
    assert (tags["status"], tags["user.status"], tags["user.trace_id"], tags["tier"]) == ("ok", "gold", "mine", "3")
    assert tags["trace_id"] != "mine"
    RunnableLambda(lambda x: x).invoke("x", ordinary(metadata={"status": "gold"}))
    tags = traces[1].environment.custom_tags
    assert (tags["status"], tags["user.status"]) == ("ok", "gold")


def test_metadata_of_any_kind_becomes_bounded_text(traces):
    number = uuid.UUID(int=7)
    mine = {"plan": {"tier": "gold"}, "seen": ["a", "b"], "day": dt.date(2026, 1, 31), "key": number}
    RunnableLambda(lambda x: x).invoke("x", {**ordinary(), "metadata": mine})
    tags = one(traces).environment.custom_tags
    assert (tags["plan"], tags["seen"], tags["day"], tags["key"]) == (
        '{"tier": "gold"}',
        '["a", "b"]',
        "2026-01-31",
        str(number),
    )


def test_models_calls_say_for_whom_and_a_blank_name_is_none(traces):
    agents = pytest.importorskip("langchain.agents")
    agents.create_agent(Model(), [], name="researcher").invoke({"messages": [("user", "q")]}, ordinary())
    (call,) = [step for step in one(traces).steps if step.llm_call]
    assert (call.description, call.metadata["name"]) == ("Model (researcher)", "Model")
    Model().invoke("hi", {**ordinary(), "run_name": "   "})
    assert (traces[1].name, traces[1].steps[0].description) == ("Model", "Model")


def asking():
    graph = pytest.importorskip("langgraph.graph")
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import interrupt

    def ask(state):
        return {"messages": [("ai", interrupt("Shall I?"))]}

    built = graph.StateGraph(graph.MessagesState)
    built.add_node("ask", ask)
    built.add_edge(graph.START, "ask")
    return built.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_is_left_when_a_human_is_asked_is_interrupted_and_linked(traces, closed):
    from langgraph.types import Command

    made = asking()
    config = {**ordinary(), "configurable": {"thread_id": "t1"}}
    stream = made.stream({"messages": [("user", "go")]}, config)
    for part in stream:
        if "__interrupt__" in part:
            break
    if closed:
        stream.close()
    made.invoke(Command(resume="yes"), {**ordinary(), "configurable": {"thread_id": "t1"}})
    stream.close()
    shutdown()
    first, second = sorted(traces, key=lambda task: "resumed_from" in task.environment.custom_tags)
    assert (first.status, second.status) == ("interrupted", "ok")
    assert second.environment.custom_tags["resumed_from"] == first.trace_id


def test_a_humans_rejection_is_no_error(traces):
    pytest.importorskip("langchain.agents")
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    @tool
    def delete(path: str) -> str:
        """Delete a file."""
        return path

    calls = [{"name": "delete", "args": {"path": "/"}, "id": "c1"}]
    agent = create_agent(
        Model(replies=[AIMessage("", tool_calls=calls), "As you wish."]),
        [delete],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"delete": True})],
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t1"}}
    agent.invoke({"messages": [("user", "delete it")]}, {**ordinary(), **config})
    agent.invoke(Command(resume={"decisions": [{"type": "reject"}]}), {**ordinary(), **config})
    asked, answered = traces
    assert (asked.status, answered.status, answered.errors) == ("interrupted", "ok", None)
    (rejected,) = [step for step in answered.steps if step.action == "tool_use"]
    assert (rejected.metadata["status"], rejected.error) == ("cancelled", None)
    assert "reject" in rejected.output_preview


def test_a_group_of_exceptions_says_what_was_raised_in_it(traces):
    def work(_):
        raise ExceptionGroup(
            "unhandled errors in a TaskGroup", [ValueError("first"), ExceptionGroup("in", [OSError("second")])]
        )

    with pytest.raises(ExceptionGroup):
        RunnableLambda(work).invoke("x", ordinary())
    (error,) = one(traces).errors
    assert error.message == "unhandled errors in a TaskGroup (2 sub-exceptions): ValueError: first; OSError: second"


def test_an_invented_tool_beside_one_that_gives_a_command_is_a_failed_step(traces):
    pytest.importorskip("langchain.agents")
    from langchain.agents import create_agent
    from langchain_core.messages import ToolMessage
    from langgraph.types import Command

    @tool
    def move(where: str) -> Command:
        """Move."""
        return Command(update={"messages": [ToolMessage(where, tool_call_id="c1", name="move")]})

    calls = [{"name": "move", "args": {"where": "on"}, "id": "c1"}, {"name": "invented", "args": {"q": 1}, "id": "c2"}]
    agent = create_agent(Model(replies=[AIMessage("", tool_calls=calls), "done"]), [move])
    agent.invoke({"messages": [("user", "go")]}, ordinary())
    found = {step.tool_call.tool_name: step for step in one(traces).steps if step.tool_call}
    assert {name: step.metadata["status"] for name, step in found.items()} == {"move": "ok", "invented": "error"}
    assert found["invented"].captured.arguments == {"q": 1}
    assert found["invented"].input_preview == '{"q": 1}'


def test_of_two_graphs_on_one_thread_each_resumes_its_own(traces):
    from langgraph.types import Command

    graphs = {name: asking().with_config(run_name=name) for name in ("first", "second")}

    def call(name, given):
        graphs[name].invoke(given, {**ordinary(), "configurable": {"thread_id": "t1"}})
        return traces[-1]

    asked = {name: call(name, {"messages": [("user", "go")]}).trace_id for name in graphs}
    answered = {name: call(name, Command(resume="yes")) for name in graphs}
    assert {name: task.environment.custom_tags["resumed_from"] for name, task in answered.items()} == asked
