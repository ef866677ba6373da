"""Workflows: concurrent steps, retries, waiting for a human, time limits, cancellation; on every version of them."""

import asyncio
import contextlib
import inspect
import sys
import time

import pytest
from kit import Scripted, actions, add, an_engine, ended, one, parent, status, steps
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.core.workflow.retry_policy import ConstantDelayRetryPolicy
from llama_index_instrumentation.dispatcher import Dispatcher
from workflows.events import HumanResponseEvent, InputRequiredEvent

from infinium_integrations import flush
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.llama_index.handler import _SpanHandler

SENDS = hasattr(sys.modules.get("workflows.runtime.types.results"), "StepSends")
"""Workflows keep account of what each step sends."""
RUNS_AGAIN = hasattr(sys.modules.get("workflows.runtime.types.results"), "WaitingForEvent")
"""Workflows end a step that waits, and run it again with what it waited for; older ones wait within the step."""


class Work(Event):
    at: int


class Done(Event):
    at: int


class FanOut(Workflow):
    joins = 0
    """How often the framework has run ``join``: once for each event, or again where what it saw is out of date."""

    @step
    async def fan(self, ctx: Context, ev: StartEvent) -> Work | None:
        for at in range(3):
            ctx.send_event(Work(at=at))

    @step(num_workers=3)
    async def work(self, ev: Work) -> Done:
        await asyncio.sleep(0)
        return Done(at=ev.at)

    @step
    async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
        self.joins += 1
        done = ctx.collect_events(ev, [Done] * 3)
        return StopEvent(result={"done": len(done)}) if done else None


class Slow(Workflow):
    @step
    async def wait(self, ev: StartEvent) -> StopEvent:
        await asyncio.sleep(30)
        return StopEvent()


class Broken(Workflow):
    @step
    async def one(self, ev: StartEvent) -> Work:
        return Work(at=1)

    @step
    async def two(self, ev: Work) -> StopEvent:
        raise KeyError("missing")


async def run(flow, **kwargs):
    return await flow.run(**kwargs)


def test_concurrent_steps_are_steps_with_what_they_took_and_gave(traces):
    flow = FanOut()
    asyncio.run(run(flow, topic="x"))
    trace = one(traces)
    assert trace.name == "FanOut.run"
    assert (trace.input_summary, trace.output_summary) == ('{"topic": "x"}', '{"done": 3}')
    assert sorted(step.description for step in steps(trace)) == ["fan", *["join"] * flow.joins, *["work"] * 3]
    work = [step for step in steps(trace) if step.description == "work"]
    assert sorted(step.input_preview for step in work) == ['{"at": 0}', '{"at": 1}', '{"at": 2}']
    assert {step.metadata["event"] for step in work} == {"Work"}
    assert {step.metadata["emits"] for step in work} == {"Done"}
    assert {step.action for step in steps(trace)} == {"workflow_step"}


def test_runs_one_after_the_other_in_one_task_are_separate_traces(traces):
    async def both():
        await FanOut().run(topic="first")
        await FanOut().run(topic="second")
        return await an_engine(Scripted(replies=["a"])).aquery("third")

    asyncio.run(both())
    first, second, third = ended(traces, 3)
    assert ["first" in first.input_summary, "second" in second.input_summary] == [True, True]
    assert actions(third) == ["retrieval", "embedding", "llm_inference"]


def test_two_runs_of_one_workflow_at_once_are_separate_traces(traces):
    flow = FanOut()

    async def both():
        await asyncio.gather(flow.run(topic="first"), flow.run(topic="second"))

    asyncio.run(both())
    both_traces = ended(traces, 2)
    for trace in both_traces:
        others = [found.description for found in steps(trace) if found.description != "join"]
        assert sorted(others) == ["fan", *["work"] * 3]
    assert sum(len(trace.steps) for trace in both_traces) == 8 + flow.joins


def test_a_workflow_in_a_workflow_is_a_step_of_it(traces):
    inner = FanOut()

    class Outer(Workflow):
        @step
        async def delegate(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=await inner.run(topic="inner"))

    asyncio.run(run(Outer()))
    trace = one(traces)
    (nested,) = steps(trace, "chain")
    assert nested.description == "FanOut.run"
    assert parent(trace, nested).description == "delegate"
    assert len(steps(trace, "workflow_step")) == 5 + inner.joins


