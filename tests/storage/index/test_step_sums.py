"""What the index says of nodes, models and tools, over all runs that a query finds."""

import pytest
from test_find import found, keep, model, tool

from infinium_integrations.storage.folder import FolderStore, make_folder
from infinium_integrations.storage.index.database import Index
from infinium_integrations.storage.index.language import parse
from infinium_integrations.storage.index.query import Query
from infinium_integrations.storage.index.steps import Subject

TIMEOUT = ("TimeoutError", "slow")


@pytest.fixture
def root(tmp_path):
    make_folder(tmp_path / "store")
    return tmp_path / "store"


def node(name, error=None, action="chain", **more):
    facts = {"name": name, "node": name, "status": "error" if error else "ok"}
    failed = {"error": {"error_type": error[0], "message": error[1]}} if error else {}
    return {"action": action, "description": name, "metadata": facts, **failed, **more}


def sums(root, query="", **more):
    found = Index(FolderStore(root), []).step_sums(Query(terms=parse(query), **more))
    return {(one.subject.sort, one.subject.name): one for one in found}


def counts(one):
    return one.runs, one.calls, one.errors, one.recovered


def test_a_node_that_was_tried_again_is_one_row_counted_by_how_it_ended(root):
    for name in "abc":
        keep(root, name, [node("researcher", TIMEOUT), node("researcher", TIMEOUT), node("Researcher", action="agent")])
    keep(root, "d", [node("researcher", TIMEOUT), node("researcher", TIMEOUT)])
    rows = sums(root)
    assert list(rows) == [("node", "Researcher")]  # the agent's name, before the chain's
    assert counts(rows["node", "Researcher"]) == (4, 11, 1, 3)
    assert found(root, "node:researcher status:error") == ["a", "b", "c", "d"]


def test_a_model_is_one_row_whether_it_answered_or_not(root):
    keep(root, "a", [model("gpt-4o-2024-08-06", requested="gpt-4o"), model("gpt-4o", error={"error_type": "E"})])
    keep(root, "b", [model("GPT-4o"), model("unknown", metadata={"name": "FakeListChatModel", "status": "ok"})])
    rows = sums(root)
    assert counts(rows["model", "gpt-4o"]) == (2, 3, 1, 0)
    assert rows["node", "FakeListChatModel"].subject == Subject("node", "FakeListChatModel", "llm_inference")
    assert found(root, 'model:"gpt-4o"') == ["a", "b"]
    assert found(root, "node:FakeListChatModel") == ["b"]


def test_times_tokens_and_cost_are_of_all_calls_and_a_node_has_those_of_what_it_calls(root):
    for number in range(1, 101):
        inside = {"node": "writer", "status": "ok", "estimated_cost_usd": 0.5}
        call = {"model": "m", "prompt_tokens": 10, "completion_tokens": 5}
        keep(root, f"{number}", [node("writer"), model("m", llm_call=call, metadata=inside, duration_ms=number)])
    rows = sums(root)
    one = rows["model", "m"]
    assert (one.p50, one.p95, one.tokens, one.cost) == (50, 95, 1_500, 50.0)
    assert (rows["node", "writer"].tokens, rows["node", "writer"].cost) == (1_500, 50.0)
    assert rows["node", "writer"].p95 is None


def test_what_is_in_no_node_counts_to_none(root):
    keep(root, "a", [node(""), tool(""), model("m", llm_call={"model": "m", "prompt_tokens": 7})])
    assert {key: one.tokens for key, one in sums(root).items()} == {("node", ""): 0, ("model", "m"): 7}


def test_every_row_is_found_again_by_its_name_and_no_other_is(root):
    names = ["plan", "planner", 'say "no"', "a*", "日本", "a b", "-x", "tool:x", "<script>", "\u202eabc", "x\ny", " y "]
    for name in names:
        keep(root, name, [node(name), node(f"{name}!", TIMEOUT), tool(name), tool(f"{name}?", TIMEOUT)])
    rows = sums(root)
    assert len(rows) == 4 * len(names)
    for sort, name in rows:
        quoted = '"{}"'.format(name.replace('"', '""'))
        failed = found(root, f"{sort}:{quoted} status:error")
        assert (found(root, f"{sort}:{quoted}"), bool(failed)) == ([name.rstrip("!?")], name[-1] in "!?")


def test_only_the_runs_that_are_asked_for_are_summed_up_whatever_else_their_steps_are(root):
    keep(root, "a", [tool("x"), tool("y", TIMEOUT)], errors=[{"error_type": "E", "message": "the run's own"}])
    keep(root, "b", [tool("x")])
    assert counts(sums(root)["tool", "x"]) == (2, 2, 0, 0)
    rows = sums(root, "tool:y")
    assert {key: one.runs for key, one in rows.items()} == {("tool", "x"): 1, ("tool", "y"): 1}
    assert sums(root, "tool:none") == {}


def test_a_second_query_asks_of_a_step_of_its_own(root):
    keep(root, "a", [tool("x"), tool("y", TIMEOUT)])
    keep(root, "b", [tool("x", TIMEOUT), tool("y")])
    second = parse("tool:y status:error")
    assert found(root, "tool:x status:ok", step=second) == ["a"]
    assert found(root, "tool:x", step=second) == ["a"]
    assert found(root, "tool:x status:error", step=second) == []
