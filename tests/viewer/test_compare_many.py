"""Comparing by ids, several runs, groups of runs; steps paired by what they are; texts compared whole."""

import time

import pytest
import samples

from infinium_integrations import compare, experiment, flush, trace, traces
from infinium_integrations.errors import ValidationError
from infinium_integrations.models import ExecutionStep, LlmCall, TaskData, ToolCall
from infinium_integrations.testing import captured_traces
from infinium_integrations.viewer.formatting import word_changes
from infinium_integrations.viewer.outcomes import text_table
from infinium_integrations.viewer.said import as_text


def tool(number, name, arguments, result="ok", parent=None, **metadata):
    return ExecutionStep(
        step_number=number,
        action="tool_use",
        description=name,
        duration_ms=5,
        tool_call=ToolCall(tool_name=name, input_summary=arguments, output_summary=result),
        metadata={"name": name, "parent_step": parent, "started_ms": number, **metadata},
    )


def agent(number, name, parent=None):
    meta = {"name": name, "parent_step": parent, "started_ms": number}
    return ExecutionStep(step_number=number, action="agent", description=name, duration_ms=50, metadata=meta)


def model(number, answer="yes"):
    return ExecutionStep(
        step_number=number,
        action="llm_inference",
        description="model",
        output_preview=answer,
        llm_call=LlmCall(model="m"),
        metadata={"name": "model"},
    )


def run(*steps, **fields):
    given = {"name": "run", "description": "run", "duration": 1.0, "current_datetime": "2026-01-02T03:04:05Z"}
    return TaskData(**{**given, **fields}, steps=list(steps))


def differing(a, b):
    return [(pair.either.title, pair.differs) for pair in compare(a, b).different]


def test_calls_made_at_the_same_time_are_paired_by_their_arguments():
    cities = ["Rome", "Paris", "Oslo"]
    a = run(*(tool(n, "weather", city) for n, city in enumerate(cities, 1)))
    b = run(*(tool(n, "weather", city) for n, city in enumerate(reversed(cities), 1)))
    assert differing(a, b) == []


def test_a_call_more_among_many_is_the_only_one_that_stands_alone():
    a = run(tool(1, "weather", "Rome"), tool(2, "weather", "Oslo"))
    b = run(tool(1, "weather", "Rome"), tool(2, "weather", "Paris"), tool(3, "weather", "Oslo"))
    assert differing(a, b) == [("weather", "only in B")]


def test_calls_with_other_arguments_are_paired_one_after_the_other():
    a = run(tool(1, "weather", "Rome"), tool(2, "weather", "Oslo"))
    b = run(tool(1, "weather", "Roma"), tool(2, "weather", "Oslo"))
    (pair,) = compare(a, b).different
    assert (pair.left.step.step_number, pair.right.step.step_number) == (1, 1)
    assert [(change.label, change.left, change.right) for change in pair.changes] == [("Arguments", "Rome", "Roma")]


def test_tools_that_ended_up_in_another_order_are_still_each_other():
    a = run(tool(1, "search", "x"), tool(2, "order", "7"))
    b = run(tool(1, "order", "7"), tool(2, "search", "x"))
    assert differing(a, b) == []


def test_steps_are_paired_below_the_same_parent_only():
    a = run(agent(1, "one"), tool(2, "search", "x", parent=1), agent(3, "two"), tool(4, "search", "y", parent=3))
    b = run(agent(1, "one"), agent(2, "two"), tool(3, "search", "y", parent=2))
    assert differing(a, b) == [("search", "only in A")]


def test_an_agent_that_was_renamed_is_the_same_agent():
    a = run(agent(1, "support-v1"), tool(2, "search", "x", parent=1))
    b = run(agent(1, "support-v2"), tool(2, "search", "x", parent=1))
    assert differing(a, b) == [("support-v1", "name")]


def test_what_only_the_second_run_has_stands_where_it_ran():
    a = run(tool(1, "a", ""), tool(2, "c", ""))
    b = run(tool(1, "a", ""), tool(2, "b", ""), tool(3, "c", ""), tool(4, "d", ""))
    assert [pair.either.title for pair in compare(a, b).pairs] == ["a", "b", "c", "d"]


