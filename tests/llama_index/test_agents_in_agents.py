"""An agent that works inside something else goes by the name that its user gave it there, too."""

import asyncio

from kit import Scripted, one, steps
from llama_index.core.agent.workflow import FunctionAgent

from infinium_integrations import trace


def test_an_agent_inside_a_trace_has_its_own_name(traces):
    async def go():
        with trace("Orchestrate"):
            for name in ("Sub", "Other"):
                await FunctionAgent(name=name, llm=Scripted(replies=["7"]), streaming=False).run("3 + 4?")

    asyncio.run(go())
    assert [step.description for step in steps(one(traces), "agent")] == ["Sub", "Other"]
