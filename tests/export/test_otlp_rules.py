"""The rules by which a stored trace becomes spans, without any request."""

import json

import pytest

from infinium_integrations.export.otlp import spans_of
from infinium_integrations.recording.trace_context import parse, span_id_of, trace_id_of
from infinium_integrations.storage.record import new_record

TRACE = "338701a7-68c9-4d7e-93e0-59417bb3dc77"


def a_record(*steps, tags=None, times=None, captured=None, delivery=None, trace_id=TRACE, **fields):
    payload = {
        "name": "Refund",
        "description": "Gives money back",
        "current_datetime": "2026-01-31T12:00:01Z",
        "duration": 1.0,
        "steps": list(steps),
        "environment": {"framework": "langchain", "custom_tags": {"status": "ok", **(tags or {})}},
        **fields,
    }
    body = json.dumps(payload).encode()
    return new_record(trace_id, payload, body, 1, delivery or {}, spans=times, captured=captured)


def step(number, action, name="look", parent=None, metadata=None, **fields):
    facts = {"parent_step": parent, "started_ms": 10 * number, "status": "ok", "name": name, **(metadata or {})}
    return {"step_number": number, "action": action, "description": name, "duration_ms": 5, "metadata": facts, **fields}


def only(record):
    _, span = spans_of(record)
    return span


@pytest.mark.parametrize(
    ("given", "name", "client", "kind", "operation"),
    [
        (step(1, "llm_inference", llm_call={"model": "gpt-4o"}), "chat gpt-4o", True, "LLM", "chat"),
        (step(1, "llm_inference", llm_call={"model": "unknown"}), "chat", True, "LLM", "chat"),
        (step(1, "embedding", llm_call={"model": "e-3"}), "embeddings e-3", True, "EMBEDDING", "embeddings"),
        (step(1, "retrieval", "handbook"), "retrieval handbook", True, "RETRIEVER", "retrieval"),
        (step(1, "tool_use", tool_call={"tool_name": "find"}), "execute_tool find", False, "TOOL", "execute_tool"),
        (step(1, "agent", "support"), "invoke_agent support", False, "AGENT", "invoke_agent"),
        (step(1, "agent", "node", metadata={"agent": "bob"}), "invoke_agent bob", False, "AGENT", "invoke_agent"),
        (step(1, "rerank", "sort"), "sort", False, "RERANKER", None),
        (step(1, "chain", "sum up"), "sum up", False, "CHAIN", None),
        (step(1, "workflow_step", "begin"), "begin", False, "CHAIN", None),
        (step(1, "custom", "think"), "think", False, "CHAIN", None),
        (step(1, "of a later version", "new"), "new", False, "CHAIN", None),
    ],
)
def test_an_action_is_a_span(given, name, client, kind, operation):
    span = only(a_record(given))
    assert (span.name, span.client) == (name, client)
    assert span.attributes["openinference.span.kind"] == kind
    assert span.attributes.get("gen_ai.operation.name") == operation


@pytest.mark.parametrize(
    ("steps", "action", "name"),
    [
        ([step(1, "chain")], "chain", "invoke_agent Refund"),
        ([step(1, "chain", metadata={"node": "ask"})], "chain", "invoke_workflow Refund"),
        ([step(1, "workflow_step")], "chain", "invoke_workflow Refund"),
        ([step(1, "chain", metadata={"node": "model"})], "agent", "invoke_agent Refund"),
    ],
)
def test_a_graph_or_workflow_is_one_and_an_agent_an_agent(steps, action, name):
    root, *_ = spans_of(a_record(*steps, times={"action": action}))
    assert root.name == name


def test_a_bare_call_is_one_span_with_what_is_known_of_the_trace():
    given = step(1, "llm_inference", llm_call={"model": "m"}, metadata={"run_id": "r-1"})
    tags = {"run_id": "r-1", "session_id": "s", "tags": "a,b"}
    (span,) = spans_of(a_record(given, tags=tags, times={"trace_id": "1" * 32, "span_id": "2" * 16}))
    assert (span.name, span.trace_id, span.parent_id) == ("chat m", "1" * 32, "2" * 16)
    assert span.attributes["infinium.trace_id"] == TRACE
    assert span.attributes["infinium.tags"] == ["a", "b"]
    assert span.attributes["session.id"] == "s"


def test_times_are_to_the_nanosecond_where_they_are_known():
    times = {"started_ns": 1_000_000_007, "steps": {"1": [3, 5], "2": [4]}}
    root, first, second = spans_of(a_record(step(1, "custom"), step(2, "custom"), times=times))
    assert (root.start_ns, root.end_ns) == (1_000_000_007, 2_000_000_007)
    assert (first.start_ns, first.end_ns) == (1_000_000_010, 1_000_000_015)
    assert (second.start_ns, second.end_ns) == (1_000_000_011, 1_000_000_011)  # it never ended


