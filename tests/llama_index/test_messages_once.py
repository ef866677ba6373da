"""Each message of an agent's run stands once in its conversation, and a tool that failed once is one error."""

import asyncio

import pytest
from kit import Scripted, one, steps
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import AsyncBaseTool, BaseTool, ToolMetadata, ToolOutput

PIXEL = b"iVBORw0KGgo" * 300


class Calling(Scripted):
    """Puts its calls in the blocks of its message, as today's packages do."""

    def _next(self):
        text, calls = self.replies.pop(0)
        blocks = [
            ToolCallBlock(tool_call_id=f"c{at}", tool_name=name, tool_kwargs=given) for at, (name, given) in calls
        ]
        said = [TextBlock(text=text)] if text else []
        return ChatResponse(message=ChatMessage(role="assistant", blocks=said + blocks))

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        return [
            ToolSelection(tool_id=block.tool_call_id, tool_name=block.tool_name, tool_kwargs=block.tool_kwargs)
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]


def picture(of: str) -> list:
    """Show a picture."""
    return [TextBlock(text=f"a {of}"), ImageBlock(image=PIXEL, image_mimetype="image/png")]


def run(tool, *calls, text=""):
    replies = [(text, list(enumerate(calls))), ("done", [])]
    agent = FunctionAgent(tools=[tool], llm=Calling(replies=replies), streaming=False)

    async def go():
        return str(await agent.run("go"))

    assert asyncio.run(go()) == "done"


def roles(trace):
    return [message["role"] for message in trace.captured.messages]


def test_what_the_model_said_with_its_calls_is_one_message_which_the_turn_shows(traces):
    run(picture, ("picture", {"of": "cat"}), text="let me see")
    trace = one(traces)
    assert roles(trace) == ["user", "assistant", "tool", "assistant"]
    turn, _ = steps(trace, "workflow_step")
    call, _ = steps(trace, "llm_inference")
    assert turn.output_preview == call.output_preview == 'let me see\n→ picture({"of": "cat"})'
    assert turn.captured.output == trace.captured.messages[1]


def test_a_tool_that_gives_several_blocks_gives_one_message(traces):
    run(picture, ("picture", {"of": "cat"}), ("picture", {"of": "dog"}))
    trace = one(traces)
    told = [message for message in trace.captured.messages if message["role"] == "tool"]
    assert {message["parts"][0]["id"] for message in told} == {"c0", "c1"}
    assert len(told) == 2
    for step in steps(trace, "tool_use"):
        assert [part["type"] for part in step.captured.result] == ["text", "blob"]
        assert step.output_preview.startswith("a ")


def refused(name):
    return ToolOutput(content="quota exceeded", tool_name=name, raw_input={}, raw_output=None, is_error=True)


class Plain(BaseTool):
    @property
    def metadata(self):
        return ToolMetadata(name="plain", description="d")

    def __call__(self, *given, **named):
        return refused("plain")


class Both(AsyncBaseTool):
    @property
    def metadata(self):
        return ToolMetadata(name="both", description="d")

    def call(self, *given, **named):
        return refused("both")

    async def acall(self, *given, **named):
        return self.call()


@pytest.mark.parametrize("tool", [Plain(), Both()])
def test_a_tool_that_says_that_it_failed_is_one_error_for_each_call(traces, tool):
    name = tool.metadata.name
    run(tool, (name, {"input": "a"}), (name, {"input": "b"}))
    trace = one(traces)
    assert [error.message for error in trace.errors] == ["quota exceeded"] * 2
    assert [step.metadata["status"] for step in steps(trace, "tool_use")] == ["error", "error"]
    assert all(step.error for step in steps(trace, "tool_use"))
