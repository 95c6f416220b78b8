"""Chats that could not be listed at the start: the window offers to try again."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QListView, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.errors import StoreError
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


async def _keep(title: str) -> None:
    paths = app_paths()
    paths.create()
    store = await ChatStore.open(paths.database)
    await store.create(make_conversation("Why salt?", "Rivers.", title=title))
    await store.close()


def test_chats_that_are_not_open_take_none_in(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async def fail(_path: Path, **_: object) -> None:
        raise StoreError("The chats cannot be opened")

    monkeypatch.setattr(ChatStore, "open", fail)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        file = tmp_path / "chats.json"
        file.write_text('{"format": "minerva-chats", "chats": []}')
        opened.drop(file)
        words = "The chats are not open, so none can be imported."
        opened.until("sentence", lambda: opened.notice == words)


def test_a_start_that_failed_half_way_is_tried_again(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_keep("Sea"))
    tidy = ChatLibrary.tidy

    async def fail_once(_library: ChatLibrary) -> None:
        monkeypatch.setattr(ChatLibrary, "tidy", tidy)
        raise StoreError("The chats cannot be read")

    monkeypatch.setattr(ChatLibrary, "tidy", fail_once)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert opened.notice.startswith("The chats cannot be read. No message can be sent")
        buttons = opened.window.notifications.findChildren(QPushButton)
        next(each for each in buttons if each.text() == "Try again").click()
        model = opened.part(QListView, "chatList").model()
        opened.until(
            "list", lambda: "Sea" in [model.index(row, 0).data() for row in range(model.rowCount())]
        )
