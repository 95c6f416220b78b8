"""The menu of an answer that is still being written."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import ended, question, streaming
from tests.ui.chat_view.test_actions import entries, open_menu, show

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_what_is_written_so_far_can_be_copied_by_the_menu(qtbot: QtBot, view: ChatView) -> None:
    """There was no menu, and the Esc that was to be rid of one stopped the answer."""
    show(qtbot, view, question("Hi"))
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "Hello **you**")
    written = view.message_view(running.id)
    assert written is not None
    menu = open_menu(view, written)
    assert list(entries(menu)) == ["Copy as Markdown"]
    menu.actions()[0].trigger()
    assert QGuiApplication.clipboard().text() == "Hello **you**"
    menu.close()
    view.finish_message(ended(running, "Hello **you**"))
