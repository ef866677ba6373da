"""A workflow that is left at its question to a human, and goes on in another trace with the context that was saved."""

import asyncio
import inspect
import json
import re

import pytest
from kit import Scripted, ended, one, status, steps, tags
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, base_agent
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from workflows.context import JsonSerializer, PickleSerializer
from workflows.events import HumanResponseEvent, InputRequiredEvent

from infinium_integrations import shutdown, trace
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.viewer.html import render

context_types = pytest.importorskip("workflows.context.context_types")
pytestmark = pytest.mark.skipif(
    "last_alive_stamp" not in context_types.SerializedContext.__annotations__,
    reason="older workflows save no start, and end no run that is left",
)


class Returns(Workflow):
    @step
    async def ask(self, ev: StartEvent) -> InputRequiredEvent:
        return InputRequiredEvent(prefix="Shall I?")

    @step
    async def act(self, ev: HumanResponseEvent) -> StopEvent:
        return StopEvent(result=f"did {ev.response}")


class SyncReturns(Workflow):
    @step
    def ask(self, ev: StartEvent) -> InputRequiredEvent:
        return InputRequiredEvent(prefix="Shall I?")

    @step
    def act(self, ev: HumanResponseEvent) -> StopEvent:
        return StopEvent(result=f"did {ev.response}")


class Writes(Workflow):
    @step
    async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent | None:
        ctx.write_event_to_stream(InputRequiredEvent(prefix="Shall I?"))

    @step
    async def act(self, ev: HumanResponseEvent) -> StopEvent:
        return StopEvent(result=f"did {ev.response}")


class Waits(Workflow):
    @step
    async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
        question = InputRequiredEvent(prefix="Shall I?")
        answer = await ctx.wait_for_event(HumanResponseEvent, waiter_id="w", waiter_event=question)
        return StopEvent(result=f"did {answer.response}")


EVERY = [Returns, SyncReturns, Writes, Waits]


async def asked(handler, leave="cancel_run", serializer=None):
    """Read a run's events up to its question, save its context, and leave it."""
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            break
    saved = json.dumps(handler.ctx.to_dict(serializer=serializer or JsonSerializer()))
    if leave == "cancel_run":
        await handler.cancel_run()
    elif leave == "cancel":
        handler.cancel()
    return saved


async def answer(flow, saved, text="yes", serializer=None):
    ctx = Context.from_dict(flow, json.loads(saved), serializer=serializer or JsonSerializer())
    handler = flow.run(ctx=ctx)
    handler.ctx.send_event(HumanResponseEvent(response=text))
    return await handler


async def start(kind, leave="cancel_run", **kwargs):
    return await asked(kind(timeout=None).run(**kwargs), leave)


@pytest.mark.parametrize("leave", ["cancel_run", "cancel", "end of the loop"])
@pytest.mark.parametrize("kind", EVERY)
def test_a_workflow_left_at_its_question_is_interrupted_and_the_answer_is_the_input_of_the_next_trace(
    traces, kind, leave
):
    saved = asyncio.run(start(kind, leave, topic="x"))
    assert asyncio.run(answer(kind(timeout=None), saved)) == "did yes"
    first, second = ended(traces, 2)
    assert (status(first), first.errors) == ("interrupted", None)
    assert first.input_summary == '{"topic": "x"}'
    if kind is not Writes:
        assert first.output_summary == "Shall I?"
    assert (status(second), second.input_summary, second.output_summary) == ("ok", "yes", "did yes")
    assert tags(second)["resumed_from"] == tags(first)["trace_id"]


@pytest.mark.parametrize("kind", [Returns, SyncReturns, Waits])
def test_the_question_of_a_workflow_that_was_left_stands_on_the_step_that_asks_and_on_top_of_its_page(traces, kind):
    asyncio.run(start(kind, topic="x"))
    (trace_,) = ended(traces, 1)
    assert [step.metadata.get("interrupts") for step in trace_.steps] == [[{"prefix": "Shall I?"}]]
    html = render.render_trace(trace_, standalone=False).partition('<div class="ifm-body')[0]
    (question,) = re.findall(r'<div class="ifm-question">.*?</div>', html, re.DOTALL)
    assert "Shall I?" in question


async def answered(kind):
    handler = kind(timeout=None).run(topic="x")
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            handler.ctx.send_event(HumanResponseEvent(response="yes"))
    return await handler


