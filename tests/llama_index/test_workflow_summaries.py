"""What a workflow is asked and answers, whatever it works with beside it."""

import asyncio

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.base.response.schema import Response
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel


class Single(BaseModel):
    answer: str = "Ann."


ALIKE = {"answer": "x", "confidence": 0.3}
NODE = NodeWithScore(node=TextNode(text="The moon is far."), score=0.5)
RESULTS = {  # what a workflow is given, what it gives, and what it is asked and answers
    "a text by its name": ({"query": "q"}, {"answer": "x"}, "q", "x"),
    "a message by its name": ({"input": "q"}, {"response": ChatMessage(role="assistant", content="x")}, "q", "x"),
    "an answer beside its sources": ({"question": "q"}, {"answer": "x", "source_nodes": [NODE]}, "q", "x"),
    "an answer beside the question": ({"question": "q"}, {"question": "q", "answer": "x"}, "q", "x"),
    "messages": ({"messages": [ChatMessage(role="user", content="q")]}, "x", "q", "x"),
    "messages of both": (
        {"messages": [ChatMessage(role="user", content="q")]},
        {"messages": [ChatMessage(role="user", content="q"), ChatMessage(role="assistant", content="x")]},
        "q",
        "x",
    ),
    "a response": ({"query": "q"}, Response(response="x", source_nodes=[NODE]), "q", "x"),
    "parameters": ({"topic": "bears", "style": "short"}, "x", '{"topic": "bears", "style": "short"}', "x"),
    "a structured answer": ({"query": "q"}, ALIKE, "q", '{"answer": "x", "confidence": 0.3}'),
    "nothing": ({"query": "q"}, None, "q", None),
    "a model": ({"query": "q"}, Single(), "q", '{"answer": "Ann."}'),
}


@pytest.mark.parametrize("form", RESULTS)
def test_a_workflows_summaries_are_the_question_and_the_answer_and_nothing_else(traces, form):
    given, came, question, answer = RESULTS[form]

    class Answers(Workflow):
        @step
        async def answer(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=came)

    async def run():
        await Answers().run(**given)

    asyncio.run(run())
    (task,) = traces
    assert (task.input_summary, task.output_summary) == (question, answer)
