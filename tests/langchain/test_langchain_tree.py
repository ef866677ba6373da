"""Trace identity and tree. One top-level run is one trace."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from lc_support import Hold, Model, TokenUsage, call, names, names_agents, one, ordinary, step, steps, tree

from infinium_integrations import instrument, runtime, trace, uninstrument
from infinium_integrations.langchain import InfiniumCallbackHandler

CHAIN_TREE = {"ChatPromptTemplate": {}, "Model": {}, "StrOutputParser": {}}


def chain(**model):
    return ChatPromptTemplate.from_template("hi {x}") | Model(**model) | StrOutputParser()


async def astream(runnable, given, config):
    return [chunk async for chunk in runnable.astream(given, config)]


async def astream_events(runnable, given, config, version):
    return [event async for event in runnable.astream_events(given, config, version=version)]


V1 = "ignore:astream_events version='v1'"

WAYS = {
    "invoke": lambda r, x, c: r.invoke(x, c),
    "ainvoke": lambda r, x, c: asyncio.run(r.ainvoke(x, c)),
    "stream": lambda r, x, c: list(r.stream(x, c)),
    "astream": lambda r, x, c: asyncio.run(astream(r, x, c)),
    "batch": lambda r, x, c: r.batch([x], c),
    "abatch": lambda r, x, c: asyncio.run(r.abatch([x], c)),
    "batch_as_completed": lambda r, x, c: list(r.batch_as_completed([x], c)),
    "transform": lambda r, x, c: list(r.transform(iter([x]), c)),
    "astream_events v1": lambda r, x, c: asyncio.run(astream_events(r, x, c, "v1")),
    "astream_events v2": lambda r, x, c: asyncio.run(astream_events(r, x, c, "v2")),
}


@pytest.mark.filterwarnings(V1)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("detail", ["default", "full"])
def test_every_way_of_calling_a_chain_gives_one_trace_with_the_same_tree(traces, way, detail):  # 1
    WAYS[way](chain(usage=TokenUsage(7, 3)), {"x": "Ada"}, ordinary(detail=detail) | {"run_name": "Greeter"})
    task = one(traces)
    assert task.name == "Greeter"
    assert task.status == "ok"
    assert tree(task) == (CHAIN_TREE if detail == "full" else {"Model": {}})
    assert task.input_summary == '{"x": "Ada"}'
    assert task.output_summary == "hello there friend"
    assert step(task, "Model").input_preview == "user: hi Ada"
    assert (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens) == (7, 3)
    assert [found.step_number for found in task.steps] == list(range(1, len(task.steps) + 1))


@pytest.mark.parametrize("way", [name for name in WAYS if name not in {"astream_events v1", "astream_events v2"}])
def test_a_handler_given_twice_makes_no_step_twice(traces, caplog, way):  # 2
    handler = InfiniumCallbackHandler(detail="full")
    model = Model(usage=TokenUsage(7, 3), callbacks=[handler])
    bound = (ChatPromptTemplate.from_template("hi {x}") | model | StrOutputParser()).with_config(callbacks=[handler])
    WAYS[way](bound, {"x": "Ada"}, {"callbacks": [handler, handler]})
    task = one(traces)
    assert tree(task) == CHAIN_TREE
    assert task.llm_usage.prompt_tokens == 7
    assert not caplog.records


def test_a_broken_stream_told_by_two_handlers_keeps_its_text_once(traces):  # 2
    model = Model(replies=[["one two ", ValueError("broken")]], callbacks=[InfiniumCallbackHandler()])
    with pytest.raises(ValueError, match="broken"):
        list(model.stream("hi", ordinary()))
    assert step(one(traces), "Model").output_preview == "one two "


def test_of_two_handlers_the_one_without_content_decides(traces):
    chain(callbacks=[InfiniumCallbackHandler(capture_content=False)]).invoke({"x": "canary"}, ordinary())
    found = step(one(traces), "Model")
    assert found.input_preview is None
    assert found.output_preview is None


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_both_attempts_of_a_fallback_are_steps_under_it(traces, way):  # 3
    runnable = Model(replies=[ValueError("first is down")], model_name="first").with_fallbacks([Model()])
    WAYS[way](runnable, "hi", ordinary())
    task = one(traces)
    assert task.status == "ok"
    assert task.name == "RunnableWithFallbacks"
    assert [(s.metadata["name"], s.metadata["parent_step"], s.metadata["status"]) for s in task.steps] == [
        ("Model", None, "error"),
        ("Model", None, "ok"),
    ]
    assert task.steps[0].error.message == "first is down"
    assert [(error.error_type, error.recoverable) for error in task.errors] == [("ValueError", True)]


def test_a_fallback_inside_a_chain_is_nested_in_it(traces):  # 3
    fallback = Model(replies=[ValueError("down")]).with_fallbacks([Model()])
    (RunnableLambda(lambda x: x) | fallback).invoke("hi", ordinary())
    assert tree(one(traces)) == {"RunnableLambda": {}, "RunnableWithFallbacks": {"Model": {}, "Model 2": {}}}


@pytest.fixture
def langsmith_on(monkeypatch):
    """LangSmith's own tracing, switched on and sending to a port where nothing listens."""
    from langsmith import utils

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_nothing")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    utils.get_env_var.cache_clear()
    yield
    monkeypatch.undo()
    utils.get_env_var.cache_clear()


