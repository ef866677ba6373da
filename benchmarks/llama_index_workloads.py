"""LlamaIndex programs: a query, the same streamed with 500 tokens, an agent with 3 tool calls."""

import asyncio
import sys
from pathlib import Path

from llama_index.core.agent.workflow import FunctionAgent

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from kit import Scripted, add, an_index

TOKENS = 500


def workloads():
    index = an_index("the sky is blue", "the sea is salty")

    def query(config):
        index.as_query_engine(llm=Scripted(replies=["It is blue."])).query("Which colour?")

    def streamed(config):
        engine = index.as_query_engine(llm=Scripted(replies=[" ".join(["token"] * TOKENS)]), streaming=True)
        for _ in engine.query("Which colour?").response_gen:
            pass

    def agent(config):
        calls = [(f"turn {at}", [("add", {"a": at, "b": 1})]) for at in range(3)]
        agent = FunctionAgent(tools=[add], llm=Scripted(replies=[*calls, "done"]))

        async def go():
            await agent.run("Add.")

        asyncio.run(go())

    return {"Q1": (query, 22, 10), "Q2": (streamed, 22 + TOKENS, 4), "Q3": (agent, 60, 6)}
