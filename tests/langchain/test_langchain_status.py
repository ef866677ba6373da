"""How runs are judged. Control flow is no error; an error is listed once."""

import asyncio
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables import chain as as_chain
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from lc_support import Hold, Model, TokenUsage, call, names, names_agents, one, ordinary, step, steps, tree

from infinium_integrations import trace


class State(TypedDict, total=False):
    x: Annotated[list, add]


def graph_of(*nodes, checkpointer=None, **compile_options):
    """A graph whose nodes run one after the other."""
    graph = StateGraph(State)
    before = START
    for node in nodes:
        name, action, *policy = node if isinstance(node, tuple) else (node.__name__, node)
        graph.add_node(name, action, **({"retry_policy": policy[0]} if policy else {}))
        graph.add_edge(before, name)
        before = name
    return graph.compile(checkpointer=checkpointer, **compile_options)


def n1(state):
    return {"x": ["n1"]}


def ask(state):
    return {"x": [interrupt({"question": "may I?"})]}


def on_thread(thread="t1", **more):
    return {**ordinary(), "configurable": {"thread_id": thread}, **more}


WAYS = {
    "invoke": lambda r, x, c: r.invoke(x, c),
    "ainvoke": lambda r, x, c: asyncio.run(r.ainvoke(x, c)),
    "stream": lambda r, x, c: list(r.stream(x, c)),
    "astream": lambda r, x, c: asyncio.run(_astream(r, x, c)),
}
either = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


async def _astream(runnable, given, config):
    return [chunk async for chunk in runnable.astream(given, config)]


# -- interrupt and resume ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_is_no_error_and_says_what_is_asked(traces, way):  # 28
    WAYS[way](graph_of(n1, ask, checkpointer=InMemorySaver()), {"x": ["i"]}, on_thread())
    task = one(traces)
    assert (task.status, task.errors) == ("interrupted", None)
    assert tree(task) == {"n1": {}, "ask": {}}
    assert step(task, "ask").metadata["status"] == "interrupted"
    assert step(task, "ask").metadata["interrupts"] == [{"question": "may I?"}]
    assert step(task, "n1").metadata["status"] == "ok"
    assert task.environment.custom_tags["thread_id"] == "t1"


@either
def test_an_interrupt_in_a_subgraph_interrupts_all_that_surrounds_it(traces, way):  # 28
    inner = graph_of(n1, ask)
    WAYS[way](graph_of(n1, ("sub", inner), checkpointer=InMemorySaver()), {"x": ["i"]}, on_thread())
    task = one(traces)
    assert (task.status, task.errors) == ("interrupted", None)
    assert step(task, "sub").metadata["status"] == "interrupted"
    assert step(task, "ask").metadata["parent_step"] == step(task, "sub").step_number


def test_an_interrupt_in_a_tool_interrupts_the_agent(traces):  # 28
    from langchain.agents import create_agent

    @tool
    def approve(what: str) -> str:
        """Ask a person."""
        return interrupt(what)

    asks = AIMessage(content="", tool_calls=[call("approve", {"what": "pay"})])
    agent = create_agent(Model(replies=[asks, "paid"]), tools=[approve], checkpointer=InMemorySaver())
    agent.invoke({"messages": [("user", "pay")]}, on_thread())
    assert (traces[0].status, traces[0].errors) == ("interrupted", None)
    assert step(traces[0], "approve").metadata["interrupts"] == ["pay"]
    agent.invoke(Command(resume="yes"), on_thread())
    assert traces[1].status == "ok"
    assert step(traces[1], "approve").output_preview == "yes"
    assert traces[1].input_summary == "yes"


@pytest.mark.parametrize("point", ["interrupt_before", "interrupt_after"])
@either
def test_a_static_breakpoint_is_an_interruption(traces, point, way):  # 29
    pytest.importorskip("langgraph.callbacks", reason="this langgraph tells nobody of static breakpoints")
    graph = graph_of(n1, ("n2", n1), checkpointer=InMemorySaver(), **{point: ["n1"]})
    WAYS[way](graph, {"x": ["i"]}, on_thread())
    assert traces[0].status == "interrupted"
    assert step(traces[0], point).action == "custom"
    WAYS[way](graph, None, on_thread())
    assert traces[1].status == "ok"
    assert traces[1].environment.custom_tags["resumed_from"] == traces[0].trace_id


