"""The programs in examples/ run offline as they stand, each in a process of its own, and leave what they promise."""

import subprocess
import sys
from pathlib import Path

import pytest
from children import PATIENCE

from infinium_integrations import experiments, traces

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    """Run an example, which keeps its traces in this test's store; return what it prints."""
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", EXAMPLES / f"{name}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(("answer", "outcome"), [("yes", "refunded"), ("no", "refused")])
def test_a_graph_that_asks_a_person_leaves_an_interrupted_trace_and_one_that_goes_on_from_it(answer, outcome):
    pytest.importorskip("langgraph")
    printed = run("langgraph_interrupt", answer)
    assert f"Outcome: {outcome}" in printed
    resumed, asked = traces()
    assert (asked.status, resumed.status) == ("interrupted", "ok")
    assert resumed.environment.custom_tags["resumed_from"] == asked.trace_id
    assert [(step.action, step.metadata["name"]) for step in asked.steps] == [
        ("chain", "propose"),
        ("llm_inference", "FakeListChatModel"),
        ("chain", "approve"),
    ]
    assert {task.environment.custom_tags["session_id"] for task in (asked, resumed)} == {"ticket-4711"}


def test_a_rag_agent_leaves_one_trace_with_the_retrieval_below_the_tool_that_asked_for_it():
    pytest.importorskip("llama_index.core")
    printed = run("llama_index_rag_agent", "When do parcels leave?")
    assert "Our handbook says: Parcels leave the warehouse on weekdays at five." in printed
    (task,) = traces()
    assert (task.name, task.status, task.input_summary) == ("Shop assistant", "ok", "When do parcels leave?")
    above = {step.step_number: step for step in task.steps}
    (search,) = (step for step in task.steps if step.action == "retrieval")
    tool = above[search.metadata["parent_step"]]
    assert (tool.action, tool.metadata["name"]) == ("tool_use", "search_handbook")
    assert search.metadata["document_count"] == 1


def test_an_experiment_leaves_a_trace_with_its_rubric_for_each_ticket_and_prompt():
    pytest.importorskip("langchain_core")
    printed = run("experiment")
    assert "Two departments 3 of 4 right" in printed
    assert "Three departments 4 of 4 right" in printed
    better, first = experiments()
    assert (first.name, better.name) == ("Two departments", "Three departments")
    assert [row.output for row in better] == ["billing", "technical", "technical", "other"]
    assert {task.expected_outcome.task_objective for task in traces('tag:"experiment=Two departments"')} == {
        "Says billing",
        "Says technical",
        "Says other",
    }
