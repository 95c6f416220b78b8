"""How much of a message one Ctrl+Z takes back."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from minerva_desktop.ui import undo_groups
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.text_size import TextSize

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def field(qtbot: QtBot) -> MessageEdit:
    field = MessageEdit(TextSize())
    qtbot.addWidget(field)
    field.show()
    return field


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo_groups, "PAUSE_MS", 100)


def undone(field: MessageEdit) -> str:
    QTest.keyClick(field, Qt.Key.Key_Z, CTRL)
    return field.toPlainText()


def test_what_is_pasted_is_taken_back_by_itself(field: MessageEdit) -> None:
    QTest.keyClicks(field, "see ")
    QGuiApplication.clipboard().setText("a page of text")
    QTest.keyClick(field, Qt.Key.Key_V, CTRL)
    QTest.keyClicks(field, " please")
    assert field.toPlainText() == "see a page of text please"
    assert undone(field) == "see a page of text"
    assert undone(field) == "see "
    assert undone(field) == ""
    for _ in range(3):
        field.redo()
    assert field.toPlainText() == "see a page of text please"


@pytest.mark.usefixtures("short_pause")
def test_a_pause_ends_what_is_taken_back_at_once(qtbot: QtBot, field: MessageEdit) -> None:
    QTest.keyClicks(field, "one thought")
    with qtbot.waitSignal(field.document().modificationChanged):  # the pause is over
        pass
    QTest.keyClicks(field, ", and another")
    assert undone(field) == "one thought"
    assert undone(field) == ""
    QTest.keyClicks(field, "a third")
    assert undone(field) == ""
