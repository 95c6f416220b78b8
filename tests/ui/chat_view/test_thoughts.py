"""What an answer thinks, folded above what it says."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMenu
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.chat_view.actions import MessageAction, actions_for, can_go_on
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.disclosure import FOLDED, SHOWN
from minerva_desktop.ui.chat_view.message_parts import ending_text
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.thought_block import ThoughtBlock, thinking_words, thought_words
from minerva_desktop.ui.theme import DARK, LIGHT, ThemeSource
from tests.ui.chat_view.messages import DONE, answer, ended, question, streaming

LEFT = Qt.MouseButton.LeftButton
THOUGHT = "It is **4**.\n\n- two\n- two"


def _thinks(message: Message, *parts: ReasoningPart) -> Message:
    return msgspec.structs.replace(message, parts=parts)


def _settle(qtbot: QtBot, view: ChatView) -> None:
    qtbot.waitUntil(lambda: not view.is_working())
    QApplication.processEvents()


def _blocks(view: ChatView) -> list[ThoughtBlock]:
    return view.findChildren(ThoughtBlock)


def _begin(view: ChatView, *before: Message) -> Message:
    view.set_messages([question("2 + 2?"), *before])
    running = streaming()
    view.append_message(running)
    return running


def test_a_thought_is_folded_above_the_answer_and_opens_by_a_click(
    qtbot: QtBot, view: ChatView
) -> None:
    thought = _thinks(answer("Four."), ReasoningPart(THOUGHT, 12_400.0))
    view.set_messages([question("2 + 2?"), thought])
    _settle(qtbot, view)
    (block,) = _blocks(view)
    message = view.message_view(thought.id)
    assert message is not None
    assert (block.heading.text(), block.body) == ("Thought for 12 s", None)
    assert (block.heading.accessibleName(), block.heading.accessibleDescription()) == (
        "Thought for 12 s",
        FOLDED,
    )
    top, folded = message.body.y(), block.height()
    assert block.geometry().bottom() < top
    assert view.plain_text() == "2 + 2?\n\nFour."

    QTest.mouseClick(block.heading, LEFT)
    _settle(qtbot, view)
    assert block.body is not None
    assert block.body.isVisible()
    assert block.body.plain_text() == "It is 4.\n• two\n• two"
    assert block.heading.accessibleDescription() == SHOWN
    assert QAccessible.queryAccessibleInterface(block.heading).state().checked
    assert block.height() > folded + block.body.height()
    assert message.body.y() == top + block.height() - folded

    QTest.mouseClick(block.heading, LEFT)
    assert not block.body.isVisible()
    assert message.body.y() == top


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_the_keyboard_opens_it_before_it_comes_to_the_answer(
    qtbot: QtBot, view: ChatView, key: Qt.Key
) -> None:
    thought = _thinks(answer("Four."), ReasoningPart(THOUGHT, 900.0))
    view.set_messages([thought])
    _settle(qtbot, view)
    (block,) = _blocks(view)
    message = view.message_view(thought.id)
    assert message is not None
    assert block.heading.text() == "Thought for less than a second"
    block.heading.setFocus(Qt.FocusReason.TabFocusReason)
    assert message.is_read_by_keyboard
    QTest.keyClick(block.heading, key)
    _settle(qtbot, view)
    assert block.is_open
    assert block.body is not None
    QTest.keyClick(block.heading, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is block.body
    QTest.keyClick(block.body, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == THOUGHT
    QTest.keyClick(block.body, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is message.body


def test_nothing_moves_while_it_grows_folded_and_its_text_is_there_when_opened(
    qtbot: QtBot, view: ChatView
) -> None:
    running = _begin(view)
    view.set_status(running.id, "Reading the prompt…")
    view.append_thought(running.id, "It ")
    _settle(qtbot, view)
    (block,) = _blocks(view)
    assert (block.heading.text(), block.heading.accessibleName()) == ("Thinking…", "Thinking")
    message = view.message_view(running.id)
    assert message is not None
    height = message.height()
    for _ in range(50):
        view.append_thought(running.id, "is **4**, and ")
    _settle(qtbot, view)
    assert (message.height(), block.body) == (height, None)

    block.heading.click()
    view.append_thought(running.id, "that is all")
    _settle(qtbot, view)
    assert block.body is not None
    assert block.body.plain_text() == "It " + "is 4, and " * 50 + "that is all"
    view.append_text(running.id, "Four.")
    _settle(qtbot, view)
    assert not block.is_running
    assert block.heading.text() == "Thought for less than a second"
    assert block.is_open
    view.finish_message(_thinks(ended(running, "Four."), ReasoningPart(block.source, 61_000.0)))
    _settle(qtbot, view)
    assert block.heading.text() == "Thought for 1 min 1 s"
    assert block.body.plain_text().endswith("that is all")
    assert view.plain_text() == "2 + 2?\n\nFour."


def test_a_person_at_the_end_stays_there_while_a_thought_is_written(
    qtbot: QtBot, view: ChatView
) -> None:
    long_answer = answer("\n\n".join(f"Paragraph {number}" for number in range(30)))
    running = _begin(view, long_answer)
    view.append_thought(running.id, "One\n\n")
    _settle(qtbot, view)
    (block,) = _blocks(view)
    bar = view.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    block.heading.click()
    assert block.body is not None
    assert block.body.plain_text() == "One"
    view.append_thought(running.id, "\n\n".join(["More"] * 40))
    _settle(qtbot, view)
    assert bar.value() == bar.maximum() > block.height() > view.height()
    # And one who opens a thought that is over sees its heading.
    view.append_text(running.id, "Four.")
    block.heading.click()
    _settle(qtbot, view)
    top = block.heading.mapTo(view, block.heading.pos()).y()
    block.heading.click()
    _settle(qtbot, view)
    assert block.heading.mapTo(view, block.heading.pos()).y() == top
    assert bar.value() < bar.maximum()


def test_it_counts_on_where_it_was_when_its_chat_is_shown_again(
    qtbot: QtBot, view: ChatView
) -> None:
    running = _begin(view)
    so_far = _thinks(running, ReasoningPart("It is", 8_000.0))
    view.catch_up(so_far)
    view.append_thought(running.id, " 4")
    _settle(qtbot, view)
    (block,) = _blocks(view)
    assert (block.heading.text(), block.source) == ("Thinking… 8 s", "It is 4")
    view.catch_up(msgspec.structs.replace(so_far, text="Four"))
    view.append_text(running.id, ".")
    _settle(qtbot, view)
    assert (block.heading.text(), view.messages.source(running.id)) == ("Thought for 8 s", "Four.")


def test_an_answer_that_goes_on_thinks_on_in_the_same_block(qtbot: QtBot, view: ChatView) -> None:
    cut = _thinks(answer("", MessageState.STOPPED), ReasoningPart("It is", 8_000.0))
    view.set_messages([question("2 + 2?"), cut])
    _settle(qtbot, view)
    running = msgspec.structs.replace(cut, state=MessageState.STREAMING)
    view.resume_answer(running)
    view.append_thought(cut.id, " 4")
    _settle(qtbot, view)
    (block,) = _blocks(view)
    assert (block.heading.text(), block.source) == ("Thinking… 8 s", "It is 4")
    view.append_text(cut.id, "Four.")
    view.append_thought(cut.id, "Sure?")  # gpt-oss may think again
    _settle(qtbot, view)
    assert [each.source for each in _blocks(view)] == ["It is 4", "Sure?"]
    assert [each.is_running for each in _blocks(view)] == [False, True]
    view.finish_message(
        _thinks(ended(cut, "Four."), ReasoningPart("It is 4", 9e3), ReasoningPart("Sure?", 1e3))
    )
    assert [each.heading.text() for each in _blocks(view)] == [
        "Thought for 9 s",
        "Thought for 1 s",
    ]


def test_an_open_thought_shows_what_is_thought_after_it_broke_off(
    qtbot: QtBot, view: ChatView
) -> None:
    """It stayed as it was, for good."""
    cut = _thinks(answer("", MessageState.STOPPED), ReasoningPart("It is", 900.0))
    view.set_messages([question("2 + 2?"), cut])
    (block,) = _blocks(view)
    block.open()
    _settle(qtbot, view)
    view.resume_answer(msgspec.structs.replace(cut, state=MessageState.STREAMING))
    for piece in (" **4", "**, I", " think"):
        view.append_thought(cut.id, piece)
        _settle(qtbot, view)
    assert block.body is not None
    assert block.body.toPlainText() == "It is 4, I think"
    view.append_text(cut.id, "Four.")
    thought = ReasoningPart("It is **4**, I think", 1_900.0)
    view.finish_message(_thinks(ended(cut, "Four."), thought))
    _settle(qtbot, view)
    assert block.body.toPlainText() == "It is 4, I think"


def test_what_an_answer_waits_for_is_said_until_it_goes_on(qtbot: QtBot, view: ChatView) -> None:
    cut = answer("Four", MessageState.STOPPED)
    view.set_messages([cut])
    view.resume_answer(msgspec.structs.replace(cut, state=MessageState.STREAMING))
    view.set_status(cut.id, "Reading the prompt…")
    _settle(qtbot, view)
    message = view.message_view(cut.id)
    assert message is not None
    said = [label.text() for label in message.findChildren(QLabel)]
    assert "Reading the prompt…" in said
    view.append_thought(cut.id, "Hm")
    view.set_status(cut.id, "Stopping…")
    view.append_text(cut.id, ".")
    _settle(qtbot, view)
    said = [label.text() for label in message.findChildren(QLabel)]
    assert "Reading the prompt…" not in said
    assert "Stopping…" in said


def test_what_was_opened_is_open_when_its_view_is_made_anew(qtbot: QtBot, view: ChatView) -> None:
    thought = _thinks(answer("Four."), ReasoningPart(THOUGHT, 5_000.0))
    view.set_messages([thought])
    _settle(qtbot, view)
    _blocks(view)[0].heading.click()
    view.set_messages([question("Hello")])
    QApplication.sendPostedEvents(None, 52)  # what was to be deleted
    view.set_messages([thought])
    _settle(qtbot, view)
    block = _blocks(view)[-1]
    assert block.is_open
    assert block.body is not None
    assert block.body.plain_text().startswith("It is 4.")


def test_there_is_one_selection_and_a_menu_to_copy_from(qtbot: QtBot, view: ChatView) -> None:
    thought = _thinks(answer("Four."), ReasoningPart(f"{THOUGHT}\x1b[31m\u202e", 5_000.0))
    view.set_messages([thought])
    _settle(qtbot, view)
    (block,) = _blocks(view)
    block.heading.click()
    _settle(qtbot, view)
    message = view.message_view(thought.id)
    assert message is not None
    assert block.body is not None
    message.body.selectAll()
    block.body.selectAll()
    assert not message.body.textCursor().hasSelection()
    block.body.menu_requested.emit(view.mapToGlobal(view.rect().center()))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    entries = {action.text(): action for action in menu.actions()}
    copies = ["Copy selection", "Copy selection as Markdown", "Copy all of this"]
    assert list(entries) == copies
    entries["Copy all of this"].trigger()
    assert QGuiApplication.clipboard().text() == f"{THOUGHT}\ufffd[31m[U+202E]"
    menu.close()
    view.set_messages([question("Hello")])  # the selection goes with its message
    view.append_message(answer("Hi"))
    _settle(qtbot, view)
    view.findChildren(RichTextView)[-1].selectAll()


def test_it_is_quiet_and_follows_the_theme(
    qtbot: QtBot, view: ChatView, themes: ThemeSource
) -> None:
    view.set_messages([_thinks(answer("Four."), ReasoningPart("It is 4", 5_000.0))])
    _settle(qtbot, view)
    (block,) = _blocks(view)
    block.heading.click()
    _settle(qtbot, view)
    assert block.body is not None
    assert _colour(block.body) == LIGHT.muted
    themes.set_choice(ThemeChoice.DARK)
    view.apply_theme(DARK)
    _settle(qtbot, view)
    assert _colour(block.body) == DARK.muted
    themes.set_choice(ThemeChoice.LIGHT)


def _colour(body: RichTextView) -> str:
    return body.document().begin().begin().fragment().charFormat().foreground().color().name()


@pytest.mark.parametrize(
    ("milliseconds", "thinking", "thought"),
    [
        (0.0, "Thinking…", "Thoughts"),
        (400.0, "Thinking…", "Thought for less than a second"),
        (1_999.0, "Thinking… 1 s", "Thought for 1 s"),
        (60_000.0, "Thinking… 1 min", "Thought for 1 min"),
        (3_725_000.0, "Thinking… 62 min 5 s", "Thought for 62 min 5 s"),
    ],
)
def test_times_are_said_in_words(milliseconds: float, thinking: str, thought: str) -> None:
    assert (thinking_words(milliseconds), thought_words(milliseconds)) == (thinking, thought)


CUT = msgspec.structs.replace(DONE, finish_reason=FinishReason.LENGTH)


@pytest.mark.parametrize(
    ("state", "completion", "said", "goes_on"),
    [
        (MessageState.STOPPED, None, "You stopped the model while it was thinking.", True),
        (MessageState.INTERRUPTED, None, "The model was interrupted while it was thinking.", True),
        (MessageState.FAILED, None, "The model failed while it was thinking.", True),
        (
            MessageState.COMPLETE,
            CUT,
            "The model was cut off while it was thinking, at its limit of 318 tokens.",
            True,
        ),
        (
            MessageState.COMPLETE,
            DONE,
            "The model only thought, and ended without an answer.",
            False,
        ),
    ],
)
def test_an_answer_that_only_thought_says_so_and_can_go_on(
    state: MessageState, completion: object, said: str, goes_on: bool
) -> None:
    message = msgspec.structs.replace(answer("", state), completion=completion)
    thought = _thinks(message, ReasoningPart("It is"))
    assert ending_text(thought) == said
    assert can_go_on(thought) is goes_on
    actions = actions_for(thought, is_last=True)
    assert (MessageAction.CONTINUE in actions) is goes_on
    assert MessageAction.COPY not in actions
    assert not can_go_on(message)
    assert "thinking" not in ending_text(message)
