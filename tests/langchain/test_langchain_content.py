"""What of a run's content is shown, and what never leaves."""

import asyncio
import base64
import json
import threading
from dataclasses import dataclass, field
from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from lc_support import Model, TokenUsage, call, names, one, ordinary, step, steps
from pydantic import BaseModel

from infinium_integrations.langchain import InfiniumCallbackHandler
from infinium_integrations.payload.finalize import encode


def whole(task):
    return json.dumps(task.to_wire(), ensure_ascii=False, default=str)


# -- nothing is consumed, changed or called ----------------------------------------------------------------------------


class Raising:
    def __repr__(self):
        raise RuntimeError("repr")

    def __str__(self):
        raise RuntimeError("str")

    def __len__(self):
        raise RuntimeError("len")

    def __iter__(self):
        raise RuntimeError("iter")

    def __getattr__(self, name):
        raise RuntimeError(name)


def circular():
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


ODD = {
    "lock": threading.Lock,
    "circular": circular,
    "a pydantic class": lambda: BaseModel,
    "nan": lambda: float("nan"),
    "bytes": lambda: b"\x00" * 5_000_000,
    "a long string": lambda: "x" * 1_000_000,
    "raising": Raising,
    "a coroutine function": lambda: asyncio.sleep,
    "a deep list": lambda: json.loads("[" * 200 + "]" * 200),
    "an exception": lambda: ValueError("inner"),
    "None": lambda: None,
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_inputs_and_outputs_are_previewed_without_harm(traces, kind):  # 50
    given = ODD[kind]()
    assert RunnableLambda(lambda x: x["odd"]).invoke({"odd": given}, ordinary()) is given
    task = one(traces)
    assert task.status == "ok"
    assert task.input_summary is not None
    assert len(encode(task.to_wire())) < 50_000


def test_a_generator_that_passes_through_is_not_consumed(traces):  # 50
    numbers = (n for n in range(5))
    out = (RunnableLambda(lambda x: {"numbers": x}) | RunnableLambda(lambda x: x)).invoke(numbers, ordinary())
    assert list(out["numbers"]) == [0, 1, 2, 3, 4]
    assert len(traces) == 1


def test_the_users_state_is_neither_changed_nor_kept(traces):  # 50
    import gc
    import weakref

    class Thing:
        pass

    thing = Thing()
    alive = weakref.ref(thing)
    state = {"thing": thing, "items": [1, 2]}
    RunnableLambda(lambda x: x).invoke(state, ordinary())
    assert state == {"thing": thing, "items": [1, 2]}
    del thing, state
    gc.collect()
    assert alive() is None


# -- media and size ----------------------------------------------------------------------------------------------------


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4_000).decode()
MEDIA = {
    "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    "langchain": {"type": "image", "base64": PNG, "mime_type": "image/png"},
}


@pytest.mark.parametrize("kind", MEDIA)
def test_a_picture_in_a_message_becomes_type_and_size(traces, kind):  # 51
    message = HumanMessage([{"type": "text", "text": "what is this?"}, MEDIA[kind]])
    (RunnableLambda(lambda x: x) | Model()).invoke([message], ordinary())
    task = one(traces)
    shown = step(task, "Model").input_preview
    assert "what is this?" in shown
    assert "image/png" in shown
    assert "1.0 MB" in shown
    assert len(whole(task)) < 10_000


def test_a_picture_from_a_tool_or_in_the_state_becomes_type_and_size(traces):  # 51
    @tool
    def draw(what: str) -> str:
        """Draw."""
        return f"data:image/png;base64,{PNG}"

    (RunnableLambda(lambda x: {"what": x}) | draw | RunnableLambda(lambda x: {"picture": x})).invoke("cat", ordinary())
    task = one(traces)
    assert step(task, "draw").output_preview == "<image/png, 1.0 MB>"
    assert task.output_summary == '{"picture": "<image/png, 1.0 MB>"}'


