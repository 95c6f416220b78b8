"""Where a transcript is left and found again, also in a chat of ten thousand messages; and the mark
of a temporary one."""

from __future__ import annotations

import time

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ScrollPosition
from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.stretch import Stretch
from minerva_desktop.ui.chat_view.temporary_mark import TemporaryMark
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.parts import part

pytestmark = pytest.mark.usefixtures("page")


@pytest.fixture(scope="module")
def long_chat() -> list[Message]:
    """10,000 messages."""
    return [answer(f"Message {n}. " + "Some words of it. " * 30) for n in range(10_000)]


def settle(qtbot: QtBot, view: ChatView) -> None:
    """Wait until all that was handed over is rendered."""
    qtbot.waitUntil(lambda: not view.is_working())


def pager(view: ChatView, begins: str) -> QAbstractButton:
    """The button that shows more of the chat."""
    found = [
        each
        for each in view.findChildren(QAbstractButton)
        if each.isVisible() and each.text().startswith(begins)
    ]
    (button,) = found
    return button


def test_at_the_end_there_is_no_place(qtbot: QtBot, view: ChatView) -> None:
    view.set_messages([answer("Some words. " * 400), answer("Some words. " * 400)])
    settle(qtbot, view)
    assert view.scroll_position is None
    view.set_messages([])
    assert view.scroll_position is None


@pytest.mark.parametrize("index", [7, 5_000, 9_990])
def test_a_chat_is_found_where_it_was_left(
    qtbot: QtBot, view: ChatView, long_chat: list[Message], index: int, page: int
) -> None:
    left = ScrollPosition(long_chat[index].id, 0.5)
    started = time.thread_time()
    view.set_messages(long_chat, left)
    assert time.thread_time() - started < 2.0  # bench.py measures it
    settle(qtbot, view)
    shown = view.message_view(long_chat[index].id)
    assert shown is not None
    place = view.verticalScrollBar().value()
    assert abs(place - (shown.y() + shown.height() / 2)) <= 2
    again = view.scroll_position
    assert again is not None
    assert again.message_id == left.message_id
    assert abs(again.offset - 0.5) < 0.02
    assert len(view.findChildren(type(shown))) <= page


def test_a_place_that_is_gone_leaves_the_end(
    qtbot: QtBot, view: ChatView, long_chat: list[Message]
) -> None:
    view.set_messages(long_chat, ScrollPosition("deleted", 0.5))
    settle(qtbot, view)
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    assert view.scroll_position is None


def test_from_the_middle_of_a_long_chat_both_ways_lead_on(
    qtbot: QtBot, view: ChatView, long_chat: list[Message], page: int
) -> None:
    half = page // 2
    view.set_messages(long_chat, ScrollPosition(long_chat[5_000].id))
    settle(qtbot, view)
    shown = view.message_view(long_chat[5_000].id)
    assert shown is not None
    offset = shown.y() - view.verticalScrollBar().value()
    pager(view, f"Show earlier messages ({5_000 - half:,})").click()
    settle(qtbot, view)
    assert shown.y() - view.verticalScrollBar().value() == offset
    assert view.message_view(long_chat[5_000 - half - page].id) is not None
    pager(view, f"Show later messages ({5_000 - half:,})").click()
    settle(qtbot, view)
    assert shown.y() - view.verticalScrollBar().value() == offset
    view.scroll_to_end()
    settle(qtbot, view)
    assert view.plain_text().rpartition("Message ")[2].startswith("9999.")
    assert view.scroll_position is None


def test_a_new_message_is_shown_at_the_end_wherever_one_was(
    qtbot: QtBot, view: ChatView, long_chat: list[Message]
) -> None:
    view.set_messages(long_chat, ScrollPosition(long_chat[5_000].id))
    settle(qtbot, view)
    with qtbot.waitSignal(view.scrolled):  # so that this place is kept, should the app be killed
        view.append_message(question("What now?"))
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "This.")
    settle(qtbot, view)
    assert view.plain_text().endswith("What now?\n\nThis.")
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


@pytest.mark.parametrize("index", [5_000, 9_990])
def test_one_that_comes_by_itself_takes_nobody_along_who_reads_elsewhere(
    qtbot: QtBot, view: ChatView, long_chat: list[Message], index: int
) -> None:
    view.set_messages(long_chat, ScrollPosition(long_chat[index].id, 0.5))
    settle(qtbot, view)
    left = view.scroll_position
    view.append_message(question("What now?"), goes_there=False)
    running = streaming()
    view.append_message(running, goes_there=False)
    view.append_text(running.id, "This.")
    settle(qtbot, view)
    assert left is not None
    assert view.scroll_position == left
    view.finish_message(ended(running, "This."))
    view.scroll_to_end()
    settle(qtbot, view)
    assert view.plain_text().endswith("What now?\n\nThis.")
    view.append_message(question("And now?"), goes_there=False)  # who is there goes along
    settle(qtbot, view)
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    assert view.plain_text().endswith("And now?")


def test_a_person_who_scrolls_is_not_brought_back(
    qtbot: QtBot, view: ChatView, long_chat: list[Message]
) -> None:
    view.set_messages(long_chat, ScrollPosition(long_chat[5_000].id, 0.5))
    bar = view.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > bar.value() + 40)  # a busy machine renders less at once
    with qtbot.waitSignal(view.scrolled):
        bar.setValue(bar.value() + 40)
    left = view.scroll_position
    settle(qtbot, view)
    assert left is not None
    assert view.scroll_position == left


def test_a_stretch_grows_below_before_it_grows_above(page: int) -> None:
    stretch = Stretch.around(100, 1_000)
    order = []
    while (index := stretch.next_missing()) is not None:
        order.append(index)
        if index >= stretch.end:
            stretch.end += 1
        else:
            stretch.first -= 1
    half = page // 2
    assert order == [*range(100, 100 + half), *range(99, 99 - half, -1)]
    assert Stretch.at_end(5).next_missing() == 4
    assert Stretch.at_end(0).next_missing() is None


def test_a_temporary_chat_says_so_wherever_one_looks(qtbot: QtBot, view: ChatView) -> None:
    mark = part(view, TemporaryMark, "temporaryMark")
    assert not mark.isVisible()
    view.set_messages([], is_temporary=True)
    assert mark.isVisible()
    assert "written to disk" in view.plain_text()
    view.append_message(question("Hi"))
    view.append_message(answer("Some words. " * 800))
    settle(qtbot, view)
    view.verticalScrollBar().setValue(0)
    QApplication.processEvents()
    shown = view.viewport().geometry()
    assert shown.top() >= mark.geometry().bottom()
    assert mark.accessibleName() == "Temporary chat: nothing of it is kept"
    view.set_messages([])
    assert not mark.isVisible()
    assert ".gguf" in view.plain_text()