def quiet_langsmith():
    """A LangSmith client that drops what it is given."""
    from langsmith import Client

    class Quiet(Client):
        def create_run(self, *args, **kwargs):
            return None

        update_run = create_run

    return Quiet(api_url="http://127.0.0.1:9", api_key="none", auto_batch_tracing=False)


def test_a_parent_of_langsmith_that_we_do_not_know_makes_no_second_trace(traces, langsmith_on):  # 4
    import langsmith

    @langsmith.traceable(client=quiet_langsmith())
    def caller():
        with langsmith.tracing_context(enabled=True, client=quiet_langsmith()):
            return chain().invoke({"x": "Ada"}, ordinary())

    with langsmith.tracing_context(enabled=True, client=quiet_langsmith()):
        caller()
    task = one(traces)
    assert tree(task) == {"Model": {}}
    assert task.environment.custom_tags["parent_run_id"]


def test_a_chain_inside_a_traceable_inside_a_chain_is_nested(traces, langsmith_on):  # 4
    import langsmith

    @langsmith.traceable(client=quiet_langsmith())
    def inner(x):
        return chain().invoke({"x": x})

    with langsmith.tracing_context(enabled=True, client=quiet_langsmith()):
        RunnableLambda(inner).with_config(run_name="outer").invoke("Ada", ordinary())
    task = one(traces)
    assert task.name == "outer"
    assert tree(task) == {"Model": {}}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def sums(*pairs):
    """A reply that asks for several additions."""
    calls = [call("add", {"a": a, "b": b}, f"call_{at}") for at, (a, b) in enumerate(pairs)]
    return AIMessage(content="", tool_calls=calls, usage_metadata=TokenUsage())


def agent(model, tools=(add,), **options):
    from langchain.agents import create_agent

    return create_agent(model, tools=list(tools), **options)


USER = {"messages": [("user", "what is 1 + 2?")]}