def test_a_step_that_is_no_coroutine_keeps_its_model_calls(traces):
    llm = Scripted(replies=["sync"])

    class Sync(Workflow):
        @step
        def ask(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=llm.complete("hi").text)

    asyncio.run(run(Sync()))
    trace = one(traces)
    (call,) = steps(trace, "llm_inference")
    assert parent(trace, call).description == "ask"


def test_a_failed_step_is_one_error_of_the_run(traces):
    with pytest.raises(KeyError):
        asyncio.run(run(Broken()))
    trace = one(traces)
    assert status(trace) == "error"
    (error,) = trace.errors
    assert (error.error_type, error.message, error.recoverable) == ("KeyError", "missing", False)
    assert next(step for step in steps(trace) if step.description == "two").error.error_type == "KeyError"


def test_a_time_limit_is_an_error_and_the_step_is_cancelled(traces):
    with pytest.raises(Exception, match="timed out"):
        asyncio.run(run(Slow(timeout=0.05)))
    trace = one(traces)
    assert status(trace) == "error"
    assert [error.error_type for error in trace.errors] == ["WorkflowTimeoutError"]
    assert steps(trace)[0].metadata["status"] == "cancelled"


def test_a_cancelled_task_is_cancelled_and_no_error(traces):
    async def cancel():
        task = asyncio.create_task(run(Slow()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors
    assert steps(trace)[0].metadata["status"] == "cancelled"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_its_user_cancels_is_cancelled(traces):
    async def cancel():
        handler = Slow().run()
        await asyncio.sleep(0.05)
        await handler.cancel_run()
        with contextlib.suppress(BaseException):
            await handler

    asyncio.run(cancel())
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors


def test_waiting_no_longer_is_cancelled(traces):
    async def wait():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run(Slow()), 0.05)

    asyncio.run(wait())
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert not trace.errors


@pytest.mark.filterwarnings("ignore:ConstantDelayRetryPolicy")
def test_a_retried_step_shows_every_attempt_and_the_run_is_ok(traces):
    class Flaky(Workflow):
        tries = 0

        @step(retry_policy=ConstantDelayRetryPolicy(delay=0, maximum_attempts=5))
        async def ask(self, ev: StartEvent) -> StopEvent:
            self.tries += 1
            if self.tries < 3:
                raise ValueError(f"try {self.tries}")
            return StopEvent(result="ok")

    asyncio.run(run(Flaky()))
    trace = one(traces)
    assert status(trace) == "ok"
    assert [step.metadata["status"] for step in steps(trace)] == ["error", "error", "ok"]
    assert [step.metadata["attempt"] for step in steps(trace)] == [1, 2, 3]
    assert [error.recoverable for error in trace.errors] == [True, True]


def test_waiting_for_a_human_is_one_trace_and_the_step_run_again_is_told(traces):
    class Ask(Workflow):
        @step
        async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
            answer = await ctx.wait_for_event(
                HumanResponseEvent, waiter_id="w", waiter_event=InputRequiredEvent(prefix="name?")
            )
            return StopEvent(result=answer.response)

    async def talk():
        handler = Ask(timeout=5).run()
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                handler.ctx.send_event(HumanResponseEvent(response="Ada"))
        return await handler

    assert asyncio.run(talk()) == "Ada"
    trace = one(traces)
    assert status(trace) == "ok"
    assert trace.output_summary == "Ada"
    if RUNS_AGAIN:
        first, second = steps(trace)
        assert first.metadata["status"] == "interrupted"
        assert second.metadata["replayed"] is True


def test_workflow_done_is_no_error(traces):
    asyncio.run(run(FanOut()))
    assert not one(traces).errors


def test_a_workflow_that_gives_nothing_is_ok(traces):
    class Nothing(Workflow):
        @step
        async def end(self, ev: StartEvent) -> StopEvent:
            return StopEvent()

    asyncio.run(run(Nothing()))
    assert status(one(traces)) == "ok"


def test_a_task_that_outlives_its_run_is_in_the_trace_if_it_ends_in_time(traces):
    llm = Scripted(replies=["late"])

    class Spawn(Workflow):
        @step
        async def spawn(self, ev: StartEvent) -> StopEvent:
            self.task = asyncio.create_task(self.later())
            await asyncio.sleep(0)
            return StopEvent(result="early")

        async def later(self):
            @get_dispatcher(__name__).span
            async def work():
                await asyncio.sleep(0.05)
                return (await llm.acomplete("late?")).text

            return await work()

    async def go():
        flow = Spawn()
        await flow.run()
        await flow.task

    asyncio.run(go())
    trace = one(traces)
    assert trace.output_summary == "early"
    assert len(steps(trace, "llm_inference")) == 1


def test_a_task_that_outlives_the_grace_too_is_left_out_and_nothing_is_sent_twice(traces):
    class Spawn(Workflow):
        @step
        async def spawn(self, ev: StartEvent) -> StopEvent:
            @get_dispatcher(__name__).span
            async def work():
                await self.gate.wait()

            self.gate = asyncio.Event()
            self.task = asyncio.create_task(work())
            await asyncio.sleep(0)
            return StopEvent(result="early")

    async def go():
        flow = Spawn()
        await flow.run()
        traces.recorder.sweep(time.perf_counter() + 10)
        flow.gate.set()
        await flow.task

    asyncio.run(go())
    flush(1)
    assert len(traces) == 1
    assert traces.recorder.open_traces == 0


def test_a_function_that_gives_a_task_does_not_take_what_follows_in(traces):
    dispatcher = get_dispatcher(__name__)
    llm = Scripted(replies=["inner", "outer"])

    async def work():
        return (await llm.acomplete("inner?")).text

    @dispatcher.span
    def start():
        return asyncio.get_running_loop().create_task(work())

    async def go():
        await start()
        await an_engine(llm).aquery("outer?")

    asyncio.run(go())
    first, second = ended(traces, 2)
    assert actions(first) == ["llm_inference"]
    assert second.input_summary == "outer?"


def test_a_task_that_fails_after_its_function_gave_it_is_an_error(traces):
    async def work():
        raise ValueError("in the task")

    @get_dispatcher(__name__).span
    def start():
        return asyncio.get_running_loop().create_task(work())

    async def go():
        with pytest.raises(ValueError, match="in the task"):
            await start()
        await asyncio.sleep(0)

    asyncio.run(go())
    trace = one(traces)
    assert status(trace) == "error"
    assert trace.errors[0].message == "in the task"


@pytest.mark.parametrize("depth", [1, 20])
@pytest.mark.parametrize("owner", [Dispatcher, _SpanHandler], ids=["dispatcher", "handler"])
def test_a_task_that_fails_is_an_error_whatever_is_wrapped_around_its_span(traces, monkeypatch, owner, depth):
    for _ in range(depth):

        def wrapper(*args, inner=owner.span_exit, **kwargs):
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, "span_exit", wrapper)
    test_a_task_that_fails_after_its_function_gave_it_is_an_error(traces)


