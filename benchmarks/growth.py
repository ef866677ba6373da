"""How the cost of one step, trace or delivery grows with what there is already: flat lines are what is wanted.

    tox -e bench -- --growth

Prints microseconds of CPU: of a step in traces of 10 to 10,000 steps (caller's thread, then writer), of a trace beside
1 to 4,000 open ones, of storing a trace in a folder that holds up to 100,000, of draining up to 30,000 that wait.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

HERE = Path(__file__).parent
PAYLOAD = {"name": "t", "description": "d", "current_datetime": "2026-11-26T00:00:00Z", "duration": 1.0, "steps": []}


def micros(count, work):
    gc.collect()
    gc.disable()
    began = time.thread_time()
    work()
    took = time.thread_time() - began
    gc.enable()
    return round(took / count * 1e6, 1)


def handler_of(submitted):
    from infinium_integrations import runtime
    from infinium_integrations.langchain import InfiniumCallbackHandler

    handler = InfiniumCallbackHandler()
    runtime.current().delivery.submit = lambda trace, size=0: submitted.append(trace)
    return handler


def trace(handler, steps):
    root = uuid4()
    handler.on_chain_start({}, {"question": "?"}, run_id=root, name="root")
    for at in range(steps):
        run = uuid4()
        given = {"question": f"text number {at}"}
        handler.on_chain_start({}, given, run_id=run, parent_run_id=root, name=f"step {at % 7}", run_type="chain")
        handler.on_chain_end({"answer": f"answer number {at}"}, run_id=run)
    handler.on_chain_end({"answer": "!"}, run_id=root)


def steps():
    from infinium_integrations import runtime
    from infinium_integrations.payload.finalize import finished, fitted

    submitted = []
    handler = handler_of(submitted)

    def write():
        pending = runtime.current().delivery._assemble(submitted.pop())
        fitted(finished(pending.wire, pending.redactor, cut=True, limits=pending.limits))

    trace(handler, 100)
    write()
    for count in (10, 100, 1_000, 10_000):
        caller = micros(count, lambda count=count: trace(handler, count))
        print(f"a step of {count:>6,}: caller {caller:>6}, writer {micros(count, write):>6}")
    for count in (1, 1_000, 4_000):
        roots = [uuid4() for _ in range(count)]
        for root in roots:
            handler.on_chain_start({}, {"question": "?"}, run_id=root, name="root")
        print(f"a trace beside {count:>5,} open ones: {micros(200, lambda: [trace(handler, 0) for _ in range(200)])}")
        for root in roots:
            handler.on_chain_end({}, run_id=root)


def a_record(number):
    from infinium_integrations.payload.finalize import encode
    from infinium_integrations.storage import record as records

    trace_id = str(uuid4())
    record = records.new_record(trace_id, PAYLOAD, encode(PAYLOAD), number, {"status": "pending"})
    return records.file_name(number, trace_id), records.pack(record)


def stored():
    from infinium_integrations.settings import Settings
    from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector

    for count in (100, 100_000):
        settings = Settings(store=str(Path(tempfile.mkdtemp()) / "store"))
        store = StoreSelector(DeliveryCounters()).store(settings)
        for number in range(count):
            store.keep(*a_record(number + 1))
        for process in ("the first", "the next"):
            selector = StoreSelector(DeliveryCounters())

            def write(selector=selector, settings=settings, count=count):
                for number in range(200):
                    selector.put(settings, *a_record(count + number + 1), None)

            print(f"storing one of 200 beside {count:>7,}, {process} process: {micros(200, write)}")


def drained():
    from sink import Sink

    for count in (3_000, 30_000):
        sink = Sink()
        environment = {
            **os.environ,
            "INFINIUM_AGENT_ID": "00000000-0000-4000-8000-000000000001",
            "INFINIUM_AGENT_SECRET": "benchmark-secret",
            "INFINIUM_BASE_URL": f"{sink.url}/x/api/v1",
            "INFINIUM_STORE": str(Path(tempfile.mkdtemp()) / "store"),
            "INFINIUM_REQUESTS_PER_SECOND": "100000",
        }
        subprocess.run([sys.executable, __file__, "drain", str(count)], env=environment, check=True)


def drain(count):
    import infinium_integrations as infinium
    from infinium_integrations import settings
    from infinium_integrations.storage.selector import DeliveryCounters, StoreSelector, account_of

    given = settings.current()
    store = StoreSelector(DeliveryCounters()).store(given)
    for number in range(count):
        store.put(*a_record(number + 1), account_of(given))
    began = time.process_time()
    with infinium.trace("one more"):
        pass
    assert infinium.flush(500)
    print(f"draining one of {count:>6,} that wait: {(time.process_time() - began) / count * 1e6:.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["drain"]:
        drain(int(sys.argv[2]))
    else:
        steps()
        stored()
        drained()
