"""About Minerva in the window: what it shows, the self-test as a process, and updates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
)
from pytestqt.qtbot import QtBot

from minerva_desktop import __version__
from minerva_desktop.app.self_report import Check, CheckState, SelfTestReport
from minerva_desktop.app.self_test import SelfTestEvent
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile, UpdateSettings
from minerva_desktop.ui.about_controller import AboutController
from minerva_desktop.ui.about_dialog import AboutDialog
from minerva_desktop.ui.changes_view import ChangesView
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.self_test_process import CANCELLED, SelfTestProcess
from minerva_desktop.ui.settings_dialog import SettingsDialog
from minerva_desktop.ui.shortcuts_page import ShortcutsPage
from minerva_desktop.ui.update_controller import UpdateController
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.update_server import UpdateServer, update_server

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

PAGE = "https://example.org/download"
LINES = """
import sys, time
print("a library's stray words", flush=True)
print('{"begins": "model"}', flush=True)
print('{"check": {"name": "model", "state": "ok", "words": "fine", "seconds": 1.0}}', flush=True)
"""


@pytest.fixture
def server() -> Iterator[UpdateServer]:
    with update_server() as server:
        server.offer(version="9.9.9", changes="# New\n\n![x](/dev/zero) *text*", page=PAGE)
        yield server


@pytest.fixture
def opened_pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was handed to the browser."""
    pages: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pages.append(QUrl(url).toString()))
    return pages


def with_updates(**changes: object) -> None:
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(Settings(updates=UpdateSettings(**changes)))  # type: ignore[arg-type]


def has_asked(server: UpdateServer, n_times: int) -> bool:
    return len(server.requests) == n_times


