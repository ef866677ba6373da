"""An experiment runs every example, keeps what each came to, and leaves one trace a run."""

import _thread
import asyncio
import contextlib
import contextvars
import itertools
import signal
import sys
import threading
import time

import pytest

from infinium_integrations import (
    ExpectedOutcome,
    aexperiment,
    configure,
    current_trace,
    experiment,
    experiments,
    suppress,
    trace,
    traces,
)
from infinium_integrations.evaluation import running
from infinium_integrations.testing import captured_traces

QUESTIONS = [f"question {number}" for number in range(20)]


def shout(text):
    return text.upper()


async def shout_later(text):
    await asyncio.sleep(0)
    return text.upper()


def run(task, data, **options):
    return experiment(task, data, name="Shout", **options)


def run_on_loop(task, data, **options):
    return asyncio.run(aexperiment(task, data, name="Shout", **options))


def run_in_running_loop(task, data, **options):
    """As in a notebook's cell."""

    async def cell():
        return experiment(task, data, name="Shout", **options)

    return asyncio.run(cell())


ways = pytest.mark.parametrize("way", [run, run_on_loop, run_in_running_loop])
tasks = pytest.mark.parametrize(
    "task", [shout, shout_later, lambda text: shout_later(text + "")], ids=["def", "async", "both"]
)


@ways
@tasks
def test_each_example_gets_a_row_in_the_order_of_the_data_and_a_trace_of_its_own(way, task):
    found = way(task, QUESTIONS)
    assert [(row.index, row.input, row.output, row.status) for row in found] == [
        (place, text, text.upper(), "ok") for place, text in enumerate(QUESTIONS)
    ]
    stored = traces(limit=None)
    assert {task.trace_id for task in stored} == {row.trace_id for row in found}
    assert {task.input_summary: task.output_summary for task in stored} == {q: q.upper() for q in QUESTIONS}


@ways
def test_an_example_that_fails_keeps_its_error_and_does_not_stop_the_rest(way):
    def task(text):
        if text == "question 3":
            raise LookupError(text)
        return text

    found = way(task, QUESTIONS)
    assert [row.error for row in found if row.failed] == ["LookupError: question 3"]
    assert isinstance(found[3].exception, LookupError)
    assert (found[3].status, found[3].output) == ("error", None)
    assert sum(row.status == "ok" for row in found) == 19
    failed = found[3].trace
    assert (failed.status, failed.errors[0].error_type) == ("error", "LookupError")


class Odd(BaseException):
    pass


@ways
@pytest.mark.parametrize(
    "error", [SystemExit(3), Odd(), StopIteration(), GeneratorExit(), StopAsyncIteration(), KeyboardInterrupt()]
)
@pytest.mark.parametrize("on_loop", [False, True])
def test_whatever_a_task_raises_ends_that_example_alone(way, error, on_loop):
    def task(text):
        if text == "b":
            raise error
        return text

    async def later(text):
        return task(text)

    found = way(later if on_loop else task, ["a", "b", "c"])
    assert [row.output for row in found] == ["a", None, "c"]
    assert found[1].error.startswith(type(error).__name__) or isinstance(error, StopIteration | StopAsyncIteration)
    assert found[1].status != "ok"


@ways
def test_a_task_that_is_cancelled_by_itself_is_a_cancelled_row(way):
    async def task(text):
        if text == "b":
            raise asyncio.CancelledError
        return text

    found = way(task, ["a", "b", "c"])
    assert [row.status for row in found] == ["ok", "cancelled", "ok"]
    assert found[1].trace.status == "cancelled"


@ways
@pytest.mark.parametrize("on_loop", [False, True])
def test_as_many_examples_run_at_once_as_asked_and_never_more(way, on_loop):
    barrier, lock, running, most = threading.Barrier(3), threading.Lock(), 0, 0
    met = asyncio.Event()

    def enter():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)

    def leave():
        nonlocal running
        with lock:
            running -= 1

    def task(_):
        enter()
        barrier.wait(20)  # three run together, or it breaks
        leave()

    async def later(_):
        enter()
        if running == 3:
            met.set()
        await asyncio.wait_for(met.wait(), 20)
        await asyncio.sleep(0)
        leave()

    found = way(later if on_loop else task, range(9), concurrency=3)
    assert [row.error for row in found] == [None] * 9
    assert most == 3


@ways
def test_one_at_a_time_keeps_the_order_of_the_data(way):
    order = []
    way(order.append, QUESTIONS, concurrency=1)
    assert order == QUESTIONS


