import os

import pytest
from delivery_kit import AGENT, SECRET, new_delivery
from faultserver import FaultServer

from infinium_integrations import diagnostics, settings
from infinium_integrations.client.protocol import retry
from infinium_integrations.export import writer


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    """As in a process in which nothing has happened yet."""
    for name in [name for name in os.environ if name.startswith("INFINIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(diagnostics, "_said", set())
    monkeypatch.setattr(retry, "BACKOFF_FIRST", 0.05)
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
