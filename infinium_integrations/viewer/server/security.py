"""Who may use the page, and what a browser may do with its answers.

On loopback too a token is needed, unless it is switched off: the traces' files are 0600, and any user of the machine
may connect to a port. A browser brings the token once, in the address, and is given a cookie for it.

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

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infinium_integrations.errors import ConfigurationError
from infinium_integrations.viewer.html.render import render_fragment

__all__ = ["API", "STATIC", "Access", "SecurityMiddleware", "is_loopback", "same"]

API = "/api/v1/"
STATIC = "/static/"
"""Where style sheets and the script are, which hold nothing of anybody's."""
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
        host: What the server listens on.
        token: What a browser must bring once, as ``?token=…``; made up where left out.
        names: Further host names under which the page may be asked for.
        guarded: Whether the token is needed. False lets every user of this machine read the traces.

    Raises:
        ConfigurationError: The token is empty, or none is to be needed beyond loopback.

    Example:
        >>> from infinium_integrations.viewer.server.security import Access
        >>> Access(token="t-4711").address(8717)
        'http://127.0.0.1:8717/?token=t-4711'
        >>> Access("::1", guarded=False).address(8717)
        'http://[::1]:8717/'
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        token: str | None = None,
        names: Iterable[str] = (),
        *,
        guarded: bool = True,
    ) -> None:
        self.host = host
        self.local = is_loopback(host)
        if not self.local and not guarded:
            msg = f"serving on {host} shows the traces to other machines: a token is needed there"
            raise ConfigurationError(msg)
        if token is not None and not token.strip():
            msg = "the token is empty: leave it out to have one made up"
            raise ConfigurationError(msg)
        self.token = (token or secrets.token_urlsafe(32)) if guarded else None
        self.form_token = secrets.token_urlsafe(32)
        """What a form must bring along; other sites can't read it."""
        own = () if self.local else (socket.gethostname(), socket.getfqdn(), host)
        self._names = {"localhost", *(name.lower() for name in (*own, *names))}
        self._cookie = hashlib.sha256(f"infinium-traces {self.token}".encode("utf-8", "replace")).hexdigest()

    def address(self, port: int) -> str:
        """Return the address to open in a browser, with the token where one is needed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}/" + (f"?{urlencode({'token': self.token})}" if self.token else "")

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

    def admits(self, request: Request) -> bool:
        """Whether the request brings the token, where one is needed: in its address, a header or the cookie."""
        if self.token is None:
            return True
        if (given := request.query_params.get("token")) is not None:
            return same(given, self.token)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(given.strip(), self.token):
            return True
        with contextlib.suppress(CookieError):
            morsel = SimpleCookie(request.headers.get("cookie", "")).get(_cookie_name(request))
            return morsel is not None and same(morsel.value, self._cookie)
        return False

    def welcome(self, request: Request) -> Response:
        """Have the browser remember that it brought the token, and take the token out of its address bar.

        The cookie is Lax: its first request may come from a link in another site, such as a terminal in a browser.
        """
        rest = urlencode([pair for pair in parse_qsl(request.url.query) if pair[0] != "token"])
        path = "/" + request.url.path.lstrip("/\\")  # never another host's
        response = RedirectResponse(f"{path}?{rest}" if rest else path, 303, {"referrer-policy": "no-referrer"})
        response.set_cookie(_cookie_name(request), self._cookie, httponly=True, samesite="lax")
        return response


def _cookie_name(request: Request) -> str:
    """Name the cookie after the port: a browser sends a host's cookies to all its ports."""
    return f"infinium_traces_{request.url.port or 80}"


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
        if request.method not in {"GET", "HEAD", "OPTIONS"}:  # a change: the browser says which site asks for it
            origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
            host = request.headers.get("host", "").lower()
            elsewhere = origin is not None and urlsplit(origin).netloc.lower() != host
            if elsewhere or site not in {"same-origin", "none"}:
                return _no(request, 403, "Requests from another site are refused.")
        if request.url.path.startswith((API, STATIC)):
            return None  # programs bring the agent's key, which the handlers check
        if not self._access.admits(request):
            return HTMLResponse(render_fragment("locked.html", {"page_title": "This page needs its token"}), 403)
        if self._access.token and request.method in {"GET", "HEAD"} and "token" in request.query_params:
            return self._access.welcome(request)
        return None


def _no(request: Request, status: int, text: str) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"success": False, "error": text, "message": text}, status)
    return PlainTextResponse(text, status)
