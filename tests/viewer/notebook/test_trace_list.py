import sys

import pytest
import samples

from infinium_integrations import experiment, flush, traces
from infinium_integrations.models import DeliveryState
from infinium_integrations.viewer.notebook.trace_list import TraceList


def test_a_table_compares_runs():
    runs = TraceList([samples.agent(), samples.failed(), samples.bare()])
    shown = runs._repr_mimebundle_()
    for said in (
        "Refund request",
        "$0.0323",
        "9,930",
        "11.5 s",
        "experiment: prompt-v2",
        "production",
        "annual plan",
        "✕ 1",
    ):
        assert said in shown["text/html"]
    assert shown["text/plain"].splitlines()[0] == "3 traces"
    assert "✕ error  Nightly research  6.20 s  460 tokens" in shown["text/plain"]


def test_a_table_of_an_experiments_runs_has_its_name_and_not_what_finds_them_again():
    found = experiment(str.upper, ["a"], name="loud")
    assert flush(20)
    html = traces(tag=found.id)._repr_mimebundle_()["text/html"]
    assert "experiment: loud" in html
    assert not [name for name in ("experiment_run", "example_id", "repetition") if name in html]


def test_in_text_what_is_unknown_is_left_out():
    assert "tokens" not in repr(TraceList([samples.retriever()]))


def test_hostile_runs_are_escaped():
    assert "<script>" not in TraceList([samples.hostile()])._repr_mimebundle_()["text/html"]


def test_no_runs_are_no_table():
    assert "<table" not in TraceList()._repr_mimebundle_()["text/html"]
    assert repr(TraceList()) == "0 traces"
    assert repr(TraceList([samples.bare()])).startswith("1 trace\n")


def test_of_very_many_runs_the_first_are_shown_and_it_is_said():
    shown = TraceList([samples.bare()] * 300)._repr_mimebundle_()["text/html"]
    assert "300 traces, the first 200 shown" in shown


def test_without_jinja2_there_is_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "infinium_integrations.viewer.html.render", None)
    assert set(TraceList([samples.bare()])._repr_mimebundle_()) == {"text/plain"}


def test_a_data_frame_has_a_row_a_trace_and_a_column_a_label():
    pytest.importorskip("pandas")
    frame = TraceList([samples.agent().with_delivery(DeliveryState(status="sent")), samples.bare()]).to_dataframe()
    assert len(frame) == 2
    first = frame.iloc[0]
    assert (first["name"], first["total_tokens"], first["errors"], first["tag.experiment"]) == (
        "Refund request",
        9930,
        1,
        "prompt-v2",
    )
    assert (first["delivery"], first["tags"], first["session_id"]) == ("sent", ["support", "production"], "chat-4711")
    assert str(frame["ended"].dtype).startswith("datetime64")


def test_no_traces_make_an_empty_data_frame_with_its_columns():
    pytest.importorskip("pandas")
    frame = TraceList().to_dataframe()
    assert len(frame) == 0
    assert "cost_usd" in frame.columns


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        TraceList().to_dataframe()


def test_tokens_are_summed_where_only_their_parts_are_known():
    from infinium_integrations.viewer.summary import TraceSummary

    task = samples.bare()
    task.llm_usage = {"prompt_tokens": 3, "completion_tokens": 4}
    assert TraceSummary(task).tokens == 7
    task.llm_usage = {"model": "m"}
    assert TraceSummary(task).tokens is None