@pytest.mark.parametrize("kind", [Returns, SyncReturns, Waits])
def test_a_question_that_was_answered_stands_nowhere(traces, kind):
    assert asyncio.run(answered(kind)) == "did yes"
    (trace_,) = ended(traces, 1)
    assert status(trace_) == "ok"
    assert not any("interrupts" in step.metadata for step in trace_.steps)


def test_a_question_is_not_kept_with_capture_off(caught):
    with InfiniumEventHandler(capture_content=False):
        asyncio.run(start(Waits, topic="x"))
    (trace_,) = ended(caught, 1)
    assert status(trace_) == "interrupted"
    assert "Shall" not in str(trace_.to_wire())


def test_a_workflow_that_is_answered_in_the_same_run_is_ok_and_resumes_nothing(traces):
    assert asyncio.run(answered(Returns)) == "did yes"
    trace_ = one(traces)
    assert (status(trace_), trace_.input_summary) == ("ok", '{"topic": "x"}')
    assert "resumed_from" not in tags(trace_)


def test_a_held_run_is_interrupted_when_the_process_ends(traces):
    async def hold():
        handler = Waits(timeout=None).run(topic="x")
        await asked(handler, "hold")
        shutdown(1)
        traces.end_all()
        await handler.cancel_run()

    asyncio.run(hold())
    assert status(one(traces)) == "interrupted"


def test_a_run_that_is_still_held_can_be_resumed_from(traces):
    async def both():
        handler = Waits(timeout=None).run(topic="x")
        saved = await asked(handler, "hold")
        await answer(Waits(timeout=None), saved)
        await handler.cancel_run()

    asyncio.run(both())
    second, first = ended(traces, 2)
    assert status(first) == "interrupted"
    assert tags(second)["resumed_from"] == tags(first)["trace_id"]


def test_of_several_conversations_each_resumes_its_own(traces):
    async def several():
        saved = []
        for at in range(3):
            saved.append(await start(Returns, topic=at))
            await asyncio.sleep(0.05)
        for one_ in reversed(saved):
            await answer(Returns(timeout=None), one_)

    asyncio.run(several())
    *first, third, second, initial = ended(traces, 6)
    assert [tags(one_)["resumed_from"] for one_ in (initial, second, third)] == [
        tags(one_)["trace_id"] for one_ in first
    ]


def test_conversations_that_began_at_once_are_told_apart_by_their_thread_id_and_never_confused(traces):
    async def several(**given):
        async def conversation(name):
            with instrument_tags({"thread_id": name} if given else {}):
                return await start(Returns, topic=name)

        saved = await asyncio.gather(*(conversation(name) for name in "ab"))
        for name, one_ in zip("ab", saved, strict=True):
            with instrument_tags({"thread_id": name} if given else {}):
                await answer(Returns(timeout=None), one_)

    asyncio.run(several(thread_id=True))
    first = {one_.input_summary: tags(one_)["trace_id"] for one_ in ended(traces, 4)[:2]}
    assert [tags(one_)["resumed_from"] for one_ in traces[2:]] == [first['{"topic": "a"}'], first['{"topic": "b"}']]
    asyncio.run(several())
    before = {tags(one_)["trace_id"]: one_.input_summary for one_ in ended(traces, 8)[4:6]}
    for name, one_ in zip("ab", traces[6:], strict=True):
        assert before.get(tags(one_).get("resumed_from")) in {None, f'{{"topic": "{name}"}}'}


def test_a_context_saved_elsewhere_resumes_nothing_that_this_process_saw(traces):
    saved = json.loads(asyncio.run(start(Returns, topic="x")))
    saved["last_alive_stamp"] -= 3600
    asyncio.run(answer(Returns(timeout=None), json.dumps(saved)))
    assert "resumed_from" not in tags(ended(traces, 2)[1])


def test_under_trace_the_surrounding_trace_is_interrupted_and_resumed(traces):
    @trace("Request")
    async def request(work):
        return await work

    saved = asyncio.run(request(start(Waits, topic="x")))
    asyncio.run(request(answer(Waits(timeout=None), saved)))
    first, second = ended(traces, 2)
    assert (status(first), status(second)) == ("interrupted", "ok")
    assert tags(second)["resumed_from"] == tags(first)["trace_id"]
    assert steps(second, "chain")[0].input_preview == "yes"


