"""Who may call: guards in front of the routes, as plain ASGI middleware.

`HostOriginGuard` stands before all work and keeps web pages out: a page that makes its own name
resolve to this machine (DNS rebinding) sends a foreign Host, a page that posts here a foreign
Origin.
`ApiKeyGuard` stands behind CORS, because a browser's preflight request carries no key.
Both run on the endpoint's asyncio loop, before a body is read.
"""

from __future__ import annotations

import re
import socket
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from minerva_desktop.api_keys import NamedKey, matching_name
from minerva_desktop.errors import Forbidden, MinervaError, Unauthorized
from minerva_desktop.library.display_text import one_line
from minerva_desktop.server.config import EndpointConfig, bracketed
from minerva_desktop.server.errors import error_response
from minerva_desktop.server.plain_paths import plain_path
from minerva_desktop.server.request_info import request_info

# `/health` lets a supervisor see that the server lives, without giving it a key. The descriptions
# of the API are the same everywhere, and a browser has no way to send a key.
OPEN_PATHS = frozenset({"/", "/v1", "/health", "/docs", "/openapi.json"})
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# What Docker and Podman call the machine inside their containers. Nobody outside can make a name
# below `.internal` lead anywhere, so it cannot be rebound.
CONTAINER_NAMES = ("host.docker.internal", "gateway.docker.internal", "host.containers.internal")
NO_KEY = "This endpoint needs an API key, as Authorization: Bearer KEY or x-api-key: KEY"
UNKNOWN_KEY = "This API key is not known here, or was revoked"
MAX_SHOWN_HOST = 100
_WINDOW = "in the window (Local server, Advanced)"
HTTP_PORT = 80
ABSOLUTE = "http://"
# That of a whole name (``localhost.:8427``), which is the same name.
_ROOT_DOT = re.compile(r"(?<=\w)\.(?=(:\d+)?$)")


class HostOriginGuard:
    """Answers 403 unless Host is an address of this endpoint and Origin absent or allowed.

    A target in absolute form (``GET http://host:port/path``, as clients write it that take us for
    a proxy) has to name this endpoint, too, and goes on as its path.
    """

    def __init__(self, app: ASGIApp, config: EndpointConfig) -> None:
        self._app = app
        self._names = {
            *LOOPBACK_NAMES,
            *CONTAINER_NAMES,
            *_own_names(),
            bracketed(config.host.lower()),
        }
        # A proxy in front of us has a port of its own, or none.
        self._allowed_hosts = frozenset(name.lower() for name in config.allowed_hosts)
        self._origins = frozenset(config.browser_origins())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        error = self._objection(scope) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await error_response(error)(scope, receive, send)

    def _objection(self, scope: Scope) -> MinervaError | None:
        own = self._own_hosts(scope)
        hosts = _header_values(scope, b"host")
        if len(hosts) != 1:
            return Forbidden("The request must have one Host header")
        host = hosts[0].lower()
        # A tunnel to this machine (`ssh -L 9999:localhost:8427`) has a port of its own, and no page
        # gets a browser to write a loopback name for it.
        is_loopback = _without_port(host) in LOOPBACK_NAMES
        if not (is_loopback or self._is_allowed(host, own)):
            return Forbidden(_foreign(hosts[0], scope["server"][1]))
        if any(origin not in self._origins for origin in _header_values(scope, b"origin")):
            return Forbidden(
                "The Origin header names a web page that is not allowed to call; allow it "
                f"{_WINDOW} or with minerva serve --allow-origin ORIGIN"
            )
        target = scope["raw_path"].decode("ascii")
        if target[: len(ABSOLUTE)].lower() == ABSOLUTE:
            named, slash, path = target[len(ABSOLUTE) :].partition("/")
            if not self._is_allowed(named.lower(), own):
                return Forbidden("The request's target does not name this endpoint")
            scope["raw_path"] = (slash + path or "/").encode("ascii")
            scope["path"] = plain_path(unquote(slash + path or "/"))
        return None

    def _is_allowed(self, host: str, own: set[str]) -> bool:
        host = _ROOT_DOT.sub("", host)
        return host in own or _without_port(host) in self._allowed_hosts

    def _own_hosts(self, scope: Scope) -> set[str]:
        # The address that the connection came in at is an address and no name, so it cannot be
        # rebound; it is what a client in the local network writes when all addresses are served.
        address, port = scope["server"]
        names = {*self._names, bracketed(address)}
        hosts = {f"{name}:{port}" for name in names}
        return hosts | names if port == HTTP_PORT else hosts


def _foreign(host: str, port: int) -> str:
    """Why a request to ``host`` is refused, and which names do."""
    use = f"use localhost, or this machine's address or name with the port {port}"
    if not host:
        return f"The Host header is empty: {use}"
    return (
        f"The Host header names {one_line(host, MAX_SHOWN_HOST)}, which is not this endpoint:"
        f" {use}, or have that host allowed, {_WINDOW} or with minerva serve --allow-host"
    )


class KeyRing:
    """The keys that open one endpoint. They can be exchanged while it runs."""

    def __init__(self, keys: tuple[NamedKey, ...]) -> None:
        self._keys = keys
        self._is_locked = bool(keys)

    @property
    def is_locked(self) -> bool:
        """Whether a key is asked for. What asked once goes on: when the last key is revoked, no
        key opens, instead of none being needed."""
        return self._is_locked

    def use(self, keys: tuple[NamedKey, ...]) -> None:
        """From the next request on, only ``keys`` open."""
        self._keys = keys
        self._is_locked = self._is_locked or bool(keys)

    def name_of(self, presented: str) -> str | None:
        """The name of a key that opens, None for any other text."""
        return matching_name(self._keys, presented)


class ApiKeyGuard:
    """Answers 401 unless the request carries a key, as ``Authorization: Bearer KEY`` or, in
    Anthropic's way, as ``x-api-key: KEY``; notes whose it is."""

    def __init__(self, app: ASGIApp, key_ring: KeyRing) -> None:
        self._app = app
        self._key_ring = key_ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
        else:
            # A field that holds nothing is how clients send the key that they were not given.
            has_key = any(_presented_keys(scope))
            error = Unauthorized(UNKNOWN_KEY if has_key else NO_KEY)
            await error_response(error)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if not self._key_ring.is_locked:
            return True
        names = [self._key_ring.name_of(key) for key in _presented_keys(scope)]
        name = next((name for name in names if name is not None), None)
        request_info(scope).key_name = name
        return name is not None or scope["path"] in OPEN_PATHS


def _own_names() -> set[str]:
    """What this machine is called in its network. Names without a dot, and those below ``.local``,
    are no matter of the DNS that a foreign page's owner controls."""
    name = socket.gethostname().lower()
    first = name.partition(".")[0]
    return {name, first, f"{first}.local"} if first else set()


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdecimal() else host


def _presented_keys(scope: Scope) -> list[str]:
    """Clients that speak both APIs may send a key in one way and nonsense in the other."""
    keys = _header_values(scope, b"x-api-key")
    for value in _header_values(scope, b"authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            keys.append(key.strip())
    return keys


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
