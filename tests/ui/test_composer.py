"""Writing and sending a message, by the keys and buttons a person uses."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QFont,
    QGuiApplication,
    QInputMethodEvent,
    QPaintEvent,
    QTextCursor,
    QTextOption,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QMainWindow,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.long_text import has_long_run
from minerva_desktop.ui.message_edit import LONG_PARAGRAPH
from tests.ui.parts import part


class PaintCount(QObject):
    """How often the whole of a widget was painted since; a blinking cursor is a part of it."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent) and isinstance(watched, QWidget):
            self.count += event.rect() == watched.rect()
        return super().eventFilter(watched, event)


class Desk:
    """A composer at the foot of a window, with its parts at hand."""

    def __init__(self, qtbot: QtBot, icons: Icons) -> None:
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.composer = Composer(icons)
        central = QWidget()
        box = QVBoxLayout(central)
        box.addStretch(1)
        box.addWidget(self.composer)
        self.window.setCentralWidget(central)
        self.window.resize(900, 600)
        with qtbot.waitExposed(self.window):
            self.window.show()
        self.editor = part(self.composer, QPlainTextEdit, "composer")
        self.send = part(self.composer, QToolButton, "sendButton")
        self.stop = part(self.composer, QToolButton, "stopButton")
        self.queue = part(self.composer, QPushButton, "queueButton")
        self.composer.focus_editor()


@pytest.fixture
def desk(qtbot: QtBot, icons: Icons) -> Desk:
    return Desk(qtbot, icons)


def test_enter_sends_and_leaves_the_text_until_it_is_taken(qtbot: QtBot, desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "Hello there")
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
    assert sent.args == ["Hello there"]
    assert desk.composer.text == "Hello there"
    assert desk.composer.text == "Hello there"
    desk.composer.clear()
    assert desk.composer.text == ""
    desk.editor.undo()
    assert desk.composer.text == "Hello there"


