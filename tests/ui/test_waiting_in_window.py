"""Messages that wait for an answer, in the whole window: none of them is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import ENDLESS, remember, titles, undo

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def waiting(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> Iterator[OpenWindow]:
    """An answer that runs on and on, two messages that wait for it, and half of a third."""
    remember(ENDLESS)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.send("One")
        opened.until("answer", lambda: opened.is_answering)
        editor = opened.part(MessageEdit, "composer")
        for text in ("Two", "Three"):
            QTest.keyClicks(editor, text)
            QTest.keyClick(editor, Qt.Key.Key_Return)
            opened.until("place in the queue", lambda: opened.window.composer.text == "")
        QTest.keyClicks(editor, "half")
        yield opened


def test_they_come_back_with_their_deleted_chat(waiting: OpenWindow) -> None:
    opened = waiting
    opened.until("chat in the list", lambda: "One" in titles(opened))
    opened.open_chat("One")
    QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
    opened.until("notice", lambda: opened.notice == "Chat deleted")
    assert opened.window.composer.text == ""
    undo(opened)
    opened.until("draft", lambda: opened.window.composer.text == "Two\n\nThree\n\nhalf")
    assert not opened.is_answering
