"""The local server's window: its state, its keys, its requests, and the real one behind it."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTableView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.access_keys import AccessKey
from minerva_desktop.chat.served_request import RequestRecord, RequestState
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui import request_table
from minerva_desktop.ui.chat_view.disclosure import PADDING
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.server_window import ServerWindow
from minerva_desktop.ui.status_bar import ServerState
from tests.patience import SECONDS
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_server_switch import free_port

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

RUNNING = RequestRecord(
    number=7,
    request_id="r7",
    dialect="chat",
    model="tiny",
    client="127.0.0.1",
    key_name="laptop",
    is_stream=True,
    started=0.0,
    seconds=1.5,
    state=RequestState.DECODING,
    status=None,
    prompt_tokens=1200,
    read_tokens=1200,
    cached_tokens=0,
    generated_tokens=42,
    tokens_per_second=21.0,
    error="",
    has_prompt=True,
)
OVER = replace(
    RUNNING,
    number=6,
    state=RequestState.FAILED,
    status=500,
    error="It broke",
    key_name=None,
    has_prompt=False,
)


@pytest.fixture
def opened(qtbot: QtBot, icons: Icons) -> ServerWindow:
    window = ServerWindow(icons)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    return window


def test_it_opens_no_larger_than_the_window_that_it_belongs_to(qtbot: QtBot, icons: Icons) -> None:
    owner = QWidget()
    qtbot.addWidget(owner)
    owner.resize(700, 600)
    window = ServerWindow(icons, owner)
    with qtbot.waitExposed(window):
        window.show()
    assert (window.width(), window.height()) == (700, 600)


def test_a_port_out_of_its_range_is_not_taken(opened: ServerWindow, qtbot: QtBot) -> None:
    port = part(opened, QLineEdit, "serverWindowPort")
    port.setText("99999")
    with qtbot.assertNotEmitted(opened.port_chosen):
        QTest.keyClick(port, Qt.Key.Key_Return)
    assert port.text() == "99999"
    assert "1 to 65,535" in [hint.text() for hint in opened.findChildren(QLabel, "fieldHint")]
    port.setText("9999")
    with qtbot.waitSignal(opened.port_chosen) as chosen:
        QTest.keyClick(port, Qt.Key.Key_Return)
    assert chosen.args == [9999]


def click(window: QWidget, name: str) -> None:
    QTest.mouseClick(part(window, QPushButton, name), Qt.MouseButton.LeftButton)


def row_text(window: ServerWindow, row: int) -> list[str]:
    model = part(window, QTableView, "requestTable").model()
    return [model.index(row, column).data() for column in range(1, model.columnCount())]


def test_it_says_what_the_server_does(
    opened: ServerWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = part(opened, QLabel, "serverStateLabel")
    copy = part(opened, QPushButton, "copyServerAddress")
    assert "Off" in state.text()
    assert not copy.isEnabled()
    opened.set_state(ServerState.ON, "http://127.0.0.1:8427/v1")
    assert state.text() == "On: http://127.0.0.1:8427/v1"
    click(opened, "copyServerAddress")
    assert QApplication.clipboard().text() == "http://127.0.0.1:8427/v1"
    with monkeypatch.context() as patched:
        asked: list[QUrl] = []
        patched.setattr(QDesktopServices, "openUrl", asked.append)
        click(opened, "openServerDocs")
    assert asked == [QUrl("http://127.0.0.1:8427/docs")]
    opened.set_state(ServerState.FAILED, "Port 8427 is taken")
    assert state.text() == "Not started: Port 8427 is taken"
    assert not part(opened, QAbstractButton, "serverWindowToggle").isChecked()


def test_at_its_smallest_it_shows_a_failure_whole_and_some_requests(opened: ServerWindow) -> None:
    opened.set_keys([AccessKey(f"key {number}", "cret", 0) for number in range(12)])
    opened.set_requests([replace(RUNNING, number=number) for number in range(20)])
    opened.set_state(ServerState.FAILED, "Port 8427 is used by another program")
    opened.resize(1, 1)
    QApplication.processEvents()
    state = part(opened, QLabel, "serverStateLabel")
    words = state.fontMetrics().horizontalAdvance(state.text())
    lines = -(-words // state.width())
    assert state.height() >= lines * state.fontMetrics().height()
    table = part(opened, QTableView, "requestTable")
    assert table.viewport().height() >= 4 * table.rowHeight(0)
    assert not table.horizontalScrollBar().isVisible()
    assert not table.isColumnHidden(table.model().columnCount() - 1)
    opened.resize(1200, 700)
    QApplication.processEvents()
    assert not any(table.isColumnHidden(column) for column in range(table.model().columnCount()))
    opened.resize(1, 1)
    QApplication.processEvents()
    assert opened.height() <= 640  # a small laptop's screen holds it


def test_requests_are_listed_as_they_go(qtbot: QtBot, opened: ServerWindow) -> None:
    assert part(opened, QLabel, "noRequestsLabel").isVisible()
    opened.set_requests((RUNNING, OVER))
    assert not part(opened, QLabel, "noRequestsLabel").isVisible()
    assert row_text(opened, 0) == [
        "chat", "tiny", "laptop", "1,200", "42", "21.0 tokens/s", "Answering",
    ]  # fmt: skip
    assert row_text(opened, 1)[-1] == "Failed (500), 1.5 s"
    cancel, show = (part(opened, QPushButton, n) for n in ("cancelRequest", "showPrompt"))
    table = part(opened, QTableView, "requestTable")
    table.selectRow(1)
    assert (cancel.isEnabled(), show.isEnabled()) == (False, False)
    assert part(opened, QLabel, "requestError").text() == "It broke"
    table.selectRow(0)
    assert (cancel.isEnabled(), show.isEnabled()) == (True, True)
    with qtbot.waitSignal(opened.cancel_requested) as cancelled:
        click(opened, "cancelRequest")
    assert cancelled.args == [7]
    with qtbot.waitSignal(opened.prompt_wanted) as wanted:
        click(opened, "showPrompt")
    assert wanted.args == [7]
    opened.show_prompt(7, "<|user|>Hi")
    assert part(opened, QPlainTextEdit, "requestPrompt").toPlainText() == "<|user|>Hi"


def test_the_chosen_request_stays_chosen(opened: ServerWindow) -> None:
    opened.set_requests((RUNNING, OVER))
    table = part(opened, QTableView, "requestTable")
    table.selectRow(1)
    opened.set_requests((replace(RUNNING, number=8), RUNNING, OVER))
    (chosen,) = table.selectionModel().selectedRows()
    assert chosen.row() == 2


def test_a_prompt_stays_while_other_requests_come_and_end(opened: ServerWindow) -> None:
    second = replace(RUNNING, number=8)
    opened.set_requests((RUNNING, second, OVER))
    table, prompt = part(opened, QTableView, "requestTable"), prompt_of(opened)
    table.selectRow(1)
    click(opened, "showPrompt")
    opened.show_prompt(8, "<|user|>Hi")
    third, ended = replace(RUNNING, number=9), replace(second, status=200, seconds=2.0)
    for rows, row in (
        ((RUNNING, second, third, OVER), 1),  # another comes
        ((second, third, replace(RUNNING, status=200), OVER), 0),  # the one above ends
        ((third, ended, replace(RUNNING, status=200)), 1),  # it ends itself, and an old one goes
    ):
        opened.set_requests(rows)
        assert [index.row() for index in table.selectionModel().selectedRows()] == [row]
        assert [row_text(opened, at)[-1] for at in range(len(rows))] == [
            request_table.cells(record)[-1] for record in rows
        ]
        assert (prompt.isVisible(), prompt.toPlainText()) == (True, "<|user|>Hi")
    table.selectRow(0)
    assert not prompt.isVisible()
    opened.show_prompt(8, "too late")
    assert not prompt.isVisible()


def test_a_prompt_is_shown_once_its_model_is_loaded(qtbot: QtBot, opened: ServerWindow) -> None:
    loading = replace(RUNNING, state=RequestState.LOADING)
    opened.set_requests((loading,))
    part(opened, QTableView, "requestTable").selectRow(0)
    with qtbot.assertNotEmitted(opened.prompt_wanted):
        click(opened, "showPrompt")
        opened.set_requests((loading,))
    assert "is not loaded yet" in prompt_of(opened).toPlainText()
    with qtbot.waitSignal(opened.prompt_wanted) as wanted:
        opened.set_requests((replace(RUNNING, state=RequestState.QUEUED),))
    assert wanted.args == [7]
    with qtbot.assertNotEmitted(opened.prompt_wanted):
        opened.set_requests((RUNNING,))


def prompt_of(window: ServerWindow) -> QPlainTextEdit:
    return part(window, QPlainTextEdit, "requestPrompt")


def test_the_first_key_says_whom_it_shuts_out(opened: ServerWindow) -> None:
    rule, note = (part(opened, QLabel, name) for name in ("keyRule", "firstKeyNote"))
    assert "With the first key every program has to send one, on this computer too" in rule.text()
    opened.show_new_key("mk-1")
    assert note.isVisible()
    assert note.text() == "From now on programs without a key are refused, on this computer too."
    opened.set_keys((AccessKey("laptop", "cret", 0),))
    assert rule.text() == "Every program has to send one of these keys, on this computer too."
    opened.show_new_key("mk-2")
    assert not note.isVisible()


def test_keys_are_made_shown_once_and_revoked(qtbot: QtBot, opened: ServerWindow) -> None:
    QTest.keyClicks(part(opened, QLineEdit, "newKeyName"), "laptop")
    with qtbot.waitSignal(opened.key_wanted) as wanted:
        click(opened, "createKey")
    assert wanted.args == ["laptop"]
    opened.show_new_key("mk-secret")
    opened.set_keys((AccessKey("laptop", "cret", 0),))
    assert part(opened, QLineEdit, "newKey").text() == "mk-secret"
    (revoke,) = [b for b in opened.findChildren(QPushButton) if b.text() == "Revoke"]
    with qtbot.waitSignal(opened.key_revoked) as revoked:
        QTest.mouseClick(revoke, Qt.MouseButton.LeftButton)
    assert revoked.args == ["laptop"]
    opened.hide()
    assert part(opened, QLineEdit, "newKey").text() == ""
    opened.show_problem("There is an API key “laptop” already")
    assert "already" in part(opened, QLabel, "keyProblem").text()


def test_the_real_server_asks_for_the_key_that_was_made_here(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    app_paths().create()
    port = free_port()
    SettingsFile(app_paths().settings).save(Settings(server_port=port))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as run:
        button = run.part(QToolButton, "serverDetailsButton")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        run.until("server window", lambda: run.window.findChild(ServerWindow) is not None)
        window = run.part(ServerWindow, "serverWindow")
        QTest.keyClicks(part(window, QLineEdit, "newKeyName"), "laptop")
        click(window, "createKey")
        run.until("key", lambda: bool(part(window, QLineEdit, "newKey").text()))
        key = part(window, QLineEdit, "newKey").text()
        QTest.mouseClick(
            part(window, QAbstractButton, "serverWindowToggle"), Qt.MouseButton.LeftButton
        )
        state = part(window, QLabel, "serverStateLabel")
        run.until("server", lambda: state.text().startswith("On: "))
        url = f"http://127.0.0.1:{port}/v1/models"
        assert httpx.get(url, timeout=SECONDS).status_code == 401
        keyed = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=SECONDS)
        assert keyed.status_code == 200


def leave(field: QLineEdit, text: str) -> None:
    field.setText(text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_names_of_callers_are_taken_as_people_write_them(
    opened: ServerWindow, qtbot: QtBot
) -> None:
    advanced = part(opened, QAbstractButton, "serverAdvanced")
    origins, hosts = (part(opened, QLineEdit, n) for n in ("serverOrigins", "serverHosts"))
    assert not origins.isVisible()
    QTest.mouseClick(advanced, Qt.MouseButton.LeftButton)
    assert origins.isVisible()
    with qtbot.waitSignal(opened.advanced_chosen) as chosen:
        leave(origins, "https://A.example/, http://localhost:3000  https://a.example")
    assert chosen.args == ["server_origins", ("https://a.example", "http://localhost:3000")]
    with qtbot.assertNotEmitted(opened.advanced_chosen):
        leave(origins, "a.example")
        leave(hosts, "chat.example:443")
    hints = [hint.text() for hint in opened.findChildren(QLabel, "fieldHint")]
    assert "each is written https://host[:port]" in hints
    assert "names such as chat.example.org, without a port" in hints
    origins.clear()
    assert "each is written https://host[:port]" not in [
        hint.text() for hint in opened.findChildren(QLabel, "fieldHint")
    ]


def test_all_rows_begin_at_one_edge(opened: ServerWindow) -> None:
    advanced = part(opened, QAbstractButton, "serverAdvanced")
    QTest.mouseClick(advanced, Qt.MouseButton.LeftButton)
    opened.grab()  # which lays out what is shown
    wanted = {"Port", "Who may connect", "Web pages that may call", "Requests that may wait"}
    labels = [label for label in opened.findChildren(QLabel) if label.text() in wanted]
    labels.append(part(opened, QLabel, "serverStateLabel"))
    left = {label.mapTo(opened, QPoint()).x() for label in labels}
    assert len(labels) == len(wanted) + 1
    assert left == {advanced.mapTo(opened, QPoint()).x() + PADDING}


def test_limits_are_numbers_or_what_is_usual(opened: ServerWindow, qtbot: QtBot) -> None:
    opened.set_settings(Settings(server_request_s=60, server_waiting=3))
    limits = [part(opened, QLineEdit, n) for n in ("serverSeconds", "serverWaiting")]
    assert [field.text() for field in limits] == ["60", "3"]
    given: list[tuple[str, object]] = []
    opened.advanced_chosen.connect(lambda name, value: given.append((name, value)))
    for field in limits:
        for text in ("90", "", "0"):  # the last one is not taken
            leave(field, text)
    assert given == [
        ("server_request_s", 90),
        ("server_request_s", None),
        ("server_waiting", 90),
        ("server_waiting", 256),
    ]


def test_a_web_page_that_is_allowed_here_gets_in(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    app_paths().create()
    port = free_port()
    SettingsFile(app_paths().settings).save(Settings(server_port=port, server_enabled=True))
    url = f"http://127.0.0.1:{port}/v1/models"
    page = {"Origin": "https://app.example"}
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as run:
        address = run.part(QPushButton, "serverAddress")
        run.until("server", address.isVisible)
        refused = httpx.get(url, headers=page, timeout=SECONDS)
        assert refused.status_code == 403
        assert "in the window (Local server, Advanced)" in refused.text
        QTest.mouseClick(run.part(QToolButton, "serverDetailsButton"), Qt.MouseButton.LeftButton)
        run.until("server window", lambda: run.window.findChild(ServerWindow) is not None)
        window = run.part(ServerWindow, "serverWindow")
        QTest.mouseClick(part(window, QAbstractButton, "serverAdvanced"), Qt.MouseButton.LeftButton)
        leave(part(window, QLineEdit, "serverOrigins"), "https://app.example")
        run.until("rules", lambda: httpx.get(url, headers=page, timeout=SECONDS).status_code == 200)
    kept = SettingsFile(app_paths().settings).current
    assert kept.server_origins == ("https://app.example",)
