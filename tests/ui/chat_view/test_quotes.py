"""The bars of quotes, in lists too."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.text_measures import INDENT
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
