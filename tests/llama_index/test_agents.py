"""An agent's run is one trace: its turns, the model's calls, the tools with what they took and gave, who did what."""

import asyncio

import pytest
from kit import Scripted, actions, add, an_engine, by_number, ended, fail, one, parent, status, steps
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.tools import FunctionTool, QueryEngineTool


def run(agent, *args, **kwargs):
    async def go():
        return await agent.run(*args, **kwargs)

    return asyncio.run(go())


def test_an_agents_run_is_one_trace_of_turns_model_calls_and_tools(traces):
    llm = Scripted(replies=[("let me see", [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]), "it is 3"])
    run(FunctionAgent(tools=[add], llm=llm), "what is 1 + 2?")
    trace = one(traces)
    assert trace.name == "FunctionAgent.run"
    assert (trace.input_summary, trace.output_summary) == ("what is 1 + 2?", "it is 3")
    assert actions(trace) == [
        *("workflow_step", "llm_inference", "tool_use", "tool_use"),
        *("workflow_step", "llm_inference"),
    ]
    first, second = steps(trace, "tool_use")
    assert (first.tool_call.tool_name, first.tool_call.input_summary) == ("add", '{"a": 1, "b": 2}')
    assert (first.tool_call.output_summary, second.tool_call.output_summary) == ("3", "7")
    assert [step.metadata["tool_call_id"] for step in (first, second)] == ["call-0", "call-1"]
    assert trace.llm_usage.api_calls_count == 2
    assert trace.llm_usage.total_tokens == 36
    assert {step.metadata["tools"][0] for step in steps(trace, "llm_inference")} == {"add"}


def test_tools_that_run_at_once_overlap(traces):
    gate = {}

    async def meet(name: str) -> str:
        """Wait for the other."""
        gate.setdefault("barrier", asyncio.Barrier(2))
        await gate["barrier"].wait()
        return name

    llm = Scripted(replies=[("both", [("meet", {"name": "a"}), ("meet", {"name": "b"})]), "done"])
    run(FunctionAgent(tools=[meet], llm=llm), "go")
    one_, two = steps(one(traces), "tool_use")
    assert two.metadata["started_ms"] <= one_.metadata["started_ms"] + one_.duration_ms + 1


def test_a_tools_error_that_the_agent_swallowed_is_the_steps_and_recoverable(traces):
    llm = Scripted(replies=[("try", [("fail", {"why": "broken"})]), "sorry"])
    run(FunctionAgent(tools=[fail], llm=llm), "go")
    trace = one(traces)
    assert status(trace) == "ok"
    (tool,) = steps(trace, "tool_use")
    assert (tool.error.error_type, tool.error.message) == ("ValueError", "broken")
    assert tool.metadata["status"] == "error"
    (error,) = trace.errors
    assert error.recoverable is True


def test_a_tool_that_does_not_exist_is_a_failed_step(traces):
    llm = Scripted(replies=[("try", [("nothing", {"x": 1})]), "sorry"])
    run(FunctionAgent(tools=[add], llm=llm), "go")
    trace = one(traces)
    assert status(trace) == "ok"
    (tool,) = steps(trace, "tool_use")
    assert (tool.tool_call.tool_name, tool.tool_call.input_summary) == ("nothing", '{"x": 1}')
    assert tool.metadata["status"] == "error"
    assert tool.metadata["tool_call_id"] == "call-0"


def test_a_hand_off_is_a_step_and_the_agents_names_are_on_the_steps(traces):
    first = Scripted(replies=[("over", [("handoff", {"to_agent": "writer", "reason": "better"})])])
    reader = FunctionAgent(name="reader", description="reads", llm=first, tools=[add], can_handoff_to=["writer"])
    writer = FunctionAgent(name="writer", description="writes", llm=Scripted(replies=["done"]), tools=[add])
    run(AgentWorkflow(agents=[reader, writer], root_agent="reader"), user_msg="go")
    trace = one(traces)
    assert [step.metadata["agent"] for step in trace.steps] == ["reader", "reader", "reader", "writer", "writer"]
    (handoff,) = steps(trace, "tool_use")
    assert handoff.description == "handoff"
    assert (trace.input_summary, trace.output_summary) == ("go", "done")


def test_a_named_agent_names_the_trace(traces):
    run(FunctionAgent(name="helper", tools=[add], llm=Scripted(replies=["hi"])), "go")
    assert one(traces).name == "helper"


def test_a_react_agent_has_the_same_shape(traces):
    llm = Scripted(
        replies=[
            'Thought: I need a tool\nAction: add\nAction Input: {"a": 1, "b": 2}',
            "Thought: I can answer\nAnswer: 3",
        ]
    )
    run(ReActAgent(tools=[add], llm=llm), "1 + 2?")
    trace = one(traces)
    assert actions(trace) == ["workflow_step", "llm_inference", "tool_use", "workflow_step", "llm_inference"]
    assert trace.output_summary == "3"


