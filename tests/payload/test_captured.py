"""What is kept beside the payload: each text once, nothing secret, within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinium_integrations.capture.content import Content, Conversation, Message
from infinium_integrations.capture.folding import folded, unfolded
from infinium_integrations.payload.captured import Capture
from infinium_integrations.redaction import Redactor

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "$is", "arguments", "x/y~"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["steps", "input", "output"]), JSON), st.lists(JSON, max_size=4))
def test_what_is_folded_unfolds_to_the_same(rest, messages):
    content = {"messages": messages, **rest}
    assert unfolded(json.loads(json.dumps(folded(content)))) == content


def test_a_longer_text_and_equal_arguments_stand_once():
    long = "a text of more than forty-eight characters, said twice"
    arguments = {"query": "q", "filters": ["status is open", "older than a week", "mine"]}
    parts = [{"type": "text", "content": long}, {"type": "tool_call", "arguments": arguments}]
    content = {"messages": [{"role": "user", "parts": parts}], "steps": {"1": {"arguments": arguments, "result": long}}}
    written = folded(content)
    assert written["steps"]["1"] == {
        "arguments": {"$is": "/messages/0/parts/1/arguments"},
        "result": {"$is": "/messages/0/parts/0/content"},
    }


@pytest.mark.parametrize("content", [{"steps": {"$is": "/steps"}}, {"input": {"$is": "/no/such"}}])
def test_a_reference_to_nothing_or_to_itself_is_an_error(content):
    with pytest.raises((LookupError, RecursionError)):
        unfolded(content)


def test_a_secret_that_two_parts_make_up_is_hidden_and_so_is_one_in_arguments():
    message = Message(
        "assistant",
        None,
        [
            {"type": "text", "content": "the key is sk-proj-abcdefghij"},
            {"type": "text", "content": "klmnopqrstuvwxyz0123456789ABCD"},
            {
                "type": "tool_call",
                "id": "1",
                "name": "f",
                "arguments": {"password": "hunter2!", "note": '{"api_key": "abcd1234efgh"}'},
            },
        ],
        lambda held: held,
    )
    capture = Capture(Redactor(), 65_536)
    capture.message(message)
    kept = json.dumps(capture.messages)
    for secret in ("klmnop", "hunter2", "abcd1234efgh"):
        assert secret not in kept


@pytest.mark.parametrize("kind", ["text", "reasoning"])
@pytest.mark.parametrize("cuts", [(9,), (3, 9), (4, 8, 20), (4, 8, 20, 30)])
def test_a_secret_is_hidden_however_many_parts_it_lies_in(kind, cuts):
    secret = "sk-proj-Ab3dEf6hIj9lMn2pQr5tUvWx2yZa4bCd"
    pieces = [secret[start:end] for start, end in zip((0, *cuts), (*cuts, None), strict=True)]
    parts = [{"type": kind, "content": piece} for piece in ("the key is ", *pieces, " today")]
    capture = Capture(Redactor(), 65_536)
    capture.message(Message("user", None, parts, list))
    assert all(piece not in json.dumps(capture.messages) for piece in pieces if len(piece) > 6)


def test_beyond_its_room_a_trace_keeps_previews_with_a_mark(monkeypatch):
    monkeypatch.setattr("infinium_integrations.capture.content.TRACE_CHARS", 10_000)
    content = Content()
    assert content.take("x" * 20_000, 500) == "x" * 20_000
    assert content.take("y" * 20_000, 500) == "y" * 756
    assert content.cut


def test_the_whole_process_keeps_previews_beyond_its_room(monkeypatch):
    monkeypatch.setattr("infinium_integrations.capture.content.PROCESS_CHARS", 10_000)
    first, second = Content(), Content()
    first.take("x" * 20_000, 500)
    assert second.take("y" * 20_000, 500) == "y" * 756
    del first
    assert len(Content().take("z" * 20_000, 500)) in {20_000, 756}  # counted again from time to time


def test_a_text_of_more_than_a_million_characters_is_cut_when_it_is_taken():
    assert len(Content().take("x" * 1_000_001, 500)) == 200_000


def test_what_cannot_be_read_of_a_message_leaves_the_rest(caplog):
    def broken(_held):
        raise ValueError

    capture = Capture(Redactor(), 65_536)
    taken = Conversation(
        [
            Message("user", None, None, broken),
            Message("user", None, "hi", lambda held: [{"type": "text", "content": held}]),
        ]
    )
    capture.value(taken)
    assert [message["parts"] for message in capture.messages] == [[], [{"type": "text", "content": "hi"}]]
