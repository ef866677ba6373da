"""``trace()`` never raises for what is known only at run time, nor for a fault of ours, and serves many tasks."""

import asyncio
import logging
import math
import threading

import pytest
from injection import injected

from infinium_integrations import TraceBuilder, flush, trace, traces
from infinium_integrations.errors import ConfigurationError, ValidationError


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch):
    monkeypatch.setenv("INFINIUM_STORE", "memory")


def only():
    assert flush(10)
    [task] = traces()
    return task


@pytest.mark.parametrize(
    ("name", "kept"), [("", "trace"), (None, "trace"), ("  ", "trace"), ("x" * 600, "x" * 499 + "…"), (17, "17")]
)
def test_a_name_of_any_kind_is_made_to_fit_and_said(name, kept, caplog):
    with trace(name):
        pass
    assert only().name == kept
    assert ["name" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("prompt_tokens", math.nan, None),
        ("prompt_tokens", -3, None),
        ("prompt_tokens", 12.5, 12),
        ("prompt_tokens", "12 tokens", 12),
        ("latency_ms", "soon", None),
        ("temperature", "0.5", 0.5),
        ("purpose", 3, "3"),
    ],
)
def test_a_field_of_a_models_call_is_converted_or_dropped_and_said(field, given, kept, caplog):
    with trace("t") as t, t.step("llm_inference", "Ask") as step:
        step.record_llm_call("gpt-4o", **{field: given}, completion_tokens=3)
    call = only().steps[0].llm_call
    assert (getattr(call, field), call.completion_tokens) == (kept, 3)
    assert all(f"llm_call.{field}" in record.getMessage() for record in caplog.records)


def test_a_tools_status_is_read_where_it_can_be():
    with trace("t") as t:
        for status in ("200 OK", 404, "failed", None, [500]):
            with t.step("tool_use", "Call") as step:
                step.record_tool_call("search", http_status=status)
    assert [step.tool_call.http_status for step in only().steps] == [200, 404, None, None, None]


def test_sections_environment_and_errors_lose_only_what_does_not_fit():
    with trace("t", sections={"sales": {"deal_value": "n/a", "lead_source": "web"}}, expected_outcome=" ") as t:
        t.set_section("research", research_topic=7, sources_consulted="many")
        t.set_environment(region="eu", custom_tags={"a": 1, "b": None})
        t.set_llm_usage(prompt_tokens=-1, completion_tokens=4)
        t.add_error(error_type="", message="broke")
        t.set_expected_outcome({"task_objective": "Do it", "constraints": ["a", 2]})
    task = only()
    assert (task.sales.lead_source, task.sales.deal_value) == ("web", None)
    assert (task.research.research_topic, task.research.sources_consulted) == ("7", None)
    assert task.environment.region == "eu"
    assert task.environment.custom_tags["a"] == "1"
    assert (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens) == (None, 4)
    assert task.expected_outcome.constraints == ["a", "2"]
    noted = task.environment.custom_tags["adjusted"].split(", ")
    assert {"sales.deal_value", "research.research_topic", "llm_usage.prompt_tokens", "error.error_type"} <= set(noted)


def test_what_did_not_fit_is_noted_in_the_trace_and_in_no_other():
    with trace("n" * 600), trace("inner") as inner, inner.step("", "x"):
        pass
    with trace("fits"):
        pass
    assert flush(10)
    fits, cut = traces()
    assert cut.environment.custom_tags["adjusted"] == "name, action"
    assert "adjusted" not in fits.environment.custom_tags


def test_what_is_known_when_the_program_is_written_still_raises():
    with pytest.raises(ConfigurationError, match="metadata"):
        trace("t", metdata={})
    with pytest.raises(ValidationError, match="sales"):
        trace("t", sections={"sale": {}})
    with trace("t") as t, t.step("tool_use", "x") as step:
        with pytest.raises(ValidationError, match="tool_name"):
            step.record_tool_call("s", tool_nme="s")
        with pytest.raises(ValidationError, match="deal_value"):
            t.set_section("sales", deal_valu=3)
        with pytest.raises(TypeError):
            t.step("tool_use", "x", 3)


