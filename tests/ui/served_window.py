"""The real window with its local server on, and programs that ask it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.server_window import ServerWindow
from tests.patience import SECONDS
from tests.slow_engines import slow_engines
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_server_switch import free_port


class Client:
    """A program that has a long answer streamed to it, in a thread."""

    def __init__(self, url: str, model: str | None) -> None:
        self._url = url
        self._model = model
        self._leaves = threading.Event()
        self.text = ""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        body = {
            "messages": [{"role": "user", "content": "Tell me a long story"}],
            "ignore_eos": True,
            "max_tokens": 100_000,
            "stream": True,
            **({} if self._model is None else {"model": self._model}),
        }
        with httpx.stream("POST", f"{self._url}/chat/completions", json=body, timeout=60) as answer:
            for line in answer.iter_lines():
                self.text += line
                if self._leaves.is_set():
                    return

    @property
    def is_served(self) -> bool:
        return self._thread.is_alive()

    def leave(self) -> None:
        self._leaves.set()
        self._thread.join()


class Desk:
    """The open window with its local server on, and the server's own window."""

    def __init__(self, opened: OpenWindow) -> None:
        self.opened = opened
        click(opened.part(QToolButton, "serverDetailsButton"))
        opened.until("window", lambda: opened.window.findChild(ServerWindow) is not None)
        self.window = opened.part(ServerWindow, "serverWindow")
        self.switch = part(self.window, QAbstractButton, "serverWindowToggle")
        self._clients: list[Client] = []
        click(self.switch)
        opened.until("server", lambda: self.state.startswith("On: "))

    @property
    def state(self) -> str:
        return part(self.window, QLabel, "serverStateLabel").text()

    @property
    def url(self) -> str:
        return self.state.removeprefix("On: ")

    @property
    def rows(self) -> list[str]:
        model = part(self.window, QTableView, "requestTable").model()
        column = model.columnCount() - 1
        return [model.index(row, column).data() for row in range(model.rowCount())]

    def has_row(self, beginning: str) -> bool:
        """Whether the newest request in the list is told of in words that begin so."""
        return bool(self.rows) and self.rows[0].startswith(beginning)

    def ask(self, n: int = 1, model: str | None = None) -> list[Client]:
        """Let so many programs be answered."""
        asked = [Client(self.url, model) for _ in range(n)]
        self._clients += asked
        self.opened.until("answers", lambda: all(client.text for client in asked))
        return asked

    def until_said(self, words: str) -> None:
        self.opened.until(words, lambda: words in self.opened.notice)

    @property
    def eject(self) -> QToolButton:
        return self.opened.part(QToolButton, "ejectButton")

    def until_refused(self, words: str) -> None:
        label = part(self.window, QLabel, "serverRefusal")
        self.opened.until(words, lambda: label.isVisible() and label.text() == words)

    def until_state(self, words: str) -> None:
        self.opened.until(words, lambda: self.state == words)

    def press_notice(self, words: str) -> None:
        buttons = self.opened.window.notifications.findChildren(QPushButton)
        (button,) = [each for each in buttons if each.text() == words and each.isVisible()]
        click(button)

    def enter(self, name: str, text: str) -> None:
        field = part(self.window, QLineEdit, name)
        field.setText(text)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def let_go(self) -> None:
        for client in self._clients:
            client.leave()


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


@contextmanager
def taken_port() -> Iterator[int]:
    """One on which another program listens, which does not speak."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@contextmanager
def half_a_request(url: str) -> Iterator[None]:
    """A client that has sent that, and waits."""
    target = httpx.URL(url)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
    with socket.create_connection((target.host, target.port)) as client:
        head += "Content-Type: application/json\r\n"
        client.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        listed = httpx.get(f"{url}/models", timeout=SECONDS)  # so that it has come, too
        assert listed.status_code == 200
        yield


@contextmanager
def serving(qtbot: QtBot, app: QApplication, home: Path, model: Path) -> Iterator[Desk]:
    home.mkdir(parents=True, exist_ok=True)
    app_paths().create()
    SettingsFile(app_paths().settings).save(Settings(server_port=free_port()))
    catalog = Catalog(home / "models.json", embedded=model)
    desk = None
    try:
        with pytest.MonkeyPatch.context() as patch:
            slow_engines(patch)
            with closing(OpenWindow(qtbot, app, catalog)) as opened:
                desk = Desk(opened)
                yield desk
    finally:
        if desk is not None:
            desk.let_go()
