"""Messages as programs really have them, half filled in: none takes the trace with it, or its neighbours."""

import copy
import dataclasses
import json

import numpy as np
import pytest
from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from lc_support import one

from infinium_integrations.capture.content import Conversation, Message
from infinium_integrations.capture.media import Media
from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.payload.captured import Capture
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.testing import captured_traces


def given(value, answer="done"):
    with captured_traces() as traces:
        RunnableLambda(lambda _: answer).invoke(value, {"callbacks": [InfiniumCallbackHandler()]})
    return one(traces)


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
    secret = "Zm9vYmFyYmF6cXV4MTIz"
    task = given([{**CALL, "name": "Authorization", "value": secret}])
    assert secret not in json.dumps([task.to_wire(), dataclasses.asdict(task.captured)], default=str)


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