def kept(prompt, question, answer="Yes", arguments=None):
    said = [
        {"role": "system", "parts": [{"type": "text", "content": prompt}]},
        {"role": "user", "parts": [{"type": "text", "content": question}]},
        {"role": "assistant", "parts": [{"type": "text", "content": answer}]},
    ]
    steps = {"1": {"input_messages": [0, 1], "output_messages": [2], "tools": ["search"]}}
    if arguments:
        steps["2"] = {"arguments": arguments, "result": {"found": 1}}
    task = run(model(1), tool(2, "search", "preview"))
    return task.with_captured({"messages": said, "steps": steps, "input": question, "output": answer})


def test_prompts_are_compared_whole_beyond_what_previews_show():
    long = "Be kind. " * 300
    (pair,) = compare(kept(long + "Answer in one word.", "q"), kept(long + "Answer in one line.", "q")).different
    assert [change.label for change in pair.changes] == ["System prompt"]
    ((before, after),) = [
        (old, new) for tag, old, new in word_changes(pair.changes[0].left, pair.changes[0].right) if tag == "replace"
    ]
    assert (before, after) == ("word", "line")


def test_arguments_answers_and_questions_are_compared_whole():
    compared = compare(kept("p", "q", "a", {"city": "Rome"}), kept("p", "Q", "A", {"city": "Oslo"}))
    assert [(pair.either.title, pair.differs) for pair in compared.different] == [
        ("model", "prompt, answer"),
        ("search", "arguments"),
    ]
    assert [(one.label, one.left, one.right) for one in compared.changes] == [("Input", "q", "Q"), ("Output", "a", "A")]


def test_what_is_said_reads_as_a_conversation():
    parts = [
        {"type": "reasoning", "content": "Hm"},
        {"type": "text", "content": "Let me look"},
        {"type": "tool_call", "id": "1", "name": "search", "arguments": {"q": "fox"}},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "size": 5},
    ]
    messages = [
        {"role": "assistant", "parts": parts},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "A fox"}]},
        {"role": "user", "parts": "odd"},
        {"role": "user", "parts": ["odd"]},
    ]
    assert as_text(messages).splitlines()[:5] == [
        "assistant: (reasoning) Hm",
        "Let me look",
        "→ search({",
        '  "q": "fox"',
        "})",
    ]
    assert "tool: A fox\n\nuser: odd\n\nuser: odd" in as_text(messages)
    assert "image/png" in as_text(messages)
    assert as_text(["one", "two"]) == "one\n\ntwo"
    assert as_text([]) == "[]"


def test_of_calls_side_by_side_without_content_the_previews_tell_them_apart():
    def looked(*texts):
        steps = [
            ExecutionStep(step_number=n, action="custom", description="look", input_preview=t)
            for n, t in enumerate(texts, 1)
        ]
        kept = {str(n): {"input": {"at": t}} for n, t in enumerate(texts, 1)}
        return run(*steps), run(*[one.model_copy() for one in steps]).with_captured({"steps": kept})

    for a, b in zip(looked("x", "y"), looked("y", "x"), strict=True):
        assert differing(a, b) == []


def test_where_one_run_kept_no_content_the_previews_are_compared():
    compared = compare(kept("p", "q"), run(model(1, "no"), tool(2, "search", "preview")))
    assert [change.label for pair in compared.different for change in pair.changes] == ["Output"]


def test_a_system_prompt_is_seen_to_differ_where_only_previews_are_kept():
    a, b = run(model(1)), run(model(1))
    a.steps[0].metadata["system"], b.steps[0].metadata["system"] = "Be kind", "Be brief"
    assert differing(a, b) == [("model", "system prompt")]


def test_what_is_equal_in_long_texts_is_folded_and_what_differs_is_found_at_once():
    same = "word " * 200_000
    parts = word_changes(same + "cat " + same, same + "dog " + same)
    assert [tag for tag, _, _ in parts] == ["equal", "replace", "equal"]
    assert parts[1] == ("replace", "cat", "dog")
    assert "characters are the same" in parts[0][1]
    assert sum(len(old) for _, old, _ in parts) < 5_000


def test_long_texts_are_compared_line_by_line_and_then_word_by_word():
    lines = [f"line {number} says nothing new at all" for number in range(300)]
    other = ["first", *lines[:150], lines[150].replace("nothing", "something"), *lines[151:], "last"]
    parts = word_changes("\n".join(lines), "\n".join(other))
    assert ("replace", "nothing", "something") in parts
    assert [new for tag, _, new in parts if tag == "insert"] == ["first\n", "\nlast"]


