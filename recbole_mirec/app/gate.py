"""Who may ask, and how much: host, origin, token and size of every request, headers of answers."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Refuse = Callable[[Request, int, str], Response]

MOST_BODY: Final = 16 * 2**20
"""Bytes of a request's body."""
# Of a body that is too large, bytes still taken, so that a browser hears why it is refused.
_DRAINED: Final = 8 * MOST_BODY
COOKIE, LOGIN = "recbole-mirec", "/login"
_OPEN = (LOGIN, "/favicon.ico")
_SAFE = ("GET", "HEAD", "OPTIONS")
POLICY = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {
    "content-security-policy": f"{POLICY}; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Without a referrer browsers send no origin with forms, either.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """Whom the server answers.

    Attributes:
        hosts: names that it may be asked by, without a port.
        port: its own; 0 takes every port.
        token: what has to be shown; None: nothing.
    """

    hosts: frozenset[str]
    port: int
    token: str | None = None

    @property
    def cookie(self) -> str:
        """What a browser shows instead of the token, which it does not keep."""
        return sha256(f"cookie {self.token}".encode()).hexdigest()

    def knows(self, host: str, own: str | None) -> bool:
        """Whether a Host or the host of an Origin is the server's; `own`: the address asked."""
        name, port = _split(host)
        return (name in self.hosts or name == own) and self.port in (0, port)

    def opens_for(self, token: str) -> bool:
        """Whether a token is the right one, in a time that does not tell how much of it is."""
        return self.token is None or _same(token, self.token)

    def lets_in(self, headers: Headers) -> bool:
        """Whether a request shows the token, or the cookie of a login."""
        if self.token is None:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.casefold() == "bearer":
            return self.opens_for(token.strip())
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and _same(found.value, self.cookie)


class Gate:
    """Refuses what is foreign, unknown or too large before the application sees it.

    Args:
        app: the application behind it.
        door: whom it answers.
        refuse: makes the answer that says why.
    """

    def __init__(self, app: App, door: Door, refuse: Refuse):
        self.app, self.door, self.refuse = app, door, refuse

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope, receive)
        answer = self._refusal(request)
        if answer is None and _declared(request) > MOST_BODY:
            await _drained(receive)
            answer = self.refuse(request, 413, _TOO_LARGE)
        await (self.app if answer is None else answer)(scope, _bounded(receive), sent)

    def _refusal(self, request: Request) -> Response | None:
        """Why a request is not answered; None: it is."""
        headers, own = request.headers, (request.scope.get("server") or [None])[0]
        if not self.door.knows(headers.get("host", ""), own):
            return self.refuse(request, 400, "This server is not asked by this name (Host).")
        origin, is_safe = headers.get("origin"), request.method in _SAFE
        is_ours = origin is None or self.door.knows(origin.partition("://")[2], own)
        if not is_ours or (not is_safe and headers.get("sec-fetch-site") == "cross-site"):
            return self.refuse(request, 403, "Pages of other sites may not ask here (Origin).")
        if request.url.path in _OPEN or self.door.lets_in(headers):
            return None
        if request.method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(LOGIN, 303)
        answer = self.refuse(request, 401, "Show the token: Authorization: Bearer TOKEN.")
        answer.headers["www-authenticate"] = "Bearer"
        return answer


_TOO_LARGE = f"A request may have {MOST_BODY >> 20} MiB at most: send less."


def _declared(request: Request) -> int:
    """Bytes that a body is said to have; of a number that is none, more than may be."""
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else MOST_BODY + 1


def _bounded(receive: Receive) -> Receive:
    """The same, which raises where a body, of whatever length it was said to be, is too large."""
    seen = 0

    async def received() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BODY:
            await _drained(receive, seen, more=message.get("more_body", False))
            raise HTTPException(413, _TOO_LARGE)
        return message

    return received


async def _drained(receive: Receive, seen: int = 0, *, more: bool = True) -> None:
    while more and seen < _DRAINED:
        message = await receive()
        seen += len(message.get("body", b""))
        more = message.get("more_body", False)


def _split(host: str) -> tuple[str, int]:
    """Name and port of a Host; 80 where it says none, -1 where it is no number."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "80"
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else -1
    return name.strip("[]").casefold(), number


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())


def is_loopback(host: str) -> bool:
    """Whether only this computer can ask a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"
