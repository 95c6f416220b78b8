"""The text cursor of a field that nobody types into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QGuiApplication, QStyleHints
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.caret_rest import CaretRest


@pytest.fixture
def hints(qapp: QGuiApplication) -> Iterator[QStyleHints]:
    hints = qapp.styleHints()
    before = hints.cursorFlashTime()
    hints.setCursorFlashTime(1000)
    yield hints
    hints.setCursorFlashTime(before)


def test_it_stops_blinking_after_a_while_and_begins_again(qtbot: QtBot, hints: QStyleHints) -> None:
    caret = CaretRest(hints, rest_ms=10)
    with qtbot.waitSignal(hints.cursorFlashTimeChanged):
        caret.wake()
        assert hints.cursorFlashTime() == 1000
    assert hints.cursorFlashTime() == 0
    caret.wake()
    assert hints.cursorFlashTime() == 1000


def test_typing_puts_it_off(qtbot: QtBot, hints: QStyleHints) -> None:
    caret = CaretRest(hints, rest_ms=60_000)
    with qtbot.assertNotEmitted(hints.cursorFlashTimeChanged, wait=0):
        caret.wake()
        caret.wake()
    assert hints.cursorFlashTime() == 1000


def test_who_wants_no_blinking_never_has_it(hints: QStyleHints) -> None:
    hints.setCursorFlashTime(0)
    CaretRest(hints).wake()
    assert hints.cursorFlashTime() == 0