def click(button: QAbstractButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_shortcuts_are_listed_by_key_and_from_the_menu(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClick(editor, Qt.Key.Key_Slash, Qt.KeyboardModifier.ControlModifier)
        page = part(opened.part(AboutDialog, "aboutDialog"), ShortcutsPage, "shortcutsPage")
        assert page.isVisible()
        opened.part(AboutDialog, "aboutDialog").close()
        opened.until("end", lambda: not opened.window.findChildren(AboutDialog))
        opened.window.sidebar.chat_actions.show_shortcuts.emit()
        page = part(opened.part(AboutDialog, "aboutDialog"), ShortcutsPage, "shortcutsPage")
        assert page.isVisible()


def test_about_by_key_shows_versions_and_licences(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, opened_pages: list[str]
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.press(Qt.Key.Key_F1)
        dialog = opened.part(AboutDialog, "aboutDialog")
        assert part(dialog, QLabel, "aboutVersion").text() == f"Version {__version__}"
        # Nobody to ask: nothing is offered.
        assert not part(dialog, QPushButton, "checkForUpdates").isVisible()
        assert not part(dialog, QLabel, "updateStatus").isVisible()
        copy = part(dialog, QPushButton, "copyFacts")
        opened.until("facts", copy.isEnabled)
        click(copy)
        report = dressed_app.clipboard().text()
        assert report.startswith(f"Minerva Desktop {__version__}\n\nVersions\n")
        assert "llama-cpp-python  0.3" in report
        click(part(dialog, QPushButton, "aboutPageLicences"))
        names = part(dialog, QListWidget, "licenceNames")
        (row,) = [n for n in range(names.count()) if names.item(n).text() == "Qt"]
        names.setCurrentRow(row)
        assert (
            "GNU LESSER GENERAL PUBLIC LICENSE"
            in part(dialog, QPlainTextEdit, "licenceText").toPlainText()
        )
        click(part(dialog, QPushButton, "licencePage"))
        assert opened_pages == ["https://www.qt.io"]
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.window.findChildren(AboutDialog))


def test_check_now_shows_what_is_new(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    server: UpdateServer,
    opened_pages: list[str],
) -> None:
    with_updates(address=server.address)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        click(opened.part(QAbstractButton, "settingsActionButton"))
        click(opened.part(QPushButton, "aboutMinerva"))
        dialog = opened.window.findChild(AboutDialog)
        assert dialog is not None
        status = part(dialog, QLabel, "updateStatus")
        check = part(dialog, QPushButton, "checkForUpdates")
        server.go_on.clear()
        click(check)
        assert (status.text(), check.isEnabled()) == ("Asking…", False)
        server.go_on.set()
        opened.until("answer", lambda: status.text() == "Minerva 9.9.9 is there.")
        (changes,) = dialog.findChildren(RichTextView)
        opened.until("news", lambda: changes.plain_text() == "New\n![x](/dev/zero) text")
        click(part(dialog, QPushButton, "openDownloadPage"))
        assert opened_pages == [PAGE]
        server.offer(version=__version__)
        click(check)
        opened.until("answer", lambda: status.text().endswith("is the newest version."))
        assert not part(dialog, QPushButton, "openDownloadPage").isVisible()
        server.status = 500
        click(check)
        opened.until("reason", lambda: "the server answers 500" in status.text())
        dialog.close()
        opened.part(SettingsDialog, "settingsDialog").reject()
    assert len(server.requests) == 3
    assert SettingsFile(app_paths().settings).current.updates.asked_at == 0.0


def test_long_news_come_bit_by_bit(qtbot: QtBot, icons: Icons) -> None:
    view = ChangesView(icons)
    qtbot.addWidget(view)
    (text,) = view.findChildren(RichTextView)
    view.resize(600, 400)
    view.show()
    view.show_markdown("\\[a\n" * 2_000 + "| a |\n|-|\n" + "| b |\n" * 1_200)
    assert text.plain_text() == ""  # nothing waits for it
    qtbot.waitUntil(lambda: "Show all rows" in text.plain_text())
    text.rows_requested.emit()
    qtbot.waitUntil(lambda: text.plain_text().count("b") == 1_200)
    qtbot.waitUntil(lambda: text.height() > 2_000)
    qtbot.waitUntil(lambda: not view.is_working)
    view.show_markdown("")
    qtbot.waitUntil(lambda: text.plain_text() == "")


def test_code_in_news_is_copied_and_not_saved(qtbot: QtBot, icons: Icons) -> None:
    view = ChangesView(icons)
    qtbot.addWidget(view)
    view.show()
    view.show_markdown("```py\nx = 1\n```")
    qtbot.waitUntil(lambda: bool(view.findChildren(CodeBar)))
    (bar,) = view.findChildren(CodeBar)
    shown = [each for each in bar.findChildren(QAbstractButton) if each.isVisible()]
    assert [each.accessibleName() for each in shown] == [
        "Wrap long lines of Python code",
        "Copy Python code",
    ]
    assert shown[-1].geometry().right() == bar.rect().right()


def test_the_switch_in_the_settings_asks_at_once_and_tells_once(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, server: UpdateServer
) -> None:
    with_updates(address=server.address)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        dialog = opened.open_settings()
        switch = part(dialog, QAbstractButton, "checkUpdates")
        assert switch.isEnabled()
        assert not switch.isChecked()
        words = part(dialog, QLabel, "updatesNote").text()
        assert words.startswith("Asks 127.0.0.1 for the newest version. Sent are Minerva's version")
        click(switch)
        opened.accept(dialog)
        opened.until("notice", lambda: opened.notice.startswith("Minerva 9.9.9 is there; this is"))
        updates = opened.settings.current.updates
        assert (updates.enabled, updates.told) == (True, "9.9.9")
        (what_is_new,) = [
            button
            for button in opened.window.notifications.findChildren(QPushButton)
            if button.text() == "What is new"
        ]
        click(what_is_new)
        dialog2 = opened.part(AboutDialog, "aboutDialog")
        (changes,) = dialog2.findChildren(RichTextView)
        opened.until("news", lambda: changes.plain_text().startswith("New\n"))
        dialog2.close()
        opened.accept(opened.open_settings())  # a day has not passed
    assert len(server.requests) == 1


class Hub:
    """An `UpdateController` beside what it needs, with a clock of its own."""

    def __init__(self, opened: OpenWindow, now: float) -> None:
        self.now = now
        application = opened._application
        self.controller = UpdateController(
            application._services.settings,
            opened.window.notifications,
            application._tasks,
            opened.window,
            lambda: self.now,
        )


def test_by_itself_it_asks_once_a_day_and_is_silent_about_failures(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, server: UpdateServer
) -> None:
    with_updates(address=server.address, enabled=True)
    server.status = 500
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        hub = Hub(opened, 1_790_000_000.0)
        for hours, n_requests in ((0, 1), (23, 1), (25, 2)):
            hub.now = 1_790_000_000.0 + hours * 3600
            hub.controller.look()
            opened.until("request", partial(has_asked, server, n_requests))
            opened.until("end", lambda: not hub.controller._asking.locked())
        assert opened.notice == ""
        server.status = 200
        hub.now += 25 * 3600
        hub.controller.look()
        opened.until("notice", lambda: "9.9.9" in opened.notice)
        opened.window.notifications.dismiss("update")
        hub.now += 25 * 3600  # the same version again: nobody wants to hear it each day
        hub.controller.look()
        opened.until("request", lambda: len(server.requests) == 4)
        opened.until("end", lambda: not hub.controller._asking.locked())
        assert opened.notice == ""


def test_a_person_who_asks_while_it_asks_by_itself_is_told(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, server: UpdateServer
) -> None:
    with_updates(address=server.address, enabled=True)
    server.offer(version="0.0.1")
    server.go_on.clear()
    told: list[str] = []
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        hub = Hub(opened, 1_790_000_000.0)
        hub.controller.told.connect(lambda words, _release: told.append(words))
        hub.controller.look()
        opened.until("request", partial(has_asked, server, 1))
        hub.controller.check_now()
        hub.controller.check_now()
        server.go_on.set()
        opened.until("words", lambda: bool(told))
        opened.until("end", lambda: not hub.controller._asking.locked())
    assert told == [f"Minerva {__version__} is the newest version."]
    assert len(server.requests) == 2


def test_switched_off_it_never_asks(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, server: UpdateServer
) -> None:
    with_updates(address=server.address)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.accept(opened.open_settings())
        hub = Hub(opened, 1_790_000_000.0)
        hub.controller._on_timeout()
        hub.controller.look()
        hub.controller.stop()
    assert server.requests == []


def test_the_self_test_runs_in_a_process_that_can_be_cancelled(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.press(Qt.Key.Key_F1)
        dialog = opened.part(AboutDialog, "aboutDialog")
        click(part(dialog, QPushButton, "aboutPageTest"))
        run = part(dialog, QPushButton, "runSelfTest")
        status = part(dialog, QLabel, "selfTestStatus")
        report = part(dialog, QPlainTextEdit, "selfTestReport")
        click(run)
        opened.until("checks", lambda: "ok      chats       " in report.toPlainText())
        assert run.text() == "Cancel"
        click(run)
        opened.until("end", lambda: status.text() == CANCELLED)
        assert not part(dialog, QPushButton, "copyReport").isEnabled()
        click(run)  # and the dialog is closed while it runs
        opened.until("process", lambda: status.text().startswith("Checking: "))
        dialog.close()


def test_a_report_is_shown_and_copied(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    check = Check(name="disk", state=CheckState.WARNING, words="1.0 GB free", seconds=0.1)
    report = SelfTestReport(version="1.2.3", is_well=True, checks=(check,), facts={})
    line = msgspec.json.encode(SelfTestEvent(report=report)).decode()
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        about = opened.window.findChild(AboutController)
        assert about is not None
        about._command = (sys.executable, "-c", f"{LINES}print({line!r})")
        opened.press(Qt.Key.Key_F1)
        dialog = opened.part(AboutDialog, "aboutDialog")
        click(part(dialog, QPushButton, "aboutPageTest"))
        run = part(dialog, QPushButton, "runSelfTest")
        status = part(dialog, QLabel, "selfTestStatus")
        for _ in range(2):  # once more without a wait
            click(run)
            opened.until("verdict", lambda: status.text() == report.verdict)
            assert run.text() == "Run self-test"
        click(part(dialog, QPushButton, "copyReport"))
        assert dressed_app.clipboard().text() == report.text + "\n"
        dialog.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            LINES + "raise OSError('no pipes left')",
            "The self-test broke off: OSError: no pipes left",
        ),
        (LINES, "The self-test broke off: it said nothing"),
    ],
)
def test_a_self_test_that_breaks_off(
    qtbot: QtBot, qapp: QApplication, code: str, words: str
) -> None:
    process = SelfTestProcess(qapp, (sys.executable, "-c", code))
    told: list[object] = []
    process.told.connect(told.append)
    with qtbot.waitSignal(process.stopped) as stopped:
        process.start()
    assert stopped.args == [words]
    assert [msgspec.to_builtins(event) for event in told] == [
        {"begins": "model"},
        {"check": {"name": "model", "state": "ok", "words": "fine", "seconds": 1.0}},
    ]
    assert not process.is_running
    process.deleteLater()


def test_a_self_test_that_cannot_start(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> None:
    process = SelfTestProcess(qapp, (str(tmp_path / "nothing"),))
    with qtbot.waitSignal(process.stopped) as stopped:
        process.start()
    assert str(stopped.args[0]).startswith("The self-test could not be started: ")
    process.deleteLater()
