"""The page's server: everything under one ASGI application, and how it is run."""

import socket
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware

from infinium_integrations import settings
from infinium_integrations.storage.reader import TraceReader
from infinium_integrations.viewer.server.ingest import Refused, refuse, routes
from infinium_integrations.viewer.server.pages import Pages
from infinium_integrations.viewer.server.security import Access, SecurityMiddleware

__all__ = ["DEFAULT_PORT", "make_app", "run"]

DEFAULT_PORT = 8717
SHUTDOWN_SECONDS = 3
"""Seconds that requests in progress have to end when the server is asked to stop."""


def make_app(reader: TraceReader, access: Access, *, agent_key: str | None = None) -> Starlette:
    """Make the page's ASGI application; it runs under any ASGI server.

    Args:
        reader: Where the traces are; called from several threads.
        access: Who may use it.
        agent_key: What programs that send traces must bring as ``x-agent-key``; where left out, beyond loopback the
            page's token, else nothing.

    Returns:
        The application, without a lifespan of its own.

    Example:
        >>> from infinium_integrations.viewer.server.app import make_app
        >>> from infinium_integrations.viewer.server.security import Access
        >>> from infinium_integrations import runtime
        >>> app = make_app(runtime.current().delivery.reader, Access())
        >>> str(app.url_path_for("trace", trace_id="4f2a"))
        '/traces/4f2a'
    """
    pages = Pages(reader.impatient(), access)
    return Starlette(
        routes=[*pages.routes(), *routes(reader, agent_key or (None if access.local else access.token))],
        middleware=[Middleware(SecurityMiddleware, access=access)],
        exception_handlers={404: pages.not_found, Refused: refuse},
    )


def run(
    reader: TraceReader,
    access: Access,
    *,
    port: int = DEFAULT_PORT,
    agent_key: str | None = None,
    announce: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve the page until SIGTERM or Ctrl-C; either ends it within 5 seconds.

    Args:
        reader: Where the traces are; called from several threads.
        access: Who may use it; it says on which host to listen.
        port: The port; 0 for any that is free.
        agent_key: What programs that send traces must bring as ``x-agent-key``; where left out,
            ``INFINIUM_AGENT_SECRET`` if that is set, else as for ``make_app``.
        announce: Called once with the address to open, token included, when connections are accepted.

    Raises:
        OSError: The port can't be listened on.
    """
    import uvicorn  # noqa: PLC0415  (the application runs under any server)

    config = uvicorn.Config(
        make_app(reader, access, agent_key=agent_key or _own_key()),
        log_level="warning",
        access_log=False,
        ws="none",  # the page has no websockets, and old versions warn when they load them
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="off",
    )
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    with socket.create_server((access.host, port), family=family) as listener:
        announce(access.address(listener.getsockname()[1]))
        uvicorn.Server(config).run(sockets=[listener])


def _own_key() -> str | None:
    secret = settings.current().agent_secret
    return secret.get_secret_value() if secret else None
