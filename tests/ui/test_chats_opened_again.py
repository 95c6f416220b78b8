"""Chats that are not listed at the start: not yet, or not at all, when the window offers to try
again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QListView, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.errors import StoreError
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store import opening
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.migrations import Migration
from minerva_desktop.store.recovery import Recovery
from tests.chat.samples import make_conversation
from tests.store.test_recovery import root_page, spoil_page
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


def test_a_recovery_that_takes_long_is_seen_to_go_on(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_keep("Sea"))
    database = app_paths().database
    spoil_page(database, root_page(database, "conversations_listed"))
    go_on = threading.Event()
    replace_damaged = opening.replace_damaged

    def slow(path: Path, migrations: Sequence[Migration]) -> Recovery:
        assert go_on.wait(30)
        return replace_damaged(path, migrations)

    monkeypatch.setattr(opening, "replace_damaged", slow)
    with closing(OpenWindow(qtbot, dressed_app, catalog, wait=False)) as opened:
        note = opened.window.sidebar.empty_note
        try:
            assert note.text() == ""
            opened.until("progress", lambda: note.text() == "Opening your chats …")
            assert note.isVisible()
        finally:
            go_on.set()
        opened.until("told", lambda: "2 messages in 1 chat could be read." in opened.notice)
        opened.until("list", lambda: opened.part(QListView, "chatList").isVisible())
        assert note.text() == "No chats yet"
