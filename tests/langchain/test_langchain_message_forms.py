"""Whatever LangChain and LangGraph take as messages is read as messages; what only looks like some is data."""

import json
from typing import Annotated, Any, TypedDict

import langgraph.types
import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, messages_to_dict
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send
from lc_support import Model, one, ordinary
from pydantic import BaseModel

from infinium_integrations import trace

QUESTION = "How far is the moon?"
FORMS = {
    "a text in a list": [QUESTION],
    "a text": QUESTION,
    "a dict": {"role": "user", "content": QUESTION},
    "a dict with a type": {"type": "human", "content": QUESTION},
    "a message": HumanMessage(QUESTION),
    "a pair": ("user", QUESTION),
    "a pair as JSON has it": [["user", QUESTION]],
    "a pair of blocks": [["user", [{"type": "text", "text": QUESTION}]]],
    "a list of dicts with a type": [{"type": "human", "content": QUESTION}],
    "a message as pydantic writes it": [HumanMessage(QUESTION).model_dump()],
    "a developer's and a user's": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": QUESTION},
    ],
    "a message and a text": [SystemMessage("Be kind."), QUESTION],
    "a message and a pair as JSON has it": [SystemMessage("Be kind."), ["user", QUESTION]],
    "a history of texts": ["Hello!", QUESTION],
}


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]


def answered(state):
    return {"messages": AIMessage("Far.")}


def graph():
    made = StateGraph(State)
    made.add_node("answer", answered)
    made.set_entry_point("answer")
    made.set_finish_point("answer")
    return made.compile()


def agent():
    agents = pytest.importorskip("langchain.agents")
    return agents.create_agent(Model(replies=["Far."]), [])


def whole(value):
    """The messages of what a trace or a step was given, whatever stands beside them."""
    return value["messages"] if isinstance(value, dict) else value


def spoken(messages):
    return [(one["role"], "".join(part.get("content", "") for part in one["parts"])) for one in messages]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("made", [graph, agent])
def test_a_graph_is_asked_in_any_form_of_messages(traces, made, form):
    made().invoke({"messages": FORMS[form]}, ordinary())
    task = one(traces)
    assert task.input_summary == QUESTION
    assert spoken(whole(task.captured.input))[-1] == ("user", QUESTION)
    assert task.output_summary == "Far."


@pytest.mark.parametrize("form", FORMS)
def test_the_preview_of_a_graph_that_is_a_step_begins_with_the_question_and_its_role(traces, form):
    with trace("Ask"):
        graph().invoke({"messages": FORMS[form]}, ordinary())
    (step,) = [step for step in one(traces).steps if step.metadata["parent_step"] is None]
    assert step.input_preview.startswith(f"user: {QUESTION}")


