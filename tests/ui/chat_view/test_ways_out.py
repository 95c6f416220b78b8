"""What is offered under an answer that failed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import ended, question, streaming
from tests.ui.chat_view.test_chat_view import buttons, message_view, show


def test_a_failure_keeps_its_ways_out_when_its_chat_is_shown_again(
    view: ChatView, qtbot: QtBot
) -> None:
    asked, running = question("Hi"), streaming()
    failed = ended(running, "", MessageState.FAILED, None, "It does not fit. " * 8)
    show(qtbot, view, asked, failed)
    assert list(buttons(message_view(view, failed.id))) == ["Try again"]
    view.offer_help(failed.id, AnswerHelp(details=True, options=True))
    show(qtbot, view, question("Another chat"))
    view.resize(view.minimumSizeHint().expandedTo(QSize(360, 500)))
    show(qtbot, view, asked, failed)
    offered = buttons(message_view(view, failed.id))
    assert set(offered) == {"Try again", "Load options of the model", "Details of the error"}
    (sentence,) = [
        label
        for label in message_view(view, failed.id).findChildren(QLabel)
        if label.text().startswith("It does not fit")
    ]
    assert all(button.y() >= sentence.geometry().bottom() for button in offered.values())
    with qtbot.waitSignal(view.events.options_requested) as signal:
        offered["Load options of the model"].click()
    assert signal.args == [failed.id]


@pytest.mark.parametrize("width", [1000, 360])
def test_the_ways_out_stand_in_the_order_of_the_keyboard(
    view: ChatView, qtbot: QtBot, width: int
) -> None:
    """Beside the sentence they stood the other way round than under it, where there was no room."""
    failed = ended(streaming(), "", MessageState.FAILED, None, "It does not fit.")
    view.resize(width, 500)
    show(qtbot, view, question("Hi"), failed)
    view.offer_help(failed.id, AnswerHelp(options=True))
    offered = buttons(message_view(view, failed.id))
    assert set(offered) == {"Try again", "Load options of the model"}
    again, options = offered["Try again"], offered["Load options of the model"]
    assert again.y() == options.y()
    assert again.x() < options.x()
    shown = message_view(view, failed.id).findChildren(QLabel)
    (sentence,) = [label for label in shown if label.text() == "It does not fit."]
    assert (again.y() > sentence.geometry().bottom()) == (width == 360)
