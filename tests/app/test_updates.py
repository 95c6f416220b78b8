"""The update check: when it may ask, what it sends, and what it believes."""

from __future__ import annotations

import json
import time

import pytest

from minerva_desktop import __version__
from minerva_desktop.app import update_request
from minerva_desktop.app.update_request import fetch_release
from minerva_desktop.app.updates import (
    DAY_SECONDS,
    MAX_ANSWER_BYTES,
    UPDATE_ADDRESS,
    Release,
    address_of,
    is_due,
    is_newer,
    is_safe_address,
    read_release,
)
from minerva_desktop.errors import UpdateCheckFailed
from minerva_desktop.settings import Settings, UpdateSettings
from tests.update_server import dripping_server, update_server

ADDRESS = "https://updates.example.org/minerva.json"
NOW = 1_790_000_000.0


def test_nothing_is_asked_unless_it_is_switched_on() -> None:
    assert not Settings().updates.enabled
    assert not is_due(UpdateSettings(address=ADDRESS), NOW)
    assert is_due(UpdateSettings(enabled=True, address=ADDRESS), NOW)
    # The project has no public home yet.
    assert UPDATE_ADDRESS == address_of(UpdateSettings()) == ""
    assert not is_due(UpdateSettings(enabled=True), NOW)


@pytest.mark.parametrize(
    ("asked_at", "due"),
    [
        (NOW - DAY_SECONDS + 1, False),
        (NOW, False),
        (NOW - DAY_SECONDS, True),
        (NOW + 5, True),  # the clock was set back
    ],
)
def test_once_a_day(asked_at: float, due: bool) -> None:
    assert is_due(UpdateSettings(enabled=True, address=ADDRESS, asked_at=asked_at), NOW) is due


@pytest.mark.parametrize(
    ("version", "own", "newer"),
    [
        ("0.2.0", "0.1.0", True),
        ("0.10.0", "0.9.9", True),
        ("1.0.0", "0.99.99", True),
        ("0.1.0", "0.1.0", False),
        ("0.0.9", "0.1.0", False),
        ("v0.2.0", "0.1.0", False),
        ("0.2", "0.1.0", False),
        ("0.2.0-rc1", "0.1.0", False),
        ("00.2.0", "0.1.0", False),
        ("0.2.0\n", "0.1.0", False),
        ("٠.2.0", "0.1.0", False),
        ("9999999.0.0", "0.1.0", False),
        ("0.2.0", "0.1.0.dev1", False),
    ],
)
def test_versions_are_three_numbers(version: str, own: str, newer: bool) -> None:
    assert is_newer(version, own) is newer


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        (ADDRESS, True),
        ("http://127.0.0.1:8000/x", True),
        ("http://localhost/x", True),
        ("http://updates.example.org/x", False),
        ("http://127.0.0.1.example.org/x", False),
        ("https://ada:secret@example.org/x", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://example.org/a b", False),
        ("https://example.org:99999/", False),
        ("", False),
    ],
)
def test_addresses(address: str, safe: bool) -> None:
    assert is_safe_address(address) is safe


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "makes no sense: Input data was truncated"),
        (b"<html>", "makes no sense"),
        (b"[" * 5000, "makes no sense"),
        (b"\xff\xfe", "makes no sense"),
        (b"{}", "missing required field `version`"),
        (b'{"version": 2}', "Expected `str`, got `int`"),
        (b'{"version": "newest"}', "'newest' is no version"),
        (b'{"version": "1.0.0", "page": "file:///bin/sh"}', "its page is no address of the web"),
    ],
)
def test_an_answer_that_makes_no_sense(answer: bytes, words: str) -> None:
    with pytest.raises(UpdateCheckFailed, match="makes no sense") as caught:
        read_release(answer)
    assert words in caught.value.message


def test_a_real_request_sends_the_version_and_nothing_else() -> None:
    with update_server() as server:
        server.offer(version="9.0.0", changes="# New", page="https://example.org/get", more="x")
        release = fetch_release(server.address)
        assert release == Release(version="9.0.0", changes="# New", page="https://example.org/get")
        ((path, headers),) = server.requests
    assert path == "/latest.json"
    assert {name: value for name, value in headers.items() if name != "Host"} == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": f"Minerva-Desktop/{__version__}",
    }


def test_an_answer_that_does_not_end_is_given_up() -> None:
    with update_server() as server:
        server.body = json.dumps({"version": "9.0.0", "changes": "x" * MAX_ANSWER_BYTES}).encode()
        with pytest.raises(UpdateCheckFailed, match="longer than 262,144 bytes"):
            fetch_release(server.address)


def test_a_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_request, "SOCKET_SECONDS", 0.1)
    with update_server() as server:
        server.go_on.clear()
        with pytest.raises(UpdateCheckFailed, match="the server does not answer"):
            fetch_release(server.address)


@pytest.mark.parametrize(
    ("scheme", "head", "drop"),
    [
        ("http", b"", b"H"),  # the first line
        ("http", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        ("http", b'HTTP/1.1 200 OK\r\n\r\n{"version": "9.0.0"}', b" "),
        ("https", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0", b"\x03"),  # a hello of TLS
    ],
)
def test_a_server_that_drips_is_given_up(
    scheme: str, head: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_request, "TOTAL_SECONDS", 0.2)
    start = time.monotonic()
    with dripping_server(head, drop) as place:
        with pytest.raises(UpdateCheckFailed, match="took longer than 0 s"):
            fetch_release(f"{scheme}://{place}/latest.json")
        assert time.monotonic() - start < update_request.SOCKET_SECONDS


@pytest.mark.parametrize(
    "target", ["http://updates.example.org/x", "file:///etc/passwd", "ftp://127.0.0.1/x"]
)
def test_no_redirect_leads_anywhere_else(target: str) -> None:
    with update_server() as server:
        server.status, server.headers = 302, {"Location": target}
        with pytest.raises(UpdateCheckFailed) as caught:
            fetch_release(server.address)
        assert "not safe" in caught.value.message or "answers 302" in caught.value.message
        assert len(server.requests) == 1


def test_errors_are_told_in_words() -> None:
    with update_server() as server:
        server.status = 503
        with pytest.raises(UpdateCheckFailed, match=r"the server answers 503 \(Service Unav"):
            fetch_release(server.address)
    with pytest.raises(UpdateCheckFailed, match="Connection refused"):
        fetch_release(server.address)
    with pytest.raises(UpdateCheckFailed, match="must begin with https://"):
        fetch_release("http://example.org/")


def test_certificates_are_verified() -> None:
    with update_server(tls=True) as server:
        server.offer(version="9.0.0")
        with pytest.raises(UpdateCheckFailed, match="certificate verify failed"):
            fetch_release(server.address)
        assert server.requests == []
