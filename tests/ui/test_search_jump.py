"""From the search to a message that is far up in another branch of a chat; the whole window."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.search_results import SearchResults
from tests.chat.samples import make_conversation, make_message
from tests.ui.open_window import OpenWindow

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_found_message_is_shown(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    chat = make_conversation(*[f"Message {n}" for n in range(200)], title="Long")
    branch = chat.active_branch()
    other = make_message("The needle", branch[20])
    chat.add(other)
    for n in range(100):
        chat.add(make_message(f"Behind it {n}", chat[chat.active_leaf_id or ""]))
    chat.select_branch(branch[-1].id)

    async def write() -> None:
        store = await ChatStore.open(app_paths().database)
        await store.create(chat)
        await store.close()

    app_paths().create()
    asyncio.run(write())
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        search = opened.part(QLineEdit, "chatSearch")
        search.setText("needle")
        results = opened.part(SearchResults, "searchResults")
        opened.until("results", results.isVisible)
        assert results.results.index(1, 0).data() == "The needle"
        QTest.keyClick(search, Qt.Key.Key_Down)
        QTest.keyClick(results, Qt.Key.Key_Down)
        QTest.keyClick(results, Qt.Key.Key_Return)
        view = opened.window.chat_view
        opened.until("message", lambda: view.message_view(other.id) is not None)
        opened.until("rest", lambda: not view.is_working())
        message = view.message_view(other.id)
        assert message is not None
        top = message.mapTo(view.viewport(), message.rect().topLeft()).y()
        assert 0 <= top <= 40
        shown = opened.transcript.split("\n\n")
        assert shown[shown.index("The needle") - 1 :][:3] == [
            "Message 20",
            "The needle",
            "Behind it 0",
        ]
