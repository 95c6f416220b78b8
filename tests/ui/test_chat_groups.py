"""Folders in the list of chats, several chosen chats, and drags, by keys and by mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QByteArray, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFontMetrics,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ConversationSummary, Folder
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_list import MIME_TYPE, ChatListView
from minerva_desktop.ui.chat_list_model import ChatListModel
from minerva_desktop.ui.chat_row_painter import fitted
from minerva_desktop.ui.chat_rows import FolderRow, Place, chat_rows, days_left, trash_rows
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.sidebar import Sidebar
from tests.ui.parts import colour_at, part

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
NO_KEYS = Qt.KeyboardModifier.NoModifier
FOLDERS = (Folder(id="home", name="Home"), Folder(id="work", name="Work"))


def chat(chat_id: str, **changes: object) -> ConversationSummary:
    summary = ConversationSummary(id=chat_id, title=chat_id.upper(), updated_at=0.0, model=None)
    return replace(summary, **changes)


# Rows: Pinned, A, Folders, Home, B, C, Work, Older, D, E
CHATS = (
    chat("a", is_pinned=True, folder_id="home"),
    chat("b", folder_id="home"),
    chat("c", folder_id="home", tags=("x", "y")),
    chat("d"),
    chat("e", folder_id="gone"),
)


@pytest.fixture
def sidebar(qtbot: QtBot, icons: Icons) -> Sidebar:
    sidebar = Sidebar(icons)
    qtbot.addWidget(sidebar)
    sidebar.resize(sidebar.width(), 600)
    sidebar.set_rows(chat_rows(CHATS, FOLDERS))
    with qtbot.waitExposed(sidebar):
        sidebar.show()
    return sidebar


def view(sidebar: Sidebar) -> ChatListView:
    return part(sidebar, ChatListView, "chatList")


def rows(sidebar: Sidebar) -> list[str]:
    model = view(sidebar).model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def middle_of(sidebar: Sidebar, title: str) -> QPoint:
    row = rows(sidebar).index(title)
    return view(sidebar).visualRect(view(sidebar).model().index(row, 0)).center()


def click(sidebar: Sidebar, title: str, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
    place = middle_of(sidebar, title)
    QTest.mouseClick(view(sidebar).viewport(), Qt.MouseButton.LeftButton, keys, place)


def chosen(sidebar: Sidebar) -> str:
    return "".join(chat.id for chat in view(sidebar).chosen())


def cursor(sidebar: Sidebar) -> str:
    return str(view(sidebar).currentIndex().data())


def test_groups_stand_in_their_order(sidebar: Sidebar) -> None:
    assert rows(sidebar) == ["Pinned", "A", "Folders", "Home", "B", "C", "Work", "Older", "D", "E"]
    closed = chat_rows(CHATS, FOLDERS, ["home"])
    assert closed.rows[3] == FolderRow(FOLDERS[0], 2, is_open=False)
    sidebar.set_rows(closed)
    assert rows(sidebar) == ["Pinned", "A", "Folders", "Home", "Work", "Older", "D", "E"]


def test_arrows_open_close_and_leave_folders(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    target.setFocus()
    click(sidebar, "C")
    QTest.keyClick(target, Qt.Key.Key_Left)
    assert cursor(sidebar) == "Home"
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Return, Qt.Key.Key_Space):
        with qtbot.waitSignal(sidebar.folder_toggled) as toggled:
            QTest.keyClick(target, key)
        assert toggled.args == ["home", False]
    with qtbot.assertNotEmitted(sidebar.folder_toggled):
        QTest.keyClick(target, Qt.Key.Key_Right)
    sidebar.set_rows(chat_rows(CHATS, FOLDERS, ["home"]))
    assert cursor(sidebar) == "Home"
    with qtbot.waitSignal(sidebar.folder_toggled) as toggled:
        QTest.keyClick(target, Qt.Key.Key_Right)
    assert toggled.args == ["home", True]


def test_a_folder_is_renamed_and_deleted_by_keys(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    sidebar.edit_name("work")
    (editor,) = target.viewport().findChildren(QLineEdit)
    assert editor.accessibleName() == "Name of the folder"
    QTest.keyClicks(editor, "J")
    editor.insert("\u202eob")
    with qtbot.waitSignal(sidebar.chat_actions.rename_folder) as renamed:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert renamed.args == ["work", "Job"]
    with qtbot.waitSignal(sidebar.chat_actions.delete_folder) as deleted:
        QTest.keyClick(target, Qt.Key.Key_Delete)
    assert deleted.args == ["work"]


def test_several_are_chosen_with_ctrl_shift_and_all(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    target.setFocus()
    click(sidebar, "B")
    with qtbot.assertNotEmitted(sidebar.opened):
        click(sidebar, "D", CONTROL)
        assert chosen(sidebar) == "bd"
        click(sidebar, "B", CONTROL)
        assert chosen(sidebar) == "d"
        click(sidebar, "A", SHIFT)
    QTest.keyClick(target, Qt.Key.Key_A, CONTROL)
    assert chosen(sidebar) == "abcde"
    QTest.keyClick(target, Qt.Key.Key_Escape)
    assert len(chosen(sidebar)) == 1
    click(sidebar, "B")
    QTest.keyClick(target, Qt.Key.Key_Down, SHIFT)
    assert chosen(sidebar) == "bc"
    with qtbot.waitSignal(sidebar.opened) as opened:
        click(sidebar, "E")
    assert (opened.args, chosen(sidebar)) == (["e", ""], "e")


def test_shift_click_takes_what_is_between(sidebar: Sidebar) -> None:
    click(sidebar, "A")
    click(sidebar, "D", SHIFT)
    assert chosen(sidebar) == "abcd"


def test_new_rows_keep_what_is_chosen(sidebar: Sidebar) -> None:
    click(sidebar, "A")
    for title in ("C", "E"):
        click(sidebar, title, CONTROL)
    sidebar.set_rows(chat_rows([chat("new"), *CHATS[1:]], FOLDERS))
    assert chosen(sidebar) == "ce"
    sidebar.set_rows(trash_rows(CHATS))
    assert sidebar.place is Place.TRASH
    assert len(view(sidebar).selected()) <= 1


def test_only_several_chosen_rows_are_tinted(sidebar: Sidebar) -> None:
    click(sidebar, "B")
    corner = middle_of(sidebar, "D") + QPoint(60, 0)
    plain = colour_at(view(sidebar).viewport(), corner)
    click(sidebar, "D")
    QTest.mouseMove(view(sidebar).viewport(), QPoint(1, 590))
    view(sidebar)._pointer = None
    assert colour_at(view(sidebar).viewport(), corner) == plain
    click(sidebar, "B", CONTROL)
    view(sidebar)._pointer = None
    assert colour_at(view(sidebar).viewport(), corner) != plain


def test_the_menu_is_for_all_that_are_chosen(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    target.setFocus()
    click(sidebar, "B")
    click(sidebar, "C", CONTROL)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(1, 1), QPoint(1, 1))
    QApplication.sendEvent(target.viewport(), event)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts == [
        "Pin 2 chats",
        "Move to folder",
        "Tags of 2 chats…",
        "Export 2 chats…",
        "Archive 2 chats",
        "Delete 2 chats",
    ]
    with qtbot.waitSignal(sidebar.chat_actions.archive) as archived:
        menu.actions()[-2].trigger()
    assert archived.args == [["b", "c"], True]
    menu.close()


def test_what_is_typed_in_the_list_is_searched_for(qtbot: QtBot, sidebar: Sidebar) -> None:
    search = part(sidebar, QLineEdit, "chatSearch")
    view(sidebar).setFocus()
    with qtbot.waitSignal(sidebar.search_changed) as searched:
        QTest.keyClick(view(sidebar), Qt.Key.Key_S)
        QTest.keyClicks(search, "alt")
    assert searched.args == ["salt"]


@pytest.mark.parametrize("end", [" (copy)", " (branch)"])
def test_a_long_title_still_tells_a_copy(qapp: QApplication, end: str) -> None:
    metrics = QFontMetrics(qapp.font())
    shown = fitted("How to bake bread at home with a starter" + end, metrics, 160)
    assert shown.startswith("How")
    assert shown.endswith("…" + end)
    assert metrics.horizontalAdvance(shown) <= 160
    assert fitted("Bread" + end, metrics, 160) == "Bread" + end


# -- drags -------------------------------------------------------------------------------------


def drag(target: ChatListView, data: QMimeData, place: QPoint) -> bool:
    """Drag ``data`` there and let it go; whether it was taken."""
    return _drag_onto(target.viewport(), data, place)


def _drag_onto(target: QWidget, data: QMimeData, place: QPoint) -> bool:
    both = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction
    left = Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(place, both, data, left, NO_KEYS)
    QApplication.sendEvent(target, enter)
    if not enter.isAccepted():
        return False
    drop = QDropEvent(QPointF(place), both, data, left, NO_KEYS)
    QApplication.sendEvent(target, drop)
    return drop.isAccepted()


@pytest.mark.parametrize(
    ("title", "folder_id"), [("Work", "work"), ("Home", "home"), ("B", "home"), ("D", "")]
)
def test_chats_are_dropped_into_folders_and_out(
    qtbot: QtBot, sidebar: Sidebar, title: str, folder_id: str
) -> None:
    data = QMimeData()
    data.setData(MIME_TYPE, QByteArray(b"d\ne"))
    with qtbot.waitSignal(sidebar.chat_actions.move) as moved:
        assert drag(view(sidebar), data, middle_of(sidebar, title))
    assert moved.args == [["d", "e"], folder_id]


@pytest.mark.parametrize("title", ["Pinned", "A"])
def test_chats_are_dropped_onto_the_pinned_ones(qtbot: QtBot, sidebar: Sidebar, title: str) -> None:
    data = QMimeData()
    data.setData(MIME_TYPE, QByteArray(b"d\ne"))
    with qtbot.waitSignal(sidebar.chat_actions.pin) as pinned:
        assert drag(view(sidebar), data, middle_of(sidebar, title))
    assert pinned.args == [["d", "e"], True]


def test_chats_are_dropped_into_the_archive_and_the_trash(qtbot: QtBot, sidebar: Sidebar) -> None:
    archive, trash = (part(sidebar, QPushButton, f"{each}Button") for each in ("archive", "trash"))
    data, files = QMimeData(), QMimeData()
    data.setData(MIME_TYPE, QByteArray(b"d\ne"))
    files.setUrls([QUrl.fromLocalFile("/models/tiny.gguf")])
    with qtbot.waitSignal(sidebar.chat_actions.archive) as archived:
        assert _drag_onto(archive, data, QPoint(8, 8))
    assert archived.args == [["d", "e"], True]
    with qtbot.waitSignal(sidebar.chat_actions.delete) as deleted:
        assert _drag_onto(trash, data, QPoint(8, 8))
    assert deleted.args == [["d", "e"]]
    assert not _drag_onto(trash, files, QPoint(8, 8))
    sidebar.set_rows(trash_rows([chat("x")]))
    assert (archive.acceptDrops(), trash.acceptDrops()) == (False, False)


def test_nothing_is_dropped_beside_the_rows(qtbot: QtBot, sidebar: Sidebar) -> None:
    data = QMimeData()
    data.setData(MIME_TYPE, QByteArray(b"d"))
    with qtbot.assertNotEmitted(sidebar.chat_actions.move):
        assert not drag(view(sidebar), data, QPoint(20, 560))


def test_the_list_scrolls_under_a_drag_at_its_edge(qtbot: QtBot, sidebar: Sidebar) -> None:
    sidebar.set_rows(chat_rows([chat(str(n)) for n in range(300)]))
    target, data = view(sidebar), QMimeData()
    target.grab()
    data.setData(MIME_TYPE, QByteArray(b"d"))
    edge = QPoint(60, target.viewport().height() - 4)
    hold = (edge, Qt.DropAction.MoveAction, data, Qt.MouseButton.LeftButton, NO_KEYS)
    QApplication.sendEvent(target.viewport(), QDragEnterEvent(*hold))
    QApplication.sendEvent(target.viewport(), QDragMoveEvent(*hold))
    qtbot.waitUntil(lambda: target.verticalScrollBar().value() > 5)
    QApplication.sendEvent(target.viewport(), QDragLeaveEvent())
    reached = target.verticalScrollBar().value()
    target.grab()
    assert target.verticalScrollBar().value() == reached


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """Not in the test itself: it has to outlive that, until it is closed."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    return window


