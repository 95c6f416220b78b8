"""What is painted after a list was scrolled: looked at on the screen, for a grab paints anew."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QByteArray, QEvent, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QHoverEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_search import FoundChat
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_list import MIME_TYPE, ChatListView
from minerva_desktop.ui.chat_rows import chat_rows
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.row_view import RowView
from minerva_desktop.ui.search_results import Found, SearchResults
from minerva_desktop.ui.sidebar import Sidebar
from tests.ui.parts import part

NOW = datetime(2026, 3, 18, 15, 0).astimezone()


def chats() -> list[ConversationSummary]:
    times = [(NOW - timedelta(minutes=each)).timestamp() for each in range(100)]
    return [
        ConversationSummary(id=str(n), title=f"Chat {n}", updated_at=time, model=None)
        for n, time in enumerate(times)
    ]


@pytest.fixture
def sidebar(qtbot: QtBot, icons: Icons) -> Sidebar:
    sidebar = Sidebar(icons)
    qtbot.addWidget(sidebar)
    sidebar.resize(sidebar.width(), 600)
    sidebar.set_rows(chat_rows(chats(), now=NOW))
    with qtbot.waitExposed(sidebar):
        sidebar.show()
    return sidebar


def on_screen(view: RowView) -> QImage:
    """What was painted of ``view`` up to now."""
    QApplication.processEvents()
    window, place = view.window(), view.viewport().mapTo(view.window(), QPoint())
    size = view.viewport().size()
    screen = window.screen()
    shown = screen.grabWindow(
        window.winId(), place.x(), place.y(), size.width(), size.height()
    ).toImage()
    return shown.convertToFormat(QImage.Format.Format_RGB32)


def painted_anew(view: RowView) -> QImage:
    view.viewport().update()
    return on_screen(view)


def scroll(view: RowView, to: int) -> None:
    before = on_screen(view)
    view.verticalScrollBar().setValue(to)
    shown = on_screen(view)
    assert shown != before
    assert shown == painted_anew(view)


def test_scrolled_chats_are_the_ones_seen(sidebar: Sidebar) -> None:
    view = part(sidebar, ChatListView, "chatList")
    for place in (13, 300, 90, view.verticalScrollBar().maximum()):
        scroll(view, place)


def test_scrolled_results_are_the_ones_seen(sidebar: Sidebar) -> None:
    view = part(sidebar, SearchResults, "searchResults")
    sidebar.show_found("Chat", Found(tuple(FoundChat(each) for each in chats())), is_new=True)
    for place in (13, 300, 90):
        scroll(view, place)


def test_the_row_that_scrolls_below_the_pointer_is_the_marked_one(sidebar: Sidebar) -> None:
    view = part(sidebar, ChatListView, "chatList")
    place = QPointF(60, 100)
    enter = QHoverEvent(QEvent.Type.HoverEnter, place, QPointF(place), QPointF(-1, -1))
    QApplication.sendEvent(view.viewport(), enter)
    painted_anew(view)
    for at in (10, 40, 33):
        scroll(view, at)


def test_a_name_that_is_edited_scrolls_with_its_row(sidebar: Sidebar) -> None:
    view = part(sidebar, ChatListView, "chatList")
    index = view.model().index(5, 0)
    view.setCurrentIndex(index)
    view.edit(index)
    editor = view.viewport().findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    before = editor.y()
    view.verticalScrollBar().setValue(50)
    assert editor.y() == before - 50


def test_a_drag_that_rests_drops_on_the_row_that_scrolled_below_it(
    qtbot: QtBot, sidebar: Sidebar
) -> None:
    pinned = [replace(each, is_pinned=True) for each in chats()[:3]]
    sidebar.set_rows(chat_rows([*pinned, *chats()[3:]], now=NOW))
    view, data = part(sidebar, ChatListView, "chatList"), QMimeData()
    data.setData(MIME_TYPE, QByteArray(b"50"))
    place = view.visualRect(view.model().index(1, 0)).center()
    as_now = Qt.DropAction.MoveAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0)
    QApplication.sendEvent(view.viewport(), QDragEnterEvent(place, *as_now))
    scroll(view, 300)
    with qtbot.waitSignal(sidebar.chat_actions.move) as moved:
        QApplication.sendEvent(view.viewport(), QDropEvent(QPointF(place), *as_now))
    assert moved.args == [["50"], ""]


@pytest.mark.parametrize("row", [1, 3])
def test_the_row_below_the_pointer_is_marked(sidebar: Sidebar, row: int) -> None:
    view = part(sidebar, ChatListView, "chatList")
    rects = {each: view.visualRect(view.model().index(each, 0)) for each in (row, row + 1)}
    QTest.mouseMove(view.viewport(), rects[row + 1].center())
    before = on_screen(view)
    QTest.mouseMove(view.viewport(), rects[row].center())
    after = on_screen(view)
    for rect in rects.values():
        assert before.copy(rect) != after.copy(rect)
    assert after == painted_anew(view)
