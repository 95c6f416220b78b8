"""What cannot be done while an answer is written is said, and no longer once the answer is over."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.message_actions import BUSY_DELETING
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_that_an_answer_is_still_written_is_said_until_it_ends(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.let_answers_go_on()
        opened.send("Count")
        opened.until("answer", lambda: opened.is_answering and opened.speed != "")
        question, _ = sorted(opened.window.findChildren(MessageView), key=MessageView.y)
        events = opened.window.chat_view.events
        events.action_requested.emit(question.message.id, MessageAction.DELETE, QPoint())
        opened.until("refusal", lambda: opened.notice == BUSY_DELETING)
        opened.window.chat_view.edit_message(question.message.id)
        send = next(
            each for each in question.findChildren(QPushButton) if each.accessibleName() == "Send"
        )
        assert not send.isEnabled()
        assert "Stop it, or send your change after it." in send.toolTip()
        editor = part(opened.window, MessageEdit, "messageEdit")
        QTest.keyClicks(editor, "!")
        assert not send.isEnabled()
        QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("advice", lambda: "send your change after it" in opened.notice)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)
        assert opened.notice == ""
        assert send.isEnabled()
        assert "after it" not in send.toolTip()
        send.click()
        opened.until("another answer", lambda: opened.is_answering)
        assert opened.transcript.startswith("Count!")
