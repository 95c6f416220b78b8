"""Finding, opening, renaming and deleting chats."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QLabel, QLineEdit, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_list import ChatListView
from minerva_desktop.ui.chat_row_painter import more_rect
from minerva_desktop.ui.chat_rows import chat_rows, date_groups
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.search_results import Found
from minerva_desktop.ui.sidebar import Sidebar
from tests.ui.parts import part

# What the offscreen platform says about every menu.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

NOW = datetime(2026, 3, 18, 15, 0).astimezone()


def chat(chat_id: str, title: str, **ago: float) -> ConversationSummary:
    updated_at = (NOW - timedelta(**ago)).timestamp()
    return ConversationSummary(id=chat_id, title=title, updated_at=updated_at, model=None)


CHATS = [
    chat("tides", "Tides", minutes=5),
    chat("lisbon", "Weekend in Lisbon", hours=20),
    chat("parser", "Unit tests for the parser", days=3),
    chat("birds", "Birds", days=90),
]


@pytest.fixture
def sidebar(qtbot: QtBot, icons: Icons) -> Sidebar:
    sidebar = Sidebar(icons)
    qtbot.addWidget(sidebar)
    sidebar.resize(sidebar.width(), 600)
    sidebar.set_rows(chat_rows(CHATS, now=NOW))
    with qtbot.waitExposed(sidebar):
        sidebar.show()
    return sidebar


def view(sidebar: Sidebar) -> ChatListView:
    return part(sidebar, ChatListView, "chatList")


def rows(sidebar: Sidebar) -> list[str]:
    model = view(sidebar).model()
    return [model.index(row, 0).data() for row in range(model.rowCount(QModelIndex()))]


def middle_of(sidebar: Sidebar, row: int) -> QPoint:
    return view(sidebar).visualRect(view(sidebar).model().index(row, 0)).center()


def put_cursor(sidebar: Sidebar, row: int) -> None:
    view(sidebar).setFocus()
    view(sidebar).setCurrentIndex(view(sidebar).model().index(row, 0))


def title_editor(sidebar: Sidebar) -> QLineEdit:
    found = view(sidebar).viewport().findChildren(QLineEdit)
    assert len(found) == 1
    return found[0]


def test_chats_stand_under_their_days(sidebar: Sidebar) -> None:
    assert rows(sidebar) == [
        "Today",
        "Tides",
        "Yesterday",
        "Weekend in Lisbon",
        "Previous 7 days",
        "Unit tests for the parser",
        "Older",
        "Birds",
    ]


def test_days_begin_at_midnight_and_not_a_day_ago() -> None:
    today, yesterday, week, older = date_groups(NOW)
    assert datetime.fromtimestamp(today.start).astimezone() == NOW.replace(hour=0)
    assert datetime.fromtimestamp(yesterday.start).astimezone().day == 17
    assert datetime.fromtimestamp(week.start).astimezone().day == 11
    assert (yesterday.end, week.end, older.end) == (today.start, yesterday.start, week.start)


def test_keyboard_moves_scroll_the_list(sidebar: Sidebar) -> None:
    sidebar.set_rows(chat_rows([chat(str(i), f"Chat {i}", minutes=i) for i in range(300)], now=NOW))
    view(sidebar).grab()
    put_cursor(sidebar, 1)
    for _ in range(40):
        QTest.keyClick(view(sidebar), Qt.Key.Key_Down)
    rect = view(sidebar).visualRect(view(sidebar).currentIndex())
    assert view(sidebar).currentIndex().row() == 41
    assert view(sidebar).viewport().rect().contains(rect)
    QTest.keyClick(view(sidebar), Qt.Key.Key_Home)
    assert view(sidebar).currentIndex().row() == 1
    assert view(sidebar).verticalScrollBar().value() == 0
    QTest.keyClick(view(sidebar), Qt.Key.Key_PageDown)
    assert view(sidebar).currentIndex().row() > 8


def test_a_click_opens(qtbot: QtBot, sidebar: Sidebar) -> None:
    with qtbot.waitSignal(sidebar.opened) as opened:
        QTest.mouseClick(
            view(sidebar).viewport(), Qt.MouseButton.LeftButton, pos=middle_of(sidebar, 3)
        )
    assert opened.args == ["lisbon", ""]
    with qtbot.assertNotEmitted(sidebar.opened):
        QTest.mouseClick(
            view(sidebar).viewport(), Qt.MouseButton.LeftButton, pos=middle_of(sidebar, 2)
        )


def test_arrows_pass_headings_and_enter_opens(qtbot: QtBot, sidebar: Sidebar) -> None:
    put_cursor(sidebar, 1)
    with qtbot.assertNotEmitted(sidebar.opened):
        QTest.keyClick(view(sidebar), Qt.Key.Key_Down)
    with qtbot.waitSignal(sidebar.opened) as opened:
        QTest.keyClick(view(sidebar), Qt.Key.Key_Return)
    assert opened.args == ["lisbon", ""]


def test_f2_renames_in_place(qtbot: QtBot, sidebar: Sidebar) -> None:
    put_cursor(sidebar, 1)
    QTest.keyClick(view(sidebar), Qt.Key.Key_F2)
    editor = title_editor(sidebar)
    assert editor.text() == "Tides"
    editor.selectAll()
    QTest.keyClicks(editor, "  How tides  work ")
    with qtbot.waitSignal(sidebar.chat_actions.rename) as renamed:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert renamed.args == ["tides", "How tides work"]
    assert rows(sidebar)[1] == "How tides work"


def test_escape_and_an_empty_title_rename_nothing(qtbot: QtBot, sidebar: Sidebar) -> None:
    put_cursor(sidebar, 1)
    with qtbot.assertNotEmitted(sidebar.chat_actions.rename):
        QTest.keyClick(view(sidebar), Qt.Key.Key_F2)
        QTest.keyClicks(title_editor(sidebar), "something")
        QTest.keyClick(title_editor(sidebar), Qt.Key.Key_Escape)
        QApplication.sendPostedEvents(None, 0)
        view(sidebar).setFocus()
        sidebar.edit_name("lisbon")
        editor = view(sidebar).viewport().findChildren(QLineEdit)[-1]
        editor.clear()
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert rows(sidebar)[1:4] == ["Tides", "Yesterday", "Weekend in Lisbon"]


def test_new_rows_wait_until_the_title_is_typed(qtbot: QtBot, sidebar: Sidebar) -> None:
    sidebar.edit_name("tides")
    editor = title_editor(sidebar)
    editor.selectAll()
    QTest.keyClicks(editor, "Moon")
    sidebar.set_rows(chat_rows([chat("new", "Brand new", minutes=1), *CHATS], now=NOW))
    assert editor.text() == "Moon"
    with qtbot.waitSignal(sidebar.chat_actions.rename) as renamed:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert renamed.args == ["tides", "Moon"]
    qtbot.waitUntil(lambda: rows(sidebar)[1] == "Brand new")


def test_delete_asks_the_window(qtbot: QtBot, sidebar: Sidebar) -> None:
    put_cursor(sidebar, 5)
    with qtbot.waitSignal(sidebar.chat_actions.delete) as deleted:
        QTest.keyClick(view(sidebar), Qt.Key.Key_Delete)
    assert deleted.args == [["parser"]]
    assert "Unit tests for the parser" in rows(sidebar)  # until the window says so


def test_a_menu_opens_where_it_was_asked_for(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    row = target.visualRect(target.model().index(1, 0))
    pointer = row.topLeft() + QPoint(20, 8)
    target.setCurrentIndex(target.model().index(1, 0))
    for reason, place in (("Mouse", pointer), ("Keyboard", row.bottomLeft())):
        event = QContextMenuEvent(
            QContextMenuEvent.Reason[reason], pointer, target.viewport().mapToGlobal(pointer)
        )
        QApplication.sendEvent(target.viewport(), event)
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        assert menu.pos() == target.viewport().mapToGlobal(place)
        menu.close()


def test_more_button_opens_the_menu_and_not_the_chat(qtbot: QtBot, sidebar: Sidebar) -> None:
    target = view(sidebar)
    more = more_rect(target.visualRect(target.model().index(1, 0))).center()
    with qtbot.assertNotEmitted(sidebar.opened):
        QTest.mouseClick(target.viewport(), Qt.MouseButton.LeftButton, pos=more)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts == [
        "Rename",
        "Pin",
        "Move to folder",
        "Tags…",
        "Duplicate",
        "Export…",
        "Archive",
        "Delete",
    ]
    with qtbot.waitSignal(sidebar.chat_actions.delete) as deleted:
        menu.actions()[-1].trigger()
    assert deleted.args == [["tides"]]
    menu.close()


def test_search_is_reported_once_after_typing(qtbot: QtBot, sidebar: Sidebar) -> None:
    search = part(sidebar, QLineEdit, "chatSearch")
    reported: list[str] = []
    sidebar.search_changed.connect(reported.append)
    QTest.keyClicks(search, "lis")
    assert reported == []
    qtbot.waitUntil(lambda: reported == ["lis"])
    with qtbot.waitSignal(sidebar.search_changed) as cleared:
        QTest.keyClick(search, Qt.Key.Key_Escape)
    assert cleared.args == [""]


def test_down_goes_from_the_search_to_the_first_hit(qtbot: QtBot, sidebar: Sidebar) -> None:
    sidebar.focus_search()
    search = part(sidebar, QLineEdit, "chatSearch")
    QTest.keyClick(search, Qt.Key.Key_Down)
    assert view(sidebar).hasFocus()
    with qtbot.waitSignal(sidebar.opened) as opened:
        QTest.keyClick(view(sidebar), Qt.Key.Key_Return)
    assert opened.args == ["tides", ""]


def test_emptiness_is_explained(sidebar: Sidebar) -> None:
    sidebar.set_rows(chat_rows([]))
    assert any(label.text() == "No chats yet" for label in sidebar.findChildren(QLabel))
    sidebar.show_found("<b>zebra", Found([], "Nothing found for “<b>zebra”"), is_new=True)
    texts = [label.text() for label in sidebar.findChildren(QLabel) if label.isVisible()]
    assert texts == ["Nothing found for “<b>zebra”"]


def test_open_chat_is_marked(sidebar: Sidebar) -> None:
    sidebar.set_current("lisbon")
    model = view(sidebar).model()
    spoken = model.index(3, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Weekend in Lisbon, open"
    sidebar.set_current(None)
    assert model.index(3, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "Weekend in Lisbon"


def test_titles_are_plain_text(sidebar: Sidebar) -> None:
    sidebar.set_rows(
        chat_rows([chat("x", "<img src='/dev/zero'>\nsecond line", minutes=1)], now=NOW)
    )
    assert rows(sidebar)[1] == "<img src='/dev/zero'> second line"
    tip = view(sidebar).model().index(1, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "<img" not in tip


def test_refresh_keeps_the_scroll_position_and_the_cursor(sidebar: Sidebar) -> None:
    many = [chat(str(i), f"Chat {i}", minutes=i) for i in range(300)]
    sidebar.set_rows(chat_rows(many, now=NOW))
    view(sidebar).grab()
    put_cursor(sidebar, 150)
    view(sidebar).verticalScrollBar().setValue(4000)
    sidebar.set_rows(chat_rows(many, now=NOW))
    view(sidebar).grab()
    assert view(sidebar).verticalScrollBar().value() == 4000
    assert view(sidebar).currentIndex().row() == 150


def test_ten_thousand_chats_are_quick(sidebar: Sidebar) -> None:
    many = [chat(str(i), f"Chat number {i}", minutes=i) for i in range(10_000)]
    started = time.process_time()
    sidebar.set_rows(chat_rows(many, now=NOW))
    sidebar.set_current("9000")
    view(sidebar).grab()
    assert time.process_time() - started < 5.0
    assert view(sidebar).state() == QAbstractItemView.State.NoState


def test_new_chat_and_collapsing(qtbot: QtBot, sidebar: Sidebar) -> None:
    button = part(sidebar, QPushButton, "newChatButton")
    with qtbot.waitSignal(sidebar.new_chat):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    sidebar.toggle_action.trigger()
    assert not sidebar.isVisible()
    sidebar.focus_search()
    assert sidebar.isVisible()
