"""Two whole traces as they are read: an agent of LangChain with a tool, a question of LlamaIndex about documents."""

import inspect
import re

import pytest

from infinium_integrations.testing import captured_traces
from infinium_integrations.viewer.terminal.transcript import transcript

AGENT = """\
── input
(1 message that a model's step shows)

━━ 1  model
── input
(1 message that a model's step shows)
── output
(1 message that a model's step shows)

━━ 2  Model
── system
You help customers. Be brief.
── user
Where is my order A-17?
── assistant
Let me look.
→ find_order({"order": "A-17"})

━━ 3  tools
── input
[{"name": "find_order", "args": {"order": "A-17"}, "id": "c1", "type": "tool_call"}]
── output
(1 message that a model's step shows)

━━ 4  find_order
── arguments
{"order": "A-17"}
── result
{"order": "A-17", "status": "shipped", "carrier": "Pony Express"}

━━ 5  model
── input
(3 messages that a model's step shows)
── output
(1 message that a model's step shows)

━━ 6  Model
(3 messages again, from step 2 on)
── tool find_order
{"order": "A-17", "status": "shipped", "carrier": "Pony Express"}
── assistant
It is on its way with Pony Express.
── output
(4 messages that a model's step shows)"""

CALL = '{"name": "find_order", "args": {"order": "A-17"}, "id": "c1"'
LANGCHAIN_1_0 = AGENT.replace(f'[{CALL}, "type": "tool_call"}}]', f'{{"tool_call": {CALL}}}}}')
"""Its agents hand a tool one call, not a list of one."""

RAG = """\
── input
Why is the sea salty?

━━ 1  VectorIndexRetriever
── input
Why is the sea salty?
── document 1 · UUID · score 1
The sea is salty, because rivers carry salt.
── metadata
{"file_name": "sea.txt", "page": 3}

━━ 2  MockEmbedding
── input
Why is the sea salty?
── output
1 vector

━━ 3  Scripted
── system
You are an expert Q&A system that is trusted around the world.
Always answer the query using the provided context information, and not prior knowledge.
Some rules to follow:
1. Never directly reference the given context in your answer.
2. Avoid statements like 'Based on the context, ...' or 'The context information ...' or anything along those lines.
── user
Context information is below.
---------------------
file_name: sea.txt
page: 3

The sea is salty, because rivers carry salt.
---------------------
Given the context information and not prior knowledge, answer the query.
Query: Why is the sea salty?
Answer:
── assistant
Because rivers carry salt into it.
── output
Because rivers carry salt into it."""


def story(task):
    import click

    said = "\n".join(line.rstrip() for line in click.unstyle("\n".join(transcript(task))).strip("\n").split("\n"))
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", said)


def test_an_agent_with_a_tool_reads_like_a_story():
    agents = pytest.importorskip("langchain.agents")
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from lc_support import Model

    from infinium_integrations.langchain import InfiniumCallbackHandler

    @tool
    def find_order(order: str) -> str:
        """Find an order."""
        return f'{{"order": "{order}", "status": "shipped", "carrier": "Pony Express"}}'

    calls = [{"name": "find_order", "args": {"order": "A-17"}, "id": "c1"}]
    model = Model(replies=[AIMessage("Let me look.", tool_calls=calls), "It is on its way with Pony Express."])
    agent = agents.create_agent(model, [find_order], system_prompt="You help customers. Be brief.")
    with captured_traces() as traces:
        agent.invoke(
            {"messages": [("user", "Where is my order A-17?")]},
            {"callbacks": [InfiniumCallbackHandler(name="Support")]},
        )
    hands_one = "ToolCallWithContext" in inspect.getsource(agents.factory)
    assert story(traces[0]) == (LANGCHAIN_1_0 if hands_one else AGENT)


def test_a_question_about_documents_reads_like_a_story():
    pytest.importorskip("llama_index.core")
    from kit import Scripted
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding

    from infinium_integrations.llama_index import InfiniumEventHandler

    document = Document(
        text="The sea is salty, because rivers carry salt.", metadata={"file_name": "sea.txt", "page": 3}
    )
    index = VectorStoreIndex.from_documents([document], embed_model=MockEmbedding(8))
    with captured_traces() as traces, InfiniumEventHandler():
        index.as_query_engine(llm=Scripted(replies=["Because rivers carry salt into it."])).query(
            "Why is the sea salty?"
        )
    assert story(traces[0]) == RAG
