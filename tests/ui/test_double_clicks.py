"""The second click of a double click hits nothing that came under the pointer by the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.waiting_messages import REMOVE, WaitingMessages
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import ENDLESS, remember

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog) -> Iterator[OpenWindow]:
    """Its answers run on and on, and what comes between two clicks may take its time."""
    remember(ENDLESS)
    usual, pointer = dressed_app.doubleClickInterval(), QCursor.pos()
    dressed_app.setDoubleClickInterval(60_000)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        yield opened
    dressed_app.setDoubleClickInterval(usual)
    QCursor.setPos(pointer)


def _click(button: QAbstractButton, beside: int = 0) -> QPoint:
    """Go there, ``beside`` px from its middle, and click; where that was."""
    place = button.mapToGlobal(button.rect().center()) + QPoint(beside, 0)
    QCursor.setPos(place)
    QTest.mouseClick(button, LEFT, pos=button.mapFromGlobal(place))
    return place


def _click_again(place: QPoint, name: str) -> None:
    """Click what is there by now: the button with that accessible name."""
    QApplication.processEvents()
    under = QApplication.widgetAt(place)
    assert isinstance(under, QAbstractButton)
    assert under.accessibleName() == name
    QTest.mouseClick(under, LEFT, pos=under.mapFromGlobal(place))
    QApplication.processEvents()


def _waiting(opened: OpenWindow) -> list[str]:
    labels = opened.part(WaitingMessages, "waitingMessages").findChildren(QLabel)
    shown = [each.text() for each in labels if each.isVisible()]
    return [text for text in shown if text.startswith("Message ")]


def _queue(opened: OpenWindow, *texts: str) -> None:
    editor = opened.part(MessageEdit, "composer")
    for text in texts:
        QTest.keyClicks(editor, text)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("place in the queue", lambda: opened.window.composer.text == "")


def test_one_on_a_cross_takes_one_waiting_message_away(opened: OpenWindow) -> None:
    opened.send("One")
    opened.until("answer", lambda: opened.is_answering)
    _queue(opened, "Message 1", "Message 2", "Message 3")
    opened.until("queue", lambda: len(_waiting(opened)) == 3)
    rows = opened.part(WaitingMessages, "waitingMessages")
    crosses = [
        each
        for each in rows.findChildren(QToolButton)
        if each.isVisible() and each.accessibleName() == REMOVE
    ]
    lowest = max(crosses, key=lambda each: each.mapToGlobal(QPoint()).y())
    place = _click(lowest)
    opened.until("removal", lambda: _waiting(opened) == ["Message 1", "Message 2"])
    _click_again(place, REMOVE)
    assert _waiting(opened) == ["Message 1", "Message 2"]
    _click_again(place + QPoint(0, 8), REMOVE)  # another click
    opened.until("removal", lambda: _waiting(opened) == ["Message 1"])


def test_one_on_send_does_not_stop_the_answer_and_one_on_stop_sends_no_draft(
    opened: OpenWindow,
) -> None:
    editor = opened.part(MessageEdit, "composer")
    QTest.keyClicks(editor, "One")
    place = _click(opened.part(QToolButton, "sendButton"))
    opened.until("answer", lambda: opened.is_answering)
    _click_again(place, "Stop")
    opened.until("text", lambda: len(opened.transcript) > 20)
    assert opened.is_answering
    QTest.keyClicks(editor, "half")
    place = _click(opened.part(QToolButton, "stopButton"), beside=8)  # another click
    opened.until("end", lambda: not opened.is_answering)
    _click_again(place, "Send")
    assert opened.window.composer.text == "half"
    assert not opened.is_answering


def test_one_on_a_notice_does_nothing_about_the_one_beneath(opened: OpenWindow) -> None:
    bar, pressed = opened.window.notifications, list[str]()
    bar.action_triggered.connect(pressed.append)
    for name in ("one", "two"):
        undo = (NoticeAction("Undo", name),)
        bar.show_notice(Notice(NoticeKind.INFO, f"Chat “{name}” deleted", actions=undo))
    QApplication.processEvents()
    buttons = [each for each in bar.findChildren(QPushButton) if each.isVisible()]
    (undo_button,) = [each for each in buttons if each.text() == "Undo"]
    place = _click(undo_button)
    assert pressed == ["two"]
    _click_again(place, "Undo")
    assert pressed == ["two"]
    assert opened.notice == "Chat “one” deleted"