def test_what_another_handler_runs_when_a_task_has_failed_is_ok(caught, monkeypatch):
    @get_dispatcher(__name__).span
    def look():
        return None

    def span_exit(self, *args, inner=Dispatcher.span_exit, **kwargs):
        if "look" not in kwargs["id_"]:
            look()
            self.span_enter("by hand", inspect.signature(look).bind())
            inner(self, "by hand", inspect.signature(look).bind())
        inner(self, *args, **kwargs)

    @get_dispatcher(__name__).span
    def start():
        return asyncio.get_running_loop().create_future()

    async def go():
        future = start()
        future.set_exception(ValueError("in the task"))
        with pytest.raises(ValueError, match="in the task"):
            await future
        await asyncio.sleep(0)

    monkeypatch.setattr(Dispatcher, "span_exit", span_exit)
    with InfiniumEventHandler(detail="full"):
        asyncio.run(go())
    trace = one(caught)
    assert status(trace) == "error"
    assert [found.metadata["status"] for found in trace.steps] == ["ok", "ok"]


def test_a_step_that_waits_for_an_event_is_interrupted_and_the_run_goes_on(traces):
    from workflows.events import HumanResponseEvent, InputRequiredEvent

    class Asks(Workflow):
        @step
        async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
            answer = await ctx.wait_for_event(
                HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="Shall I?"), waiter_id="w"
            )
            return StopEvent(result=answer.response)

    async def main():
        handler = Asks().run()
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                handler.ctx.send_event(HumanResponseEvent(response="yes"))
        return await handler

    assert asyncio.run(main()) == "yes"
    (task,) = traces
    assert (task.status, task.errors) == ("ok", None)
    asked = [one.metadata["status"] for one in task.steps if one.metadata["name"] == "ask"]
    assert asked == (["interrupted", "ok"] if RUNS_AGAIN else ["ok"])


