"""A temporary chat that is left or closed, and a message that is thrown away: nothing goes without
a word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.temporary_chats import LEFT
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import remember, titles

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog) -> Iterator[OpenWindow]:
    """A window whose model never ends by itself."""
    remember(SamplingParameters(ignore_eos=True, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        yield opened


def _press(opened: OpenWindow, label: str) -> None:
    buttons = opened.window.notifications.findChildren(QPushButton)
    (button,) = (each for each in buttons if each.text() == label)
    button.click()


def _ask(opened: OpenWindow, text: str) -> None:
    opened.send(text)
    opened.until("answer", lambda: opened.is_answering and len(opened.transcript) > 60)


def _stop(opened: OpenWindow) -> None:
    opened.press(Qt.Key.Key_Escape)
    opened.until("end of the answer", lambda: not opened.is_answering)


def _queue(opened: OpenWindow, text: str) -> None:
    editor = opened.part(MessageEdit, "composer")
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)


def test_one_that_was_left_can_be_had_back(opened: OpenWindow) -> None:
    opened.window.new_temporary_chat.emit()
    _ask(opened, "A secret")
    opened.window.sidebar.new_chat.emit()
    assert "A secret" not in opened.transcript
    told = "The temporary chat is closed (its answer is not finished). Nothing of it is kept."
    assert opened.notice == told
    shown = opened.window.notifications.shown
    assert shown is not None
    assert shown.is_last_chance  # so it stays for longer
    _press(opened, "Undo")
    opened.until("chat", lambda: "A secret" in opened.transcript)
    opened.until("end of the answer", lambda: not opened.is_answering)
    assert titles(opened) == []
    opened.window.sidebar.new_chat.emit()
    assert opened.notice == "The temporary chat is closed. Nothing of it is kept."
    editor = opened.part(MessageEdit, "composer")
    QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    opened.until("chat", lambda: "A secret" in opened.transcript)
    assert opened.notice == "Undone: The temporary chat is closed"
    opened.window.sidebar.new_chat.emit()
    opened.window.notifications.dismiss(LEFT)  # as it does by itself after a while
    QApplication.processEvents()
    QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert "A secret" not in opened.transcript


def test_the_window_asks_before_it_closes_on_one_that_is_not_over(opened: OpenWindow) -> None:
    opened.window.new_temporary_chat.emit()
    assert not opened.window.must_stay()
    _ask(opened, "A secret")
    _queue(opened, "And another")
    waiting = opened.window.composer.waiting
    opened.until("queue", lambda: waiting.accessibleName() == "1 message waits")
    assert not opened.window.close()
    assert opened.window.isVisible()
    told = "its answer is not finished and 1 message waits."
    assert (
        opened.notice == f"Minerva is still open: nothing of a temporary chat is kept, and {told}"
    )
    buttons = opened.window.notifications.findChildren(QPushButton)
    assert "Close all the same" in [button.text() for button in buttons]
    opened.window.sidebar.new_chat.emit()
    assert not opened.window.must_stay()
    assert opened.notice.startswith("The temporary chat is closed")


def _buttons(waiting: QWidget, name: str) -> list[QToolButton]:
    """Those of the messages that wait, in order; rows that were taken away may not be gone yet."""
    buttons = waiting.findChildren(QToolButton)
    return [each for each in buttons if each.accessibleName() == name and each.isVisible()]


def test_a_message_that_was_thrown_away_comes_back_to_its_place(opened: OpenWindow) -> None:
    _ask(opened, "Write a story.")
    _queue(opened, "Second")
    _queue(opened, "Third")
    waiting = opened.window.composer.waiting
    opened.until("queue", lambda: waiting.accessibleName() == "2 messages wait")
    opened.window.activateWindow()
    last = _buttons(waiting, "Do not send this message")[1]
    last.setFocus()
    QTest.keyClick(last, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)  # before the other
    opened.until("the rows of before are gone", lambda: not last.isVisible())
    _buttons(waiting, "Do not send this message")[0].click()
    assert waiting.accessibleName() == "1 message waits"
    assert opened.notice == "Message removed"
    _press(opened, "Undo")
    opened.until("queue", lambda: waiting.accessibleName() == "2 messages wait")
    _buttons(waiting, "Edit this message")[0].click()
    assert opened.window.composer.text == "Third"
    opened.press(Qt.Key.Key_Escape)  # leaves it as it was
    _stop(opened)


def test_where_nothing_is_answered_any_more_it_waits_again_for_its_person(
    opened: OpenWindow,
) -> None:
    _ask(opened, "Write a story.")
    _queue(opened, "Second")
    waiting = opened.window.composer.waiting
    opened.until("queue", lambda: waiting.accessibleName() == "1 message waits")
    _stop(opened)

    def buttons() -> list[QToolButton]:
        found = waiting.findChildren(QToolButton)
        return [each for each in found if each.accessibleName() == "Do not send this message"]

    opened.until("the row of before is gone", lambda: len(buttons()) == 1)
    buttons()[0].click()
    opened.window.composer.set_text("Draft")
    _press(opened, "Undo")
    opened.until("queue", lambda: waiting.accessibleName() == "1 message waits")
    assert opened.window.composer.text == "Draft"
    assert opened.part(QPushButton, "sendWaitingButton").isVisible()