@ways
def test_repetitions_run_each_example_again_and_stand_together(way):
    found = way(shout, ["a", "b"], repetitions=3)
    assert [(row.index, row.repetition) for row in found] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert len({row.trace_id for row in found}) == 6


@ways
def test_the_traces_say_which_experiment_example_and_repetition_they_are(way):
    found = way(shout, [{"input": "a", "id": "first", "language": "en"}, {"input": "b"}], repetitions=2)
    tags = found[1].trace.environment.custom_tags
    assert {key: tags[key] for key in ("experiment", "experiment_run", "example", "example_id", "repetition")} == {
        "experiment": "Shout",
        "experiment_run": found.id,
        "example": "0",
        "example_id": "first",
        "repetition": "2",
    }
    assert tags["language"] == "en"
    assert {task.trace_id for task in traces(tag="experiment")} == {row.trace_id for row in found}
    assert len(traces(tag=found.id)) == 4
    assert found[2].example_id == found[3].example_id != "first"


@ways
def test_each_run_is_a_trace_of_its_own_also_within_another(way):
    with captured_traces() as caught, trace("Around") as around:
        found = way(lambda _: current_trace().trace_id, ["a", "b"])
        assert current_trace().trace_id == around.trace_id
    assert [row.output for row in found] == [row.trace_id for row in found]
    assert sorted(task.name for task in caught) == ["Around", "Shout", "Shout"]
    assert caught[-1].steps is None


@ways
@pytest.mark.parametrize("off", ["tracing", "suppress"])
def test_nothing_traced_the_task_still_runs_and_results_come_back(way, off):
    if off == "tracing":
        configure(tracing=False)
        found = way(shout, ["a", "b"])
    else:
        with suppress():
            found = way(shout, ["a", "b"])
    assert [(row.output, row.trace_id, row.trace) for row in found] == [("A", None, None), ("B", None, None)]
    assert all(row.duration >= 0 for row in found)
    assert traces() == []
    assert experiments() == []


@ways
@pytest.mark.parametrize("store", ["off", "memory"])
def test_without_a_folder_the_rows_have_their_numbers_all_the_same(way, store):
    configure(store=store)

    def task(text):
        with current_trace().step("llm_inference", "Ask") as step:
            step.record_llm_call("gpt-4o", prompt_tokens=7, completion_tokens=3)
        return text

    found = way(task, ["a", "b"])
    assert [(row.tokens, row.model, row.steps) for row in found] == [(10, "gpt-4o", 1)] * 2
    assert found[0].trace.output_summary == "a"


@ways
@tasks
def test_the_callers_context_variables_are_seen_and_not_changed(way, task):
    var = contextvars.ContextVar("var", default="unset")
    var.set("outer")

    def reading(text):
        before = var.get()
        var.set(text)
        return before

    async def reading_later(text):
        return reading(text)

    found = way(reading_later if task is shout_later else reading, ["a", "b", "c"], concurrency=1)
    assert [row.output for row in found] == ["outer"] * 3
    assert var.get() == "outer"


def test_two_experiments_of_the_same_name_stay_apart():
    first, second = run(shout, ["a", "b"]), run(shout, ["c"])
    assert first.id != second.id
    assert [len(found) for found in experiments("Shout")] == [1, 2]
    assert [row.output for row in experiments("Shout")[0]] == ["C"]


def test_an_experiment_found_again_says_what_it_said_before():
    def task(text):
        return 1 / len(text)

    run(task, [{"input": "ab", "id": "x"}, {"input": "", "id": "y"}], repetitions=2)
    (again,) = experiments("Shout")
    assert [(row.index, row.repetition, row.example_id, row.input) for row in again][:3] == [
        (0, 1, "x", "ab"),
        (0, 2, "x", "ab"),
        (1, 1, "y", ""),
    ]
    assert [row.error for row in again] == [None, None, *["ZeroDivisionError: division by zero"] * 2]
    assert again.sums.errors == 2
    assert experiments("Shou") == []


def test_names_may_have_commas_and_other_signs():
    name = "a, b: 'c' <script> — 漢字/…"
    found = experiment(shout, ["x"], name=name)
    assert [(one.name, one.id) for one in experiments(name)] == [(name, found.id)]


