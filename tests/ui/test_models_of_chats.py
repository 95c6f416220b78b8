"""Which model the header shows when another chat is opened."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import path_text
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_chat_that_is_opened_while_it_answers_has_its_own_model(
    qtbot: QtBot,
    dressed_app: QApplication,
    slow_catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
) -> None:
    other = path_text(slow_catalog.add(shutil.copyfile(small_path, tmp_path / "other.gguf")).path)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        picker = opened.window.header.picker
        assert picker.current is not None
        own = picker.current.path
        assert own != other
        opened.let_answers_go_on()
        opened.send("Count")
        opened.until("answer", lambda: opened.is_answering and opened.speed != "")
        opened.window.sidebar.new_chat.emit()
        picker.selected.emit(other)
        assert picker.current is not None
        assert picker.current.path == other
        opened.open_chat("Count")
        opened.until("chat", lambda: opened.is_answering)
        assert picker.current.path == own
