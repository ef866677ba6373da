"""The user's metadata: a trace's own belongs to the trace, that of one part stands on its step and nowhere else."""

import asyncio
import uuid
from datetime import date

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from lc_support import Model, call, names, one, ordinary, step, steps

from infinium_integrations import trace
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.models import OWN_FACTS

USER = {"messages": [("user", "go")]}
WAYS = {
    "invoke": lambda r, x, c: r.invoke(x, c),
    "ainvoke": lambda r, x, c: asyncio.run(r.ainvoke(x, c)),
    "stream": lambda r, x, c: list(r.stream(x, c)),
    "batch": lambda r, x, c: r.batch([x], c),
}
by_each_way = pytest.mark.parametrize("way", WAYS)


def part(name, **metadata):
    return RunnableLambda(lambda x: x).with_config(run_name=name, metadata=metadata)


def having(task, key):
    return {found.metadata["name"]: found.metadata[key] for found in task.steps if key in found.metadata}


@by_each_way
def test_metadata_of_one_part_stands_on_its_step_and_on_no_other(traces, way):
    chain = part("a", of="a") | part("b", of="b", b=1) | Model(metadata={"own": True}).with_config(metadata={"m": "x"})
    WAYS[way](chain, "x", {**ordinary(), "metadata": {"team": "billing"}})
    task = one(traces)
    assert having(task, "of") == {"a": "a", "b": "b"}
    assert having(task, "b") == {"b": 1}
    assert having(task, "m") == {"Model": "x"}
    assert having(task, "own") == {"Model": True}
    assert having(task, "team") == {}
    assert task.environment.custom_tags["team"] == "billing"


@by_each_way
def test_what_lies_below_a_part_does_not_repeat_its_metadata(traces, way):
    inner = RunnableLambda((part("c") | Model().with_config(metadata={"deep": 1})).invoke)
    WAYS[way](inner.with_config(run_name="outer", metadata={"of": "outer"}) | part("after"), "x", ordinary())
    task = one(traces)
    assert having(task, "of") == {"outer": "outer"}
    assert having(task, "deep") == {"Model": 1}


def test_metadata_of_plumbing_stands_on_the_steps_in_it(traces):
    plumbing = (ChatPromptTemplate.from_template("{x}") | Model()).with_config(metadata={"of": "sequence"})
    (part("before") | (lambda x: {"x": x}) | plumbing | part("after")).invoke("x", ordinary())
    assert having(one(traces), "of") == {"Model": "sequence"}


def test_values_of_every_kind_are_bounded_text(traces):
    class Own:
        def __str__(self):
            raise AssertionError("called")

        __repr__ = __eq__ = __str__
        __hash__ = object.__hash__

    given = {
        "a_dict": {"k": [1, "two"], "password": "hunter2-x"},
        "a_list": [1, "two"],
        "a_date": date(2026, 1, 2),
        "an_id": uuid.UUID(int=7),
        "own": Own(),
        "number": 1.5,
        "yes": True,
        "nothing": None,
        "long": "x" * 5_000,
        "api_key": "hunter2-x",
    }
    (part("a", **given) | part("b")).invoke("x", ordinary())
    found = step(one(traces), "a").metadata
    assert found["a_dict"] == '{"k": [1, "two"], "password": "[REDACTED]"}'
    assert (found["a_list"], found["a_date"]) == ('[1, "two"]', "2026-01-02")
    assert found["an_id"] == str(uuid.UUID(int=7))
    assert (found["own"], found["number"], found["yes"]) == ("<Own>", 1.5, True)
    assert "nothing" not in found
    assert len(found["long"]) <= 1_100
    assert found["api_key"] == "[REDACTED]"


