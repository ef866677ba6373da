import asyncio
import gc
from pathlib import Path

import pytest

pytest.importorskip("llama_index.core")

from infinium_integrations import diagnostics
from infinium_integrations.testing import captured_traces


@pytest.fixture(autouse=True)
def no_faults(monkeypatch):
    """Show our own faults: LlamaIndex's dispatcher swallows whatever a handler raises."""
    seen = []
    monkeypatch.setattr(diagnostics, "record", seen.append)
    monkeypatch.setattr("infinium_integrations.settings._current", None)
    yield
    if seen:
        raise seen[0]


@pytest.fixture(autouse=True, scope="module")
def nothing_left():
    """Collect here what LlamaIndex leaves, where its warnings are ignored, and not in somebody else's tests."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_loop_left():
    """Close the event loop that LlamaIndex's asyncio_run makes and leaves."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def caught():
    with captured_traces(grace=0.2) as traces:
        yield traces


@pytest.fixture
def traces(caught):
    """The traces that end while a handler is registered."""
    from infinium_integrations.llama_index import InfiniumEventHandler

    with InfiniumEventHandler():
        yield caught


IGNORED = (
    # LlamaIndex's asyncio_run leaves its event loops open, and older cores warn about themselves.
    "ignore:unclosed event loop:ResourceWarning",
    "ignore:unclosed <socket:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    "ignore::DeprecationWarning:llama_index.*",
    "ignore::DeprecationWarning:workflows.*",
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::pydantic.warnings.PydanticDeprecatedSince211",
    "ignore:The 'validate_default' attribute",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            for line in IGNORED:
                item.add_marker(pytest.mark.filterwarnings(line))
