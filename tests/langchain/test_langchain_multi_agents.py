"""Agents within graphs: supervisors and their workers, swarms, agents as nodes. An agent's step says so."""

import asyncio
import warnings

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command
from lc_support import Model, call, one, ordinary, step, steps, tree

from infinium_integrations import trace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # LangGraph 1.0 warns of its own import
    from langgraph.prebuilt import create_react_agent

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
USER = {"messages": [("user", "go")]}
MAKERS = {"create_agent": create_agent, "create_react_agent": create_react_agent}
made_by = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
WAYS = {"invoke": lambda g: g.invoke(USER, ordinary()), "ainvoke": lambda g: asyncio.run(g.ainvoke(USER, ordinary()))}
either = pytest.mark.parametrize("way", WAYS)


def _make_call_agent(agent):
    """As langgraph-supervisor calls its workers."""

    def call_agent(state):
        return {"messages": agent.invoke(state)["messages"]}

    async def acall_agent(state):
        return {"messages": (await agent.ainvoke(state))["messages"]}

    from langgraph._internal._runnable import RunnableCallable

    return RunnableCallable(call_agent, acall_agent)


@tool
def add(a: int) -> str:
    """Add."""
    return str(a)


@tool
def hand_over(to: str) -> Command:
    """Hand over."""
    said = ToolMessage("over", tool_call_id="c1", name="hand_over")
    return Command(goto=to, graph=Command.PARENT, update={"messages": [said]})


def hands_over(to):
    return Model(replies=[AIMessage("", tool_calls=[call("hand_over", {"to": to}, "c1")]), "done"])


def works():
    return Model(replies=[AIMessage("", tool_calls=[call("add", {"a": 1}, "c2")]), "worked"])


def actions(task):
    return {found.metadata["name"]: found.action for found in task.steps if found.action in {"chain", "agent"}}


@made_by
@either
def test_a_supervisor_and_its_workers_are_agents(traces, make, way):
    graph = StateGraph(MessagesState)
    graph.add_node("boss", make(hands_over("math"), [hand_over], name="boss"), destinations=("math", END))
    graph.add_node("math", _make_call_agent(make(works(), [add], name="math")))
    graph.add_edge(START, "boss")
    graph.add_edge("math", "boss")
    WAYS[way](graph.compile())
    task = one(traces)
    assert {found.action for found in steps(task, "boss") + steps(task, "math")} == {"agent"}
    assert {step(task, "math").metadata["agent"], steps(task, "boss")[0].metadata["agent"]} == {"boss", "math"}
    models = [found for found in task.steps if found.llm_call]
    assert [found.description for found in models] == [f"Model ({who})" for who in ("boss", "math", "math", "boss")]
    assert actions(task)["tools"] == "chain"


@either
def test_a_worker_that_is_a_graph_of_the_users_own_is_an_agent_too(traces, way):
    own = StateGraph(MessagesState)
    own.add_node("think", lambda state: {"messages": [Model().invoke(state["messages"])]})
    own.add_edge(START, "think")
    graph = StateGraph(MessagesState)
    graph.add_node("own", _make_call_agent(own.compile(name="own")))
    graph.add_edge(START, "own")
    WAYS[way](graph.compile())
    task = one(traces)
    assert actions(task) == {"own": "agent", "think": "chain"}
    assert tree(task) == {"own": {"think": {"Model": {}}}}


@made_by
@either
def test_the_agents_of_a_swarm_are_agents(traces, make, way):
    class Swarm(MessagesState):
        active_agent: str

    own = StateGraph(MessagesState)
    own.add_node("think", lambda state: {"messages": [Model().invoke(state["messages"])]})
    own.add_edge(START, "think")
    graph = StateGraph(Swarm)
    graph.add_node("alice", make(hands_over("bob"), [hand_over], name="alice"), destinations=("bob",))
    graph.add_node("bob", own.compile(name="bob"))
    graph.add_edge(START, "alice")
    WAYS[way](graph.compile())
    task = one(traces)
    assert [step(task, name).action for name in ("alice", "bob", "think")] == ["agent", "agent", "chain"]
    assert step(task, "alice").metadata["status"] == "handoff"


