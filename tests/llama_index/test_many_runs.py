"""No run leaves anything behind that another one could notice, in its trace or in memory."""

import asyncio
import gc
import random
import threading

import pytest
from kit import Scripted, ended, status
from programs import PROGRAMS, query, stream_abandoned

from infinium_integrations.llama_index import InfiniumEventHandler, spans, streams
from infinium_integrations.recording.recorder import Recorder
from infinium_integrations.testing import captured_traces

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def shape(trace):
    """What does not depend on time, order or ids."""
    found = [  # the order of documents with the same score is chance, so what the model was asked is too
        (step.action, step.description, step.metadata["status"], step.metadata["parent_step"], _output(step))
        for step in trace.steps or []
    ]
    totals = trace.llm_usage and (trace.llm_usage.api_calls_count, trace.llm_usage.total_tokens)
    errors = [error.error_type for error in trace.errors or []]
    return trace.name, status(trace), trace.input_summary, trace.output_summary, found, totals, errors


def _output(step):
    return step.output_preview if step.action != "retrieval" else step.metadata.get("document_count")


def shapes(name):
    program, count = PROGRAMS[name]
    with captured_traces(grace=0.05) as traces, InfiniumEventHandler():
        program()
        gc.collect()
        return sorted(map(repr, map(shape, ended(traces, count))))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_its_traces(name):
    shapes(name)
    assert streams.open_streams() == 0


@pytest.fixture(scope="module")
def alone():
    """What each program gives by itself."""
    return {name: shapes(name) for name in PROGRAMS}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 11))])
def test_a_program_gives_the_same_traces_after_any_other(seed, alone):
    order = random.Random(seed).sample(sorted(PROGRAMS), len(PROGRAMS))
    with captured_traces(grace=0.05) as traces, InfiniumEventHandler():
        for name in order:
            program, count = PROGRAMS[name]
            program()
            gc.collect()
            assert (name, sorted(map(repr, map(shape, ended(traces, count))))) == (name, alone[name])
            traces.clear()


def test_programs_at_once_in_threads_make_their_traces():
    names = ["query", "stream", "agent", "workflow_twice", "chat", "stream_abandoned"]
    count = sum(PROGRAMS[name][1] for name in names)
    with captured_traces(grace=0.05) as traces, InfiniumEventHandler():
        threads = [threading.Thread(target=PROGRAMS[name][0]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        gc.collect()
        ended(traces, count)


class Counting:
    """A runtime that counts traces and keeps none."""

    def __init__(self):
        self.count = 0
        self.recorder = Recorder(self.take, grace=0.05)
        self.tracing = True
        self.delivery = None

    def take(self, trace):
        self.count += 1
        trace.head.clear()


def run_many(count):
    """Run so many programs, a fifth of which leave their stream; give the recorder's counts and the objects."""
    from infinium_integrations import runtime

    counting = Counting()
    before = runtime.install(counting)
    try:
        with InfiniumEventHandler():
            llm = Scripted()
            for at in range(count):
                llm.replies = ["one two three"]
                left = at % 5 == 0
                part = llm.stream_chat([])
                next(part)
                if not left:
                    list(part)
                del part
            counting.recorder.settle(counting.recorder.clock() + 5)
            deadline = counting.recorder.clock() + 5
            while counting.count < count and counting.recorder.clock() < deadline:
                streams.poll()
    finally:
        runtime.install(before)
    gc.collect()
    return counting, len(gc.get_objects())


def assert_flat(count):
    _, few = run_many(200)
    counting, many = run_many(count)
    assert counting.count == count
    assert (counting.recorder.open_traces, counting.recorder.open_runs, streams.open_streams()) == (0, 0, 0)
    assert len(spans._leaks) <= spans.LEAKS_REMEMBERED
    assert many - few < 500


def test_a_thousand_runs_with_a_fifth_of_the_streams_left_keep_memory_flat():
    assert_flat(1_000)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_ten_thousand_runs_with_a_fifth_of_the_streams_left_keep_memory_flat():
    assert_flat(10_000)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_whole_programs_again_and_again_keep_memory_flat(caught):
    def again(count):
        with InfiniumEventHandler():
            for at in range(count):
                query()
                if at % 5 == 0:
                    stream_abandoned()
                caught.clear()
        gc.collect()
        return len(gc.get_objects())

    few = again(50)
    assert again(300) - few < 1_000
    assert asyncio is not None
