"""The page on a real port, in a thread."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.viewer.server.app import make_app
from infinium_integrations.viewer.server.security import Access


@contextmanager
def serving(reader: TraceReader, *, access: Access | None = None, agent_key: str | None = None) -> Iterator[str]:
    """Serve the page, to everybody where ``access`` is left out, and give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(reader, access or Access(guarded=False), agent_key=agent_key)
    server = _Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.ready.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        """Look every few milliseconds whether to end; uvicorn's own loop does so ten times a second."""
        while not self.should_exit:
            await self.on_tick(0)
            await asyncio.sleep(0.005)

    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        self.ready.set()
