"""Ctrl+Z takes back what was attached, taken out, written or deleted in the order in which that was
done, wherever the keyboard is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import on_disk, titles, undo

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

OpenApp = Callable[..., OpenWindow]


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog) -> OpenApp:
    """Starts the app."""
    return partial(OpenWindow, qtbot, dressed_app, small_catalog)


def names(opened: OpenWindow) -> list[str]:
    return [file.name for file in opened.window.composer.files]


@pytest.mark.parametrize("in_field", [True, False])
def test_ctrl_z_brings_a_removed_file_back(
    open_app: OpenApp, tmp_path: Path, *, in_field: bool
) -> None:
    """From outside the field it opened another chat, for something older; and the notice stayed,
    whose Undo did nothing."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    on_disk(make_conversation("One", "1", title="Hills"))
    with closing(open_app()) as opened:
        opened.until("chat", lambda: titles(opened) == ["Hills"])
        opened.open_chat("Hills")
        opened.until("text", lambda: "One" in opened.transcript)
        QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
        opened.until("notice", lambda: opened.notice == "Chat deleted")
        opened.drop(tmp_path / "a.txt", tmp_path / "b.txt")
        opened.until("files", lambda: names(opened) == ["a.txt", "b.txt"])
        editor = opened.part(MessageEdit, "composer")
        focused = editor if in_field else opened.part(QListView, "chatList")
        focused.setFocus()
        opened.window.composer.attachments.remove(opened.window.composer.attachments.items[0].id)
        assert opened.notice == "a.txt removed"
        QTest.keyClick(focused, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert names(opened) == ["a.txt", "b.txt"]
        assert opened.notice == "Chat deleted"
        assert QApplication.focusWidget() is editor
        for _ in range(3):  # the files that were added, and not the chat: who holds it stops there
            QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert (names(opened), opened.notice) == ([], "Chat deleted")
        QTest.keyClick(focused, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert opened.notice == ("Chat deleted" if in_field else "Undone: Chat deleted")


def test_what_the_notice_undid_is_no_change_that_ctrl_z_undoes(
    open_app: OpenApp, tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    with closing(open_app()) as opened:
        opened.drop(tmp_path / "a.txt", tmp_path / "b.txt")
        opened.until("files", lambda: names(opened) == ["a.txt", "b.txt"])
        opened.window.composer.attachments.remove(opened.window.composer.attachments.items[0].id)
        undo(opened)
        opened.until("file", lambda: names(opened) == ["a.txt", "b.txt"])  # in its place
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert names(opened) == ["a.txt"]  # it was added last


def test_ctrl_z_goes_back_in_the_order_of_what_was_done(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    on_disk(make_conversation("One", "1", title="Hills"))
    with closing(open_app()) as opened:
        opened.until("chat", lambda: titles(opened) == ["Hills"])
        editor, chats = opened.part(MessageEdit, "composer"), opened.part(QListView, "chatList")
        opened.drop(tmp_path / "a.txt")
        opened.until("file", lambda: names(opened) == ["a.txt"])
        QTest.keyClicks(editor, "Hi")
        chats.setCurrentIndex(chats.model().index(1, 0))
        QTest.keyClick(chats, Qt.Key.Key_Delete)
        opened.until("deletion", lambda: titles(opened) == [])
        QTest.keyClicks(editor, " there")
        opened.window.composer.attachments.remove(opened.window.composer.attachments.items[0].id)
        seen = []
        for _ in range(5):
            QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
            QApplication.processEvents()
            seen.append((editor.toPlainText(), names(opened), opened.notice[:6]))
        assert seen == [
            ("Hi there", ["a.txt"], "Chat d"),
            ("Hi", ["a.txt"], "Chat d"),
            ("Hi", ["a.txt"], "Undone"),
            ("", ["a.txt"], "Undone"),
            ("", [], "Undone"),
        ]
        opened.until("chat", lambda: titles(opened) == ["Hills"])
