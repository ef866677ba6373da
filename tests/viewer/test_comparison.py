import pytest
import samples

from infinium_integrations import compare
from infinium_integrations.viewer.formatting import word_changes


def changed():
    other = samples.agent()
    other.steps[8].output_preview = "The order is 40 days old: not eligible."
    other.steps[8].llm_call.model = "gpt-4o-mini"
    other.steps[1].duration_ms = 2_640
    other.output_summary = "Sorry"
    other.environment.custom_tags["experiment"] = "prompt-v3"
    del other.steps[9]
    return other


def test_the_same_run_twice_differs_in_nothing():
    same = compare(samples.agent(), samples.agent())
    assert same.different == []
    assert same.changes == []
    assert repr(same) == "0 of 11 steps of 'Refund request' and 'Refund request' differ"


def test_steps_are_compared_with_their_like_and_what_differs_is_named():
    found = compare(samples.agent(), changed())
    assert {pair.either.title: pair.differs for pair in found.different} == {
        "policy_search": "time",
        "ChatOpenAI": "model, output",
        "format_reply": "only in A",
    }
    assert [change.label for change in found.changes] == ["Steps", "experiment", "Output"]


def test_a_step_that_only_the_second_run_has_is_shown_in_its_place():
    found = compare(changed(), samples.agent())
    place = [pair.either.title for pair in found.pairs].index("format_reply")
    assert found.pairs[place].differs == "only in B"
    assert found.pairs[place].left is None


def test_an_error_that_is_gone_is_a_difference():
    found = compare(samples.failed(), samples.failed())
    assert found.different == []
    other = samples.failed()
    other.steps[2].error = None
    other.steps[2].metadata["status"] = "ok"
    (pair,) = compare(samples.failed(), other).different
    assert pair.differs == "status, error"


def test_small_differences_in_time_are_no_news():
    other = samples.agent()
    other.steps[0].duration_ms += 90
    assert compare(samples.agent(), other).different == []


def test_it_shows_itself_and_escapes_what_it_shows():
    shown = compare(samples.agent(), samples.hostile())._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert "only in A" in shown["text/plain"]
    marked = compare(samples.agent(), changed())._repr_mimebundle_()["text/html"]
    assert "<ins>Sorry</ins>" in marked
    assert "<del>" in marked


def test_very_long_runs_are_compared_place_by_place():
    found = compare(samples.run(1_500), samples.run(1_501))
    assert len(found.pairs) == 1_501
    assert [pair.differs for pair in found.different] == ["only in B"]
    assert "501 more pairs of steps" in found._repr_mimebundle_()["text/html"]


def test_a_data_frame_has_a_row_a_pair():
    pytest.importorskip("pandas")
    frame = compare(samples.agent(), changed()).to_dataframe()
    assert len(frame) == 11
    row = frame[frame["name"] == "format_reply"].iloc[0]
    assert (row["step_a"], row["differs"]) == (10, "only in A")
    assert frame["tokens_a"].sum() == 9_930


def test_words_are_compared_and_nothing_is_lost():
    parts = word_changes("a quick brown fox", "a slow brown fox!")
    assert "".join(old for _, old, _ in parts) == "a quick brown fox"
    assert "".join(new for _, _, new in parts) == "a slow brown fox!"
    assert ("replace", "quick", "slow") in parts


def test_long_texts_are_put_side_by_side_whole():
    assert word_changes("a " * 2_000, "b") == [("replace", "a " * 2_000, "b")]