def test_of_an_earlier_format_times_are_those_of_the_payload():
    root, span = spans_of(a_record(step(1, "custom")))
    assert root.end_ns - root.start_ns == 1_000_000_000
    assert root.end_ns == 1_769_860_801_000_000_000
    assert (span.start_ns - root.start_ns, span.end_ns - span.start_ns) == (10_000_000, 5_000_000)


def test_a_step_whose_parent_was_folded_away_stands_under_the_trace():
    root, span = spans_of(a_record(step(7, "custom", parent=3)))
    assert span.parent_id == root.span_id


def test_steps_made_by_hand_that_share_a_number_are_two_spans():
    spans = spans_of(a_record(step(1, "custom"), step(1, "custom"), {"action": "custom", "description": "bare"}))
    assert len({span.span_id for span in spans}) == 4
    assert spans[3].name == "bare"


def test_tokens_of_an_answer_from_a_cache_are_not_counted_again():
    call = {"model": "m", "prompt_tokens": 10, "completion_tokens": 2}
    span = only(a_record(step(1, "llm_inference", llm_call=call, metadata={"cached": True})))
    assert not any("usage" in name for name in span.attributes)
    assert span.attributes["infinium.cached"] is True


def test_a_model_asked_for_and_another_that_answered_are_both_told():
    call = {"model": "gpt-4o-2026", "provider": "openai", "temperature": 0.0}
    facts = {"model_requested": "gpt-4o", "ttft_ms": 120, "finish_reason": "length"}
    parameters = {"top_p": 0.5, "max_tokens": 9, "seed": 3, "stop": "END", "logit_bias": {"1": 2}}
    span = only(
        a_record(
            step(1, "llm_inference", llm_call=call, metadata=facts),
            captured={"messages": [], "tool_definitions": [], "steps": {"1": {"parameters": parameters}}},
        )
    )
    told = {
        name.removeprefix("gen_ai."): value for name, value in span.attributes.items() if name.startswith("gen_ai.re")
    }
    assert told == {
        "request.model": "gpt-4o",
        "request.temperature": 0.0,
        "request.top_p": 0.5,
        "request.max_tokens": 9,
        "request.seed": 3,
        "request.stop_sequences": ["END"],
        "response.model": "gpt-4o-2026",
        "response.finish_reasons": ["length"],
        "response.time_to_first_chunk": 0.12,
    }
    assert (span.name, span.attributes["gen_ai.provider.name"]) == ("chat gpt-4o", "openai")


SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "function", "function": {"name": "find", "parameters": SCHEMA}},
        {"type": "function", "name": "find", "parameters": SCHEMA},
        {"name": "find", "parameters": SCHEMA},
        {"name": "find", "input_schema": SCHEMA},
        {"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}},
        {"function_declarations": [{"name": "other"}, {"name": "find", "parameters": SCHEMA}]},
        {"functionDeclarations": [{"name": "find", "parametersJsonSchema": SCHEMA}]},
    ],
)
def test_a_tool_of_a_call_is_defined_flat_whatever_its_providers_form(definition):
    definitions = [{"name": "unused"}, definition]
    captured = {"messages": [], "tool_definitions": definitions, "steps": {"1": {"tools": ["find"]}}}
    span = only(a_record(step(1, "llm_inference"), captured=captured))
    assert json.loads(span.attributes["gen_ai.tool.definitions"]) == [
        {"type": "function", "name": "find", "parameters": SCHEMA}
    ]


def test_parameters_have_one_name_whatever_their_providers_is():
    parameters = {"max_output_tokens": 9, "stop_sequences": ["END", "STOP"]}
    captured = {"messages": [], "tool_definitions": [], "steps": {"1": {"parameters": parameters}}}
    span = only(a_record(step(1, "llm_inference"), captured=captured))
    assert span.attributes["gen_ai.request.max_tokens"] == 9
    assert span.attributes["gen_ai.request.stop_sequences"] == ["END", "STOP"]


def test_a_tool_that_a_provider_has_built_in_is_named_by_its_type():
    definitions = [{"type": "web_search", "max_uses": 3}, "no definition"]
    captured = {"messages": [], "tool_definitions": definitions, "steps": {"1": {"tools": ["web_search"]}}}
    span = only(a_record(step(1, "llm_inference"), captured=captured))
    assert json.loads(span.attributes["gen_ai.tool.definitions"]) == [
        {"type": "web_search", "name": "web_search", "max_uses": 3}
    ]


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        ("openai", "openai"),
        ("azure", "azure.ai.openai"),
        ("amazon_bedrock", "aws.bedrock"),
        ("google_vertexai", "gcp.vertex_ai"),
        ("mistralai", "mistral_ai"),
        ("xai", "x_ai"),
        ("one of the user's", "one of the user's"),
    ],
)
def test_a_provider_has_the_name_that_the_conventions_give_it(ours, name):
    span = only(a_record(step(1, "llm_inference", llm_call={"model": "m", "provider": ours})))
    assert span.attributes["gen_ai.provider.name"] == name


