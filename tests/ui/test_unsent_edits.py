"""Messages that were changed in their place and not sent, when their chat or the window goes."""

from __future__ import annotations

import gc
from contextlib import closing

import apsw
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import (
    SHORT,
    answered,
    from_disk,
    on_disk,
    open_chat,
    remember,
    undo,
)

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _editor(opened: OpenWindow) -> MessageEdit:
    def found() -> list[MessageEdit]:
        editors = opened.window.chat_view.findChildren(MessageEdit)
        return [each for each in editors if each.isVisible()]

    opened.until("editor", lambda: bool(found()))
    return found()[0]


def _type(opened: OpenWindow, message_id: str, typed: str) -> None:
    opened.window.chat_view.edit_message(message_id)
    QTest.keyClicks(_editor(opened), typed)


def _draft_on_disk(chat_id: str) -> str:
    """Beside the app that has the chats open."""
    with closing(apsw.Connection(str(app_paths().database), apsw.SQLITE_OPEN_READONLY)) as chats:
        return str(chats.execute("SELECT draft FROM conversations WHERE id = ?", (chat_id,)).get)


def test_the_window_closes_on_them(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    """All of them were gone without a word."""
    river, lake = (make_conversation(name, f"A {name}?", title=name) for name in ("River", "Lake"))
    sea = make_conversation("Sea\N{NO-BREAK SPACE}level", "A Sea?", title="Sea")  # stays as it is
    lake.draft = "Lakes are deep"  # begins as the edit does, and is not it
    river.draft, river.draft_files = "And then?", (FilePart("a.md", "# A", 3),)
    on_disk(river, lake, sea)
    asked = {chat.title: chat.active_branch()[0].id for chat in (river, lake, sea)}
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Sea", "A Sea?")
        _type(opened, asked["Sea"], "")
        open_chat(opened, "River", "A River?")
        _type(opened, asked["River"], " or pond")
        open_chat(opened, "Lake", "A Lake?")
        open_chat(opened, "River", "A River?")
        assert _editor(opened).toPlainText() == "River or pond"
        open_chat(opened, "Lake", "A Lake?")
        _type(opened, asked["Lake"], "s")
    assert from_disk(lake.id).draft == "Lakes\n\nLakes are deep"
    kept = from_disk(river.id)
    assert (kept.draft, kept.draft_files) == ("River or pond\n\nAnd then?", river.draft_files)
    assert from_disk(sea.id).draft == ""
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("draft", lambda: opened.window.composer.text.startswith("Lakes\n\n"))
    assert from_disk(lake.id).draft == "Lakes\n\nLakes are deep"


def test_the_app_dies_on_them(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    """They are on disk before the draft while they are typed, and go from there with the edit."""
    river, lake = (make_conversation(name, f"A {name}?", title=name) for name in ("River", "Lake"))
    river.draft = "And then?"
    on_disk(river, lake)
    asked = river.active_branch()[0].id
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "River", "A River?")
        _type(opened, asked, " or pond")
        both = "River or pond\n\nAnd then?"
        opened.until("what is changed on disk", lambda: _draft_on_disk(river.id) == both)
        open_chat(opened, "Lake", "A Lake?")
        gc.collect()
        open_chat(opened, "River", "A River?")
        assert _editor(opened).toPlainText() == "River or pond"
        assert opened.window.composer.text == "And then?"
        opened.window.composer.set_text("And where to?")
        both = "River or pond\n\nAnd where to?"
        opened.until("the draft behind it", lambda: _draft_on_disk(river.id) == both)
        QTest.keyClick(_editor(opened), Qt.Key.Key_Escape)
        opened.until("the draft alone", lambda: _draft_on_disk(river.id) == "And where to?")


def test_one_of_a_temporary_chat_is_told(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    remember(SHORT)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        view = opened.window.chat_view
        opened.window.new_temporary_chat.emit()
        opened.send("A secret")
        answered(opened, 2)
        asked = view.messages.messages[0].id
        _type(opened, asked, "")
        assert not opened.window.must_stay()
        _type(opened, asked, " or two")
        assert not opened.window.close()
        told = "nothing of a temporary chat is kept, and 1 changed message is not sent."
        assert opened.notice == f"Minerva is still open: {told}"
        opened.window.sidebar.new_chat.emit()
        told = "The temporary chat is closed (1 changed message is not sent)."
        assert opened.notice == f"{told} Nothing of it is kept."
        opened.window.notifications.action_triggered.emit("temporary-go-back")
        assert _editor(opened).toPlainText() == "A secret or two"
        opened.window.sidebar.new_chat.emit()


def test_a_deleted_chat_comes_back_with_one_of_each(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    """It was in the editor and in the composer."""
    river = make_conversation("River", "A River?", title="River")
    river.draft = "And then?"
    on_disk(river)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "River", "A River?")
        _type(opened, river.active_branch()[0].id, " or pond")
        both = "River or pond\n\nAnd then?"
        opened.until("what is changed on disk", lambda: _draft_on_disk(river.id) == both)
        QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
        opened.until("notice", lambda: opened.notice == "Chat deleted")
        assert _draft_on_disk(river.id) == "And then?"
        undo(opened)
        opened.until("chat", lambda: opened.window.composer.text == "And then?")
        assert _editor(opened).toPlainText() == "River or pond"
        opened.until("both on disk again", lambda: _draft_on_disk(river.id) == both)
    assert from_disk(river.id).draft == both
