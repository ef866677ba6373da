"""The page shows experiments, each with its examples, and compares several of them, or several traces."""

import httpx
import pytest
from serving import serving

from infinium_integrations import experiment, runtime, trace

HOSTILE = '<script>alert("x")</script>\u202e'


@pytest.fixture
def found():
    def task(text):
        if text == "b":
            raise LookupError(HOSTILE)
        return text + HOSTILE

    first = experiment(task, ["a", "b", HOSTILE], name="first " + HOSTILE)
    return first, experiment(str.upper, ["a", "b", HOSTILE], name="second, 2")


@pytest.fixture
def page(found):
    with (
        serving(runtime.current().delivery.reader) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        yield client


def test_the_experiments_are_listed_the_latest_first_with_their_totals(page, found):
    text = page.get("/experiments").text
    assert text.index(f'href="/experiments/{found[1].id}"') < text.index(f'href="/experiments/{found[0].id}"')
    assert "2 experiments" in text
    assert "✕ 1" in text
    assert "<script>alert" not in text


def test_an_experiment_has_a_row_an_example_that_leads_to_its_trace(page, found):
    text = page.get(f"/experiments/{found[0].id}").text
    for row in found[0]:
        assert f'href="/traces/{row.trace_id}"' in text
    assert "✕ 1 failed" in text
    assert "LookupError" in text
    assert "<script>alert" not in text
    assert "\u202e" not in text


def test_an_answer_of_several_lines_is_not_cut_at_the_first():
    found = experiment(lambda text: f"Sure!\n\nIt is {text}", ["a\nb"], name="lines")
    assert "Sure! It is a b" in repr(found)
    with serving(runtime.current().delivery.reader) as address, httpx.Client(base_url=address, trust_env=False) as page:
        assert "Sure! It is a b" in page.get(f"/experiments/{found.id}").text
        assert "Sure! It is a b" in page.get(f"/compare?e={found.id}&e={found.id}").text


def test_a_repetition_is_numbered_as_in_a_terminal():
    found = experiment(str.upper, ["a"], name="twice", repetitions=2)
    with serving(runtime.current().delivery.reader) as address:
        text = httpx.get(f"{address}/experiments/{found.id}", trust_env=False).text
    assert '0<span class="ifm-muted">.2</span>' in text
    assert "× 2" not in text  # noqa: RUF001


def test_the_traces_of_an_experiment_are_a_click_away(page, found):
    assert f'href="/?tag={found[0].id}"' in page.get(f"/experiments/{found[0].id}").text
    listed = page.get("/", params={"tag": found[0].id}).text
    assert {part.partition('"')[0] for part in listed.split('data-id="')[1:]} == {row.trace_id for row in found[0]}


def test_ticked_experiments_are_compared_the_older_one_first(page, found):
    answer = page.get("/compare", params={"e": [found[1].id, found[0].id]})
    assert answer.status_code == 200
    assert "3 of 3 examples differ" in answer.text
    assert answer.text.index("first ") < answer.text.index("second, 2")
    assert f'href="/traces/{found[1][0].trace_id}"' in answer.text
    ids = [one[0].trace_id for one in found]
    assert f'href="/compare?t={ids[1]}&amp;t={ids[0]}"' in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("wanted", [["none"], ["none", "nothing"], ["{0}"], ["{0}", "none"], ["", ""]])
def test_a_comparison_of_experiments_needs_two(page, found, wanted):
    answer = page.get("/compare", params={"e": [one.format(found[0].id) for one in wanted]})
    assert answer.status_code == 400
    assert "Choose two experiments" in answer.text


@pytest.mark.parametrize("wanted", ["none", "experiment", "%00", "x" * 5_000])
def test_what_is_no_experiment_is_not_found(page, wanted):
    assert page.get(f"/experiments/{wanted}").status_code == 404


@pytest.mark.parametrize("asked", ["t", "e", "session", "tag"])
def test_more_than_are_compared_at_once_are_refused_and_not_left_out(page, asked):
    answer = page.get("/compare", params={asked: ["x"] * 13})
    assert answer.status_code == 400
    assert "12 are compared at once, at most." in answer.text


def test_several_traces_are_compared_too(page, found):
    answer = page.get("/compare", params={"t": [row.trace_id for row in found[0]]})
    assert answer.status_code == 200
    assert "3 runs side by side" in answer.text
    assert "<script>alert" not in answer.text


def test_without_experiments_the_page_says_how_to_make_one():
    with serving(runtime.current().delivery.reader) as address:
        text = httpx.get(f"{address}/experiments", trust_env=False).text
    assert "experiment(task, data, name=" in text


def test_sessions_and_tags_are_compared_in_one_table():
    for number, session in enumerate(["s-1", "s-2", "s-2"]):
        with trace("Ask", metadata={"session_id": session}, tags=[f"t{number}"]):
            pass
    with serving(runtime.current().delivery.reader) as address, httpx.Client(base_url=address, trust_env=False) as page:
        text = page.get("/sessions").text
        assert 'name="session" value="s-1"' in text
        answer = page.get("/compare", params={"session": ["s-2", "s-1"], "tag": "t2"})
        assert answer.status_code == 200
        assert [name in answer.text for name in ("s-1", "s-2", "tag t2")] == [True] * 3
        assert answer.text.index("s-1") < answer.text.index("s-2")
        for wanted in (["s-1"], ["s-1", "none"]):
            assert page.get("/compare", params={"session": wanted}).status_code == 400
