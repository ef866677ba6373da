"""Texts that are cut before they are redacted: the beginning of a secret at the cut goes, whatever the limit."""

import contextlib
import dataclasses
import json
from uuid import uuid4

import pytest
from pydantic_core import to_json

from infinium_integrations import diagnostics, experiment, trace
from infinium_integrations.capture.preview import preview, to_json_value
from infinium_integrations.payload.finalize import Finisher, Limits
from infinium_integrations.redaction.key_names import Cut, cut
from infinium_integrations.redaction.redactor import Redactor
from infinium_integrations.testing import captured_traces

KNOWN = "Quokka-7731-zebra-9921-walrus-4410"
SHAPED = "sk-proj-Zk3mT0v5Yw1bN7cR4dX9fG2hJ6lPq8"
KEPT = {KNOWN: len(KNOWN) - 3, SHAPED: 14}
"""Characters before the cut: too few to be seen as a secret, but that the text goes on is known."""
SHOWN = 12
"""Characters of a secret of which its beginning is told."""


def beginning(secret, at):
    """Return a text of which, cut at a place, a secret's beginning remains."""
    return ("word " * 3_000)[: at - KEPT[secret] - 1] + " " + secret + " more" * 100


def handler(**options):
    langchain = pytest.importorskip("infinium_integrations.langchain")
    return langchain.InfiniumCallbackHandler(**options)


def invoke(function, given="q"):
    from langchain_core.runnables import RunnableLambda

    return RunnableLambda(function).invoke(given, {"callbacks": [handler()]})


def failing(error):
    def fail(_):
        raise error

    pytest.importorskip("langchain_core")
    with contextlib.suppress(ValueError, ExceptionGroup):
        invoke(fail)


def stack_trace(secret):
    failing(ValueError(beginning(secret, 1_256)))


def causes(secret):
    failing(
        ExceptionGroup(
            "several", [ValueError(beginning(secret, 1_256 - len("several (1 sub-exception): ValueError: ")))]
        )
    )


def error_code(secret):
    error = ValueError("m")
    error.code = beginning(secret, 100)
    failing(error)


def verdict(secret):
    pytest.importorskip("langchain_core")
    from langchain_core.runnables import RunnableLambda

    graded = {"key": "k", "score": 1, "value": beginning(secret, 456), "comment": "c"}
    inner = RunnableLambda(lambda _: graded).with_config(run_name="inner")
    invoke(lambda _: inner.invoke("q"))


def verdict_of_a_root(secret):
    pytest.importorskip("langchain_core")
    invoke(lambda _: {"key": "k", "score": 1, "value": beginning(secret, 456), "comment": "c"})


def custom_event(secret):
    pytest.importorskip("langchain_core")
    from langchain_core.callbacks import dispatch_custom_event

    def dispatch(_):
        dispatch_custom_event(beginning(secret, 456), 1)
        return "x"

    invoke(dispatch)


def tools_error(secret):
    pytest.importorskip("langchain_core")
    from langchain_core.messages import ToolMessage

    ours, chain, tool = handler(preview_chars=100), uuid4(), uuid4()
    ours.on_chain_start({"name": "r"}, "x", run_id=chain)
    ours.on_tool_start({"name": "t"}, "x", run_id=tool, parent_run_id=chain)
    ours.on_tool_end(ToolMessage(beginning(secret, 356), tool_call_id="c", status="error"), run_id=tool)
    ours.on_chain_end("x", run_id=chain)


def model(answer=None, **bound):
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    asked = GenericFakeChatModel(messages=iter([answer or AIMessage("x")]))
    (asked.bind(**bound) if bound else asked).invoke("x", {"callbacks": [handler()]})


def model_name(secret):
    pytest.importorskip("langchain_core")
    from langchain_core.messages import AIMessage

    model(AIMessage("x", response_metadata={"model_name": beginning(secret, 300)}))


def offered_tool(secret):
    pytest.importorskip("langchain_core")
    model(tools=[{"name": beginning(secret, 300)}])


def trace_name(secret):
    with trace(beginning(secret, 499)):
        pass


def trace_description(secret):
    with trace("a", beginning(secret, 9_999)):
        pass


def step_name(secret):
    with trace("a") as builder, builder.step("custom", beginning(secret, 500)):
        pass


def tool_summary(secret):
    with trace("a", preview_chars=50_000) as builder, builder.step("tool_use", "s") as step:
        step.record_tool_call("search", input_summary=beginning(secret, 756))