def test_texts_of_one_word_over_and_over_are_compared_in_no_time():
    before = time.process_time()
    for left, right in [("x " * 1_900, "x y " * 900), ("x " * 100, "x y " * 900), ("x\n" * 1_900, "x\ny\n" * 900)]:
        parts = word_changes(left, right)
        assert ("".join(old for _, old, _ in parts), "".join(new for _, _, new in parts)) == (left, right)
    assert time.process_time() - before < 5  # of half a minute each before


@pytest.mark.parametrize(
    ("left", "right"),
    [("", ""), ("", "a"), ("a", ""), ("aa", "aaa"), ("quick", "quickly"), ("a b a", "a b a b a"), ("ab", "cd")],
)
def test_no_letter_is_lost_or_made_up(left, right):
    parts = word_changes(left, right)
    assert ("".join(old for _, old, _ in parts), "".join(new for _, _, new in parts)) == (left, right)
    assert all((old == new) is (tag == "equal") for tag, old, new in parts)


def test_runs_are_compared_by_their_ids():
    for answer in ("a", "b"):
        with trace("Ask") as builder:
            builder.set_output_summary(answer)
    second, first = traces()
    compared = compare(first.trace_id, second.trace_id[:8])
    assert [change.label for change in compared.changes if change.prose] == ["Output"]
    with pytest.raises(ValidationError, match="no trace 'nonsense' here"):
        compare("nonsense", second)


def test_several_runs_stand_beside_each_other():
    pytest.importorskip("pandas")
    a, b = run(tool(1, "a", ""), tool(2, "b", "")), run(tool(1, "a", ""), output_summary="B")
    c = run(tool(1, "a", "", result="no"), tool(2, "b", ""), tool(3, "<script>", ""))
    compared = compare(a, b, c)
    assert compared.facts["Output"] == ["", "B", ""]
    assert compared.facts["Steps"] == ["2", "1", "3"]
    assert [[pair.differs if pair.left or pair.right else None for pair in pairs] for pairs in compared.steps] == [
        ["", "result"],
        ["only in A", ""],
        [None, "only in B"],
    ]
    assert "A and C: 2 of 3 steps" in str(compared)
    assert "<script>" not in compared._repr_html_()
    assert len(compared.to_dataframe()) == 3


def test_what_several_others_have_in_one_place_is_one_row_and_is_not_said_to_be_in_b_alone():
    plan, search = agent(1, "plan"), tool(2, "search", "x", parent=1)
    compared = compare(run(model(1)), run(plan, search), run(agent(1, "plan"), tool(2, "search", "y", parent=1)), run())
    having = [[bool(pair.right) for pair in row] for row in compared.steps]
    assert having == [[False, False, False], [True, True, False], [True, True, False]]
    html = compared._repr_html_()
    assert html.count("not in A") == 4
    assert "only in" not in html
    assert "A and C: 3 of 3 steps" in repr(compared)
    assert "plan: only in C" in repr(compared)


def test_the_same_call_several_times_over_has_a_row_each():
    twice = [tool(1, "search", "x"), tool(2, "search", "y")]
    compared = compare(run(), run(*twice), run(tool(1, "search", "x"), tool(2, "search", "y"), tool(3, "search", "z")))
    having = [[bool(pair.right) for pair in row] for row in compared.steps]
    assert having == [[True, True], [True, True], [False, True]]


def test_an_answer_of_several_lines_is_not_cut_at_the_first():
    runs = [run(model(1), output_summary=f"Dear Ada,\n\nyou get {amount}") for amount in (1, 2, 3)]
    assert "Dear Ada, you get 2" in compare(*runs)._repr_html_()
    assert "Dear Ada, you get 2" in repr(compare(*runs))


def test_one_of_one_differs():
    assert repr(compare(run(model(1)), run(model(1, "no")))).startswith("1 of 1 step of")
    assert "1 of 1 step differs" in compare(run(model(1)), run(model(1, "no")))._repr_html_()


def test_groups_of_runs_are_summed_up_in_one_table():
    pytest.importorskip("pandas")
    slow = [samples.agent(), samples.failed()]
    compared = compare(slow, [run(duration=1.0), run(duration=3.0), run(duration=2.0)])
    first, second = compared.sums
    assert (first.runs, first.errors, second.runs, second.errors, second.p50) == (2, 1, 3, 0, 2.0)
    assert first.tokens == sum(task.llm_usage.total_tokens for task in slow)
    assert second.tokens is None
    assert compared.examples == []
    assert compared.to_dataframe()["runs"].tolist() == [2, 3]
    assert "3" in str(compared)
    assert "Table of groups" in compared._repr_html_()