def test_experiments_of_other_names_are_left_out_and_the_latest_comes_first():
    for name in ("one", "two", "one"):
        experiment(shout, ["x"], name=name)
    with trace("No experiment", tags=["experiment"]):
        pass
    assert [found.name for found in experiments()] == ["one", "two", "one"]
    assert len(experiments("one")) == 2


def test_a_slow_task_of_a_cancelled_aexperiment_holds_nothing_up():
    release = threading.Event()

    async def program():
        going = asyncio.ensure_future(aexperiment(lambda _: release.wait(30), range(4), name="Slow", concurrency=2))
        await asyncio.sleep(0.2)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    before = time.monotonic()
    asyncio.run(program())
    release.set()
    assert time.monotonic() - before < 20
    (kept,) = experiments("Slow")
    assert [row.status for row in kept] == ["cancelled", "cancelled"]


def test_a_cancelled_aexperiment_cancels_its_coroutines_and_keeps_what_ran():
    seen = []

    async def task(number):
        if number < 2:
            return number
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(number)
            raise

    async def program():
        async with asyncio.timeout(1.0):
            await aexperiment(task, range(6), name="Slow", concurrency=2)

    with pytest.raises(TimeoutError):
        asyncio.run(program())
    assert sorted(seen) == [2, 3]
    (kept,) = experiments("Slow")
    assert kept.sums.errors == 0
    assert [(row.index, row.status) for row in kept] == [(0, "ok"), (1, "ok"), (2, "cancelled"), (3, "cancelled")]


@ways
@pytest.mark.parametrize("store", [None, "off"])
def test_of_a_long_experiment_traces_are_held_in_small_numbers(way, store, monkeypatch):
    monkeypatch.setattr(running, "HELD", 5)
    configure(store=store)
    seen = []
    taken = running._Plan._take

    def counting(plan):
        seen.append(len(plan._unread))
        return taken(plan)

    monkeypatch.setattr(running._Plan, "_take", counting)
    found = way(shout, QUESTIONS * 2)
    assert [row.output for row in found] == [text.upper() for text in QUESTIONS * 2]
    assert all(row.steps == 0 for row in found)
    assert len(seen) > 4
    assert max(seen) < 5 + 4


def test_within_captured_traces_no_store_is_asked():
    with captured_traces() as caught:
        found = run(shout, ["a"])
        assert experiments() == []
        assert found[0].trace.trace_id == caught[0].trace_id


def interrupted(task, data, **options):
    """Run an experiment that meets Ctrl-C: one that it lets through fails the test, and doesn't end all tests."""
    with contextlib.suppress(KeyboardInterrupt):
        return run(task, data, **options)
    pytest.fail("Ctrl-C came through")


@pytest.mark.parametrize("on_loop", [False, True])
def test_ctrl_c_gives_back_what_ran(capsys, on_loop):
    release = threading.Event()

    def task(text):
        if text == "c":
            _thread.interrupt_main()
            release.wait(30)
        return text

    async def later(text):
        if text == "c":
            _thread.interrupt_main()
            await asyncio.sleep(30)
        return text

    found = interrupted(later if on_loop else task, ["a", "b", "c", "d"], concurrency=1)
    release.set()
    assert found.interrupted
    assert [(row.output, row.status) for row in found] == [("a", "ok"), ("b", "ok"), (None, "cancelled")]
    assert "3 runs, 0 failed, interrupted" in str(found)
    assert "interrupted" in found._repr_html_()
    assert capsys.readouterr().err.startswith("Interrupted: 3 of 4 ran")


def test_a_coroutine_that_heeds_no_cancellation_is_given_up(monkeypatch):
    monkeypatch.setattr(running, "WIND_DOWN", 0.2)
    stubborn = threading.Event()

    async def task(_):
        _thread.interrupt_main()
        while not stubborn.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    (row,) = interrupted(task, ["a"])
    assert (row.status, row.error) == ("cancelled", "CancelledError")
    stubborn.set()


def test_a_second_ctrl_c_is_raised(monkeypatch):
    monkeypatch.setattr(running, "WIND_DOWN", 60)
    stubborn = threading.Event()

    async def task(_):
        _thread.interrupt_main()
        while not stubborn.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        run(task, ["a"])
    stubborn.set()


def test_ctrl_c_that_a_handler_of_the_programs_own_raises_gives_back_what_ran():
    def own(*_):
        raise KeyboardInterrupt

    async def task(_):
        _thread.interrupt_main()
        await asyncio.sleep(30)

    before = signal.signal(signal.SIGINT, own)
    try:
        (row,) = interrupted(task, ["a"])
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
    assert row.status == "cancelled"


