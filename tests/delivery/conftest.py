import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from delivery_kit import AGENT, SECRET, new_delivery  # noqa: E402
from faultserver import FaultServer  # noqa: E402

from infinium_integrations import faults, settings  # noqa: E402
from infinium_integrations.client import _retry  # noqa: E402
from infinium_integrations.delivery import writer  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    """As in a process in which nothing has happened yet."""
    for name in [name for name in os.environ if name.startswith("INFINIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(faults, "_said", set())
    monkeypatch.setattr(_retry, "BACKOFF_FIRST", 0.05)
    writer._said_where.clear()
    settings.reset()
    yield
    settings.reset()


@pytest.fixture
def store(tmp_path):
    settings.configure(store=str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def deliver(store):
    """Make a delivery; it is ended after the test."""
    made = []

    def make(**given):
        made.append(new_delivery(**given))
        return made[-1]

    yield make
    for delivery in made:
        delivery._writer.stop()
        delivery._sender.stop()


@pytest.fixture
def serve():
    """Start a server with faults and set the account to it."""
    servers = []

    def make(*script, **given):
        servers.append(FaultServer(list(script), **given).__enter__())
        settings.configure(agent_id=AGENT, agent_secret=SECRET, base_url=servers[-1].url)
        return servers[-1]

    yield make
    for server in servers:
        server.__exit__()