def test_a_retrieval_has_its_question_and_documents_each_with_an_id():
    documents = [{"id": None, "content": "a", "metadata": {"page": 3}}, {"id": 7, "score": 0.5, "content": "b"}]
    captured = {"messages": [], "tool_definitions": [], "steps": {"1": {"input": "refunds?", "documents": documents}}}
    span = only(a_record(step(1, "retrieval", output_preview="2 documents"), captured=captured))
    assert span.attributes["gen_ai.retrieval.query.text"] == span.attributes["input.value"] == "refunds?"
    assert span.attributes["output.value"] == "2 documents"
    found = json.loads(span.attributes["gen_ai.retrieval.documents"])
    assert [(one["id"], one["content"]) for one in found] == [("1", "a"), ("7", "b")]
    assert found[0]["metadata"] == {"page": 3}


def test_a_trace_without_summaries_tells_what_was_captured_at_its_ends():
    captured = {"messages": [], "tool_definitions": [], "steps": {}, "input": {"a": 1}, "output": "b"}
    (root,) = spans_of(a_record(captured=captured))
    assert (root.attributes["input.value"], root.attributes["output.value"]) == ('{"a":1}', "b")


def test_rubric_sections_and_facts_of_the_users_are_told():
    (root,) = spans_of(
        a_record(
            tags={"region": "eu", "run_id": "r", "tags": "a"},
            expected_outcome={"task_objective": "Helps"},
            sections={"sales": {"deal_value": 3}},
            sales={"deal_value": 3},
        )
    )
    told = {name: value for name, value in root.attributes.items() if name.startswith("infinium.")}
    assert told == {
        "infinium.trace_id": TRACE,
        "infinium.region": "eu",
        "infinium.run_id": "r",
        "infinium.tags": ["a"],
        "infinium.expected_outcome": '{"task_objective":"Helps"}',
        "infinium.section.sales": '{"deal_value":3}',
        "infinium.framework": "langchain",
        "infinium.status": "ok",
    }


def test_notes_on_a_step_are_events_at_their_time():
    notes = [{"name": "retry", "at_ms": 250, "attempt": 2, "why": {"a": 1}}, {"name": "old"}, "broken"]
    span = only(a_record(step(1, "custom", metadata={"events": notes}), times={"started_ns": 1_000}))
    assert [(event.name, event.at_ns, event.attributes) for event in span.events] == [
        ("retry", 250_001_000, {"attempt": 2, "why": '{"a":1}'}),
        ("old", 1_000, {}),
    ]


def test_notes_tell_no_content_where_none_is_wanted():
    notes = [{"name": "retry", "at_ms": 250, "attempt": 2, "why": "secret"}]
    span = only(a_record(step(1, "custom", metadata={"events": notes}), delivery={"content": False}))
    assert span.events[0].attributes == {"attempt": 2}


def test_an_error_of_the_trace_that_no_step_has_is_told_at_its_root():
    errors = [
        {"error_type": "Soft", "message": "survived", "recoverable": True},
        {"error_type": "Hard", "message": "ended it", "recoverable": False},
    ]
    (root,) = spans_of(a_record(tags={"status": "error"}, errors=errors))
    assert (root.error, root.attributes["error.type"]) == ("ended it", "Hard")
    assert [event.attributes["exception.type"] for event in root.events] == ["Hard"]


def test_an_error_of_unknown_type_is_one():
    (root,) = spans_of(a_record(tags={"status": "error"}))
    assert (root.error, root.attributes["error.type"], root.events) == ("", "_OTHER", [])


@pytest.mark.parametrize("status", ["cancelled", "abandoned", "interrupted", "handoff", "incomplete"])
def test_what_is_no_error_is_none(status):
    root, span = spans_of(a_record(step(1, "custom", metadata={"status": status}), tags={"status": status}))
    assert (root.error, span.error) == (None, None)
    assert (root.attributes["infinium.status"], span.attributes["infinium.status"]) == (status, status)


def test_a_trace_is_linked_to_the_one_that_it_goes_on_with():
    (root,) = spans_of(a_record(tags={"resumed_from": TRACE}))
    assert root.links == [(TRACE.replace("-", ""), span_id_of(TRACE, 0))]


@pytest.mark.parametrize("trace_id", ["an id of another program's", "00000000-0000-0000-0000-000000000000"])
def test_an_id_that_is_no_uuid_has_one_of_its_own_each_time_the_same(trace_id):
    found = trace_id_of(trace_id)
    assert (len(found), found) == (32, trace_id_of(trace_id))
    assert int(found, 16) > 0


def test_a_header_is_read_whatever_its_flags():
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
    assert [parse(header + flags).sampled for flags in ("00", "01", "02", "03")] == [False, True, False, True]
