"""Home and End lead to the first and the last message of the chat, also where they are not made."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.ui.chat_view.answer_view import AnswerView
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from tests.ui.chat_view.messages import answer, question, streaming

pytestmark = pytest.mark.usefixtures("page")

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.mark.parametrize("modifier", [Qt.KeyboardModifier.NoModifier, CTRL])
def test_home_and_end_of_a_long_chat(
    qtbot: QtBot, view: ChatView, modifier: Qt.KeyboardModifier
) -> None:
    """Home stopped at what leads to earlier messages."""
    messages = [answer(f"Message {number}.\n\n" + "More. " * 40) for number in range(2_000)]
    view.set_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    last = view.message_view(messages[-1].id)
    assert last is not None
    view.activateWindow()
    last.body.setFocus()
    qtbot.waitUntil(last.body.hasFocus)
    before = set(view.findChildren(MessageView))
    QTest.keyClick(last.body, Qt.Key.Key_Home, modifier)
    made = set(view.findChildren(MessageView)) - before
    assert 0 < len(made) < 50  # a screen of them, not two thousand
    first = view.message_view(messages[0].id)
    assert first is not None
    assert view.verticalScrollBar().value() == 0
    assert 0 < first.top < view.viewport().height()
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.verticalScrollBar().value() == 0
    assert view.message_view(messages[100].id) is None
    assert view.messages.n_later > 1_900
    assert QApplication.focusWidget() is first.body
    QTest.keyClick(first.body, Qt.Key.Key_End, modifier)
    qtbot.waitUntil(lambda: not view.is_working())
    bar = view.verticalScrollBar()
    assert bar.value() == bar.maximum()
    last = view.message_view(messages[-1].id)
    assert last is not None
    assert QApplication.focusWidget() is last.body


def test_an_answer_that_was_far_away_is_there_as_far_as_it_is_written(
    qtbot: QtBot, view: ChatView
) -> None:
    """It lacked, until its end, what was written before and while the person was at the start."""
    written = streaming()
    parts = [ReasoningPart("Hm.")]

    def so_far() -> Message:
        return msgspec.structs.replace(written, text=text, parts=tuple(parts))

    text = ""
    messages = [answer(f"Message {number}.\n\n" + "More. " * 40) for number in range(400)]
    view.set_messages([*messages, question("Well?")], answer_so_far=so_far)
    view.append_message(written)
    view.append_thought(written.id, "Hm.")
    for piece in ("One, ", "two, ", "three, ", "four."):
        text += piece
        view.append_text(written.id, piece)
        if piece == "One, ":
            qtbot.waitUntil(lambda: not view.is_working())
            view.scroll_to_start()
            assert view.message_view(written.id) is None
        elif piece == "two, ":
            view.scroll_to_end()
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.plain_text().endswith("One, two, three, four.")
    assert view.messages.source(written.id) == "One, two, three, four."
    shown = view.message_view(written.id)
    assert isinstance(shown, AnswerView)
    assert [thought.source for thought in shown.thoughts] == ["Hm."]


def test_home_of_a_short_chat_scrolls(qtbot: QtBot, view: ChatView) -> None:
    messages = [answer(f"Message {number}.\n\n" + "More. " * 40) for number in range(9)]
    view.set_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    kept = view.message_view(messages[0].id)
    QTest.keyClick(view, Qt.Key.Key_Home)
    assert view.verticalScrollBar().value() == 0
    assert view.message_view(messages[0].id) is kept


def test_home_leads_to_the_start_of_a_chat_that_is_being_opened(
    qtbot: QtBot, view: ChatView
) -> None:
    """It led to the first of those messages that had been made by then, and stayed there."""
    messages = [answer(f"Message {number}.\n\n" + "More. " * 9_000) for number in range(12)]
    view.set_messages(messages)
    assert view.messages.n_earlier == 0
    assert view.message_view(messages[0].id) is None
    QTest.keyClick(view, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.message_view(messages[0].id) is not None
    assert view.verticalScrollBar().value() == 0
