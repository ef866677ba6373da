"""Steps made by hand inside a framework's run: what is called within such a step lies below it."""

import asyncio

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from lc_support import Model, one, ordinary, step, tree

from infinium_integrations import current_trace, trace

USER = {"messages": [("user", "go")]}
MODEL = Model()


def by_step(given, config=None):
    with current_trace().step("custom", "by hand"):
        return MODEL.invoke(given, config)


async def by_step_async(given, config=None):
    with current_trace().step("custom", "by hand"):
        return await MODEL.ainvoke(given, config)


@trace("by hand")
def by_function(given, config=None):
    return MODEL.invoke(given, config)


@trace("by hand")
async def by_function_async(given, config=None):
    return await MODEL.ainvoke(given, config)


SYNC, ASYNC = [by_step, by_function], [by_step_async, by_function_async]
WITHIN = {"by hand": {"Model": {}}}


def graph(node):
    made = StateGraph(MessagesState)
    made.add_node("node", node)
    made.add_edge(START, "node")
    return made.compile()


@pytest.mark.parametrize("passed_on", [True, False])
@pytest.mark.parametrize("detail", ["default", "full"])
@pytest.mark.parametrize("ask", SYNC)
def test_a_call_of_a_model_in_a_node_lies_below_the_hand_made_step_around_it(traces, ask, detail, passed_on):
    def node(state, config):
        return {"messages": [ask(state["messages"], config if passed_on else None)]}

    graph(node).invoke(USER, ordinary(detail=detail))
    assert tree(one(traces)) == {"node": WITHIN}


@pytest.mark.parametrize("ask", ASYNC)
def test_so_it_does_in_an_async_node(traces, ask):
    async def node(state):
        return {"messages": [await ask(state["messages"])]}

    asyncio.run(graph(node).ainvoke(USER, ordinary()))
    assert tree(one(traces)) == {"node": WITHIN}


@pytest.mark.parametrize("ask", SYNC)
def test_so_it_does_in_a_tool_and_in_a_lambda(traces, ask):
    @tool
    def look(a: str) -> str:
        """Look."""
        return ask(a).content

    look.invoke({"a": "x"}, ordinary())
    RunnableLambda(ask).invoke("x", ordinary())
    in_tool, in_lambda = traces
    assert tree(in_tool) == {"look": WITHIN}
    assert tree(in_lambda) == WITHIN


@pytest.mark.parametrize("ask", ASYNC)
def test_so_it_does_in_an_async_tool_and_an_async_lambda(traces, ask):
    @tool
    async def look(a: str) -> str:
        """Look."""
        return (await ask(a)).content

    asyncio.run(look.ainvoke({"a": "x"}, ordinary()))
    asyncio.run(RunnableLambda(ask).ainvoke("x", ordinary()))
    in_tool, in_lambda = traces
    assert tree(in_tool) == {"look": WITHIN}
    assert tree(in_lambda) == WITHIN


def test_every_way_of_calling_lies_below_the_step_and_what_comes_after_it_beside(traces):
    def work(given):
        with current_trace().step("custom", "outer"):
            list(MODEL.stream(given))
            with current_trace().step("custom", "inner"):
                MODEL.batch([given, given])
            graph(lambda state: {"messages": [MODEL.invoke("x")]}).invoke(USER)
        return MODEL.invoke(given)

    with trace("Whole"):
        RunnableLambda(work).invoke("x", ordinary())
    inner = {"Model": {}, "Model 2": {}}
    outer = {"Model": {}, "inner": inner, "LangGraph": {"node": {"Model": {}}}}
    assert tree(one(traces)) == {"work": {"outer": outer, "Model": {}}}


def test_steps_of_nodes_that_run_side_by_side_hold_only_their_own_calls(traces):
    met = asyncio.Barrier(2)

    def node(name):
        async def run(state):
            with current_trace().step("custom", f"step of {name}"):
                await met.wait()
                answer = await MODEL.ainvoke(state["messages"])
                await met.wait()
            return {"messages": [answer]}

        return run

    made = StateGraph(MessagesState)
    for name in ("a", "b"):
        made.add_node(name, node(name))
        made.add_edge(START, name)
    asyncio.run(made.compile().ainvoke(USER, ordinary()))
    found = tree(one(traces))
    assert found == {name: {f"step of {name}": {"Model": {}}} for name in ("a", "b")}


def test_a_call_in_a_task_that_outlives_the_step_lies_beside_it(traces):
    async def work(given):
        ended = asyncio.Event()

        async def later():
            await ended.wait()
            return await MODEL.ainvoke(given)

        with current_trace().step("custom", "short"):
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        ended.set()
        return await task

    asyncio.run(RunnableLambda(work).ainvoke("x", ordinary()))
    assert tree(one(traces)) == {"short": {}, "Model": {}}
    assert step(one(traces), "Model").metadata["parent_step"] is None
