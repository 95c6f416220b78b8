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
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import AppPaths, app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.migrations import MIGRATIONS
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
            "what you begin to write is not kept.",
            "The settings were written by a newer Minerva (format 7, this one knows up to 1)",
            "presets.json was written by a newer Minerva (format 9, this one knows 1)",
            "The list of your models was written by a newer Minerva (format 3",
        ):
            assert words in told
        opened.accept(opened.open_settings())
        editor = opened.part(MessageEdit, "composer")
        QTest.keyClicks(editor, "Is anybody there?")
        opened.window.notifications.dismiss("open-chats")
        QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("refusal", lambda: "(format 99" in opened.notice)
        told_why = opened.notice
        opened.until("the text back", lambda: editor.toPlainText() == "Is anybody there?")
        assert opened.notice == told_why
        opened.window.close()
        assert opened.notice.startswith("Minerva is still open: the message that you began cannot")
        assert opened.window.isVisible()
        buttons = opened.window.notifications.findChildren(QPushButton)
        next(each for each in buttons if each.text() == "Copy it").click()
        assert QApplication.clipboard().text() == "Is anybody there?"
        editor.clear()
    assert contents(paths) == before
    kept = {paths.database.name, paths.catalog.name}
    beside = {file.name for file in paths.data.iterdir() if file.is_file()}
    assert beside - kept <= {f"{paths.database.name}.lock"}
    assert {file.name for file in paths.config.iterdir()} == {"settings.json", "presets.json"}


def test_what_is_written_beside_chats_of_a_newer_app_is_kept(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    paths = write_newer_files()
    SettingsFile(paths.settings.with_name("other.json")).save(Settings(new_chat_draft="Before"))
    paths.settings.with_name("other.json").replace(paths.settings)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("refusal", lambda: "newer Minerva (format 99" in opened.notice)
        assert "No message can be sent meanwhile; what you begin to write is kept." in opened.notice
        assert "No chats yet" not in [each.text() for each in opened.window.findChildren(QLabel)]
        opened.window.notifications.dismiss("open-chats")
        for wish in (opened.window.sidebar.new_chat, opened.window.new_temporary_chat):
            assert "(format 99" not in opened.notice
            wish.emit()
            assert "newer Minerva (format 99" in opened.notice
            opened.window.notifications.dismiss("open-chats")
        opened.window.composer.set_text("Is anybody there?")
        opened.window.composer.attachments.put_back((FilePart("a.md", "# A", 3),))
    with closing(apsw.Connection(str(paths.database))) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("draft", lambda: bool(opened.window.composer.text))
        assert opened.window.composer.text == "Before\n\nIs anybody there?"
        assert [file.name for file in opened.window.composer.files] == ["a.md"]


def test_what_is_written_is_not_said_to_be_kept_where_the_disk_takes_nothing(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    paths = write_newer_files()
    paths.settings.unlink()
    in_the_way = paths.settings.with_name("settings.json.new")
    in_the_way.mkdir()
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("refusal", lambda: "what you begin to write is not kept." in opened.notice)
        opened.window.composer.set_text("Is anybody there?")
        opened.window.close()
        assert opened.notice.startswith("Minerva is still open: the message that you began cannot")
        in_the_way.rmdir()  # there is room now
        opened.window.close()
        assert not opened.window.isVisible()
    assert SettingsFile(paths.settings).current.new_chat_draft == "Is anybody there?"


def notices(opened: OpenWindow) -> list[str]:
    """The sentences of all notices, also of those that others cover."""
    assert opened.window.findChild(QLabel, "noticeText") is not None
    return [notice.text for notice in opened.window.notifications._notices]
