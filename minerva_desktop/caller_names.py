"""What the names look like by which the endpoint lets callers in: origins of web pages, and hosts.

For the endpoint and for the window, where people write them. Pure functions, any thread.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from urllib.parse import urlsplit

from minerva_desktop.errors import InvalidRequest

_USUAL_PORTS = MappingProxyType({"http": 80, "https": 443})
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def browser_origin(origin: str) -> str:
    """``origin`` as browsers send it: in small letters, names of other alphabets in ASCII, without
    the port that its scheme has anyway. Raises `InvalidRequest` unless it is one origin."""
    try:
        parts = urlsplit(origin)
        host, port = _ascii(parts.hostname or ""), parts.port
    except ValueError:  # brackets that hold no address, a port or a name that cannot be
        parts, host, port = urlsplit(""), "", None
    is_whole = origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    if not parts.scheme or not host or not is_whole or "@" in parts.netloc or "*" in host:
        raise InvalidRequest(
            f"An allowed origin is written scheme://host[:port], not {origin!r}",
            param="allowed_origins",
        )
    host = f"[{host}]" if ":" in host else host
    is_usual = port in (None, _USUAL_PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if is_usual else f"{parts.scheme}://{host}:{port}"


def _ascii(host: str) -> str:
    """Raises `ValueError` for a name that Python, which follows the rules of 2003, takes for
    another than browsers do (``faß.de`` for ``fass.de``): it can be written as ``xn--…``."""
    if host.isascii():
        return host
    made = host.encode("idna")
    if made.decode("idna") != host:
        raise ValueError(host)
    return made.decode()


def check_host(name: str) -> None:
    """Raise `InvalidRequest` unless that is the name of a host."""
    if not _HOST_NAME.fullmatch(name):
        raise InvalidRequest(
            f"An allowed host is a name such as chat.example.org, without a port, not {name!r}",
            param="allowed_hosts",
        )
