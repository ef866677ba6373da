"""Clutter: what frameworks do for themselves and what did nothing is folded away; ``detail="full"`` keeps it."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, after_agent, after_model, before_agent, before_model
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda, RunnablePassthrough, RunnableWithFallbacks
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from lc_support import Model, call, names, one, ordinary, step, tree
from pydantic import BaseModel

USER = {"messages": [("user", "go")]}
OLD = "ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"


async def streamed(runnable, given, config):
    return [chunk async for chunk in runnable.astream(given, config)]


WAYS = {
    "invoke": lambda r, x, c: r.invoke(x, c),
    "ainvoke": lambda r, x, c: asyncio.run(r.ainvoke(x, c)),
    "stream": lambda r, x, c: list(r.stream(x, c)),
    "astream": lambda r, x, c: asyncio.run(streamed(r, x, c)),
}


@tool
def add(a: int) -> str:
    """Add."""
    return str(a)


def agent(*middleware):
    asked = AIMessage("", tool_calls=[call("add", {"a": 1})])
    return create_agent(Model(replies=[asked, "done"]), tools=[add], middleware=middleware)


PLAIN = {"model": {"Model": {}}, "tools": {"add": {}}, "model 2": {"Model": {}}}


@pytest.mark.parametrize("way", WAYS)
def test_a_hook_that_did_nothing_is_no_step(traces, way):
    @before_model
    def look(state, runtime):
        return None

    @after_model
    def update(state, runtime):
        return {"messages": []}

    @before_agent
    def begin(state, runtime):
        return {}

    @after_agent
    def end(state, runtime):
        return None

    WAYS[way](agent(look, update, begin, end), USER, ordinary())
    task = one(traces)
    assert tree(task) == PLAIN
    assert [found.step_number for found in task.steps] == list(range(1, len(task.steps) + 1))
    WAYS[way](agent(look, update, begin, end), USER, ordinary(detail="full"))
    full = traces[1]
    kept = [name for name in names(full) if "." in name]
    assert sorted(set(kept)) == ["begin.before_agent", "end.after_agent", "look.before_model", "update.after_model"]
    assert len(kept) == 6


@pytest.mark.parametrize("way", WAYS)
def test_a_hook_that_changed_the_state_is_a_step(traces, way):
    @before_agent
    def greet(state, runtime):
        return {"messages": [("system", "be kind")]}

    WAYS[way](agent(greet), USER, ordinary())
    assert tree(one(traces)) == {"greet.before_agent": {}, **PLAIN}


def test_a_hook_that_jumped_is_a_step(traces):
    @after_model(can_jump_to=["end"])
    def stop(state, runtime):
        return {"jump_to": "end"}

    agent(stop).invoke(USER, ordinary())
    assert tree(one(traces)) == {"model": {"Model": {}}, "stop.after_model": {}}


def test_a_hook_that_failed_is_a_step(traces):
    @after_model
    def check(state, runtime):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        agent(check).invoke(USER, ordinary())
    assert step(one(traces), "check.after_model").error.message == "no"


def test_a_hook_that_called_a_model_or_said_something_is_a_step(traces):
    inner = Model()

    @before_agent
    def ask(state, runtime):
        inner.invoke("?")

    @after_agent
    def say(state, runtime):
        dispatch_custom_event("ended", {})

    agent(ask, say).invoke(USER, ordinary())
    task = one(traces)
    assert tree(task) == {"ask.before_agent": {"Model": {}}, **PLAIN, "say.after_agent": {}}
    assert step(task, "say.after_agent").metadata["events"][0]["name"] == "ended"


def test_the_hooks_of_an_agent_in_an_agent_are_folded_too(traces):
    class Idle(AgentMiddleware):
        def before_model(self, state, runtime):
            return None

    inner = agent(Idle())

    @tool
    def ask(a: int) -> str:
        """Ask another agent."""
        return inner.invoke(USER)["messages"][-1].content

    asked = AIMessage("", tool_calls=[call("ask", {"a": 1})])
    create_agent(Model(replies=[asked, "done"]), tools=[ask], middleware=[Idle()]).invoke(USER, ordinary())
    found = tree(one(traces))
    assert list(found) == ["model", "tools", "model 2"]
    assert found["tools"] == {"ask": PLAIN}


def test_a_function_that_is_merely_called_like_a_hook_is_a_step(traces):
    (RunnablePassthrough() | RunnableLambda(lambda x: None).with_config(run_name="my.before_model")).invoke(
        "x", ordinary()
    )
    assert names(one(traces)) == ["my.before_model"]


# -- with_structured_output(include_raw=True) --------------------------------------------------------------------------


class Answer(BaseModel):
    """An answer."""

    value: int


class Bindable(Model):
    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[])


def structured(reply):
    return Bindable(replies=[reply]).with_structured_output(Answer, include_raw=True)


@pytest.mark.parametrize("way", WAYS)
def test_the_parts_of_include_raw_are_no_steps(traces, way):
    reply = AIMessage("", tool_calls=[call("Answer", {"value": 1})])
    WAYS[way](structured(reply), "q", ordinary())
    WAYS[way](RunnableLambda(lambda x: x) | structured(reply) | RunnableLambda(lambda x: x["parsed"]), "q", ordinary())
    first, second = traces
    assert tree(first) == {"Bindable": {}}
    assert tree(second) == {"RunnableLambda": {}, "Bindable": {}, "RunnableLambda 2": {}}
    assert '"parsed": {"value": 1}' in first.output_summary
    WAYS[way](structured(reply), "q", ordinary(detail="full"))
    assert "RunnableWithFallbacks" in names(traces[2])


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_an_answer_that_include_raw_could_not_parse_is_one_step_with_the_error(traces, way):
    WAYS[way](structured(AIMessage("", tool_calls=[call("Answer", {"value": "x"})])), "q", ordinary())
    task = one(traces)
    assert task.status == "ok"
    assert tree(task) == {"Bindable": {}, "RunnableWithFallbacks": {}}
    assert [error.recoverable for error in task.errors] == [True]
    assert step(task, "RunnableWithFallbacks").error is not None


def test_the_users_own_fallbacks_stay_steps(traces):
    def fail(x):
        raise ValueError("no")

    mended = RunnableLambda(fail).with_fallbacks([RunnableLambda(lambda x: {"raw": x})])
    (RunnablePassthrough() | mended).invoke("q", ordinary())
    assert isinstance(mended, RunnableWithFallbacks)
    assert names(one(traces))[0] == "RunnableWithFallbacks"


# -- RunnableWithMessageHistory ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(OLD)
@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_the_parts_of_a_message_history_are_no_steps(traces, way, keyed):
    kept = {}
    keys = {"input_messages_key": "q", "history_messages_key": "history"} if keyed else {}
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{q}")])
    runnable = RunnableWithMessageHistory(
        (prompt if keyed else RunnablePassthrough()) | Model(),
        lambda session_id: kept.setdefault(session_id, InMemoryChatMessageHistory()),
        **keys,
    ).with_config(run_name="Chat")
    given = {"q": "hi"} if keyed else [("user", "hi")]
    config = {"configurable": {"session_id": "1"}}
    WAYS[way](runnable, given, ordinary() | config)
    WAYS[way](runnable, given, ordinary(detail="full") | config)
    folded, full = traces
    assert tree(folded) == {"Model": {}}
    assert step(folded, "Model").description == "Model"
    assert {"load_history", "check_sync_or_async"} <= set(names(full))
    assert len(kept["1"].messages) == 4


def test_functions_of_the_users_own_with_such_names_stay_steps(traces):
    def load_history(x):
        return x

    def check_sync_or_async(x):
        return x

    (RunnableLambda(load_history) | RunnableLambda(check_sync_or_async)).invoke("x", ordinary())
    assert names(one(traces)) == ["load_history", "check_sync_or_async"]
