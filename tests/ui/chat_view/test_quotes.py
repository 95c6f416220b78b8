"""The bars of quotes, in lists too."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.text_measures import INDENT, ITEM_GAP, PARAGRAPH_GAP
from minerva_desktop.ui.theme import LIGHT
from tests.ui.chat_view.test_formulas import shown
from tests.ui.chat_view.test_right_to_left import caret
from tests.ui.parts import colour_at


def test_the_bar_of_a_quote_is_between_it_and_the_sign_of_its_item(
    qtbot: QtBot, view: ChatView
) -> None:
    body = shown(qtbot, view, "- > one\n  >\n  > two\n- > three").body
    middles = [caret(body, text).center().y() for text in ("one", "two", "three")]
    lines = range(middles[0], middles[2])
    bar = [colour_at(body, QPoint(INDENT + 1, y)) == LIGHT.border for y in lines]
    assert all(bar[: middles[1] - middles[0]])
    assert not all(bar[middles[1] - middles[0] :])  # the next item has a quote of its own
    assert colour_at(body, QPoint(INDENT + 1, middles[2])) == LIGHT.border
    assert caret(body, "•").x() < INDENT < caret(body, "one").x()


def test_a_bar_that_is_painted_in_parts_has_no_gap(qtbot: QtBot, view: ChatView) -> None:
    """As while it is scrolled: above a box of code the bar ended, and began anew."""
    body = shown(qtbot, view, "> one\n>\n> two\n>\n> ```\n> three\n> ```\n>\n> four").body
    whole = body.grab().toImage()
    bar = QRect(0, 0, 4, body.height() - 8)
    for y in range(8, bar.height(), 2):
        part = body.grab(QRect(0, y, bar.width(), 2)).toImage()
        assert part.pixelColor(1, 1) == whole.pixelColor(1, y + 1), y


def test_what_follows_a_quote_in_a_list_stands_apart_from_it(qtbot: QtBot, view: ChatView) -> None:
    source = "1. one\n   > quote\n\n   1. within\n   2. next\n2. > two\n3. three"
    document = shown(qtbot, view, source).body.document()
    blocks = [document.findBlockByNumber(number) for number in range(document.blockCount())]
    gaps = {block.text().split("\t")[-1]: block.blockFormat().topMargin() for block in blocks}
    assert gaps["within"] == gaps["three"] == PARAGRAPH_GAP
    assert gaps["next"] == gaps["two"] == ITEM_GAP