def test_an_agent_that_writes_code_shows_the_code_as_a_tools_input(traces):
    llm = Scripted(replies=["<execute>\nprint(1 + 2)\n</execute>", "it is 3"])
    run(CodeActAgent(tools=[add], llm=llm, code_execute_fn=lambda code: "3"), "1 + 2?")
    trace = one(traces)
    (tool,) = steps(trace, "tool_use")
    assert "print(1 + 2)" in tool.tool_call.input_summary
    assert tool.tool_call.output_summary == "3"


def test_an_agent_without_streaming_has_the_same_trace(traces):
    llm = Scripted(replies=[("", [("add", {"a": 1, "b": 2})]), "3"])
    run(FunctionAgent(tools=[add], llm=llm, streaming=False), "1 + 2?")
    assert actions(one(traces)) == ["workflow_step", "llm_inference", "tool_use", "workflow_step", "llm_inference"]


def test_too_many_turns_are_one_error_of_the_run(traces):
    llm = Scripted(replies=[("again", [("add", {"a": 1, "b": 2})])] * 5)
    with pytest.raises(Exception, match=r"(?i)max iterations"):
        run(FunctionAgent(tools=[add], llm=llm), "go", max_iterations=2)
    trace = one(traces)
    assert status(trace) == "error"
    (error,) = trace.errors
    assert error.recoverable is False


def test_a_models_error_is_one_error_at_the_models_step(traces):
    llm = Scripted(replies=[("first", [("add", {"a": 1, "b": 2})]), (RuntimeError("no model"), [])])
    with pytest.raises(RuntimeError, match="no model"):
        run(FunctionAgent(tools=[add], llm=llm), "go")
    trace = one(traces)
    assert status(trace) == "error"
    assert [(error.message, error.recoverable) for error in trace.errors] == [("no model", False)]
    assert steps(trace, "llm_inference")[-1].error.message == "no model"


@pytest.mark.parametrize("sync", [False, True])
def test_an_agent_as_a_tool_is_inside_its_tool_step(traces, sync):
    inner = FunctionAgent(name="inner", tools=[add], llm=Scripted(replies=["inner answer"]))

    async def ask(question: str) -> str:
        """Ask the inner agent."""
        return str(await inner.run(question))

    def ask_in_a_thread(question: str) -> str:
        """Ask the inner agent."""
        return asyncio.run(ask(question))

    tool = FunctionTool.from_defaults(ask_in_a_thread if sync else ask, name="ask")
    llm = Scripted(replies=[("asking", [("ask", {"question": "inner?"})]), "outer answer"])
    run(FunctionAgent(name="outer", tools=[tool], llm=llm), "outer?")
    trace = one(traces)
    assert trace.name == "outer"
    (nested,) = steps(trace, "agent")
    assert parent(trace, nested).action == "tool_use"
    assert nested.output_preview == "inner answer"
    assert trace.llm_usage.api_calls_count == 3


def test_a_query_engine_as_a_tool_has_retrieval_and_model_inside(traces):
    engine = QueryEngineTool.from_defaults(an_engine(Scripted(replies=["blue"])), name="facts", description="facts")
    llm = Scripted(replies=[("look", [("facts", {"input": "sky?"})]), "it is blue"])
    run(FunctionAgent(tools=[engine], llm=llm), "which colour?")
    trace = one(traces)
    (tool,) = steps(trace, "tool_use")
    assert tool.tool_call.tool_name == "facts"
    assert "sky?" in tool.tool_call.input_summary
    (retrieval,) = steps(trace, "retrieval")
    around = parent(trace, retrieval)
    while around is not None and around.action != "tool_use":
        around = parent(trace, around)
    assert around == tool


def test_a_tool_called_by_hand_is_one_step(traces):
    FunctionTool.from_defaults(add)(a=1, b=2)
    trace = one(traces)
    assert actions(trace) == ["tool_use"]
    assert (trace.input_summary, trace.output_summary) == ('{"a": 1, "b": 2}', "3")


def test_chat_with_tools_is_one_trace(traces):
    Scripted(replies=[("", [("add", {"a": 1, "b": 2})])]).chat_with_tools([FunctionTool.from_defaults(add)], "1 + 2?")
    assert actions(one(traces)) == ["llm_inference"]


def test_predict_and_call_runs_real_tools(traces):
    llm = Scripted(replies=[("", [("add", {"a": 1, "b": 2})])])
    llm.predict_and_call([FunctionTool.from_defaults(add)], "1 + 2?")
    assert actions(one(traces)) == ["llm_inference", "tool_use"]


def test_two_agents_at_once_are_two_traces(traces):
    async def both():
        agents = [FunctionAgent(name=name, tools=[add], llm=Scripted(replies=[f"by {name}"])) for name in "ab"]
        await asyncio.gather(*(agent.run(f"for {agent.name}") for agent in agents))

    asyncio.run(both())
    for trace in ended(traces, 2):
        assert trace.input_summary == f"for {trace.name}"
        assert trace.output_summary == f"by {trace.name}"


