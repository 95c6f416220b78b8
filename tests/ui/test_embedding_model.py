"""A model that only makes embeddings: it is shown as one, and the chat keeps its own."""

from __future__ import annotations

import functools
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QListView
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import SettingsFile
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_it_is_marked_and_choosing_it_says_what_it_is_for(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, embedding_model: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.gguf"
    mine.symlink_to(embedding_model)
    open_app = functools.partial(OpenWindow, qtbot, dressed_app, catalog)
    with closing(open_app([mine])) as opened:
        opened.until("notice", lambda: "mine makes embeddings" in opened.notice)
        picker = opened.window.header.picker
        assert picker.current is not None
        before = picker.current
        assert opened.notice.endswith(f"{before.name} stays the model of the chat.")
        opened.window.notifications.dismiss("embeddings-only")
        opened.window.composer.set_text("Half a question")

        picker.open_list()
        search = opened.part(QLineEdit, "pickerFilter")
        QTest.keyClicks(search, "embeddings only")
        rows = opened.part(QListView, "pickerList").model()
        spoken = rows.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
        assert rows.rowCount() == 1
        assert spoken.startswith("mine, Embeddings only · Q8_0 · 25.3 MB")
        QTest.keyClick(search, Qt.Key.Key_Return)
        opened.until("notice", lambda: "cannot chat" in opened.notice)
        assert picker.current.path == before.path
        assert opened.settings.current.model == before.path
        assert opened.window.composer.text == "Half a question"
        opened.window.composer.set_text("")

    settings = SettingsFile(app_paths().settings)  # as a version before may have left it
    settings.save(msgspec.structs.replace(settings.current, model=str(mine)))
    with closing(open_app()) as opened:
        opened.until("notice", lambda: "mine.gguf" in opened.notice)
        assert "makes embeddings and cannot chat" in opened.notice
        assert opened.window.header.picker.current is not None
        assert opened.window.header.picker.current.path == before.path