def test_a_name_that_is_taken_keeps_our_value_and_theirs_stands_under_user(traces):
    model = Model().with_config(metadata={"status": "mine", "run_id": 5, "tools": "hammer", "mood": "good"}, tags=["t"])
    (part("a", user="Ada", node="n", parent_step=[9]) | model).invoke("x", ordinary())
    task = one(traces)
    first, second = step(task, "a").metadata, step(task, "Model").metadata
    assert first["user"] == {"user": "Ada", "node": "n", "parent_step": "[9]"}
    assert first["parent_step"] is None
    assert (second["status"], second["mood"], second["tags"]) == ("ok", "good", ["t"])
    assert second["user"] == {"status": "mine", "run_id": 5, "tools": "hammer"}
    assert second["run_id"] != 5


def test_metadata_of_a_node_stands_on_the_node(traces):
    model = Model()
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [model.invoke("x")]}, metadata={"of": ["node"]})
    graph.add_edge(START, "ask")
    graph.compile().invoke(USER, {**ordinary(), "metadata": {"team": "billing", "parts": {"a": 1}}})
    task = one(traces)
    assert having(task, "of") == {"ask": '["node"]'}
    assert having(task, "parts") == having(task, "team") == {}
    assert task.environment.custom_tags["parts"] == '{"a": 1}'


def test_metadata_of_a_tool_and_of_an_agents_model(traces):
    @tool
    def add(a: int) -> str:
        """Add."""
        return str(a)

    add.metadata = {"cost": "low"}
    asked = AIMessage("", tool_calls=[call("add", {"a": 1})])
    create_agent(Model(replies=[asked, "done"], metadata={"tier": 1}), [add], name="ann").invoke(USER, ordinary())
    task = one(traces)
    assert having(task, "cost") == {"add": "low"}
    assert [found.metadata["tier"] for found in steps(task, "Model")] == [1, 1]


def test_inside_trace_the_metadata_of_a_call_stands_on_its_step(traces):
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [Model().invoke("x")]})
    graph.add_edge(START, "ask")
    with trace("Whole"):
        graph.compile().invoke(USER, {**ordinary(), "metadata": {"team": "billing"}})
    assert having(one(traces), "team") == {"LangGraph": "billing"}


def test_what_frameworks_put_there_is_not_shown(traces):
    create_agent(Model(), [], name="ann").invoke(USER, ordinary())
    task = one(traces)
    known = {"ls_integration", "langgraph_step", "lc_agent_name", "lc_versions", "user"}
    assert names(task) == ["model", "Model"]
    assert not any(known & found.metadata.keys() for found in task.steps)


@pytest.mark.parametrize("name", sorted(OWN_FACTS))
def test_no_metadata_replaces_a_fact_of_the_trace(traces, name):
    handler = InfiniumCallbackHandler(metadata={name: "the handler's"})
    part("a").invoke("x", {"callbacks": [handler]})
    part("a").invoke("x", {**ordinary(tags=["t"]), "metadata": {name: "the run's"}})
    with trace("Whole", metadata={name: "the trace's"}):
        pass
    assert [task.environment.custom_tags[f"user.{name}"] for task in traces] == [
        "the handler's",
        "the run's",
        "the trace's",
    ]
    assert all(not str(task.environment.custom_tags.get(name)).startswith("the ") for task in traces)


SERVER = {"langgraph_api_version": "0.16.7"}
"""What LangGraph's server puts into the metadata of each run."""


def served(traces, way, metadata, user="u-7"):
    graph = StateGraph(MessagesState).add_node("reply", lambda _: {"messages": [AIMessage("hi")]})
    graph = graph.add_edge(START, "reply").compile()
    given = {**ordinary(), "metadata": metadata, "configurable": {"langgraph_auth_user_id": user}}
    WAYS[way](graph, USER, given)
    return one(traces).environment.custom_tags.get("user_id")


@by_each_way
def test_whom_langgraphs_server_has_authenticated_is_the_user(traces, way):
    assert served(traces, way, SERVER) == "u-7"


def test_a_user_whom_the_metadata_names_goes_before_whom_the_server_has_authenticated(traces):
    assert served(traces, "invoke", {**SERVER, "user_id": "own"}) == "own"


@pytest.mark.parametrize("user", [None, ""])
def test_where_the_server_has_authenticated_nobody_there_is_no_user(traces, user):
    assert served(traces, "ainvoke", SERVER, user) is None
