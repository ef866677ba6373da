"""Where a run stops before the model has answered, what was found for it is not shown as the answer."""

import asyncio
import contextlib
import gc

import pytest
from kit import Scripted, an_engine, one, status, steps
from llama_index.core import __version__

from infinium_integrations import flush

CORE = tuple(int(part) for part in __version__.split(".")[:3])
LAZY = not (0, 14, 22) <= CORE <= (0, 14, 24)
"""These read the whole stream inside ``query()``, so nothing is left to abandon."""


class Slow(Scripted):
    async def achat(self, messages, **kwargs):
        await asyncio.sleep(30)


def test_a_query_that_is_cancelled_before_the_models_answer_has_none(traces):
    async def ask():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(an_engine(Slow(replies=[])).aquery("capital?"), 0.3)

    asyncio.run(ask())
    flush(5)
    trace = one(traces)
    assert status(trace) == "cancelled"
    assert trace.output_summary is None


@pytest.mark.skipif(not LAZY, reason="this core reads the stream inside query()")
def test_a_streamed_query_that_nobody_reads_has_no_answer(traces):
    response = an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("capital?")
    del response
    gc.collect()
    flush(5)
    trace = one(traces)
    assert status(trace) == "abandoned"
    assert trace.output_summary is None


@pytest.mark.skipif(not LAZY, reason="this core reads the stream inside query()")
def test_of_a_stream_that_is_half_read_when_all_is_ended_the_half_is_the_answer(traces):
    response = an_engine(Scripted(replies=["Paris is it"]), streaming=True).query("capital?")
    next(response.response_gen)
    next(response.response_gen)
    traces.end_all()
    trace = one(traces)
    assert status(trace) == "incomplete"
    assert trace.output_summary.split() == ["Paris", "is"]
    (call,) = steps(trace, "llm_inference")
    assert call.output_preview.split() == ["Paris", "is"]
    response.response_gen.close()
