"""Tokens, stop reasons and tools' names as providers report them; the shapes are those of recorded answers."""

from types import SimpleNamespace as Held

import pytest

from infinium_integrations.payload import usage
from infinium_integrations.recording.adapters import finish_reason, tool_names


def counts(found):
    return (found.prompt, found.completion, found.details)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (  # LiteLLM: OpenAI's names count the cached tokens in
            {"prompt_tokens": 12_100, "completion_tokens": 5, "cache_read_input_tokens": 12_000},
            (12_100, 5, {"cache_read": 12_000}),
        ),
        (  # Anthropic's don't
            {"input_tokens": 100, "output_tokens": 5, "cache_read_input_tokens": 12_000},
            (12_100, 5, {"cache_read": 12_000}),
        ),
        (
            {"input_tokens": 9, "output_tokens": 8, "input_token_details": {"flex_cache_read": 4, "flex": 5}}
            | {"output_token_details": {"flex_reasoning": 3}},
            (9, 8, {"cache_read": 4, "reasoning": 3}),
        ),
        (
            {"input_tokens": 9, "output_tokens": 8, "input_token_details": {"priority_cache_read": 4}},
            (9, 8, {"cache_read": 4}),
        ),
        (
            {"input_tokens": 9, "output_tokens": 60, "output_tokens_details": {"thinking_tokens": 53}},
            (9, 60, {"reasoning": 53}),
        ),
        (  # DeepSeek's, of which all are input tokens
            {"prompt_tokens": 30, "completion_tokens": 8}
            | {"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 10},
            (30, 8, {"cache_read": 20}),
        ),
        (  # what Gemini's own tools answered is read by the model too
            {"prompt_token_count": 32, "tool_use_prompt_token_count": 764}
            | {"candidates_token_count": 477, "thoughts_token_count": 240, "total_token_count": 1513},
            (796, 717, {"reasoning": 240}),
        ),
    ],
)
def test_cached_and_tiered_tokens_are_counted_as_billed(reported, expected):
    assert counts(usage.read(reported)) == expected


def test_of_a_stream_each_counts_last_report_holds():
    first, last = (
        usage.read({"prompt_tokens": 15, "completion_tokens": 1}),
        usage.read({"prompt_tokens": 14, "completion_tokens": 9}),
    )
    assert counts(usage.later(first, last)) == (14, 9, {})


def test_a_zero_takes_nothing_back_but_is_a_count():
    start, end = (
        usage.read({"input_tokens": 25, "output_tokens": 1}),
        usage.read({"input_tokens": 0, "output_tokens": 15}),
    )
    assert counts(usage.later(start, end)) == (25, 15, {})
    assert counts(usage.later(None, usage.read({"input_tokens": 25, "output_tokens": 0}))) == (25, 0, {})


def test_what_one_source_leaves_out_another_says():
    mistral = usage.read({"input_tokens": 20, "output_tokens": 5, "total_tokens": 25})
    beside = usage.read({"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 16}})
    assert counts(usage.filled(mistral, beside)) == (20, 5, {"cache_read": 16})


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"finish_reason": "stop"}, "stop"),
        ({"stop_reason": "end_turn"}, "end_turn"),
        ({"stopReason": "guardrail_intervened"}, "guardrail_intervened"),
        ({"done_reason": "length"}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "completed"}, "completed"),
        (Held(finish_reason=Held(name="MAX_TOKENS")), "MAX_TOKENS"),
        ({"status": 200}, None),
        ({"status": []}, None),
        (None, None),
    ],
)
def test_why_a_model_stopped_is_read_wherever_it_stands(facts, reason):
    assert finish_reason(facts) == reason


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        ([{"type": "function", "function": {"name": "a"}}, {"name": "b", "input_schema": {}}], ["a", "b"]),
        ([{"function_declarations": [{"name": "a"}, {"name": "b"}]}], ["a", "b"]),
        ([Held(function_declarations=[Held(name="a")])], ["a"]),
        ({"tools": [{"toolSpec": {"name": "a"}}, {"cachePoint": {"type": "default"}}]}, ["a"]),
        (
            [{"type": "web_search_preview"}, {"type": "code_interpreter", "container": {}}],
            ["web_search_preview", "code_interpreter"],
        ),
        ("no tools", []),
        (None, []),
    ],
)
def test_tools_are_named_in_every_providers_form(tools, names):
    assert tool_names(tools) == names
