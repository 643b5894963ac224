"""Who gets in: every request and every WebSocket passes here first.

A page elsewhere must not reach the server through a visitor's browser. ``Host`` must name this machine, against DNS
rebinding; ``Origin`` must be the server itself, against cross-site requests and WebSockets; and browsers say with
``Sec-Fetch-Site`` where a request without ``Origin``, such as one for a picture, comes from. Beyond this machine, a
token is needed too.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion_cam.serve.metrics import Metrics

PAGES = ("/", "/overlay", "/docs")
"""What people open; here the token moves from the address to a cookie, so that it stays in no history."""

OPEN = ("/healthz",)
"""What needs no token, because it says nothing."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""The Content-Security-Policy of every answer: nothing from elsewhere, no inline script or style."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), display-capture=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True)
class Access:
    """Who may reach the server.

    Attributes:
        names: the names that ``Host`` may have, in lower case.
        addresses: whether it may also be any address in numbers, which no rebinding of a name can forge; otherwise only
            an address of this machine itself.
        token: what every visitor must know; None for nothing.
        cookie: the name of the cookie that holds the token.
        secure: whether the server serves https.
    """

    names: frozenset[str] = frozenset({"localhost"})
    addresses: bool = False
    token: str | None = None
    cookie: str = "emotion_cam"
    secure: bool = False

    def knows(self, name: str) -> bool:
        """Whether a name or address, as in the header ``Host`` without the port, is this server's."""
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower().rstrip(".") in self.names
        return self.addresses or address.is_loopback

    def is_token(self, given: str) -> bool:
        """Whether a text is the token; the comparison takes the same time wherever they differ."""
        expected = hashlib.sha256((self.token or "").encode()).digest()
        return hmac.compare_digest(hashlib.sha256(given.encode(errors="replace")).digest(), expected)


def own_names(more: Iterable[str] = ()) -> frozenset[str]:
    """The names of this machine, and further ones, in lower case."""
    return frozenset(name.lower() for name in ("localhost", socket.gethostname(), *more) if name)


class Refusal(NamedTuple):
    """Why somebody is not let in: the status of the answer, a word for the metrics, and a text for people."""

    status: int
    reason: str
    text: str


class Guard:
    """Lets the right visitors through to an application, and adds headers for safety to every answer.

    Args:
        app: the application.
        access: who may reach it.
        body_bytes: the most bytes that a request may announce.
        metrics: counts refusals.
    """

    def __init__(self, app: ASGIApp, access: Access, body_bytes: int, metrics: Metrics) -> None:
        self._app = app
        self._access = access
        self._body_bytes = body_bytes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = _Request(scope)
        refusal = self._refusal(request)
        if refusal is not None:
            self._metrics.refused.labels(refusal.reason).inc()
            await _answer(scope, send, refusal.status, refusal.text)
            return
        if request.query_token is not None and scope["type"] == "http" and scope["path"] in PAGES:
            await _answer(scope, send, 303, "", self._cookie(), location=request.address_without_token())
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, request: _Request) -> Refusal | None:
        host = request.only("host")
        if host is None or not self._access.knows(_without_port(host)):
            return Refusal(421, "host", "This server does not answer to that name; see --host-name.")
        origin = request.headers.get("origin")
        if origin is not None and (len(origin) > 1 or _host_of(origin[0]) != host.lower()):
            return Refusal(403, "origin", "Pages of other sites may not use this server.")
        if request.is_cross_site:
            return Refusal(403, "origin", "Pages of other sites may not use this server.")
        if self._access.token is not None and request.path not in OPEN:
            given = request.token(self._access.cookie)
            if given is None or not self._access.is_token(given):
                return Refusal(401, "token", "The token is missing or wrong: open the printed address.")
        length = request.only("content-length")
        if length is not None and length.isdecimal() and int(length) > self._body_bytes:
            return Refusal(413, "size", f"At most {self._body_bytes / 1e6:g} megabytes are allowed.")
        return None

    def _cookie(self) -> str:
        secure = "; Secure" if self._access.secure else ""
        return f"{self._access.cookie}={quote(self._access.token or '')}; Path=/; HttpOnly; SameSite=Strict{secure}"


class _Request:
    """What the guard reads of a request or WebSocket.

    Attributes:
        path: its path.
        headers: the values of each header, by its name in lower case.
        query_token: the token in the address; None without one.
    """

    def __init__(self, scope: Scope) -> None:
        self.path: str = scope["path"]
        self.headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        self._query: list[tuple[str, str]] = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.query_token = next((value for name, value in self._query if name == "token"), None)

    def only(self, name: str) -> str | None:
        """The value of a header that stands there exactly once."""
        values = self.headers.get(name, [])
        return values[0] if len(values) == 1 else None

    def token(self, cookie_name: str) -> str | None:
        """The token, from the address, from ``Authorization: Bearer``, or from the cookie."""
        if self.query_token is not None:
            return self.query_token
        kind, _, bearer = (self.only("authorization") or "").partition(" ")
        if kind.lower() == "bearer":
            return bearer.strip()
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(self.headers.get("cookie", [])))
        except CookieError:
            return None
        return unquote(cookies[cookie_name].value) if cookie_name in cookies else None

    @property
    def is_cross_site(self) -> bool:
        """Whether a page of another site or of another port asks, other than by a link that a person follows."""
        if self.only("sec-fetch-site") not in ("cross-site", "same-site"):
            return False
        return not (self.only("sec-fetch-mode") == "navigate" and self.only("sec-fetch-dest") == "document")

    def address_without_token(self) -> str:
        """The path and the query, without the token."""
        query = urlencode([(name, value) for name, value in self._query if name != "token"])
        return self.path + (f"?{query}" if query else "")


def _host_of(origin: str) -> str | None:
    """The host and port of an ``Origin``, in lower case; None if it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


async def _answer(
    scope: Scope, send: Send, status: int, text: str, cookie: str | None = None, *, location: str | None = None
) -> None:
    """Answer a request, or refuse the handshake of a WebSocket, with a line of text."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *HEADERS]
    if status in (403, 413):
        headers.append((b"connection", b"close"))
    if location is not None:
        headers.append((b"location", location.encode("latin-1")))
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode("latin-1")))
    body = text.encode()
    if scope["type"] == "websocket":
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
        return
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
