"""Who may use the page, and what a browser may do with its answers.

Starlette's ``TrustedHostMiddleware`` compares names alone: it can't trust every loopback address, nor IPv6 ones.
"""

import contextlib
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["API", "Access", "SecurityMiddleware", "is_loopback", "same"]

API = "/api/v1/"
COOKIE = "infinium_traces"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def same(given: str, wanted: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    address = _address(host)
    return host.lower() == "localhost" or bool(address and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


class Access:
    """Who may use the page.

    Args:
        host: What the server listens on. Beyond loopback a token is needed.
        token: The page's token, None for none.
        names: Further host names under which the page may be asked for.

    Raises:
        ValueError: The host is not loopback and there is no token.
    """

    def __init__(self, host: str = "127.0.0.1", token: str | None = None, names: Iterable[str] = ()) -> None:
        self.local = is_loopback(host)
        if not self.local and not token:
            msg = f"serving on {host} shows the traces to other machines: give a token (--token)"
            raise ValueError(msg)
        self.token = token or None
        self.form_token = secrets.token_urlsafe(32)
        """What a form must bring along; other sites can't read it."""
        own = () if self.local else (socket.gethostname(), socket.getfqdn(), host)
        self._names = {"localhost", *(name.lower() for name in (*own, *names))}
        self._cookie = hashlib.sha256(f"infinium-traces {token}".encode()).hexdigest()

    def knows(self, host_header: str) -> bool:
        """Whether a Host header names this server. An address can't be rebound to; a foreign name can."""
        try:
            parts = urlsplit(f"//{host_header}")
            _ = parts.port
        except ValueError:
            return False
        if parts.username is not None or parts.path or parts.query or parts.fragment or not parts.hostname:
            return False
        host = parts.hostname.rstrip(".").lower()
        address = _address(host)
        return host in self._names or bool(address and (address.is_loopback or not self.local))

    def admits(self, headers: Headers) -> bool:
        """Whether the request brings the token, where there is one."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(given.strip(), self.token):
            return True
        with contextlib.suppress(CookieError):
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            return morsel is not None and same(morsel.value, self._cookie)
        return False

    def is_token(self, given: str) -> bool:
        """Whether a text is the page's token."""
        return self.token is not None and same(given, self.token)

    def welcome(self, response: Response) -> Response:
        """Have the browser remember that it brought the token."""
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
        return response


class SecurityMiddleware:
    """ASGI middleware: refuses foreign hosts, foreign origins and strangers, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refusal(Request(scope)) or self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if not self._access.knows(request.headers.get("host", "")):
            return _no(request, 421, "This server does not answer to that host name.")
        if _foreign(request):
            return _no(request, 403, "Requests from another site are refused.")
        if request.url.path.startswith(API):
            return None  # programs bring the agent's key, which the handlers check
        given = request.query_params.get("token")
        if given is not None and request.method == "GET" and self._access.is_token(given):
            rest = urlencode([pair for pair in parse_qsl(request.url.query) if pair[0] != "token"])
            path = "/" + request.url.path.lstrip("/\\")  # never another host's
            return self._access.welcome(RedirectResponse(f"{path}?{rest}" if rest else path, 303))
        if not self._access.admits(request.headers):
            return _no(request, 401, "This page needs its token: open it once with ?token=… in the address.")
        return None


def _foreign(request: Request) -> bool:
    """Whether a browser says that another site is asking for a change."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return False
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    elsewhere = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    return elsewhere or site not in {"same-origin", "none"}


def _no(request: Request, status: int, text: str) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"success": False, "error": text, "message": text}, status)
    return PlainTextResponse(text, status)
