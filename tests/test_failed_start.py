"""The frozen app's window cannot be opened, and nobody sees a terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from minerva_desktop import __main__ as entry
from minerva_desktop import failed_start
from minerva_desktop.display import has_display
from minerva_desktop.errors import StoreError, UnsupportedProcessor
from minerva_desktop.paths import app_paths
from minerva_desktop.ui import failure_window


@pytest.fixture
def quiet_root() -> Iterator[None]:
    """The root logger without handlers, as at a start; as it was afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)


def _fails(error: Exception) -> object:
    def window(*_: object) -> int:
        raise error

    return window


@pytest.mark.usefixtures("quiet_root", "frozen")
def test_it_is_shown_logged_and_an_error_of_the_program(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    app_paths().create()
    error = StoreError("The chats cannot be read", detail="disk I/O error")
    monkeypatch.setattr(entry, "_window", _fails(error))
    seen: list[str] = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(5, look)
            return
        seen.append(box.text())
        box.close()

    QTimer.singleShot(0, look)
    assert entry.main([]) == 1
    (text,) = seen
    assert text.startswith("Minerva could not start: The chats cannot be read\n\ndisk I/O error")
    assert str(app_paths().logs) in text
    logged = (app_paths().logs / "minerva.log").read_text(encoding="utf-8")
    assert "The chats cannot be read" in logged
    assert "Traceback" in logged
    # Nothing of the traceback: that is in the log.
    assert capsys.readouterr().err == "minerva: The chats cannot be read (disk I/O error)\n"


@pytest.mark.usefixtures("quiet_root", "frozen")
def test_a_missing_library_is_named_where_qt_cannot_say_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the desktop's own program: here one that writes down what it is given."""
    program = tmp_path / "zenity"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setitem(sys.modules, "minerva_desktop.ui.failure_window", None)
    error = ImportError("libEGL.so.1: cannot open shared object file: No such file or directory")
    monkeypatch.setattr(entry, "_window", _fails(error))
    with pytest.raises(ImportError):
        entry.main([])
    shown = (tmp_path / "shown").read_text()
    assert "--error\n" in shown
    assert "the system library libEGL.so.1 is missing" in shown


@pytest.mark.usefixtures("quiet_root", "frozen")
def test_an_old_processor_is_told_of_without_qt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse() -> None:
        raise UnsupportedProcessor("Minerva's window needs a processor with SSE4.2")

    program = tmp_path / "zenity"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(entry, "require_window_processor", refuse)
    monkeypatch.setattr(entry, "_window", _fails(AssertionError("Qt was loaded")))
    assert entry.main([]) == 1
    assert "could not start: Minerva's window needs" in (tmp_path / "shown").read_text()


@pytest.mark.usefixtures("quiet_root", "frozen")
def test_without_a_display_qt_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_SESSION_TYPE", "tty")
    app_paths().create()
    monkeypatch.setattr(entry, "_window", _fails(AssertionError("Qt was loaded")))
    monkeypatch.setattr(failure_window, "show_failure", _fails(AssertionError("Qt was loaded")))
    assert entry.main([]) == 1
    sentence = "There is no display to open the window on: use minerva chat or minerva serve"
    assert capsys.readouterr().err == f"minerva: {sentence}\n"
    assert sentence in (app_paths().logs / "minerva.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("environment", "is_there"),
    [
        ({}, False),
        ({"DISPLAY": "", "WAYLAND_DISPLAY": ""}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-1"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, True),
        ({"QT_QPA_PLATFORM": "xcb"}, False),
        ({"QT_QPA_PLATFORM": "wayland;xcb"}, False),
        ({"QT_QPA_PLATFORM": "xcb;minimal"}, True),
        ({"XDG_SESSION_TYPE": "wayland"}, False),
    ],
)
def test_what_is_a_display(environment: dict[str, str], is_there: bool) -> None:
    assert has_display(environment) is is_there


def test_waylands_usual_socket_is_a_display_where_qt_tries_it(tmp_path: Path) -> None:
    (tmp_path / "wayland-0").touch()
    there = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert has_display({**there, "XDG_SESSION_TYPE": "wayland"})
    assert has_display({**there, "QT_QPA_PLATFORM": "wayland"})
    assert not has_display({**there, "XDG_SESSION_TYPE": "tty"})


def test_from_source_the_terminal_has_it_and_no_window_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "_window", _fails(StoreError("The chats cannot be read")))
    assert not failed_start.is_seen_by_nobody()
    assert entry.main([]) == 1
    assert capsys.readouterr().err == "minerva: The chats cannot be read\n"
