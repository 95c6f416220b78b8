from __future__ import annotations

import sys

import pytest

from minerva_desktop.app.terminal_output import TerminalCounter


def test_a_counter_shows_how_far_it_is_and_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with TerminalCounter("chats") as counter:
        counter.show(1_000)
        counter.show(1_001)  # too soon after it
    assert capsys.readouterr().err == "\r1,000 chats\r           \r"


def test_a_counter_shows_of_how_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with TerminalCounter("chats", of=30) as counter:
        counter.show(3, ", 10 %")
    assert capsys.readouterr().err.startswith("\r3 of 30 chats, 10 %\r")


def test_a_pipe_gets_no_counter(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalCounter("chats") as counter:
        counter.show(1)
    assert capsys.readouterr().err == ""