@made_by
@either
def test_an_agent_as_a_node_is_an_agent_with_or_without_a_name(traces, make, way):
    graph = StateGraph(MessagesState)
    graph.add_node("named", make(Model(), [], name="named"))
    graph.add_node("other", make(Model(), [], name="writer"))
    graph.add_node("nameless", make(Model(), []))
    for before, after in ((START, "named"), ("named", "other"), ("other", "nameless")):
        graph.add_edge(before, after)
    WAYS[way](graph.compile())
    task = one(traces)
    assert [step(task, name).action for name in ("named", "other", "nameless")] == ["agent", "agent", "agent"]
    assert [step(task, name).metadata["agent"] for name in ("named", "other", "nameless")] == [
        "named",
        "writer",
        "nameless",
    ]
    assert [len(tree(task)[name]) for name in ("named", "other", "nameless")] == [1, 1, 1]


@made_by
def test_an_agent_inside_trace_and_one_that_a_tool_or_a_function_calls(traces, make):
    inner = make(Model(), [])

    @tool
    def ask(a: str) -> str:
        """Ask another agent."""
        return inner.invoke(USER)["messages"][-1].content

    with trace("Whole"):
        make(Model(), [], name="alone").invoke(USER, ordinary())
        ask.invoke({"a": "x"}, ordinary())
    task = one(traces)
    assert step(task, "alone").action == "agent"
    assert step(task, "ask").action == "tool_use"


def test_a_graph_of_the_users_own_as_a_node_is_no_agent_whatever_its_nodes_are_called(traces):
    own = StateGraph(MessagesState)
    for name in ("agent", "model", "tools"):
        own.add_node(name, lambda state: {"messages": [Model().invoke(state["messages"])]})
        own.add_edge(START, name)
    graph = StateGraph(MessagesState)
    graph.add_node("plain", own.compile())
    graph.add_edge(START, "plain")
    graph.compile().invoke(USER, ordinary())
    assert set(actions(one(traces)).values()) == {"chain"}


def test_the_prompt_of_a_ready_made_agent_is_no_step(traces):
    create_react_agent(Model(), [], prompt="Be kind.", name="kind").invoke(USER, ordinary())
    assert tree(one(traces)) == {"agent": {"Model": {}}}


@made_by
@either
def test_langgraphs_own_supervisor(traces, make, way):
    create_supervisor = pytest.importorskip("langgraph_supervisor").create_supervisor
    asked = AIMessage("", tool_calls=[call("transfer_to_math")])
    worker = make(works(), [add], name="math")
    WAYS[way](create_supervisor([worker], model=Model(replies=[asked, "done"])).compile())
    task = one(traces)
    assert {found.action for found in steps(task, "supervisor") + steps(task, "math")} == {"agent"}


@made_by
@either
def test_langgraphs_own_swarm(traces, make, way):
    swarm = pytest.importorskip("langgraph_swarm")
    asked = AIMessage("", tool_calls=[call("transfer_to_bob")])
    alice = make(Model(replies=[asked]), [swarm.create_handoff_tool(agent_name="bob")], name="alice")
    bob = make(Model(), [add], name="bob")
    WAYS[way](swarm.create_swarm([alice, bob], default_active_agent="alice").compile())
    task = one(traces)
    assert [step(task, name).action for name in ("alice", "bob")] == ["agent", "agent"]


# -- agents name their messages after the model has returned them ------------------------------------------------------


def _spoken(captured):
    return [(message["role"], message.get("name")) for message in captured.messages]


@made_by
@either
def test_what_a_named_agent_says_stands_once_and_under_its_name(traces, make, way):
    WAYS[way](make(works(), [add], name="boss"))
    task = one(traces)
    assert _spoken(task.captured) == [("user", None), ("assistant", "boss"), ("tool", "add"), ("assistant", "boss")]
    said = [found.captured.output_messages for found in steps(task, "Model")]
    assert [[message["name"] for message in messages] for messages in said] == [["boss"], ["boss"]]


def test_a_message_that_is_renamed_or_named_with_another_text_is_another(traces):
    message = AIMessage("hi")
    again = AIMessage("hi", name="a")

    def change(_):
        message.name, message.content = "a", "ho"
        again.name = "b"
        return [message, again]

    (RunnableLambda(lambda _: [message, again]) | RunnableLambda(change)).invoke("x", ordinary())
    said = [(one.get("name"), one["parts"][0]["content"]) for one in one(traces).captured.messages]
    assert said == [(None, "hi"), ("a", "hi"), ("a", "ho"), ("b", "hi")]
