"""Where the endpoint listens and whom it answers. Read by `endpoint`, `app` and `auth`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.api_keys import NamedKey
from minerva_desktop.caller_names import browser_origin, check_host
from minerva_desktop.chat.limits import MAX_SECONDS, RequestLimits
from minerva_desktop.errors import InvalidRequest

DEFAULT_PORT = 8427
# Of a config's times for a request, what they are, as an error says it.
_TIMES = MappingProxyType(
    {
        "request_timeout_s": "A request's time",
        "queue_timeout_s": "A request's time in the queue",
        "first_token_timeout_s": "A request's time to its first token",
    }
)


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may cost. Times in seconds.

    ``head_s``: until a request's head is there, from its first byte (or from the connection).
    ``body_idle_s``: between two pieces of a body, ``body_s``: for all of it. ``stall_s``: a client
    that takes less than ``stall_bytes`` of its answer in so long is hung up on. ``backlog_bytes``:
    what of a streamed answer may wait for its reader, beside as much that is on its way;
    ``behind_s``: for how long, in all, there may be more, before the answer is ended. ``idle_s``:
    between two requests; longer than clients keep idle connections, so that none is closed while a
    request is on its way. ``max_connections``: beyond, new ones are answered 503.
    """

    head_s: float = 10.0
    body_idle_s: float = 30.0
    body_s: float = 300.0
    stall_s: float = 60.0
    stall_bytes: int = 16 * 1024
    backlog_bytes: int = 1_000_000
    behind_s: float = 30.0
    idle_s: int = 75
    max_connections: int = 1000


class EndpointConfig(msgspec.Struct, frozen=True):
    """Settings of one endpoint; a value, usable on any thread.

    ``port`` 0 takes any free one. ``api_keys`` empty: no key is asked for, which only loopback
    allows. ``allowed_origins`` are the web origins (``https://host[:port]``) whose pages may call,
    ``allowed_hosts`` names beside this machine's own by which it may be called, as by a proxy.
    ``keep_alive_s``: a streamed answer that is silent for so long sends an SSE comment.
    ``request_timeout_s``: what one request may take in all (None: as long as it takes);
    ``queue_timeout_s``, ``first_token_timeout_s``: how long its model, once that is there, may let
    it wait for its turn (embeddings, too), and for the first token of its answer, both from when
    it got it.
    ``start_models``: the files of those that are loaded at the start, which answer who names none.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_keys: tuple[NamedKey, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    keep_alive_s: float = 5.0
    request_timeout_s: float | None = None
    queue_timeout_s: float | None = None
    first_token_timeout_s: float | None = None
    start_models: tuple[Path, ...] = ()
    limits: ConnectionLimits = ConnectionLimits()

    def browser_origins(self) -> tuple[str, ...]:
        """The ``allowed_origins`` as browsers send them. Raises `InvalidRequest`."""
        return tuple(map(browser_origin, self.allowed_origins))

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for a setting that is wrong or unsafe."""
        if not self.host:
            raise InvalidRequest("The endpoint needs a host to listen on", param="host")
        if not 0 <= self.port <= 65535:
            raise InvalidRequest(
                f"The port must be between 0 and 65535, not {self.port}", param="port"
            )
        if not self.api_keys and not is_loopback(self.host):
            raise InvalidRequest(
                f"Listening on {self.host} lets other machines in, so it needs an API key",
                param="api_key",
            )
        self.browser_origins()
        for name in self.allowed_hosts:
            check_host(name)
        for name, what in _TIMES.items():
            timeout = getattr(self, name)
            if timeout is not None and not 0.0 < timeout <= MAX_SECONDS:
                raise InvalidRequest(
                    f"{what} must be more than 0 and at most {MAX_SECONDS:,.0f} seconds, not"
                    f" {timeout:g}",
                    param=name,
                )

    def with_waits(self, limits: RequestLimits) -> RequestLimits:
        """``limits`` of a request, with what this endpoint lets any wait for."""
        return msgspec.structs.replace(
            limits,
            queue_seconds=self.queue_timeout_s,
            first_token_seconds=self.first_token_timeout_s,
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``. A name other than localhost counts as public."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bracketed(host: str) -> str:
    """``host`` as URLs and Host headers write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