def test_shift_enter_starts_a_line_and_ctrl_enter_sends(qtbot: QtBot, desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "one")
    QTest.keyClick(desk.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(desk.editor, "two")
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        QTest.keyClick(desk.editor, Qt.Key.Key_Enter, Qt.KeyboardModifier.ControlModifier)
    assert sent.args == ["one\ntwo"]


def test_enter_starts_a_line_where_the_person_chose_so(qtbot: QtBot, desk: Desk) -> None:
    desk.composer.set_enter_sends(False)
    with qtbot.assertNotEmitted(desk.composer.submitted):
        QTest.keyClicks(desk.editor, "a")
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
        QTest.keyClicks(desk.editor, "b")
    assert desk.composer.text == "a\nb"
    with qtbot.waitSignal(desk.composer.submitted):
        QTest.keyClick(desk.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_blank_text_cannot_be_sent(qtbot: QtBot, desk: Desk, text: str) -> None:
    desk.composer.set_text(text)
    assert not desk.send.isEnabled()
    with qtbot.assertNotEmitted(desk.composer.submitted):
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)


def test_send_button_sends(qtbot: QtBot, desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "Hi")
    with qtbot.waitSignal(desk.composer.submitted):
        QTest.mouseClick(desk.send, Qt.MouseButton.LeftButton)
    assert desk.editor.hasFocus()


def test_stop_replaces_send_while_generating(qtbot: QtBot, desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "next question")
    desk.composer.set_generating(True)
    assert desk.stop.isVisible()
    assert not desk.send.isVisible()
    with qtbot.assertNotEmitted(desk.composer.submitted):
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
    with qtbot.waitSignal(desk.composer.stop_requested):
        QTest.mouseClick(desk.stop, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(desk.composer.stop_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Escape)
    desk.composer.set_generating(False)
    assert desk.send.isVisible()
    assert desk.composer.text == "next question"
    with qtbot.assertNotEmitted(desk.composer.stop_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Escape)


def test_what_is_sent_while_an_answer_is_written_is_queued(qtbot: QtBot, desk: Desk) -> None:
    desk.composer.set_generating(True)
    assert not desk.queue.isVisible()
    with qtbot.assertNotEmitted(desk.composer.queued):
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
    QTest.keyClicks(desk.editor, "next question")
    assert desk.queue.isVisible()
    for queue in ("key", "button"):
        with qtbot.waitSignal(desk.composer.queued) as queued:
            if queue == "key":
                QTest.keyClick(desk.editor, Qt.Key.Key_Return)
            else:
                QTest.mouseClick(desk.queue, Qt.MouseButton.LeftButton)
        assert queued.args == ["next question"]
    assert desk.editor.hasFocus()
    desk.composer.set_generating(False)
    assert not desk.queue.isVisible()


def test_up_in_the_empty_field_asks_for_the_last_message(qtbot: QtBot, desk: Desk) -> None:
    with qtbot.waitSignal(desk.composer.edit_last_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Up)
    desk.composer.set_text("one\ntwo")
    with qtbot.assertNotEmitted(desk.composer.edit_last_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Up)
        QTest.keyClick(desk.editor, Qt.Key.Key_Up)
    desk.composer.clear()
    with qtbot.assertNotEmitted(desk.composer.edit_last_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)


def test_another_chats_text_cannot_be_undone(desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "of one chat")
    desk.composer.start_over("of another")
    desk.editor.undo()
    assert desk.composer.text == "of another"
    QTest.keyClicks(desk.editor, " one")
    assert desk.composer.text == "of another one"
    desk.composer.start_over("")
    QTest.keyClicks(desk.editor, "of one chat")
    desk.composer.clear()
    desk.composer.start_over("")  # of another that has none
    desk.editor.undo()
    assert desk.composer.text == ""


def test_keyboard_focus_stays_when_the_button_changes(desk: Desk) -> None:
    desk.composer.set_generating(True)
    desk.stop.setFocus()
    desk.composer.set_generating(False)
    assert desk.editor.hasFocus()


def test_enter_belongs_to_the_input_method_while_it_composes(qtbot: QtBot, desk: Desk) -> None:
    QTest.keyClicks(desk.editor, "abc ")
    QApplication.sendEvent(desk.editor, QInputMethodEvent("にほん", []))
    with qtbot.assertNotEmitted(desk.composer.submitted):
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
        QTest.keyClick(desk.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    committed = QInputMethodEvent()
    committed.setCommitString("日本")
    QApplication.sendEvent(desk.editor, committed)
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        QTest.keyClick(desk.editor, Qt.Key.Key_Return)
    assert sent.args == ["abc 日本"]


def test_what_is_being_composed_is_seen_alone_and_can_be_sent(desk: Desk) -> None:
    desk.composer.set_placeholder("Message a model")
    shown = desk.editor.placeholderText()
    assert shown == "Message a model"
    QApplication.sendEvent(desk.editor, QInputMethodEvent("にほん", []))
    assert desk.editor.placeholderText() == ""
    assert desk.send.isEnabled()  # which has the input method end first
    QApplication.sendEvent(desk.editor, QInputMethodEvent())
    assert desk.editor.placeholderText() == shown
    assert not desk.send.isEnabled()


def test_up_belongs_to_the_input_method_while_it_composes(qtbot: QtBot, desk: Desk) -> None:
    QApplication.sendEvent(desk.editor, QInputMethodEvent("にほん", []))
    with qtbot.assertNotEmitted(desk.composer.edit_last_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Up)
    QApplication.sendEvent(desk.editor, QInputMethodEvent())
    with qtbot.waitSignal(desk.composer.edit_last_requested):
        QTest.keyClick(desk.editor, Qt.Key.Key_Up)


def test_card_grows_with_the_text_to_a_third_of_the_window(qtbot: QtBot, desk: Desk) -> None:
    desk.composer.set_window_height(600)
    one_line = desk.composer.height()
    desk.composer.set_text("one\ntwo\nthree\nfour")
    qtbot.waitUntil(lambda: desk.composer.height() > one_line + 40)
    assert desk.editor.verticalScrollBar().maximum() == 0
    desk.composer.set_text("line\n" * 200)
    qtbot.waitUntil(lambda: desk.editor.verticalScrollBar().maximum() > 0)
    qtbot.waitUntil(lambda: desk.composer.height() > 0.25 * 600)
    assert desk.composer.height() <= 600 / 3
    desk.window.resize(900, 900)
    desk.composer.set_window_height(900)
    qtbot.waitUntil(lambda: desk.composer.height() > 0.25 * 900)
    desk.composer.clear()
    qtbot.waitUntil(lambda: desk.composer.height() == one_line)


def test_text_and_window_may_change_at_once(qtbot: QtBot, desk: Desk) -> None:
    desk.window.resize(900, 900)
    desk.composer.set_window_height(600)
    desk.composer.set_text("line\n" * 200)
    desk.composer.set_window_height(600)
    assert desk.editor.height() < 600 / 3
    qtbot.waitUntil(lambda: desk.composer.height() > 0.25 * 600)
    assert desk.composer.height() <= 600 / 3


def test_the_line_that_is_written_stays_in_sight_when_the_field_gets_lower(
    qtbot: QtBot, desk: Desk
) -> None:
    desk.composer.set_window_height(600)
    desk.composer.set_text("line\n" * 200 + "the last one")
    desk.editor.moveCursor(QTextCursor.MoveOperation.End)
    viewport = desk.editor.viewport()
    for height in (700, 600):
        QApplication.processEvents()
        before = viewport.height()
        desk.composer.set_window_height(height)
        QApplication.processEvents()
        assert viewport.height() != before
        assert viewport.rect().contains(desk.editor.cursorRect())

    desk.editor.verticalScrollBar().setValue(0)
    before = viewport.height()
    desk.composer.show_hint("With this the chat has more than 9,000 tokens.")
    QApplication.processEvents()
    assert viewport.height() < before
    assert desk.editor.verticalScrollBar().value() == 0, "who reads above stays there"


def test_wrapped_lines_count_too(qtbot: QtBot, desk: Desk) -> None:
    one_line = desk.composer.height()
    desk.composer.set_text("several words that go on " * 12)
    qtbot.waitUntil(lambda: desk.composer.height() > one_line + 20)
    assert desk.editor.verticalScrollBar().maximum() == 0


def test_paste_takes_the_plain_text_only(desk: Desk) -> None:
    mime = QMimeData()
    mime.setHtml("<h1>Big</h1><img src='file:///dev/zero'>")
    mime.setText("Big")
    QGuiApplication.clipboard().setMimeData(mime)
    desk.editor.paste()
    assert desk.composer.text == "Big"
    assert "<" not in desk.editor.toPlainText()


def test_dropped_files_are_left_to_the_window(desk: Desk) -> None:
    link = QUrl("https://example.org/a")
    for is_file, urls in ((True, [QUrl.fromLocalFile("/models/some.gguf")]), (False, [link])):
        mime = QMimeData()
        mime.setUrls(urls)
        place, copy = desk.editor.rect().center(), Qt.DropAction.CopyAction
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        event = QDragEnterEvent(place, copy, mime, left, none)
        QApplication.sendEvent(desk.editor.viewport(), event)
        assert event.isAccepted() != is_file
        if event.isAccepted():
            drop = QDropEvent(QPointF(place), copy, mime, left, none)
            QApplication.sendEvent(desk.editor.viewport(), drop)
    assert desk.composer.text == "https://example.org/a"


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "word and more " * 7_000, "a line of text\n" * 7_000], ids=len
)
def test_typing_after_a_long_paste_stays_quick(qtbot: QtBot, desk: Desk, text: str) -> None:
    mime = QMimeData()
    mime.setText(text)
    QGuiApplication.clipboard().setMimeData(mime)
    control_shift = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(desk.editor, Qt.Key.Key_V, control_shift)
    QApplication.processEvents()
    started = time.process_time()
    QTest.keyClicks(desk.editor, "abcde")
    QApplication.processEvents()
    per_key = (time.process_time() - started) / 5
    assert per_key < 3.0  # a key took 0.36 s before long runs were wrapped anywhere
    assert desk.composer.text == text + "abcde"


def test_a_long_paragraph_is_drawn_plainly_until_the_field_is_empty(desk: Desk) -> None:
    """Without kerning, with its glyphs kept: a key in 91 kB took 17 ms otherwise, and takes 6."""
    plain = QFont.StyleStrategy.PreferNoShaping
    lines = "a line of text\n" * 7_000
    for text, is_plain in ((lines, False), ("word and more " * 7_000, True)):
        desk.composer.start_over(text)
        QTest.keyClicks(desk.editor, "ab")
        layout = desk.editor.document().lastBlock().layout()
        assert bool(desk.editor.font().styleStrategy() & plain) == is_plain
        assert layout.cacheEnabled() == is_plain
        assert layout.lineCount() > (100 if is_plain else 0)
        assert desk.composer.text == text + "ab"
    size = desk.editor.fontInfo().pixelSize()
    desk.composer.clear()
    assert not desk.editor.font().styleStrategy() & plain
    assert desk.editor.fontInfo().pixelSize() == size
    QTest.keyClicks(desk.editor, "word " * 2)
    desk.composer.insert_text("x" * LONG_PARAGRAPH)
    assert desk.editor.font().styleStrategy() & plain


def test_another_text_is_laid_out_as_it_needs(desk: Desk) -> None:
    at_words = QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere
    plain = QFont.StyleStrategy.PreferNoShaping
    for text, is_usual in (("x" * (LONG_PARAGRAPH + 1), False), ("a draft", True), ("", True)):
        desk.composer.start_over(text)
        assert (desk.editor.wordWrapMode() is at_words) == is_usual
        assert bool(desk.editor.font().styleStrategy() & plain) != is_usual


def test_words_without_an_end_are_found_in_a_moment() -> None:
    text = ("x" * 1_990 + " ") * 100
    started = time.process_time()
    assert not has_long_run(text)
    assert time.process_time() - started < 0.1  # 0.6 s, looked for from each letter on
    assert has_long_run("word " + "x" * 2_000)


def test_text_changes_are_reported(qtbot: QtBot, desk: Desk) -> None:
    with qtbot.waitSignal(desk.composer.text_changed) as change:
        QTest.keyClicks(desk.editor, "x")
    assert change.args == ["x"]


def test_controls_have_names(desk: Desk) -> None:
    desk.composer.set_placeholder("Message SmolLM2…")
    assert desk.editor.placeholderText() == "Message SmolLM2…"
    assert [w.accessibleName() for w in (desk.editor, desk.send, desk.stop)] == [
        "Message",
        "Send",
        "Stop",
    ]


def test_another_placeholder_is_painted(qtbot: QtBot, desk: Desk) -> None:
    desk.composer.set_placeholder("Message one model")
    QApplication.processEvents()
    desk.editor.viewport().repaint()  # what was still to be painted
    painted = PaintCount(desk.editor.viewport())
    desk.composer.set_placeholder("Message the other")
    qtbot.waitUntil(lambda: painted.count > 0)