@pytest.mark.parametrize("with_langsmith", [False, True])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_wrapping_middleware_keeps_model_and_tool_under_their_nodes(traces, request, with_langsmith, way):  # 5
    import langsmith
    from langchain.agents.middleware import AgentMiddleware

    class Both(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            return handler(request)

        async def awrap_model_call(self, request, handler):
            return await handler(request)

        def wrap_tool_call(self, request, handler):
            return handler(request)

        async def awrap_tool_call(self, request, handler):
            return await handler(request)

    if with_langsmith:
        request.getfixturevalue("langsmith_on")
    built = agent(Model(replies=[sums((1, 2)), "three"], usage=TokenUsage()), middleware=[Both()])
    with langsmith.tracing_context(enabled=with_langsmith, client=quiet_langsmith()):
        WAYS[way](built, USER, ordinary())
    task = one(traces)
    assert tree(task) == {"model": {"Model": {}}, "tools": {"add": {}}, "model 2": {"Model": {}}}
    assert task.llm_usage.prompt_tokens == 20
    assert task.llm_usage.api_calls_count == 2


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_explicit_callbacks_inside_a_node_make_a_step_and_not_a_trace(traces, way):  # 6
    from langgraph.graph import StateGraph

    handler = InfiniumCallbackHandler()

    def sync_node(state):
        return {"x": Model().invoke("hi", {"callbacks": [handler]}).content}

    async def async_node(state):
        return {"x": (await Model().ainvoke("hi", {"callbacks": [handler]})).content}

    graph = StateGraph(dict)
    graph.add_node("ask", RunnableLambda(sync_node, async_node))
    graph.set_entry_point("ask")
    WAYS[way](graph.compile(), {"x": ""}, {"callbacks": [handler]})
    assert "Model" in names(one(traces))
    assert step(one(traces), "Model").metadata["parent_step"] is not None


def test_a_hundred_concurrent_runs_of_one_handler_are_a_hundred_right_traces(traces):  # 7
    handler = InfiniumCallbackHandler()

    def build(number):
        return chain(replies=[f"answer {number}"]).with_config(run_name=f"run {number}")

    def in_thread(number):
        build(number).invoke({"x": number}, {"callbacks": [handler]})

    async def in_tasks():
        await asyncio.gather(*(build(n).ainvoke({"x": n}, {"callbacks": [handler]}) for n in range(50, 100)))

    with ThreadPoolExecutor(50) as pool:
        threads = [pool.submit(in_thread, number) for number in range(50)]
        asyncio.run(in_tasks())
        [done.result() for done in threads]
    assert sorted(task.name for task in traces) == sorted(f"run {n}" for n in range(100))
    for task in traces:
        number = task.name.removeprefix("run ")
        found = step(task, "Model")
        assert len(task.steps) == 1
        assert (found.input_preview, found.output_preview) == (f"user: hi {number}", f"answer {number}")


@pytest.mark.parametrize("way", ["batch", "abatch", "batch_as_completed", "abatch_as_completed"])
def test_each_item_of_a_batch_is_a_trace_with_its_own_duration(timed, clock, way):  # 8
    def slow(x):
        clock.advance(x)
        return x

    runnable = RunnableLambda(slow)

    async def completed():
        return [item async for item in runnable.abatch_as_completed([1, 2, 4], {**ordinary(), "max_concurrency": 1})]

    if way == "abatch_as_completed":
        asyncio.run(completed())
    elif way == "abatch":
        asyncio.run(runnable.abatch([1, 2, 4], {**ordinary(), "max_concurrency": 1}))
    else:
        list(getattr(runnable, way)([1, 2, 4], {**ordinary(), "max_concurrency": 1}))
    assert sorted((int(task.input_summary), task.output_summary) for task in timed) == [(1, "1"), (2, "2"), (4, "4")]
    assert all(task.duration >= int(task.input_summary) for task in timed)


@pytest.mark.parametrize("tasks", [False, True])
def test_two_concurrent_runs_with_one_run_id_do_not_mix(traces, tasks):  # 9
    run_id, handler = uuid.uuid4(), InfiniumCallbackHandler()
    holds = {"a": Hold(), "b": Hold()}

    def runnable(name):
        return ChatPromptTemplate.from_template("{x}") | Model(replies=[["", holds[name], name]])

    def config():
        return {"callbacks": [handler], "run_id": run_id}

    async def both():
        running = [asyncio.create_task(runnable(name).ainvoke({"x": name}, config())) for name in "ab"]
        for hold in holds.values():
            await hold.until_reached()
            hold.released.set()
        await asyncio.gather(*running)

    def in_threads():
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(runnable(name).invoke, {"x": name}, config()) for name in "ab"]
            for hold in holds.values():
                assert hold.reached.wait(10)
            for hold in holds.values():
                hold.released.set()
            [done.result(10) for done in running]

    asyncio.run(both()) if tasks else in_threads()
    assert sorted((t.input_summary, t.output_summary) for t in traces) == [('{"x": "a"}', "a"), ('{"x": "b"}', "b")]
    assert [len(task.steps) for task in traces] == [1, 1]
    assert len({task.trace_id for task in traces}) == 2


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_a_handler_on_the_model_alone_gives_a_trace_of_the_model(traces, way):  # 10
    WAYS[way](chain(callbacks=[InfiniumCallbackHandler()]), {"x": "Ada"}, {})
    task = one(traces)
    assert task.name == "Model"
    assert [found.action for found in task.steps] == ["llm_inference"]


@pytest.fixture
def instrumented():
    instrument("langchain")
    yield
    uninstrument("langchain")


def test_a_raw_thread_inside_a_node_gives_a_whole_trace_of_its_own(traces, instrumented):  # 11
    def in_thread(x):
        thread = threading.Thread(target=lambda: chain().invoke({"x": x}))
        thread.start()
        thread.join(60)
        return x

    RunnableLambda(in_thread).with_config(run_name="outer").invoke("Ada")
    assert [task.name for task in traces] == ["RunnableSequence", "outer"]
    assert tree(traces[0]) == {"Model": {}}


