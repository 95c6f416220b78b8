"""Tables whose columns do not fit scroll sideways; long ones are cheap to go on with."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QTextBlock, QTextTable, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QScrollBar
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.found_text import Match
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.table_columns import MAX_WORD, MEASURED_ROWS
from tests.ui.chat_view.messages import streaming
from tests.ui.chat_view.test_formulas import shown

WORDS = ["Configuration", "Responsibility", "Authentication", "Implementation", "Documentation"]
WIDE = f"| {' | '.join(WORDS)} |\n{'|---' * 5}|\n| 1 | 2 | 3 | 4 | unconditionally good |\n"
NARROW = "| Case | Text |\n|---|---|\n| one | " + "words that are wrapped " * 12 + "|\n"


def bars(body: RichTextView) -> list[QScrollBar]:
    """What wide tables scroll with."""
    return [bar for bar in body.findChildren(QScrollBar, "tableBar") if bar.isVisible()]


def blocks(body: RichTextView) -> list[QTextBlock]:
    """The paragraphs of a text, cells among them."""
    found, block = [], body.document().begin()
    while block.isValid():
        found.append(block)
        block = block.next()
    return found


def broken_words(body: RichTextView) -> list[str]:
    """Lines that end within a word."""
    ends = []
    for block in blocks(body):
        for number in range(block.layout().lineCount() - 1):
            line = block.layout().lineAt(number)
            text = block.text()[line.textStart() : line.textStart() + line.textLength()]
            if not text.endswith((" ", "-")):
                ends.append(text)
    return ends


def test_a_table_that_fits_only_with_broken_words_scrolls(qtbot: QtBot, view: ChatView) -> None:
    view.resize(420, 600)
    body = shown(qtbot, view, f"above\n\n{WIDE}\nbelow").body
    (bar,) = bars(body)
    assert broken_words(body) == []
    assert bar.accessibleName() == "Wide table"
    assert 50 < bar.maximum() < 5 * MAX_WORD
    assert body.horizontalScrollBar().maximum() == 0  # of all the text
    rect_of = body.document().documentLayout().blockBoundingRect
    assert rect_of(blocks(body)[-2]).top() < bar.y()  # the last cell
    assert bar.geometry().bottom() <= rect_of(blocks(body)[-1]).top() + 2
    pictures = [body.grab().toImage()]
    for key in (Qt.Key.Key_End, Qt.Key.Key_Home):
        QTest.keyClick(bar, key)
        pictures.append(body.grab().toImage())
    assert pictures[0] == pictures[2] != pictures[1]
    view.resize(1_000, 600)
    qtbot.waitUntil(lambda: not bars(body))


def test_one_that_fits_has_no_bar_and_the_width_of_the_text(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, NARROW).body
    assert bars(body) == []
    assert broken_words(body) == []
    _, case, text, one, words = blocks(body)[:5]
    assert case.layout().lineCount() == text.layout().lineCount() == one.layout().lineCount() == 1
    assert words.layout().lineCount() > 1
    rect_of = body.document().documentLayout().blockBoundingRect
    assert rect_of(words).right() > body.width() - 8


def test_a_word_without_end_is_broken(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, f"| a | b |\n|---|---|\n| {'x' * 3_000} | short |\n").body
    assert bars(body) == []
    assert blocks(body)[3].layout().lineCount() > 10


def test_what_is_pointed_at_and_selected_is_what_is_shown(qtbot: QtBot, view: ChatView) -> None:
    view.resize(420, 600)
    body = shown(qtbot, view, f"{WIDE}\nbelow").body
    (bar,) = bars(body)
    bar.setValue(bar.maximum())
    last = blocks(body)[10]
    assert last.text() == "unconditionally good"
    cursor = body.textCursor()
    cursor.setPosition(last.position() + 4)
    place = body.shown_rect(cursor).center()
    assert body.rect().contains(place)
    assert body.cursorForPosition(place).position() == last.position() + 4
    QTest.mouseDClick(body.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert body.selected_text() == "unconditionally"
    assert body.cursorForPosition(QPoint(20, body.height() - 5)).block().text() == "below"


def test_find_and_a_wheel_scroll_it(qtbot: QtBot, view: ChatView) -> None:
    view.resize(420, 600)
    body = shown(qtbot, view, WIDE).body
    (bar,) = bars(body)
    match = Match(1, 4, 0, 15)
    body.show_found([match], 0)
    assert body.rect().contains(body.found_rect(match))
    assert bar.value() > 0
    bar.setValue(0)
    place = QPointF(60, bar.y() - 30)
    wheel = QWheelEvent(
        place,
        body.mapToGlobal(place),
        QPoint(),
        QPoint(-120, 0),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(body.viewport(), wheel)
    assert bar.value() == 120


def test_tab_to_a_link_scrolls_it_there(qtbot: QtBot, view: ChatView) -> None:
    """It was selected out of sight."""
    view.resize(420, 600)
    linked = WIDE.replace("unconditionally good", "[good](https://example.org/x)")
    body = shown(qtbot, view, linked).body
    (bar,) = bars(body)
    view.activateWindow()
    body.setFocus()
    QTest.keyClick(body, Qt.Key.Key_Tab)
    assert body.textCursor().selectedText() == "good"
    assert bar.value() > 0
    for place in (body.textCursor().selectionStart(), body.textCursor().selectionEnd()):
        cursor = body.textCursor()
        cursor.setPosition(place)
        assert body.rect().contains(body.shown_rect(cursor))


def test_a_long_table_is_many_short_ones_of_the_same_columns(qtbot: QtBot, view: ChatView) -> None:
    """Qt lays a whole one out for each row: 40 ms with 330 rows, 13 times as long as with 25."""
    message = streaming()
    view.append_message(message)
    view.append_text(message.id, "| name | what it is | n |\n|---|---|--:|\n")
    for number in range(90):
        view.append_text(message.id, f"| row {number} | number **{number}** of them | {number} |\n")
    view.append_text(message.id, "| one | more row | 1 |\n\nbelow")
    qtbot.waitUntil(lambda: "below" in view.plain_text())
    shown_view = view.message_view(message.id)
    assert shown_view is not None
    body = shown_view.body
    tables = body.document().rootFrame().childFrames()
    assert all(isinstance(table, QTextTable) for table in tables)
    rows = [table.rows() for table in tables if isinstance(table, QTextTable)]
    assert sum(rows) == 92
    assert max(rows) <= 15
    rect_of = body.document().documentLayout().blockBoundingRect
    numbers = [rect_of(each) for each in blocks(body) if each.text().startswith("number")]
    assert len(numbers) == 90
    assert len({rect.left() for rect in numbers}) == 1
    steps = [below.top() - above.top() for above, below in pairwise(numbers)]
    assert max(steps) - min(steps) <= 2
    body.selectAll()
    lines = body.selected_text().split("\n")
    assert len(lines) == 94
    assert lines[0] == "name\twhat it is\tn"
    assert lines[91:] == ["one\tmore row\t1", "", "below"]


def test_a_long_word_in_a_late_row_widens_all_of_the_table(qtbot: QtBot, view: ChatView) -> None:
    """The first 40 rows scrolled for one, in the others it was broken."""
    view.resize(420, 600)
    rows = "| a | b | c |\n|---|---|---|\n" + "| some words | two | three |\n" * MEASURED_ROWS
    message = streaming()
    view.append_message(message)
    view.append_text(message.id, rows)
    qtbot.waitUntil(lambda: view.plain_text().count("three") == MEASURED_ROWS)
    shown_view = view.message_view(message.id)
    assert shown_view is not None
    body = shown_view.body
    assert bars(body) == []
    rect_of = body.document().documentLayout().blockBoundingRect

    def lefts() -> set[float]:
        cells = blocks(body)
        return {rect_of(each).left() for each in cells if each.text() in {"two", "Authentication"}}

    (before,) = lefts()
    view.append_text(message.id, "| another | Words | fit |\n")
    qtbot.waitUntil(lambda: "Words" in view.plain_text())
    assert lefts() == {before}
    view.append_text(message.id, f"| {' | '.join(WORDS[1:4])} |\n")
    view.append_text(message.id, "| Unconditionally | 2 | 3 |\n\nbelow")
    qtbot.waitUntil(lambda: "below" in view.plain_text())
    assert broken_words(body) == []
    (after,) = lefts()
    assert after != before
    (beyond,) = (bar.maximum() for bar in bars(body))
    assert beyond > 0
    message_text = f"{rows}| {' | '.join(WORDS[1:4])} |\n| Unconditionally | 2 | 3 |\n"
    whole = shown(qtbot, view, message_text).body
    assert broken_words(whole) == []
    assert [bar.maximum() for bar in bars(whole)] == [beyond]
