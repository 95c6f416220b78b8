"""The addresses by which clients reach an endpoint, as they are told them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

import psutil

from minerva_desktop.server.config import bracketed

ANY = ("0.0.0.0", "::")
MAX_SHOWN = 8  # container hosts have dozens


def network_urls(host: str, port: int) -> tuple[str, ...]:
    """The base URLs (without ``/v1``) by which clients elsewhere reach an endpoint on ``host``:
    one for each address of this machine where that stands for all of them. Blocks for some
    milliseconds."""
    if host not in ANY:
        return ()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    states = psutil.net_if_stats()
    found = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        if name in states and states[name].isup
        for address in addresses
        if address.family == family and _is_reachable(address.address)
    ]
    return tuple(f"http://{bracketed(address)}:{port}" for address in found[:MAX_SHOWN])


def called_url(headers: Mapping[str, str]) -> str:
    """The base URL (without ``/v1``) by which a request came, whose Host the guard let through. A
    proxy in front that speaks TLS says so."""
    spoken = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return f"{'https' if spoken == 'https' else 'http'}://{headers['host']}"


def _is_reachable(address: str) -> bool:
    """Whether others can be told it: neither this machine's own, nor good on one cable only."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)