def test_an_explicit_handler_and_the_global_one_give_one_trace(traces, instrumented):
    chain().invoke({"x": "Ada"}, ordinary())
    assert tree(one(traces)) == {"Model": {}}


def test_switched_off_again_nothing_more_is_seen_and_open_runs_are_finished(traces, instrumented):  # 66
    def switch_off(x):
        uninstrument("langchain")
        return chain().invoke({"x": x})

    RunnableLambda(switch_off).with_config(run_name="open").invoke("Ada")
    chain().invoke({"x": "not seen"})
    task = one(traces)
    assert (task.name, task.status) == ("open", "ok")
    instrument("langchain")
    chain().invoke({"x": "seen"})
    assert len(traces) == 2


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_parallel_calls_of_one_tool_are_told_apart(traces, way):  # 12
    model = Model(replies=[sums((1, 2), (3, 4)), "3 and 7"])
    WAYS[way](agent(model), USER, ordinary())
    found = {s.metadata["tool_call_id"]: s for s in steps(one(traces), "add")}
    assert found["call_0"].input_preview == '{"a": 1, "b": 2}'
    assert found["call_1"].input_preview == '{"a": 3, "b": 4}'
    assert (found["call_0"].output_preview, found["call_1"].output_preview) == ("3", "7")
    assert all(s.duration_ms is not None and s.tool_call.tool_name == "add" for s in found.values())


def test_a_sub_agent_called_as_a_tool_is_nested_and_counted_once(traces):  # 13
    inner = agent(Model(replies=["seven"], usage=TokenUsage(100, 10)), tools=[], name="researcher")

    @tool
    def research(question: str) -> str:
        """Ask the researcher."""
        return inner.invoke({"messages": [("user", question)]})["messages"][-1].content

    asks = AIMessage(content="", tool_calls=[call("research", {"question": "3 + 4?"})])
    outer = agent(Model(replies=[asks, "it is seven"], usage=TokenUsage(1, 1)), tools=[research], name="boss")
    outer.invoke(USER, ordinary())
    task = one(traces)
    assert task.name == "boss"
    assert tree(task) == {
        "model": {"Model": {}},
        "tools": {"research": {"researcher": {"model": {"Model": {}}}}},
        "model 2": {"Model": {}},
    }
    assert task.llm_usage.prompt_tokens == 102
    if names_agents:
        assert step(task, "researcher").action == "agent"
        assert [s.metadata["agent"] for s in steps(task, "Model")] == ["boss", "researcher", "boss"]


def test_inside_trace_a_chain_is_a_step_of_it(traces):
    with trace("Report", "Write it"):
        chain().invoke({"x": "Ada"}, ordinary())
        chain().invoke({"x": "Bob"}, ordinary())
    task = one(traces)
    assert task.name == "Report"
    assert tree(task) == {"Model": {}, "Model 2": {}}


def test_the_run_id_that_the_user_gave_is_on_the_trace(traces):
    run_id = uuid.uuid4()
    chain().invoke({"x": "Ada"}, ordinary() | {"run_id": run_id})
    assert one(traces).environment.custom_tags["run_id"] == str(run_id)


def test_the_state_of_a_handler_is_nothing_but_its_options(traces):
    config = ordinary()
    for _ in range(100):
        chain().invoke({"x": "Ada"}, config)
    assert runtime.recorder().open_runs == 0
    ignored = ("ignore_chain", "ignore_llm", "ignore_chat_model", "ignore_retriever", "ignore_agent")
    assert set(vars(config["callbacks"][0])) == {"options", *ignored}


def test_messages_are_shown_newest_first(traces):
    Model().invoke([HumanMessage("old"), AIMessage("older answer"), HumanMessage("new")], ordinary())
    assert step(one(traces), "Model").input_preview == "user: new\nassistant: older answer\nuser: old"


def test_what_trace_was_told_holds_for_the_runs_inside(traces):
    with trace("all of it", detail="full", capture_content=False):
        chain(replies=["canary"]).invoke({"x": "canary"}, ordinary())
    task = one(traces)
    assert tree(task) == {"RunnableSequence": CHAIN_TREE}
    assert "canary" not in str(task.to_wire())
