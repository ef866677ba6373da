"""Interrupted runs and those that go on with them, whatever graph, name, thread, stream or trace they stand in."""

import asyncio
from typing import Annotated, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from lc_support import one, ordinary

from infinium_integrations import trace


class State(TypedDict):
    x: Annotated[list, lambda a, b: a + b]


GIVEN, YES = {"x": ["i"]}, Command(resume="yes")


def ask(state):
    return {"x": [interrupt("may I?")]}


def asking(saver=None, node="ask", sub=False, **options):
    made = StateGraph(State)
    made.add_node("before", lambda state: {"x": ["b"]})
    made.add_node(node, ask)
    made.add_edge(START, "before")
    made.add_edge("before", node)
    if not sub:
        return made.compile(checkpointer=saver or InMemorySaver(), **options)
    outer = StateGraph(State)
    outer.add_node("sub", made.compile(**options))
    outer.add_edge(START, "sub")
    return outer.compile(checkpointer=saver or InMemorySaver())


def stopping(saver=None, sub=False):
    """A graph with a static breakpoint before a node that asks nobody."""
    made = StateGraph(State)
    made.add_node("before", lambda state: {"x": ["b"]})
    made.add_node("after", lambda state: {"x": ["a"]})
    made.add_edge(START, "before")
    made.add_edge("before", "after")
    if not sub:
        return made.compile(checkpointer=saver or InMemorySaver(), interrupt_before=["after"])
    outer = StateGraph(State)
    outer.add_node("sub", made.compile(interrupt_before=["after"]))
    outer.add_edge(START, "sub")
    return outer.compile(checkpointer=saver or InMemorySaver())


def config(thread="t1", **more):
    return {**ordinary(), "configurable": {"thread_id": thread}, **more}


def link(task):
    return task.environment.custom_tags.get("resumed_from")


# -- several graphs on one thread --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("name", [None, "Same"])
@pytest.mark.parametrize("nodes", [("ask", "ask"), ("ask", "other")])
def test_of_two_graphs_with_one_name_on_one_thread_each_resumes_its_own(traces, nodes, name, order):
    graphs = [asking(node=node) for node in nodes]
    named = {"run_name": name} if name else {}
    for graph in graphs:
        graph.invoke(GIVEN, config(**named))
    for which in order:
        graphs[which].invoke(YES, config(**named))
    assert [link(task) for task in traces[2:]] == [traces[which].trace_id for which in order]


def test_two_graphs_over_one_store_of_checkpoints_do_not_cross(traces):
    saver = InMemorySaver()
    first, second = asking(saver, node="a"), asking(saver, node="b")
    first.invoke(GIVEN, config())
    second.invoke(GIVEN, config("t2"))
    second.invoke(YES, config("t2"))
    first.invoke(YES, config())
    assert [link(task) for task in traces[2:]] == [traces[1].trace_id, traces[0].trace_id]


def test_a_graph_that_has_asked_nothing_resumes_nothing(traces):
    asking().invoke(GIVEN, config())
    other = stopping()
    other.update_state({"configurable": {"thread_id": "t1"}}, GIVEN, as_node="before")
    other.invoke(None, config())
    assert [(task.status, link(task)) for task in traces] == [("interrupted", None), ("ok", None)]


@pytest.mark.parametrize("kind", [asking, stopping])
def test_the_link_holds_under_another_name_and_for_a_graph_that_was_built_anew(traces, kind):
    if kind is stopping:
        pytest.importorskip("langgraph.callbacks")
    saver = InMemorySaver()
    given = YES if kind is asking else None
    kind(saver).invoke(GIVEN, config(run_name="Question"))
    kind(saver).with_config(run_name="Answer").invoke(given, config())
    first, second = traces
    assert (first.status, second.status) == ("interrupted", "ok")
    assert link(second) == first.trace_id


class SaverOfEachCall(InMemorySaver):
    """A saver of its own for each call over the same storage, as servers make them."""

    def __init__(self, storage):
        super().__init__()
        self.storage, self.writes, self.blobs = storage


def test_the_link_holds_where_each_call_makes_its_own_saver(traces):
    stored = InMemorySaver()
    for given in (GIVEN, YES):
        asking(SaverOfEachCall((stored.storage, stored.writes, stored.blobs))).invoke(given, config())
    assert link(traces[1]) == traces[0].trace_id


def test_the_link_holds_where_the_state_was_changed_in_between(traces):
    graph = asking()
    graph.invoke(GIVEN, config())
    graph.update_state({"configurable": {"thread_id": "t1"}}, {"x": ["changed"]}, as_node="before")
    graph.invoke(YES, config())
    assert link(traces[1]) == traces[0].trace_id


def test_an_answer_is_linked_once(traces):
    graph = asking()
    graph.invoke(GIVEN, config())
    graph.invoke(YES, config())
    graph.invoke(GIVEN, config())
    graph.invoke(YES, config())
    assert [link(task) for task in traces] == [None, traces[0].trace_id, None, traces[2].trace_id]


def test_a_question_after_a_question_is_linked_to_the_last(traces):
    made = StateGraph(State)
    made.add_node("ask", lambda state: {"x": [interrupt("1"), interrupt("2")]})
    made.add_edge(START, "ask")
    graph = made.compile(checkpointer=InMemorySaver())
    for given in (GIVEN, YES, YES):
        graph.invoke(given, config())
    assert [task.status for task in traces] == ["interrupted", "interrupted", "ok"]
    assert [link(task) for task in traces] == [None, traces[0].trace_id, traces[1].trace_id]


