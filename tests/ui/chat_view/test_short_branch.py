"""Where the person is after a look at a branch that is too short to stay there."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import answer, question

LONG = "One paragraph of it.\n\n" * 60


def change(qtbot: QtBot, view: ChatView, *messages: Message) -> None:
    view.change_messages(list(messages))
    qtbot.waitUntil(lambda: not view.is_working())


@pytest.mark.parametrize("below", [0, 700], ids=["at the question", "in the answer"])
def test_it_leads_back_to_where_one_was(qtbot: QtBot, view: ChatView, below: int) -> None:
    before = [question("First?"), answer(LONG), question("Second?")]
    long, shorts = answer(LONG), [answer("Yes."), answer("No.")]
    view.set_messages([*before, long])
    qtbot.waitUntil(lambda: not view.is_working())
    asked = view.message_view(before[2].id)
    assert asked is not None
    bar = view.verticalScrollBar()
    bar.setValue(asked.top + below)
    was = bar.value()
    for short in shorts:
        change(qtbot, view, *before, short)
        assert bar.value() == bar.maximum() < was
    change(qtbot, view, *before, long)
    assert bar.value() == was


def test_who_scrolls_there_stays(qtbot: QtBot, view: ChatView) -> None:
    before = [question("First?"), answer(LONG), question("Second?")]
    long, short = answer(LONG), answer("Yes.")
    view.set_messages([*before, long])
    qtbot.waitUntil(lambda: not view.is_working())
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum() - 300)
    change(qtbot, view, *before, short)
    bar.setValue(500)
    change(qtbot, view, *before, long)
    assert bar.value() == 500
