"""Agents of today: ``create_agent`` with the middleware that comes with it, and deepagents where it is installed."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from lc_support import Model, TokenUsage, call, names, names_agents, one, ordinary, step, steps, tree
from pydantic import BaseModel

USER = {"messages": [("user", "go")]}


def asks(name, args=None, call_id="call_1"):
    return AIMessage("", tool_calls=[call(name, args, call_id)])


def test_an_approval_interrupts_and_the_answer_resumes(traces):
    done = []

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        done.append(amount)
        return "paid"

    agent = create_agent(
        Model(replies=[asks("pay", {"amount": 5}), "all done"]),
        tools=[pay],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
        checkpointer=InMemorySaver(),
    )
    config = {**ordinary(), "configurable": {"thread_id": "t"}}
    agent.invoke(USER, config)
    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    first, second = traces
    assert (first.status, second.status, done) == ("interrupted", "ok", [5])
    assert first.errors is None
    assert second.environment.custom_tags["resumed_from"] == first.trace_id
    assert step(second, "pay").output_preview == "paid"


def test_a_fallback_model_of_a_middleware_is_a_second_step_of_the_same_node(traces):
    first, second = Model(replies=[ValueError("down")]), Model(replies=["from the second"])
    create_agent(first, tools=[], middleware=[ModelFallbackMiddleware(second)]).invoke(USER, ordinary())
    task = one(traces)
    assert tree(task) == {"model": {"Model": {}, "Model 2": {}}}
    assert [found.metadata["status"] for found in steps(task, "Model")] == ["error", "ok"]
    assert [error.recoverable for error in task.errors] == [True]


def test_each_try_of_a_tool_that_a_middleware_retries_is_a_step(traces):
    left = [1, 2]

    @tool
    def flaky(x: str) -> str:
        """Fail twice."""
        if left:
            left.pop()
            raise ValueError("not yet")
        return "at last"

    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0.001, jitter=False)
    agent = create_agent(Model(replies=[asks("flaky", {"x": "a"}), "fine"]), tools=[flaky], middleware=[retry])
    agent.invoke(USER, ordinary())
    task = one(traces)
    assert task.status == "ok"
    assert [found.metadata["status"] for found in steps(task, "flaky")] == ["error", "error", "ok"]
    assert len(task.errors) == 2


def test_the_model_call_of_a_summarizing_middleware_is_counted(traces):
    summarizer = Model(replies=["a summary"], usage=TokenUsage(30, 3), model_name="small")
    middleware = SummarizationMiddleware(model=summarizer, **_when())
    agent = create_agent(Model(usage=TokenUsage(10, 1)), tools=[], middleware=[middleware])
    agent.invoke({"messages": [("user", "word " * 50), ("ai", "word " * 50), ("user", "go")]}, ordinary())
    task = one(traces)
    assert task.llm_usage.prompt_tokens == 40
    assert "SummarizationMiddleware.before_model" in names(task)


def _when():
    import inspect

    known = inspect.signature(SummarizationMiddleware.__init__).parameters
    return (
        {"trigger": ("tokens", 20), "keep": ("messages", 1)}
        if "trigger" in known
        else {"max_tokens_before_summary": 20, "messages_to_keep": 1}
    )


def test_a_structured_answer_is_shown(traces):
    class Answer(BaseModel):
        value: int

    agent = create_agent(Model(replies=[asks("Answer", {"value": 7})]), tools=[], response_format=Answer)
    try:
        result = agent.invoke(USER, ordinary())
    except TypeError:
        pytest.skip("this langchain asks the scripted model for more than it can")
    assert result["structured_response"].value == 7
    task = one(traces)
    assert task.status == "ok"
    assert "7" in task.output_summary


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_deep_agent_is_one_trace_with_its_sub_agents_inside(traces, way):
    deepagents = pytest.importorskip("deepagents")
    inner = Model(replies=["found it"], usage=TokenUsage(100, 10))
    outer = Model(
        replies=[asks("task", {"description": "look", "subagent_type": "scout"}), "the end"], usage=TokenUsage(1, 1)
    )
    agent = deepagents.create_deep_agent(
        model=outer,
        tools=[],
        subagents=[{"name": "scout", "description": "Looks.", "system_prompt": "Look.", "model": inner, "tools": []}],
    )
    agent.invoke(USER, ordinary()) if way == "invoke" else asyncio.run(agent.ainvoke(USER, ordinary()))
    task = one(traces)
    assert task.status == "ok"
    assert step(task, "task").action == "tool_use"
    assert task.llm_usage.prompt_tokens == 102
    assert len(steps(task, "Model")) == 3
    if names_agents:
        assert "scout" in {found.metadata.get("agent") for found in steps(task, "Model")}
