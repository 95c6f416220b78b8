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
        for by in range(2 - height // 2, height // 2 - 1):  # lines are no whole pixels apart
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


UPPER, LOWER = "a" * 24, "b" * 24
TABLE = "| {} | right |\n|---|---|"
BETWEEN = {
    "list": f"{UPPER}\n\n- {LOWER}",
    "quote": f"{UPPER}\n\n> {LOWER}",
    "alert": f"> [!NOTE]\n> {UPPER}\n\n{LOWER}",
    "heading": f"{UPPER}\n\n# {LOWER}",
    "rule": f"{UPPER}\n\n---\n\n{LOWER}",
    "code": f"{UPPER}\n\n```\n{LOWER}\n```",
    "below code": f"```\n{UPPER}\n```\n\n{LOWER}",
    "table": f"{UPPER}\n\n{TABLE.format(LOWER)}",
    "below a table": f"{TABLE.format('left')}\n| {UPPER} | right |\n\n{LOWER}",
    "rows": f"{TABLE.format(UPPER)}\n| {LOWER} | right |",
    "rows on the right": f"| left | {UPPER} | right |\n|---|---|---|\n| left | {LOWER} | right |",
    "two rules": f"{UPPER}\n\n---\n\n---\n\n{LOWER}",
    "two tables": f"{TABLE.format(UPPER)}\n\n{TABLE.format(LOWER)}",
}


def double_click(person: Selecting, body: RichTextView, at: QPoint) -> None:
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
        person.pointer(kind, body.viewport(), at)
        person.pointer(QEvent.Type.MouseButtonRelease, body.viewport(), at)


@pytest.mark.parametrize("text", BETWEEN.values(), ids=BETWEEN)
def test_the_room_between_two_blocks_belongs_to_the_nearer_one(
    person: Selecting, text: str
) -> None:
    (body,) = person.show(answer(text))
    rects, cursor = {}, body.textCursor()
    for word in (UPPER, LOWER):
        cursor.setPosition(body.toPlainText().index(word) + 9)
        block = cursor.block()
        line = block.layout().lineForTextPosition(cursor.positionInBlock())
        origin = body.document().documentLayout().blockBoundingRect(block).topLeft()
        rects[word] = line.naturalTextRect().translated(origin)
    x = body.cursorRect(cursor).left()
    top, bottom = rects[UPPER].bottom(), rects[LOWER].top()
    assert bottom - top > 5
    middle = (top + bottom) / 2
    for y in range(round(top) - 3, round(bottom) + 3):
        if abs(y - middle) >= 1:
            double_click(person, body, body.viewport().mapToGlobal(QPoint(x, y)))
            assert (y, selected([body])) == (y, [UPPER if y < middle else LOWER])


def test_a_selection_begins_in_the_line_that_is_nearer(person: Selecting) -> None:
    (body,) = person.show(answer(f"{UPPER}\n\n> {LOWER}"))
    start = person.place(body, 9) + QPoint(0, 12)  # below the first, nearer to it
    person.pointer(QEvent.Type.MouseButtonPress, body.viewport(), start)
    person.pointer(QEvent.Type.MouseMove, body.viewport(), person.place(body, 15))
    assert selected([body]) == ["a" * 6]
    place = person.place(body, len(UPPER) + 6) - QPoint(0, 10)
    person.pointer(QEvent.Type.MouseMove, body.viewport(), place)
    assert selected([body]) == ["a" * 15 + "\n" + "b" * 5]


def test_beside_a_link_there_is_none(person: Selecting) -> None:
    """The room around a paragraph belongs to its text, and not to a link in it."""
    (body,) = person.show(answer(f"[{UPPER}](https://example.org)\n\n> {LOWER}"))
    opened: list[object] = []
    body.anchorClicked.connect(opened.append)
    below = person.place(body, 9) + QPoint(0, 14)
    local = body.viewport().mapFromGlobal(below)
    assert body.anchorAt(local) == ""
    assert body.cursorForPosition(local).block().text() == UPPER
    person.pointer(QEvent.Type.MouseButtonPress, body.viewport(), below)
    person.pointer(QEvent.Type.MouseButtonRelease, body.viewport(), below)
    assert opened == []
    on_it = body.viewport().mapFromGlobal(person.place(body, 9))
    assert body.anchorAt(on_it) == "https://example.org"
