"""Who may call: guards in front of the routes, as plain ASGI middleware.

`HostOriginGuard` stands outermost and keeps web pages out: a page that makes its own name resolve
to this machine (DNS rebinding) sends a foreign Host, a page that posts here a foreign Origin.
`ApiKeyGuard` stands behind CORS, because a browser's preflight request carries no key.
Both run on the endpoint's asyncio loop, before a body is read.
"""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from minerva_desktop.errors import Forbidden, MinervaError, Unauthorized
from minerva_desktop.server.config import EndpointConfig, bracketed
from minerva_desktop.server.errors import error_response

# Lets a supervisor see that the server lives, without giving it a key.
OPEN_PATHS = frozenset({"/health"})
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80


class HostOriginGuard:
    """Answers 403 unless Host is an address of this endpoint and Origin absent or allowed."""

    def __init__(self, app: ASGIApp, config: EndpointConfig) -> None:
        self._app = app
        self._names = {*LOOPBACK_NAMES, bracketed(config.host.lower())}
        self._origins = frozenset(config.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        error = self._objection(scope) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await error_response(error)(scope, receive, send)

    def _objection(self, scope: Scope) -> MinervaError | None:
        hosts = _header_values(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._own_hosts(scope):
            return Forbidden("The Host header does not name this endpoint")
        if any(origin not in self._origins for origin in _header_values(scope, b"origin")):
            return Forbidden("The Origin header names a web page that is not allowed to call")
        return None

    def _own_hosts(self, scope: Scope) -> set[str]:
        # The address that the connection came in at is an address and no name, so it cannot be
        # rebound; it is what a client in the local network writes when all addresses are served.
        address, port = scope["server"]
        names = {*self._names, bracketed(address)}
        hosts = {f"{name}:{port}" for name in names}
        return hosts | names if port == HTTP_PORT else hosts


class ApiKeyGuard:
    """Answers 401 unless the request carries the key as ``Authorization: Bearer KEY``."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._knows_key(scope):
            await self._app(scope, receive, send)
        else:
            error = Unauthorized("This endpoint needs its API key as Authorization: Bearer KEY")
            await error_response(error)(scope, receive, send)

    def _knows_key(self, scope: Scope) -> bool:
        values = _header_values(scope, b"authorization")
        scheme, _, key = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        # compare_digest takes the same time however much of the key is right.
        return scheme.lower() == "bearer" and hmac.compare_digest(
            key.strip().encode("latin-1"), self._api_key
        )


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