def test_the_turn_shows_what_the_model_asked_for(traces):
    llm = Scripted(replies=[("let me see", [("add", {"a": 1, "b": 2})]), "3"])
    run(FunctionAgent(tools=[add], llm=llm), "1 + 2?")
    trace = one(traces)
    turn = by_number(trace, 1)
    assert turn.output_preview == '→ add({"a": 1, "b": 2})'


def test_an_agents_turns_are_told_apart(traces):
    from llama_index.core.agent.workflow import FunctionAgent

    def look_up(order: str) -> str:
        """Look an order up."""
        return f"{order} has shipped"

    async def main():
        replies = [("Let me look.", [("look_up", {"order": "A1"})]), "It has shipped."]
        return await FunctionAgent(name="Support", tools=[look_up], llm=Scripted(replies=replies), streaming=False).run(
            "A1?"
        )

    asyncio.run(main())
    turns = [step.description for task in traces for step in task.steps if step.action == "workflow_step"]
    assert turns == ["Support, turn 1", "Support, turn 2"]
    calls = [step.description for task in traces for step in task.steps if step.llm_call]
    assert calls == ["Scripted (Support)"] * 2


def test_a_turn_is_given_what_the_tools_gave_and_does_not_say_again_what_its_model_said(traces):
    calls = [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]
    llm = Scripted(replies=[("let me see", calls), ("again", [("add", {"a": 5, "b": 6})]), "it is 11"])
    run(FunctionAgent(name="Calc", tools=[add], llm=llm), "how much?")
    first, second, third = steps(one(traces), "workflow_step")
    assert (first.input_preview, first.output_preview) == (
        "user: how much?",
        '→ add({"a": 1, "b": 2}), add({"a": 3, "b": 4})',
    )
    assert sorted(second.input_preview.split("\n")) == ["tool add: 3", "tool add: 7"]
    assert (third.input_preview, third.output_preview) == ("tool add: 11", None)


@pytest.mark.parametrize("streaming", [True, False])
def test_turns_that_reason_in_text_or_fail_have_the_tools_results_as_input_too(traces, streaming):
    replies = ['Thought: I need a tool\nAction: fail\nAction Input: {"why": "broken"}', "Thought: I can\nAnswer: no"]
    run(ReActAgent(tools=[fail], llm=Scripted(replies=replies), streaming=streaming), "go")
    first, second = steps(one(traces), "workflow_step")
    assert first.output_preview == '→ fail({"why": "broken"})'
    assert second.input_preview.startswith("tool fail: ")
    assert "broken" in second.input_preview
    assert second.output_preview is None


def test_the_agent_that_takes_over_is_given_what_the_hand_off_says(traces):
    llm = Scripted(replies=[("", [("handoff", {"to_agent": "writer", "reason": "write"})])])
    reader = FunctionAgent(name="reader", description="Reads.", llm=llm, tools=[add], can_handoff_to=["writer"])
    writer = FunctionAgent(name="writer", description="Writes.", llm=Scripted(replies=["done"]), tools=[add])
    run(AgentWorkflow(agents=[reader, writer], root_agent="reader"), user_msg="go")
    first, second = steps(one(traces), "workflow_step")
    assert [first.description, second.description] == ["reader, turn 1", "writer, turn 2"]
    assert second.input_preview.startswith("tool handoff: Agent writer is now handling the request")


def test_a_turn_whose_agent_says_something_of_its_own_shows_that(traces):
    class Polite(FunctionAgent):
        async def take_step(self, *args, **kwargs):
            output = await super().take_step(*args, **kwargs)
            output.response.blocks[0].text = f"Dear user, {output.response.content}"
            return output

    run(Polite(tools=[add], llm=Scripted(replies=["it is 3"]), streaming=False), "1 + 2?")
    (turn,) = steps(one(traces), "workflow_step")
    assert turn.output_preview == "Dear user, it is 3"


def test_the_messages_of_a_turn_are_those_that_its_model_was_sent(traces):
    llm = Scripted(replies=[("", [("add", {"a": 1, "b": 2})]), "3"])
    run(FunctionAgent(tools=[add], llm=llm), "1 + 2?")
    trace = one(traces)
    turn, model = by_number(trace, 4), by_number(trace, 5)
    assert turn.captured.input == [model.captured.input_messages[-1]]


def test_the_structured_answer_of_an_agent_is_its_answer(traces):
    if "structured_output_fn" not in FunctionAgent.model_fields:
        pytest.skip("agents of this version answer by text alone")

    async def totalled(messages, *rest):
        return {"total": 3}

    async def ask():
        agent = FunctionAgent(tools=[add], llm=Scripted(replies=["it is 3"]), structured_output_fn=totalled)
        await agent.run("what is 1 + 2?")

    asyncio.run(ask())
    (task,) = traces
    assert (task.input_summary, task.output_summary) == ("what is 1 + 2?", '{"total": 3}')
    assert task.captured.output["structured_response"] == {"total": 3}
