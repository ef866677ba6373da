"""How runs end, or never do. Exactly one trace, and no state left."""

import asyncio
import contextlib
import gc
import logging
import threading
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.tools import StructuredTool
from lc_support import Hold, Model, TokenUsage, names, one, ordinary, step, until

from infinium_integrations import diagnostics, runtime
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.testing import captured_traces

WORDS = "one two three four"


def chain(**model):
    return ChatPromptTemplate.from_template("hi {x}") | Model(**model) | StrOutputParser()


# -- streams that are left ---------------------------------------------------------------------------------------------


def test_a_sync_stream_that_is_left_keeps_the_model_step_and_its_tokens(traces):  # 15
    stream = chain(replies=[WORDS], usage=TokenUsage(7, 4)).stream({"x": "Ada"}, ordinary())
    next(stream)
    stream.close()
    task = one(traces)
    assert task.status == "abandoned"
    assert task.errors is None
    assert task.input_summary == '{"x": "Ada"}'
    assert step(task, "Model").llm_call.prompt_tokens == 7


def test_a_sync_stream_that_is_only_forgotten_is_abandoned_too(traces):  # 15
    stream = chain(replies=[WORDS], usage=TokenUsage(7, 4)).stream({"x": "Ada"}, ordinary())
    next(stream)
    del stream
    gc.collect()
    assert one(traces).status == "abandoned"


def test_a_model_stream_that_is_left_is_abandoned_with_what_it_said(traces):
    stream = Model(replies=[WORDS], usage=TokenUsage(7, 4)).stream("hi", ordinary())
    next(stream)
    stream.close()
    task = one(traces)
    assert task.status == "abandoned"
    assert step(task, "Model").output_preview == "one "
    assert task.errors is None


def test_a_stream_that_is_kept_but_never_read_on_is_abandoned_at_the_idle_limit(timed):
    stream = Model(replies=[WORDS]).stream("hi", ordinary())
    next(stream)
    timed.pass_time(3599)
    assert timed == []
    timed.pass_time(2)
    assert one(timed).status == "abandoned"
    stream.close()
    assert len(timed) == 1


@pytest.mark.parametrize("close", ["aclose", "forget"])
def test_an_async_stream_that_is_left_is_abandoned_and_no_error(traces, close):  # 16
    async def main():
        stream = chain(replies=[WORDS], usage=TokenUsage(7, 4)).astream({"x": "Ada"}, ordinary())
        await anext(stream)
        if close == "aclose":
            await stream.aclose()
        del stream
        gc.collect()
        await until(lambda: traces)

    asyncio.run(main())
    task = one(traces)
    assert task.status == "abandoned"
    assert task.errors is None
    assert step(task, "Model").metadata["status"] in {"abandoned", "ok"}


