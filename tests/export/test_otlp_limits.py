"""What is too large for one request: the content of the oldest messages goes first, then it is split by spans."""

import json
import tracemalloc

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.common", reason="pip install 'infinium-integrations[otel]'")

from faultserver import Reply
from otlp_receiver import Receiver, spans_in, taken
from test_otlp import use

from infinium_integrations import flush, settings, stats, trace
from infinium_integrations.export import otlp_transport
from infinium_integrations.export.otlp import spans_of
from infinium_integrations.export.otlp_fit import LEFT_OUT
from infinium_integrations.storage.record import new_record

LIMIT = 4 * 1_048_576


def conversation(turns, chars, documents=0, tools=()):
    """A stored trace of a chat in which each call of the model is sent all that was said before."""
    messages = [
        {"role": ("user", "assistant")[number % 2], "parts": [{"type": "text", "content": f"{number} " + "é" * chars}]}
        for number in range(2 * turns)
    ]
    steps = [
        {
            "step_number": turn + 1,
            "action": "llm_inference",
            "description": "model",
            "llm_call": {"model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 2},
            "metadata": {"parent_step": None, "started_ms": turn, "status": "ok"},
        }
        for turn in range(turns)
    ]
    contents = {
        str(turn + 1): {
            "input_messages": list(range(2 * turn + 1)),
            "output_messages": [2 * turn + 1],
            "tools": [tool["name"] for tool in tools],
        }
        for turn in range(turns)
    }
    if documents:
        steps.append({"step_number": turns + 1, "action": "retrieval", "description": "search", "metadata": {}})
        contents[str(turns + 1)] = {
            "input": "q",
            "documents": [{"id": n, "content": "é" * 60_000} for n in range(documents)],
        }
    payload = {
        "name": "Chat",
        "description": "Chat",
        "current_datetime": "2026-01-31T12:00:00Z",
        "duration": 1.0,
        "steps": steps,
        "environment": {"custom_tags": {"status": "ok"}},
    }
    captured = {"messages": messages, "tool_definitions": list(tools), "steps": contents}
    delivery = {"status": "pending", "resource": {"service.name": "chat"}}
    return new_record(
        "338701a7-68c9-4d7e-93e0-59417bb3dc77", payload, json.dumps(payload).encode(), 1, delivery, captured=captured
    )


def said(span, end="input"):
    messages = json.loads(span.attributes[f"gen_ai.{end}.messages"])
    return [message["parts"][0]["content"] for message in messages]


def test_what_fits_is_one_request_with_all_of_its_content():
    (body,) = otlp_transport.encoded(conversation(10, 1_000))
    assert len(body) < LIMIT
    assert LEFT_OUT not in body.decode("utf-8", "replace")


def test_the_content_of_the_oldest_messages_goes_first_marked_and_the_newest_stays():
    record = conversation(40, 4_000)
    assert len(otlp_transport.encoded(record, 2**40)[0]) > 2 * LIMIT
    (body,) = otlp_transport.encoded(record)
    assert LIMIT * 0.8 < len(body) <= LIMIT
    spans = spans_in(body)
    assert len(spans) == 41
    left = [text == LEFT_OUT for text in said(spans[-1])]
    assert left == sorted(left, reverse=True)
    assert 0 < sum(left) < len(left)
    assert said(spans[-1], "output")[0].startswith("79 ")
    gone = sum(left)
    for turn, span in enumerate(spans[1:]):  # the same messages, wherever they stand
        texts = said(span) + said(span, "output")
        assert [text == LEFT_OUT for text in texts] == [number < gone for number in range(2 * turn + 2)]
        assert span.attributes.get("infinium.messages_left_out", 0) == min(gone, 2 * turn + 2)
    assert json.loads(spans[1].attributes["gen_ai.input.messages"])[0]["role"] == "user"


@pytest.mark.parametrize(("turns", "chars"), [(400, 1_000), (500, 100)])
def test_a_very_long_conversation_takes_no_memory_by_its_square(turns, chars):
    record = conversation(turns, chars)
    tracemalloc.start()
    try:
        bodies = otlp_transport.encoded(record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert turns * turns * (2 * chars + 70) > 60_000_000  # what all messages of all calls are together
    assert peak < 50_000_000
    assert max(map(len, bodies)) <= LIMIT
    spans = [span for body in bodies for span in spans_in(body)]
    assert len(spans) == turns + 1
    last = json.loads(spans[-1].attributes["gen_ai.input.messages"])
    assert last[0]["parts"][0]["content"] == LEFT_OUT
    assert spans[-1].attributes["infinium.messages_left_out"] > turns
    assert said(spans[-1], "output")[0].startswith(f"{2 * turns - 1} ")


def test_definitions_of_tools_stand_once_where_room_is_scarce():
    definitions = [{"name": "find", "description": "x" * 2_000}]
    record = conversation(10, 10, tools=definitions)
    (whole,) = otlp_transport.encoded(record)
    assert len(whole) > 25_000
    assert whole.count(b"gen_ai.tool.definitions") == 10
    (body,) = otlp_transport.encoded(record, 25_000)
    assert body.count(b"gen_ai.tool.definitions") == 1


def test_what_is_still_too_large_is_split_by_spans_and_every_request_fits():
    record = conversation(3, 100)
    bodies = otlp_transport.encoded(record, 2_500)
    assert len(bodies) > 1
    assert max(map(len, bodies)) <= 2_500
    spans = [span for body in bodies for span in spans_in(body)]
    whole = spans_of(record)
    assert [span.id for span in spans] == [span.span_id for span in whole]
    assert {span.resource["service.name"] for span in spans} == {"chat"}


def test_a_span_too_large_alone_loses_its_longest_texts_and_keeps_its_facts():
    bodies = otlp_transport.encoded(conversation(1, 100, documents=60))
    assert max(map(len, bodies)) <= LIMIT
    search = next(span for body in bodies for span in spans_in(body) if span.name.startswith("retrieval"))
    assert search.attributes["gen_ai.retrieval.documents"] == LEFT_OUT
    assert search.attributes["gen_ai.operation.name"] == "retrieval"


def test_what_is_split_repeats_only_what_was_not_taken(monkeypatch):
    monkeypatch.setattr(otlp_transport, "REQUEST_BYTES", 3_000)
    with Receiver([taken(), 503]) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund") as t:
            for number in range(12):
                with t.step("custom", f"step {number}") as step:
                    step.set_output("x" * 400)
        assert flush(60)
        names = [span.name for span in receiver.spans]
        assert len(receiver.bodies) > 2
    assert names == ["invoke_agent Refund", *(f"step {number}" for number in range(12))]


def test_a_receiver_that_takes_less_gets_smaller_requests_from_then_on(monkeypatch):
    monkeypatch.setattr(otlp_transport, "LEAST_BYTES", 1_000)
    with Receiver([Reply(413)]) as receiver:
        use(monkeypatch, receiver.origin)
        for run in range(2):
            with trace(f"run {run}") as t:
                for number in range(12):
                    with t.step("custom", f"step {number}") as step:
                        step.set_output("x" * 400)
            assert flush(60)
        assert len(receiver.requests[0].body) > 4_000
        assert max(len(body) for body in receiver.bodies) < 4_000
        assert len({(span.trace_id, span.id) for span in receiver.spans}) == len(receiver.spans) == 26


def test_what_is_too_large_however_small_is_rejected(monkeypatch, caplog):
    with Receiver(then=Reply(413)) as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund"):
            pass
        assert flush(60)
    assert stats()["rejected"] == 1
    assert "413" in caplog.text


def test_half_a_character_and_a_huge_number_are_sent_as_what_can_be(monkeypatch, caplog):
    with Receiver() as receiver:
        use(monkeypatch, receiver.origin)
        with trace("Refund", metadata={"session_id": "s\ud83d"}) as t, t.step("llm_inference", "x\ud83d") as step:
            step.set_output("y\ud83d").record_llm_call("m", prompt_tokens=2**70)
        assert flush(30)
        assert [span.name for span in receiver.spans][1:] == ["chat m"]
    assert caplog.records == []
    assert settings.current().otlp is not None
