"""What each step of a run saw and said, by step."""

import conversations
import pytest
import samples

from infinium_integrations.models import ExecutionStep, TaskData
from infinium_integrations.viewer.conversation import Conversation, parsed, pieces, split


def content(task: TaskData, number: int):
    return Conversation(task).step(task.steps[number - 1])


def passages(found):
    return [(passage.earlier, len(passage.messages)) for passage in found.given]


def test_what_was_sent_before_is_told_from_what_is_new():
    task = conversations.agent()
    assert passages(content(task, 1)) == [(False, 2)]
    assert passages(content(task, 9)) == [(True, 3), (False, 3)]
    assert passages(content(task, 11)) == [(True, 7), (False, 1)]


def test_a_call_says_which_step_it_goes_on_from():
    task = conversations.agent()
    assert [content(task, number).since for number in (1, 9, 11)] == [None, 1, 9]


def test_the_same_call_once_more_has_nothing_new():
    said = [conversations.text("user", "Hello")]
    task = samples.trace("Again", 1.0, [samples.llm(1, 0, 10, (1, 1)), samples.llm(2, 20, 10, (1, 1))])
    task.with_captured({"messages": said, "steps": {"1": {"input_messages": [0]}, "2": {"input_messages": [0]}}})
    assert passages(content(task, 2)) == [(True, 1)]


def test_a_conversation_that_was_trimmed_is_shown_in_its_order():
    said = [conversations.text("user", str(n)) for n in range(4)]
    task = samples.trace("Trimmed", 1.0, [samples.llm(1, 0, 10, (1, 1)), samples.llm(2, 20, 10, (1, 1))])
    steps = {"1": {"input_messages": [0, 2]}, "2": {"input_messages": [0, 1, 2, 3]}}
    task.with_captured({"messages": said, "steps": steps})
    assert passages(content(task, 2)) == [(True, 1), (False, 1), (True, 1), (False, 1)]


def test_a_tools_call_leads_to_the_step_that_ran_it():
    told = Conversation(conversations.agent())
    assert [told.ran_at(identity) for identity in ("c2", "c3", "c1", None, 3)] == [6, 8, None, None, None]


def test_a_chains_messages_are_those_of_the_model_steps():
    task = conversations.agent()
    given, came = content(task, 5).values
    assert (given.messages, given.shown, given.rest) == ([], conversations.MESSAGES[2:3], None)
    assert (came.shown, came.rest) == (conversations.MESSAGES[5:7], {"eligible": True})


def test_messages_that_no_model_saw_are_shown_where_they_come_up_first():
    said = [conversations.text("user", "Hello")]
    steps = [samples.step(n, "chain", f"node {n}", n, 1) for n in (1, 2)]
    task = samples.trace("No model", 1.0, steps)
    task.with_captured({"messages": said, "steps": {"1": {"input": said}, "2": {"input": said}}})
    assert content(task, 1).values[0].messages == said
    assert content(task, 2).values[0].shown == said


def test_a_step_without_content_has_none():
    assert content(samples.agent(), 1) is None
    assert not Conversation(samples.agent()).kept


@pytest.mark.parametrize("name", list(conversations.everything()))
def test_every_sample_has_a_conversation(name):
    task = conversations.everything()[name]
    told = Conversation(task)
    for step in task.steps:
        found = told.step(step)
        for passage in found.given if found else ():
            assert passage.messages


def test_tools_stand_with_their_definitions_where_those_are_known():
    tools = dict(content(conversations.agent(), 1).tools)
    assert tools["get_order"]["function"]["name"] == "get_order"
    assert content(conversations.hostile(), 2).tools == [(samples.HOSTILE, None)]


@pytest.mark.parametrize(
    "definition",
    [{"name": "find"}, {"function": {"name": "find"}}, {"toolSpec": {"name": "find"}}, {"type": "x", "name": "find"}],
)
def test_a_definition_is_found_however_a_provider_spells_it(definition):
    task = samples.trace("Tools", 1.0, [samples.llm(1, 0, 10, (1, 1))])
    task.with_captured({"tool_definitions": [definition, "odd"], "steps": {"1": {"tools": ["find"]}}})
    assert content(task, 1).tools == [("find", definition)]


def test_parts_that_make_no_sense_are_kept_as_they_are():
    found = pieces({"parts": ["text", {"type": "strange", "x": 1}, {"type": "text"}, {}, None]})
    assert [piece.kind for piece in found] == ["text", "other", "text", "other", "text"]
    assert pieces({"parts": "none"}) == []


def test_a_call_whose_arguments_are_no_json_is_malformed():
    def call(arguments):
        return pieces({"parts": [conversations.call("1", "find", arguments)]})[0]

    assert call('{"broken": ').malformed
    assert not call('{"a": 1}').malformed
    assert not call({"a": 1}).malformed
    assert not call("").malformed
    assert call('{"a": 1}').value == {"a": 1}


def test_an_answer_made_of_parts_is_read_as_such():
    inner = [{"type": "text", "content": "found"}, {"type": "blob", "mime_type": "image/png", "size": 12_300}]
    found = pieces(conversations.answered("1", "find", inner))[0]
    assert [(one.kind, one.text) for one in found.inner] == [("text", "found"), ("media", "12 KB")]


def test_answers_within_answers_end_somewhere():
    answer: object = "end"
    for _ in range(200):
        answer = [{"type": "tool_call_response", "response": answer}]
    found = pieces(conversations.answered("1", "find", answer))[0]
    depth = 0
    while found.inner:
        found, depth = found.inner[0], depth + 1
    assert depth == 3
    assert isinstance(found.value, list)


@pytest.mark.parametrize(
    ("value", "messages", "rest"),
    [
        ("text", 0, "text"),
        (conversations.MESSAGES[:2], 2, None),
        (conversations.MESSAGES[0], 1, None),
        ({"messages": conversations.MESSAGES[:2]}, 2, None),
        ({"messages": conversations.MESSAGES[:2], "x": 1}, 2, {"x": 1}),
        ({"messages": ["a"]}, 0, {"messages": ["a"]}),
        ([], 0, []),
        ([{"role": "user"}], 0, [{"role": "user"}]),
    ],
)
def test_messages_are_told_from_other_values(value, messages, rest):
    found, left = split(value)
    assert (len(found), left) == (messages, rest)


def test_only_objects_and_lists_are_read_as_json():
    assert parsed(' {"a": [1]}') == {"a": [1]}
    for text in ("12", "null", "{broken", "text", "", "[" * 100_000):
        assert parsed(text) == text


def test_a_long_text_is_not_read_as_json():
    text = "[" + "1," * 150_000 + "1]"
    assert parsed(text) is text


def test_a_conversation_of_many_steps_is_read_in_time():
    task = conversations.talk(1_000, 300)
    assert Conversation(task).step(task.steps[-1]).since == 149


def test_steps_with_one_number_are_told_apart():
    steps = [ExecutionStep(step_number=1, action="x", description=f"{n}") for n in (1, 2)]
    task = samples.trace("Twins", 1.0, steps).with_captured({"steps": {"1": {"input": "a"}}})
    assert [len(Conversation(task).step(step).values) for step in task.steps] == [1, 1]