def test_an_async_generator_left_by_break_does_not_swallow_the_next_run(traces):  # 16
    async def main():
        async for _ in chain(replies=[WORDS]).astream({"x": "Ada"}, ordinary() | {"run_name": "left"}):
            break
        await chain().ainvoke({"x": "Bob"}, ordinary() | {"run_name": "next"})
        gc.collect()
        await until(lambda: len(traces) == 2)

    asyncio.run(main())
    assert sorted((task.name, task.status, tuple(names(task))) for task in traces) == [
        ("left", "abandoned", ("Model",)),
        ("next", "ok", ("Model",)),
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
def test_an_event_stream_that_is_left_gives_one_trace(traces, version):
    async def main():
        stream = chain(replies=[WORDS]).astream_events({"x": "Ada"}, ordinary(), version=version)
        async for event in stream:
            if event["event"] == "on_chat_model_stream":
                break
        await stream.aclose()
        del stream, event
        gc.collect()

    asyncio.run(main())
    assert one(traces).status in {"abandoned", "cancelled"}


has_v3 = pytest.mark.skipif(not hasattr(Model, "stream_events"), reason="this langchain-core has no v3 streams")


@has_v3
def test_a_v3_stream_that_is_left_is_abandoned_and_the_next_run_is_its_own_trace(timed):  # 20
    stream = Model(replies=[WORDS]).stream_events("hi", ordinary(), version="v3")
    next(iter(stream))
    chain().invoke({"x": "Bob"}, ordinary() | {"run_name": "next"})
    assert [task.name for task in timed] == ["next"]
    timed.pass_time(3601)
    assert [(task.name, task.status) for task in timed] == [("next", "ok"), ("Model", "abandoned")]


@has_v3
def test_a_v3_stream_read_to_its_end_is_ok(timed):
    stream = Model(replies=[WORDS], usage=TokenUsage(7, 4)).stream_events("hi", ordinary(), version="v3")
    list(stream)
    task = one(timed)
    assert (task.status, task.llm_usage.prompt_tokens) == ("ok", 7)
    assert step(task, "Model").output_preview == WORDS


def test_a_graph_stream_that_is_left_is_abandoned(traces):
    graph = two_nodes()
    stream = graph.stream({"x": []}, ordinary())
    next(stream)
    stream.close()
    task = one(traces)
    assert (task.status, task.errors) == ("abandoned", None)


def test_a_stream_read_in_one_task_a_chunk_with_pauses_is_whole(timed):
    """As in ``wait_for(anext(stream))`` on Python 3.11: each chunk in a task of its own."""

    async def main():
        stream = chain(replies=[WORDS], usage=TokenUsage(7, 4)).astream({"x": "Ada"}, ordinary())
        while (await asyncio.create_task(_next_or_none(stream))) is not None:
            timed.pass_time(60)

    asyncio.run(main())
    task = one(timed)
    assert (task.status, task.output_summary, task.llm_usage.prompt_tokens) == ("ok", WORDS, 7)


async def _next_or_none(stream):
    return await anext(stream, None)


# -- cancelled ---------------------------------------------------------------------------------------------------------


class Slow(BaseRetriever):
    hold: object

    def _get_relevant_documents(self, query, *, run_manager):
        raise NotImplementedError

    async def _aget_relevant_documents(self, query, *, run_manager):
        await self.hold.wait_async()
        return []


def slow_things(hold):
    async def wait(x: str) -> str:
        await hold.wait_async()
        return x

    return {
        "model": Model(replies=[[hold, "late"]]),
        "tool": StructuredTool.from_function(coroutine=wait, name="wait", description="Waits."),
        "retriever": Slow(hold=hold),
    }


@pytest.mark.parametrize("kind", ["model", "tool", "retriever"])
def test_a_cancelled_bare_call_is_sent_as_cancelled_when_its_task_is_done(traces, kind):  # 17
    hold = Hold()

    async def main():
        given = {"x": "hi"} if kind == "tool" else "hi"
        task = asyncio.create_task(slow_things(hold)[kind].ainvoke(given, ordinary()))
        await hold.until_reached()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    asyncio.run(main())
    task = one(traces)
    assert task.status == "cancelled"
    assert task.errors is None
    assert [found.metadata["status"] for found in task.steps] == ["cancelled"]


@pytest.mark.parametrize("kind", ["model", "tool", "retriever"])
def test_a_cancelled_chain_has_its_open_child_cancelled_too(timed, clock, kind):  # 18
    hold = Hold()

    async def main():
        first = RunnableLambda(lambda _: {"x": "hi"} if kind == "tool" else "hi")
        task = asyncio.create_task((first | slow_things(hold)[kind]).ainvoke("go", ordinary()))
        await hold.until_reached()
        clock.advance(5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    asyncio.run(main())
    timed.pass_time(2.1)
    task = one(timed)
    assert task.status == "cancelled"
    assert task.errors is None
    assert task.steps[-1].metadata["status"] == "cancelled"
    assert task.steps[-1].duration_ms == 5_000
    assert task.duration == 5


def test_a_timeout_in_a_task_that_lives_on_is_sent_at_the_idle_limit(timed):  # 19
    hold = Hold()

    async def main():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await Model(replies=[[hold, "late"]]).ainvoke("hi", ordinary())
        timed.pass_time(3599)
        assert timed == []
        timed.pass_time(2)
        assert [task.status for task in timed] == ["incomplete"]

    asyncio.run(main())
    assert len(timed) == 1


def test_a_timeout_in_a_task_is_sent_as_cancelled_when_the_task_is_done(timed):  # 19
    async def main():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await Model(replies=[[Hold(), "late"]]).ainvoke("hi", ordinary())

    asyncio.run(main())
    assert one(timed).status == "cancelled"


def test_a_timeout_in_a_task_that_lives_on_is_sent_at_shutdown(timed):  # 19
    async def main():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await Model(replies=[[Hold(), "late"]]).ainvoke("hi", ordinary())
        timed.end_all()
        assert [task.status for task in timed] == ["incomplete"]

    asyncio.run(main())


@pytest.mark.parametrize("how", ["timeout", "wait_for"])
def test_a_model_call_that_a_step_gave_up_on_does_not_delay_the_trace(timed, how):
    async def patient(_):
        with contextlib.suppress(TimeoutError):
            if how == "wait_for":
                await asyncio.wait_for(Model(replies=[[Hold(), "late"]]).ainvoke("hi"), 0.2)
            else:
                async with asyncio.timeout(0.2):
                    await Model(replies=[[Hold(), "late"]]).ainvoke("hi")
        return "gave up"

    asyncio.run(RunnableLambda(patient).ainvoke("go", ordinary()))
    task = one(timed)
    assert (task.status, task.output_summary) == ("ok", "gave up")
    assert step(task, "Model").metadata["status"] == "cancelled"


def test_the_text_of_a_cancellation_is_never_an_address(traces):  # 37
    hold = Hold()

    async def main():
        task = asyncio.create_task(async_graph(Model(replies=[[hold, "late"]])).ainvoke({"x": []}, ordinary()))
        await hold.until_reached()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.01)
        traces.end_all()

    asyncio.run(main())
    task = one(traces)
    assert task.status == "cancelled"
    assert "<object object" not in str(task.to_wire())


# -- ends out of order -------------------------------------------------------------------------------------------------


def test_the_late_answer_of_a_failed_parallel_branch_is_in_the_same_trace(timed):  # 21
    hold = Hold()

    async def fail(_):
        await hold.until_reached()
        raise ValueError("branch")

    async def main():
        both = RunnableParallel(a=Model(replies=[[hold, "late"]], usage=TokenUsage(9, 1)), b=RunnableLambda(fail))
        with pytest.raises(ValueError, match="branch"):
            await both.ainvoke("hi", ordinary())
        timed.pass_time(60)
        assert timed == []
        hold.released.set()
        await until(lambda: timed)

    asyncio.run(main())
    task = one(timed)
    assert task.status == "error"
    assert step(task, "Model").output_preview == "late"
    assert task.llm_usage.prompt_tokens == 9


def test_of_two_prompts_generated_together_the_failed_one_is_an_error_and_the_other_incomplete(timed):  # 22
    model = Model(replies=["fine", ValueError("second")])
    with pytest.raises(ValueError, match="second"):
        model.generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=ordinary()["callbacks"])
    timed.pass_time(3601)
    assert sorted(task.status for task in timed) == ["error", "incomplete"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interpreter_that_is_told_to_stop_leaves_a_cancelled_trace(timed, error):  # 23
    def stop(x: str) -> str:
        raise error(3)

    runnable = RunnableLambda(lambda x: {"x": x}) | StructuredTool.from_function(stop, description="Stops.")
    with pytest.raises(error) as raised:
        runnable.invoke("go", ordinary())
    assert raised.value.args == (3,)
    timed.pass_time(2.1)
    task = one(timed)
    assert (task.status, task.errors) == ("cancelled", None)
    assert step(task, "stop").metadata["status"] == "cancelled"


def test_runs_that_never_end_are_bounded_by_a_cap_with_one_warning(caplog):  # 26
    diagnostics._said.discard("cap")
    with captured_traces(cap=20) as caught, caplog.at_level(logging.WARNING):
        for _ in range(100):
            stream = Model().stream("hi", ordinary())
            next(stream)
            kept.append(stream)
        assert runtime.recorder().open_traces == 20
        assert {task.status for task in caught} == {"incomplete"}
        assert len(caught) == 80
        caught.end_all()
        for stream in kept:
            stream.close()
        assert len(caught) == 100
        assert runtime.recorder().open_runs == 0
    assert len([record for record in caplog.records if "are open" in record.message]) == 1


kept = []


def test_what_comes_after_a_trace_was_sent_is_counted_and_changes_nothing(timed):  # 27
    hold = Hold()

    async def main():
        task = asyncio.create_task((RunnableLambda(lambda x: x) | Model(replies=[[hold, "late"]])).ainvoke("x", config))
        await hold.until_reached()
        timed.end_all()
        before = one(timed).to_wire()
        hold.released.set()
        await task
        assert one(timed).to_wire() == before

    config = ordinary()
    asyncio.run(main())
    assert one(timed).status == "incomplete"
    assert runtime.recorder().late_events == 2


def test_a_task_that_outlives_its_root_is_in_the_same_trace(timed):
    hold, running = Hold(), []

    async def spawn(x):
        running.append(asyncio.create_task(Model(replies=[[hold, "late"]], usage=TokenUsage(5, 5)).ainvoke(x)))
        await hold.until_reached()
        return "spawned"

    async def main():
        await RunnableLambda(spawn).ainvoke("x", ordinary())
        timed.pass_time(1_000)
        assert timed == []
        hold.released.set()
        await running[0]

    asyncio.run(main())
    task = one(timed)
    assert (task.status, task.output_summary, task.llm_usage.prompt_tokens) == ("ok", "spawned", 5)


def test_a_run_that_starts_after_its_trace_was_sent_is_a_trace_of_its_own(traces):
    go = threading.Event()

    def later(x, config):
        def work():
            assert go.wait(10)
            Model().invoke(x, config)

        running.append(threading.Thread(target=work))
        running[0].start()
        return x

    running = []
    RunnableLambda(later).invoke("x", ordinary())
    assert len(traces) == 1
    go.set()
    running[0].join(60)
    assert [(task.name, names(task)) for task in traces] == [("later", []), ("Model", ["Model"])]


def test_a_branch_that_starts_after_another_has_failed_the_run_makes_no_trace_of_its_own(traces):
    """In a failed parallel run a branch may start late: what it does belongs to a trace that has been sent."""
    handler, root, late = InfiniumCallbackHandler(), uuid4(), uuid4()
    handler.on_chain_start(None, {}, run_id=root, name="parallel")
    handler.on_chain_error(ValueError("branch"), run_id=root)
    handler.on_chain_start(None, {}, run_id=late, parent_run_id=root, name="late branch")
    handler.on_chain_end({}, run_id=late)
    assert [(task.name, task.status) for task in traces] == [("parallel", "error")]
    assert runtime.recorder().late_events == 1


def test_a_step_that_starts_in_a_run_that_has_ended_is_in_its_trace_while_that_is_open(traces):
    handler, root, other, late = InfiniumCallbackHandler(), uuid4(), uuid4(), uuid4()
    handler.on_chain_start(None, {}, run_id=root, name="parallel")
    handler.on_chain_start(None, {}, run_id=other, parent_run_id=root, name="other branch")
    handler.on_chain_error(ValueError("branch"), run_id=root)
    handler.on_chain_start(None, {}, run_id=late, parent_run_id=root, name="late branch")
    handler.on_chain_end({}, run_id=late)
    handler.on_chain_end({}, run_id=other)
    assert names(one(traces)) == ["other branch", "late branch"]


def test_a_run_id_used_again_after_a_failed_run_has_its_children(traces):
    run_id, config = uuid4(), ordinary()
    failing = RunnableLambda(lambda x: x) | Model(replies=[ValueError("no"), "yes"])
    with pytest.raises(ValueError, match="no"):
        failing.invoke("x", {**config, "run_id": run_id})
    failing.invoke("x", {**config, "run_id": run_id})
    assert [(task.status, len(task.steps)) for task in traces] == [("error", 2), ("ok", 2)]


def test_a_generator_chain_is_streamed_through_with_its_real_input(traces):  # 56
    def shout(chunks):
        for chunk in chunks:
            yield chunk.upper()

    out = list((chain(replies=[WORDS]) | RunnableGenerator(shout)).stream({"x": "Ada"}, ordinary()))
    task = one(traces)
    assert "".join(out) == task.output_summary == WORDS.upper()
    assert task.input_summary == '{"x": "Ada"}'


def two_nodes():
    from operator import add
    from typing import Annotated, TypedDict

    from langgraph.graph import START, StateGraph

    class State(TypedDict):
        x: Annotated[list, add]

    graph = StateGraph(State)
    graph.add_node("first", lambda state: {"x": ["first"]})
    graph.add_node("second", lambda state: {"x": ["second"]})
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    return graph.compile()


def async_graph(model):
    from operator import add
    from typing import Annotated, TypedDict

    from langgraph.graph import START, StateGraph

    class State(TypedDict):
        x: Annotated[list, add]

    async def ask(state):
        return {"x": [(await model.ainvoke("hi")).content]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    return graph.compile()
