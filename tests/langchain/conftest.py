"""Traces are caught; after each test nothing may be left in the recorder."""

import pytest
from lc_support import Clock

from infinium_integrations import runtime
from infinium_integrations.testing import captured_traces


@pytest.fixture(autouse=True)
def _no_langsmith(monkeypatch):
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def assert_nothing_is_left(recorder):
    assert recorder.open_runs == 0
    assert recorder.open_traces == 0
    assert all(not watched for watched in recorder._tasks.values())


@pytest.fixture
def traces():
    """The traces that end in this test, by the real clock."""
    with captured_traces() as caught:
        yield caught
        assert_nothing_is_left(runtime.recorder())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(clock):
    """The traces that end in this test, by a clock that stands still; ``timed.pass_time(s)`` moves it and sweeps."""
    with captured_traces(clock=clock, grace=2.0, idle=3600.0) as caught:
        caught.pass_time = lambda seconds: runtime.recorder().sweep(clock.advance(seconds))
        yield caught
        assert_nothing_is_left(runtime.recorder())
