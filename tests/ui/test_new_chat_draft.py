"""What is typed into a new chat, and set in it, outlives the app, although that chat is not on
disk."""

from __future__ import annotations

from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.settings import ChatSetup
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_draft_of_a_new_chat_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Half a th")
        # Also where the app is killed: it does not wait for the end.
        opened.until("draft", lambda: opened.settings.current.new_chat_draft == "Half a th")
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "ought")
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        assert opened.window.composer.text == "Half a thought"
        opened.press(Qt.Key.Key_Return)
        opened.until("message", lambda: "Half a thought" in opened.transcript)
        assert opened.settings.current.new_chat_draft == ""
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)


def test_a_draft_of_a_temporary_chat_is_not_kept(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.new_temporary_chat.emit()
        QTest.keyClicks(opened.part(MessageEdit, "composer"), "Nobody's business")
    assert opened.paths.settings.read_text().find("business") == -1


PIRATE = ("Be a pirate.", SamplingParameters(temperature=1.5, max_tokens=2))
USUAL = ("", SamplingParameters())


def test_what_was_set_in_a_new_chat_is_there_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    kept = ChatSetup(system_prompt=PIRATE[0], sampling=PIRATE[1])
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.parameters.apply("", PIRATE[1])
        QTest.keyClicks(opened.part(QPlainTextEdit, "systemPrompt"), PIRATE[0])
        # Also where the app is killed: it does not wait for the end.
        opened.until("setup", lambda: opened.settings.current.new_chat_setup == kept)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        panel = opened.window.parameters
        assert panel.values() == PIRATE
        opened.window.header.picker.selected.emit(opened.model_paths[0])
        assert panel.values() == PIRATE  # though the model has other defaults
        opened.send("Hi")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        assert opened.settings.current.new_chat_setup is None
        opened.window.sidebar.new_chat.emit()
        assert panel.values() == USUAL


def test_what_was_set_in_a_new_chat_waits_while_another_is_looked_at(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        panel, sidebar = opened.window.parameters, opened.window.sidebar
        panel.apply("", SamplingParameters(max_tokens=2))
        opened.send("Hi")
        opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
        sidebar.new_chat.emit()
        panel.apply(*PIRATE)
        opened.window.new_temporary_chat.emit()
        assert panel.values() == USUAL
        panel.apply("A secret.", SamplingParameters())
        opened.open_chat("Hi")
        opened.until("chat", lambda: "Hi" in opened.transcript)
        panel.apply("Of this chat alone.", SamplingParameters(max_tokens=2))
        sidebar.new_chat.emit()
        assert panel.values() == PIRATE
        sidebar.new_chat.emit()  # in a new chat, it asks for another one
        assert panel.values() == USUAL
        buttons = opened.window.notifications.findChildren(QPushButton)
        (undo,) = [each for each in buttons if each.text() == "Undo" and each.isVisible()]
        QTest.mouseClick(undo, Qt.MouseButton.LeftButton)
        opened.until("setup", lambda: panel.values() == PIRATE)
    assert "secret" not in opened.paths.settings.read_text()
    assert opened.settings.current.new_chat_setup is not None
