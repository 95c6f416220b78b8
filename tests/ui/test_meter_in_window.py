"""The context meter counts while answers are written: the one in the chat that is open."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_controller import ChatController
from minerva_desktop.ui.context_panel import ContextPanel
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import open_chat, remember, titles

LONG = 240  # tokens that the long question has at least

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _used(opened: OpenWindow) -> int:
    """The tokens that the meter tells; 0 where it knows none."""
    number = opened.context.removeprefix("Context: ").partition(" / ")[0].replace(",", "")
    return int(number) if number.isdigit() else 0


def test_it_counts_the_answer_of_the_open_chat(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    remember(SamplingParameters(ignore_eos=True, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.window.composer.set_text("Write one story. " * 60)
        opened.press(Qt.Key.Key_Return)
        opened.until("count", lambda: _used(opened) > LONG)
        _grows(opened)
        QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
        opened.send("Hi")
        opened.until("count of the other", lambda: 0 < _used(opened) < LONG)
        (title,) = [each for each in titles(opened) if each.startswith("Write")]
        open_chat(opened, title, "Write one story.")
        opened.until("count of before", lambda: _used(opened) > LONG)
        _grows(opened)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        opened.until("count at the end", lambda: _used(opened) > LONG)
        chats = opened.window.findChild(ChatController)
        assert chats is not None
        shown: list[int] = []
        chats.session_shown.connect(lambda _session: shown.append(_used(opened)))
        QTest.mouseClick(opened.part(QPushButton, "newChatButton"), Qt.MouseButton.LeftButton)
        opened.until("new chat", lambda: bool(shown))
        assert shown[0] == 0, "nothing yet, and not what the chat before fills"


def test_the_panel_goes_along_with_the_meter(
    qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog
) -> None:
    remember(SamplingParameters(ignore_eos=True, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        opened.window.composer.set_text("Write one story.")
        opened.press(Qt.Key.Key_Return)
        opened.until("count", lambda: _used(opened) > 30)
        opened.window.composer.set_text("And this comes later. " * 100)
        opened.part(QAbstractButton, "contextMeter").click()
        panel = opened.window.context_panel
        opened.until("numbers", lambda: _told(panel) > 30)
        assert abs(_told(panel) - _used(opened)) < 40
        assert "What you are typing" not in _words(panel)
        assert "Write one story." in panel.prompt_text
        assert "And this comes later." not in panel.prompt_text
        first = _told(panel)
        opened.until("more", lambda: _told(panel) > first)
        assert opened.is_answering
        chats = opened.window.findChild(ChatController)
        assert chats is not None
        assert chats.session is not None
        chats.session.stop()
        opened.until("the draft", lambda: "What you are typing" in _words(panel))
        opened.until("the same number", lambda: _told(panel) == _used(opened) > first + 400)


def _words(panel: ContextPanel) -> list[str]:
    return [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]


def _told(panel: ContextPanel) -> int:
    """The tokens that the panel tells; 0 where it knows none."""
    for words in _words(panel):
        number, is_there, _ = words.partition(" of ")
        if is_there and number.replace(",", "").isdigit():
            return int(number.replace(",", ""))
    return 0


def _grows(opened: OpenWindow) -> None:
    first = _used(opened)
    opened.until("more", lambda: _used(opened) > first)
    assert opened.is_answering
