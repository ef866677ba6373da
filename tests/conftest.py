"""Every test begins as in a process in which nothing has happened yet, and leaves nothing behind."""

import os

import pytest

from infinium_integrations import faults, runtime, settings


@pytest.fixture(autouse=True)
def _isolated(monkeypatch, tmp_path_factory):
    """No account, no settings, a store of the test's own, and no thread of ours left at its end."""
    for name in [name for name in os.environ if name.startswith("INFINIUM_")]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("data", numbered=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    monkeypatch.setenv("INFINIUM_STORE", str(home / "store"))
    monkeypatch.setattr(faults, "_said", set())
    settings.reset()
    before = runtime.install(None)
    yield
    made = runtime.install(before)
    if made is not None and made is not before:
        made.recorder.seal_all()
        made.delivery.shutdown(1.0)
    faults.raising(False)
    settings.reset()


@pytest.fixture
def anyio_backend():
    return "asyncio"
