"""A changed message that is given up, by one key maybe, can be had again."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import on_disk, open_chat

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _editor(opened: OpenWindow) -> MessageEdit | None:
    found = opened.window.chat_view.findChildren(MessageEdit)
    return next((each for each in found if each.isVisible()), None)


def _begin(opened: OpenWindow, message_id: str, typed: str) -> None:
    """Edit the message, type that, and press Esc."""
    opened.window.chat_view.edit_message(message_id)
    opened.until("editor", lambda: _editor(opened) is not None)
    editor = _editor(opened)
    assert editor is not None
    QTest.keyClicks(editor, typed)
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    opened.until("message", lambda: _editor(opened) is None)


def test_esc_takes_nothing_for_good(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    river, lake = (make_conversation(title, "Yes?", title=title) for title in ("River", "Lake"))
    on_disk(river, lake)
    (asked, _) = river.active_branch()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "River", "Yes?")
        _begin(opened, asked.id, "")
        assert opened.notice == ""
        _begin(opened, asked.id, " or pond")
        assert opened.notice == "Your change to the message was not sent"
        open_chat(opened, "Lake", "Lake")
        undo = opened.window.notifications.findChildren(QPushButton)
        next(each for each in undo if each.text() == "Undo").click()
        opened.until("editor", lambda: _editor(opened) is not None)
        editor = _editor(opened)
        assert editor is not None
        assert editor.toPlainText() == "River or pond"
        QTest.keyClicks(editor, "s")
        QTest.keyClick(editor, Qt.Key.Key_Escape)
        opened.until("message", lambda: _editor(opened) is None)
        composer = opened.part(MessageEdit, "composer")
        QTest.keyClick(composer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        opened.until("editor", lambda: _editor(opened) is not None)
        editor = _editor(opened)
        assert editor is not None
        assert editor.toPlainText() == "River or ponds"


def test_it_comes_back_where_its_message_is_far_away(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    """Nothing was to be seen of it until somebody scrolled there."""
    river = make_conversation(*(f"Text {number}. " * 20 for number in range(300)), title="River")
    on_disk(river)
    (asked, *_) = river.active_branch()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "River", "Text 299")
        view = opened.window.chat_view
        view.scroll_to_start()
        _begin(opened, asked.id, "More.")
        view.scroll_to_end()
        assert view.message_view(asked.id) is None
        undo = opened.window.notifications.findChildren(QPushButton)
        next(each for each in undo if each.text() == "Undo").click()
        opened.until("editor", lambda: _editor(opened) is not None)
        opened.until("chat", lambda: not view.is_working())
        editor = _editor(opened)
        assert editor is not None
        assert editor.toPlainText().endswith("Text 0. More.")
        assert editor.hasFocus()
        assert view.viewport().rect().contains(editor.mapTo(view, editor.rect().bottomRight()))
