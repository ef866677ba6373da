"""Attempts that an agent's middleware makes: of a tool's call and of a model's, each a step with its number."""

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Model, call, one, ordinary, steps

middleware = pytest.importorskip("langchain.agents.middleware")
USER = {"messages": [("user", "go")]}


def attempts(task, name):
    return [(found.metadata.get("attempt"), found.metadata["status"]) for found in steps(task, name)]


@tool
def broken(x: str) -> str:
    """Break."""
    raise TimeoutError(x)


def test_each_attempt_of_a_tool_is_a_step_with_its_number(traces):
    if not hasattr(middleware, "ToolRetryMiddleware"):
        pytest.skip("this version has none")
    again = middleware.ToolRetryMiddleware(max_retries=2, initial_delay=0.001, on_failure="continue")
    calls = [call("broken", {"x": "a"}, "c1"), call("broken", {"x": "b"}, "c2")]
    model = Model(replies=[AIMessage("", tool_calls=calls), "sorry"])
    create_agent(model, [broken], middleware=[again]).invoke(USER, ordinary())
    assert sorted(attempts(one(traces), "broken")) == sorted([(n, "error") for n in (1, 2, 3)] * 2)


def test_each_attempt_of_a_model_is_a_step_with_its_number(traces):
    if not hasattr(middleware, "ModelRetryMiddleware"):
        pytest.skip("this version has none")
    again = middleware.ModelRetryMiddleware(max_retries=2, initial_delay=0.001)
    create_agent(Model(replies=[TimeoutError(), TimeoutError(), "ok"]), [], middleware=[again]).invoke(USER, ordinary())
    assert attempts(one(traces), "Model") == [(1, "error"), (2, "error"), (3, "ok")]


def test_another_question_after_a_failed_one_is_no_attempt(traces):
    model = Model(replies=[TimeoutError(), "ok"])

    def asks(_):
        with pytest.raises(TimeoutError):
            model.invoke("one")
        return model.invoke("two")

    RunnableLambda(asks).invoke("x", ordinary())
    assert attempts(one(traces), "Model") == [(None, "error"), (None, "ok")]
