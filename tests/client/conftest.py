import asyncio

import pytest
from scripted import AGENT, SECRET, Scripted

from infinium_integrations import AsyncInfiniumClient, InfiniumClient


@pytest.fixture
def server():
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def other_server():
    made = Scripted()
    yield made
    made.close()


class Both:
    """Calls either client the same way, so that each promise is tested for both. Its pauses are kept, not slept."""

    def __init__(self, kind, url):
        self.kind = kind
        self.pauses = []
        self.options = {"base_url": url, "requests_per_second": 1e6}

    def __call__(self, method, *args, options=None, **kwargs):
        made = {**self.options, **(options or {})}
        if self.kind == "sync":
            return self._blocking(made, method, args, kwargs)
        return asyncio.run(self._asyncio(made, method, args, kwargs))

    def _blocking(self, options, method, args, kwargs):
        with InfiniumClient(AGENT, SECRET, **options) as client:
            client._sleep = self.pauses.append
            return getattr(client, method)(*args, **kwargs)

    async def _asyncio(self, options, method, args, kwargs):
        async with AsyncInfiniumClient(AGENT, SECRET, **options) as client:
            client._sleep = self._keep
            return await getattr(client, method)(*args, **kwargs)

    async def _keep(self, seconds):
        self.pauses.append(seconds)


@pytest.fixture(params=["sync", "async"])
def call(request, server):
    return Both(request.param, server.url)
