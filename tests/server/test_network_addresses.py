"""Which addresses of a machine are told to those who would connect from elsewhere."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from minerva_desktop.server.network_addresses import network_urls

ADDRESSES = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["192.168.1.5", "fe80::1%eth0", "2001:db8::5"],
    "wlan0": ["10.0.0.7"],
    "usb0": ["169.254.3.4"],
    "down0": ["172.16.0.1"],
    "odd0": ["02:42:ac:11:00:02"],
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def family(address: str) -> int:
        if address.startswith("02:"):
            return psutil.AF_LINK
        return socket.AF_INET6 if ":" in address else socket.AF_INET

    found = {
        name: [SimpleNamespace(family=family(each), address=each) for each in addresses]
        for name, addresses in ADDRESSES.items()
    }
    states = {name: SimpleNamespace(isup=name != "down0") for name in ADDRESSES}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: states)


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("0.0.0.0", ("http://192.168.1.5:8427", "http://10.0.0.7:8427")),
        ("::", ("http://[2001:db8::5]:8427",)),
        ("127.0.0.1", ()),
        ("192.168.1.5", ()),
        ("localhost", ()),
    ],
)
def test_those_at_which_others_reach_it(host: str, urls: tuple[str, ...]) -> None:
    assert network_urls(host, 8427) == urls
