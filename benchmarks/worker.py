"""One library in a process of its own: takes a line of JSON for each turn, and prints what that turn cost.

``worker.py turns FRAMEWORK LIBRARY URL`` reads ``{"work": "W1"}`` from its input until it ends.
``worker.py exit FRAMEWORK LIBRARY URL`` runs one program and prints when it was done: what follows is the way out.
``worker.py import FRAMEWORK LIBRARY URL`` prints the seconds that setting the library up took.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import libraries

FLUSHING, FEWEST = 3.0, 3
"""Seconds after which a library whose flush takes long is flushed no more in a turn, but for so many runs."""


def turn(work, times, config, flush):
    """Return microseconds a run of the caller's CPU, of the process's until all is delivered, and of the caller's wall.

    ``caller`` with a flush after each run, so that nothing runs beside it and the processor's caches are cold; the
    others of a tight loop, ``loop`` being the caller's CPU in it. Return also how many runs there were in all.
    """
    caller, runs, until = 0.0, 0, time.perf_counter() + FLUSHING
    while runs < times and (runs < FEWEST or time.perf_counter() < until):
        began = time.thread_time()
        work(config)
        caller += time.thread_time() - began
        runs += 1
        flush()
    gc.collect()
    wall, whole, loop = time.perf_counter(), time.process_time(), time.thread_time()
    for _ in range(times):
        work(config)
    loop, wall = time.thread_time() - loop, time.perf_counter() - wall
    flush()
    loops = {"loop": loop, "total": time.process_time() - whole, "wall": wall}
    cost = {"caller": caller / runs, **{kind: seconds / times for kind, seconds in loops.items()}}
    return {kind: seconds * 1e6 for kind, seconds in cost.items()} | {"runs": runs + times}


def settle():
    """Take what the frameworks' modules hold out of the collections to come.

    A full one walks over all of it for 100 ms, and whether it falls into a turn is chance. What a library adds is still
    collected.
    """
    gc.collect()
    gc.freeze()


def idle(seconds):
    """Return milliseconds of CPU a second while nothing happens."""
    began = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - began) * 1_000 / seconds


def on_disk():
    folder = os.environ.get("INFINIUM_STORE")
    return sum(path.stat().st_size for path in Path(folder).rglob("*.json.gz")) if folder else 0


def main():
    mode, framework, library, url = sys.argv[1:]
    workloads = importlib.import_module(f"{framework}_workloads").workloads()
    began = time.perf_counter()
    callbacks, flush = getattr(libraries, framework.upper())[library](url)
    if mode == "import":
        print(time.perf_counter() - began)
        return
    config = {"callbacks": callbacks} if callbacks else {}
    if mode == "exit":
        next(iter(workloads.values()))[0](config)
        print(time.time(), flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "idle" in asked:
            said = {"idle": idle(asked["idle"]), "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        else:
            work, _, times = workloads[asked["work"]]
            settle()
            before = on_disk()
            said = turn(work, times, config, flush)
            said["disk"] = (on_disk() - before) / said["runs"]
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
