"""Ctrl+A and Ctrl+C in a chat of which not all is shown: all of it is copied."""

from __future__ import annotations

import re

import msgspec
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui import copy_notices
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.copy_notices import CopyNotices
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.notification_bar import NotificationBar
from tests.patience import cpu_seconds
from tests.ui.chat_view.messages import answer, question

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
MARKED = """Some **bold** words, and $x^2$.

- one
- two

| a | b |
|---|---|
| 1 | 2 |

```py
x = 1
```"""
SHOWN = "Some bold words, and $x^2$.\n\n• one\n• two\n\na\tb\n1\t2\n\nx = 1"


class Copying:
    """A person who copies all of the transcript ``view``."""

    def __init__(self, qtbot: QtBot, view: ChatView) -> None:
        self.qtbot = qtbot
        self.view = view
        self.steps: list[tuple[int, int]] = []
        view.events.copy_advanced.connect(lambda *numbers: self.steps.append(numbers))

    def show(self, messages: list[Message]) -> None:
        self.view.set_messages(messages)
        self.qtbot.waitUntil(lambda: not self.view.is_working())
        self.view.setFocus()

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = CTRL) -> None:
        QTest.keyClick(self.view, key, modifier)

    def copied(self, modifier: Qt.KeyboardModifier = CTRL) -> str:
        QGuiApplication.clipboard().clear()
        self.press(Qt.Key.Key_A)
        self.press(Qt.Key.Key_C, modifier)
        self.qtbot.waitUntil(lambda: bool(QGuiApplication.clipboard().text()))
        return QGuiApplication.clipboard().text()


@pytest.fixture
def person(qtbot: QtBot, view: ChatView) -> Copying:
    view.activateWindow()
    return Copying(qtbot, view)


def test_all_of_a_long_chat_is_copied_as_text_and_html(person: Copying, page: int) -> None:
    person.show([each for n in range(page) for each in (question(f"Number {n}"), answer(MARKED))])
    person.press(Qt.Key.Key_A)
    selected = f"All {2 * page} messages are selected"
    assert QToolTip.text() == f"{selected}, also those that are not shown."
    said = [f"You:\nNumber {n}\n\ntiny-model:\n{SHOWN}" for n in range(page)]
    assert person.copied() == "\n\n".join(said)
    assert QToolTip.text() == f"All {2 * page} messages copied."
    html = QGuiApplication.clipboard().mimeData().html()
    assert html.count("<p><strong>You:</strong></p><p>Number ") == page
    assert html.count("<li>one</li><li>two</li>") == page
    assert html.count("<pre><code>x = 1</code></pre>") == page
    QToolTip.hideText()


def test_what_has_a_view_and_what_has_none_read_alike(person: Copying, page: int) -> None:
    """The text of a view comes out of a document, that of the others out of rows."""
    messages = [question("Why?\nWhat  for?"), answer(MARKED), answer("> Quoted\n\n---\n\nEnd")]
    person.show(messages)
    shown = person.copied()
    assert not person.steps  # nothing but what is shown had to be copied
    person.show([*messages, *(question(f"{n}") for n in range(page))])
    assert person.copied().startswith(shown + "\n\nYou:\n0\n\nYou:\n1")


def test_and_as_markdown_is_as_it_was_written(person: Copying, page: int) -> None:
    person.show([each for n in range(page) for each in (question("# Why *n*"), answer(MARKED))])
    text = person.copied(CTRL | SHIFT)
    assert text == "\n\n".join([f"**You:**\n\n# Why *n*\n\n**tiny-model:**\n\n{MARKED}"] * page)
    data = QGuiApplication.clipboard().mimeData()
    assert data.data("text/markdown").toStdString() == text
    assert not data.hasHtml()


def test_what_is_folded_is_copied_too(person: Copying) -> None:
    long = "\n\n".join(f"Paragraph {n} of a **long** answer." for n in range(2_500))
    rows = "\n".join(f"| {n} | b |" for n in range(900))
    person.show([question("Why?"), answer(long), answer(f"| a | b |\n|---|---|\n{rows}")])
    text = person.copied()
    assert text.startswith("You:\nWhy?\n\ntiny-model:\nParagraph 0 of a long answer.\n\nPara")
    assert "\n\nParagraph 2499 of a long answer.\n\ntiny-model:\na\tb\n0\tb\n1\tb" in text
    assert text.endswith("\n899 | b")  # so far down a table is lines of text
    person.show([answer(long)])  # alone it needs no name
    assert person.copied(CTRL | SHIFT) == long


def test_thoughts_and_calls_are_copied_where_they_are_open(person: Copying, page: int) -> None:
    parts = (ReasoningPart("Hmm"), ToolCallPart(ToolCall("c", "look", '{"at": 1}')))
    calling = msgspec.structs.replace(answer("I look."), parts=parts)
    person.show([calling, *(question(f"{n}") for n in range(page))])
    assert person.copied().startswith('tiny-model:\nI look.\n\n{\n  "at": 1\n}\n\nYou:\n0')


def test_a_part_of_it_is_copied_once_that_is_selected(person: Copying, page: int) -> None:
    messages = [question(f"Number {n}") for n in range(page + 5)]
    person.show(messages)
    person.press(Qt.Key.Key_A)
    last = person.view.message_view(messages[-1].id)
    assert last is not None
    last.body.select(0, 6)
    QGuiApplication.clipboard().clear()
    person.press(Qt.Key.Key_C)
    assert QGuiApplication.clipboard().text() == "Number"
    assert not person.steps


def test_it_is_copied_in_slices_and_can_be_given_up(person: Copying) -> None:
    person.show([answer(MARKED) for _ in range(1_000)])
    clipboard = QGuiApplication.clipboard()
    clipboard.setText("before")
    person.press(Qt.Key.Key_A)
    assert cpu_seconds(lambda: person.press(Qt.Key.Key_C)) < 0.1
    assert person.steps[-1][0] < person.steps[-1][1] == 1_000
    person.view.events.copy_stopped.emit()
    assert person.steps[-1] == (0, 0)
    QApplication.sendPostedEvents(None, QEvent.Type.Timer.value)
    assert clipboard.text() == "before"
    person.press(Qt.Key.Key_C)
    clipboard.setText("something else")  # ends it, too
    assert person.steps[-1] == (0, 0)
    assert clipboard.text() == "something else"


def test_a_long_copy_is_seen_and_can_be_stopped(
    person: Copying, icons: Icons, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = NotificationBar(icons)
    person.qtbot.addWidget(bar)
    notices = CopyNotices(bar, person.view.events)
    assert notices.parent() is bar
    person.show([answer(MARKED) for _ in range(1_000)])
    person.press(Qt.Key.Key_A)
    person.press(Qt.Key.Key_C)
    assert not words(bar)  # most are done before anybody could read it
    monkeypatch.setattr(copy_notices, "QUIET_SECONDS", 0.0)
    person.press(Qt.Key.Key_C)
    person.qtbot.waitUntil(lambda: bool(words(bar)))
    assert re.fullmatch(r"Copying the chat: \d+ of 1,000 messages", words(bar))
    bar.action_triggered.emit(copy_notices.STOP_COPYING)
    assert not words(bar)
    assert person.steps[-1] == (0, 0)


def words(bar: NotificationBar) -> str:
    return "" if bar.shown is None else bar.shown.text
