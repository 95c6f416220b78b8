"""Who goes through the list of chats by the keyboard keeps the place there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.icons import Icons
from tests.chat.samples import make_conversation
from tests.ui.list_desk import ListDesk

CHATS = ["Sea", *(f"Old {number}" for number in range(6))]
NO_KEYS = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def desk(
    qtbot: QtBot, dressed_app: QApplication, icons: Icons, tmp_path: Path
) -> Iterator[ListDesk]:
    """`CHATS`, the newest first, all of long ago; the first is open."""
    chats = [
        make_conversation("Hi", title=title, updated_at=3000.0 - number)
        for number, title in enumerate(CHATS)
    ]
    with closing(ListDesk(qtbot, dressed_app, icons, tmp_path, chats)) as desk:
        desk.window.activateWindow()
        desk.window.sidebar.set_current(desk.on_disk()["Sea"])
        desk.view.setFocus()
        yield desk


def test_what_is_deleted_leaves_the_cursor_at_the_next(desk: ListDesk) -> None:
    """The arrows went on from the top of the list."""
    view = desk.view
    for _ in range(2):
        QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.currentIndex().data() == "Old 1"
    QTest.keyClick(view, Qt.Key.Key_Delete)
    desk.until(lambda: desk.lacks("Old 1"))
    assert (view.currentIndex().data(), view.hasFocus()) == ("Old 2", True)
    for _ in range(3):
        QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert [chat.title for chat in view.selected()] == ["Old 2", "Old 3", "Old 4", "Old 5"]
    QTest.keyClick(view, Qt.Key.Key_Delete)
    desk.until(lambda: desk.notice == "4 chats deleted")
    desk.until(lambda: desk.lacks("Old 5"))
    assert view.currentIndex().data() == "Old 0"  # there is none below
    desk.press("Undo")
    desk.until(lambda: desk.rows == ["Older", *(each for each in CHATS if each != "Old 1")])


def test_a_key_that_is_held_down_deletes_one(desk: ListDesk) -> None:
    QTest.keyClick(desk.view, Qt.Key.Key_Down)
    for is_repeated in (False, True, True):
        held = QKeyEvent(
            QKeyEvent.Type.KeyPress, Qt.Key.Key_Delete, NO_KEYS, "", autorep=is_repeated
        )
        QApplication.sendEvent(desk.view, held)
        desk.until(lambda: desk.lacks("Old 0"))
    assert list(desk.on_disk()) == ["Sea", *CHATS[2:]]
    assert desk.rows == ["Older", "Sea", *CHATS[2:]]