def test_a_graph_inside_a_chain_or_inside_trace_is_linked_too(traces):
    pytest.importorskip("langgraph.callbacks")
    graph = asking()
    within = {"configurable": {"thread_id": "t1"}}
    RunnableLambda(lambda given: graph.invoke(given, within)).invoke(GIVEN, ordinary())
    with trace("Answer"):
        graph.invoke(YES, config())
    first, second = traces
    assert (first.status, second.status) == ("interrupted", "ok")
    assert link(second) == first.trace_id


def test_a_question_that_is_answered_within_the_same_trace_is_no_link(traces):
    graph = asking()
    with trace("Both"):
        graph.invoke(GIVEN, config())
        graph.invoke(YES, config())
    task = one(traces)
    assert (task.status, link(task)) == ("ok", None)


@pytest.mark.parametrize("kind", [asking, stopping])
def test_a_graph_that_goes_on_within_the_same_trace_leaves_it_ok(traces, kind):
    if kind is stopping:
        pytest.importorskip("langgraph.callbacks")
    graph, given = kind(), YES if kind is asking else None
    with trace("Both"):
        graph.invoke(GIVEN, config())
        graph.invoke(given, config())
    assert one(traces).status == "ok"


def test_one_of_two_subgraphs_that_asks_again_keeps_the_run_interrupted(traces):
    def twice(state):
        return {"x": [interrupt("1"), interrupt("2")]}

    def within(node):
        made = StateGraph(State)
        made.add_node("inner", node)
        made.add_edge(START, "inner")
        return made.compile()

    outer = StateGraph(State)
    for name, node in (("a", twice), ("b", ask)):
        outer.add_node(name, within(node))
        outer.add_edge(START, name)
    graph = outer.compile(checkpointer=InMemorySaver())
    asked = graph.invoke(GIVEN, config())["__interrupt__"]
    asked = graph.invoke(Command(resume={one.id: "yes" for one in asked}), config())["__interrupt__"]
    graph.invoke(Command(resume={one.id: "yes" for one in asked}), config())
    assert [task.status for task in traces] == ["interrupted", "interrupted", "ok"]
    assert [link(task) for task in traces] == [None, traces[0].trace_id, traces[1].trace_id]


# -- ways of reading ---------------------------------------------------------------------------------------------------


async def all_of(stream):
    return [part async for part in stream]


async def until_asked(stream):
    async for part in stream:
        if "__interrupt__" in str(part):
            return


async def until_asked_and_closed(stream):
    await until_asked(stream)
    await stream.aclose()


def leave(stream):
    for part in stream:
        if "__interrupt__" in str(part):
            return


READ = {
    "stream": lambda g, c: list(g.stream(GIVEN, c)),
    "stream, left": lambda g, c: leave(g.stream(GIVEN, c)),
    "stream of values, left": lambda g, c: leave(g.stream(GIVEN, c, stream_mode="values")),
    "astream": lambda g, c: all_of(g.astream(GIVEN, c)),
    "astream, left": lambda g, c: until_asked(g.astream(GIVEN, c)),
    "astream, closed": lambda g, c: until_asked_and_closed(g.astream(GIVEN, c)),
    "astream of values, left": lambda g, c: until_asked(g.astream(GIVEN, c, stream_mode="values")),
    "ainvoke": lambda g, c: g.ainvoke(GIVEN, c),
    "events v1": lambda g, c: all_of(g.astream_events(GIVEN, c, version="v1")),
    "events v2": lambda g, c: all_of(g.astream_events(GIVEN, c, version="v2")),
    "events v2, left": lambda g, c: until_asked(g.astream_events(GIVEN, c, version="v2")),
    "events v2, closed": lambda g, c: until_asked_and_closed(g.astream_events(GIVEN, c, version="v2")),
}


@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
@pytest.mark.parametrize("loops", ["one loop", "a loop each"])
@pytest.mark.parametrize("sub", [False, True], ids=["graph", "subgraph"])
@pytest.mark.parametrize("kind", [asking, stopping], ids=["asks", "stops"])
@pytest.mark.parametrize("read", READ)
def test_however_it_is_read_an_interrupted_run_is_interrupted_and_linked(traces, read, kind, sub, loops):
    if kind is stopping:
        pytest.importorskip("langgraph.callbacks", reason="this langgraph tells nobody of static breakpoints")
    graph, given = kind(sub=sub), YES if kind is asking else None

    async def first():
        found = READ[read](graph, config())
        if found is not None and not isinstance(found, list):
            await found

    async def both():
        await first()
        await graph.ainvoke(given, config())

    if loops == "one loop":
        asyncio.run(both())
    else:
        asyncio.run(first())
        graph.invoke(given, config())
    asked, answered = sorted(traces, key=lambda task: link(task) or "")
    assert (asked.status, answered.status) == ("interrupted", "ok")
    assert link(answered) == asked.trace_id
    assert asked.errors is None


def test_a_run_that_is_cancelled_while_a_node_works_beside_the_one_that_asks_is_cancelled(traces):
    async def work(state):
        await asyncio.sleep(30)

    made = StateGraph(State)
    made.add_node("ask", ask)
    made.add_node("work", work)
    made.add_edge(START, "ask")
    made.add_edge(START, "work")
    graph = made.compile(checkpointer=InMemorySaver())

    async def run():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(graph.ainvoke(GIVEN, config()), 0.2)

    asyncio.run(run())
    assert one(traces).status == "cancelled"
