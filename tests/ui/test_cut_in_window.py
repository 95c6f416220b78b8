"""A cut of the context, in the window: it outlives the message that it was at."""

from __future__ import annotations

import functools
from contextlib import closing

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_view.actions import MessageAction
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import do, from_disk, on_disk, open_chat, undo

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_cut_outlives_the_message_that_it_was_at(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    open_app = functools.partial(OpenWindow, qtbot, dressed_app, catalog)
    conversation = make_conversation("One", "Un", "Two", "Deux", title="Count")
    ids = [message.id for message in conversation]
    cut = ContextCut(first_id=ids[2], created_at=5.0)
    conversation.cuts = (cut,)
    on_disk(conversation)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        mark = opened.window.chat_view.cut_mark
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Two” deleted")
        assert mark.first_id == ids[3]
    assert from_disk(conversation.id).active_cut() == ContextCut(first_id=ids[3], created_at=5.0)
    with closing(open_app()) as opened:
        open_chat(opened, "Count", "Deux")
        do(opened, 2, MessageAction.DELETE)
        opened.until("notice", lambda: opened.notice == "Message “Deux” deleted")
        undo(opened)
        opened.until("the cut again", lambda: opened.window.chat_view.cut_mark.first_id == ids[3])