def test_a_time_limit_at_a_question_is_an_error(traces):
    async def wait():
        return await Returns(timeout=0.05).run()

    with pytest.raises(Exception, match="timed out"):
        asyncio.run(wait())
    assert status(one(traces)) == "error"


def test_a_workflow_that_is_cancelled_at_work_is_cancelled(traces):
    class Works(Workflow):
        @step
        async def work(self, ctx: Context, ev: StartEvent) -> StopEvent:
            ctx.write_event_to_stream(InputRequiredEvent(prefix="Only said."))
            await asyncio.sleep(30)
            return StopEvent()

    asyncio.run(start(Works))
    assert status(one(traces)) == "cancelled"


def test_what_was_asked_and_answered_is_not_told_where_content_is_not_captured(caught):
    with InfiniumEventHandler(capture_content=False):
        saved = asyncio.run(start(Waits, topic="x"))
        asyncio.run(answer(Waits(timeout=None), saved))
    first, second = ended(caught, 2)
    assert tags(second)["resumed_from"] == tags(first)["trace_id"]
    assert not any((one_.input_summary, one_.output_summary) != (None, None) for one_ in (first, second))


needs_waiting_tools = pytest.mark.skipif(
    "WaitingForEvent" not in inspect.getsource(base_agent),
    reason="this core's agents take a tool that waits for one that failed",
)


async def danger(ctx: Context, what: str) -> str:
    """Do something that a human must allow."""
    question = InputRequiredEvent(prefix=f"Really {what}?")
    allowed = await ctx.wait_for_event(HumanResponseEvent, waiter_id=what, waiter_event=question)
    return f"{what}: {allowed.response}"


def an_agent(several, *replies):
    agent = FunctionAgent(name="Ops", description="Does it.", tools=[danger], llm=Scripted(replies=list(replies)))
    return AgentWorkflow(agents=[agent], root_agent="Ops", timeout=None) if several else agent


@needs_waiting_tools
@pytest.mark.parametrize("several", [False, True], ids=["FunctionAgent", "AgentWorkflow"])
def test_an_agents_tool_that_asks_a_human_interrupts_the_trace_and_goes_on_in_the_next(traces, several):
    serializer = PickleSerializer()
    call = ("Let me.", [("danger", {"what": "drop"})])
    saved = asyncio.run(_begun(an_agent(several, call), serializer))
    assert str(asyncio.run(answer(an_agent(several, "Done."), saved, serializer=serializer))) == "Done."
    first, second = ended(traces, 2)
    (tool,) = steps(first, "tool_use")
    assert (status(first), first.output_summary) == ("interrupted", "Really drop?")
    assert (tool.metadata["status"], tool.output_preview) == ("interrupted", "Really drop?")
    assert (status(second), second.input_summary, second.output_summary) == ("ok", "yes", "Done.")
    assert steps(second, "tool_use")[0].output_preview == "drop: yes"
    assert tags(second)["resumed_from"] == tags(first)["trace_id"]


async def _begun(agent, serializer):
    return await asked(agent.run(user_msg="Drop it."), serializer=serializer)


@needs_waiting_tools
@pytest.mark.parametrize("several", [False, True], ids=["FunctionAgent", "AgentWorkflow"])
def test_the_question_of_a_tool_stands_once_on_the_tools_step(traces, several):
    asyncio.run(_begun(an_agent(several, ("Let me.", [("danger", {"what": "drop"})])), PickleSerializer()))
    (trace_,) = ended(traces, 1)
    found = [(step.action, step.metadata["interrupts"]) for step in trace_.steps if "interrupts" in step.metadata]
    assert found == [("tool_use", [{"prefix": "Really drop?"}])]


@needs_waiting_tools
@pytest.mark.parametrize("several", [False, True], ids=["FunctionAgent", "AgentWorkflow"])
def test_an_agents_tool_that_is_answered_at_once_is_one_trace_that_is_ok(traces, several):
    async def talk():
        handler = an_agent(several, ("Let me.", [("danger", {"what": "drop"})]), "Done.").run(user_msg="Drop it.")
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                handler.ctx.send_event(HumanResponseEvent(response="yes"))
        return str(await handler)

    assert asyncio.run(talk()) == "Done."
    trace_ = one(traces)
    assert (status(trace_), trace_.errors) == ("ok", None)
    assert [tool.metadata["status"] for tool in steps(trace_, "tool_use")] == ["interrupted", "ok"]
