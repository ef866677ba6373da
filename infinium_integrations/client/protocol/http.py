"""One request over httpx, blocking or asyncio; the only module here that imports httpx, loaded at the first request.

What goes wrong comes back as a value: httpx's own exceptions carry the request, and with it the secret.
"""

import asyncio
import errno
import functools
import math
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from types import MethodType
from typing import TypeVar, cast
from urllib.request import getproxies

import httpx

from infinium_integrations.client.protocol.messages import REPLY_LIMIT, Reply, Request, scrub
from infinium_integrations.errors import ConfigurationError, TransportError
from infinium_integrations.errors import TimeoutError as NoAnswerError

__all__ = ["Channel", "aexchange", "async_client", "blocking_client", "exchange"]


def blocking_client(verify: bool | ssl.SSLContext = True) -> httpx.Client:  # noqa: FBT001, FBT002  (httpx's own)
    """Make a client that follows no redirect, and takes proxies and certificates from the environment.

    Args:
        verify: Whether TLS certificates are verified; a context says how, in place of the environment's certificates.

    Raises:
        ConfigurationError: What the environment says of them makes none possible.
        TransportError: No file descriptor is left; later there may be one.
    """
    return _made(lambda: httpx.Client(follow_redirects=False, verify=verify))


def async_client(*, verify: bool = True) -> httpx.AsyncClient:
    """Make the same for asyncio."""
    return _made(lambda: httpx.AsyncClient(follow_redirects=False, verify=verify))


Made = TypeVar("Made")


def _made(make: Callable[[], Made]) -> Made:
    try:
        return make()
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            msg = f"no connection can be made: {error.strerror}"
            raise TransportError(msg) from None
        # name the variables that may be to blame; a proxy's value is not shown: it may hold a password
        names = _CERTIFICATES if isinstance(error, OSError) else (*_PROXIES, *(name.lower() for name in _PROXIES))
        given = [name for name in names if os.environ.get(name)]
        named = [name for name in given if isinstance(error, OSError) and os.environ[name] == error.filename]
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        variables = " or ".join(named or given) or "the environment"
        hint = ": `pip install httpx[socks]`, or" if isinstance(error, ImportError) else ":"
        msg = f"no HTTP connection can be made because of {variables} ({reason}){hint} correct or unset it"
        raise ConfigurationError(msg) from None


_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


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


class Channel:
    """Sends requests from several threads, each within a time that holds for all of it.

    Where no proxy is set these are bare transports, which take two thirds of a client's time for a request; each has
    one connection, since a pool looks at all that it has whenever it is asked for one.

    Args:
        context: What TLS is done with, in place of the environment's certificates.

    Raises:
        ConfigurationError: What the environment says of certificates or proxies makes none possible.
        TransportError: No file descriptor is left; later there may be one.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._client = blocking_client(context or True) if getproxies() else None
        self._context = (context or _made(httpx.create_ssl_context)) if self._client is None else None
        self._transports: list[httpx.HTTPTransport] = []
        self._free: list[httpx.HTTPTransport] = []
        """Those that no thread has."""
        self._sockets: dict[socket.socket, int] = {}
        """The inode of each connection's socket."""

    @contextmanager
    def _sender(self) -> Iterator[Callable[[httpx.Request], httpx.Response]]:
        if self._client is not None:
            yield functools.partial(self._client.send, stream=True)
            return
        try:
            transport = self._free.pop()
        except IndexError:
            transport = httpx.HTTPTransport(verify=self._context or True)
            self._transports.append(transport)
        try:
            yield _uninstrumented(transport.handle_request)
        finally:
            self._free.append(transport)

    def close(self) -> None:
        """Close its connections."""
        for each in (self._client, *self._transports):
            if each is not None:
                each.close()

    def exchange(self, request: Request, deadline: float, limit: int = REPLY_LIMIT) -> Reply | TransportError:
        """Send one request and read at most ``limit`` bytes of its reply, until the deadline (monotonic seconds)."""
        left, body = _Left(deadline), bytearray()
        try:
            url, sent = _url(request.url), request.body or b""
            named = {"Host": url.netloc.decode("ascii"), **request.headers, "Content-Length": str(len(sent))}
            message = httpx.Request(
                request.method,
                url,
                headers=named,
                stream=httpx.ByteStream(sent),  # as ``content`` it would be looked at for what is known here
                extensions={"timeout": {"connect": left, "write": left, "read": left}},
            )
            with self._sender() as send, closing(send(message)) as response:
                self._note(response)
                encoded = "content-encoding" in response.headers
                for chunk in response.iter_bytes() if encoded else cast("httpx.SyncByteStream", response.stream):
                    body += chunk
                    if len(body) > limit:
                        break
                return _reply(response, body, limit)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:  # the last: it was closed meanwhile
            return _failure(error, request, left.whole)

    def _note(self, response: httpx.Response) -> None:
        stream = response.extensions.get("network_stream")  # a user's test may have put something else in its place
        sock = None if stream is None else stream.get_extra_info("socket")
        if sock is not None and sock not in self._sockets and hasattr(os, "fork"):
            for other in [other for other in list(self._sockets) if other.fileno() < 0]:
                self._sockets.pop(other, None)
            self._sockets[sock] = os.fstat(sock.fileno()).st_ino

    def intact(self) -> bool:
        """Whether the program has closed none of its connections, as one does that daemonises."""
        return all(_stands(sock, inode) for sock, inode in list(self._sockets.items()))


def _uninstrumented(send: Callable[[httpx.Request], httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    """Return what OpenTelemetry's instrumentation of httpx has wrapped: our requests are no spans of the user's."""
    plain = type(send) is MethodType  # a wrapper says that it is an instance of what it wraps
    return send if plain else getattr(send, "__wrapped__", send)


class _Left:
    """The seconds until a deadline: a timeout that httpcore sets anew before each step of an exchange.

    Whole seconds, as ``socket.settimeout`` takes them of what is no float; gevent's takes a float.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.whole = round(deadline - time.monotonic(), 1)

    def __float__(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def __index__(self) -> int:
        return math.ceil(float(self))


_url = functools.lru_cache(16)(httpx.URL)


def _stands(sock: socket.socket, inode: int) -> bool:
    number = sock.fileno()
    try:
        same = number < 0 or os.fstat(number).st_ino == inode
    except OSError:
        same = False
    return same or sock.fileno() != number  # it was just closed by another thread of ours


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
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return _too_late(timeout)
    said = f"{type(error).__name__}: {scrub(str(error), request.secrets)}"
    failure = TransportError(f"no answer from {httpx.URL(request.url).host}: {said}")
    failure.original_error = ConnectionError(said)
    return failure


def _too_late(timeout: float) -> NoAnswerError:
    late = NoAnswerError(f"no answer within {timeout:g} s")
    late.timeout_duration = timeout
    return late
