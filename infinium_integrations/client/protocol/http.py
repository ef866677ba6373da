"""One request over httpx, blocking or asyncio; the only module here that imports httpx, loaded at the first request.

What goes wrong comes back as a value: httpx's own exceptions carry the request, and with it the secret.
"""

import asyncio
import time
from contextlib import aclosing

import httpx

from infinium_integrations.client.protocol.messages import REPLY_LIMIT, Reply, Request, scrub
from infinium_integrations.errors import TimeoutError as NoAnswerError
from infinium_integrations.errors import TransportError

__all__ = ["aexchange", "async_client", "blocking_client", "exchange"]


def blocking_client() -> httpx.Client:
    """Make a client that verifies TLS, follows no redirect, and takes proxies and certificates from the environment."""
    return httpx.Client(follow_redirects=False)


def async_client() -> httpx.AsyncClient:
    """Make the same for asyncio."""
    return httpx.AsyncClient(follow_redirects=False)


def exchange(client: httpx.Client, request: Request, timeout: float) -> Reply | TransportError:
    """Send one request and read its reply, within ``timeout`` seconds for each step of it and for the whole body."""
    deadline = time.monotonic() + timeout
    body = bytearray()
    try:
        with client.stream(
            request.method, request.url, headers=request.headers, content=request.body, timeout=timeout
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > REPLY_LIMIT:
                    break
                if time.monotonic() > deadline:
                    return _too_late(timeout)
            return _reply(response, body, REPLY_LIMIT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _failure(error, request, timeout)


async def aexchange(
    client: httpx.AsyncClient,
    request: Request,
    timeout: float,  # noqa: ASYNC109  (a request's own time)
    limit: int = REPLY_LIMIT,
) -> Reply | TransportError:
    """Send one request and read at most ``limit`` bytes of its reply, all within ``timeout`` seconds."""
    body = bytearray()
    try:
        async with (
            asyncio.timeout(timeout),
            client.stream(
                request.method, request.url, headers=request.headers, content=request.body, timeout=timeout
            ) as response,
            aclosing(response.aiter_bytes()) as chunks,  # type: ignore[type-var]
        ):
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    break
            return _reply(response, body, limit)
    except TimeoutError:
        return _too_late(timeout)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _failure(error, request, timeout)


def _reply(response: httpx.Response, body: bytearray, limit: int) -> Reply:
    return Reply(response.status_code, dict(response.headers), bytes(body[:limit]), len(body) > limit)


def _failure(error: Exception, request: Request, timeout: float) -> TransportError:
    if isinstance(error, httpx.TimeoutException):
        return _too_late(timeout)
    said = scrub(str(error), request.secrets)
    return TransportError(f"no answer from {httpx.URL(request.url).host}: {type(error).__name__}: {said}")


def _too_late(timeout: float) -> NoAnswerError:
    return NoAnswerError(f"no answer within {timeout:g} s")
