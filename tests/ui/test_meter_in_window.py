"""The context meter counts while answers are written: the one in the chat that is open."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_controller import ChatController
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import open_chat, remember, titles

LONG = 240  # tokens that the long question has at least

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _used(opened: OpenWindow) -> int:
    """The tokens that the meter tells; 0 where it knows none."""
    number = opened.context.removeprefix("Context: ").partition(" / ")[0].replace(",", "")
    return int(number) if number.isdigit() else 0


def test_it_counts_the_answer_of_the_open_chat(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog
) -> None:
    remember(SamplingParameters(ignore_eos=True, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
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


def _grows(opened: OpenWindow) -> None:
    first = _used(opened)
    opened.until("more", lambda: _used(opened) > first)
    assert opened.is_answering
