"""The real window, while other programs' requests run at its endpoint."""

from __future__ import annotations

import shutil
import socket
import threading
import time
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

from minerva_desktop.chat.served_request import GRACE_SECONDS
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_of, path_text
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.server_window import ServerWindow
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_server_switch import free_port

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


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
        assert httpx.get(f"{url}/models").status_code == 200  # so that it has come, too
        yield


@contextmanager
def serving(qtbot: QtBot, app: QApplication, home: Path, model: Path) -> Iterator[Desk]:
    home.mkdir(parents=True, exist_ok=True)
    app_paths().create()
    SettingsFile(app_paths().settings).save(Settings(server_port=free_port()))
    catalog = Catalog(home / "models.json", embedded=model)
    desk = None
    try:
        with closing(OpenWindow(qtbot, app, catalog)) as opened:
            desk = Desk(opened)
            yield desk
    finally:
        if desk is not None:
            desk.let_go()


def test_another_port_is_listened_on_at_once_beside_the_requests_on_the_old_one(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        old_url, clients, port = desk.url, desk.ask(2), free_port()
        desk.enter("serverWindowPort", str(port))
        desk.opened.until("server", lambda: desk.url == f"http://127.0.0.1:{port}/v1")
        desk.until_said(
            f"The local server listens on port {port} now. 2 running requests on the old one have "
            "10 seconds to end."
        )
        assert all(client.is_served for client in clients)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{old_url}/models")
        assert httpx.get(f"{desk.url}/models").status_code == 200
        (third,) = desk.ask()
        clients[0].leave()
        desk.opened.until("end of one", lambda: any("Cancelled" in row for row in desk.rows))
        desk.press_notice("End them now")
        desk.opened.until("end", lambda: desk.opened.notice == "")
        desk.opened.until("end of the request", lambda: not clients[1].is_served)
        assert '"code":"endpoint_stopped"' in clients[1].text
        assert third.is_served
        third.leave()
        ends = ["Cancelled", "Cancelled", "Server stopped"]
        desk.opened.until(
            "rows", lambda: sorted(row.partition(",")[0] for row in desk.rows) == ends
        )


def test_a_change_that_cannot_be_made_breaks_nothing_off(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk, taken_port() as taken:
        url, (client,) = desk.url, desk.ask()
        port = url.rpartition(":")[2].removesuffix("/v1")
        desk.enter("serverWindowPort", str(taken))
        desk.until_refused(
            f"Not changed: Port {taken} is used by another program. The local server goes on as "
            "it was."
        )
        assert part(desk.window, QLineEdit, "serverWindowPort").text() == port
        desk.window.reach_chosen.emit(True)
        desk.until_refused(
            "Not changed: Listening on 0.0.0.0 lets other machines in, so it needs an API key. The "
            "local server goes on as it was."
        )
        assert client.is_served
        assert (desk.url, desk.opened.notice) == (url, "")
        assert httpx.get(f"{url}/models").status_code == 200
        kept = SettingsFile(app_paths().settings).current
        assert (str(kept.server_port), kept.server_network) == (port, False)


def test_what_is_advanced_counts_at_once_and_breaks_nothing_off(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        url, (client,) = desk.url, desk.ask()
        click(part(desk.window, QAbstractButton, "serverAdvanced"))
        page = {"Origin": "https://app.example"}
        assert httpx.get(f"{url}/models", headers=page).status_code == 403
        desk.enter("serverWaiting", "300")
        desk.enter("serverOrigins", "https://app.example")
        desk.opened.until(
            "rules", lambda: httpx.get(f"{url}/models", headers=page).status_code == 200
        )
        assert (desk.url, desk.opened.notice) == (url, "")
        assert client.is_served


def test_what_is_off_stays_off_and_says_for_what_it_waits(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        with half_a_request(desk.url):
            click(desk.switch)
            assert desk.state == "Stopping…"
            desk.until_said("The local server stops once 1 running request has ended")
            desk.until_state("Stopping… 1 request still runs, for 10 seconds at most.")
            other = free_port()
            desk.enter("serverWindowPort", str(other))
            desk.press_notice("End them now")
            desk.opened.until("end", lambda: desk.state.startswith("Off."))
        assert desk.opened.notice == ""
        kept = SettingsFile(app_paths().settings).current
        assert (kept.server_enabled, kept.server_port) == (False, other)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{other}/health")


def test_the_same_port_and_the_switch_give_running_answers_a_grace(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        url, clients = desk.url, desk.ask(2)
        click(desk.switch)
        click(desk.switch)
        desk.until_said(
            "The local server restarts once 2 running requests have ended, in 10 seconds at most."
        )
        desk.until_state("Restarting… 2 requests still run, for 10 seconds at most.")
        assert desk.switch.isChecked()
        assert all(client.is_served for client in clients)
        clients[0].leave()
        desk.until_state("Restarting… 1 request still runs, for 10 seconds at most.")
        desk.press_notice("End them now")
        desk.opened.until("server", lambda: desk.state == f"On: {url}")
        assert desk.opened.notice == ""
        clients[1].leave()
        assert '"code":"endpoint_stopped"' in clients[1].text

        (client,) = desk.ask()
        click(desk.switch)
        desk.until_said("The local server stops once 1 running request has ended")
        desk.until_state("Stopping… 1 request still runs, for 10 seconds at most.")
        assert not desk.switch.isChecked()
        click(part(desk.window, QPushButton, "stopServerNow"))
        desk.opened.until("end", lambda: desk.state.startswith("Off."))
        assert desk.opened.notice == ""
        desk.let_go()

        click(desk.switch)
        desk.opened.until("server", lambda: desk.state.startswith("On: "))
        (client,) = desk.ask()
        click(desk.switch)
        desk.until_said("The local server stops")
        assert client.is_served
        closed = time.monotonic()
    assert time.monotonic() - closed < GRACE_SECONDS  # a window that closes waits for nobody
    assert '"code":"endpoint_stopped"' in client.text


def test_a_model_that_other_programs_use_is_unloaded_only_when_they_are_asked_about(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        current, eject = desk.opened.window.header.picker.current, desk.eject
        assert current is not None
        name = current.name
        clients = desk.ask(2)
        click(eject)
        desk.until_said(
            f"2 requests of other programs use {name}. Unloading it now breaks them off."
        )
        desk.press_notice("Cancel")
        assert desk.opened.notice == ""
        click(eject)
        desk.until_said("2 requests of other programs")
        desk.press_notice("Unload when they are done")
        assert desk.opened.notice == f"{name} is unloaded once nothing uses it any more."
        clients[0].leave()
        desk.opened.until("end of one", lambda: "Cancelled" in desk.rows[1])
        assert clients[1].is_served
        assert eject.isEnabled()
        clients[1].leave()
        desk.opened.until("unloading", lambda: not eject.isEnabled())
        assert desk.opened.notice == ""

        (client,) = desk.ask()
        click(eject)
        desk.until_said(f"A request of another program uses {name}.")
        desk.press_notice("Unload when it is done")
        desk.press_notice("Unload now")
        desk.opened.until("unloading", lambda: not eject.isEnabled())
        client.leave()
        assert '"code":"model_unloaded"' in client.text
        desk.opened.until("rows", lambda: desk.rows[0].startswith("Failed (503), "))
        click(desk.switch)  # nobody is asked once nobody uses it
        desk.opened.until("end", lambda: desk.state.startswith("Off."))


def test_a_model_that_other_programs_use_leaves_the_list_only_when_they_are_asked_about(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> None:
    mine = minerva_home.with_name("mine.gguf")
    shutil.copy(small_path, mine)
    Catalog(minerva_home / "models.json", embedded=small_path).add(mine)
    with serving(qtbot, dressed_app, minerva_home, small_path) as desk:
        opened, picker = desk.opened, desk.opened.window.header.picker

        def listed() -> list[str]:
            return [path_of(item.path).name for item in picker.items]

        def remove() -> None:
            picker.open_list()
            picker.remove_requested.emit(path_text(mine))
            desk.until_said("Removing it now breaks that off.")
            assert not picker.is_open

        opened.until("models", lambda: "mine.gguf" in listed())
        (client,) = desk.ask(model="mine")
        remove()
        desk.press_notice("Cancel")
        assert opened.notice == ""
        remove()
        desk.press_notice("Remove when it is done")
        assert opened.notice.endswith(" is removed from the list once nothing uses it any more.")
        assert client.is_served
        assert "mine.gguf" in listed()
        client.leave()
        opened.until("removal", lambda: "mine.gguf" not in listed())
        assert opened.notice == ""
        opened.window.files_dropped.emit([mine])
        opened.until("model", lambda: "mine.gguf" in listed())
        (client,) = desk.ask(model="mine")
        remove()
        desk.press_notice("Remove anyway")
        opened.until("removal", lambda: "mine.gguf" not in listed())
        client.leave()
        assert '"code":"model_unloaded"' in client.text


def test_an_answer_in_the_window_is_broken_off_only_when_the_person_is_asked(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, model_path: Path
) -> None:
    with serving(qtbot, dressed_app, minerva_home, model_path) as desk:
        opened, current = desk.opened, desk.opened.window.header.picker.current
        assert current is not None
        opened.send("Tell me a very long story")
        opened.until("answer", lambda: desk.eject.isEnabled() and opened.is_answering)
        click(desk.eject)
        desk.until_said(
            f"An answer in this window uses {current.name}. Unloading it now breaks that off."
        )
        desk.press_notice("Cancel")
        assert opened.notice == ""
        assert opened.is_answering
        (client,) = desk.ask()
        click(desk.eject)
        desk.until_said(
            "An answer in this window and a request of another program use "
            f"{current.name}. Unloading it now breaks them off."
        )
        client.leave()
        opened.until("end of the request", lambda: desk.rows[0].startswith("Cancelled"))
        assert opened.is_answering
        desk.press_notice("Unload anyway")
        opened.until("unloading", lambda: not desk.eject.isEnabled())
        opened.until("end", lambda: not opened.is_answering)
        assert opened.notice == ""
