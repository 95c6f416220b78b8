"""A table is copied such that a spreadsheet takes it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QTextCursor
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.row_text import text_pieces
from tests.ui.chat_view.messages import answer
from tests.ui.chat_view.test_selection import Selecting

TEXT = """1. Before

| Name | Size | $x_1$ |
| --- | --: | --- |
| one<br>two | 10 | a |
| three | 20 | |

After

- the end"""
HEAD, FIRST, SECOND = "Name\tSize\t$x_1$", "one two\t10\ta", "three\t20\t"


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Selecting:
    view.activateWindow()
    return Selecting(qtbot, view)


@pytest.mark.parametrize(
    ("begin", "end", "copied"),
    [
        ("", "", f"1. Before\n\n{HEAD}\n{FIRST}\n{SECOND}\n\nAfter\n\n• the end"),
        ("fore", "Aft", f"fore\n\n{HEAD}\n{FIRST}\n{SECOND}\n\nAft"),
        ("Name", "20", "Name\tSize\none two\t10\nthree\t20"),
        ("10", "20", "10\n20"),
        ("one", "10", "one two\t10"),
        ("hre", "hre", "hre"),
        ("After", "the", "After\n\n• the"),
    ],
)
def test_cells_have_tabs_between_them(person: Selecting, begin: str, end: str, copied: str) -> None:
    (body,) = person.show(answer(TEXT))
    body.setFocus()
    start, stop = 0, body.end
    if begin:
        start = body.document().find(begin).selectionStart()
        stop = body.document().find(end).selectionEnd()
    cursor = QTextCursor(body.document())
    cursor.setPosition(start)
    cursor.setPosition(stop, QTextCursor.MoveMode.KeepAnchor)
    body.setTextCursor(cursor)
    person.press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == copied


def test_some_columns_are_copied_without_the_others(person: Selecting) -> None:
    (body,) = person.show(answer(TEXT))
    body.setFocus()
    cursor = body.document().find("10")
    stop = body.document().find("20").selectionEnd()
    cursor.setPosition(cursor.selectionStart())
    cursor.setPosition(stop, QTextCursor.MoveMode.KeepAnchor)
    body.setTextCursor(cursor)
    person.press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    html = QGuiApplication.clipboard().mimeData().html()
    assert "Size" in html
    assert "10" in html
    assert "three" not in html
    person.press(
        Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    assert QGuiApplication.clipboard().text() == "| Size |\n| --: |\n| 10 |\n| 20 |"


def test_lists_are_copied_with_their_levels_and_boxes(person: Selecting) -> None:
    items = "1. one\n   - two\\\n     more\n     - three\n\n     para\n2. [x] done\n\n"
    code = "- [ ] open\n  - [x] done\n    ```\n    x = 1\n    ```\n\n"
    (body,) = person.show(answer(f"{items}---\n{code}Text[^1]\n\n[^1]: Note"))
    body.selectAll()
    text = (
        "1. one\n  ◦ two\n    more\n    • three\n\n    para\n2. [x] done\n"
        "[ ] open\n  [x] done\n\nx = 1\n\nText[1]\n1. Note"
    )
    assert body.selected_text() == text
    assert "".join(text_pieces(body.rows)) == text  # as of a whole chat
    cursor = body.document().find("two")
    cursor.setPosition(
        body.document().find("three").selectionEnd(), QTextCursor.MoveMode.KeepAnchor
    )
    body.setTextCursor(cursor)
    assert body.selected_text() == "two\n  more\n  • three"


def test_an_empty_line_is_between_blocks_alone(person: Selecting) -> None:
    prose, items = "# Head\nOne *two*  \nthree\n\nFour\n\n", "- a\n  - b\n\n- c\n\n"
    (body,) = person.show(answer(prose + items + "---\n```\nx\n\ny\n```\n> end"))
    body.selectAll()
    assert body.selected_text() == (
        "Head\n\nOne two\nthree\n\nFour\n\n• a\n  ◦ b\n• c\n\nx\n\ny\n\nend"
    )
