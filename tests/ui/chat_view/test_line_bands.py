"""What is pointed at between two lines."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from tests.ui.chat_view.messages import answer
from tests.ui.chat_view.test_selection import Selecting, selected

LINES = "\n".join(" ".join(f"{chr(97 + n)}{word}" for word in range(9)) + "  " for n in range(4))
TEXTS = [LINES, f"> - {LINES.replace(chr(10), chr(10) + '>   ')}", f"```\n{LINES}\n```"]


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Selecting:
    view.activateWindow()
    return Selecting(qtbot, view)


def word_place(person: Selecting, body: RichTextView, word: str) -> tuple[QPoint, int]:
    """Where the middle of ``word`` is on the screen, and the height of its line in px."""
    place = person.place(body, body.toPlainText().index(word) + 1)
    below = person.place(body, body.toPlainText().index(chr(ord(word[0]) + 1) + word[1:]) + 1)
    return place, below.y() - place.y()


@pytest.mark.parametrize("text", TEXTS, ids=["paragraph", "quote", "code"])
def test_the_room_between_two_lines_belongs_to_the_nearer_one(person: Selecting, text: str) -> None:
    (body,) = person.show(answer(text))
    for word in ("a5", "b3", "c7"):
        place, height = word_place(person, body, word)
        for by in range(1 - height // 2, height // 2):
            at = place + QPoint(0, by)
            person.pointer(QEvent.Type.MouseButtonPress, body.viewport(), at)
            person.pointer(QEvent.Type.MouseButtonRelease, body.viewport(), at)
            person.pointer(QEvent.Type.MouseButtonDblClick, body.viewport(), at)
            person.pointer(QEvent.Type.MouseButtonRelease, body.viewport(), at)
            assert (by, selected([body])) == (by, [word])


def test_a_selection_that_is_drawn_down_does_not_jump(person: Selecting) -> None:
    (body,) = person.show(answer(LINES))
    start, height = word_place(person, body, "a5")
    person.pointer(QEvent.Type.MouseButtonPress, body.viewport(), start)
    found = []
    for by in range(2 * height):
        person.pointer(QEvent.Type.MouseMove, body.viewport(), start + QPoint(0, by))
        found.append(body.textCursor().position())
    text = body.toPlainText()
    assert found == sorted(found)
    for at, word in zip(sorted(set(found)), ("a5", "b5", "c5"), strict=True):
        assert text.index(word) <= at <= text.index(word) + 2


def test_a_press_that_is_not_for_the_text_is_left_to_what_is_behind(person: Selecting) -> None:
    (body,) = person.show(answer(LINES))
    place, height = word_place(person, body, "b3")
    right, plain = Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier
    for by in (0, height // 2 - 1):
        at = QPointF(body.viewport().mapFromGlobal(place + QPoint(0, by)))
        press = QMouseEvent(QEvent.Type.MouseButtonPress, at, QPointF(place), right, right, plain)
        body.mousePressEvent(press)
        assert not press.isAccepted()
