"""Data and arguments of an experiment are checked before anything runs, and each error names its field."""

import json

import pytest

from infinium_integrations import experiment, traces
from infinium_integrations.errors import ConfigurationError, InfiniumError, ValidationError


def given(data, **options):
    """What a task is given for each example."""
    found = experiment(lambda value: value, data, name="Echo", concurrency=1, **options)
    return [row.output for row in found]


def test_of_a_dict_the_input_goes_to_the_task_else_all_but_the_rubric():
    data = [{"input": {"q": 1}, "note": "n"}, {"q": 2, "expected_outcome": "Say 2"}, 3, "four", ["five"]]
    assert given(data) == [{"q": 1}, {"q": 2}, 3, "four", ["five"]]


def test_a_parameter_called_example_gets_the_whole_example():
    data = [{"input": 1, "note": "n"}]
    assert experiment(lambda example: example["note"], data, name="Echo")[0].output == "n"


def test_a_generator_will_do():
    assert given(number for number in range(3)) == [0, 1, 2]


def test_a_csv_file_has_a_row_an_example(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('\ufeffid,input,expected_outcome,note\nx,"a\nb",Say a,\ny,c,,n\n', "utf-8")
    found = experiment(str.upper, path, name="File")
    assert [(row.example_id, row.output) for row in found] == [("x", "A\nB"), ("y", "C")]
    assert found[0].trace.expected_outcome.task_objective == "Say a"
    assert (found[1].trace.expected_outcome, found[1].trace.environment.custom_tags["note"]) == (None, "n")


def test_a_jsonl_file_has_a_line_an_example(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"input": "a\u2028b"}, "c"])) + "\n\n", "utf-8")
    assert given(str(path)) == ["a\u2028b", "c"]


def test_a_data_frame_has_a_row_an_example_and_what_is_missing_is_left_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{"input": "a", "expected_outcome": "Say A"}, {"input": "b"}])
    found = experiment(str.upper, frame, name="Frame")
    assert [row.output for row in found] == ["A", "B"]
    assert [row.trace.expected_outcome is None for row in found] == [False, True]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"data": []}, "data is empty"),
        ({"data": {"input": "a"}}, "data is one dict"),
        ({"data": 5}, "data is a int"),
        ({"data": "what is 6 times 7?"}, "data is 'what is 6 times 7"),
        ({"data": "/nowhere.csv"}, "data: /nowhere.csv can't be read"),
        ({"name": "  "}, "name is blank"),
        ({"name": None}, "name is required"),
        ({"name": "x" * 501}, "name has 501 characters"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"concurrency": 2.5}, "concurrency=2.5"),
        ({"repetitions": 0}, "repetitions=0"),
        ({"repetitions": True}, "repetitions=True"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": "1"}, "timeout='1'"),
        ({"task": 5}, "task is a int"),
        ({"wait": True}, "wait needs an account"),
        ({"expected_outcome": {"objective": "x"}}, "expected_outcome of example 0"),
        ({"data": ["a", {"input": "b", "expected_outcome": {"constraints": 5}}]}, "expected_outcome of example 1"),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(wrong, said):
    ran = []
    arguments = {"task": ran.append, "data": ["a"], "name": "Wrong", **wrong}
    with pytest.raises(InfiniumError) as raised:
        experiment(arguments.pop("task"), arguments.pop("data"), **arguments)
    assert said in str(raised.value)
    assert isinstance(raised.value, ConfigurationError | ValidationError)
    assert ran == []
    assert traces() == []


def test_a_line_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"input": "a"}\nnot json\n')
    with pytest.raises(ConfigurationError, match="data: line 2 of"):
        given(path)


def test_a_chat_engine_is_refused_with_the_cure():
    class ChatEngine:
        def chat(self, message): ...

    with pytest.raises(ConfigurationError, match="a function that makes one for each example"):
        experiment(ChatEngine(), ["a"], name="Chat")