def test_a_step_that_only_sends_events_says_what_it_sent(traces):
    asyncio.run(run(FanOut(), topic="x"))
    (fan,) = [found for found in steps(one(traces)) if found.description == "fan"]
    if SENDS:
        assert (fan.output_preview, fan.metadata["emits"]) == ("3 × Work", "3 × Work")  # noqa: RUF001


@pytest.mark.skipif(not SENDS, reason="these workflows keep no account of what a step sends")
def test_what_a_step_sends_is_counted_by_kind_and_what_it_returns_beside_is_its_output(traces):
    class Mixed(Workflow):
        @step
        async def fan(self, ctx: Context, ev: StartEvent) -> Work | Done | None:
            ctx.send_event(Done(at=1))
            ctx.send_event(Work(at=1))
            ctx.send_event(Done(at=2))

        @step
        async def work(self, ctx: Context, ev: Work) -> Done:
            ctx.send_event(Done(at=3))
            return Done(at=4)

        @step(num_workers=1)
        async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
            done = ctx.collect_events(ev, [Done] * 4)
            return StopEvent(result=len(done)) if done else None

    asyncio.run(run(Mixed()))
    fan, *rest = steps(one(traces))
    work = next(found for found in rest if found.description == "work")
    assert fan.output_preview == "2 × Done, 1 × Work"  # noqa: RUF001
    assert (work.output_preview, work.metadata["emits"]) == ('{"at": 4}', "2 × Done")  # noqa: RUF001


@pytest.mark.skipif(not SENDS, reason="these workflows keep no account of what a step sends")
def test_a_step_that_sends_one_event_names_it(traces):
    class One(Workflow):
        @step
        async def begin(self, ctx: Context, ev: StartEvent) -> Work | None:
            ctx.send_event(Work(at=1))

        @step
        async def end(self, ev: Work) -> StopEvent:
            return StopEvent()

    asyncio.run(run(One()))
    assert steps(one(traces))[0].output_preview == "Work"


@pytest.mark.parametrize("workers", [1, 4])
def test_a_step_that_gathers_is_ok_however_often_the_framework_runs_it_again(traces, workers):
    class Gather(FanOut):
        @step(num_workers=8)
        async def work(self, ev: Work) -> Done:
            await asyncio.sleep(0)
            return Done(at=ev.at)

        @step(num_workers=workers)
        async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
            await asyncio.sleep(0.01)  # the others come meanwhile, so that what it saw is out of date
            done = ctx.collect_events(ev, [Done] * 3)
            return StopEvent(result={"done": len(done)}) if done else None

    asyncio.run(run(Gather()))
    trace = one(traces)
    assert status(trace) == "ok"
    assert {found.metadata["status"] for found in steps(trace)} == {"ok"}
    assert len([found for found in steps(trace) if found.description == "join"]) >= 3


def test_tools_that_are_gathered_while_others_run_are_ok_with_every_detail(caught):
    llm = Scripted(replies=[("both", [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]), "done"])

    async def ask():
        return await FunctionAgent(tools=[add], llm=llm).run("go")

    with InfiniumEventHandler(detail="full"):
        asyncio.run(ask())
    trace = one(caught)
    assert {found.metadata["status"] for found in trace.steps} == {"ok"}
    assert len([found for found in trace.steps if found.description == "aggregate_tool_results"]) >= 2
