"""How wide the bubble of a question is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_text import FOLD_ABOVE_LINES, FOLD_SHOWN_LINES
from minerva_desktop.ui.chat_view.question_view import BUBBLE_LAID_OUT, BUBBLE_MEASURED
from minerva_desktop.ui.icons import Icons
from tests.ui.chat_view.messages import question


@pytest.fixture
def view(qtbot: QtBot, icons: Icons) -> ChatView:
    view = ChatView(icons)
    qtbot.addWidget(view)
    view.resize(900, 700)
    with qtbot.waitExposed(view):
        view.show()
    return view


def _shown(qtbot: QtBot, view: ChatView, text: str) -> tuple[int, bool]:
    """The width of its text (px), and whether a line had to break."""
    message = question(text)
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    shown = view.message_view(message.id)
    assert shown is not None
    document, block, breaks = shown.body.document(), shown.body.document().begin(), False
    assert document.blockCount() == text.count("\n") + 1
    while block.isValid():
        breaks = breaks or block.layout().lineCount() > 1
        block = block.next()
    return shown.body.width(), breaks


LINES = ["line {} of a list", "\tif {}:", "第 {} 行", "السطر {}", "👩‍👩‍👧 {}"]


@pytest.mark.parametrize("line", LINES)
def test_many_short_lines_are_hugged_as_few_are(qtbot: QtBot, view: ChatView, line: str) -> None:
    """From 2,000 characters on the bubble was as wide as it may be, and two thirds of it empty."""
    few = "\n".join(line.format(number) for number in range(250, 260))
    assert len(few) <= BUBBLE_LAID_OUT
    width, breaks = _shown(qtbot, view, few)
    assert not breaks
    many = "\n".join(line.format(number) for number in [*range(100, 700)])
    assert BUBBLE_LAID_OUT < len(many) <= BUBBLE_MEASURED
    wide, breaks = _shown(qtbot, view, many)
    assert not breaks
    assert abs(wide - width) <= 6


def test_one_long_line_takes_all_the_width(qtbot: QtBot, view: ChatView) -> None:
    huge = "a line\n" * 3_000 + "a line"
    assert len(huge) > BUBBLE_MEASURED
    all_of_it = _shown(qtbot, view, huge)[0]
    for text in ("a line\n" * 500 + "word " * 100, "word " * 600):
        assert _shown(qtbot, view, text) == (all_of_it, True)


def test_of_a_folded_text_what_is_shown_counts(qtbot: QtBot, view: ChatView) -> None:
    """All of it was measured, which takes seconds where it is some megabytes."""
    lines = "a short line\n" * (FOLD_ABOVE_LINES + 1)
    texts = lines, lines + "word " * 600
    widths = []
    for text in texts:
        message = question(text)
        view.set_messages([message])
        qtbot.waitUntil(lambda: not view.is_working())
        shown = view.message_view(message.id)
        assert shown is not None
        assert shown.body.document().blockCount() <= FOLD_SHOWN_LINES + 1
        widths.append(shown.body.width())
    assert widths[0] == widths[1] < 200


def test_it_follows_the_room_that_there_is(qtbot: QtBot, view: ChatView) -> None:
    text = "\n".join(f"a line of some words, number {number}" for number in range(300))
    message = question(text)
    view.set_messages([message])
    qtbot.waitUntil(lambda: not view.is_working())
    shown = view.message_view(message.id)
    assert shown is not None
    hugging = shown.body.width()
    for room in (260, 900):
        view.resize(room, 700)
        qtbot.waitUntil(lambda: not view.is_working())
        assert shown.body.width() <= hugging
        assert (shown.body.width() == hugging) == (room == 900)
