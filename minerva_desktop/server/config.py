"""Where the endpoint listens and whom it answers. Read by `endpoint`, `app` and `auth`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from minerva_desktop.errors import InvalidRequest

DEFAULT_PORT = 8427


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Settings of one endpoint; a value, usable on any thread.

    ``port`` 0 takes any free one. ``api_key`` None: no key is asked for, which only loopback
    allows. ``allowed_origins`` are the web origins (``https://host[:port]``) whose pages may call.
    ``keep_alive_s``: a streamed answer that is silent for so long sends an SSE comment.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = field(default=None, repr=False)
    allowed_origins: tuple[str, ...] = ()
    keep_alive_s: float = 5.0

    def check(self) -> None:
        """Raise `InvalidRequest`, naming the field, for a setting that is wrong or unsafe."""
        if not self.host:
            raise InvalidRequest("The endpoint needs a host to listen on", param="host")
        if not 0 <= self.port <= 65535:
            raise InvalidRequest(
                f"The port must be between 0 and 65535, not {self.port}", param="port"
            )
        if self.api_key is not None and not _fits_into_a_header(self.api_key):
            raise InvalidRequest(
                "The API key must be printable ASCII characters without spaces", param="api_key"
            )
        if self.api_key is None and not is_loopback(self.host):
            raise InvalidRequest(
                f"Listening on {self.host} lets other machines in, so it needs an API key",
                param="api_key",
            )
        for origin in self.allowed_origins:
            _check_origin(origin)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``. A name other than localhost counts as public."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bracketed(host: str) -> str:
    """``host`` as URLs and Host headers write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _fits_into_a_header(key: str) -> bool:
    return bool(key) and key.isascii() and key.isprintable() and " " not in key


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise InvalidRequest(
            f"An allowed origin is written scheme://host[:port], not {origin!r}",
            param="allowed_origins",
        )
