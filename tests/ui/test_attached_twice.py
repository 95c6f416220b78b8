"""A file that is attached already is not attached once more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _names(opened: OpenWindow) -> list[str]:
    return [file.name for file in opened.window.composer.files]


def test_a_file_is_attached_once(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, tmp_path: Path
) -> None:
    """It took its tokens twice, and nothing said so."""
    (tmp_path / "other").mkdir()
    one, two, namesake = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "other" / "a.txt"
    one.write_text("Rivers", encoding="utf-8")
    two.write_text("Rivers", encoding="utf-8")
    namesake.write_text("Lakes", encoding="utf-8")
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.drop(one, two, namesake)
        opened.until("files", lambda: _names(opened) == ["a.txt", "b.txt", "a.txt"])
        opened.drop(one)
        opened.until("notice", lambda: opened.notice == "“a.txt” is attached already.")
        assert not opened.window.composer.attachments.is_reading
        opened.drop(one, two)
        opened.until("notice", lambda: opened.notice == "2 of the files are attached already.")
        assert _names(opened) == ["a.txt", "b.txt", "a.txt"]
        one.write_text("More rivers", encoding="utf-8")
        opened.drop(one)  # it is another by now
        opened.until("file", lambda: len(_names(opened)) == 4)
        opened.window.composer.clear()
        assert opened.notice == ""