def test_a_handler_made_before_langgraph_was_loaded_hears_of_breakpoints():
    pytest.importorskip("langgraph.callbacks", reason="this langgraph tells nobody of static breakpoints")
    import subprocess
    import sys

    code = """
from infinium_integrations.langchain import InfiniumCallbackHandler
handler = InfiniumCallbackHandler()
import sys
assert not any(name.startswith("langgraph") for name in sys.modules)
from infinium_integrations.testing import captured_traces
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
graph = StateGraph(dict)
graph.add_node("a", lambda s: s)
graph.add_edge(START, "a")
graph = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["a"])
with captured_traces() as traces:
    graph.invoke({"x": 1}, {"callbacks": [handler], "configurable": {"thread_id": "t"}})
assert traces[0].status == "interrupted", traces[0].status
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@either
def test_a_resumed_run_says_which_one_it_goes_on_with(traces, way):  # 30
    graph = graph_of(n1, ask, checkpointer=InMemorySaver())
    WAYS[way](graph, {"x": ["i"]}, on_thread())
    WAYS[way](graph, Command(resume="yes"), on_thread())
    first, second = traces
    assert second.status == "ok"
    assert second.environment.custom_tags["resumed_from"] == first.trace_id
    assert second.environment.custom_tags["thread_id"] == "t1"
    assert "resumed_from" not in first.environment.custom_tags


def test_a_new_question_on_an_interrupted_thread_resumes_nothing(traces):  # 30
    graph = graph_of(n1, ask, checkpointer=InMemorySaver())
    graph.invoke({"x": ["i"]}, on_thread())
    graph.invoke(Command(update={"x": ["again"]}), on_thread())
    graph.invoke({"x": ["new"]}, on_thread("t2"))
    assert ["resumed_from" in task.environment.custom_tags for task in traces] == [False, False, False]


def test_an_interrupt_that_is_answered_inside_one_trace_leaves_it_ok(traces):
    graph = graph_of(n1, ask, checkpointer=InMemorySaver())
    with trace("whole conversation"):
        graph.invoke({"x": ["i"]}, on_thread())
        graph.invoke(Command(resume="yes"), on_thread())
    task = one(traces)
    assert task.status == "ok"
    assert [found.metadata["status"] for found in steps(task, "ask")] == ["interrupted", "ok"]


# -- hand-offs ---------------------------------------------------------------------------------------------------------


@either
def test_a_hand_off_to_the_parent_graph_is_no_error(traces, way):  # 31
    def leave(state):
        return Command(graph=Command.PARENT, goto="other", update={"x": ["left"]})

    inner = graph_of(leave)
    graph = StateGraph(State)
    graph.add_node("agent", inner, destinations=("other",))
    graph.add_node("other", n1)
    graph.add_edge(START, "agent")
    WAYS[way](graph.compile(), {"x": []}, ordinary())
    task = one(traces)
    assert (task.status, task.errors) == ("ok", None)
    assert step(task, "leave").metadata["status"] == "handoff"
    assert step(task, "agent").metadata["status"] == "handoff"
    assert step(task, "other").metadata["status"] == "ok"


# -- errors ------------------------------------------------------------------------------------------------------------


def test_a_sibling_that_was_cancelled_because_another_failed_is_no_error(traces):  # 32
    hold = Hold()

    async def slow(state):
        await hold.wait_async()

    async def fail(state):
        await hold.until_reached()
        raise ValueError("the cause")

    graph = StateGraph(State)
    for name, node in (("slow", slow), ("fail", fail)):
        graph.add_node(name, node)
        graph.add_edge(START, name)
    with pytest.raises(ValueError, match="the cause"):
        asyncio.run(graph.compile().ainvoke({"x": []}, ordinary()))
    task = one(traces)
    assert task.status == "error"
    assert step(task, "slow").metadata["status"] == "cancelled"
    assert [(error.error_type, error.message) for error in task.errors] == [("ValueError", "the cause")]
    assert step(task, "fail").error.message == "the cause"


def test_an_error_that_a_tool_handled_is_the_tools_and_not_the_traces(traces):  # 33
    @tool
    def fragile(x: str) -> str:
        """Fail."""
        raise ToolException("not today")

    fragile.handle_tool_error = True
    asking = RunnableLambda(lambda x: call("fragile", {"x": "a"}))
    (asking | fragile).invoke("go", ordinary())
    task = one(traces)
    assert task.status == "ok"
    found = step(task, "fragile")
    assert (found.metadata["status"], found.error.message) == ("error", "not today")
    assert [error.recoverable for error in task.errors] == [True]


@either
def test_a_tool_that_the_model_invented_is_a_failed_step(traces, way):  # 34
    from langchain.agents import create_agent

    @tool
    def real(x: str) -> str:
        """Do nothing."""
        return x

    asks = AIMessage(content="", tool_calls=[call("imaginary", {"x": 1}, "call_7"), call("real", {"x": "a"}, "call_8")])
    agent = create_agent(Model(replies=[asks, "sorry"]), tools=[real])
    WAYS[way](agent, {"messages": [("user", "go")]}, ordinary())
    task = one(traces)
    assert task.status == "ok"
    found = step(task, "imaginary")
    assert (found.action, found.metadata["status"], found.metadata["tool_call_id"]) == ("tool_use", "error", "call_7")
    assert found.tool_call.tool_name == "imaginary"
    assert found.metadata["node"] == "tools"
    assert "imaginary is not a valid tool" in found.error.message
    assert step(task, "real").metadata["status"] == "ok"
    assert len(task.errors) == 1


def test_an_old_failed_tool_message_in_the_state_makes_no_step(traces):  # 34
    old = [ToolMessage("bad", tool_call_id="old", name="old", status="error"), AIMessage("sorry")]
    graph = StateGraph(dict)
    graph.add_node("all", lambda state: {"messages": [*old, AIMessage("new")]})
    graph.add_edge(START, "all")
    graph.compile().invoke({"messages": []}, ordinary())
    assert names(one(traces)) == ["all"]


def flaky(failures, error=ValueError):
    left = list(range(failures))

    def work(x: Any) -> Any:
        if left:
            left.pop()
            raise error(f"{len(left)} to go")
        return x

    return work


@either
def test_each_attempt_of_with_retry_is_a_step_with_its_number(traces, way):  # 35
    runnable = RunnableLambda(flaky(2)).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    WAYS[way](runnable, "x", ordinary())
    task = one(traces)
    assert task.status == "ok"
    assert [(s.metadata.get("attempt"), s.metadata["status"]) for s in task.steps] == [
        (1, "error"),
        (2, "error"),
        (3, "ok"),
    ]
    assert [(error.message, error.recoverable) for error in task.errors] == [("1 to go", True), ("0 to go", True)]


def test_a_retry_that_fails_to_the_end_has_a_final_error_that_is_not_recoverable(traces):  # 35
    runnable = RunnableLambda(flaky(9)).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    with pytest.raises(ValueError, match="6 to go"):
        runnable.invoke("x", ordinary())
    task = one(traces)
    assert [(error.message, error.recoverable, error.retry_count) for error in task.errors] == [
        ("8 to go", True, 0),
        ("7 to go", True, 1),
        ("6 to go", False, 2),
    ]


@either
def test_each_attempt_of_a_node_is_a_step_with_its_number(traces, way):  # 35
    def node(state):
        work(state)
        return {"x": ["done"]}

    work = flaky(2)
    policy = RetryPolicy(initial_interval=0.001, backoff_factor=1, jitter=False, retry_on=ValueError)
    WAYS[way](graph_of(n1, ("node", node, policy)), {"x": []}, ordinary())
    task = one(traces)
    assert task.status == "ok"
    found = steps(task, "node")
    assert [(s.metadata["attempt"], s.metadata["status"]) for s in found] == [(1, "error"), (2, "error"), (3, "ok")]
    assert "attempt" not in step(task, "n1").metadata


def test_a_node_that_runs_again_in_a_loop_is_no_retry(traces):  # 35
    graph = StateGraph(State)
    graph.add_node("again", n1)
    graph.add_edge(START, "again")
    graph.add_conditional_edges("again", lambda state: END if len(state["x"]) > 2 else "again")
    graph.compile().invoke({"x": []}, ordinary())
    assert ["attempt" in found.metadata for found in steps(one(traces), "again")] == [False, False, False]


def test_tokens_of_failed_attempts_are_counted(traces):  # 35
    class Costly(Model):
        def _generate(self, *args, **kwargs):
            result = super()._generate(*args, **kwargs)
            if result.generations[0].message.content == "bad":
                raise ValueError("unparsable") from None
            return result

    @as_chain
    def checked(x):
        if Model.invoke(model, x).content == "bad":
            raise ValueError("unparsable")
        return x

    model = Model(replies=["bad", "good"], usage=TokenUsage(10, 5))
    checked.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("x", ordinary())
    assert one(traces).llm_usage.prompt_tokens == 20


def test_a_retry_inside_a_model_is_noted_on_its_step(traces):  # 35
    from langchain_core.language_models.llms import create_base_retry_decorator

    class Retrying(Model):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            retry = create_base_retry_decorator([ValueError], max_retries=3, run_manager=run_manager)
            retry.sleep = lambda seconds: None

            @create_base_retry_decorator([ValueError], max_retries=3, run_manager=run_manager)
            def complete():
                return Model._generate(self, messages, stop, run_manager, **kwargs)

            complete.retry.sleep = lambda seconds: None
            return complete()

    Retrying(replies=[ValueError("busy"), ValueError("busy"), "done"]).invoke("hi", ordinary())
    found = step(one(traces), "Retrying")
    assert [(e["name"], e["attempt"], e["error_type"]) for e in found.metadata["events"]] == [
        ("retry", 1, "ValueError"),
        ("retry", 2, "ValueError"),
    ]
    assert found.metadata["status"] == "ok"


@either
def test_a_recursion_limit_is_an_error_with_type_and_message(traces, way):  # 36
    graph = StateGraph(State)
    graph.add_node("loop", n1)
    graph.add_edge(START, "loop")
    graph.add_edge("loop", "loop")
    with pytest.raises(GraphRecursionError):
        WAYS[way](graph.compile(), {"x": []}, {**ordinary(), "recursion_limit": 3})
    task = one(traces)
    assert task.status == "error"
    assert [error.error_type for error in task.errors] == ["GraphRecursionError"]
    assert "Recursion limit of 3" in task.errors[0].message


@either
def test_an_exception_that_passes_four_runs_is_listed_once_with_its_origin(traces, way):  # 38
    @tool
    def broken(x: str) -> str:
        """Fail."""
        raise ValueError("the one")

    def node(state):
        return broken.invoke({"x": "a"})

    inner = graph_of(node)
    with pytest.raises(ValueError, match="the one"):
        WAYS[way](graph_of(("outer", inner)), {"x": []}, ordinary())
    task = one(traces)
    assert task.status == "error"
    assert [(error.message, error.recoverable) for error in task.errors] == [("the one", False)]
    assert [found.metadata["name"] for found in task.steps if found.error] == ["broken"]
    assert {found.metadata["status"] for found in task.steps} == {"error"}
    assert "in broken" in task.errors[0].stack_trace


def test_a_tool_error_in_an_agent_ends_the_run_with_one_error(traces):
    from langchain.agents import create_agent

    @tool
    def broken(x: str) -> str:
        """Fail."""
        raise ValueError("the one")

    asks = AIMessage(content="", tool_calls=[call("broken", {"x": "a"})])
    with pytest.raises(ValueError, match="the one"):
        create_agent(Model(replies=[asks]), tools=[broken]).invoke({"messages": [("user", "go")]}, ordinary())
    task = one(traces)
    assert (task.status, len(task.errors)) == ("error", 1)
    assert step(task, "broken").metadata["status"] == "error"


# -- the shapes of graphs ----------------------------------------------------------------------------------------------


@either
def test_a_fan_out_by_send_is_one_step_a_branch(traces, way):
    class Jobs(TypedDict, total=False):
        jobs: list
        done: Annotated[list, add]

    graph = StateGraph(Jobs)
    graph.add_node("work", lambda job: {"done": [job["n"] * 2]})
    graph.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in state["jobs"]], ["work"])
    WAYS[way](graph.compile(), {"jobs": [1, 2, 3]}, ordinary())
    task = one(traces)
    assert tree(task) == {"work": {}, "work 2": {}, "work 3": {}}
    assert sorted((s.input_preview, s.output_preview) for s in task.steps) == [
        ('{"n": 1}', '{"done": [2]}'),
        ('{"n": 2}', '{"done": [4]}'),
        ('{"n": 3}', '{"done": [6]}'),
    ]


def test_the_functional_api_gives_a_step_a_task(traces):
    from langgraph.func import entrypoint, task

    @task
    def double(n: int) -> int:
        return n * 2

    @entrypoint()
    def flow(n: int) -> int:
        return sum(future.result() for future in [double(n), double(n + 1)])

    assert flow.invoke(1, ordinary()) == 6
    found = one(traces)
    assert found.status == "ok"
    assert sorted(s.output_preview for s in steps(found, "double")) == ["2", "4"]


def test_nodes_carry_their_name_and_routers_are_folded_away(traces):
    graph = StateGraph(State)
    graph.add_node("first", n1)
    graph.add_node("last", n1)
    graph.add_edge(START, "first")

    def decide(state):
        return "last"

    graph.add_conditional_edges("first", decide, ["last"])
    graph.compile().invoke({"x": []}, ordinary())
    graph.compile().invoke({"x": []}, ordinary(detail="full"))
    folded, full = traces
    assert tree(folded) == {"first": {}, "last": {}}
    assert [s.metadata["node"] for s in folded.steps] == ["first", "last"]
    assert step(full, "decide").metadata["parent_step"] == step(full, "first").step_number


def test_an_agent_as_a_node_is_one_step(traces):
    from langchain.agents import create_agent

    inner = create_agent(Model(), tools=[], name="writer")
    graph = StateGraph(dict)
    graph.add_node("writer", inner)
    graph.add_edge(START, "writer")
    graph.compile().invoke({"messages": [("user", "go")]}, ordinary())
    assert tree(one(traces)) == {"writer": {"model": {"Model": {}}}}
    if names_agents:
        assert step(one(traces), "writer").action == "agent"
