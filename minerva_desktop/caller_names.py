"""What the names look like by which the endpoint lets callers in: origins of web pages, and hosts.

For the endpoint and for the window, where people write them. Pure functions, any thread.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from minerva_desktop.errors import InvalidRequest

_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def check_origin(origin: str) -> None:
    """Raise `InvalidRequest` unless that is an origin, as browsers send it."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets that hold no address
        parts = urlsplit("")
    if not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise InvalidRequest(
            f"An allowed origin is written scheme://host[:port], not {origin!r}",
            param="allowed_origins",
        )


def check_host(name: str) -> None:
    """Raise `InvalidRequest` unless that is the name of a host."""
    if not _HOST_NAME.fullmatch(name):
        raise InvalidRequest(
            f"An allowed host is a name such as chat.example.org, without a port, not {name!r}",
            param="allowed_hosts",
        )
