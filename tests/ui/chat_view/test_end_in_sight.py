"""The end of a chat stays in sight where the person is there."""

from __future__ import annotations

import msgspec
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from tests.ui.chat_view.messages import answer, question
from tests.ui.chat_view.test_chat_view import PARAGRAPHS, at_end, show, wheel


def test_the_end_stays_in_sight_whatever_comes_and_goes_below(view: ChatView, qtbot: QtBot) -> None:
    stopped = answer(PARAGRAPHS, MessageState.STOPPED)
    show(qtbot, view, question("hi"), stopped)
    for height in (300, 600, 250):  # a message waits, is sent, and the next ones wait
        view.resize(view.width(), height)
        assert at_end(view)
    running = msgspec.structs.replace(stopped, state=MessageState.STREAMING)
    wheel(view, 120)
    assert not at_end(view)
    view.resume_answer(running)
    assert at_end(view)
    view.append_text(running.id, "\n\n" + PARAGRAPHS + " the end")
    qtbot.waitUntil(lambda: view.plain_text().endswith("the end"))
    assert at_end(view)
    view.edit_message(view.findChildren(MessageView)[0].message.id)
    view.verticalScrollBar().setValue(100)
    view.resize(view.width(), 400)
    assert not at_end(view)
