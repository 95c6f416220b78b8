"""Formulas that are wider than their column: by a little, and by more."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QScrollBar, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.formula_object import MIN_SHRINK
from minerva_desktop.ui.chat_view.plain_stream import Update
from minerva_desktop.ui.chat_view.table_columns import MEASURED_ROWS
from tests.ui.chat_view.messages import streaming
from tests.ui.chat_view.test_formulas import settle, shown


def sum_of(count: int) -> str:
    """A formula with so many terms in a row."""
    return "$$" + "a+" * count + "b$$"


def bars(body: QWidget) -> list[QScrollBar]:
    """What wide formulas scroll with, from the top down."""
    found = [bar for bar in body.findChildren(QScrollBar, "formulaBar") if bar.isVisible()]
    return sorted(found, key=QWidget.y)


def test_a_formula_that_is_a_little_too_wide_is_scaled_to_its_column(
    qtbot: QtBot, view: ChatView
) -> None:
    view.resize(360, 600)
    widths, count = [], 0
    while not bars(body := shown(qtbot, view, sum_of(count)).body):
        line = body.document().firstBlock().layout().lineAt(0)
        widths.append(line.naturalTextWidth())
        count += 1
    room = body.document().textWidth()
    scaled = [width for width in widths if width == pytest.approx(room, abs=1)]
    assert max(widths) <= room + 1
    # As many terms more as make up for a fifth of the size.
    assert len(scaled) == pytest.approx((1 - MIN_SHRINK) * count, abs=1.5)


def test_a_wider_one_scrolls_at_a_size_that_can_be_read(qtbot: QtBot, view: ChatView) -> None:
    view.resize(360, 600)
    body = shown(qtbot, view, f"above\n\n{sum_of(60)}\n\nbelow").body
    line = body.document().findBlockByNumber(1).layout().lineAt(0)
    assert line.naturalTextWidth() == pytest.approx(body.document().textWidth(), abs=1)
    (bar,) = bars(body)
    assert bar.accessibleName() == "Wide formula"
    assert bar.maximum() > 2 * body.width()
    assert line.height() >= 12
    rect_of = body.document().documentLayout().blockBoundingRect
    assert rect_of(body.document().findBlockByNumber(1)).bottom() <= bar.y() + 2
    assert bar.geometry().bottom() <= rect_of(body.document().lastBlock()).top()
    pictures = [body.grab().toImage()]
    for key in (Qt.Key.Key_Right, Qt.Key.Key_End, Qt.Key.Key_Home):
        QTest.keyClick(bar, key)
        pictures.append(body.grab().toImage())
    assert bar.value() == 0
    assert pictures[0] == pictures[3]
    assert pictures[0] != pictures[1]
    assert pictures[1] != pictures[2]
    body.selectAll()
    body.copy()
    assert sum_of(60) in QApplication.clipboard().text()


def test_a_wheel_that_turns_sideways_scrolls_it(qtbot: QtBot, view: ChatView) -> None:
    view.resize(360, 600)
    body = shown(qtbot, view, f"above\n\n{sum_of(60)}").body
    (bar,) = bars(body)
    place = QPointF(bar.geometry().center().x(), bar.y() - 6)
    taken = []
    for turn, keys in (
        (QPoint(0, -120), Qt.KeyboardModifier.NoModifier),  # down: the transcript's
        (QPoint(-120, 0), Qt.KeyboardModifier.NoModifier),
        (QPoint(0, -120), Qt.KeyboardModifier.ShiftModifier),
    ):
        event = QWheelEvent(
            place,
            QPointF(body.viewport().mapToGlobal(place)),
            QPoint(),
            turn,
            Qt.MouseButton.NoButton,
            keys,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(body.viewport(), event)
        taken.append((event.isAccepted(), bar.value()))
    assert taken == [(False, 0), (True, 120), (True, 240)]


def test_bars_come_and_go_with_their_formulas(qtbot: QtBot, view: ChatView) -> None:
    view.resize(360, 600)
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, f"a\n\n{sum_of(60)}\n\nb")
    settle(qtbot, view)
    message = view.message_view(running.id)
    assert message is not None
    body = message.body
    qtbot.waitUntil(lambda: len(bars(body)) == 1)
    bars(body)[0].setValue(100)
    view.append_text(running.id, f" and more\n\n- {sum_of(20)}")
    settle(qtbot, view)
    qtbot.waitUntil(lambda: len(bars(body)) == 2)
    assert [bar.value() for bar in bars(body)] == [100, 0]
    view.resize(1_400, 600)  # where the second one fits
    qtbot.waitUntil(lambda: [bar.value() for bar in bars(body)] == [100])


def test_a_bar_goes_with_the_last_rows(qtbot: QtBot, view: ChatView) -> None:
    view.resize(360, 600)
    body = shown(qtbot, view, f"above\n\n{sum_of(60)}").body
    (bar,) = bars(body)
    body.apply(Update(1, []))
    body.fit(body.width())
    assert body.toPlainText() == "above"
    assert bars(body) == []
    bar.setValue(10)  # a wheel may turn it until it is deleted


def sum_in_cell(count: int) -> str:
    """`sum_of` in the first of three cells of a table's row."""
    return f"| {sum_of(count)[1:-1]} | next | last |"


def test_one_in_a_late_row_of_a_table_scrolls_within_its_cell(qtbot: QtBot, view: ChatView) -> None:
    """Rows from the 41st on widen no column: it was painted over the next cell."""
    view.resize(420, 600)
    rows = "| a | b | c |\n|---|---|---|\n" + "| x | y | z |\n" * MEASURED_ROWS
    body = shown(qtbot, view, rows + sum_in_cell(20)).body
    (bar,) = bars(body)
    rect_of = body.document().documentLayout().blockBoundingRect
    table = body.document().lastBlock().previous()
    last_cell, next_cell = table, table.previous()
    assert (next_cell.text(), last_cell.text()) == ("next", "last")
    assert bar.geometry().right() < rect_of(next_cell).left()
    formula = next_cell.previous()
    assert formula.layout().lineAt(0).naturalTextWidth() <= rect_of(formula).width()
    assert rect_of(formula).right() < rect_of(next_cell).left()
    assert bar.maximum() > 0


def test_its_bar_goes_with_a_table_that_scrolls(qtbot: QtBot, view: ChatView) -> None:
    view.resize(420, 600)
    wide = " | ".join(["Configuration_of_all"] * 3)
    rows = f"| {wide} |\n|---|---|---|\n" + "| x | y | z |\n" * MEASURED_ROWS
    body = shown(qtbot, view, rows + sum_in_cell(20)).body
    (bar,) = bars(body)
    (table_bar,) = (each for each in body.findChildren(QScrollBar, "tableBar") if each.isVisible())
    left = bar.x()
    table_bar.setValue(50)
    assert bar.x() == left - 50
    body.fit(body.width())
    assert bar.x() == left - 50
    place = QPointF(30, bar.y() - 6)  # 80 px from the table's left edge
    wheel = QWheelEvent(
        place,
        QPointF(body.viewport().mapToGlobal(place)),
        QPoint(),
        QPoint(-20, 0),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(body.viewport(), wheel)
    assert (bar.value(), table_bar.value()) == (20, 50)
