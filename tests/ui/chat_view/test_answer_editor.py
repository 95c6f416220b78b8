"""An answer that is edited in its place, and what is to be seen of it afterwards."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.thought_block import ThoughtBlock
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.chat_view.messages import answer, ended, question, streaming
from tests.ui.chat_view.test_actions import names, row_under
from tests.ui.chat_view.test_find import Finding
from tests.ui.parts import part

CONTROL = Qt.KeyboardModifier.ControlModifier


def show(qtbot: QtBot, view: ChatView, *messages: Message) -> list[MessageView]:
    """Show ``messages``, and wait until they are rendered."""
    view.set_messages(list(messages))
    qtbot.waitUntil(lambda: not view.is_working())
    shown = [view.message_view(message.id) for message in messages]
    return [each for each in shown if each is not None]


def begin(view: ChatView, message: Message) -> MessageEdit:
    """Edit ``message``, as its button does."""
    view.activateWindow()
    view.edit_message(message.id)
    return part(view, MessageEdit, "messageEdit")


def button(of: MessageView, name: str) -> QPushButton:
    """The button of that name in a message."""
    (found,) = [each for each in of.findChildren(QPushButton) if each.accessibleName() == name]
    return found


def words(of: MessageView) -> list[str]:
    """What is said around the text of an answer."""
    return [each.text() for each in of.findChildren(QLabel) if each.isVisible() and each.text()]


def test_its_markdown_is_edited_below_its_thoughts(qtbot: QtBot, view: ChatView) -> None:
    thought = ReasoningPart("Sums are easy.", 900.0)
    given = msgspec.structs.replace(answer("It is **5**."), parts=(thought,))
    shown, below = show(qtbot, view, given, question("Sure?"))
    field = begin(view, given)
    assert (field.toPlainText(), field.hasFocus()) == ("It is **5**.", True)
    assert field.accessibleName() == "Edit the answer"
    (block,) = shown.findChildren(ThoughtBlock)
    bottom = block.mapTo(shown, QPoint(0, block.height())).y()
    assert block.isVisible()
    assert bottom <= field.mapTo(shown, QPoint()).y()
    assert not shown.body.isVisible()
    assert below.y() >= shown.geometry().bottom()
    QTest.keyClick(field, Qt.Key.Key_Return)  # a new line, whatever Enter does elsewhere
    QTest.keyClicks(field, "Or 4.")
    with qtbot.waitSignal(view.events.edit_submitted) as saved:
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
    assert saved.args == [given.id, "It is **5**.\nOr 4."]
    view.messages.end_edit(given.id)
    assert shown.body.isVisible()
    assert view.plain_text() == "It is 5.\n\nSure?"


def test_nothing_is_not_saved(qtbot: QtBot, view: ChatView) -> None:
    given = answer("Yes")
    (shown,) = show(qtbot, view, given)
    field = begin(view, given)
    save = button(shown, "Save")
    assert save.isEnabled()
    field.set_text(" \n ")
    assert not save.isEnabled()
    with qtbot.assertNotEmitted(view.events.edit_submitted):
        QTest.keyClick(field, Qt.Key.Key_Return, CONTROL)
    field.set_text("No")
    with qtbot.waitSignal(view.events.edit_submitted) as saved:
        QTest.mouseClick(save, Qt.MouseButton.LeftButton)
    assert saved.args == [given.id, "No"]


def test_esc_and_cancel_leave_it_as_it_is(qtbot: QtBot, view: ChatView) -> None:
    given = answer("Yes")
    (shown,) = show(qtbot, view, given)
    field = begin(view, given)
    QTest.keyClicks(field, "!")
    with qtbot.waitSignal(view.events.edit_given_up) as given_up:
        QTest.keyClick(field, Qt.Key.Key_Escape)
    assert given_up.args == [given.id, "Yes!"]
    qtbot.waitUntil(lambda: not shown.findChildren(MessageEdit))
    assert shown.source() == "Yes"
    begin(view, given)
    QTest.mouseClick(button(shown, "Cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not shown.findChildren(MessageEdit))
    assert shown.body.isVisible()


def test_an_answer_that_is_written_is_not_edited_and_others_wait(
    qtbot: QtBot, view: ChatView
) -> None:
    given, running = answer("Yes"), streaming()
    (shown,) = show(qtbot, view, given)
    view.append_message(running)
    view.edit_message(running.id)
    assert not view.findChildren(MessageEdit)
    field = begin(view, given)
    save = button(shown, "Save")
    assert not save.isEnabled()
    assert "Stop it, or save your change after it." in save.toolTip()
    QTest.keyClicks(field, "!")
    assert not save.isEnabled()
    view.finish_message(ended(running, "No"))
    assert save.isEnabled()
    assert field.toPlainText() == "Yes!"


def test_what_would_go_on_with_the_old_text_is_not_offered_meanwhile(
    qtbot: QtBot, view: ChatView
) -> None:
    stopped = ended(answer(""), "Hel", MessageState.STOPPED)
    (shown,) = show(qtbot, view, stopped)
    assert button(shown, "Continue the answer").isVisible()
    field = begin(view, stopped)
    assert not button(shown, "Continue the answer").isVisible()
    assert row_under(shown) is None
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert button(shown, "Continue the answer").isVisible()
    assert "You stopped this answer." in words(shown)


def test_what_is_typed_is_there_when_its_chat_is_shown_again(qtbot: QtBot, view: ChatView) -> None:
    asked, given = question("Sure?"), answer("Yes")
    show(qtbot, view, asked, given)
    QTest.keyClicks(begin(view, given), ", I am")
    show(qtbot, view, question("Another chat"))
    assert view.messages.edited_text(given.id) == "Yes, I am"
    show(qtbot, view, asked, given)
    qtbot.waitUntil(lambda: len(view.findChildren(MessageEdit)) == 1)
    assert part(view, MessageEdit, "messageEdit").toPlainText() == "Yes, I am"


@pytest.mark.parametrize("at_end", [True, False])
def test_a_long_one_is_edited_in_sight_and_left_where_it_was(
    qtbot: QtBot, view: ChatView, at_end: bool
) -> None:
    long, given, longer = (answer(f"A line of {name}.\n\n" * 400) for name in "abc")
    shown = show(qtbot, view, long, question("And?"), given, question("Sure?"), longer)[2]
    view.activateWindow()
    bar = view.verticalScrollBar()
    bar.setValue(shown.geometry().bottom() - view.height() if at_end else shown.y() - 20)
    before = bar.value()
    shown.body.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(shown.body, Qt.Key.Key_F2)
    field = part(view, MessageEdit, "messageEdit")
    assert (field.toPlainText(), field.hasFocus()) == (given.text, True)
    corners = [field.mapTo(view.viewport(), QPoint())]
    corners += [button(shown, "Save").mapTo(view.viewport(), QPoint(0, 30))]
    assert all(view.viewport().rect().contains(corner) for corner in corners)
    QTest.keyClick(field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not view.is_working() and not view.findChildren(MessageEdit))
    assert bar.value() == before
    view.edit_message(given.id)
    QTest.keyClicks(part(view, MessageEdit, "messageEdit"), "The end.")
    assert view.messages.end_edit(given.id) is not None
    qtbot.waitUntil(lambda: not view.is_working())
    below = shown.geometry().bottom() - bar.value()
    assert view.viewport().height() / 2 < below < view.viewport().height()


def test_find_and_copy_have_what_it_says_now(qtbot: QtBot, view: ChatView, icons: Icons) -> None:
    asked, given = question("Capital of Australia?"), answer("Sydney.")
    finding = Finding(qtbot, view, icons)
    finding.open_chat(asked, given)
    finding.look_for("a")
    finding.until("1 of 5")
    edited = msgspec.structs.replace(given, id="edited", text="It is *Canberra*.", edited_at=1.0)
    view.change_messages([asked, edited])
    finding.until("1 of 7")
    shown = view.message_view("edited")
    assert shown is not None
    QTest.keyClick(shown.body, Qt.Key.Key_C, CONTROL)
    assert QGuiApplication.clipboard().text() == "It is *Canberra*."


@pytest.mark.parametrize("is_last", [True, False])
def test_an_edited_answer_says_so_and_can_go_on_at_the_end(
    qtbot: QtBot, view: ChatView, is_last: bool
) -> None:
    given = msgspec.structs.replace(answer("Yes"), parent_id="parent", edited_at=1.0)
    shown = show(qtbot, view, given, *([] if is_last else [question("Sure?")]))[0]
    assert words(shown) == ["tiny-model", "Edited"]
    if is_last:
        offered = ["Copy message", "Edit", "Regenerate", "Continue", "Details", "More actions"]
        assert names(row_under(shown)) == offered
        view.resume_answer(ended(given, "Yes", MessageState.STREAMING, None))
        view.append_text(given.id, ", I am")
        view.finish_message(ended(given, "Yes, I am"))
        (_, numbers) = words(shown)
        assert numbers.startswith("Edited · 42.1 tokens/s · ")
        assert "Continue" not in names(row_under(shown))
