"""Chats that go on at once are marked in the list."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.ui.chat_list_model import ChatListModel
from minerva_desktop.ui.chat_rows import chat_rows

CHATS = [
    ConversationSummary(id=name, title=name, updated_at=1000.0, model=None)
    for name in ("warm", "cold")
]


def test_a_warm_chat_says_so(qapp: QApplication) -> None:
    model = ChatListModel()
    model.set_rows(replace(chat_rows(CHATS), warm=frozenset({"warm"})))
    said = {
        name: (
            str(model.index_of(name).data(Qt.ItemDataRole.ToolTipRole)),
            str(model.index_of(name).data(Qt.ItemDataRole.AccessibleTextRole)),
        )
        for name in ("warm", "cold")
    }
    assert ["goes on at once" in words.lower() for words in said["warm"]] == [True, True]
    assert ["goes on at once" in words.lower() for words in said["cold"]] == [False, False]
