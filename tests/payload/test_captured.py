"""What is kept beside the payload: each text once, nothing secret, within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinium_integrations.capture.content import Content, Conversation, Message, Streamed, held_bytes
from infinium_integrations.capture.folding import folded, unfolded
from infinium_integrations.capture.serializer import encode
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


@pytest.fixture
def small_room(monkeypatch):
    """A trace may refer to 10,000 bytes of text."""
    monkeypatch.setattr("infinium_integrations.capture.content.TRACE_BYTES", 10_000)


@pytest.mark.usefixtures("small_room")
def test_beyond_its_room_a_trace_keeps_previews_with_a_mark():
    content = Content()
    assert content.take("x" * 20_000, 500) == "x" * 20_000
    assert not content.cut
    assert content.take("short, and kept whole", 500) == "short, and kept whole"
    assert content.take("y" * 400, 500) == "y" * 400
    assert not content.cut
    assert Capture(Redactor(), 65_536).value(content.take("y" * 20_000, 500)) == "y" * 499 + "…"
    assert content.cut


@pytest.mark.usefixtures("small_room")
@pytest.mark.parametrize("hold", [lambda text: text, lambda text: {"deep": [text, 1]}, lambda text: [text]])
def test_where_a_text_is_cut_for_want_of_room_no_half_of_a_secret_stays(hold):
    content = Content()
    content.take("x" * 20_000, 500)
    for before in (495, 740, 750):
        text = "a " * 200 + "b " * ((before - 400) // 2) + _KEY + " c" * 500
        kept = encode(Capture(Redactor(), 65_536).value(content.take(hold(text), 500)))
        assert "sk-proj" not in kept
        assert "…" in kept


_KEY = "sk-proj-Ab3dEf6hIj9lMn2pQr5tUvWx2yZa4bCd"


@pytest.mark.usefixtures("small_room")
def test_the_same_text_takes_room_once_however_often_it_is_taken():
    content, text = Content(), "word " * 1_000
    for _ in range(50):
        assert content.take(text, 500) == text
        assert content.take({"role": "user", "content": [text]}, 500) == {"role": "user", "content": [text]}
    assert not content.cut


def test_in_a_large_trace_equal_texts_take_room_once_whoever_made_them(monkeypatch):
    monkeypatch.setattr("infinium_integrations.capture.content.BY_TEXT_BYTES", 3_000)
    content = Content()
    kept = {id(content.take("".join(["word "] * 1_000), 500)) for _ in range(50)}
    assert (len(kept), content.bytes < 12_000) == (1, True)


@pytest.mark.parametrize(("letter", "bytes_each"), [("a", 1), ("ü", 1), ("語", 2), ("🙂", 4)])
@pytest.mark.parametrize("length", [5, 1_000])
def test_what_a_text_takes_in_memory_is_counted(letter, bytes_each, length):
    content = Content()
    before = content.bytes
    content.take(letter * length, 500)
    assert content.bytes - before >= bytes_each * length


@pytest.mark.usefixtures("small_room")
def test_of_a_stream_that_finds_no_room_its_beginning_is_kept():
    content = Content()
    content.take("x" * 20_000, 500)
    said = Streamed(lambda chunks: [{"type": "text", "content": "".join(chunks)}])
    for _ in range(5_000):
        said.add(content, "token ")
    capture = Capture(Redactor(), 65_536)
    capture.value(said)
    (part,) = capture.messages[0]["parts"]
    assert part["content"].startswith("token " * 1_300)
    assert part["content"].endswith("…")
    assert content.cut


@pytest.mark.parametrize("chunk", [[{"type": "text", "text": "x" * 500}], [{"args": "x" * 500, "index": 0}]])
def test_chunks_that_are_no_text_count_as_what_they_say(chunk):
    content = Content()
    before = content.bytes
    Streamed(list).add(content, chunk)
    assert content.bytes - before >= 500


class Text(str):  # as LangChain's ``TextAccessor``
    __slots__ = ()


@pytest.mark.parametrize("kind", [str, Text])
@pytest.mark.parametrize(("letter", "bytes_each"), [("a", 1), ("я", 2)])
def test_the_texts_of_a_stream_count_whatever_class_they_are_of(kind, letter, bytes_each):
    content = Content()
    before, said = content.bytes, Streamed(list)
    for _ in range(1_000):
        said.add(content, kind(letter * 20))
    assert content.bytes - before >= 0.9 * 20_000 * bytes_each


def test_texts_of_a_trace_that_is_stored_count_no_longer():
    before, content = held_bytes(), Content()
    content.take("x" * 100_000, 500)
    assert held_bytes() - before >= 100_000
    content.release()
    assert held_bytes() <= before


def test_the_whole_process_keeps_previews_beyond_its_room(monkeypatch):
    monkeypatch.setattr("infinium_integrations.capture.content.PROCESS_BYTES", held_bytes() + 10_000)
    first, second = Content(), Content()
    first.take("x" * 20_000, 500)
    assert second.take("y" * 20_000, 500) == "y" * 756
    del first
    assert len(Content().take("z" * 20_000, 500)) in {20_000, 756}  # counted again from time to time


def test_a_text_of_more_than_a_million_characters_is_cut_when_it_is_taken():
    content = Content()
    assert Capture(Redactor(), 9_000_000).value(content.take("x" * 1_000_001, 500)) == "x" * 199_999 + "…"
    assert content.cut


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


@pytest.mark.parametrize("length", [900_000, 1_500_000])
def test_a_long_text_that_every_step_hands_on_takes_room_once(length):
    content, text = Content(), "x" * length
    taken = {id(content.take(text, 500)) for _ in range(50)}
    taken |= {id(content.take({"state": [text]}, 500)["state"][0]) for _ in range(50)}
    assert (len(taken), content.bytes < 1_100_000) == (1, True)


def test_short_texts_that_every_step_hands_on_take_room_once():
    content, state = Content(), {f"field {number}": "word " * 40 for number in range(15)}
    first = content.take(state, 500), content.bytes
    for _ in range(100):
        content.take(state, 500)
        content.take([state], 500)
    assert (first[0], content.bytes) == (state, first[1])


def test_neighbouring_texts_that_are_long_together_stay_whole():
    texts = ["lorem ipsum " * 4_000, "dolor sit " * 4_800]
    capture = Capture(Redactor(), 65_536)
    capture.message(Message("user", None, [{"type": "text", "content": text} for text in texts], list))
    assert [part["content"] for part in capture.messages[0]["parts"]] == texts


def test_parts_that_hold_a_secret_together_keep_all_their_citations():
    parts = [{"type": "text", "content": piece, "citations": [piece]} for piece in (_KEY[:20], _KEY[20:])]
    capture = Capture(Redactor(), 65_536)
    capture.message(Message("assistant", None, parts, list))
    (part,) = capture.messages[0]["parts"]
    assert part["content"] == "[REDACTED]"
    assert len(part["citations"]) == 2


def test_what_was_whole_before_a_stream_found_no_room_stays_whole():
    said = Streamed(lambda chunks: [{"type": "reasoning", "content": "brief"}, {"type": "text", "content": "x" * 900}])
    said.chunks, said.cut = ["x"], True
    capture = Capture(Redactor(), 65_536)
    capture.value(said)
    assert [part["content"][-3:] for part in capture.messages[0]["parts"]] == ["ief", "xx…"]


def test_a_stream_gives_its_room_back_when_the_whole_answer_has_come():
    content = Content()
    before, said = content.bytes, Streamed(list)
    for _ in range(100):
        said.add(content, [{"type": "text", "text": "some words ", "index": 0}])
    assert before + 1_100 <= content.bytes <= before + 1_200
    said.forget(content)
    assert (content.bytes, said.message()) == (before, None)
