"""What the choke point promises: nothing leaves that is not redacted, safe as JSON and small enough."""

import json
import math
from pathlib import Path

import pytest
from any_value import anything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from infinium.client import InfiniumClient
from payload_strategies import tasks
from secret_corpus import BENIGN, BY_SHAPE, left

from infinium_integrations.capture.preview import SLACK, preview
from infinium_integrations.models import DESCRIPTION_LIMIT, TaskData
from infinium_integrations.payload.finalize import Limits, build_payload, encode, finalize, shrink
from infinium_integrations.redaction.redactor import Redactor

MARK = "[REDACTED]"
LIMIT = 1_048_576
WIRE = Path(__file__).parent / "wire"
LOOSE = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
MINIMAL = {"name": "n", "description": "d", "current_datetime": "2026-01-31T12:00:00Z", "duration": 1.5}


def golden(name):
    return json.loads((WIRE / f"{name}.json").read_text("utf-8"))


def strict(payload):
    """Read a payload back as a strict parser does."""

    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(encode(payload).decode("utf-8"), parse_constant=refuse)


def strings(value, path=""):
    """Give each string of a JSON value with its path, keys included."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.<key>", key
            yield from strings(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, path)


# golden payloads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimal", "full"])
def test_a_direct_send_is_the_golden_payload(name):
    wire = golden(name)
    payload = build_payload(TaskData.model_validate(wire), Redactor())
    assert json.dumps(payload) == json.dumps(wire)


def test_the_full_golden_payload_has_every_field_there_is():
    task = TaskData.model_validate(golden("full"))
    unset = [name for name in TaskData.model_fields if getattr(task, name) is None]
    for part in (getattr(task, name) for name in TaskData.model_fields):
        if hasattr(part, "model_dump"):
            unset += [name for name, value in part.model_dump().items() if value is None]
    assert unset == []


def test_the_full_golden_payload_goes_through_the_published_sdks_own_check():
    sdk = pytest.importorskip("infinium.utils")
    sdk.validate_payload_size(golden("full"))
    assert InfiniumClient


def test_a_recorded_trace_with_secrets_becomes_the_golden_payload():
    payload = finalize(golden("recorded.draft"), Redactor(secrets=["plumber-crazy-77"]), cut=True)
    assert json.dumps(payload, ensure_ascii=False, indent=1) + "\n" == (WIRE / "recorded.json").read_text("utf-8")


# redaction ---------------------------------------------------------------------------------------------------------


def full_of(secret):
    """Plant a text in every free text of a whole trace, keys of metadata and tags included."""
    return planted(golden("full"), secret)


FREE = ("metadata", "custom_tags", "performance_metrics")
MACHINE = {"current_datetime", "prompt_id", "source", "fetched_at"}


def planted(value, secret, *, keys=False, key=""):
    if isinstance(value, dict):
        return {
            (f"{name} {secret}" if keys else name): planted(item, secret, keys=keys or name in FREE, key=name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [planted(item, secret, keys=keys, key=key) for item in value]
    return f"{value} {secret}" if isinstance(value, str) and key not in MACHINE else value


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("kind", ["openai", "github", "jwt", "postgres url", "bearer"])
def test_a_secret_vanishes_from_every_field(kind, cut):
    payload = finalize(full_of(BY_SHAPE[kind]), Redactor(), cut=cut)
    assert [path for path, text in strings(payload) if left(BY_SHAPE[kind], text)] == []
    TaskData.model_validate(payload)


def test_a_known_value_vanishes_from_every_field_machine_values_included():
    wire = planted(golden("full"), "plumber-crazy-77", key="")
    wire["environment"]["sdk_version"] += " plumber-crazy-77"
    payload = finalize(wire, Redactor(secrets=["plumber-crazy-77"]), cut=False)
    assert b"plumber" not in encode(payload)


OURS = {
    "steps": [{"metadata": {"status": "ok", "run_id": "123e4567-e89b", "parent_step": None, "model_requested": "m"}}]
}


def test_the_users_rule_sees_every_free_text_and_no_machine_value():
    wire = golden("full")
    wire["steps"][0]["metadata"] |= OURS["steps"][0]["metadata"]
    wire["environment"]["custom_tags"] |= {"status": "error", "trace_id": "123e4567", "session_id": "Anna's"}
    payload = finalize(wire, Redactor(user=lambda _: "X"), cut=True)
    same = {path for path, text in strings(payload) if text != "X" and "<key>" not in path}
    assert same == {
        *(
            ".current_datetime",
            ".steps.action",
            ".steps.llm_call.model",
            ".steps.llm_call.provider",
            ".llm_usage.model",
        ),
        *(".llm_usage.provider", ".llm_usage.calls.model", ".llm_usage.calls.provider", ".environment.framework"),
        *(".environment.framework_version", ".environment.python_version", ".environment.sdk_version"),
        *(".environment.custom_tags.status", ".environment.custom_tags.trace_id", ".steps.metadata.status"),
        *(".steps.metadata.run_id", ".steps.metadata.model_requested", ".prompt_studio.prompts_used.prompt_id"),
        *(".prompt_studio.prompts_used.source", ".prompt_studio.prompts_used.fetched_at"),
    }
    TaskData.model_validate(payload)


def test_a_status_that_is_none_of_ours_is_a_free_text():
    step = {"step_number": 1, "action": "a", "description": "", "metadata": {"status": "Anna is ill", "run_id": "Anna"}}
    payload = finalize({**MINIMAL, "steps": [step]}, Redactor(user=lambda _: "X"), cut=True)
    assert payload["steps"][0]["metadata"] == {"status": "X", "run_id": "X"}


def failing(text):
    raise RuntimeError(text)


@pytest.mark.parametrize("cut", [True, False])
def test_where_the_users_rule_fails_names_are_marked_and_texts_are_dropped(cut):
    payload = finalize(golden("full"), Redactor(user=failing), cut=cut)
    TaskData.model_validate(payload)
    assert payload["name"] == payload["description"] == MARK
    assert "input_summary" not in payload
    assert "sections" not in payload or "customer" not in payload["sections"]
    assert payload["errors"][0]["message"] == payload["errors"][0]["error_type"] == MARK
    assert "stack_trace" not in payload["errors"][0]
    assert payload["llm_usage"] == golden("full")["llm_usage"] | {"calls": payload["llm_usage"]["calls"]}


def test_values_under_telling_keys_are_hidden():
    metadata = {"api_key": "v", "headers": {"Cookie": "a"}, "max_tokens": 5, "password": None, "credentials": {"a": 1}}
    wire = {**MINIMAL, "steps": [{"step_number": 1, "action": "a", "description": "", "metadata": metadata}]}
    wire["environment"] = {"custom_tags": {"auth_token": "v", "token_count": "7"}}
    payload = finalize(wire, Redactor(), cut=False)
    expected = {"api_key": MARK, "headers": {"Cookie": MARK}, "max_tokens": 5, "password": None, "credentials": MARK}
    assert payload["steps"][0]["metadata"] == expected
    assert payload["environment"]["custom_tags"] == {"auth_token": MARK, "token_count": "7"}


def test_keys_that_become_the_same_mark_are_all_kept():
    metadata = {f"plumber-crazy-7{number}": number for number in range(3)}
    wire = {**MINIMAL, "steps": [{"step_number": 1, "action": "a", "description": "", "metadata": metadata}]}
    payload = finalize(wire, Redactor(secrets=metadata), cut=True)
    assert payload["steps"][0]["metadata"] == {MARK: 0, f"{MARK} 2": 1, f"{MARK} 3": 2}


def test_the_wire_dict_given_is_not_changed():
    wire = full_of("plumber-crazy-77")
    before = json.dumps(wire)
    finalize(wire, Redactor(secrets=["plumber-crazy-77"]), cut=True)
    assert json.dumps(wire) == before


def test_finishing_twice_changes_nothing():
    redactor = Redactor(secrets=["plumber-crazy-77"])
    once = finalize(full_of("plumber-crazy-77 password=hunter2!"), redactor, cut=True)
    assert finalize(once, redactor, cut=True) == finalize(once, redactor, cut=False) == once


def test_ordinary_texts_leave_as_they_are():
    for text in BENIGN:
        assert build_payload(TaskData(name="n", description=text, duration=1), Redactor())["description"] == text


# lengths -----------------------------------------------------------------------------------------------------------


def long_trace():
    error = {"error_type": "E", "message": "m " * 2_000, "stack_trace": "line\n" * 500 + "the end"}
    tool = {"tool_name": "t", "input_summary": "i " * 1_000, "output_summary": "o " * 1_000, "error": error}
    step = {"step_number": 1, "action": "tool_use", "description": "s " * 1_000, "tool_call": tool, "error": error}
    step |= {"input_preview": "i " * 1_000, "output_preview": "o " * 1_000, "metadata": {"a": "b " * 2_000}}
    wire = {**MINIMAL, "name": "n" * 900, "description": "d " * 9_000, "input_summary": "i " * 9_000}
    return {**wire, "output_summary": "o " * 9_000, "steps": [step], "errors": [error]}


def test_recorded_texts_are_cut_at_exactly_their_limits():
    payload = finalize(long_trace(), Redactor(), cut=True)
    step, error = payload["steps"][0], payload["errors"][0]
    assert [len(payload[name]) for name in ("name", "description", "input_summary", "output_summary")] == [
        500,
        10_000,
        3_000,
        8_000,
    ]
    assert [len(step[name]) for name in ("description", "input_preview", "output_preview")] == [500] * 3
    assert [len(step["tool_call"][name]) for name in ("input_summary", "output_summary")] == [500] * 2
    assert [len(error[name]) for name in ("message", "stack_trace")] == [1_000, 1_000]
    assert len(step["metadata"]["a"]) == 1_000
    assert error["stack_trace"].endswith("the end")
    TaskData.model_validate(payload)


def test_the_limits_of_previews_can_be_chosen():
    payload = finalize(long_trace(), Redactor(), cut=True, limits=Limits(preview=50))
    assert len(payload["steps"][0]["input_preview"]) == len(payload["steps"][0]["tool_call"]["output_summary"]) == 50


def test_texts_sent_directly_are_not_cut():
    payload = finalize(long_trace(), Redactor(), cut=False)
    assert payload["input_summary"] == "i " * 9_000
    assert payload["steps"][0]["metadata"]["a"] == "b " * 2_000


def test_a_redacted_name_that_grew_still_fits_the_platforms_limit():
    task = TaskData(name="ab1 " * 125, description="ab1 " * 2_500, duration=1)
    payload = build_payload(task, Redactor(secrets=["ab1"]))
    for field, limit in (("name", 500), ("description", DESCRIPTION_LIMIT)):
        assert limit - len("[REDACTED]") <= len(payload[field]) <= limit
        assert payload[field].endswith("…")
        assert "[REDACTED…" not in payload[field]


def test_a_text_that_was_empty_stays_empty():
    wire = {**MINIMAL, "input_summary": "", "errors": [{"error_type": "E", "message": ""}]}
    assert finalize(wire, Redactor(), cut=True) == wire


# JSON --------------------------------------------------------------------------------------------------------------


def test_what_json_cannot_say_becomes_readable():
    metadata = {
        "nan": math.nan,
        "inf": [-math.inf],
        1: b"abc",
        ("a",): object(),
        "big": 10**400,
        "half \ud800": "\udfff",
    }
    wire = {**MINIMAL, "name": "half \ud800", "duration": math.nan}
    wire["steps"] = [{"step_number": 1, "action": "a", "description": "", "metadata": metadata}]
    wire["llm_usage"] = {"estimated_cost_usd": math.inf, "api_calls_count": 1}
    payload = strict(finalize(wire, Redactor(), cut=True))
    assert payload["name"] == "half \\ud800"
    assert payload["duration"] == 0
    assert payload["llm_usage"] == {"api_calls_count": 1}
    assert payload["steps"][0]["metadata"] == {
        "nan": "NaN",
        "inf": ["-Infinity"],
        "1": "<bytes 3>",
        '["a"]': "<object>",
        "big": "<int of about 401 digits>",
        "half \\ud800": "\\udfff",
    }


def test_a_surrogate_from_the_users_rule_does_no_harm():
    strict(finalize(golden("full"), Redactor(user=lambda _: "\ud800"), cut=True))


@pytest.mark.parametrize(("given_", "sent"), [(-1, 0), (90_000, 86_400), (math.inf, 86_400), ("x", 0), (5, 5)])
def test_a_duration_out_of_bounds_is_clamped(given_, sent):
    assert finalize({**MINIMAL, "duration": given_}, Redactor(), cut=True)["duration"] == sent


def test_metadata_that_holds_itself_or_is_very_deep_is_bounded():
    metadata = {"a": 1}
    metadata["self"] = metadata
    deep = []
    for _ in range(5_000):
        deep = [deep]
    wire = {
        **MINIMAL,
        "steps": [{"step_number": 1, "action": "a", "description": "", "metadata": {"m": metadata, "d": deep}}],
    }
    for cut in (True, False):
        TaskData.model_validate(strict(finalize(wire, Redactor(), cut=cut)))


def test_encoding_is_strict():
    assert encode({"a": "é", "b": [1, 2]}) == '{"a":"é","b":[1,2]}'.encode()
    with pytest.raises(ValueError):
        encode({"a": math.nan})
    with pytest.raises(ValueError):
        encode({"a": "\ud800"})


# size --------------------------------------------------------------------------------------------------------------


def step(number, text="", **more):
    return {"step_number": number, "action": "chain", "description": f"step {number}", "input_preview": text, **more}


USAGE = {"model": "m", "prompt_tokens": 5, "total_tokens": 7, "estimated_cost_usd": 0.5, "api_calls_count": 9}
WIDE = {"a": {str(key): "v" * 100 for key in range(30)}}
WIDE = {key: dict.fromkeys("abcde", WIDE) for key in "abcde"} | WIDE
HUGE = {
    "description": {"description": "d" * 5_000_000},
    "unicode description": {"description": "漢" * 2_000_000},
    "control characters": {"description": "\0" * 2_000_000},
    "summary": {"output_summary": "o " * 3_000_000},
    "previews": {"steps": [step(number, "x" * 500) for number in range(1, 3_000)]},
    "steps": {"steps": [step(number, "x" * 500) for number in range(1, 100_001)]},
    "one step's metadata": {"steps": [step(1, metadata={str(key): "v" * 100 for key in range(50_000)}), step(2)]},
    "every step's metadata": {"steps": [step(number, metadata={"a": ["v" * 500] * 20}) for number in range(1, 500)]},
    "sections": {"sections": {"general": {"agent_notes": "n" * 4_000_000, "tags": ["t" * 50] * 50_000}}},
    "tags": {
        "environment": {"custom_tags": {f"tag {number}": "v" * 100 for number in range(20_000)} | {"trace_id": "t1"}}
    },
    "errors": {"errors": [{"error_type": "E", "message": "m" * 900, "stack_trace": "s" * 900} for _ in range(5_000)]},
    "calls": {"llm_usage": USAGE | {"calls": [{"model": "m" * 100} for _ in range(30_000)]}},
    "steps of wide objects": {"steps": [step(number, metadata=WIDE) for number in range(1, 40)]},
    "many facts": {
        "environment": {"custom_tags": {"trace_id": "t1"} | WIDE["a"]},
        "llm_usage": USAGE | {"calls": [{"model": "m"}]},
    },
    "nested": {
        "sections": {"development": {"performance_metrics": {str(key): {"a": ["x" * 200] * 30} for key in range(900)}}}
    },
}


@pytest.mark.parametrize("limit", [LIMIT, 4_096])
@pytest.mark.parametrize("kind", HUGE)
def test_a_payload_always_fits(kind, limit):
    payload = {**MINIMAL, "llm_usage": USAGE, **HUGE[kind]}
    before = json.dumps(payload)
    trimmed = shrink(payload, limit)
    assert len(encode(trimmed)) <= limit
    assert {name: trimmed["llm_usage"][name] for name in USAGE} == USAGE
    assert trimmed["name"] == "n"
    assert list(trimmed) == [key for key in payload if key in trimmed]
    assert json.dumps(payload) == before
    if kind not in {"description", "unicode description", "control characters"}:
        TaskData.model_validate(trimmed)


def test_a_payload_that_fits_is_given_back_as_it_is():
    payload = golden("full")
    assert shrink(payload) is payload


def test_previews_are_shortened_before_any_step_is_left_out():
    trimmed = shrink({**MINIMAL, "steps": [step(number, "x" * 500) for number in range(1, 3_001)]})
    assert [step["step_number"] for step in trimmed["steps"]] == list(range(1, 3_001))
    assert len(trimmed["steps"][0]["input_preview"]) == 200


def test_steps_left_out_of_the_middle_are_counted_and_the_others_keep_their_numbers():
    trimmed = shrink({**MINIMAL, "steps": [step(number, "x") for number in range(1, 50_001)]})
    numbers = [step["step_number"] for step in trimmed["steps"]]
    markers = [step for step in trimmed["steps"] if step["action"] == "custom"]
    assert len(markers) == 1
    left_out = 50_000 - (len(numbers) - 1)
    assert markers[0]["description"].startswith(f"{left_out:,} steps left out")
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (1, 50_000)
    assert len(encode(trimmed)) > LIMIT * 0.9


def test_a_large_section_costs_no_step():
    steps = [step(number, "x" * 100) for number in range(1, 1_001)]
    trimmed = shrink({**MINIMAL, "steps": steps, "sections": {"general": {"agent_notes": "n" * 3_000_000}}})
    assert trimmed["steps"] == steps
    assert trimmed["sections"]["general"]["agent_notes"].startswith("nnn")


def test_a_tag_of_ours_outlives_all_others():
    payload = {**MINIMAL, **HUGE["tags"]}
    assert shrink(payload, 4_096)["environment"]["custom_tags"]["trace_id"] == "t1"


def test_what_a_trace_cannot_do_without_outlives_all_else():
    facts = {
        "sections": {"development": {"performance_metrics": {key: dict.fromkeys("abcde", WIDE) for key in "abcde"}}}
    }
    payload = {**MINIMAL, **HUGE["many facts"], **facts}
    trimmed = shrink(payload, 4_096)
    assert trimmed == {**MINIMAL, "llm_usage": USAGE, "environment": {"custom_tags": {"trace_id": "t1"}}}


def test_a_direct_send_that_is_too_large_is_trimmed_not_refused():
    task = TaskData(**MINIMAL, steps=[step(number, "x" * 2_000) for number in range(1, 2_000)])
    assert len(encode(build_payload(task))) <= LIMIT


# properties --------------------------------------------------------------------------------------------------------


@LOOSE
@given(
    task=tasks, cut=st.booleans(), metadata=st.dictionaries(st.text(), anything, max_size=4), text=st.text(min_size=1)
)
def test_whatever_was_recorded_leaves_as_strict_json_that_reads_back(task, cut, metadata, text):
    wire = task.to_wire()
    wire["name"] = wire["input_summary"] = text
    wire["steps"] = [
        *wire.get("steps", []),
        {"step_number": 1, "action": text, "description": text, "metadata": metadata},
    ]
    payload = finalize(wire, Redactor(), cut=cut)
    TaskData.model_validate(strict(payload))
    assert len(encode(payload)) <= LIMIT


@LOOSE
@given(task=tasks, limit=st.integers(4_096, 20_000))
def test_a_trimmed_trace_reads_back(task, limit):
    trimmed = shrink(task.to_wire(), limit)
    assert len(encode(trimmed)) <= limit
    TaskData.model_validate(trimmed)


@LOOSE
@given(kind=st.sampled_from(sorted(BY_SHAPE)), shift=st.integers(0, 80))
def test_a_secret_across_any_cut_vanishes_from_every_field(kind, shift):
    secret = BY_SHAPE[kind]
    texts = {limit: preview("w " * (limit // 2) + secret + " w" * 400, limit) for limit in (500, 1_000, 3_000, 8_000)}
    texts = {limit: preview(("w " * limit)[: limit - shift] + " " + secret + " w" * 400, limit) for limit in texts}
    wire = {**MINIMAL, "input_summary": texts[3_000], "output_summary": texts[8_000], "name": texts[500]}
    wire["steps"] = [{"step_number": 1, "action": "a", "description": texts[500], "input_preview": texts[500]}]
    wire["errors"] = [{"error_type": "E", "message": texts[1_000], "stack_trace": texts[1_000]}]
    assert [text for _, text in strings(finalize(wire, Redactor(), cut=True)) if left(secret, text)] == []
    assert all(len(text) <= limit + SLACK for limit, text in texts.items())
