"""An older app that meets the files of a newer one: told in the window, and left as they are."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import AppPaths, app_paths
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.message_edit import MessageEdit
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def write_newer_files() -> AppPaths:
    """Everything that a newer app may leave behind."""
    paths = app_paths()
    paths.create()

    async def create() -> None:
        store = await ChatStore.open(paths.database)
        await store.create(make_conversation("Hello", title="A chat"))
        await store.close()

    asyncio.run(create())
    with closing(apsw.Connection(str(paths.database))) as connection:
        connection.execute("PRAGMA user_version = 99")
    paths.settings.write_text(json.dumps({"format": 7, "n_ctx": 2048, "theme": {"of": "night"}}))
    paths.presets.write_text('{"format": "minerva-presets", "version": 9, "presets": 5}')
    paths.catalog.write_text('{"format": 3, "models": {"by": "id"}}')
    return paths


def contents(paths: AppPaths) -> dict[Path, bytes]:
    files = (paths.database, paths.settings, paths.presets, paths.catalog)
    return {file: file.read_bytes() for file in files}


def test_the_window_says_so_and_touches_nothing(
    qtbot: QtBot, dressed_app: QApplication, model_path: Path
) -> None:
    paths = write_newer_files()
    before = contents(paths)
    catalog = Catalog(paths.catalog, embedded=model_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("all notices", lambda: len(notices(opened)) == 4)
        told = " ".join(notices(opened))
        for words in (
            "were written by a newer Minerva (format 99, this one knows up to",
            "The settings were written by a newer Minerva (format 7, this one knows up to 1)",
            "presets.json was written by a newer Minerva (format 9, this one knows 1)",
            "The list of your models was written by a newer Minerva (format 3",
        ):
            assert words in told
        opened.accept(opened.open_settings())
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "Is anybody there?")
        QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("refusal", lambda: "nothing can be sent yet" in opened.notice)
        assert editor.toPlainText() == "Is anybody there?"
    assert contents(paths) == before
    kept = {paths.database.name, paths.catalog.name}
    beside = {file.name for file in paths.data.iterdir() if file.is_file()}
    assert beside - kept <= {f"{paths.database.name}.lock"}
    assert {file.name for file in paths.config.iterdir()} == {"settings.json", "presets.json"}


def notices(opened: OpenWindow) -> list[str]:
    """The sentences of all notices, also of those that others cover."""
    assert opened.window.findChild(QLabel, "noticeText") is not None
    return [notice.text for notice in opened.window.notifications._notices]