class CtrlC:
    """Comes at the n-th line of ``experiment()`` that the caller's thread reaches, the start of a thread included."""

    def __init__(self, at):
        self.left = at

    def trace(self, frame, event, _):
        code = frame.f_code
        return self.line if code.co_filename == running.__file__ or code is threading.Thread.start.__code__ else None

    def line(self, frame, event, _):
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self.line


def test_ctrl_c_at_any_line_returns_what_ran_or_is_raised_where_nothing_is_lost():
    for at in itertools.count(1):
        began, ended, threads = [], [], set(threading.enumerate())

        def task(text, began=began, ended=ended):
            began.append(text)
            ended.append(text)

        ctrl_c, tracing = CtrlC(at), sys.gettrace()
        sys.settrace(ctrl_c.trace)
        try:
            found = run(task, ["a", "b"], concurrency=1)
        except KeyboardInterrupt:
            sys.settrace(tracing)
            new = {thread.name for thread in set(threading.enumerate()) - threads}
            assert ended == ["a", "b"] or (not began and "infinium-experiment" not in new)
        else:
            sys.settrace(tracing)
            assert found.interrupted == (ctrl_c.left <= 0)
            assert set(began) <= {row.input for row in found}
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if ctrl_c.left > 0:
            break


def test_two_experiments_at_once_do_not_mix():
    async def both():
        return await asyncio.gather(*(aexperiment(shout_later, [f"{n}a", f"{n}b"], name=f"n{n}") for n in range(3)))

    for number, found in enumerate(asyncio.run(both())):
        assert [row.output for row in found] == [f"{number}A", f"{number}B"]
        assert {row.trace.name for row in found} == {f"n{number}"}


def test_the_rubric_of_an_example_is_its_own_else_that_of_all():
    common = ExpectedOutcome(task_objective="Shout")
    data = [{"input": "a", "expected_outcome": "Say A"}, {"input": "b"}]
    found = run(shout, data, expected_outcome=common)
    assert [row.trace.expected_outcome.task_objective for row in found] == ["Say A", "Shout"]


def test_a_rubric_may_be_made_from_the_example():
    def rubric(example):
        return {"task_objective": f"Shout {example['input']}"} if example["input"] != "b" else None

    found = run(shout, [{"input": "a"}, {"input": "b"}], expected_outcome=rubric)
    assert found[0].trace.expected_outcome.task_objective == "Shout a"
    assert found[1].trace.expected_outcome is None


def test_a_data_frame_has_a_row_an_example_in_the_order_of_the_data():
    pytest.importorskip("pandas")
    frame = run(shout, QUESTIONS).to_dataframe()
    assert frame["output"].tolist() == [text.upper() for text in QUESTIONS]
    assert frame["index"].tolist() == list(range(20))
    assert frame.attrs["name"] == "Shout"


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    found = run(shout, ["a"])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        found.to_dataframe()


def test_it_is_a_sequence_that_prints_as_a_table():
    found = run(lambda text: 1 / len(text), ["ab", ""])
    assert (len(found), found[-1].index, [row.index for row in found[:1]]) == (2, 1, [0])
    head, _, first, second = str(found).splitlines()
    assert head == "Experiment 'Shout': 2 runs, 1 failed"
    assert first.split()[:4] == ["0", "✓", "ab", "0.5"]
    assert "ZeroDivisionError: division by zero" in second


def test_an_answer_that_cannot_be_looked_at_is_an_answer_all_the_same():
    class Sly:
        @property
        def content(self):
            raise RuntimeError

    (row,) = run(lambda _: Sly(), ["a"])
    assert (row.error, row.output_text) == (None, "<Sly>")


def test_a_state_of_messages_is_shown_as_its_last_message():
    class Message:
        content = "Paris"

    (row,) = run(lambda _: {"messages": ["capital?", Message()]}, ["a"])
    assert row.output_text == "Paris"


def test_a_notebook_shows_hostile_texts_as_texts():
    hostile = "<script>alert(1)</script>\u202e" + "x" * 1_000_000
    found = experiment(lambda text: text, [hostile], name=hostile[:400])
    for shown in (found, found.compare(found), experiments()):
        assert "<script>" not in shown._repr_html_()
        assert "\u202e" not in shown._repr_html_()
        assert "\u202e" not in str(shown)
        assert len(shown._repr_html_()) < 100_000
