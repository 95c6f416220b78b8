"""The transcript as a person meets it."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QTextCursor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.chat_view.action_row import ActionRow
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.stretch import PAGE
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import DARK, LIGHT
from tests.ui.chat_view.messages import DONE, answer, ended, question, streaming

PARAGRAPHS = "\n\n".join(f"Paragraph number {n}, of some length." for n in range(60))


def message_view(view: ChatView, message_id: str) -> MessageView:
    found = view.message_view(message_id)
    assert found is not None
    return found


def buttons(widget: QWidget) -> dict[str, QAbstractButton]:
    """The visible buttons by accessible name, but for the row of actions."""
    found = (
        button
        for button in widget.findChildren(QAbstractButton)
        if button.isVisible() and not isinstance(button.parentWidget(), ActionRow)
    )
    return {button.accessibleName() or button.text(): button for button in found}


def labels(widget: QWidget) -> list[str]:
    found = (label for label in widget.findChildren(QLabel) if label.isVisible())
    return [label.text() for label in found if label.text()]


def text_colour(view: ChatView, message_id: str) -> QColor:
    block = message_view(view, message_id).body.document().firstBlock()
    return block.begin().fragment().charFormat().foreground().color()


def at_end(view: ChatView) -> bool:
    return view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


def settle(qtbot: QtBot, view: ChatView) -> None:
    """Wait until all that was handed over is rendered."""
    qtbot.waitUntil(lambda: not view.is_working())


def show(qtbot: QtBot, view: ChatView, *messages: Message) -> None:
    view.set_messages(list(messages))
    settle(qtbot, view)


def wheel(view: ChatView, delta: int) -> None:
    centre = QPointF(view.viewport().rect().center())
    event = QWheelEvent(
        centre,
        QPointF(view.viewport().mapToGlobal(centre.toPoint())),
        QPoint(0, delta),
        QPoint(0, delta),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


def test_empty_state(view: ChatView) -> None:
    view.set_empty_hint("What is on your mind?", "Chatting with tiny-model.")
    text = view.plain_text()
    assert text.startswith("What is on your mind?\nChatting with tiny-model.")
    assert ".gguf" in text
    view.append_message(question("hello"))
    assert view.plain_text() == "hello"
    assert not labels(view)
    view.set_messages([])
    assert view.plain_text() == text


def test_messages_are_shown_as_written_and_as_rendered(view: ChatView, qtbot: QtBot) -> None:
    asked, answered = question("# not a *heading*\n  kept"), answer("# A *heading*\n\n- item")
    show(qtbot, view, asked, answered)
    assert view.plain_text() == "# not a *heading*\n  kept\n\nA heading\n• item"
    assert view.messages.source(answered.id) == answered.text
    assert labels(message_view(view, answered.id)) == ["tiny-model"]
    view.set_model_names({"tiny-model.gguf": "Tiny Model 1B"})
    assert labels(message_view(view, answered.id)) == ["Tiny Model 1B"]
    with pytest.raises(KeyError):
        view.messages.source("unknown")


def test_a_streamed_answer(view: ChatView, qtbot: QtBot) -> None:
    running = streaming()
    view.append_message(running)
    view.set_status(running.id, "Loading model… 40 %")
    shown = message_view(view, running.id)
    qtbot.waitUntil(lambda: "Loading model… 40 %" in labels(shown))
    for piece in ("Hel", "lo **wor", "ld**"):
        view.append_text(running.id, piece)
    assert view.messages.source(running.id) == "Hello **world**"
    qtbot.waitUntil(lambda: view.plain_text() == "Hello world")
    assert "Loading model… 40 %" not in labels(shown)
    assert not shown.findChildren(ActionRow)
    view.finish_message(ended(running, "Hello **world**!"))
    assert view.plain_text() == "Hello world!"
    assert "42.1 tokens/s · first token 120 ms · 318 tokens" in labels(shown)
    assert shown.accessibleDescription() == "Hello world!"


def test_final_text_that_differs_replaces_what_was_streamed(view: ChatView) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, "Hello wor")
    view.finish_message(ended(running, "Bye"))
    assert view.plain_text() == "Bye"
    assert view.messages.source(running.id) == "Bye"


def test_text_for_an_unknown_message_is_ignored(view: ChatView) -> None:
    view.append_text("nobody", "text")
    view.set_status("nobody", "text")
    view.finish_message(answer("text"))
    assert "text" not in view.plain_text()


@pytest.mark.parametrize(
    ("state", "text", "error", "expected"),
    [
        (MessageState.STOPPED, "Half", None, "You stopped this answer."),
        (MessageState.INTERRUPTED, "Half", None, "This answer was interrupted"),
        (MessageState.FAILED, "Half", "The engine ended.", "The engine ended."),
        (MessageState.FAILED, "", None, "This answer could not be generated."),
        (MessageState.COMPLETE, " ", None, "The model ended its answer without a word."),
    ],
)
def test_an_answer_that_did_not_end_well_says_so_and_can_be_tried_again(
    view: ChatView, qtbot: QtBot, state: MessageState, text: str, error: str | None, expected: str
) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, text)
    view.finish_message(ended(running, text, state, None, error))
    shown = message_view(view, running.id)
    assert any(label.startswith(expected) for label in labels(shown))
    assert text.strip() in view.plain_text()
    with qtbot.waitSignal(view.events.retry_requested) as signal:
        buttons(shown)["Try again"].click()
    assert signal.args == [running.id]


def test_an_answer_cut_off_at_its_limit_says_so(view: ChatView) -> None:
    limit = Completion(
        finish_reason=FinishReason.LENGTH, timings=Timings(completion_tokens=1_024), seed=1
    )
    running = streaming()
    view.append_message(running)
    view.finish_message(ended(running, "and then", completion=limit))
    shown = message_view(view, running.id)
    assert "The answer was cut off at its limit of 1,024 tokens." in labels(shown)
    assert "Try again" not in buttons(shown)
    assert "Continue the answer" in buttons(shown)


def test_copy(view: ChatView, qtbot: QtBot) -> None:
    asked = question("my *words*")
    answered = answer("Run:\n\n```sh\nls -l\n\techo\n```\n\n```\nplain\n```")
    show(qtbot, view, asked, answered)
    clipboard = QGuiApplication.clipboard()
    for name, expected in (("Copy Bash code", "ls -l\n\techo"), ("Copy code", "plain")):
        button = buttons(message_view(view, answered.id))[name]
        button.click()
        assert clipboard.text() == expected
        assert button.accessibleName() == "Copied"


def test_follows_the_end_only_while_the_person_is_there(view: ChatView, qtbot: QtBot) -> None:
    running = streaming()
    show(qtbot, view, question("hi"), answer(PARAGRAPHS))
    view.append_message(running)
    view.append_text(running.id, PARAGRAPHS)
    qtbot.waitUntil(lambda: "number 59" in view.plain_text().rpartition("number 0,")[2])
    assert at_end(view)
    jump = buttons(view).get("Jump to the latest message")
    assert jump is None

    wheel(view, 120)
    value = view.verticalScrollBar().value()
    assert not at_end(view)
    view.append_text(running.id, "\n\n" + PARAGRAPHS + " the end")
    qtbot.waitUntil(lambda: view.plain_text().endswith("the end"))
    assert view.verticalScrollBar().value() == value
    jump = buttons(view)["Jump to the latest message"]

    jump.click()
    assert at_end(view)
    assert not jump.isVisible()
    view.append_text(running.id, "\n\n" + PARAGRAPHS + " really")
    qtbot.waitUntil(lambda: view.plain_text().endswith("really"))
    assert at_end(view)


def test_a_selection_stops_following(view: ChatView, qtbot: QtBot) -> None:
    running = streaming()
    show(qtbot, view, answer(PARAGRAPHS))
    view.append_message(running)
    view.append_text(running.id, "first\n\nsecond")
    qtbot.waitUntil(lambda: view.plain_text().endswith("second"))
    body = message_view(view, running.id).body
    cursor = body.textCursor()
    assert cursor.position() == 0
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    body.setTextCursor(cursor)
    value = view.verticalScrollBar().value()
    view.append_text(running.id, "\n\n" + PARAGRAPHS)
    qtbot.waitUntil(lambda: view.plain_text().count("number 59") == 2)
    assert view.verticalScrollBar().value() == value
    assert body.textCursor().selectedText() == "first"


def test_keys_scroll(view: ChatView, qtbot: QtBot) -> None:
    shown = answer(PARAGRAPHS)
    show(qtbot, view, shown)
    bar = view.verticalScrollBar()
    for target in (view, message_view(view, shown.id).body):
        QTest.keyClick(target, Qt.Key.Key_Home)
        assert bar.value() == 0
        QTest.keyClick(target, Qt.Key.Key_PageDown)
        page = bar.value()
        assert page > 0.5 * view.viewport().height()
        QTest.keyClick(target, Qt.Key.Key_PageUp)
        assert bar.value() == 0
        QTest.keyClick(target, Qt.Key.Key_Space)
        assert bar.value() == page
        QTest.keyClick(target, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
        assert bar.value() == 0
        QTest.keyClick(target, Qt.Key.Key_Down)
        assert 0 < bar.value() < page
        QTest.keyClick(target, Qt.Key.Key_End)
        assert at_end(view)


def test_nothing_moves_when_the_window_changes_its_width(view: ChatView, qtbot: QtBot) -> None:
    messages = [answer(f"Message {n}. " + "Some words of it. " * 60) for n in range(20)]
    show(qtbot, view, *messages)
    anchor = message_view(view, messages[8].id)
    view.verticalScrollBar().setValue(anchor.y())
    view.resize(560, 600)
    settle(qtbot, view)
    assert view.verticalScrollBar().value() == anchor.y()
    assert anchor.width() < 560
    heights = [message_view(view, message.id).height() for message in messages]
    assert max(heights) - min(heights) < 30


def test_a_long_chat_opens_fast_and_in_pages(view: ChatView, qtbot: QtBot) -> None:
    messages = [answer(f"Message number {n}.\n\n```py\nx = {n}\n```") for n in range(PAGE + 40)]
    started = time.thread_time()
    view.set_messages(messages)
    assert time.thread_time() - started < 5.0
    settle(qtbot, view)
    assert at_end(view)
    assert f"Message number {PAGE + 39}." in view.plain_text()
    assert "Message number 40." in view.plain_text()
    assert "Message number 39." not in view.plain_text()
    assert view.messages.source(messages[0].id) == messages[0].text

    view.verticalScrollBar().setValue(0)
    top = message_view(view, messages[40].id)
    offset = top.y() - view.verticalScrollBar().value()
    buttons(view)["Show earlier messages (40)"].click()
    settle(qtbot, view)
    assert "Message number 0." in view.plain_text()
    assert not [name for name in buttons(view) if name.startswith("Show earlier")]
    assert abs(top.y() - view.verticalScrollBar().value() - offset) <= 60


def test_what_stays_the_same_is_not_built_again(view: ChatView, qtbot: QtBot) -> None:
    first, asked, old, new = answer("first"), question("again?"), answer("old"), answer("new")
    show(qtbot, view, first, asked, old)
    kept = [message_view(view, message.id) for message in (first, asked)]
    view.change_messages([first, asked, new])
    settle(qtbot, view)
    assert view.plain_text() == "first\n\nagain?\n\nnew"
    assert [message_view(view, message.id) for message in (first, asked)] == kept
    assert view.message_view(old.id) is None
    show(qtbot, view, first)
    assert view.plain_text() == "first"
    show(qtbot, view, asked, first)
    assert view.plain_text() == "again?\n\nfirst"


def test_a_huge_message_is_folded(view: ChatView, qtbot: QtBot) -> None:
    text = "\n\n".join(f"Paragraph {n} with words." for n in range(2_500))
    huge = answer(text)
    show(qtbot, view, huge)
    assert "Paragraph 2499" not in view.plain_text()
    assert view.messages.source(huge.id) == text
    show_all = buttons(view)[f"Show all ({len(text) / 1000:.1f} kB)"]
    show_all.click()
    settle(qtbot, view)
    assert view.plain_text().endswith("Paragraph 2499 with words.")
    assert not show_all.isVisible()


def test_a_folded_message_is_cut_where_a_sentence_ends(qtbot: QtBot, view: ChatView) -> None:
    text = "A word and another one, and again. " * 6_000  # no line ends, and 20,000 is amid a word
    show(qtbot, view, question(text))
    shown = view.plain_text()
    assert 19_000 < len(shown) <= 20_010
    assert shown.rstrip().endswith("again.")


def test_the_theme_changes_live(view: ChatView, icons: Icons, qtbot: QtBot) -> None:
    icons.themes.changed.connect(view.apply_theme)
    shown = [answer(f"Some text {n}") for n in range(30)]
    show(qtbot, view, *shown)
    icons.themes.set_choice(ThemeChoice.DARK)
    settle(qtbot, view)
    for message in shown:
        assert text_colour(view, message.id) == QColor(DARK.text)
    icons.themes.set_choice(ThemeChoice.LIGHT)
    settle(qtbot, view)
    assert text_colour(view, shown[0].id) == QColor(LIGHT.text)


def test_everything_that_takes_the_focus_has_a_name(view: ChatView, qtbot: QtBot) -> None:
    failed = ended(answer(""), "text ```x", MessageState.FAILED, DONE, "It broke.")
    show(qtbot, view, question("hi"), answer("```py\nx\n```"), failed)
    widgets = [view, *view.findChildren(QWidget)]
    focusable = [w for w in widgets if w.isVisible() and w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert len(focusable) >= 7
    assert not [w for w in focusable if not w.accessibleName() and not getattr(w, "text", str)()]


def test_a_burst_of_text_never_holds_up_the_window(view: ChatView) -> None:
    running = streaming()
    view.append_message(running)
    view.append_text(running.id, PARAGRAPHS * 20)
    longest = 0.0
    while view.is_working():
        started = time.thread_time()
        QApplication.processEvents()
        longest = max(longest, time.thread_time() - started)
    assert view.plain_text() == (PARAGRAPHS * 20).replace("\n\n", "\n")
    assert longest < 5.0  # a hang; bench.py measures the stalls


def test_a_view_that_goes_leaves_nothing(qtbot: QtBot, icons: Icons) -> None:
    view = ChatView(icons)
    show(qtbot, view, answer("text"), answer("more"))
    assert len(view.findChildren(MessageView)) == 2
    view.set_messages([])
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not view.findChildren(MessageView)
    view.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