def converted(secret):
    with trace("a", sections={"support": {"resolution": [beginning(secret, 10_254)]}}):
        pass


def tagged(tags, *, root):
    pytest.importorskip("llama_index.core")
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.dispatcher import instrument_tags

    from infinium_integrations.llama_index import InfiniumEventHandler

    dispatcher = get_dispatcher()

    @dispatcher.span
    def part(x):
        return x

    @dispatcher.span
    def whole(x):
        with instrument_tags(tags):
            return part(x)

    with InfiniumEventHandler(), instrument_tags(tags if root else {}):
        (part if root else whole)("q")


def fact_of_a_part(secret):
    tagged({"m": beginning(secret, 756)}, root=False)


def fact_of_a_root(secret):
    tagged({"m": beginning(secret, 756)}, root=True)


def tag_of_a_part(secret):
    tagged({"tags": [beginning(secret, 500)]}, root=False)


def tag_of_a_root(secret):
    tagged({"tags": [beginning(secret, 500)]}, root=True)


def tag_before_another(secret):
    tagged({"tags": [beginning(secret, 500), "last"]}, root=True)


def example_id(secret):
    experiment(lambda asked: asked, [{"input": "q", "id": beginning(secret, 1_000)}], name="e")


PLACES = [
    *(stack_trace, causes, error_code, verdict, verdict_of_a_root, custom_event, tools_error, model_name, offered_tool),
    *(trace_name, trace_description, step_name, tool_summary, converted),
    *(fact_of_a_part, fact_of_a_root, tag_of_a_part, tag_of_a_root, tag_before_another, example_id),
]


@pytest.mark.parametrize("secret", [KNOWN, SHAPED], ids=["known", "shaped"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_beginning_of_a_secret_at_a_cut_goes(place, secret, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", KNOWN)
    with captured_traces(grace=0.2) as traces:
        diagnostics.raising(on=False)  # a name that is too long is cut
        place(secret)
        traces.end_all()
    assert traces
    for task in traces:
        held = [task.captured, *(step.captured for step in task.steps or [])]
        said = [task.to_wire(), *(dataclasses.asdict(one) for one in held if one)]
        text = json.dumps(said, default=str)
        assert "word" in text
        assert secret[:SHOWN] not in text


def test_a_secret_across_two_texts_is_seen_where_the_second_was_cut():
    pytest.importorskip("langchain_core")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage, HumanMessage

    texts = ["the password=", "hunter2x9 and " + "word " * 250_000]
    asked = HumanMessage([{"type": "text", "text": text} for text in texts])
    with captured_traces() as traces:
        GenericFakeChatModel(messages=iter([AIMessage("x")])).invoke([asked], {"callbacks": [handler()]})
    said = json.dumps([traces[0].to_wire(), dataclasses.asdict(traces[0].captured)])
    assert "word" in said
    assert "hunter2x9" not in said


def test_what_was_shortened_says_so_and_no_other_text():
    assert type(preview("a" * 1_256, 1_000)) is str
    assert type(preview("a" * 1_257, 1_000)) is Cut
    assert type(preview(preview("a" * 2_000, 1_000), 1_000)) is Cut
    assert type(preview({"a": "b"}, 1_000)) is str
    assert type(preview({"a": "b" * 2_000}, 1_000)) is Cut
    assert type(cut("abc", 3)) is str
    assert cut("abcd", 3) == "abc"
    assert type(cut("abcd", 3)) is Cut


def test_a_text_that_was_cut_is_an_ordinary_one_for_json():
    assert to_json({"a": Cut("b")}) == b'{"a":"b"}'
    assert to_json_value({"a": Cut("b")}) == {"a": "b"}


@pytest.mark.parametrize("limit", [None, 10, 16, 1_000])
def test_a_cut_text_is_finished_with_an_open_end(limit):
    finisher = Finisher(Redactor(secrets=[KNOWN]), cut=True, limits=Limits())
    assert KNOWN[:6] not in finisher.text(Cut(f"I said {KNOWN[:9]}"), limit)
    assert finisher.text(Cut("I said nothing"), limit).startswith("I said")
    assert type(finisher.text(Cut("I said nothing"), limit)) is str
    assert KNOWN[:6] not in finisher.machine(Cut(f"I said {KNOWN[:9]}"))
    assert KNOWN[:6] not in finisher.stack(Cut(f"at 1\nE: I said {KNOWN[:9]}"), limit or 100)
    assert KNOWN[:9] in finisher.text(f"I said {KNOWN[:9]}")
