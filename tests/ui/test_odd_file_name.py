"""A model whose file name is no UTF-8: chosen, used, and there again at the next start."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.settings import ModelOverrides
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_file_name_that_is_no_utf_8(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    odd = tmp_path / os.fsdecode(b"odd \xff\xfe.gguf")
    shutil.copy(small_path, odd)
    text = path_text(odd)
    assert text.encode()  # JSON, SQLite and Qt can hold it
    with closing(OpenWindow(qtbot, dressed_app, catalog, [odd])) as opened:
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        opened.send("Hello")
        opened.until("speed", lambda: "tokens/s" in opened.speed)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        picker = opened.window.header.picker
        assert picker.current is not None
        assert path_of(picker.current.path) == odd
        assert opened.notice == ""
        assert "odd \ufffd\ufffd.gguf" in picker.current.tip
        opened.until("chat", lambda: "Hello" in opened.transcript)
        picker.selected.emit(picker.current.path)  # as a click in the list does
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        opened.settings.override(odd, ModelOverrides(n_ctx=512))
        assert opened.settings.current.models == {text: ModelOverrides(n_ctx=512)}
