"""A LlamaIndex agent that looks things up in an index before it answers.

    pip install "infinium-integrations[llama-index]"
    python examples/llama_index_rag_agent.py "How long can goods be sent back?"

It makes one trace: the agent's turns, the tool that it calls, and below that the retrieval. The model
and the embeddings are stand-ins that need no key; any function calling model of LlamaIndex's takes their place.
"""

import asyncio
import re
import sys

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms.mock import MockFunctionCallingLLM

from infinium_integrations import flush, traces
from infinium_integrations.llama_index import InfiniumEventHandler

HANDBOOK = ["Goods can be sent back within 30 days.", "Parcels leave the warehouse on weekdays at five."]


class WordEmbedding(BaseEmbedding):
    """Counts words, each in one of 64 places: texts that share words lie close together."""

    def _get_text_embedding(self, text):
        found = [sum(map(ord, word)) % 64 for word in re.findall(r"\w+", text.lower())]
        return [float(found.count(place)) for place in range(64)]

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


def decide(messages, **_):
    """Look it up first, then answer with what was found: the part that a real model would play."""
    last = messages[-1]
    if last.role == "tool":
        return ChatMessage(role="assistant", content=f"Our handbook says: {last.content}")
    call = ToolCallBlock(tool_call_id="call_1", tool_name="search_handbook", tool_kwargs={"question": last.content})
    return ChatMessage(role="assistant", blocks=[call])


index = VectorStoreIndex.from_documents([Document(text=text) for text in HANDBOOK], embed_model=WordEmbedding())
handbook = index.as_retriever(similarity_top_k=1)


async def search_handbook(question: str) -> str:
    """Search the shop's handbook."""
    return "\n".join(found.text for found in await handbook.aretrieve(question))


agent = FunctionAgent(
    name="Shop assistant",
    tools=[search_handbook],
    llm=MockFunctionCallingLLM(response_generator=decide, is_chat_model=True),
    system_prompt="Answer from the handbook.",
)


async def main(question: str) -> None:
    with InfiniumEventHandler():  # or InfiniumEventHandler().register(), once for the whole process
        print(await agent.run(question))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "How long can goods be sent back?"))
    flush(timeout=10)
    task = traces(limit=1)[0]
    for step in task.steps:
        print(f"{step.step_number} under {step.metadata['parent_step']}: {step.action}, {step.metadata['name']}")
