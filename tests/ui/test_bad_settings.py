"""The window with settings that were edited by hand, and not well."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_value_that_is_not_understood_is_told_and_the_rest_holds(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    paths.settings.write_text(json.dumps({"memory_gb": 0.5, "n_threads": -4, "n_ctx": 2048}))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("notice", lambda: "n_threads is -4" in opened.notice)
        assert f"The file as it was is kept as {paths.settings}.unreadable." in opened.notice
        dialog = opened.open_settings()
        assert opened.part(QLineEdit, "memoryGb").text() == "0.5"
        assert opened.part(QLineEdit, "nCtx").text() == "2048"
        opened.accept(dialog)
    saved = json.loads(paths.settings.read_text())
    assert (saved["memory_gb"], saved["n_threads"], saved["n_ctx"]) == (0.5, None, 2048)
