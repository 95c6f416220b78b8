"""The text cursor of a field that nobody types into."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QStyleHints
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.caret_rest import CaretRest
from tests.ui.chat_view.messages import question
from tests.ui.open_window import OpenWindow

FLASH_MS = 1000


@pytest.fixture
def hints(qapp: QGuiApplication) -> Iterator[QStyleHints]:
    hints = qapp.styleHints()
    before = hints.cursorFlashTime()
    hints.setCursorFlashTime(FLASH_MS)
    yield hints
    hints.setCursorFlashTime(before)


def test_it_stops_blinking_after_a_while_and_begins_again(qtbot: QtBot, hints: QStyleHints) -> None:
    caret = CaretRest(hints, rest_ms=10)
    with qtbot.waitSignal(hints.cursorFlashTimeChanged):
        caret.wake()
        assert hints.cursorFlashTime() == FLASH_MS
    assert hints.cursorFlashTime() == 0
    caret.wake()
    assert hints.cursorFlashTime() == FLASH_MS


def test_typing_puts_it_off(qtbot: QtBot, hints: QStyleHints) -> None:
    caret = CaretRest(hints, rest_ms=200)
    caret.wake()
    started = time.monotonic()
    qtbot.waitUntil(lambda: time.monotonic() - started > 0.1)
    caret.wake()
    woken = time.monotonic()
    with qtbot.waitSignal(hints.cursorFlashTimeChanged):
        pass
    assert time.monotonic() - woken > 0.15


def test_who_wants_no_blinking_never_has_it(hints: QStyleHints) -> None:
    hints.setCursorFlashTime(0)
    CaretRest(hints).wake()
    assert hints.cursorFlashTime() == 0


def test_every_text_field_wakes_it(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, hints: QStyleHints
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        window = opened.window
        with qtbot.waitActive(window):
            window.activateWindow()
        window.parameters.toggle_action.setChecked(True)
        window.chat_view.set_messages([question("One?")])
        qtbot.waitUntil(lambda: not window.chat_view.is_working())
        for name in ("composer", "systemPrompt", "chatSearch", "messageEdit"):
            if name == "messageEdit":
                window.chat_view.edit_message(window.chat_view.messages.messages[0].id)
            field = opened.part(QWidget, name)
            field.setFocus()
            assert QApplication.focusWidget() is field
            opened.let_the_caret_rest()
            opened.until("rest", lambda: hints.cursorFlashTime() == 0)
            QTest.keyClick(field, Qt.Key.Key_A)
            assert hints.cursorFlashTime() == FLASH_MS
