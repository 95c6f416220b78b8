"""A waiting message that was thrown away comes back where it was."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.waiting_messages import REMOVE, WaitingMessages
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import ENDLESS, remember, titles, undo

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _throw_first_away(opened: OpenWindow) -> None:
    rows = opened.part(WaitingMessages, "waitingMessages")
    crosses = [
        each
        for each in rows.findChildren(QToolButton)
        if each.isVisible() and each.accessibleName() == REMOVE
    ]
    min(crosses, key=lambda each: each.mapTo(rows, each.pos()).y()).click()


def _waits(opened: OpenWindow) -> str:
    return opened.part(WaitingMessages, "waitingMessages").accessibleName()


def test_it_is_offered_in_its_chat_alone_and_waits_again_there(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    """The offer stood over other chats, and put the message before the draft of its own."""
    remember(ENDLESS)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.send("One")
        opened.until("answer", lambda: opened.is_answering)
        editor = opened.part(MessageEdit, "composer")
        for text in ("Two", "Three"):
            QTest.keyClicks(editor, text)
            QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("queue", lambda: _waits(opened) == "2 messages wait")
        QTest.keyClicks(editor, "half")
        opened.until("chat in the list", lambda: "One" in titles(opened))
        for _ in range(2):
            _throw_first_away(opened)
        QTest.mouseClick(opened.part(QToolButton, "stopButton"), Qt.MouseButton.LeftButton)
        opened.until("end", lambda: not opened.is_answering)
        opened.window.sidebar.new_chat.emit()
        opened.until("new chat", lambda: opened.window.composer.text == "")
        assert opened.notice == ""
        assert opened.window.notifications.undo_last()  # by Ctrl+Z
        assert opened.notice == "The message is back"
        opened.open_chat("One")
        opened.until("message", lambda: _waits(opened) == "1 message waits")
        assert opened.window.composer.text == "half"
        undo(opened)
        opened.until("messages", lambda: _waits(opened) == "2 messages wait")
        assert opened.window.composer.text == "half"
