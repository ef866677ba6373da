"""What belongs together is together, across tasks, threads and frameworks; what does not is apart."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from kit import Scripted, actions, an_engine, by_number, ended, one, parent, status, steps, tags
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.workflow import StartEvent, StopEvent, Workflow
from llama_index.core.workflow import step as workflow_step

from infinium_integrations import current_trace, suppress, trace


def test_queries_at_once_in_one_loop_are_separate_traces(traces):
    async def all_of_them():
        await asyncio.gather(*(an_engine(Scripted(replies=[f"a{at}"])).aquery(f"q{at}") for at in range(5)))

    asyncio.run(all_of_them())
    for found in ended(traces, 5):
        assert actions(found) == ["retrieval", "embedding", "llm_inference"]
        assert found.input_summary[1:] == found.output_summary[1:]


def test_queries_at_once_in_threads_are_separate_traces(traces):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: an_engine(Scripted(replies=[f"a{at}"])).query(f"q{at}"), range(8)))
    for found in ended(traces, 8):
        assert found.input_summary[1:] == found.output_summary[1:]
        assert actions(found) == ["retrieval", "embedding", "llm_inference"]


class Spread(BaseRetriever):
    """Asks its engines in threads of its own, which know nothing of what is around them."""

    def __init__(self, ask):
        super().__init__()
        self.ask = ask

    def _retrieve(self, query_bundle):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.ask, range(2)))
        return [NodeWithScore(node=TextNode(text="x"), score=1.0)]


def test_threads_without_context_are_traces_of_their_own(traces):
    Spread(lambda at: an_engine(Scripted(replies=["a"])).query(f"{at}?")).retrieve("q?")
    ended(traces, 3)


def test_a_carried_context_joins_a_thread_to_the_trace(traces):
    dispatcher = get_dispatcher()

    class Carrying(Spread):
        def _retrieve(self, query_bundle):
            self.context = dispatcher.capture_propagation_context()
            return super()._retrieve(query_bundle)

    def ask(at):
        dispatcher.restore_propagation_context(carrying.context)
        an_engine(Scripted(replies=["a"])).query(f"{at}?")

    carrying = Carrying(ask)
    carrying.retrieve("q?")
    found = one(traces)
    assert len(steps(found, "llm_inference")) == 2
    assert all(parent(found, step).action == "retrieval" for step in steps(found, "chain"))


def test_a_context_of_another_process_names_the_trace_to_join(traces):
    dispatcher = get_dispatcher()
    context = {"infinium": {"trace_id": "t-1", "span_id": "s-1", "process": "elsewhere"}}

    def work():
        dispatcher.restore_propagation_context(context)
        an_engine(Scripted(replies=["a"])).query("q?")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    found = one(traces)
    assert (tags(found)["parent_trace_id"], tags(found)["parent_run_id"]) == ("t-1", "s-1")


def test_the_carried_context_names_our_trace(traces):
    seen = {}

    class Looking(BaseRetriever):
        def _retrieve(self, query_bundle):
            seen.update(get_dispatcher().capture_propagation_context())
            return []

    Looking().retrieve("q?")
    assert seen["infinium"]["trace_id"] == tags(one(traces))["trace_id"]


def test_several_calls_in_one_trace_are_its_steps(traces):
    with trace("Report", "Ask twice") as report:
        an_engine(Scripted(replies=["one"])).query("1?")
        with report.step("custom", "between"):
            an_engine(Scripted(replies=["two"])).query("2?")
    found = one(traces)
    assert (found.name, found.description) == ("Report", "Ask twice")
    first, second = steps(found, "chain")
    assert parent(found, first) is None
    assert parent(found, second).description == "between"
    assert (first.input_preview, second.output_preview) == ("1?", "two")
    assert found.environment.framework == "llama_index"


def test_threads_inside_a_trace_are_apart_but_what_is_copied_in_is_not(traces):
    from contextvars import copy_context

    with trace("Report"):
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(an_engine(Scripted(replies=["a"])).query, "q?"))
        thread.start()
        thread.join(60)
    assert len(steps(one(traces), "llm_inference")) == 1


def test_a_trace_waits_for_a_stream_that_was_begun_in_it(traces):
    with trace("Report"):
        response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
    assert not traces
    list(response.response_gen)
    assert len(steps(one(traces), "llm_inference")) == 1


def test_what_is_suppressed_is_not_recorded_even_later(traces):
    with suppress():
        response = an_engine(Scripted(replies=["one two"]), streaming=True).query("q?")
        an_engine(Scripted(replies=["one"])).query("q?")
    list(response.response_gen)
    ended(traces, 0)


def test_a_tool_can_add_steps_to_the_trace_around_it(traces):
    class Adding(BaseRetriever):
        def _retrieve(self, query_bundle):
            with current_trace().step("custom", "by hand"):
                pass
            return []

    Adding().retrieve("q?")
    found = one(traces)
    (by_hand,) = steps(found, "custom")
    assert parent(found, by_hand).action == "retrieval"


def test_a_call_within_a_step_made_by_hand_lies_below_it(traces):
    model = Scripted(replies=["a", "b", "c"])

    class Asking(BaseRetriever):
        def _retrieve(self, query_bundle):
            with current_trace().step("custom", "by hand"):
                model.chat([ChatMessage("1?")])
            return []

    class Flow(Workflow):
        @workflow_step
        async def work(self, event: StartEvent) -> StopEvent:
            with current_trace().step("custom", "by hand"):
                await model.achat([ChatMessage("2?")])
            return StopEvent(result=await function(model))

    @trace("a function")
    async def function(model):
        return str(await model.achat([ChatMessage("3?")]))

    async def run():
        await Flow().run()

    Asking().retrieve("q?")
    asyncio.run(run())
    found = ended(traces, 2)
    below = [parent(task, call).description for task in found for call in steps(task, "llm_inference")]
    assert below == ["by hand", "by hand", "a function"]


# -- LangChain ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(traces):
    pytest.importorskip("langchain_core")
    from langchain_core.runnables import RunnableLambda

    from infinium_integrations.langchain import InfiniumCallbackHandler

    handler = InfiniumCallbackHandler()

    def make(function, name):
        return RunnableLambda(function, name=name).with_config({"callbacks": [handler]})

    return make


def test_langchain_inside_llama_index_is_one_trace(traces, chain):
    inner = chain(lambda text: text.upper(), "shout")

    class Shouting(BaseRetriever):
        def _retrieve(self, query_bundle):
            text = inner.invoke(query_bundle.query_str)
            return [NodeWithScore(node=TextNode(text=text), score=1.0)]

    Shouting().retrieve("hello")
    found = one(traces)
    (shout,) = steps(found, "chain")
    assert shout.description == "shout"
    assert parent(found, shout).action == "retrieval"


def test_llama_index_inside_langchain_is_one_trace(traces, chain):
    engine = an_engine(Scripted(replies=["Paris"]))
    answer = chain(lambda text: str(engine.query(text)), "ask").invoke("capital?")
    assert answer == "Paris"
    found = one(traces)
    assert found.name == "ask"
    (call,) = steps(found, "llm_inference")
    assert by_number(found, call.metadata["parent_step"]).description == "RetrieverQueryEngine.query"
    assert status(found) == "ok"


def test_both_in_one_trace_stand_side_by_side(traces, chain):
    with trace("Both"):
        chain(lambda text: text.upper(), "shout").invoke("a")
        an_engine(Scripted(replies=["b"])).query("b?")
    found = one(traces)
    assert [step.description for step in steps(found, "chain")] == ["shout", "RetrieverQueryEngine.query"]
    assert all(parent(found, step) is None for step in steps(found, "chain"))


def test_an_async_chain_around_an_async_query_is_one_trace(traces, chain):
    engine = an_engine(Scripted(replies=["Paris"]))

    async def ask(text):
        return str(await engine.aquery(text))

    asyncio.run(chain(ask, "ask").ainvoke("capital?"))
    assert len(steps(one(traces), "llm_inference")) == 1
