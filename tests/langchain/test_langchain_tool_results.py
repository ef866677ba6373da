"""The result of a tool that returns a Command: the step begins with it, whatever the Command sends beside it."""

from typing import Annotated

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.types import Command
from lc_support import Model, call, one, ordinary, step

OTHER = ToolMessage("of another", tool_call_id="c0", name="other")


def made(*messages, **more):
    """A tool whose Command holds its own result, called ``OWN``, among messages."""

    @tool
    def many(x: str, called: Annotated[str, InjectedToolCallId]) -> Command:
        """Do."""
        own = ToolMessage("the real result", tool_call_id=called)
        return Command(update={"messages": [own if one == "OWN" else one for one in messages]}, **more)

    return many


@pytest.mark.parametrize(
    ("messages", "more", "shown"),
    [
        (["OWN"], {}, "the real result"),
        (["OWN", HumanMessage("note")], {}, "the real result\nuser: note"),
        (["OWN", HumanMessage("note")], {"goto": "__end__"}, "the real result\n→ __end__\nuser: note"),
        ([OTHER, "OWN"], {}, "the real result\ntool other: of another"),
        ([HumanMessage("earlier"), "OWN"], {}, "the real result"),
    ],
)
def test_a_tools_step_begins_with_its_own_result(traces, messages, more, shown):
    asks = AIMessage("", tool_calls=[call("many", {"x": "1"}, "c1")])
    create_agent(Model(replies=[asks, "fin"]), [made(*messages, **more)]).invoke({"messages": ["go"]}, ordinary())
    found = step(one(traces), "many")
    assert found.output_preview == shown == found.tool_call.output_summary
