"""The local server's switch in the status bar of the real window."""

from __future__ import annotations

import socket
from contextlib import closing
from types import SimpleNamespace

import psutil
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.api_keys import KeyFile
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.main_window import DEFAULT_SIZE
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_failure_goes_with_its_port_and_the_switch_stays_put(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app_paths().create()
        SettingsFile(app_paths().settings).save(Settings(server_port=taken.getsockname()[1]))
        with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
            opened.window.resize(*DEFAULT_SIZE)  # wide enough for all words
            switch = opened.part(QAbstractButton, "serverToggle")
            note = opened.part(QLabel, "serverNote")
            place = switch.mapTo(opened.window, QPoint(0, 0))
            QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
            opened.until("reason", lambda: note.isVisible() and not switch.isChecked())
            assert str(taken.getsockname()[1]) in note.text()
            assert switch.mapTo(opened.window, QPoint(0, 0)) == place

            dialog = opened.open_settings()
            opened.accept(dialog)
            assert note.isVisible()  # nothing has changed

            dialog = opened.open_settings()
            port = part(dialog, QLineEdit, "serverPort")
            port.selectAll()
            QTest.keyClicks(port, str(free_port()))
            opened.accept(dialog)
            assert not note.isVisible()
            assert switch.mapTo(opened.window, QPoint(0, 0)) == place

            QTest.mouseClick(switch, Qt.MouseButton.LeftButton)
            address = opened.part(QPushButton, "serverAddress")
            opened.until("address", address.isVisible)
            assert switch.mapTo(opened.window, QPoint(0, 0)) == place


def test_in_the_network_its_address_is_one_that_others_can_use(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"eth0": [SimpleNamespace(family=socket.AF_INET, address="192.168.1.5")]}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"eth0": SimpleNamespace(isup=True)})
    app_paths().create()
    KeyFile(app_paths().api_keys).create("phone")
    port = free_port()
    SettingsFile(app_paths().settings).save(Settings(server_port=port, server_network=True))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.window.resize(*DEFAULT_SIZE)
        QTest.mouseClick(opened.part(QAbstractButton, "serverToggle"), Qt.MouseButton.LeftButton)
        address = opened.part(QPushButton, "serverAddress")
        opened.until("address", address.isVisible)
        assert address.text() == f"http://192.168.1.5:{port}/v1"
