"""Messages that are deleted in the whole window, and how they come back."""

from __future__ import annotations

import functools
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_view.actions import MessageAction
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import (
    ENDLESS,
    OpenApp,
    do,
    from_disk,
    on_disk,
    open_chat,
    remember,
    undo,
    views,
)

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def open_app(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> OpenApp:
    """Starts the app; one may be open at a time."""
    return functools.partial(OpenWindow, qtbot, dressed_app, catalog)


def test_what_is_deleted_comes_back_by_undo(open_app: OpenApp) -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux", "Three", "Trois", title="Count")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Trois")
        whole = opened.transcript
        do(opened, 2, MessageAction.DELETE)
        opened.until("gap", lambda: "Two" not in opened.transcript)
        assert opened.transcript == "One\n\nUn\n\nDeux\n\nThree\n\nTrois"
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        do(opened, 2, MessageAction.DELETE_BELOW)
        opened.until("end", lambda: opened.transcript == "One\n\nUn")
        opened.until("notice", lambda: opened.notice == "3 messages deleted, from “Deux” on")
        undo(opened)
        opened.until("rest", lambda: opened.transcript.endswith("Deux\n\nThree\n\nTrois"))
        undo(opened)
        opened.until("message", lambda: opened.transcript == whole)
        do(opened, 4, MessageAction.DELETE_BELOW)
        opened.until("notice", lambda: opened.notice == "2 messages deleted, from “Three” on")
        assert opened.transcript.endswith("Deux")
        opened.window.sidebar.new_chat.emit()
        opened.until("new chat", lambda: "Deux" not in opened.transcript)
        undo(opened)
        opened.until("the chat again", lambda: opened.transcript == whole)
    texts = [message.text for message in from_disk(conversation.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux", "Three", "Trois"]


def test_what_is_brought_back_out_of_order_brings_what_it_replies_to(open_app: OpenApp) -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux", title="Count")
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 3, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        part(opened.window, QPushButton, "noticeMoreButton").click()
        assert opened.notice == "Message “Deux” deleted"
        undo(opened)
        opened.until("both", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        opened.until("no notice", lambda: opened.notice == "")  # the other one is done, too
    texts = [message.text for message in from_disk(conversation.id).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux"]


def test_undo_waits_for_the_answer_that_is_written(open_app: OpenApp) -> None:
    remember(ENDLESS)
    on_disk(make_conversation("One", "Un", "Two", "Deux", title="Count"))
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 2, MessageAction.DELETE_BELOW)
        opened.until("notice", lambda: opened.notice == "2 messages deleted, from “Two” on")
        opened.send("Three")
        opened.until("answer", lambda: opened.is_answering)
        undo(opened)
        opened.until("wait", lambda: "once the answer is over" in opened.notice)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        undo(opened)
        opened.until("branch of before", lambda: opened.transcript == "One\n\nUn\n\nTwo\n\nDeux")
        assert [each.navigator is not None for each in views(opened)] == [False, False, True, False]