CALL = {"name": "look_up", "args": {"page": 3}, "id": "c1"}
OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"page": 3}'}}
ASKED = {"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"page": 3}}
LISTS = {
    "calls without content": [{"role": "assistant", "tool_calls": [OPENAI_CALL]}],
    "calls beside no content": [{"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]}],
    "calls as LangChain has them": [{"type": "ai", "content": "", "tool_calls": [CALL]}],
    "a message as pydantic writes it": [AIMessage("", tool_calls=[CALL]).model_dump()],
    "a message as LangChain writes it": messages_to_dict([AIMessage("", tool_calls=[CALL])]),
    "a message as LangChain's load reads it": [dumpd(AIMessage("", tool_calls=[CALL]))],
}


@pytest.mark.parametrize("form", LISTS)
def test_calls_in_any_form_of_messages_are_calls(traces, form):
    given = [("user", "Look page 3 up."), *LISTS[form]]
    RunnableLambda(lambda _: "done").invoke(given, ordinary())
    task = one(traces)
    assert task.captured.input[-1] == {"role": "assistant", "parts": [ASKED]}
    assert task.input_summary == "Look page 3 up."


def test_a_call_as_older_models_make_it_and_its_answer_are_read(traces):
    called = {"role": "assistant", "content": None, "function_call": {"name": "look_up", "arguments": '{"page": 3}'}}
    RunnableLambda(lambda _: "done").invoke(
        [("user", "Go."), called, {"role": "function", "name": "look_up", "content": "Page 3."}], ordinary()
    )
    _, asked, answer = one(traces).captured.input
    assert asked["parts"] == [{**ASKED, "id": None}]
    assert (answer["role"], answer["name"]) == ("tool", "look_up")


def test_a_message_that_stands_beside_others_as_a_text_is_the_users(traces):
    RunnableLambda(lambda _: "done").invoke([SystemMessage("Be kind."), QUESTION], ordinary())
    task = one(traces)
    assert spoken(task.captured.input) == [("system", "Be kind."), ("user", QUESTION)]
    assert task.input_summary == QUESTION


def test_a_dict_and_the_message_made_of_it_are_one(traces):
    given = [{"role": "user", "content": QUESTION}, {"role": "assistant", "tool_calls": [OPENAI_CALL], "content": ""}]
    tool = ToolMessage("Page 3.", tool_call_id="c1")
    graph().invoke({"messages": [*given, tool]}, ordinary())
    assert len(one(traces).captured.messages) == 4


@pytest.mark.parametrize(
    "given",
    [
        ["spam", "ham"],
        ["user", "hi"],
        [["user", "hi"], ["system", "linux"]],
        [{"type": "paragraph", "content": "hi"}],
        [{"type": "text", "text": "hi"}],
        {"type": "human", "content": "hi"},
        {"rows": [["user", "hi"]]},
        {"labels": ["spam", "ham"]},
        {"messages": 3},
        {"messages": []},
        {"messages": [1, "hi"]},
        {"messages": [["user", "hi"], {"type": "paragraph"}]},
        {"messages": {"hi": "there"}},
        {"messages": ("hi", "there")},
        {"people": [{"role": "admin", "name": "Ann"}]},
        {"messages": [{"lc": 1, "type": "constructor", "id": [["x"]], "kwargs": {"content": "hi"}}]},
        {"events": [{"type": "user", "data": {"name": "Ann"}}]},
    ],
    ids=repr,
)
def test_what_only_looks_like_messages_is_data(traces, given):
    RunnableLambda(lambda _: "done").invoke(given, ordinary())
    task = one(traces)
    assert task.captured.messages == []
    listed = {**given, "messages": list(given["messages"])} if given == {"messages": ("hi", "there")} else given
    assert task.captured.input == listed


class Drafts(BaseModel):
    subject: str
    messages: list[str]


DRAFTS = {"subject": "Refund", "messages": ["Dear Ann, no.", "Dear Ann, yes."]}
POSTS = [{"role": "user", "content": "How do I reset it?", "created": "2026-01-02", "votes": 7}]
OUTPUTS = {
    "texts under messages": (DRAFTS, DRAFTS),
    "a model with texts under messages": (Drafts(**DRAFTS), DRAFTS),
    "a text under messages": ({"messages": "all fine", "urgency": 3},) * 2,
    "a pair of words": (("system", "linux"), ["system", "linux"]),
    "dicts of unknown roles": ([{"role": "manager", "content": "Ann"}],) * 2,
    "messages that hold more than one does": (POSTS, POSTS),
    "such messages in a state": ({"posts": POSTS, "n": 1},) * 2,
    "bones": ([{"type": "human", "content": "bones", "era": "iron age"}],) * 2,
}


@pytest.mark.parametrize("form", OUTPUTS)
@pytest.mark.parametrize("within", ["alone", "in a trace", "a tool"])
def test_what_a_chain_or_a_tool_gives_is_data_unless_it_is_messages_beyond_doubt(traces, form, within):
    given, said = OUTPUTS[form]
    if within == "a tool":
        StructuredTool.from_function(lambda to: given, name="mail", description="m").invoke({"to": "Ann"}, ordinary())
        found = one(traces).steps[0].captured.result
    elif within == "alone":
        RunnableLambda(lambda _: given).invoke("write", ordinary())
        found = one(traces).captured.output
    else:
        with trace("Write"):
            RunnableLambda(lambda _: given).invoke("write", ordinary())
        found = one(traces).steps[0].captured.output
    assert found == said


@pytest.mark.parametrize("within", ["alone", "in a chain"])
def test_texts_under_messages_that_a_model_writes_as_json_are_data(traces, within):
    writes = Model(replies=[json.dumps(DRAFTS)]) | JsonOutputParser()
    (writes if within == "alone" else writes | RunnableLambda(lambda drafts: drafts)).invoke("write", ordinary())
    assert one(traces).output_summary == json.dumps(DRAFTS)


def test_what_a_message_holds_beside_its_own_fields_is_kept_unsaid(traces):
    made = StateGraph(State)
    made.add_node("fetch", lambda _: {"messages": POSTS})
    made.set_entry_point("fetch")
    made.compile().invoke({"messages": QUESTION}, ordinary())
    (step,) = one(traces).steps
    said, kept = step.captured.output[0]["parts"]
    assert said == {"type": "text", "content": "How do I reset it?"}
    assert kept == {"type": "data", "content": {"created": "2026-01-02", "votes": 7}}
    assert step.output_preview == "How do I reset it?"


def test_texts_under_messages_are_a_tools_argument(traces):
    def mail(to: str, messages: list[str]) -> str:
        """Mail."""
        return "ok"

    given = {"to": "bob", "messages": ["Hi Bob", "Bye Bob"]}
    StructuredTool.from_function(mail).invoke(given, ordinary())
    (step,) = one(traces).steps
    assert (step.captured.arguments, step.input_preview) == (given, json.dumps(given))


class Desk(TypedDict, total=False):
    topic: str
    messages: list[str]


def test_texts_under_messages_in_a_graph_that_was_given_no_messages_are_data(traces):
    made = StateGraph(Desk)
    made.add_node("write", lambda _: {"messages": ["Dear Ann, no."]})
    made.set_entry_point("write")
    made.set_finish_point("write")
    made.compile().invoke({"topic": "refund"}, ordinary())
    task = one(traces)
    assert task.steps[0].captured.output == {"messages": ["Dear Ann, no."]}
    assert task.captured.output == {"topic": "refund", "messages": ["Dear Ann, no."]}


def test_an_overwrite_as_json_has_it_holds_messages(traces):
    graph().invoke({"messages": {"__overwrite__": [HumanMessage(QUESTION)]}}, ordinary())
    assert one(traces).input_summary == QUESTION


def test_of_very_many_messages_the_newest_are_taken_and_the_others_counted(traces):
    RunnableLambda(lambda _: "done").invoke({"messages": [f"text {n}" for n in range(20_000)]}, ordinary())
    task = one(traces)
    assert task.input_summary == "text 19999"
    assert len(task.captured.input["messages"]) == 5_000
    assert task.captured.input["…"] == "15,000 earlier messages"


@pytest.mark.parametrize(
    "answer",
    ["Far.", ("ai", "Far."), {"role": "assistant", "content": "Far."}, AIMessage("Far.")],
    ids=["text", "pair", "dict", "message"],
)
@pytest.mark.parametrize("wrap", ["as it is", "instead of all"])
def test_a_node_answers_by_a_single_message_or_by_all_that_there_are_from_now_on(traces, answer, wrap):
    if wrap == "instead of all":
        if not hasattr(langgraph.types, "Overwrite"):
            pytest.skip("this LangGraph has no Overwrite")
        answer = langgraph.types.Overwrite([answer])
    made = StateGraph(State)
    made.add_node("answer", lambda _: {"messages": answer})
    made.set_entry_point("answer")
    made.compile().invoke({"messages": QUESTION}, ordinary())
    (step,) = one(traces).steps
    assert (step.output_preview, one(traces).output_summary) == ("Far.", "Far.")


def test_a_failed_call_that_a_node_answers_by_a_single_message_is_a_failed_step(traces):
    made = StateGraph(State)
    failed = ToolMessage("No such tool.", tool_call_id="c1", name="invented", status="error")
    made.add_node("tools", lambda _: {"messages": failed})
    made.set_entry_point("tools")
    made.compile().invoke({"messages": ("user", "Go.")}, ordinary())
    (step,) = [step for step in one(traces).steps if step.action == "tool_use"]
    assert (step.metadata["name"], step.metadata["status"]) == ("invented", "error")


HALVES = [{"type": "text", "text": "The moon is "}, {"type": "text", "text": "far."}]
BLOCKS = {
    "text blocks": HALVES,
    "texts": ["The moon is ", "far."],
    "a text and a block": ["The moon is ", HALVES[1]],
    "OpenAI's": [{**block, "type": "output_text"} for block in HALVES],
    "a citation in the middle": [
        HALVES[0],
        {"type": "text", "text": "384,400 km", "citations": [{"title": "Moon", "url": "https://moon.example"}]},
        {"type": "text", "text": " away."},
    ],
    "a call in the middle": [HALVES[0], {"type": "tool_use", "id": "c1", "name": "look", "input": {}}, HALVES[1]],
}


@pytest.mark.parametrize("form", BLOCKS)
def test_neighbouring_blocks_of_an_answer_read_as_langchain_itself_reads_them(traces, form):
    calls = [{"name": "look", "args": {}, "id": "c1"}] if "call" in form else []
    answer = AIMessage(BLOCKS[form], tool_calls=calls)
    text = "The moon is far." if "OpenAI" in form else answer.text
    Model(replies=[answer]).invoke("How far?", ordinary())
    (step,) = one(traces).steps
    assert one(traces).output_summary.split("\n→")[0] == text
    assert step.output_preview.split("\n→")[0] == text


def test_each_block_stays_a_part_of_what_was_said(traces):
    Model(replies=[AIMessage(HALVES)]).invoke([HumanMessage(HALVES)], ordinary())
    task = one(traces)
    parts = [{"type": "text", "content": block["text"]} for block in HALVES]
    assert [message["parts"] for message in task.captured.messages] == [parts, parts]
    assert (task.input_summary, task.output_summary) == ("The moon is far.", "The moon is far.")
    assert task.steps[0].input_preview == "user: The moon is far."


def test_neighbouring_blocks_of_a_system_prompt_and_of_a_tools_answer_read_as_one_text(traces):
    tool = ToolMessage(HALVES, tool_call_id="c1")
    Model(replies=["ok"]).invoke([SystemMessage(HALVES), HumanMessage("go"), tool], ordinary())
    (step,) = one(traces).steps
    assert step.metadata["system"] == "The moon is far."
    assert step.input_preview.startswith("tool: The moon is far.")
    assert step.captured.input_messages[-1]["parts"][0]["response"] == tool.text


def test_what_stands_beside_a_text_stays_apart_from_it(traces):
    paper = {"type": "document", "source": {"type": "text", "data": "All of it."}, "title": "Paper"}
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/moon.png"}}
    Model(replies=["ok"]).invoke([HumanMessage(["See ", "this:", paper, picture, "Well?"])], ordinary())
    assert one(traces).input_summary == "See this:\nPaper\nAll of it.\n<image https://a.example/moon.png>\nWell?"


def test_a_secret_across_blocks_is_hidden_where_they_read_as_one(traces):
    Model(replies=[AIMessage(["It is sk-ant-api03-", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", " , keep it."])]).invoke(
        "Which key?", ordinary()
    )
    assert "A1b2C3d4" not in one(traces).model_dump_json() + repr(one(traces).captured.messages)
    assert "keep it." in one(traces).output_summary


def test_a_tools_answer_among_the_users_blocks_is_read(traces):
    answer = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "Page 3."}]}
    RunnableLambda(lambda _: "done").invoke([{"role": "user", "content": [answer]}], ordinary())
    (message,) = one(traces).captured.input
    assert message["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "Page 3."}]


class Where(str):
    """A name of a node whose own code must not run in a callback."""

    __slots__ = ()

    def __str__(self):
        raise AssertionError("called")


def test_where_a_command_goes_is_written_without_any_code_of_the_users(traces):
    goes = [Where("first"), "second", Send("third", {"x": 1})]
    with trace("Go"):
        RunnableLambda(lambda _: Command(goto=goes, update={"x": 2})).invoke("go", ordinary())
    (step,) = one(traces).steps
    assert step.output_preview == '→ first, second, third\n{"x": 2}'
    assert step.captured.output == {"goto": "first, second, third", "update": {"x": 2}}