def test_a_builder_used_by_hand_raises_as_before():
    with pytest.raises(ValidationError, match="name"):
        TraceBuilder("")
    with pytest.raises(ValidationError, match="prompt_tokens"):
        TraceBuilder("n").step("llm_inference", "x").record_llm_call("m", prompt_tokens=-1)


def test_one_object_entered_by_many_tasks_keeps_them_apart():
    shared = trace("shared")

    async def work(number):
        async with shared as t:
            await asyncio.sleep(0.01 * (5 - number))
            t.set_output_summary(number)
            if number == 3:
                raise ValueError(str(number))

    async def main():
        return await asyncio.gather(*(work(number) for number in range(5)), return_exceptions=True)

    assert [repr(one) for one in asyncio.run(main()) if one] == ["ValueError('3')"]
    assert flush(10)
    found = {task.output_summary: (task.status, [error.message for error in task.errors or []]) for task in traces()}
    assert found == {str(n): ("error", ["3"]) if n == 3 else ("ok", []) for n in range(5)}


def test_one_object_entered_by_many_threads_keeps_them_apart():
    shared, together = trace("shared"), threading.Barrier(5)

    def work(number):
        with shared as t:
            together.wait(10)
            t.set_output_summary(number)
            together.wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert flush(10)
    assert sorted(task.output_summary for task in traces()) == ["0", "1", "2", "3", "4"]


def test_what_ended_a_step_is_its_error_and_what_it_survived_is_recoverable():
    with pytest.raises(KeyError), trace("t") as t:
        with t.step("tool_use", "first") as step:
            step.set_error(ValueError("a"))
        t.step("tool_use", "never entered")
        with t.step("tool_use", "second") as step:
            step.set_error(ValueError("b"))
            raise KeyError("c")
    task = only()
    first, never, second = task.steps
    assert (first.metadata["status"], first.error.message) == ("ok", "a")
    assert never.metadata["status"] == "incomplete"
    assert (second.metadata["status"], second.error.error_type) == ("error", "KeyError")
    assert {error.message: error.recoverable for error in task.errors} == {"a": True, "b": True, "c": False}


# -- a fault at any line of ours ---------------------------------------------------------------------------------------


class OwnError(Exception):
    """The program's."""


def with_block():
    with trace("t", tags=["a"]) as t:
        with t.step("tool_use", "Look up") as step:
            step.set_input("q").record_tool_call("search", http_status=200).set_output({"a": 1}).set_metadata(k="v")
        t.set_output_summary("done").set_section("sales", deal_value=3)
        return 42


def failing_block():
    with trace("t") as t, t.step("tool_use", "Look up") as step:
        step.set_error(ValueError("a"))
        raise OwnError


@trace("decorated")
def decorated():
    return 42


@trace("failing")
def failing_function():
    raise OwnError


@trace("coroutine")
async def coroutine():
    await asyncio.sleep(0)
    return 42


def run_coroutine():
    return asyncio.run(coroutine())


@pytest.mark.parametrize("program", [with_block, failing_block, decorated, failing_function, run_coroutine])
def test_a_fault_at_any_line_of_ours_changes_neither_result_nor_exception(program, caplog):
    caplog.set_level(logging.CRITICAL)
    program_raises = program in {failing_block, failing_function}
    injected(program, 10**9)  # what is imported or made once is there
    reached, at = [], 0
    while True:
        at += 1 if at < 60 else 3
        result, fired = injected(program, at)
        if not fired:
            break
        right = isinstance(result, OwnError) if program_raises else result == 42
        # where a decorated function raises, three lines of ours can't be guarded: those that pass its exception on
        passed_on = program is failing_function and isinstance(getattr(result, "__context__", None), OwnError)
        if not right and not passed_on:
            reached.append((at, repr(result)))
    assert at > 100
    assert reached == []
