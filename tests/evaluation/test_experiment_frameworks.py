"""LangChain runnables, and functions that call LangChain, as the tasks of experiments."""

import asyncio
import sys

import pytest

pytest.importorskip("langchain_core")

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from infinium_integrations import aexperiment, experiment, instrument, instrumentation, traces, uninstrument
from infinium_integrations.testing import captured_traces

CITIES = [{"country": "France"}, {"country": "Italy"}]


def model():
    def replies():
        while True:
            yield AIMessage("Rome?", usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})

    return GenericFakeChatModel(messages=replies())


def chain():
    return ChatPromptTemplate.from_template("The capital of {country}?") | model() | StrOutputParser()


def run(task, data):
    return experiment(task, data, name="Capitals")


def run_on_loop(task, data):
    return asyncio.run(aexperiment(task, data, name="Capitals"))


ways = pytest.mark.parametrize("way", [run, run_on_loop])


@ways
def test_a_chain_is_invoked_and_its_runs_are_steps_of_the_examples_trace(way):
    found = way(chain(), CITIES)
    assert [(row.output, row.tokens, row.error) for row in found] == [("Rome?", 9, None)] * 2
    tasks = traces()
    assert {task.trace_id for task in tasks} == {row.trace_id for row in found}
    assert [[step.action for step in task.steps] for task in tasks] == [["llm_inference"]] * 2
    assert {task.steps[0].input_preview for task in tasks} == {
        "user: The capital of France?",
        "user: The capital of Italy?",
    }


@ways
def test_a_models_message_is_shown_as_its_text(way):
    (row,) = way(model(), ["Which?"])
    assert isinstance(row.output, AIMessage)
    assert (row.output_text, row.row()["output"], row.trace.output_summary) == ("Rome?", "Rome?", "Rome?")


@ways
def test_runs_within_a_function_join_the_examples_trace(way):
    capitals = chain()
    found = way(lambda example: capitals.invoke(example) + "!", CITIES)
    assert [(row.output, row.tokens) for row in found] == [("Rome?!", 9)] * 2
    assert len(traces()) == 2


@ways
def test_runs_within_a_coroutine_join_the_examples_trace(way):
    capitals = chain()

    async def ask(given):
        return await capitals.ainvoke(given)

    assert [row.tokens for row in way(ask, CITIES)] == [9, 9]
    assert len(traces()) == 2


@ways
def test_a_runnable_that_fails_leaves_its_error_in_the_row_and_at_its_step(way):
    def fail(_):
        raise LookupError("no such country")

    (row,) = way(RunnableLambda(fail).with_config(run_name="look up"), ["x"])
    assert row.error == "LookupError: no such country"
    (step,) = row.trace.steps
    assert (step.metadata["name"], step.error.message) == ("look up", "no such country")


def test_what_was_traced_before_is_traced_after_and_nothing_else():
    run(chain(), CITIES)
    assert not instrumentation.instrumented("langchain")
    instrument("langchain", tags=["mine"])
    run(chain(), CITIES)
    assert instrumentation.instrumented("langchain")
    uninstrument("langchain")


def test_an_experiment_within_another_leaves_the_outer_one_traced():
    def task(given):
        run(str.upper, ["inner"])
        return chain().invoke(given)

    assert run(task, CITIES)[1].tokens == 9
    assert not instrumentation.instrumented("langchain")


def test_traces_are_caught_in_tests_too():
    with captured_traces() as caught:
        found = run(chain(), CITIES)
    assert len(caught) == 2
    assert {task.environment.custom_tags["experiment"] for task in caught} == {"Capitals"}
    assert [row.tokens for row in found] == [9, 9]


def test_an_experiment_of_plain_functions_imports_no_framework():
    import subprocess

    code = (
        "import sys; from infinium_integrations import experiment; experiment(str.upper, ['a'], name='Shout');"
        "print([m for m in ('langchain_core', 'llama_index', 'pandas', 'jinja2', 'httpx') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"
    assert result.stderr == ""
