"""A cancelled load leaves the choice of the model, and that of the next start, as they were."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_the_model_before_it_is_chosen_again(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, gemma_path: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.gguf"
    large.symlink_to(gemma_path)
    catalog.add(large)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        picker = opened.window.header.picker
        assert picker.current is not None
        before = picker.current.path
        cancel = opened.part(QPushButton, "cancelLoadButton")
        for is_loaded in (False, True):  # as at the start, and after its first message
            if is_loaded:
                picker.selected.emit(before)
                opened.until("model", opened.part(QToolButton, "ejectButton").isEnabled)
            picker.selected.emit(str(large))
            assert picker.current.path == str(large)
            opened.until("progress", cancel.isVisible)
            QTest.mouseClick(cancel, Qt.MouseButton.LeftButton)
            opened.until("choice", lambda: chosen(opened) == before)
            assert opened.settings.current.model == before
            assert opened.part(QToolButton, "ejectButton").isEnabled() is is_loaded
            assert "small" in opened.part(MessageEdit, "composer").placeholderText()
            opened.until("end of the progress", lambda: not cancel.isVisible())
        assert opened.notice == ""


def test_where_there_was_no_model_none_is_chosen(
    qtbot: QtBot, dressed_app: QApplication, gemma_path: Path, tmp_path: Path, minerva_home: Path
) -> None:
    catalog = Catalog(minerva_home / "models.json", embedded=None)
    large = tmp_path / "large.gguf"
    large.symlink_to(gemma_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog, wait=False)) as opened:
        opened.until("notice", lambda: "There is no model yet" in opened.notice)
        assert opened.transcript.startswith("Add a model to begin")
        options = opened.part(QToolButton, "modelOptionsButton")
        assert not options.isEnabled()
        opened.drop(large)
        cancel = opened.part(QPushButton, "cancelLoadButton")
        opened.until("progress", cancel.isVisible)
        assert (options.isEnabled(), opened.notice) == (True, "")
        QTest.mouseClick(cancel, Qt.MouseButton.LeftButton)
        opened.until("choice", lambda: chosen(opened) == "")
        assert opened.settings.current.model is None
        assert opened.model_paths == [str(large)]


def chosen(opened: OpenWindow) -> str:
    """The path of the model in the header."""
    current = opened.window.header.picker.current
    return "" if current is None else current.path
