"""The recorder: exactly one sealed trace a root, whatever order things come in."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinium_integrations.payload.build import assemble, spans
from infinium_integrations.payload.captured import Capture
from infinium_integrations.recording.recorder import Recorder, ambient, suppressed
from infinium_integrations.recording.run import Failure, Options
from infinium_integrations.redaction.redactor import Redactor


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Bench:
    """A recorder with a clock that stands still, and what it sealed."""

    def __init__(self, **deadlines):
        self.clock = Clock()
        self.sealed = []
        self.woken = 0
        self.recorder = Recorder(
            self.sealed.append, wake=self._wake, clock=self.clock, wall=lambda: 1_700_000_000.0, **deadlines
        )

    def _wake(self):
        self.woken += 1

    def start(self, run_id, parent=None, action="chain", *, is_step=True, root_is_step=False, options=Options()):  # noqa: B008
        return self.recorder.start(
            run_id, parent, action, str(run_id), options=options, is_step=is_step, root_is_step=root_is_step
        )

    def finish(self, run_id, status="ok", failure=None):
        run = self.recorder.get(run_id)
        if run is not None:
            self.recorder.finish(run, status, failure)

    def pass_time(self, seconds):
        self.clock.now += seconds
        return self.recorder.sweep(self.clock.now)

    def assert_no_state(self):
        assert self.recorder.open_runs == 0
        assert self.recorder.open_traces == 0


@pytest.fixture
def bench():
    return Bench(grace=2.0, idle=3600.0)


def wire(trace):
    return assemble(trace, Capture(Redactor(), 65_536))


def test_a_root_that_ends_last_is_sealed_at_once(bench):
    bench.start("root")
    bench.start("child", "root", "tool_use")
    bench.finish("child")
    assert bench.sealed == []
    bench.finish("root")
    (trace,) = bench.sealed
    assert [step["metadata"]["name"] for step in wire(trace)["steps"]] == ["child"]
    bench.assert_no_state()


def test_a_bare_call_is_a_trace_with_one_step(bench):
    bench.start("model", None, "llm_inference", root_is_step=True)
    bench.finish("model")
    (step,) = wire(bench.sealed[0])["steps"]
    assert step["step_number"] == 1
    assert step["metadata"]["parent_step"] is None


def test_the_same_run_reported_twice_is_one_run(bench):
    bench.start("root")
    assert bench.start("root") is None
    bench.start("child", "root")
    assert bench.start("child", "root") is None
    for run in ("child", "child", "root", "root"):
        bench.finish(run)
    assert len(bench.sealed) == 1
    assert len(wire(bench.sealed[0])["steps"]) == 1
    assert bench.recorder.late_events == 0


def test_two_invocations_with_one_run_id_stay_apart(bench):
    both = threading.Barrier(2, timeout=10)

    def invoke(name):
        bench.start("same")
        both.wait()
        bench.start(name, "same", "tool_use")
        both.wait()
        bench.finish(name)
        both.wait()
        bench.finish("same")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(invoke, ["a", "b"]))
    assert sorted(step["metadata"]["name"] for t in bench.sealed for step in wire(t)["steps"]) == ["a", "b"]
    assert len(bench.sealed) == 2
    bench.assert_no_state()


def test_a_parent_that_nobody_knows_makes_a_root(bench):
    bench.start("run", "somebody else's")
    bench.finish("run")
    assert len(bench.sealed) == 1


def test_folded_runs_give_their_children_the_nearest_kept_parent(bench):
    bench.start("root")
    bench.start("node", "root")
    bench.start("sequence", "node", is_step=False)
    bench.start("model", "sequence", "llm_inference")
    for run in ("model", "sequence", "node", "root"):
        bench.finish(run)
    steps = wire(bench.sealed[0])["steps"]
    assert [(s["metadata"]["name"], s["metadata"]["parent_step"]) for s in steps] == [("node", None), ("model", 1)]


def test_after_a_cancelled_root_open_children_have_the_grace_and_are_cancelled(bench):
    bench.start("root")
    bench.start("model", "root", "llm_inference")
    bench.finish("root", "cancelled")
    bench.pass_time(1.9)
    assert bench.sealed == []
    bench.pass_time(0.2)
    (trace,) = bench.sealed
    assert trace.status == "cancelled"
    assert wire(trace)["steps"][0]["metadata"]["status"] == "cancelled"
    assert wire(trace)["environment"]["custom_tags"]["left_open"] == "1"
    bench.assert_no_state()


def test_the_grace_counts_from_the_last_event(bench):
    bench.start("root")
    bench.start("model", "root", "llm_inference")
    bench.finish("root", "abandoned")
    bench.clock.now += 1.5
    bench.recorder.touch(bench.recorder.get("model"))
    bench.pass_time(1.5)
    assert bench.sealed == []
    bench.finish("model")
    assert len(bench.sealed) == 1
    assert wire(bench.sealed[0])["steps"][0]["metadata"]["status"] == "ok"


def test_after_an_ordinary_end_an_open_model_call_is_waited_for(bench):
    bench.start("root")
    bench.start("model", "root", "llm_inference")
    bench.finish("root")
    bench.pass_time(3000)
    assert bench.sealed == []
    bench.finish("model")
    assert bench.sealed[0].status == "ok"


def test_after_an_ordinary_end_an_open_chain_has_only_the_grace(bench):
    bench.start("root")
    bench.start("chain", "root")
    bench.finish("root")
    bench.pass_time(2.1)
    assert bench.sealed[0].status == "ok"


def test_a_root_that_never_ends_is_incomplete_after_the_idle_limit(bench):
    bench.start("root")
    bench.pass_time(3599)
    assert bench.sealed == []
    bench.pass_time(2)
    assert bench.sealed[0].status == "incomplete"
    bench.assert_no_state()


def test_late_events_are_counted_and_change_nothing(bench):
    bench.start("root")
    bench.start("model", "root", "llm_inference")
    bench.finish("root", "cancelled")
    bench.pass_time(3)
    bench.finish("model")
    assert bench.start("late child", "model", "tool_use") is None
    bench.finish("late child")
    assert len(bench.sealed) == 1
    assert bench.recorder.late_events == 2
    bench.assert_no_state()


def test_more_open_traces_than_the_cap_end_the_oldest():
    bench = Bench(cap=3)
    for number in range(5):
        bench.start(number)
    assert [trace.root.id for trace in bench.sealed] == [0, 1]
    assert {trace.status for trace in bench.sealed} == {"incomplete"}
    bench.recorder.seal_all()
    bench.assert_no_state()


def test_an_interruption_passes_up_to_the_root(bench):
    bench.start("root")
    bench.start("node", "root")
    bench.finish("node", "interrupted")
    bench.finish("root", "ok")
    trace = bench.sealed[0]
    assert trace.status == "interrupted"
    assert "errors" not in wire(trace)


def test_one_exception_is_listed_once_at_its_origin(bench):
    for run, parent in (("root", None), ("node", "root"), ("tool", "node")):
        bench.start(run, parent)
    for run in ("tool", "node", "root"):
        bench.finish(run, "error", Failure("ValueError", "broken", key="the exception"))
    draft = wire(bench.sealed[0])
    assert [(e["error_type"], e["recoverable"]) for e in draft["errors"]] == [("ValueError", False)]
    assert [("error" in s) for s in draft["steps"]] == [False, True]
    assert [s["metadata"]["status"] for s in draft["steps"]] == ["error", "error"]


def test_an_error_that_the_run_went_on_past_is_recoverable(bench):
    bench.start("root")
    for attempt in ("first", "second"):
        bench.start(attempt, "root", "tool_use")
    bench.finish("first", "error", Failure("ValueError", "broken", key=1))
    bench.finish("second")
    bench.finish("root")
    assert [e["recoverable"] for e in wire(bench.sealed[0])["errors"]] == [True]


def test_an_error_raised_from_another_that_ended_the_run_is_not_recoverable(bench):
    bench.start("root")
    bench.start("tool", "root", "tool_use")
    bench.finish("tool", "error", Failure("KeyError", "inner", key=1))
    outer = Failure("RuntimeError", "outer", key=2)
    outer.causes = (1,)
    bench.finish("root", "error", outer)
    assert [e["recoverable"] for e in wire(bench.sealed[0])["errors"]] == [False, False]


def test_a_note_on_plumbing_goes_to_the_nearest_step_and_on_the_root_becomes_one(bench):
    bench.start("root")
    bench.recorder.note(bench.recorder.get("root"), "loose", data=1)
    bench.start("node", "root")
    bench.start("sequence", "node", is_step=False)
    bench.recorder.note(bench.recorder.get("sequence"), "progress", data=2)
    for run in ("sequence", "node", "root"):
        bench.finish(run)
    steps = wire(bench.sealed[0])["steps"]
    assert [s["action"] for s in steps] == ["custom", "chain"]
    assert [s["metadata"]["events"][0]["name"] for s in steps] == ["loose", "progress"]


def test_a_very_long_trace_keeps_first_and_last_steps_with_their_numbers_and_true_totals(bench):
    bench.start("root")
    for number in range(12_000):
        run = bench.start(number, "root", "tool_use")
        bench.recorder.finish(run, "error" if number == 6_000 else "ok")
    bench.finish("root")
    trace = bench.sealed[0]
    numbers = [run.number for run in trace.steps]
    assert len(numbers) == 10_000
    assert numbers[:5_000] == list(range(1, 5_001))
    assert numbers[-1] == 12_000
    tags = wire(trace)["environment"]["custom_tags"]
    assert tags["steps_folded"] == "2000"
    assert tags["steps_folded_with_errors"] == "1"


@pytest.mark.parametrize("steps", [20, 5_200, 10_400])
def test_steps_that_are_folded_away_leave_no_gap_and_no_step_without_its_parent(bench, steps):
    bench.start("root")
    for number in range(steps):
        idle = bench.start(f"idle {number}", "root")
        busy = bench.start(f"busy {number}", f"idle {number}" if number % 5 == 0 else "root")
        bench.recorder.fold(idle)
        bench.recorder.fold(busy) if number % 3 == 0 else None
        bench.finish(f"busy {number}")
        bench.finish(f"idle {number}")
        bench.start(f"late {number}", f"idle {number}") if number == 7 else None
    bench.finish("late 7")
    bench.finish("root")
    (trace,) = bench.sealed
    found = wire(trace)["steps"]
    numbers = [step["step_number"] for step in found]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == trace.count == len(found) + (trace.elided.steps if trace.elided else 0)
    by_number = {step["step_number"]: step["metadata"] for step in found}
    for meta in by_number.values():
        kind, number = meta["name"].split()
        above = by_number.get(meta["parent_step"])
        below_idle = kind == "busy" and int(number) % 5 == 0
        assert (above["name"] if above else None) == (f"idle {number}" if below_idle else None)


def test_a_step_with_something_to_tell_is_not_folded_away(bench):
    bench.start("root")
    for name in ("noted", "failed", "asking", "parent"):
        bench.start(name, "root")
    bench.recorder.note(bench.recorder.get("noted"), "said")
    bench.start("broken", "failed", is_step=False)
    bench.finish("broken", "error", Failure("ValueError", "no"))
    bench.recorder.get("asking").interrupted = True
    bench.start("child", "parent")
    for name in ("noted", "failed", "asking", "parent"):
        bench.recorder.fold(bench.recorder.get(name))
        bench.finish(name)
    bench.finish("child")
    bench.finish("root")
    (trace,) = bench.sealed
    assert [step.name for step in trace.steps] == ["noted", "failed", "asking", "parent", "child"]


def test_inside_trace_a_framework_root_becomes_a_step(bench):
    root = bench.recorder.begin("mine", Options())
    token = ambient.set(root)
    bench.start("chain")
    bench.start("model", "chain", "llm_inference")
    bench.finish("model")
    bench.finish("chain")
    ambient.reset(token)
    assert bench.sealed == []
    bench.recorder.finish(root, "ok")
    names = [s["metadata"]["name"] for s in wire(bench.sealed[0])["steps"]]
    assert names == ["chain", "model"]


def test_a_trace_that_has_ended_adopts_nothing(bench):
    root = bench.recorder.begin("mine", Options())
    token = ambient.set(root)
    bench.recorder.finish(root, "ok")
    bench.start("later")
    bench.finish("later")
    ambient.reset(token)
    assert len(bench.sealed) == 2


def test_what_starts_suppressed_stays_unseen_also_after_the_block(bench):
    token = suppressed.set(True)
    bench.start("root")
    suppressed.reset(token)
    bench.start("model", "root", "llm_inference")
    bench.finish("model")
    bench.finish("root")
    assert bench.sealed == []
    bench.assert_no_state()


def test_a_cancelled_task_ends_its_root():
    bench = Bench()

    async def main():
        started = asyncio.Event()

        async def call():
            bench.start("model", None, "llm_inference", root_is_step=True)
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(call())
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert [trace.status for trace in bench.sealed] == ["cancelled"]
    bench.assert_no_state()


def open_in_a_task_that_ends(bench, **facts):
    async def main():
        async def call():
            run = bench.start("root", None, facts["action"], root_is_step=True)
            run.streaming = facts["streaming"]

        await asyncio.create_task(call())
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_stream_whose_task_has_ended_may_be_read_on_elsewhere_and_is_abandoned_at_the_idle_limit(bench):
    open_in_a_task_that_ends(bench, action="llm_inference", streaming=True)
    bench.pass_time(3599)
    assert bench.sealed == []
    bench.pass_time(2)
    assert [trace.status for trace in bench.sealed] == ["abandoned"]


def test_a_call_that_its_task_went_on_past_is_cancelled_when_the_task_ends(bench):
    open_in_a_task_that_ends(bench, action="tool_use", streaming=False)
    assert [trace.status for trace in bench.sealed] == ["cancelled"]


def test_a_child_whose_task_was_cancelled_is_cancelled_and_not_waited_for(bench):
    async def main():
        async def child():
            bench.start("model", "root", "llm_inference")
            await asyncio.Event().wait()

        bench.start("root")
        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        bench.finish("root")

    asyncio.run(main())
    (trace,) = bench.sealed
    assert [step["metadata"]["status"] for step in wire(trace)["steps"]] == ["cancelled"]
    assert trace.status == "ok"


def test_a_child_in_the_task_of_its_root_that_a_timeout_cancelled_does_not_delay_the_trace(bench):
    async def main():
        bench.start("root")
        bench.start("model", "root", "llm_inference")
        bench.finish("root")

    asyncio.run(main())
    assert [step["metadata"]["status"] for step in wire(bench.sealed[0])["steps"]] == ["cancelled"]


def test_a_long_lived_task_keeps_no_trace_of_runs_that_have_ended():
    bench = Bench()

    async def main():
        for number in range(100):
            bench.start(number)
            bench.finish(number)
        return [len(watched) for watched in bench.recorder._tasks.values()]

    assert asyncio.run(main()) == [0]


def test_flushing_waits_for_roots_in_grace_and_never_ends_an_open_one():
    sealed = []
    recorder = Recorder(sealed.append, grace=0.05)
    recorder.start("open", None, "chain", "open", options=Options())
    root = recorder.start("left", None, "chain", "left", options=Options())
    recorder.start("child", "left", "chain", "child", options=Options())
    recorder.finish(root, "abandoned")
    assert recorder.settle(recorder.clock() + 10)
    assert [trace.root.id for trace in sealed] == ["left"]
    assert recorder.open_traces == 1


def test_the_sweeper_is_woken_for_a_nearer_deadline_and_not_for_every_run(bench):
    bench.start(1)
    assert bench.woken == 1
    bench.recorder.sweep(bench.clock.now)
    bench.finish(1)
    for number in range(2, 50):
        bench.start(number)
        bench.finish(number)
    assert bench.woken == 1
    bench.start("root")
    bench.start("child", "root")
    bench.finish("root", "cancelled")
    assert bench.woken == 2


# -- properties --------------------------------------------------------------------------------------------------------

ACTIONS = ["chain", "tool_use", "llm_inference", "retrieval"]
ENDS = ["ok", "error", "cancelled", "abandoned", "interrupted", None]


@st.composite
def programs(draw):
    """Runs with a parent among the earlier ones, each with its end, or none; and an order of all starts and ends."""
    count = draw(st.integers(1, 14))
    runs = []
    for number in range(count):
        parent = draw(st.one_of(st.none(), st.integers(0, number - 1))) if number else None
        runs.append(
            (
                f"r{number}",
                None if parent is None else f"r{parent}",
                draw(st.sampled_from(ACTIONS)),
                draw(st.booleans()),
                draw(st.sampled_from(ENDS)),
            )
        )
    events = [("start", run) for run in runs]
    for run in runs:
        if run[4] is not None:
            first = events.index(("start", run))
            events.insert(draw(st.integers(first + 1, len(events))), ("finish", run))
    waits = draw(st.lists(st.tuples(st.integers(0, len(events)), st.sampled_from([0.5, 3.0, 4000.0])), max_size=3))
    for place, seconds in waits:
        events.insert(place, ("wait", seconds))
    return events


@settings(max_examples=300, deadline=None)
@given(programs())
def test_any_order_of_starts_ends_and_timeouts_gives_one_trace_a_root_and_leaves_no_state(events):
    bench = Bench(grace=2.0, idle=3600.0)
    roots = set()
    for what, run in events:
        if what == "wait":
            bench.pass_time(run)
        elif what == "start":
            started = bench.start(run[0], run[1], run[2], is_step=run[3])
            if started is not None and started.parent is None:
                roots.add(started.trace.id)
        else:
            failure = Failure("ValueError", "x") if run[4] == "error" else None
            bench.finish(run[0], run[4], failure)
    bench.recorder.seal_all()
    assert sorted(trace.id for trace in bench.sealed) == sorted(roots)
    for trace in bench.sealed:
        draft = wire(trace)
        numbers = [step["step_number"] for step in draft.get("steps", [])]
        assert numbers == list(range(1, len(numbers) + 1))
        for step in draft.get("steps", []):
            parent = step["metadata"]["parent_step"]
            assert parent is None or parent < step["step_number"]
            assert step.get("duration_ms", 0) >= 0
    bench.assert_no_state()


def test_many_threads_on_one_recorder_mix_nothing():
    sealed = []
    recorder = Recorder(sealed.append)

    def work(number):
        root = f"root-{number}"
        recorder.start(root, None, "chain", root, options=Options())
        children = []
        for index in range(20):
            child = recorder.start(uuid.uuid4(), root, "tool_use", f"{number}/{index}", options=Options())
            children.append(child)
        for child in reversed(children):
            recorder.finish(child, "ok")
        recorder.finish(recorder.get(root), "ok")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(400)))
    assert len(sealed) == 400
    for trace in sealed:
        number = trace.root.name.removeprefix("root-")
        assert [run.name for run in trace.steps] == [f"{number}/{index}" for index in range(20)]
    assert recorder.open_runs == 0


def test_a_collection_inside_the_lock_that_calls_back_does_not_deadlock():
    recorder = Recorder(lambda trace: None)
    recorder.start("root", None, "chain", "root", options=Options())
    with recorder._lock:
        recorder.start("child", "root", "chain", "child", options=Options())
        recorder.finish(recorder.get("child"), "ok")
    recorder.finish(recorder.get("root"), "ok")
    assert recorder.open_runs == 0


def test_what_a_long_trace_is_said_to_hold_counts_the_steps_that_are_kept():
    got = []
    recorder = Recorder(got.append)
    root = recorder.begin("root", Options())
    for number in range(40_000):
        recorder.finish(recorder.start(number, root.id, "custom", "s", options=Options(), watch=False), "ok")
    recorder.finish(root, "ok")
    assert got[0].count == 40_000
    assert got[0].weight() < 11_000_000


# -- what the file keeps beside what is sent ---------------------------------------------------------------------------


def test_each_step_keeps_when_it_began_and_how_long_it_took_to_the_nanosecond():
    bench = Bench()
    bench.start("root")
    for name, begins, lasts in (("a", 0.0000015, 0.00025), ("b", 0.0000005, None)):
        bench.pass_time(begins)
        bench.start(name, "root")
        if lasts is not None:
            bench.pass_time(lasts)
            bench.finish(name)
    (trace,) = bench.recorder.traces()
    assert spans(trace) == {
        "started_ns": 1_700_000_000_000_000_000,
        "steps": {"1": [1_500, 250_000], "2": [252_000]},
        "action": "chain",
    }


def test_a_trace_knows_the_span_of_opentelemetry_that_it_stands_in():
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    bench = Bench()
    bench.start("outside")
    with sdk.TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        bench.start("inside")
    context = span.get_span_context()
    outside, inside = bench.recorder.traces()
    assert "span_id" not in spans(outside)
    assert int(spans(inside)["trace_id"], 16) == context.trace_id
    assert int(spans(inside)["span_id"], 16) == context.span_id


def test_a_span_that_cannot_be_read_harms_no_trace(monkeypatch):
    def broken():
        raise RuntimeError

    api = pytest.importorskip("opentelemetry.trace")
    monkeypatch.setattr(api, "get_current_span", broken)
    bench = Bench()
    bench.start("root")
    bench.finish("root")
    assert len(bench.sealed) == 1


def test_whoever_is_given_a_sealed_trace_may_wait_for_the_thread_that_sweeps():
    looked_after, answers = threading.Event(), []

    def look_after():
        recorder.sweep(recorder.clock())
        answers.append(recorder.silenced)
        looked_after.set()

    def sink(_):
        threading.Thread(target=look_after).start()
        answers.append(looked_after.wait(5))

    recorder = Recorder(sink)
    recorder.start("root", None, "chain", "root", options=Options())
    recorder.finish(recorder.get("root"), "ok")
    assert answers == [False, True]
