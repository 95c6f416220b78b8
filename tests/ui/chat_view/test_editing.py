"""Messages that change in their place: edited questions, and answers that go on."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolTip
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.message_edit import MAX_INLINE, MessageEdit
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.parts import part

CONTROL = Qt.KeyboardModifier.ControlModifier
PARAGRAPHS = "\n\n".join(f"Paragraph number {n}, of **some** length." for n in range(60))


def show(qtbot: QtBot, view: ChatView, *messages: Message) -> list[MessageView]:
    """Show ``messages``, and wait until they are rendered."""
    view.set_messages(list(messages))
    qtbot.waitUntil(lambda: not view.is_working())
    shown = [view.message_view(message.id) for message in messages]
    return [each for each in shown if each is not None]


def editor(view: ChatView) -> MessageEdit:
    """The field of the one message that is being edited."""
    return part(view, MessageEdit, "messageEdit")


def begin(view: ChatView, message: Message) -> MessageEdit:
    """Edit ``message``, as its button does."""
    view.activateWindow()
    view.edit_message(message.id)
    return editor(view)


def test_a_question_becomes_an_editor_and_is_sent_anew(qtbot: QtBot, view: ChatView) -> None:
    asked = question("Why is the sea salty?")
    shown, below = show(qtbot, view, asked, answer("It is."))
    field = begin(view, asked)
    assert field.hasFocus()
    assert field.toPlainText() == "Why is the sea salty?"
    assert field.fontInfo().pixelSize() == shown.body.document().defaultFont().pixelSize() == 15
    assert not shown.body.isVisible()
    QTest.keyClicks(field, " And why")
    QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(field, "not lakes?")
    with qtbot.waitSignal(view.events.edit_submitted) as sent:
        QTest.keyClick(field, Qt.Key.Key_Return)
    assert sent.args == [asked.id, "Why is the sea salty? And why\nnot lakes?"]
    assert editor(view) is field  # until it is sent
    view.messages.end_edit(asked.id)
    assert shown.body.isVisible()
    assert view.plain_text() == "Why is the sea salty?\n\nIt is."
    assert below.y() == shown.geometry().bottom() + 1


def test_blank_lines_at_its_end_are_kept_and_not_shown(qtbot: QtBot, view: ChatView) -> None:
    asked, plain = question("Why?\n\n \n"), question("Why?")
    shown, same = show(qtbot, view, asked, plain)
    assert shown.body.height() == same.body.height()
    assert view.messages.source(asked.id) == "Why?\n\n \n"
    assert begin(view, asked).toPlainText() == "Why?\n\n \n"


def test_undo_takes_back_what_was_typed_and_no_more(qtbot: QtBot, view: ChatView) -> None:
    asked = question("Why?")
    show(qtbot, view, asked)
    field = begin(view, asked)
    QTest.keyClicks(field, "!")
    for _ in range(3):
        QTest.keyClick(field, Qt.Key.Key_Z, CONTROL)
    assert field.toPlainText() == "Why?"


def test_what_would_hold_up_the_window_is_not_pasted(qtbot: QtBot, view: ChatView) -> None:
    """5 MB took up to ten seconds."""
    asked = question("Why?")
    show(qtbot, view, asked)
    field = begin(view, asked)
    QApplication.clipboard().setText("x" * (MAX_INLINE + 1))
    QTest.keyClick(field, Qt.Key.Key_V, CONTROL)
    assert field.toPlainText() == "Why?"
    assert "200,001 characters were not pasted: it takes 200,000 at once." in QToolTip.text()
    QToolTip.hideText()


def test_one_that_is_far_away_comes_into_sight(qtbot: QtBot, view: ChatView, page: int) -> None:
    asked = question("The last one?")
    view.set_messages([*(answer(f"Message {n}.\n\nMore.") for n in range(2 * page)), asked])
    view.scroll_to_start()
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.message_view(asked.id) is None
    field = begin(view, asked)
    qtbot.waitUntil(lambda: not view.is_working())
    assert (field.toPlainText(), field.hasFocus()) == ("The last one?", True)
    assert view.viewport().rect().contains(field.mapTo(view, field.rect().bottomRight()))


@pytest.mark.parametrize("from_top", [False, True])
def test_the_editor_comes_into_sight_with_its_buttons(
    qtbot: QtBot, view: ChatView, from_top: bool
) -> None:
    told, asked, below = answer(PARAGRAPHS), question("And why?"), answer(PARAGRAPHS)
    shown = show(qtbot, view, told, asked, below)[1]
    bar = view.verticalScrollBar()
    bar.setValue(0 if from_top else bar.maximum())
    field = begin(view, asked)
    buttons = {each.text(): each for each in shown.findChildren(QPushButton)}
    for each in (field, buttons["Send"], buttons["Cancel"]):
        place = QRect(each.mapTo(view.viewport(), QPoint(0, 0)), each.size())
        assert view.viewport().rect().contains(place)


@pytest.mark.parametrize("n_lines", [1, 40])
def test_it_stays_in_sight_where_a_notice_takes_of_the_height(
    qtbot: QtBot, view: ChatView, n_lines: int
) -> None:
    told, asked = answer(PARAGRAPHS), question("\n".join(["And why?"] * n_lines))
    shown = show(qtbot, view, told, asked, answer(PARAGRAPHS))[1]
    field, bar = begin(view, asked), view.verticalScrollBar()
    buttons = {each.text(): each for each in shown.findChildren(QPushButton)}
    end = buttons["Send"].mapTo(view.viewport(), QPoint(0, buttons["Send"].height()))
    bar.setValue(bar.value() + end.y() - view.viewport().height() + 8)  # just above the composer
    for height in (400, 320, 600):  # with a notice of some lines, of many, and without one
        view.resize(800, height)
        for each in (field, buttons["Send"], buttons["Cancel"]):
            place = QRect(each.mapTo(view.viewport(), QPoint(0, 0)), each.size())
            assert view.viewport().rect().contains(place), height
    bar.setValue(bar.maximum())
    view.resize(800, 400)
    assert bar.value() == bar.maximum()  # who scrolled away from it stays there


def test_esc_and_cancel_leave_the_message_as_it_is(qtbot: QtBot, view: ChatView) -> None:
    asked = question("Hello")
    (shown,) = show(qtbot, view, asked)
    for cancel in ("esc", "button"):
        field = begin(view, asked)
        QTest.keyClicks(field, "xyz")
        if cancel == "esc":
            QTest.keyClick(field, Qt.Key.Key_Escape)
        else:
            buttons = {each.text(): each for each in shown.findChildren(QPushButton)}
            QTest.mouseClick(buttons["Cancel"], Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not shown.findChildren(MessageEdit))
        assert shown.body.isVisible()
        assert shown.source() == "Hello"


def test_enter_sends_as_the_setting_says(qtbot: QtBot, view: ChatView) -> None:
    asked = question("Hello")
    show(qtbot, view, asked)
    view.set_enter_sends(False)
    field = begin(view, asked)
    with qtbot.assertNotEmitted(view.events.edit_submitted):
        QTest.keyClick(field, Qt.Key.Key_Return)
    with qtbot.waitSignal(view.events.edit_submitted) as sent:
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
    assert sent.args == [asked.id, "Hello\n"]
    field.set_text("  ")
    with qtbot.assertNotEmitted(view.events.edit_submitted):
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)


def test_it_grows_with_its_text_and_then_scrolls(qtbot: QtBot, view: ChatView) -> None:
    asked = question("One line")
    shown, below = show(qtbot, view, asked, answer("Below"))
    field = begin(view, asked)
    low = shown.height()
    for _ in range(3):
        QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    line = field.fontMetrics().lineSpacing()
    assert 3 * line - 3 <= shown.height() - low <= 3 * line + 3
    assert below.y() == shown.geometry().bottom() + 1
    field.set_text("line\n" * 200)
    assert shown.height() < 0.8 * view.height()
    assert field.verticalScrollBar().maximum() > 0
    bottom = field.mapTo(view, field.cursorRect().bottomLeft()).y()
    assert 0 <= bottom <= view.height()


def test_what_is_typed_survives_the_end_of_an_answer(qtbot: QtBot, view: ChatView) -> None:
    asked, running = question("First"), streaming()
    show(qtbot, view, asked)
    view.append_message(running)
    view.append_text(running.id, "Some ")
    field = begin(view, asked)
    QTest.keyClicks(field, " and more")
    view.append_text(running.id, "text")
    view.finish_message(ended(running, "Some text."))
    view.append_message(question("Next"))
    assert editor(view) is field
    assert field.hasFocus()
    assert field.toPlainText() == "First and more"


def test_what_is_typed_is_there_when_its_chat_is_shown_again(qtbot: QtBot, view: ChatView) -> None:
    asked = question("First")
    show(qtbot, view, asked, answer("Answer"))
    QTest.keyClicks(begin(view, asked), " and more")
    show(qtbot, view, question("Another chat"))
    show(qtbot, view, asked, answer("Answer"))
    qtbot.waitUntil(lambda: len(view.findChildren(MessageEdit)) == 1)
    assert editor(view).toPlainText() == "First and more"
    view.messages.end_edit(asked.id)
    show(qtbot, view, question("Another chat"))
    show(qtbot, view, asked)
    qtbot.waitUntil(lambda: not view.findChildren(MessageEdit))


def test_f2_edits_what_people_and_models_said_and_nothing_else(
    qtbot: QtBot, view: ChatView
) -> None:
    rules = msgspec.structs.replace(answer("Be brief."), role=Role.SYSTEM)
    told, asked, given, running = rules, question("Hello"), answer("*Hi*"), streaming()
    shown = show(qtbot, view, told, asked, given, running)
    for at in (0, 3):
        QTest.keyClick(shown[at].body, Qt.Key.Key_F2)
        assert not view.findChildren(MessageEdit)
    for at, text in ((1, "Hello"), (2, "*Hi*")):
        QTest.keyClick(shown[at].body, Qt.Key.Key_F2)
        field = part(shown[at], MessageEdit, "messageEdit")
        assert (field.toPlainText(), field.hasFocus()) == (text, True)


# -- answers that go on ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Half an **answer", PARAGRAPHS, "```py\nx = 1"], ids=len)
def test_an_answer_goes_on_in_its_place_without_a_jump(
    qtbot: QtBot, view: ChatView, text: str
) -> None:
    running = streaming()
    stopped = ended(running, text, MessageState.STOPPED)
    shown = show(qtbot, view, question("Hi"), stopped)[1]
    bar = view.verticalScrollBar()
    before, top = shown.plain_text(), bar.maximum()
    lowest = [shown.body.height()]
    shown.body.document().documentLayout().documentSizeChanged.connect(
        lambda size: lowest.append(round(size.height()))
    )
    going_on = ended(running, text, MessageState.STREAMING, None)
    view.resume_answer(going_on)
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.message_view(running.id) is shown
    assert shown.plain_text() in (before, text.replace("**", ""))
    assert min(lowest) >= 0.8 * lowest[0]  # it never went to be written again
    view.append_text(running.id, " and the rest")
    view.finish_message(ended(running, text + " and the rest"))
    qtbot.waitUntil(lambda: not view.is_working())
    assert shown.source() == text + " and the rest"
    assert shown.plain_text().endswith("and the rest")
    assert bar.value() == bar.maximum() >= top - 60


def test_an_answer_that_goes_on_is_like_one_written_at_once(qtbot: QtBot, view: ChatView) -> None:
    first, rest = "- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "| 3 | 4 |\n\nEnd *now*."
    running = streaming()
    shown = show(qtbot, view, ended(running, first, MessageState.INTERRUPTED))[0]
    view.resume_answer(ended(running, first, MessageState.STREAMING, None))
    view.append_text(running.id, rest)
    view.finish_message(ended(running, first + rest))
    qtbot.waitUntil(lambda: not view.is_working())
    whole = show(qtbot, view, answer(first + rest))[0]
    text = shown.plain_text() if shown is whole else view.plain_text()
    assert whole.plain_text() == text
    assert "3 | 4" in text


def test_who_leaves_an_editor_unchanged_at_the_end_is_there_again(
    qtbot: QtBot, view: ChatView
) -> None:
    """It was 50 px further up, and what was written came out of sight."""
    messages = [question("Why?"), answer("So.\n\n" * 40), question("Then?"), answer("Yes. " * 40)]
    view.set_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    bar = view.verticalScrollBar()
    for message in (messages[3], messages[2]):
        assert bar.value() == bar.maximum()
        view.edit_message(message.id)
        view.messages.end_edit(message.id)
        assert bar.value() == bar.maximum()
    running = streaming()
    view.append_message(running)
    view.edit_message(messages[2].id)
    view.messages.end_edit(messages[2].id)
    view.append_text(running.id, "More.\n\n" * 40)
    qtbot.waitUntil(lambda: "More." in view.plain_text() and not view.is_working())
    assert bar.value() == bar.maximum()
    bar.setValue(0)
    view.edit_message(messages[0].id)
    view.messages.end_edit(messages[0].id)
    assert bar.value() == 0
