"""Answers in Arabic and Hebrew: what is around their text is on its side, too."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QScrollBar
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.theme import LIGHT
from tests.ui.chat_view.test_formulas import shown
from tests.ui.parts import colour_at

WIDE = "a+" * 100 + "b"


def caret(body: RichTextView, before: str) -> QRect:
    """Where the caret is before that text."""
    cursor = body.document().find(before)
    cursor.setPosition(cursor.selectionStart())
    return body.cursorRect(cursor)


def test_the_bar_of_a_quote_is_where_its_text_begins(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "> اقتباس\n\n> quote").body
    left, right = QPoint(1, 0), QPoint(body.width() - 2, 0)
    for text, bar, other in (("اقتباس", right, left), ("quote", left, right)):
        y = QPoint(0, caret(body, text).center().y())
        assert colour_at(body, bar + y) == LIGHT.border
        assert colour_at(body, other + y) != LIGHT.border


@pytest.mark.parametrize("source", ["نص `code`", "نص `code` نص", "words and `code`, ä"])
def test_inline_code_has_its_background_in_either_direction(
    qtbot: QtBot, view: ChatView, source: str
) -> None:
    body = shown(qtbot, view, source).body
    inside = caret(body, "ode")  # not before the c: there the caret is beside the word before
    above_c, above_e = inside.topLeft() + QPoint(-4, 3), caret(body, "e").topRight() + QPoint(3, 3)
    assert {colour_at(body, place) for place in (above_c, above_e)} == {LIGHT.hover}


def test_the_columns_of_a_table_are_aligned_as_it_says(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, "| a | b |\n|:--|--:|\n| واحد | ثلاثة |\n| one | two |").body
    layout = body.document().documentLayout()
    blocks = [body.document().findBlockByNumber(number) for number in range(1, 9)]
    lines = {
        block.text(): block.layout()
        .lineAt(0)
        .naturalTextRect()
        .translated(layout.blockBoundingRect(block).topLeft())
        for block in blocks
        if block.text()
    }
    assert lines["واحد"].left() == pytest.approx(lines["one"].left(), abs=1)
    assert lines["ثلاثة"].right() == pytest.approx(lines["two"].right(), abs=1)


def test_a_wide_formula_scrolls_in_its_place(qtbot: QtBot, view: ChatView) -> None:
    body = shown(qtbot, view, f"نص ${WIDE}$ نص").body
    (bar,) = [each for each in body.findChildren(QScrollBar, "formulaBar") if each.isVisible()]
    assert bar.width() == pytest.approx(body.width(), abs=2)