def test_a_long_history_through_many_nodes_stays_small(traces):  # 52
    history = [*(HumanMessage("x" * 2_000) for _ in range(199)), HumanMessage("and now?")]

    class Chat(TypedDict):
        messages: Annotated[list, add]

    graph = StateGraph(Chat)
    before = START
    for number in range(10):
        graph.add_node(f"n{number}", lambda state: {"messages": [AIMessage("ok")]})
        graph.add_edge(before, f"n{number}")
        before = f"n{number}"
    graph.compile().invoke({"messages": history}, ordinary())
    task = one(traces)
    assert len(encode(task.to_wire())) < 10 * 3_000 + 20_000
    assert step(task, "n0").input_preview.startswith("user: and now?\nuser: xxx")
    assert len(step(task, "n0").input_preview) == 500
    assert len(task.captured.messages) == 3  # 199 times the same


def test_a_trace_over_the_limit_is_trimmed_and_keeps_its_totals_and_errors(traces):  # 53
    def work(x):
        for number in range(1_500):
            leaf.invoke("y" * 2_000, {"run_name": f"leaf {number}"})
        Model(usage=TokenUsage(7, 3)).invoke("hi")
        raise ValueError("the end")

    leaf = RunnableLambda(lambda x: x)
    with pytest.raises(ValueError, match="the end"):
        RunnableLambda(work).invoke("x", ordinary())
    task = one(traces)
    assert len(encode(task.to_wire())) <= 1_048_576
    assert task.llm_usage.prompt_tokens == 7
    assert [error.message for error in task.errors] == ["the end"]
    assert len(task.steps) == 1_501


# -- secrets -----------------------------------------------------------------------------------------------------------

SECRET = "sk-ant-api03-" + "Ab1" * 20


def test_secrets_are_gone_from_every_place_they_may_stand_in(traces):  # 54
    @tool
    def login(api_key: str, note: str) -> str:
        """Log in."""
        raise ValueError(f"401 for Bearer {SECRET}")

    def work(x):
        dispatch_custom_event("headers", {"Authorization": f"Bearer {SECRET}", "cookie": "session=abc123secret"})
        return login.invoke({"api_key": "hunter2-hunter2", "note": SECRET})

    config = {
        **ordinary(tags=[f"tag {SECRET}"]),
        "run_name": f"run {SECRET}",
        "tags": [SECRET],
        "metadata": {"password": "hunter2-hunter2", "note": SECRET, "session_id": SECRET},
        "configurable": {"api_key": "hunter2-hunter2"},
    }
    with pytest.raises(ValueError, match="401"):
        RunnableLambda(work).invoke({"password": "hunter2-hunter2", "text": SECRET}, config)
    text = whole(one(traces))
    for secret in (SECRET, "hunter2-hunter2", "abc123secret"):
        assert secret not in text
    assert "401 for" in text


def test_the_users_own_redaction_runs_and_where_it_fails_the_text_is_dropped(traces):  # 54
    def redact(text):
        if "explode" in text:
            raise RuntimeError(text)
        return text.replace("Ada", "[NAME]")

    RunnableLambda(lambda x: "explode Ada").invoke("hello Ada", ordinary(redact=redact))
    task = one(traces)
    assert task.input_summary == "hello [NAME]"
    assert "explode" not in whole(task)
    assert "Ada" not in whole(task)


# -- shapes ------------------------------------------------------------------------------------------------------------


class Custom(HumanMessage):
    type: str = "custom"  # type: ignore[assignment]


@dataclass
class Box:
    label: str = "a box"
    items: list = field(default_factory=lambda: [1, 2])