def test_a_file_over_the_list_is_the_windows(qtbot: QtBot, window: MainWindow) -> None:
    window.sidebar.set_rows(chat_rows(CHATS, FOLDERS))
    window.show()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/models/tiny.gguf")])
    place = middle_of(window.sidebar, "D")
    with qtbot.waitSignal(window.files_dropped) as dropped:
        drag(view(window.sidebar), data, place)
    assert dropped.args == [[Path("/models/tiny.gguf")]]


# -- cost and words ----------------------------------------------------------------------------


def test_ten_thousand_chats_cost_what_is_seen(
    sidebar: Sidebar, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("rowCount", "data", "flags"):
        real = getattr(ChatListModel, name)

        def counted(*arguments: object, real: object = real, name: str = name) -> object:
            asked.append(name)
            return real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(ChatListModel, name, counted)
    many = chat_rows([chat(str(n)) for n in range(10_000)])
    sidebar.set_rows(many)
    sidebar.set_current("9000")
    view(sidebar).grab()
    QTest.keyClick(view(sidebar), Qt.Key.Key_A, CONTROL)
    view(sidebar).grab()
    sidebar.set_rows(many)
    view(sidebar).grab()
    assert len(view(sidebar).selected()) == 10_000
    assert len(asked) < 2_000  # one question per row would be 10,000, Qt's own list asks 2


def test_the_days_that_are_left() -> None:
    now = 100 * 24 * 3600.0
    assert days_left(chat("a", deleted_at=now), now) == "30 days"
    assert days_left(chat("a", deleted_at=now - 28.5 * 24 * 3600), now) == "2 days"
    assert days_left(chat("a", deleted_at=now - 29.5 * 24 * 3600), now) == "1 day"
    assert days_left(chat("a", deleted_at=now - 40 * 24 * 3600), now) == "0 days"
