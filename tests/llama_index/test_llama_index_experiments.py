"""LlamaIndex engines, retrievers, workflows and agents as the tasks of experiments."""

import asyncio

import pytest
from kit import Scripted
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import MockLLM
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from infinium_integrations import aexperiment, experiment, instrumentation
from infinium_integrations.llama_index import InfiniumEventHandler

QUESTIONS = ["What is a fox?", "What is a dog?"]


def run(task, data):
    return experiment(task, data, name="Zoo")


def run_on_loop(task, data):
    return asyncio.run(aexperiment(task, data, name="Zoo"))


ways = pytest.mark.parametrize("way", [run, run_on_loop])


@pytest.fixture(scope="module")
def index():
    return SummaryIndex.from_documents([Document(text="The fox is quick."), Document(text="The dog is lazy.")])


class Double(Workflow):
    @step
    async def double(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=ev.number * 2)


@ways
def test_a_query_engine_is_asked_and_its_steps_are_in_the_examples_trace(caught, way, index):
    found = way(index.as_query_engine(llm=MockLLM(max_tokens=5)), QUESTIONS)
    assert [row.error for row in found] == [None, None]
    assert all(row.output_text == row.output.response for row in found)
    assert len(caught) == 2
    for task in caught:
        assert {"retrieval", "llm_inference"} <= {step.action for step in task.steps}
    assert not instrumentation.instrumented("llama_index")


@ways
def test_a_retriever_is_asked_for_its_nodes(caught, way, index):
    found = way(index.as_retriever(), QUESTIONS)
    assert [len(row.output) for row in found] == [2, 2]
    assert len(caught) == 2


@ways
def test_a_workflow_gets_the_inputs_fields(caught, way):
    found = way(Double(timeout=30), [{"number": 2}, {"number": 3}])
    assert [row.output for row in found] == [4, 6]
    assert len(caught) == 2


@ways
def test_a_workflow_gets_what_is_no_dict_as_its_input(caught, way):
    class Shout(Workflow):
        @step
        async def shout(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=ev.input.upper())

    assert [row.output for row in way(Shout(timeout=30), ["a"])] == ["A"]


@ways
def test_an_agent_gets_the_input_as_a_message(caught, way):
    agent = FunctionAgent(tools=[], llm=Scripted(replies=["a fox", "a dog"]))
    found = way(agent, QUESTIONS)
    assert sorted(row.output_text for row in found) == ["a dog", "a fox"]
    assert {task.input_summary for task in caught} == set(QUESTIONS)
    assert all(row.steps for row in found)


@ways
def test_a_handler_that_is_registered_already_stays_the_one_that_records(caught, way, index):
    with InfiniumEventHandler(capture_content=False):
        way(index.as_query_engine(llm=MockLLM(max_tokens=5)), ["What is a fox?"])
    (task,) = caught
    assert task.steps
    assert {step.input_preview for step in task.steps} == {None}