SHAPES = {
    "RemoveMessage": ([RemoveMessage(id="m1")], "m1"),
    "custom message": ([Custom("hello")], "hello"),
    "Command": (Command(update={"messages": [AIMessage("moved")]}, goto="next"), "moved"),
    "a list of one Command": ([Command(update={"x": "updated"})], '{"x": "updated"}'),
    "Command that only goes": (Command(goto="there"), "there"),
    "Command that answers": (Command(resume="yes"), "yes"),
    "tuples": ([("system", "be kind"), ("user", "newest words")], "newest words"),
    "dicts": ({"messages": [{"role": "user", "content": "newest words"}]}, "newest words"),
    "dict of blocks": ([{"role": "user", "content": [{"type": "text", "text": "in a block"}]}], "in a block"),
    "dataclass": (Box(), '{"label": "a box", "items": [1, 2]}'),
    "state": ({"messages": [HumanMessage("hi")], "count": 3}, "hi"),
    "string": ("plain 'text' with \"quotes\"\nand lines", "plain 'text' with \"quotes\"\nand lines"),
    "tool calls": ([AIMessage("", tool_calls=[call("add", {"a": 1})])], '→ add({"a": 1})'),
    "a text and calls": ([AIMessage("thinking", tool_calls=[call("add", {"a": 1})])], "thinking"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_state_has_a_sensible_preview(traces, shape):  # 55
    given, expected = SHAPES[shape]
    RunnableLambda(lambda x: x).with_config(run_name="outer").invoke(given, ordinary())
    task = one(traces)
    assert expected in task.input_summary
    assert expected in task.output_summary


def test_none_is_no_answer(traces):
    RunnableLambda(lambda x: x).invoke(None, ordinary())
    task = one(traces)
    assert (task.input_summary, task.output_summary) == ("null", None)


def test_a_tool_that_gives_none_answers_nothing(traces):
    StructuredTool.from_function(lambda a: None, name="nothing", description="n").invoke({"a": 1}, ordinary())
    task = one(traces)
    assert (task.output_summary, task.steps[0].output_preview) == (None, None)


def test_a_send_is_shown(traces):  # 55
    from langgraph.types import Send

    RunnableLambda(lambda x: [Send("worker", {"n": 1})]).invoke("x", ordinary())
    assert "Send" in one(traces).output_summary


# -- documents ---------------------------------------------------------------------------------------------------------


class Library(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        import numpy as np

        return [
            Document("first text " * 50, id="doc-1", metadata={"score": 0.9}),
            Document("second text", metadata={"source": "b.txt", "relevance_score": np.float32(0.5)}),
        ]


def test_a_retrieval_tells_how_many_documents_and_their_ids_scores_and_beginnings(traces):
    pytest.importorskip("numpy")
    (RunnableLambda(lambda x: x) | Library()).invoke("find", ordinary())
    found = step(one(traces), "Library")
    assert found.action == "retrieval"
    assert found.output_preview.startswith("2 documents\nfirst text")
    first, second = found.metadata["documents"]
    assert (first["id"], first["score"]) == ("doc-1", 0.9)
    assert (second["id"], second["score"], second["preview"]) == ("b.txt", 0.5, "second text")
    assert len(first["preview"]) <= 200


# -- notes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twice", [False, True])
def test_a_custom_event_is_a_note_on_the_step_that_sent_it(traces, twice):
    @tool
    def work(x: str) -> str:
        """Work."""
        dispatch_custom_event("progress", {"percent": 50})
        return x

    handler = InfiniumCallbackHandler()
    (RunnableLambda(lambda x: {"x": x}) | work).invoke("a", {"callbacks": [handler] * (2 if twice else 1)})
    events = step(one(traces), "work").metadata["events"]
    assert [(event["name"], event["data"]) for event in events] == [("progress", {"percent": 50})]


def test_a_custom_event_of_the_root_is_a_step_of_its_own(traces):
    RunnableLambda(lambda x: dispatch_custom_event("progress", 1)).invoke("a", ordinary())
    assert (step(one(traces), "progress").action, names(one(traces))) == ("custom", ["progress"])


# -- streams, folding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_the_input_of_a_stream_is_the_real_one(traces, way):  # 56
    chain = ChatPromptTemplate.from_template("hi {x}") | Model()

    async def main():
        return [chunk async for chunk in chain.astream({"x": "Ada"}, ordinary(detail="full"))]

    list(chain.stream({"x": "Ada"}, ordinary(detail="full"))) if way == "stream" else asyncio.run(main())
    task = one(traces)
    assert task.input_summary == '{"x": "Ada"}'
    assert all(found.input_preview != '{"input": ""}' for found in task.steps)


def test_plumbing_is_folded_and_its_children_move_up(traces):  # 57
    inner = (ChatPromptTemplate.from_template("{x}") | Model()).with_config(tags=["langsmith:hidden"])
    chain = RunnableLambda(lambda x: {"x": x}) | inner | RunnableLambda(lambda m: m.content)
    chain.invoke("a", ordinary())
    chain.invoke("a", ordinary(detail="full"))
    folded, full = traces
    assert names(folded) == ["RunnableLambda", "Model", "RunnableLambda"]
    assert [found.metadata["parent_step"] for found in folded.steps] == [None, None, None]
    assert "ChatPromptTemplate" in names(full)
    assert step(full, "Model").metadata["parent_step"] is not None or len(full.steps) == 4


def test_a_nodes_trace_policy_holds_for_us_too(traces):
    types = pytest.importorskip("langgraph.types")
    if not hasattr(types, "TracePolicy"):
        pytest.skip("this langgraph has no trace policies")
    policy = types.TracePolicy(process_inputs=lambda _: "left out", process_outputs=lambda _: "left out too")
    graph = StateGraph(dict)
    graph.add_node("quiet", lambda state: {"x": "big"}, trace_policy=policy)
    graph.add_edge(START, "quiet")
    graph.compile().invoke({"x": "big"}, ordinary())
    found = step(one(traces), "quiet")
    assert (found.input_preview, found.output_preview) == ("left out", "left out too")


# -- without content ---------------------------------------------------------------------------------------------------

CANARY = "canary-7f3e"


@pytest.mark.parametrize("detail", ["default", "full"])
def test_without_content_no_word_of_it_is_anywhere(traces, detail):  # 58
    from langchain.agents import create_agent

    @tool
    def look(query: str) -> str:
        """Look it up."""
        dispatch_custom_event("looked", {"query": query})
        FindsCanary().invoke(CANARY)
        return f"found {CANARY}"

    @tool
    def fail(query: str) -> str:
        """Fail."""
        error = ValueError(f"no {CANARY}")
        error.code = CANARY
        raise error

    class FindsCanary(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(CANARY, id=CANARY, metadata={"source": CANARY})]

    asks = [
        AIMessage(CANARY, tool_calls=[call("look", {"query": CANARY})], usage_metadata=TokenUsage()),
        AIMessage(CANARY, tool_calls=[call("nobody", {"query": CANARY}, "call_2")]),
        AIMessage(CANARY, tool_calls=[call("fail", {"query": CANARY}, "call_3")]),
    ]
    agent = create_agent(Model(replies=asks), tools=[look, fail], system_prompt=CANARY)
    with pytest.raises(ValueError, match=CANARY):
        agent.invoke({"messages": [("user", CANARY)]}, ordinary(capture_content=False, detail=detail))
    task = one(traces)
    assert CANARY not in whole(task)
    assert [error.error_type for error in task.errors] == ["ToolError", "ValueError"]
    assert {"look", "nobody", "fail", "FindsCanary", "Model"} <= set(names(task))
    assert task.llm_usage.prompt_tokens == 10
    assert all(found.duration_ms is not None for found in task.steps)
    assert step(task, "FindsCanary").metadata["document_count"] == 1
    assert step(task, "look").metadata["events"][0]["name"] == "looked"


def test_without_content_a_broken_stream_and_an_interrupt_say_nothing(traces):  # 58
    stream = Model(replies=[[f"{CANARY} ", ValueError(CANARY)]])
    with pytest.raises(ValueError, match=CANARY):
        list(stream.stream(CANARY, ordinary(capture_content=False)))
    graph = StateGraph(dict)
    graph.add_node("ask", lambda state: {"x": interrupt(CANARY)})
    graph.add_edge(START, "ask")
    config = {**ordinary(capture_content=False), "configurable": {"thread_id": "t"}}
    graph.compile(checkpointer=InMemorySaver()).invoke({"x": CANARY}, config)
    assert [task.status for task in traces] == ["error", "interrupted"]
    assert not any(CANARY in whole(task) for task in traces)


def test_without_content_the_setting_of_the_process_wins(traces, monkeypatch):  # 58
    from infinium_integrations import configure

    configure(capture_content=False)
    try:
        Model(replies=[CANARY]).invoke(CANARY, ordinary())
    finally:
        configure(capture_content=None)
    assert CANARY not in whole(one(traces))


# -- sessions and rubrics ----------------------------------------------------------------------------------------------


def test_session_user_tags_and_metadata_are_the_traces_facts(traces):
    metadata = {"session_id": "s-1", "user_id": "u-1", "team": "blue", "ls_internal": "x"}
    handler = InfiniumCallbackHandler(tags=["ours"], metadata={"release": "7"})
    chain = RunnableLambda(lambda x: x) | Model()
    chain.invoke("hi", {"callbacks": [handler], "tags": ["theirs"], "metadata": metadata})
    facts = one(traces).environment.custom_tags
    assert (facts["session_id"], facts["user_id"], facts["team"], facts["release"]) == ("s-1", "u-1", "blue", "7")
    assert facts["tags"] == "ours,theirs"
    assert "ls_internal" not in facts


@pytest.mark.parametrize(("key", "expected"), [("conversation_id", "c-1"), ("thread_id", "t-1")])
def test_a_conversation_or_a_thread_is_the_session_where_there_is_no_other(traces, key, expected):
    RunnableLambda(lambda x: x).invoke("hi", {**ordinary(), "metadata": {key: expected}})
    assert one(traces).environment.custom_tags["session_id"] == expected


def test_the_rubric_travels_with_the_run_by_handler_and_by_run(traces):
    RunnableLambda(lambda x: x).invoke("hi", ordinary(expected_outcome={"task_objective": "the handler's"}))
    rubric = {"task_objective": "the run's", "acceptance_criteria": ["short"]}
    config = {**ordinary(expected_outcome="the handler's"), "metadata": {"infinium_expected_outcome": rubric}}
    RunnableLambda(lambda x: x).invoke("hi", config)
    config["metadata"] = {"infinium_expected_outcome": "only the objective"}
    RunnableLambda(lambda x: x).invoke("hi", config)
    assert [task.expected_outcome.task_objective for task in traces] == [
        "the handler's",
        "the run's",
        "only the objective",
    ]
    assert traces[1].expected_outcome.acceptance_criteria == ["short"]
    assert "infinium_expected_outcome" not in str(traces[1].environment.custom_tags)


def test_a_rubric_that_cannot_be_read_is_left_out_and_the_run_goes_on(traces, caplog):
    config = {**ordinary(), "metadata": {"infinium_expected_outcome": {"objektive": "typo"}}}
    assert RunnableLambda(lambda x: x).invoke("hi", config) == "hi"
    assert one(traces).expected_outcome is None


def test_a_rubric_of_a_decorator_holds_for_the_runs_inside(traces):
    from infinium_integrations import trace

    @trace("Triage", expected_outcome="sort it")
    def triage(text):
        return RunnableLambda(lambda x: x).invoke(text, ordinary())

    triage("a letter")
    assert one(traces).expected_outcome.task_objective == "sort it"


@pytest.mark.parametrize(
    ("handler_name", "run_name", "expected"),
    [
        ("ours", None, "ours"),
        ("ours", "theirs", "theirs"),
        (None, "theirs", "theirs"),
        (None, None, "RunnableSequence"),
    ],
)
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
def test_the_name_is_the_runs_else_the_handlers_else_the_frameworks(traces, handler_name, run_name, expected, way):
    runnable = RunnableLambda(lambda x: x) | Model()
    config = ordinary(**({"name": handler_name} if handler_name else {})) | ({"run_name": run_name} if run_name else {})
    if way == "ainvoke":
        asyncio.run(runnable.ainvoke("hi", config))
    else:
        list(getattr(runnable, way)("hi", config))
    assert one(traces).name == expected


def test_sections_and_description_of_the_handler_are_on_the_trace(traces):
    Model().invoke("hi", ordinary(description="Answers", sections={"research": {"research_topic": "bees"}}))
    task = one(traces)
    assert (task.description, task.research.research_topic) == ("Answers", "bees")
    assert len(steps(task, "Model")) == 1
