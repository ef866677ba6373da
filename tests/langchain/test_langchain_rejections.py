"""A human's or a rule's refusal of a tool call is an outcome; what a tool itself does wrong stays an error."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, hook_config
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from lc_support import Model, call, ordinary

USER = {"messages": [("user", "go")]}
REJECTED = {"decisions": [{"type": "reject", "message": "too much"}]}


@tool
def pay(amount: int) -> str:
    """Pay."""
    if amount > 100:
        raise ToolException("too much")
    return "paid"


pay.handle_tool_error = True


class Approval(HumanInTheLoopMiddleware):
    """A subclass under a name of its own."""


class Renamed(HumanInTheLoopMiddleware):
    @property
    def name(self):
        return "Gate"


class Refusing(AgentMiddleware):
    """Refuses in a hook, without asking."""

    @hook_config(can_jump_to=["model"])
    def after_model(self, state, runtime):
        calls = state["messages"][-1].tool_calls
        said = [ToolMessage("no", tool_call_id=one["id"], name=one["name"], status="error") for one in calls]
        return {"messages": said, "jump_to": "model"} if said else None


class Around(AgentMiddleware):
    """Asks around the tool."""

    def __init__(self, name="pay"):
        super().__init__()
        self.said = name

    def _answer(self, request):
        if interrupt("may I?") == "no":
            return ToolMessage("refused", tool_call_id=request.tool_call["id"], name=self.said, status="error")
        return None

    def wrap_tool_call(self, request, handler):
        return self._answer(request) or handler(request)

    async def awrap_tool_call(self, request, handler):
        return self._answer(request) or await handler(request)


class Forbidding(AgentMiddleware):
    """Refuses around the tool, without asking."""

    def wrap_tool_call(self, request, handler):
        return ToolMessage("forbidden", tool_call_id=request.tool_call["id"], name="pay", status="error")


def agent(*middleware, tools=(pay,), name="pay", amount=1):
    asked = AIMessage("", tool_calls=[call(name, {"amount": amount})])
    return create_agent(
        Model(replies=[asked, "done"]), tools=list(tools), middleware=middleware, checkpointer=InMemorySaver()
    )


def config():
    return {**ordinary(), "configurable": {"thread_id": "t"}}


def tool_steps(task):
    return [(found.tool_call.tool_name, found.metadata["status"]) for found in task.steps if found.tool_call]


@pytest.mark.parametrize("middleware", [HumanInTheLoopMiddleware, Approval, Renamed])
def test_a_humans_rejection_is_an_outcome_whatever_the_middleware_is_called(traces, middleware):
    asking = agent(middleware(interrupt_on={"pay": True}))
    asking.invoke(USER, config())
    asking.invoke(Command(resume=REJECTED), config())
    task = traces[1]
    assert (task.status, task.errors) == ("ok", None)
    assert tool_steps(task) == [("pay", "cancelled")]
    (refused,) = [found for found in task.steps if found.tool_call]
    assert refused.error is refused.tool_call.error is None
    assert "too much" in refused.output_preview


@pytest.mark.parametrize("name", ["pay", None])
def test_a_rejection_by_what_stands_around_a_tool_is_an_outcome(traces, name):
    asking = agent(Around(name))
    asking.invoke(USER, config())
    asking.invoke(Command(resume="no"), config())
    assert traces[1].errors is None
    assert tool_steps(traces[1]) == [(name or "tool", "cancelled")]


def test_a_tool_that_is_allowed_by_what_stands_around_it_runs(traces):
    asking = agent(Around())
    asking.invoke(USER, config())
    asking.invoke(Command(resume="yes"), config())
    assert tool_steps(traces[1]) == [("pay", "ok")]


@pytest.mark.parametrize("middleware", [Refusing, Forbidding])
def test_a_refusal_that_asks_nobody_is_an_outcome_too(traces, middleware):
    agent(middleware()).invoke(USER, config())
    assert traces[0].errors is None
    assert tool_steps(traces[0]) == [("pay", "cancelled")]


@pytest.mark.parametrize(
    "answer",
    ["no", "No!", "reject: too dear", False, {"type": "reject"}, [{"decision": "denied"}], {"approved": False}],
)
def test_a_tool_that_asks_itself_and_is_refused_is_no_error(traces, answer):
    @tool
    def order(amount: int) -> ToolMessage:
        """Order."""
        interrupt("may I?")
        return ToolMessage("refused", tool_call_id="call_1", status="error")

    asking = agent(tools=[order], name="order")
    asking.invoke(USER, config())
    asking.invoke(Command(resume=answer), config())
    assert traces[1].errors is None
    assert tool_steps(traces[1]) == [("order", "cancelled")]


@pytest.mark.parametrize("answer", ["yes", "no problem, go on", True, {"type": "approve", "edited": False}, None, 7])
def test_a_tool_that_was_allowed_and_fails_is_an_error(traces, answer):
    @tool
    def order(amount: int) -> str:
        """Order."""
        interrupt("may I?")
        raise ToolException("out of stock")

    order.handle_tool_error = True
    asking = agent(tools=[order], name="order")
    asking.invoke(USER, config())
    asking.invoke(Command(resume=answer) if answer is not None else Command(resume={"note": None}), config())
    assert [error.message for error in traces[1].errors] == ["out of stock"]
    assert tool_steps(traces[1]) == [("order", "error")]


def test_a_tool_that_fails_after_a_refusal_once_the_model_was_asked_again_is_an_error(traces):
    first, second = call("pay", {"amount": 1}, "c1"), call("pay", {"amount": 500}, "c2")
    asking = create_agent(
        Model(replies=[AIMessage("", tool_calls=[first]), AIMessage("", tool_calls=[second]), "done"]),
        tools=[pay],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
        checkpointer=InMemorySaver(),
    )
    asking.invoke(USER, config())
    asking.invoke(Command(resume=REJECTED), config())
    asking.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config())
    assert tool_steps(traces[1]) == [("pay", "cancelled")]
    assert tool_steps(traces[2]) == [("pay", "error")]


@pytest.mark.parametrize("middleware", [(), (Around(),)])
def test_a_tools_own_error_and_an_invented_tool_stay_errors(traces, middleware):
    asking = agent(*middleware, amount=500)
    inventing = agent(*middleware, name="invented")
    for one in (asking, inventing):
        traces.clear()
        one.invoke(USER, config())
        if middleware:
            one.invoke(Command(resume="yes"), config())
        assert [status for _, status in tool_steps(traces[-1])] == ["error"]
        assert all(step.input_preview for step in traces[-1].steps if step.tool_call)
        assert len(traces[-1].errors) == 1


def test_a_node_of_the_users_own_that_asks_and_is_refused_is_no_error_and_one_that_fails_is(traces):
    def run_tools(state):
        answer = interrupt("may I?")
        said = ToolMessage(f"not done: {answer}", tool_call_id="c9", name="order", status="error")
        return {"messages": [said]}

    graph = StateGraph(MessagesState)
    graph.add_node("run_tools", run_tools)
    graph.add_edge(START, "run_tools")
    for answer in ("no", "yes"):
        asking = graph.compile(checkpointer=InMemorySaver())
        asking.invoke(USER, config())
        asking.invoke(Command(resume=answer), config())
    assert tool_steps(traces[1]) == [("order", "cancelled")]
    assert tool_steps(traces[3]) == [("order", "error")]
    assert traces[1].errors is None
    assert len(traces[3].errors) == 1
