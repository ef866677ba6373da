"""trace(), TraceBuilder and StepContext: a trace made by hand."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from infinium_integrations import (
    ErrorDetail,
    ExpectedOutcome,
    LlmCall,
    TaskData,
    TraceBuilder,
    configure,
    current_trace,
    suppress,
    trace,
)
from infinium_integrations.errors import ConfigurationError, ValidationError
from infinium_integrations.testing import captured_traces


@pytest.fixture
def traces():
    with captured_traces() as caught:
        yield caught


# -- the builder -------------------------------------------------------------------------------------------------------


def test_every_setter_of_the_builder_chains_and_shows_in_what_is_built():
    builder = TraceBuilder("Report", "Quarterly report")
    returned = (
        builder.set_input_summary("the question")
        .set_output_summary("the answer")
        .set_expected_outcome(task_objective="Answer it", constraints=["short"])
        .set_environment(region="eu", custom_tags={"team": "a"})
        .set_llm_usage(model="m", prompt_tokens=1, completion_tokens=2, total_tokens=3)
        .set_section("research", {"research_topic": "numbers"})
        .add_error(ErrorDetail(error_type="Slow", message="took long", recoverable=True))
    )
    assert returned is builder
    task = builder.build()
    assert (task.name, task.description) == ("Report", "Quarterly report")
    assert (task.input_summary, task.output_summary) == ("the question", "the answer")
    assert task.expected_outcome == ExpectedOutcome(task_objective="Answer it", constraints=["short"])
    assert task.environment.region == "eu"
    assert task.environment.python_version
    assert task.environment.custom_tags["team"] == "a"
    assert task.llm_usage.total_tokens == 3
    assert task.research.research_topic == "numbers"
    assert task.errors[0].error_type == "Slow"
    assert task.duration >= 0


def test_every_setter_of_a_step_chains_and_takes_a_model_a_dict_or_fields():
    builder = TraceBuilder("n", "d")
    step = builder.step("tool_use", "search")
    with step:
        assert step.set_input({"q": [1, 2]}).set_output(["a"]).set_metadata({"k": 1}) is step
        assert step.record_tool_call("edgar", http_status=200) is step
        assert step.record_llm_call(LlmCall(model="m", prompt_tokens=1)) is step
        step.record_llm_call({"model": "m2", "prompt_tokens": 5, "completion_tokens": 0})
    (built,) = builder.build().steps
    assert (built.input_preview, built.output_preview) == ('{"q": [1, 2]}', '["a"]')
    assert (built.tool_call.tool_name, built.tool_call.http_status) == ("edgar", 200)
    assert (built.llm_call.model, built.llm_call.prompt_tokens, built.llm_call.completion_tokens) == ("m2", 5, 0)
    assert built.metadata["k"] == 1
    assert built.duration_ms is not None


def test_a_step_preview_is_cut_at_exactly_500_characters():
    builder = TraceBuilder("n", "d")
    builder.step("custom", "long").set_input("word " * 200).set_output("x" * 500)
    (step,) = builder.build().steps
    assert len(step.input_preview) == 500
    assert step.output_preview == "x" * 500


def test_usage_is_summed_over_the_steps_and_unknown_stays_unknown():
    builder = TraceBuilder("n", "d")
    builder.step("llm_inference", "a").record_llm_call("m", prompt_tokens=3, completion_tokens=4)
    builder.step("llm_inference", "b").record_llm_call("m2", prompt_tokens=0)
    usage = builder.build().llm_usage
    assert (usage.model, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == ("multiple", 3, 4, 7)
    assert usage.api_calls_count == 2
    unknown = TraceBuilder("n", "d")
    unknown.step("llm_inference", "a").record_llm_call("m")
    assert unknown.build().llm_usage.prompt_tokens is None


def test_an_exception_in_a_step_becomes_its_error_and_goes_on():
    builder = TraceBuilder("n", "d")
    with pytest.raises(KeyError), builder.step("tool_use", "search"):
        raise KeyError("missing")
    task = builder.build()
    assert (task.steps[0].error.error_type, task.steps[0].error.message) == ("KeyError", "missing")
    assert "test_tracing.py" in task.steps[0].error.stack_trace
    assert task.steps[0].metadata["status"] == "error"


def test_run_gives_the_functions_result_and_times_it():
    builder = TraceBuilder("n", "d")
    assert builder.step("custom", "a").run(lambda step: step.set_output("x") and 7) == 7
    (step,) = builder.build().steps
    assert step.output_preview == "x"
    assert step.duration_ms is not None


def test_run_awaits_an_async_function_and_a_lambda_that_gives_a_coroutine():
    builder = TraceBuilder("n", "d")

    async def work(step):
        await asyncio.sleep(0)
        step.set_output("done")
        return 7

    async def main():
        first = await builder.step("custom", "a").run(work)
        second = await builder.step("custom", "b").run(lambda step: work(step))  # noqa: PLW0108
        async with builder.step("custom", "c"):
            pass
        return first, second

    assert asyncio.run(main()) == (7, 7)
    steps = builder.build().steps
    assert [step.output_preview for step in steps] == ["done", "done", None]
    assert {step.metadata["status"] for step in steps} == {"ok"}


def test_start_and_finish_may_stand_apart():
    builder = TraceBuilder("n", "d")
    step = builder.step("custom", "a").start()
    step.finish(ValueError("bad")).finish()
    (built,) = builder.build().steps
    assert built.error.message == "bad"


def test_a_nested_step_names_its_parent():
    builder = TraceBuilder("n", "d")
    with builder.step("agent", "outer"), builder.step("tool_use", "inner"):
        pass
    assert [step.metadata["parent_step"] for step in builder.build().steps] == [None, 1]


def test_build_may_be_called_many_times_and_keeps_the_trace_id():
    builder = TraceBuilder("n", "d")
    first = builder.build()
    builder.step("custom", "a")
    second = builder.build()
    assert first.trace_id == second.trace_id == builder.trace_id
    assert (first.steps, len(second.steps)) == (None, 1)


def test_steps_from_many_threads_are_numbered_without_gaps():
    builder = TraceBuilder("n", "d")

    def work(number):
        with builder.step("custom", str(number)) as step:
            step.set_output(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    steps = builder.build().steps
    assert [step.step_number for step in steps] == list(range(1, 201))
    assert all(step.description == step.output_preview for step in steps)


def test_another_builders_steps_errors_and_usage_are_merged_in():
    mine, other = TraceBuilder("n", "d"), TraceBuilder("o", "d")
    mine.step("custom", "a").record_llm_call("m", prompt_tokens=1, completion_tokens=1)
    with other.step("agent", "b"):
        other.step("llm_inference", "c").record_llm_call("m", prompt_tokens=2, completion_tokens=3)
    other.add_error(error_type="E", message="m")
    task = mine.build(trace_context=other)
    assert [step.step_number for step in task.steps] == [1, 2, 3]
    assert task.steps[2].metadata["parent_step"] == 2
    assert (task.llm_usage.prompt_tokens, task.llm_usage.completion_tokens) == (3, 4)
    assert task.errors[0].error_type == "E"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: TraceBuilder("", "d"), "name"),
        (lambda: TraceBuilder("n" * 501, "d"), "name"),
        (lambda: TraceBuilder("n", "d" * 10_001), "description"),
        (lambda: TraceBuilder("n", "d").step(" ", "x"), "action"),
        (lambda: TraceBuilder("n", "d").set_section("custmer", {}), "custmer"),
        (lambda: TraceBuilder("n", "d").set_section("customer", {"nme": 1}), "customer.nme"),
        (
            lambda: TraceBuilder("n", "d").step("a", "b").record_llm_call("m", prompt_tokens=-1),
            "llm_call.prompt_tokens",
        ),
        (lambda: trace("x", sections={"nope": {}}), "nope"),
    ],
)
def test_a_bad_value_is_refused_with_the_fields_name(make, field):
    with pytest.raises(ValidationError) as caught:
        make()
    assert caught.value.field == field
    assert field.split(".")[-1] in str(caught.value)


def test_an_option_that_cannot_work_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="detail"):
        trace("x", detail="most")
    with pytest.raises(ConfigurationError, match="redact"):
        trace("x", redact="no")
    with pytest.raises(ConfigurationError, match="send_task_data"):
        trace("x", client=object())
    with pytest.raises(ConfigurationError, match="nme"):
        trace("x", nme=1)
    with pytest.raises(TypeError, match="below @classmethod"):
        trace("x")(classmethod(lambda cls: None))


# -- trace() -----------------------------------------------------------------------------------------------------------


def test_a_block_is_one_trace_and_is_sent_at_its_end(traces):
    with trace("Report", "Research and write", tags=["a", "b"], metadata={"session_id": "s1"}) as t:
        with t.step("tool_use", "search") as step:
            step.set_output("found")
        assert traces == []
    (task,) = traces
    assert isinstance(task, TaskData)
    assert (task.name, task.description, task.status) == ("Report", "Research and write", "ok")
    assert task.environment.custom_tags["session_id"] == "s1"
    assert task.environment.custom_tags["tags"] == "a,b"


def test_an_exception_is_recorded_and_goes_on(traces):
    with pytest.raises(ZeroDivisionError), trace("Report"):
        _ = 1 / 0
    (task,) = traces
    assert task.status == "error"
    assert [(error.error_type, error.recoverable) for error in task.errors] == [("ZeroDivisionError", False)]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_control_flow_passes_unchanged_and_is_no_error(traces, kind):
    given = kind("stop")
    with pytest.raises(kind) as caught, trace("Report"):
        raise given
    assert caught.value is given
    assert traces[0].status == "cancelled"
    assert traces[0].errors is None


def test_a_decorated_function_is_one_trace_a_call(traces):
    @trace("Triage")
    def triage(ticket, *, urgent=False):
        """Sort a ticket."""
        return {"category": ticket[:4]}

    assert triage("bill please", urgent=True) == {"category": "bill"}
    assert triage.__doc__ == "Sort a ticket."
    triage("again")
    assert [task.input_summary for task in traces] == [
        '{"ticket": "bill please", "urgent": true}',
        '{"ticket": "again"}',
    ]
    assert traces[0].output_summary == '{"category": "bill"}'


def test_a_decorated_coroutine_function_is_one_trace_a_call(traces):
    @trace("Triage")
    async def triage(ticket):
        with current_trace().step("custom", ticket):
            await asyncio.sleep(0)
        return ticket

    async def main():
        return await asyncio.gather(*(triage(f"t{n}") for n in range(20)))

    assert asyncio.run(main()) == [f"t{n}" for n in range(20)]
    assert len(traces) == 20
    assert all(len(task.steps) == 1 and task.steps[0].description == task.output_summary for task in traces)


def test_a_decorated_generator_has_its_trace_around_it_only_while_its_own_frame_runs(traces):
    @trace("Stream")
    def stream(n):
        for i in range(n):
            with current_trace().step("custom", f"part {i}"):
                pass
            yield f"p{i} "

    seen = []
    for part in stream(3):
        seen.append(part)
        assert current_trace() is None
    assert seen == ["p0 ", "p1 ", "p2 "]
    (task,) = traces
    assert (task.status, task.output_summary, len(task.steps)) == ("ok", "p0 p1 p2 ", 3)


def test_a_generator_that_the_consumer_leaves_is_abandoned(traces):
    @trace("Stream")
    def stream():
        yield "a"
        yield "b"

    generator = stream()
    assert next(generator) == "a"
    generator.close()
    assert [task.status for task in traces] == ["abandoned"]
    assert traces[0].errors is None


def test_a_decorated_generator_still_takes_values_and_exceptions_and_returns(traces):
    @trace("Stream")
    def echo():
        got = yield "first"
        try:
            got = yield got
        except ValueError:
            got = "caught"
        yield got
        return "end"

    def outer():
        result = yield from echo()
        assert result == "end"

    generator = outer()
    assert next(generator) == "first"
    assert generator.send("sent") == "sent"
    assert generator.throw(ValueError()) == "caught"
    assert list(generator) == []
    assert traces[0].status == "ok"


def test_a_decorated_async_generator_is_one_trace(traces):
    @trace("Stream")
    async def stream():
        for i in range(3):
            await asyncio.sleep(0)
            yield str(i)

    async def main():
        whole = [part async for part in stream()]
        left = stream()
        await left.__anext__()
        await left.aclose()
        return whole

    assert asyncio.run(main()) == ["0", "1", "2"]
    assert [task.status for task in traces] == ["ok", "abandoned"]
    assert traces[0].output_summary == "012"


def test_a_trace_inside_a_trace_is_a_step_of_it(traces):
    @trace("Helper")
    def helper(x):
        current_trace().step("custom", "deep").finish()
        return x

    with trace("Main"):
        helper(1)
    (task,) = traces
    assert task.name == "Main"
    assert [(s.description, s.metadata["parent_step"]) for s in task.steps] == [("Helper", None), ("deep", 1)]
    assert task.steps[0].output_preview == "1"


def test_current_trace_is_the_one_that_with_gave(traces):
    assert current_trace() is None
    with trace("Main") as t:
        assert current_trace() is t
    assert current_trace() is None


def test_another_thread_has_no_trace_around_it(traces):
    found = []
    with trace("Main"):
        thread = threading.Thread(target=lambda: found.append(current_trace()))
        thread.start()
        thread.join(60)
    assert found == [None]


def test_nothing_is_recorded_inside_suppress(traces):
    with suppress(), trace("Main") as t:
        t.step("custom", "x").finish()
    assert traces == []


def test_content_that_is_not_captured_leaves_no_trace_of_it(traces):
    canary = "canary-text"

    @trace("Main", capture_content=False)
    def work(text):
        with current_trace().step("tool_use", "step") as step:
            step.set_input(text).set_output([text]).record_tool_call("t", input_summary=text, output_summary=text)
            raise ValueError(text)

    with pytest.raises(ValueError, match=canary):
        work(canary)
    (task,) = traces
    assert canary not in task.model_dump_json()
    assert task.steps[0].tool_call.tool_name == "t"
    assert task.steps[0].duration_ms is not None


def test_errors_told_by_hand_are_content_too(traces):
    canary = "canary-text"
    with trace("Main", capture_content=False) as t:
        t.add_error(ValueError(canary)).add_error(error_type="E", message=canary)
        t.step("tool_use", "a").set_error(ValueError(canary)).finish()
        t.step("tool_use", "b").record_tool_call("t", error={"error_type": "E", "message": canary}).finish()
    assert canary not in traces[0].model_dump_json()
    assert len(traces[0].errors) == 4


def test_a_builder_obeys_the_setting_for_content(monkeypatch):
    monkeypatch.setenv("INFINIUM_CAPTURE_CONTENT", "false")
    builder = TraceBuilder("n", "d").set_input_summary("canary-text")
    builder.step("custom", "x").set_input("canary-text")
    assert "canary-text" not in builder.build().model_dump_json()


def test_an_error_that_a_step_survived_is_listed_and_marks_the_step():
    builder = TraceBuilder("n", "d")
    builder.step("tool_use", "a").record_tool_call("t", error=ErrorDetail(error_type="E", message="broke")).finish()
    task = builder.build()
    assert task.steps[0].metadata["status"] == "error"
    assert task.steps[0].error == task.steps[0].tool_call.error == task.errors[0]


def test_metadata_of_the_users_does_not_replace_our_facts_and_none_is_nothing():
    builder = TraceBuilder("n", "d").set_output_summary(None)
    builder.step("custom", "a").set_metadata({"status": "mine", "parent_step": 7, "own": 1}).set_input(None).finish()
    task = builder.build()
    assert task.steps[0].metadata == {**task.steps[0].metadata, "status": "ok", "parent_step": None, "own": 1}
    assert (task.steps[0].input_preview, task.output_summary) == (None, None)


def test_several_models_read_multiple_and_so_does_their_provider():
    builder = TraceBuilder("n", "d")
    for model in ("a", "b"):
        builder.step("llm_inference", model).record_llm_call(model, provider="openai")
    usage = builder.build().llm_usage
    assert (usage.model, usage.provider) == ("multiple", "multiple")


def test_text_that_is_no_unicode_is_sent_all_the_same():
    task = TaskData(name="a\ud800b", description="\ud800", duration=1, llm_usage={"estimated_cost_usd": float("nan")})
    assert task.llm_usage.estimated_cost_usd is None
    assert TraceBuilder("a\ud800").build().name == "a\\ud800"


def test_a_redact_function_covers_every_free_text_and_fails_closed(traces):
    def redact(text):
        if "boom" in text:
            raise RuntimeError
        return text.replace("Ada", "***")

    with trace("For Ada", "About Ada", redact=redact, metadata={"who": "Ada"}) as t:
        t.set_input_summary("Ada asks").set_output_summary("boom")
        t.step("custom", "Ada's step").set_input("Ada in").set_metadata(note="Ada")
    text = traces[0].model_dump_json()
    assert "Ada" not in text
    assert "boom" not in text
    assert traces[0].input_summary == "*** asks"


def test_hostile_arguments_neither_break_nor_are_called(traces):
    class Hostile:
        def __repr__(self):
            raise RuntimeError

        __str__ = __repr__

    generator = iter([1, 2, 3])

    @trace("Main")
    def work(a, b):
        return b

    assert work(Hostile(), generator) is generator
    assert list(generator) == [1, 2, 3]
    assert "Hostile" in traces[0].input_summary


def test_switched_off_nothing_is_sent_and_the_code_runs_as_before(monkeypatch, tmp_path):
    monkeypatch.setenv("INFINIUM_TRACING", "false")
    monkeypatch.setenv("INFINIUM_STORE", str(tmp_path / "store"))
    from infinium_integrations import runtime, settings

    settings.reset()
    before = runtime.install(None)
    try:
        with trace("Main") as t:
            t.step("custom", "x").finish()
        assert runtime.flush()
        assert runtime.stats()["recorded"] == 0
        configure(tracing=None)
    finally:
        runtime.install(before)
        settings.reset()
    assert not (tmp_path / "store").exists()


def test_a_hand_made_builder_is_not_sent(traces):
    builder = TraceBuilder("n", "d")
    with builder.step("custom", "x"):
        pass
    builder.build()
    assert traces == []


def test_a_summary_that_its_user_sets_stands_as_it_is_set(traces):
    with trace("Answer") as builder:
        builder.set_input_summary({"question": "q"}).set_output_summary({"answer": "x"})
    assert (traces[0].input_summary, traces[0].output_summary) == ('{"question": "q"}', '{"answer": "x"}')


def test_the_one_question_of_a_decorated_function_is_asked_bare(traces):
    @trace("Ask")
    def ask(question, chat_history=None):
        return {"answer": "42", "sources": ["x"]}

    ask("q?")
    ask("q?", chat_history=["before"])
    ask(question="q?")
    assert [task.input_summary for task in traces] == ["q?"] * 3
    assert {task.output_summary for task in traces} == {'{"answer": "42", "sources": ["x"]}'}


def test_the_arguments_of_a_decorated_function_that_is_asked_by_several_are_all_shown(traces):
    @trace("Ask")
    def ask(question, style):
        return None

    ask("q?", "short")
    assert traces[0].input_summary == '{"question": "q?", "style": "short"}'


def test_a_summary_that_its_user_sets_stands_as_it_is(traces):
    given, came = {"question": "q?", "chat_history": ["a"]}, {"answer": "42", "chat_history": ["a"]}
    with trace("Ask") as opened:
        opened.set_input_summary(given)
        opened.set_output_summary(came)

    @trace("Ask")
    def ask(question):
        current_trace().set_input_summary({"question": "another", "history": []})

    ask("q?")
    assert (traces[0].input_summary, traces[0].output_summary) == (json.dumps(given), json.dumps(came))
    assert traces[1].input_summary == '{"question": "another", "history": []}'


def answer(number):
    current_trace().set_output_summary("mine")
    return number


async def answer_later(number):
    current_trace().set_output_summary("mine")
    return number


def answer_in_parts(number):
    yield number
    current_trace().set_output_summary("mine")


async def answer_in_parts_later(number):
    yield number
    current_trace().set_output_summary("mine")


async def drained(parts):
    return [part async for part in parts]


CALLED = pytest.mark.parametrize(
    ("function", "call"),
    [
        (answer, lambda function: function(7)),
        (answer_later, lambda function: asyncio.run(function(7))),
        (answer_in_parts, lambda function: list(function(7))),
        (answer_in_parts_later, lambda function: asyncio.run(drained(function(7)))),
    ],
)


@CALLED
def test_an_output_summary_that_a_decorated_function_sets_stands(traces, function, call):
    assert call(trace("Answer")(function)) in (7, [7])
    assert traces[0].output_summary == "mine"


@CALLED
def test_an_output_summary_that_a_step_of_another_trace_sets_stands(traces, function, call):
    with trace("Outer"):
        call(trace("Answer")(function))
    assert [step.output_preview for step in traces[0].steps] == ["mine"]
    assert traces[0].output_summary is None


def test_an_output_summary_that_is_taken_back_leaves_what_the_function_returns(traces):
    @trace("Answer")
    def taken_back():
        current_trace().set_output_summary("mine").set_output_summary(None)
        return "returned"

    taken_back()
    assert traces[0].output_summary == "returned"
