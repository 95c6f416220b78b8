"""What is typed into a new chat outlives the app, although that chat is not on disk."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_draft_of_a_new_chat_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Half a th")
        # Also where the app is killed: it does not wait for the end.
        opened.until("draft", lambda: opened.settings.current.new_chat_draft == "Half a th")
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "ought")
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        assert opened.window.composer.text == "Half a thought"
        opened.press(Qt.Key.Key_Return)
        opened.until("message", lambda: "Half a thought" in opened.transcript)
        assert opened.settings.current.new_chat_draft == ""
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)


def test_a_draft_of_a_temporary_chat_is_not_kept(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.window.new_temporary_chat.emit()
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Nobody's business")
    assert opened.paths.settings.read_text().find("business") == -1
