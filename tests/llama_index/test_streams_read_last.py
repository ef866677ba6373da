"""A stream that was read to its end is no incomplete run: at a block's end, at ``shutdown()``, at the exit."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit import Scripted, an_engine, one, status
from llama_index.core import PromptTemplate
from llama_index.core.llms import MockLLM
from pydantic import BaseModel

import infinium_integrations as infinium
from infinium_integrations.llama_index import InfiniumEventHandler
from infinium_integrations.testing import captured_traces


def streaming():
    return an_engine(Scripted(replies=["Paris is it"]), streaming=True)


def read():
    response = streaming().query("capital?")
    list(response.response_gen)
    return response


def printed():
    streaming().query("capital?").print_response_stream()


def read_in_a_loop():
    async def ask():
        response = await streaming().aquery("capital?")
        return [token async for token in response.async_response_gen()]

    asyncio.run(ask())


class City(BaseModel):
    name: str = ""


def structured_by_text():  # the model answers with the prompt, which is the object
    list(MockLLM().stream_structured_predict(City, PromptTemplate('{{"name": "x"}}')))


READ = [read, printed, read_in_a_loop, structured_by_text]


@pytest.mark.parametrize("program", READ)
def test_the_trace_of_a_stream_that_was_read_ends_inside_the_block(program):
    with InfiniumEventHandler(), captured_traces() as traces:
        kept = program()
    assert [status(trace) for trace in traces] == ["ok"]
    del kept


@pytest.mark.parametrize("program", READ)
def test_ending_all_ends_a_stream_that_was_read_as_it_ended(program):
    with InfiniumEventHandler(), captured_traces() as traces:
        kept = program()
        traces.end_all()
        assert [status(trace) for trace in traces] == ["ok"]
    del kept


def test_shutdown_ends_a_stream_that_was_read_as_it_ended():
    with InfiniumEventHandler():
        kept = read()
        assert infinium.shutdown(10)
    assert [trace.status for trace in infinium.traces()] == ["ok"]
    del kept


def test_what_is_read_half_when_all_is_ended_is_incomplete():
    with InfiniumEventHandler(), captured_traces() as traces:
        response = streaming().query("capital?")
        next(response.response_gen)
        begun = time.perf_counter()
        traces.end_all()
        assert time.perf_counter() - begun < 0.25
        assert status(one(traces)) == "incomplete"
        response.response_gen.close()


@pytest.mark.parametrize("program", ["kept = read()", "printed()", "read_in_a_loop()", "structured_by_text()"])
def test_a_program_that_ends_with_its_stream_read_leaves_a_trace_that_is_ok(tmp_path, program):
    here = Path(__file__).parent
    paths = [here, here.parent / "support", here.parent.parent]
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths)), "INFINIUM_STORE": str(tmp_path)}
    record = f"from {Path(__file__).stem} import *\nInfiniumEventHandler().register()\n{program}"
    tell = "import infinium_integrations as infinium; print([trace.status for trace in infinium.traces()])"
    ran = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            check=True,
            env=environment,
            timeout=60,
            stdout=subprocess.PIPE,
        )
        for code in (record, tell)
    ]
    assert ran[1].stdout.decode().strip() == "['ok']"
