"""Messages that wait for an answer, in the whole window: none of them is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QListView, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import FilePart
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.waiting_edit import GIVEN_UP, TAKEN_UP, TO_COMPOSER, TOO_LATE
from minerva_desktop.ui.waiting_messages import EDIT, LEAVE, REMOVE
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import (
    ENDLESS,
    remember,
    titles,
    undo,
)

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _waiting_on_disk() -> list[str]:
    """Beside the app that has the chats open."""
    with closing(apsw.Connection(str(app_paths().database), apsw.SQLITE_OPEN_READONLY)) as chats:
        lines = chats.execute("SELECT waiting FROM conversations").get
    return [line["text"] for line in json.loads(str(lines))]


@pytest.fixture
def waiting(qtbot: QtBot, dressed_app: QApplication, slow_catalog: Catalog) -> Iterator[OpenWindow]:
    """An answer that runs on and on, two messages that wait for it, and half of a third."""
    remember(ENDLESS)
    with closing(OpenWindow(qtbot, dressed_app, slow_catalog)) as opened:
        begin_waiting(opened)
        yield opened


def begin_waiting(opened: OpenWindow) -> None:
    opened.send("One")
    opened.until("answer", lambda: opened.is_answering)
    editor = opened.part(MessageEdit, "composer")
    for text in ("Two", "Three"):
        QTest.keyClicks(editor, text)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        opened.until("place in the queue", lambda: opened.window.composer.text == "")
    QTest.keyClicks(editor, "half")


def test_they_come_back_with_their_deleted_chat(waiting: OpenWindow) -> None:
    opened = waiting
    opened.until("chat in the list", lambda: "One" in titles(opened))
    opened.open_chat("One")
    QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
    opened.until("notice", lambda: opened.notice == "Chat deleted")
    assert opened.window.composer.text == ""
    undo(opened)
    opened.until("draft", lambda: opened.window.composer.text == "half")
    assert waits(opened) == ["Two", "Three"]
    assert not opened.is_answering


def test_one_that_was_thrown_away_comes_back_after_its_deleted_chat(waiting: OpenWindow) -> None:
    opened = waiting
    composer = opened.window.composer
    press(opened, EDIT, 1)
    QTest.keyClicks(opened.part(MessageEdit, "composer"), "!")
    press(opened, REMOVE, 1)
    assert composer.text == "half"
    opened.until("chat in the list", lambda: "One" in titles(opened))
    opened.open_chat("One")
    QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
    opened.until("notice", lambda: opened.notice == "Chat deleted")
    undo(opened)
    opened.until("what waits", lambda: waits(opened) == ["Two"])
    undo(opened)
    opened.until("message", lambda: waits(opened) == ["Two", "Three!"])
    assert composer.text == "half"


def press(opened: OpenWindow, name: str, at: int) -> None:
    """Press a button of the waiting message at that place."""
    rows = [row for row in opened.window.findChildren(QFrame, "waitingMessage") if row.isVisible()]
    rows.sort(key=lambda row: row.y())
    buttons = rows[at].findChildren(QToolButton)
    next(each for each in buttons if each.accessibleName() == name).click()


def waits(opened: OpenWindow) -> list[str]:
    """What is said of each waiting message, from top to bottom."""
    rows = [row for row in opened.window.findChildren(QFrame, "waitingMessage") if row.isVisible()]
    rows.sort(key=lambda row: row.y())
    return [row.findChildren(QLabel)[0].text() for row in rows]


def test_one_that_is_edited_keeps_its_place(waiting: OpenWindow) -> None:
    opened = waiting
    composer = opened.window.composer
    press(opened, EDIT, 0)
    assert composer.text == "Two"
    assert waits(opened) == ["Editing: Two", "Three"]
    editor = opened.part(MessageEdit, "composer")
    QTest.keyClicks(editor, " and a half")
    button = opened.part(QPushButton, "queueButton")
    assert (button.text(), button.accessibleName()) == ("Save", "Save")  # it is in the queue
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert waits(opened) == ["Two and a half", "Three"]
    assert composer.text == "half"
    assert (button.text(), button.accessibleName()) == ("Queue", "Queue")
    assert opened.is_answering
    press(opened, EDIT, 0)
    QTest.keyClicks(editor, "!")
    press(opened, EDIT, 1)  # what was typed of the first stays
    assert waits(opened) == ["Two and a half!", "Editing: Three"]
    press(opened, REMOVE, 1)
    assert waits(opened) == ["Two and a half!"]
    assert composer.text == "half"


def test_esc_leaves_it_as_it_was_and_the_answer_alone(waiting: OpenWindow) -> None:
    opened = waiting
    editor = opened.part(MessageEdit, "composer")
    press(opened, EDIT, 0)
    QTest.keyClicks(editor, " and a half")
    opened.press(Qt.Key.Key_Escape)
    assert waits(opened) == ["Two", "Three"]
    assert opened.window.composer.text == "half"
    assert opened.is_answering
    assert opened.notice == GIVEN_UP
    undo(opened)
    opened.until("change", lambda: opened.window.composer.text == "Two and a half")
    assert waits(opened)[0].startswith("Editing")
    opened.press(Qt.Key.Key_Escape)
    QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    opened.until("change", lambda: opened.window.composer.text == "Two and a half")
    assert opened.notice == "Your change to the waiting message is back"
    press(opened, REMOVE, 0)
    assert waits(opened) == ["Three"]
    assert opened.notice == "Message removed"
    undo(opened)
    opened.until("message", lambda: waits(opened) == ["Two and a half", "Three"])
    assert opened.window.composer.text == "half"
    press(opened, EDIT, 1)
    press(opened, LEAVE, 1)
    assert waits(opened) == ["Two and a half", "Three"]
    assert opened.notice != GIVEN_UP
    opened.press(Qt.Key.Key_Escape)
    opened.until("end", lambda: not opened.is_answering)


def test_what_esc_dropped_is_offered_in_its_chat_alone(waiting: OpenWindow) -> None:
    opened, bar = waiting, waiting.window.notifications
    opened.until("chat in the list", lambda: "One" in titles(opened))
    press(opened, EDIT, 0)
    QTest.keyClicks(opened.part(MessageEdit, "composer"), " and a half")
    opened.press(Qt.Key.Key_Escape)
    assert opened.notice == GIVEN_UP
    opened.window.sidebar.new_chat.emit()
    opened.until("new chat", lambda: opened.window.composer.text == "")
    assert opened.notice == ""
    opened.open_chat("One")
    opened.until("offer", lambda: opened.notice == GIVEN_UP)
    QTest.keyClick(opened.part(QListView, "chatList"), Qt.Key.Key_Delete)
    opened.until("notice", lambda: opened.notice == "Chat deleted")
    bar.dismiss(bar.shown.identity if bar.shown is not None else "")
    assert opened.notice == ""
    assert bar.undo_last()
    opened.until("chat", lambda: opened.window.composer.text == "half")
    opened.window.sidebar.new_chat.emit()
    opened.until("new chat", lambda: opened.window.composer.text == "")
    assert bar.undo_last()
    opened.until("chat in the list again", lambda: "One" in titles(opened))
    opened.open_chat("One")
    opened.until("change", lambda: opened.window.composer.text == "Two and a half")
    assert opened.notice == TAKEN_UP
    bar.dismiss(bar.shown.identity if bar.shown is not None else "")
    assert opened.notice == ""


def test_what_esc_dropped_can_be_a_message_of_its_own_once_its_own_was_sent(
    waiting: OpenWindow,
) -> None:
    opened, bar = waiting, waiting.window.notifications
    press(opened, EDIT, 0)
    QTest.keyClicks(opened.part(MessageEdit, "composer"), " and a half")
    opened.press(Qt.Key.Key_Escape)
    assert opened.notice == GIVEN_UP
    QTest.mouseClick(opened.part(QToolButton, "stopButton"), Qt.MouseButton.LeftButton)
    opened.until("end", lambda: not opened.is_answering)
    assert opened.notice == GIVEN_UP
    opened.part(QPushButton, "sendWaitingButton").click()
    opened.until("other offer", lambda: opened.notice == TOO_LATE)
    assert waits(opened) == ["Three"]
    shown = [each for each in bar.findChildren(QPushButton) if each.isVisible()]
    assert "Undo" not in [each.text() for each in shown]
    next(each for each in shown if each.text() == TO_COMPOSER).click()
    opened.until("draft", lambda: opened.window.composer.text == "Two and a half\n\nhalf")
    assert not bar.undo_last()  # nor is it done once more
    opened.press(Qt.Key.Key_Escape)
    opened.until("end", lambda: not opened.is_answering)


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_what_esc_dropped_comes_back_as_the_draft_of_its_chat(
    waiting: OpenWindow, *, is_elsewhere: bool
) -> None:
    """It came back in the chat that was shown by then, or in another message that was edited."""
    opened = waiting
    opened.until("chat in the list", lambda: "One" in titles(opened))
    press(opened, EDIT, 0)
    QTest.keyClicks(opened.part(MessageEdit, "composer"), " and a half")
    opened.press(Qt.Key.Key_Escape)
    assert opened.notice == GIVEN_UP
    press(opened, REMOVE, 0)
    if is_elsewhere:
        opened.window.sidebar.new_chat.emit()
        opened.until("new chat", lambda: opened.window.composer.text == "")
    else:
        press(opened, EDIT, 0)
    opened.window.notifications.action_triggered.emit("waiting:1")  # its Undo
    if is_elsewhere:
        opened.open_chat("One")
    else:
        QApplication.processEvents()
        assert opened.window.composer.text == "Three"
        opened.press(Qt.Key.Key_Escape)
    opened.until("draft", lambda: opened.window.composer.text == "Two and a half\n\nhalf")
    assert waits(opened) == ["Three"]


def test_a_file_that_was_counted_meanwhile_is_no_change(waiting: OpenWindow) -> None:
    opened, composer = waiting, waiting.window.composer
    composer.attachments.put_back((FilePart("notes.md", "# Notes", 7),))
    opened.press(Qt.Key.Key_Return)
    opened.until("place in the queue", lambda: len(waits(opened)) == 3)
    press(opened, EDIT, 2)
    opened.until("count", lambda: composer.files[0].n_tokens > 0)
    opened.press(Qt.Key.Key_Escape)
    assert opened.notice == ""


def test_what_was_offered_for_the_draft_is_not_done_to_one_that_is_edited(
    waiting: OpenWindow,
) -> None:
    opened = waiting
    strip = opened.window.composer.attachments
    for leave in (False, True):
        strip.remove(strip.add(FilePart("note.txt", "A note.", 7)))
        assert opened.notice == "note.txt removed"
        press(opened, LEAVE if leave else EDIT, 0)
        assert opened.notice == ""


def test_undo_takes_none_away(waiting: OpenWindow) -> None:
    opened = waiting
    editor = opened.part(MessageEdit, "composer")
    press(opened, EDIT, 1)
    for _ in range(3):
        QTest.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert opened.window.composer.text == "Three"
    QTest.keyClick(editor, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(editor, Qt.Key.Key_Delete)
    QTest.keyClick(editor, Qt.Key.Key_Return)  # nothing is to be sent
    opened.window.sidebar.new_chat.emit()
    assert opened.window.composer.text == ""
    opened.until("chat in the list", lambda: "One" in titles(opened))
    opened.open_chat("One")
    opened.until("message", lambda: opened.window.composer.text == "Three")
    assert waits(opened) == ["Two", "Editing: Three"]
    QTest.keyClicks(editor, "s")
    opened.press(Qt.Key.Key_Return)
    assert waits(opened) == ["Two", "Threes"]
    assert opened.window.composer.text == "half"
    press(opened, EDIT, 0)
    QTest.keyClicks(editor, " o'clock")
    opened.window.close()
    opened.until("messages on disk", lambda: _waiting_on_disk() == ["Two o'clock", "Threes"])


def test_what_was_edited_when_its_turn_came_is_sent_then(waiting: OpenWindow) -> None:
    opened = waiting
    press(opened, EDIT, 0)
    QTest.mouseClick(opened.part(QToolButton, "stopButton"), Qt.MouseButton.LeftButton)
    opened.until("end", lambda: not opened.is_answering)
    assert opened.part(QPushButton, "sendWaitingButton").isVisible()
    QTest.keyClicks(opened.part(MessageEdit, "composer"), " more")
    opened.press(Qt.Key.Key_Return)
    opened.until("message in the transcript", lambda: "Two more" in opened.transcript)
    assert waits(opened) == ["Three"]
    assert opened.window.composer.text == "half"
