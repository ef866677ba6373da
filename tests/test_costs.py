"""What tracing costs, in counts that the speed of the machine does not change; a change that doubles one fails here.

How long it takes is measured in ``benchmarks/``.
"""

import gc
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
from uuid import uuid4

import pytest
from delivery_kit import account
from faultserver import FaultServer
from langchain_core.messages import AIMessage, HumanMessage

from infinium_integrations import runtime
from infinium_integrations.export.pipeline import Delivery
from infinium_integrations.langchain import InfiniumCallbackHandler

BYTES_A_RUN = 900
BYTES_A_MESSAGE = 1_300
INSTRUCTIONS_AN_EVENT = 70_000
CALLS_A_TRACE = 75
"""To the system, by all threads, until it is sent and filed as delivered; waiting for each other aside."""


def bytes_of(work):
    """Return how many bytes are held after something was done that were not before."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held


@pytest.fixture
def handler():
    return InfiniumCallbackHandler()


def test_a_run_of_an_open_trace_holds_little(handler):
    root = uuid4()
    handler.on_chain_start({}, {"question": "?"}, run_id=root, name="root")

    def steps():
        for _ in range(1_000):
            run = uuid4()
            handler.on_chain_start({}, "some text", run_id=run, parent_run_id=root, name="step", run_type="chain")
            handler.on_chain_end("other text", run_id=run)

    steps()
    assert bytes_of(steps) < 1_000 * BYTES_A_RUN


def test_a_message_is_held_once_however_often_it_is_seen(handler):
    root = uuid4()
    handler.on_chain_start({}, {"question": "?"}, run_id=root, name="root")
    history = [(AIMessage if at % 2 else HumanMessage)(f"message {at}") for at in range(300)]

    def ask():
        run = uuid4()
        handler.on_chat_model_start({}, [history], run_id=run, parent_run_id=root)
        handler.on_chain_end({}, run_id=run)

    first = bytes_of(ask)
    again = min(bytes_of(ask) for _ in range(5))  # threads of other tests may allocate beside it
    assert first < 300 * BYTES_A_MESSAGE
    assert again < first / 20


def test_what_a_trace_held_is_free_once_it_is_written(handler):
    def trace():
        root = uuid4()
        handler.on_chain_start({}, {"messages": [HumanMessage("x" * 10_000)]}, run_id=root, name="root")
        handler.on_chain_end({"messages": [AIMessage("y" * 10_000)]}, run_id=root)
        runtime.current().delivery.flush(20)

    for _ in range(3):
        trace()
    assert bytes_of(lambda: [trace() for _ in range(20)]) < 20 * 1_000


def test_traces_that_keep_coming_wake_the_writer_once():
    written, gathering, go_on = [], threading.Event(), threading.Event()
    delivery = Delivery(assemble=written.append)
    writer = delivery._writer
    awakenings = []

    def gather(seconds):
        awakenings.append(len(written))
        gathering.set()
        assert go_on.wait(20)

    writer._gather = gather
    delivery.submit(0)
    assert gathering.wait(20)
    for item in range(1, 50):
        delivery.submit(item)
    assert written == [0]
    go_on.set()
    assert delivery.flush(20)
    assert written == list(range(50))
    assert awakenings[:2] == [1, 50]


def test_who_waits_for_a_trace_does_not_wait_for_more_of_them(monkeypatch):
    monkeypatch.setattr("infinium_integrations.export.writer.GATHER_SECONDS", 3_600)
    written = []
    delivery = Delivery(assemble=written.append)
    for item in range(3):
        delivery.submit(item)
        assert delivery.flush(20)
    assert written == [0, 1, 2]


PROGRAM = """
import gc, sys
from uuid import UUID
from infinium_integrations import runtime
from infinium_integrations.langchain import InfiniumCallbackHandler

handler = InfiniumCallbackHandler()
runtime.current().delivery.submit = lambda *_: None
gc.disable()
root = UUID(int=1)
handler.on_chain_start({}, {"question": "?"}, run_id=root, name="root")
for at in range(int(sys.argv[1])):
    run = UUID(int=at + 2)
    handler.on_chain_start({}, f"text {at}", run_id=run, parent_run_id=root, name="step", run_type="chain", tags=["a"])
    handler.on_chain_end("other text", run_id=run)
"""


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="counts instructions with valgrind")
def test_an_event_takes_few_instructions(tmp_path):
    def instructions(runs):
        found = tmp_path / f"{runs}.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={found}", sys.executable, "-c", PROGRAM]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "INFINIUM_STORE": "memory"}
        subprocess.run([*command, str(runs)], check=True, timeout=280, env=environment, capture_output=True)
        line = next(line for line in found.read_text().splitlines() if line.startswith("summary:"))
        return int(line.split()[1])

    assert (instructions(300) - instructions(100)) / 400 < INSTRUCTIONS_AN_EVENT


SENT = """
import sys
import infinium_integrations as infinium

for _ in range(int(sys.argv[1])):
    with infinium.trace("one"):
        pass
    infinium.flush(20)
"""


@pytest.mark.full
@pytest.mark.skipif(shutil.which("strace") is None, reason="counts system calls with strace")
def test_a_delivered_trace_takes_few_system_calls(tmp_path):
    def calls(server, traces):
        found = tmp_path / f"{traces}.txt"
        command = ["strace", "-f", "-c", "-o", str(found), sys.executable, "-c", SENT, str(traces)]
        environment = account(server.url, tmp_path / "store", INFINIUM_REQUESTS_PER_SECOND=1_000)
        subprocess.run(command, check=True, timeout=100, env=environment, capture_output=True)
        rows = [line.split() for line in found.read_text().splitlines() if line[:1] == " "]
        return sum(int(row[3]) for row in rows if row[3].isdigit() and row[-1] not in {"futex", "total"})

    with FaultServer([]) as server:
        assert (calls(server, 60) - calls(server, 20)) / 40 < CALLS_A_TRACE