def test_a_table_in_a_terminal_stands_in_columns_whatever_the_letters_width():
    assert text_table(["", "Runs"], [["日本", "7"], ["ab", "11"]]) == ["      Runs", "日本     7", "ab      11"]


def test_sessions_compared_are_called_by_their_names():
    for session in ("s-1", "s-2"):
        with trace("Ask", metadata={"session_id": session}):
            pass
    compared = compare(traces(session="s-1"), traces(session="s-2"))
    assert [sums.name for sums in compared.sums] == ["s-1", "s-2"]
    assert [sums.name for sums in compare(traces(), traces(session="s-2"), []).sums] == ["A", "s-2", "C"]


@pytest.mark.parametrize("wrong", [5, [5], samples.agent(), "some-id"])
def test_runs_and_groups_are_not_mixed(wrong):
    with pytest.raises((TypeError, ValidationError), match=r"compare\(\) takes|no trace"):
        compare([samples.agent()], wrong)


def test_experiments_are_paired_by_example():
    pytest.importorskip("pandas")
    data = [{"id": "x", "input": "Hi"}, {"id": "y", "input": "ok"}]
    loud = experiment(str.upper, data, name="loud")
    quiet = experiment(str.lower, data[::-1], name="quiet")
    compared = compare(loud, quiet)
    assert [(one.input_text, [side[0].output for side in one.sides]) for one in compared.examples] == [
        ("Hi", ["HI", "hi"]),
        ("ok", ["OK", "ok"]),
    ]
    assert loud.compare(quiet).sums == compared.sums
    frame = compared.to_dataframe()
    assert frame["output_1"].tolist() == ["HI", "OK"]
    assert frame["output_2"].tolist() == ["hi", "ok"]


def test_the_same_twice_pairs_every_example_and_twenty_are_twenty():
    data = [f"question {number}" for number in range(20)]
    first, second = (experiment(str.upper, data, name="Shout") for _ in range(2))
    compared = first.compare(second)
    assert len(compared.examples) == 20
    assert not any(one.differs for one in compared.examples)
    assert [sums.name for sums in compared.sums] == ["A: Shout", "B: Shout"]


def test_examples_without_an_id_in_common_are_paired_by_place():
    first = experiment(str.upper, ["Say hi", "Say ho"], name="one")
    second = experiment(str.upper, ["Please say hi", "Please say ho", "Please say ha"], name="two")
    sides = [[len(side) for side in one.sides] for one in first.compare(second).examples]
    assert sides == [[1, 1], [1, 1], [0, 1]]


def test_equal_inputs_are_paired_one_by_one():
    found = experiment(str.upper, ["a", "a", "b"], name="one")
    assert [[len(side) for side in one.sides] for one in found.compare(found).examples] == [[1, 1]] * 3


def test_of_repeated_examples_numbers_are_means():
    pytest.importorskip("pandas")
    found = experiment(str.upper, ["a", "b"], name="one", repetitions=3)
    for row in found:
        row.duration, row.tokens = float(row.repetition), 3 * row.repetition
    (first, _) = found.compare(found).examples
    assert len(first.sides[0]) == 3
    assert first.mean(0, lambda one: one.duration) == 2.0
    assert found.compare(found).to_dataframe()["tokens_1"].tolist() == [6.0, 6.0]


def test_three_experiments_and_one_read_back_stand_in_one_table():
    tasks = (str.upper, str.lower, str.title)
    found = [experiment(task, ["hi you", "ho"], name=task.__name__) for task in tasks]
    compared = compare(*found)
    assert [len(one.sides) for one in compared.examples] == [3, 3]
    assert "Hi You" in str(compared)
    assert "Hi You" in compared._repr_html_()


def test_real_runs_pair_their_prompts_too():
    pytest.importorskip("langchain_core")
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.prompts import ChatPromptTemplate

    from infinium_integrations.langchain import InfiniumCallbackHandler

    with captured_traces() as caught:
        for tone in ("kind", "brief"):
            prompt = ChatPromptTemplate.from_messages([("system", f"Be {tone}."), ("user", "{q}")])
            chain = prompt | FakeListChatModel(responses=["Paris"])
            chain.invoke({"q": "capital of France?"}, {"callbacks": [InfiniumCallbackHandler()]})
    flush()
    (pair,) = compare(*caught).different
    assert [(change.label, change.left, change.right) for change in pair.changes] == [
        ("System prompt", "system: Be kind.", "system: Be brief.")
    ]
