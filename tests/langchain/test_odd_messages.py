"""Messages as programs really have them, half filled in: none takes the trace with it, or its neighbours."""

import copy
import dataclasses
import json
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, FunctionMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableLambda
from lc_support import one
from pydantic_core import to_json

from infinium_integrations.capture.content import Conversation, Message
from infinium_integrations.capture.media import Media
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.payload.captured import Capture
from infinium_integrations.payload.finalize import encode
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.testing import captured_traces


def given(value, answer="done"):
    with captured_traces() as traces:
        RunnableLambda(lambda _: answer).invoke(value, {"callbacks": [InfiniumCallbackHandler()]})
    return one(traces)


SECRET = "Zm9vYmFyYmF6cXV4MTIz"
CALL = {"name": "f", "args": {}, "type": "tool_call"}


@pytest.mark.parametrize(
    "messages",
    [
        [
            HumanMessage("a"),
            AIMessage("", tool_calls=[{**CALL, "id": None}]),
            ToolMessage("r", tool_call_id=""),
            AIMessage("b"),
        ],
        [
            HumanMessage("a"),
            AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
            FunctionMessage("r", name="f"),
            AIMessage("b"),
        ],
        [AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{", "id": None, "error": "cut"}]), HumanMessage("b")],
    ],
    ids=["no id", "legacy function call", "malformed"],
)
def test_a_call_without_an_id_loses_no_trace(messages):
    task = given(messages)
    assert len(task.captured.messages) == len(messages)
    assert "b" in task.input_summary or "a" in task.input_summary


def test_messages_within_a_structured_response_are_read_as_their_text():
    state = {"messages": [HumanMessage("a")], "structured_response": {"reply": AIMessage("b")}}
    assert json.loads(given(state).input_summary.split("\n")[1]) == {"reply": "assistant: b"}


def test_a_number_in_a_list_of_blocks_is_a_text():
    assert given([AIMessage.model_construct(content=[5, "six"])]).input_summary == "5six"


@pytest.mark.parametrize("row", [{"": "0", "city": "Paris"}, {"": 7, "city": "Paris"}])
def test_a_row_whose_first_column_has_no_name_is_a_row(row):
    assert json.loads(given(row).input_summary) == row


@pytest.mark.parametrize("key", [5, None, ("a", "b")])
def test_a_call_with_a_key_that_is_no_text_is_kept(key):
    assert '"name": "f"' in given([{**CALL, key: "v"}]).input_summary
    held = {"__type": "tool_call_with_context", "tool_call": {**CALL, key: "v"}, "state": {}}
    assert '"name": "f"' in given(held).input_summary


def test_what_stands_under_type_is_not_compared():
    class Other:
        def __eq__(self, other):
            raise RuntimeError("the user's own code")

        __hash__ = None

    assert "Paris" in given([{"type": Other(), "city": "Paris"}]).input_summary
    assert "Paris" in given([{"type": np.array([1, 2]), "city": "Paris"}]).input_summary


def test_a_secret_beside_its_name_in_a_call_is_hidden():
    task = given([{**CALL, "name": "Authorization", "value": SECRET}])
    assert SECRET not in json.dumps([task.to_wire(), dataclasses.asdict(task.captured)], default=str)


def test_a_secret_is_hidden_whatever_text_stands_beside_it():
    for beside in (["", None], "[0]", "()", ".name", " is a word"):
        blocks = [{"type": "text", "text": text} for text in ("password=hunter2", str(beside))]
        task = given([HumanMessage(blocks)])
        assert "hunter2" not in json.dumps([task.to_wire(), dataclasses.asdict(task.captured)], default=str)


@pytest.mark.parametrize("block", [{"api_key": SECRET}, {"type": "non_standard", "value": {"api_key": SECRET}}])
def test_a_secret_in_a_block_of_no_known_type_is_hidden(block):
    task = given([AIMessage([block])])
    assert SECRET not in json.dumps([task.to_wire(), dataclasses.asdict(task.captured)], default=str)


def test_pieces_of_a_call_that_name_none_are_of_the_last_one():
    handler, run = InfiniumCallbackHandler(), uuid4()
    with captured_traces() as traces:
        handler.on_chat_model_start({}, [[HumanMessage("q")]], run_id=run, name="model")
        for piece in ({"name": "f", "args": '{"city": '}, {"args": '"Paris", "password": "'}, {"args": f'{SECRET}"}}'}):
            chunk = AIMessageChunk([{"type": "tool_call_chunk", **piece}])
            handler.on_llm_new_token("", chunk=ChatGenerationChunk(message=chunk), run_id=run)
        handler.on_llm_error(RuntimeError("broke off"), run_id=run)
    (call,) = traces[0].captured.messages[-1]["parts"]
    assert call["arguments"] == {"city": "Paris", "password": "[REDACTED]"}


def test_many_calls_are_bounded_as_any_value_is():
    calls = [{**CALL, "id": str(number), **{f"k{at}": at for at in range(200)}} for number in range(2_000)]
    task = given(calls)
    assert task.captured.cut
    assert len(json.dumps(task.captured.input)) < 2_000_000


def test_a_call_that_holds_the_whole_state_refers_to_its_messages():
    state = {"messages": [HumanMessage("the question " * 50), AIMessage("the answer " * 50)]}
    once = given([{**CALL, "id": "1", "args": {"state": state}}])
    twice = given([{**CALL, "id": str(at), "args": {"state": state}} for at in range(2)])
    assert len(once.captured.messages) == len(twice.captured.messages) == 2
    assert "user: the question" in once.input_summary


def test_a_picture_can_be_copied_with_what_holds_it():
    picture = Media("image/png", 123, "image")
    assert copy.deepcopy([picture]) == [picture]
    block = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    task = given([HumanMessage([block])])
    dataclasses.asdict(task.captured)


def test_a_message_that_cannot_be_read_takes_no_other_with_it():
    def said(held):
        return [{"type": "text", "content": held}]

    odd = Message("user", None, "a", lambda _: [{"type": "text"}, {}])
    rendered = Capture(Redactor(secrets=()), 1_000)
    summary = rendered.summary(Conversation([odd, Message("user", None, "b", said)]), 100, given=True)
    assert summary == "b"
    assert [message["parts"][0]["content"] for message in rendered.messages] == ["<unreadable>", "b"]


# -- whatever comes ----------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "name", "value", "type", "password", "content", "messages", "id", "", "x" * 300])
TEXTS = st.sampled_from(
    ["", "a", "data:image/png;base64,AAAA", 'password="hunter2"', "A" * 300, "tool", "\ud800"]
) | st.text(max_size=20)
SCALARS = TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=4) | st.dates()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(TEXTS, inner),
    max_leaves=8,
)
CALLS = st.fixed_dictionaries({"name": TEXTS, "args": st.dictionaries(TEXTS, VALUES, max_size=2)}).flatmap(
    lambda call: st.sampled_from([None, "c1", "c2"]).map(lambda one: {**call, "id": one, "type": "tool_call"})
)
BLOCKS = VALUES | st.builds(lambda text: {"type": "text", "text": text}, SCALARS)
MESSAGES = st.builds(
    lambda kind, content, calls, beside: kind.model_construct(
        content=content, tool_calls=calls, invalid_tool_calls=[], additional_kwargs=beside, tool_call_id="c1"
    ),
    st.sampled_from([AIMessage, HumanMessage, ToolMessage, FunctionMessage]),
    SCALARS | st.lists(BLOCKS, max_size=3),
    st.lists(CALLS, max_size=2),
    st.dictionaries(st.sampled_from(["function_call", "refusal", "reasoning", "audio", "other"]), VALUES, max_size=2),
)
STATES = st.builds(
    lambda messages, rest: {**rest, "messages": messages},
    st.lists(MESSAGES, min_size=1, max_size=12),
    st.dictionaries(
        st.sampled_from(["structured_response", "remaining_steps", "history", "x"]), VALUES | MESSAGES, max_size=2
    ),
)


@given_any(
    asked=STATES | VALUES | st.lists(CALLS | VALUES, max_size=3), came=STATES | VALUES | st.lists(MESSAGES, max_size=3)
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_chain_is_given_and_gives_is_one_trace_that_is_json(asked, came):
    handler, root, node = InfiniumCallbackHandler(), uuid4(), uuid4()
    with captured_traces() as traces:  # a fault of ours raises here
        handler.on_chain_start({}, asked, run_id=root, name="root")
        tags, metadata = ["graph:step:1"], {"langgraph_node": "node"}
        handler.on_chain_start({}, came, run_id=node, parent_run_id=root, name="node", tags=tags, metadata=metadata)
        handler.on_chain_end(asked, run_id=node)
        handler.on_chain_end(came, run_id=root)
    task = one(traces)
    written = encode(task.to_wire()) + to_json(dataclasses.asdict(task.captured) if task.captured else None)
    assert b"hunter2" not in written
