"""The window is closed while an answer is written, and opened again."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import ENDLESS, remember

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _said(opened: OpenWindow) -> list[str]:
    """What stands below the answer, and the buttons there."""
    seen: list[QLabel | QPushButton] = [*opened.window.chat_view.findChildren(QLabel)]
    seen += opened.window.chat_view.findChildren(QPushButton)
    return [each.accessibleName() or each.text() for each in seen if each.isVisible()]


def test_the_answer_was_interrupted_then_and_can_go_on(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    """It said that its person had stopped it."""
    remember(ENDLESS)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.send("One")
        empty = len(opened.transcript)
        opened.until("words", lambda: opened.is_answering and len(opened.transcript) > empty + 20)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.until("chat", lambda: "One" in opened.transcript)
        ending = "This answer was interrupted before it was finished."
        opened.until("ending", lambda: ending in _said(opened))
        assert "You stopped this answer." not in _said(opened)
        assert "Continue the answer" in _said(opened)
