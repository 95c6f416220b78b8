"""A start in which something goes wrong that nobody foresaw, as where the system has no memory for
another thread: that is told, what was typed stays, and closing the window ends the app."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.new_chat_files import NewChatFiles
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import Files
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui import application
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import views
from tests.ui.test_refused_options import click

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

REFUSED = "can't start new thread"
NOT_OPEN = "Something went wrong in Minerva. No message can be sent meanwhile"


async def _no_thread(_files: NewChatFiles) -> Files:
    raise RuntimeError(REFUSED)


def _details(opened: OpenWindow) -> str:
    bar = opened.window.notifications
    click(bar, "Details")
    (detail,) = bar.findChildren(QPlainTextEdit, "noticeDetails")
    return detail.toPlainText()


def test_chats_that_are_not_opened_are_told_and_opened_again(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    load = NewChatFiles.load
    monkeypatch.setattr(NewChatFiles, "load", _no_thread)
    with closing(OpenWindow(qtbot, dressed_app, catalog, wait=False)) as opened:
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "hello")
        opened.press(Qt.Key.Key_Return)  # quicker than the start
        opened.until("notice", lambda: opened.notice.startswith(NOT_OPEN))
        opened.until("words back", lambda: opened.window.composer.text == "hello")
        opened.until("model", lambda: opened.window.header.picker.current is not None)
        assert REFUSED in _details(opened)
        errors = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert [REFUSED in str(each.exc_info) for each in errors] == [True]
        monkeypatch.setattr(NewChatFiles, "load", load)
        click(opened.window.notifications, "Try again")
        listed = opened.window.sidebar.empty_note
        opened.until("list", lambda: listed.text() == "No chats yet")
        assert opened.notice == ""
        assert opened.window.composer.text == "hello"
        opened.window.parameters.apply("", SamplingParameters(max_tokens=4))
        opened.press(Qt.Key.Key_Return)
        opened.until("message", lambda: "hello" in opened.transcript)
        opened.until("answer", lambda: views(opened)[-1].message.state is MessageState.COMPLETE)


def test_a_message_of_a_start_that_failed_keeps_no_closed_window_alive(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process went on for ever, for the message waited for the start."""
    with monkeypatch.context() as patch:
        patch.setattr(NewChatFiles, "load", _no_thread)
        with closing(OpenWindow(qtbot, dressed_app, catalog, wait=False)) as opened:
            QTest.keyClicks(opened.part(MessageEdit, "composer"), "hello")
            opened.press(Qt.Key.Key_Return)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert opened.window.composer.text == "hello"


def test_what_goes_wrong_before_the_chats_are_opened_is_told_and_they_are(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError(REFUSED)

    monkeypatch.setattr(application, "import_message_view", fail)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert opened.notice == "Something went wrong in Minerva"
        assert REFUSED in _details(opened)
        opened.window.parameters.apply("", SamplingParameters(max_tokens=4))
        opened.send("hello")
        opened.until("answer", lambda: views(opened)[-1].message.state is MessageState.COMPLETE)


def test_a_window_without_its_engines_thread_says_so_and_can_be_closed(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt only prints it when the system refuses a thread; the window waited for it for ever."""
    monkeypatch.setattr(EngineWorker, "start", lambda _worker: None)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert opened.notice == "Something went wrong in Minerva"
        assert "the engine's thread did not start" in _details(opened)


def test_what_goes_wrong_at_the_end_does_not_keep_the_process(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settle = ChatLibrary.settle

    async def fail(_library: ChatLibrary) -> None:
        monkeypatch.setattr(ChatLibrary, "settle", settle)
        raise RuntimeError(REFUSED)

    with closing(OpenWindow(qtbot, dressed_app, catalog)):
        monkeypatch.setattr(ChatLibrary, "settle", fail)
    assert "Not all could be saved at the end" in caplog.messages
