"""Ctrl-C ends an experiment, in a real process, and what ran is kept."""

import re
import signal
import subprocess
import sys

import pytest
from children import PATIENCE, child, line

PROGRAM = """
import asyncio, sys, threading, time
from infinium_integrations import experiment, aexperiment, experiments

def going(number):
    if number == 3:
        print("going", flush=True)

def sleep(number):
    going(number)
    time.sleep(60 if number >= 2 else 0)
    return number

async def sleep_later(number):
    going(number)
    await asyncio.sleep(60 if number >= 2 else 0)
    return number

async def stubborn(number):
    going(number)
    while number >= 2:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
    return number
"""
ENDS = """
found = experiment({task}, range(6), name="Slow", concurrency=2)
print(found.interrupted, [(row.index, row.status, row.output) for row in found], flush=True)
(again,) = experiments("Slow")
print([(row.index, row.status) for row in again][:2], flush=True)
"""
ON_LOOP = """
try:
    asyncio.run(aexperiment({task}, range(6), name="Slow", concurrency=2))
except KeyboardInterrupt:
    print([(row.index, row.status, row.output) for row in experiments("Slow")[0]], flush=True)
"""


def interrupted(program, signals=1):
    """Start a program, send it Ctrl-C when its fourth example runs, and give what it printed."""
    command = [sys.executable, "-c", PROGRAM + program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with child(command, **pipes) as process:
        assert line(process) == "going\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out.splitlines(), err


@pytest.mark.parametrize("task", ["sleep", "sleep_later", "stubborn"])
def test_ctrl_c_returns_what_ran_and_the_program_goes_on(task):
    code, (first, stored), err = interrupted(ENDS.format(task=task))
    assert code == 0, err
    assert first == "True [(0, 'ok', 0), (1, 'ok', 1), (2, 'cancelled', None), (3, 'cancelled', None)]"
    assert stored == "[(0, 'ok'), (1, 'ok')]"
    assert re.fullmatch(r"Interrupted: 4 of 6 ran.*\n", err)


@pytest.mark.parametrize("task", ["sleep", "sleep_later"])
def test_ctrl_c_goes_through_aexperiment_and_what_ran_is_in_the_store(task):
    code, (kept,), err = interrupted(ON_LOOP.format(task=task))
    assert code == 0, err
    assert kept == "[(0, 'ok', '0'), (1, 'ok', '1'), (2, 'cancelled', None), (3, 'cancelled', None)]"


def test_another_process_finds_the_experiments_of_an_earlier_one():
    def printed(program):
        command = [sys.executable, "-c", program]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    printed("from infinium_integrations import experiment\nexperiment(str.upper, ['a', 'b'], name='Before')")
    after = (
        "from infinium_integrations import experiments\nprint([[r.output for r in e] for e in experiments('Before')])"
    )
    assert printed(after) == "[['A', 'B']]\n"
