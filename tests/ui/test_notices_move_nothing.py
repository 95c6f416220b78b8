"""A notice that comes or goes above the transcript moves nothing that is read there."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.empty_state import EmptyState
from minerva_desktop.ui.chat_view.jump_button import JumpButton
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from tests.ui.chat_view.messages import answer, question, streaming
from tests.ui.chat_view.test_chat_view import PARAGRAPHS, wheel
from tests.ui.parts import part

NOTICE = Notice(NoticeKind.ERROR, "Something went wrong.", "\n".join(["a line"] * 12))
OTHER = Notice(NoticeKind.ERROR, "Something else did. " * 30)


class Reader:
    """Has a chat open, and looks where its messages are on the screen."""

    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        self._qtbot = qtbot
        self.window = window
        self.view = window.chat_view

    def open(self, *messages: Message) -> None:
        self.view.set_messages(list(messages))
        self.settle()

    def settle(self) -> None:
        """Let all be laid out and rendered, and be seen."""
        QApplication.processEvents()
        self._qtbot.waitUntil(lambda: not self.view.is_working())
        self.window.grab()

    def tell(self, notice: Notice) -> None:
        before = self.view.covered
        self.window.notifications.show_notice(notice)
        self._qtbot.waitUntil(lambda: self.view.covered > before)
        self.settle()

    def forget(self, notice: Notice) -> None:
        before = self.view.covered
        self.window.notifications.dismiss(notice.identity)
        self._qtbot.waitUntil(lambda: self.view.covered < before)
        self.settle()

    def place(self, message: Message) -> int:
        """How far down on the screen its text begins."""
        view = self.view.message_view(message.id)
        assert view is not None
        return view.body.mapToGlobal(QPoint(0, 0)).y()

    @property
    def value(self) -> int:
        return self.view.verticalScrollBar().value()

    @value.setter
    def value(self, value: int) -> None:
        self.view.verticalScrollBar().setValue(value)
        self.settle()


@pytest.fixture
def reader(qtbot: QtBot, icons: Icons) -> Reader:
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    window.resize(1000, 700)
    with qtbot.waitExposed(window):
        window.show()
    return Reader(qtbot, window)


LONG = answer(PARAGRAPHS)
SHORT = [question("Why is the sea salty?"), answer("Because of the rivers.")]


@pytest.mark.parametrize("above_end", [0, 20, 300, 10_000], ids=["end", "near", "amid", "top"])
def test_in_a_long_chat(reader: Reader, above_end: int) -> None:
    reader.open(*SHORT, LONG)
    reader.value -= above_end
    place, value = reader.place(LONG), reader.value
    for notice in (NOTICE, OTHER):  # the second has several lines
        reader.tell(notice)
        assert reader.place(LONG) == place
    for notice in (OTHER, NOTICE):
        reader.forget(notice)
        assert reader.place(LONG) == place
    assert reader.value == value


def test_in_a_short_chat_whose_first_lines_are_reached_by_scrolling(reader: Reader) -> None:
    asked, answered = SHORT
    reader.open(*SHORT)
    places = reader.place(asked), reader.place(answered)
    reader.tell(NOTICE)
    assert (reader.place(asked), reader.place(answered)) == places
    covered = reader.view.covered
    assert 30 < covered < 80
    wheel(reader.view, 120)
    assert (reader.value, reader.place(asked)) == (0, places[0] + covered)
    assert not part(reader.window, JumpButton, "jumpButton").isVisible()  # all is in sight
    # Where one scrolled to it stays, too, although there is nothing above it.
    reader.forget(NOTICE)
    assert reader.place(asked) == places[0] + covered
    reader.tell(NOTICE)
    assert reader.place(asked) == places[0] + covered
    reader.open(*SHORT)
    reader.forget(NOTICE)
    assert reader.place(asked) == places[0] + covered


def test_what_is_opened_below_a_notice_stays_where_it_was(reader: Reader) -> None:
    reader.tell(NOTICE)
    reader.open(*SHORT)
    place = reader.place(SHORT[0])
    assert reader.value == 0
    assert place > reader.view.viewport().mapToGlobal(QPoint(0, 0)).y()
    reader.forget(NOTICE)
    assert reader.place(SHORT[0]) == place
    reader.view.append_message(question("And lakes?"))  # who says something goes to the end
    reader.settle()
    top = reader.place(SHORT[0])
    assert top < place
    reader.open(*SHORT)  # anew, and there is none
    assert reader.place(SHORT[0]) == top
    reader.tell(NOTICE)
    reader.open(*SHORT, LONG)
    reader.value = 0
    reader.forget(NOTICE)
    assert (reader.value, reader.place(SHORT[0])) == (0, place)
    wheel(reader.view, -360)
    reader.value = 0
    assert reader.place(SHORT[0]) == top  # as high as any chat begins


def test_a_notice_that_goes_with_its_chat_leaves_no_gap(reader: Reader) -> None:
    reader.open(*SHORT)
    place = reader.place(SHORT[0])
    reader.tell(NOTICE)
    reader.window.notifications.dismiss(NOTICE.identity)
    reader.view.set_messages(list(SHORT))
    reader.settle()
    assert (reader.place(SHORT[0]), reader.view.covered) == (place, 0)
    reader.view.set_messages(list(SHORT))
    reader.window.notifications.show_notice(NOTICE)
    reader.settle()
    assert reader.place(SHORT[0]) == place + reader.view.covered > place


def test_while_an_answer_is_written(reader: Reader, qtbot: QtBot) -> None:
    asked, running = question("Tell me."), streaming()
    reader.open(asked)
    reader.view.append_message(running)
    place = reader.place(asked)
    for number, notice in enumerate((NOTICE, OTHER)):
        text = f"Part {number}.\n\n"
        reader.view.append_text(running.id, text)
        reader.window.notifications.show_notice(notice)
        qtbot.waitUntil(lambda text=text: text.strip() in reader.view.plain_text())  # type: ignore[misc]
        reader.settle()
        assert reader.place(asked) == place
    reader.window.notifications.dismiss(OTHER.identity)
    reader.view.append_text(running.id, PARAGRAPHS)
    qtbot.waitUntil(lambda: PARAGRAPHS[-20:] in reader.view.plain_text())
    reader.settle()
    bar = reader.view.verticalScrollBar()
    assert reader.value == bar.maximum()  # the end is followed
    place = reader.place(running)
    reader.forget(NOTICE)
    assert (reader.place(running), reader.value) == (place, bar.maximum())
    wheel(reader.view, 360)
    place = reader.place(running)
    reader.view.append_text(running.id, "\n\n" + PARAGRAPHS)
    reader.tell(NOTICE)
    assert reader.place(running) == place  # who left the end, too, loses nothing of sight


def test_details_that_are_unfolded_and_a_chat_without_messages(reader: Reader) -> None:
    reader.open()
    empty = part(reader.window, EmptyState, "emptyState")
    place = empty.mapToGlobal(QPoint(0, 0))
    reader.tell(NOTICE)
    assert empty.mapToGlobal(QPoint(0, 0)) == place
    assert reader.view.verticalScrollBar().maximum() == 0
    part(reader.window, QPushButton, "noticeDetailsButton").click()
    reader.settle()
    assert empty.mapToGlobal(QPoint(0, 0)) == place
    reader.forget(NOTICE)
    assert empty.mapToGlobal(QPoint(0, 0)) == place


def test_an_editor_that_would_be_covered_comes_into_sight(reader: Reader) -> None:
    reader.open(SHORT[0], LONG)
    reader.view.edit_message(SHORT[0].id)
    reader.value = 0
    reader.tell(NOTICE)
    field: QWidget = part(reader.view, MessageEdit, "messageEdit")
    top = field.mapTo(reader.view.viewport(), QPoint(0, 0)).y()
    assert top >= 0


def test_what_is_read_stays_where_it_is_when_one_looks_for_something(reader: Reader) -> None:
    find = next(
        each
        for each in reader.window.findChildren(QShortcut)
        if each.key() == QKeySequence(QKeySequence.StandardKey.Find)
    )
    reader.open(*SHORT, LONG)
    for value, moves in ((300, False), (0, True)):  # the beginning makes way
        reader.value = value
        place = reader.place(LONG)
        find.activated.emit()
        reader.settle()
        bar = part(reader.window, QWidget, "findBar")
        assert bar.isVisible()
        assert (reader.place(LONG) > place) == moves
        QTest.keyClick(part(bar, QLineEdit, "findField"), Qt.Key.Key_Escape)
        reader.settle()
        assert not bar.isVisible()
        assert (reader.place(LONG), reader.value) == (place, value)
