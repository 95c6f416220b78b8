"""What is offered for which message, and where: the rows of actions, the menu, the navigator."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QEnterEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QMenu, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.ui.chat_view.action_row import ActionRow
from minerva_desktop.ui.chat_view.actions import BranchPlace, MessageAction, actions_for, can_go_on
from minerva_desktop.ui.chat_view.branch_navigator import BranchNavigator
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from tests.ui.chat_view.messages import answer, ended, question, streaming

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CUT = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=1)
TAB = Qt.FocusReason.TabFocusReason


def replying(message: Message) -> Message:
    """``message`` as the reply to another."""
    return msgspec.structs.replace(message, parent_id="parent")


def show(qtbot: QtBot, view: ChatView, *messages: Message) -> list[MessageView]:
    """Show ``messages``, and wait until they are rendered."""
    view.set_messages(list(messages))
    qtbot.waitUntil(lambda: not view.is_working())
    shown = [view.message_view(message.id) for message in messages]
    return [each for each in shown if each is not None]


def row_under(view: MessageView) -> ActionRow | None:
    """The row of actions that is seen under a message."""
    rows = [row for row in view.findChildren(ActionRow) if row.isVisible()]
    assert len(rows) <= 1
    return rows[0] if rows else None


def names(row: ActionRow | None) -> list[str]:
    """What the row's buttons say, from left to right."""
    assert row is not None
    buttons = [button for button in row.findChildren(QToolButton) if button.isVisible()]
    return [button.accessibleName() for button in sorted(buttons, key=QWidget.x)]


def button(row: ActionRow | None, name: str) -> QToolButton:
    """The row's button of that name."""
    assert row is not None
    (found,) = [each for each in row.findChildren(QToolButton) if each.accessibleName() == name]
    return found


def point_at(view: MessageView) -> None:
    """Move the pointer onto a message."""
    middle = view.rect().center().toPointF()
    QApplication.sendEvent(view, QEnterEvent(middle, middle, middle))


def entries(menu: QMenu) -> dict[str, bool]:
    """The menu's entries, and whether they can be chosen."""
    return {each.text(): each.isEnabled() for each in menu.actions() if not each.isSeparator()}


def open_menu(view: ChatView, of: MessageView) -> QMenu:
    """Ask for a message's menu, by the key for it."""
    place = of.body.mapToGlobal(QPoint(5, 5))
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(5, 5), place)
    QApplication.sendEvent(of.body.viewport(), event)
    (menu,) = [each for each in view.findChildren(QMenu) if each.isVisible()]
    return menu


def test_what_is_offered_for_which_message() -> None:
    action = MessageAction
    asked, given = question("Hi"), replying(answer("Hello"))
    assert actions_for(asked, is_last=False) == (
        action.COPY,
        action.EDIT,
        action.BRANCH,
        action.DELETE,
        action.DELETE_BELOW,
    )
    assert action.ANSWER in actions_for(asked, is_last=True)
    assert actions_for(given, is_last=True) == (
        action.COPY,
        action.EDIT,
        action.REGENERATE,
        action.BRANCH,
        action.DETAILS,
        action.DELETE,
    )
    assert actions_for(streaming(), is_last=True) == ()
    stopped = ended(given, "Hel", MessageState.STOPPED)
    assert action.CONTINUE in actions_for(stopped, is_last=True)
    assert action.CONTINUE not in actions_for(stopped, is_last=False)
    edited = msgspec.structs.replace(given, edited_at=1.0)
    assert action.CONTINUE in actions_for(edited, is_last=True)
    assert action.CONTINUE not in actions_for(edited, is_last=False)
    gone_on = ended(edited, "Hello there")  # a model did, and came to its end
    assert action.CONTINUE not in actions_for(gone_on, is_last=True)
    assert action.BRANCH not in actions_for(given, is_last=True, can_branch=False)


@pytest.mark.parametrize(
    ("state", "text", "completion", "expected"),
    [
        (MessageState.STOPPED, "Half", None, True),
        (MessageState.INTERRUPTED, "Half", None, True),
        (MessageState.FAILED, "Half", None, True),
        (MessageState.FAILED, "", None, False),
        (MessageState.COMPLETE, "All", CUT, True),
        (MessageState.COMPLETE, "All", None, False),
    ],
)
def test_only_what_broke_off_can_go_on(
    state: MessageState, text: str, completion: Completion | None, expected: bool
) -> None:
    assert can_go_on(ended(answer(""), text, state, completion)) is expected


def test_the_last_answer_always_has_its_actions(qtbot: QtBot, view: ChatView) -> None:
    asked, given = question("Hi"), replying(answer("Hello **you**"))
    views = show(qtbot, view, asked, given)
    offered = ["Copy message", "Edit", "Regenerate", "Details", "More actions"]
    assert names(row_under(views[1])) == offered
    assert row_under(views[0]) is None
    button(row_under(views[1]), "Copy message").click()
    assert QGuiApplication.clipboard().text() == "Hello **you**"
    running = streaming()
    view.append_message(running)
    assert row_under(views[1]) is None
    view.finish_message(ended(running, "Bye"))
    last = view.message_view(running.id)
    assert last is not None
    assert "Copy message" in names(row_under(last))


def test_the_pointer_brings_a_row_and_takes_it_along(qtbot: QtBot, view: ChatView) -> None:
    messages = [question("One"), answer("Un"), question("Two"), answer("Deux")]
    views = show(qtbot, view, *messages)
    for _ in range(3):
        for at in (0, 1, 2):
            point_at(views[at])
            assert [row_under(each) is not None for each in views] == [
                each is views[at] or each is views[3] for each in views
            ]
    assert names(row_under(views[2])) == ["Copy message", "Edit", "More actions"]
    assert len(view.findChildren(ActionRow)) == 2
    point_at(views[3])
    assert row_under(views[2]) is None


class Neighbour(QObject):
    """Tells that the pointer is at a message when a row goes from under it, as Qt does."""

    def __init__(self, row: ActionRow, next_one: MessageView) -> None:
        super().__init__(row)
        self._next_one = next_one
        row.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Hide:
            self._next_one.pointer_changed.emit(self._next_one.message.id, True)
        return super().eventFilter(watched, event)


def test_a_row_goes_straight_to_the_next_message(qtbot: QtBot, view: ChatView) -> None:
    views = show(qtbot, view, question("One"), answer("Un"), question("Two"), answer("Deux"))
    point_at(views[0])
    row = row_under(views[0])
    assert row is not None
    Neighbour(row, views[1])
    QApplication.sendEvent(views[0], QEvent(QEvent.Type.Leave))
    assert row_under(views[1]) is row
    assert row_under(views[0]) is None


def test_a_row_that_loses_its_message_goes_to_the_next(qtbot: QtBot, view: ChatView) -> None:
    messages = [question("One"), answer("Un"), question("Two"), answer("Deux")]
    views = show(qtbot, view, *messages)
    point_at(views[2])
    row = row_under(views[2])
    assert row is not None
    Neighbour(row, views[1])
    view.change_messages([*messages[:2], messages[3]])
    assert row_under(views[1]) is row


def test_nothing_moves_when_a_row_comes(qtbot: QtBot, view: ChatView) -> None:
    views = show(qtbot, view, question("One"), answer("Un"), question("Two"), answer("Deux"))
    before = [each.geometry() for each in views]
    point_at(views[0])
    row = row_under(views[0])
    assert row is not None
    assert row.geometry().top() >= views[0].body.geometry().bottom()
    assert views[0].rect().contains(row.geometry())
    qtbot.waitUntil(lambda: not view.is_working())
    assert [each.geometry() for each in views] == before


def test_the_keyboard_finds_the_actions_behind_the_text(qtbot: QtBot, view: ChatView) -> None:
    view.activateWindow()
    views = show(qtbot, view, question("One"), answer("Un"), question("Two"), answer("Deux"))
    views[1].body.setFocus(TAB)
    qtbot.waitUntil(lambda: row_under(views[1]) is not None)
    point_at(views[0])  # the pointer does not take it away
    QTest.keyClick(views[1].body, Qt.Key.Key_Tab)
    focused = QApplication.focusWidget()
    assert focused is button(row_under(views[1]), "Copy message")
    QTest.keyClick(focused, Qt.Key.Key_Space)
    assert QGuiApplication.clipboard().text() == "Un"
    views[2].body.setFocus(Qt.FocusReason.MouseFocusReason)
    assert row_under(views[1]) is None
    assert row_under(views[2]) is None


def test_ctrl_c_copies_the_message_where_nothing_is_selected(qtbot: QtBot, view: ChatView) -> None:
    views = show(qtbot, view, answer("One **two**"))
    QTest.keyClick(views[0].body, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "One **two**"
    views[0].body.selectAll()
    QTest.keyClick(views[0].body, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "One two"


def test_the_menu_says_what_can_be_done(qtbot: QtBot, view: ChatView) -> None:
    asked, given = question("Hi"), replying(answer("Hello"))
    views = show(qtbot, view, asked, ended(given, "Hel", MessageState.STOPPED))
    menu = open_menu(view, views[1])
    assert list(entries(menu)) == [
        "Copy as Markdown",
        "Edit",
        "Regenerate…",
        "Continue",
        "New chat up to here",
        "Details",
        "Delete this message",
    ]
    with qtbot.waitSignal(view.events.action_requested) as wanted:
        next(each for each in menu.actions() if each.text() == "Continue").trigger()
    assert wanted.args is not None
    assert wanted.args[:2] == [given.id, MessageAction.CONTINUE]
    menu.close()
    views[0].body.selectAll()
    menu = open_menu(view, views[0])
    assert next(iter(entries(menu))) == "Copy selection"
    assert "Delete from here on" in entries(menu)
    menu.close()


def test_a_row_stays_for_its_menu_and_no_longer(qtbot: QtBot, view: ChatView) -> None:
    views = show(qtbot, view, question("One"), answer("Un"))
    point_at(views[0])
    menu = open_menu(view, views[0])
    QApplication.sendEvent(views[0], QEvent(QEvent.Type.Leave))
    assert row_under(views[0]) is not None
    menu.close()
    qtbot.waitUntil(lambda: row_under(views[0]) is None)


def test_while_an_answer_is_written_the_chat_cannot_be_changed(
    qtbot: QtBot, view: ChatView
) -> None:
    views = show(qtbot, view, question("Hi"), replying(answer("Hello")))
    running = streaming()
    view.append_message(running)
    point_at(views[1])
    assert not button(row_under(views[1]), "Regenerate").isEnabled()
    menu = open_menu(view, views[1])
    able = [name for name, is_able in entries(menu).items() if is_able]
    assert able == ["Copy as Markdown", "Edit", "New chat up to here", "Details"]
    menu.close()
    view.finish_message(ended(running, "Bye"))
    point_at(views[1])
    assert button(row_under(views[1]), "Regenerate").isEnabled()


def test_a_stopped_answer_offers_to_go_on_only_at_the_end(qtbot: QtBot, view: ChatView) -> None:
    stopped = ended(answer(""), "Hel", MessageState.STOPPED)
    views = show(qtbot, view, question("Hi"), stopped)
    go_on = [each for each in views[1].findChildren(QWidget) if _is_continue(each)]
    (button_,) = go_on
    assert button_.isVisible()
    with qtbot.waitSignal(view.events.action_requested) as wanted:
        QTest.mouseClick(button_, Qt.MouseButton.LeftButton)
    assert wanted.args is not None
    assert wanted.args[:2] == [stopped.id, MessageAction.CONTINUE]
    view.append_message(question("Go on"))
    assert not button_.isVisible()


def _is_continue(widget: QWidget) -> bool:
    return widget.accessibleName() == "Continue the answer"


# -- branches ----------------------------------------------------------------------------------


def test_the_navigator_leads_to_the_other_versions(qtbot: QtBot, view: ChatView) -> None:
    asked, given = question("Hi"), answer("Hello")
    places = {given.id: BranchPlace(1, ("older", given.id, "newer"))}
    view.set_messages([asked, given], place_of=places.get)
    qtbot.waitUntil(lambda: not view.is_working())
    (navigator,) = view.findChildren(BranchNavigator)
    assert navigator.isVisible()
    assert navigator.accessibleName() == "Version 2 of 3"
    shown = view.message_view(given.id)
    assert shown is not None
    row = row_under(shown)
    assert row is not None
    assert row.x() >= navigator.geometry().right()
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    for key, step, wanted in (
        (Qt.Key.Key_Left, 0, "older"),
        (Qt.Key.Key_Right, 1, "newer"),
    ):
        # A button would take the arrow for a wish to go to another button.
        for start in (shown.body, row.findChildren(QAbstractButton)[0], navigator.buttons[0]):
            start.setFocus()
            assert start.hasFocus()
            with qtbot.waitSignal(view.events.branch_requested) as asked_for:
                QTest.keyClick(start, key, Qt.KeyboardModifier.AltModifier)
            assert asked_for.args == [wanted]
            assert shown.is_read_by_keyboard
        with qtbot.waitSignal(view.events.branch_requested) as asked_for:
            navigator.buttons[step].click()
        assert asked_for.args == [wanted]


def test_at_the_first_version_there_is_no_way_back(qtbot: QtBot, view: ChatView) -> None:
    given = answer("Hello")
    view.set_messages([given], place_of={given.id: BranchPlace(0, (given.id, "other"))}.get)
    qtbot.waitUntil(lambda: not view.is_working())
    (navigator,) = view.findChildren(BranchNavigator)
    back, on = navigator.buttons
    assert not back.isEnabled()
    assert on.isEnabled()
    with qtbot.assertNotEmitted(view.events.branch_requested):
        navigator.step(-1)


def test_another_branch_leaves_what_is_looked_at_in_its_place(qtbot: QtBot, view: ChatView) -> None:
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    trunk = [answer(f"Message {n}. " + "Some words of it. " * 40) for n in range(12)]
    old, new = [answer(f"Old {n}") for n in range(3)], [answer(f"New {n}") for n in range(20)]
    shown = show(qtbot, view, *trunk, *old)
    bar = view.verticalScrollBar()
    bar.setValue(shown[11].y() - 100)
    shown[12].body.setFocus(TAB)
    kept, value = view.message_view(trunk[11].id), bar.value()
    view.change_messages([*trunk, *new])
    qtbot.waitUntil(lambda: not view.is_working())
    assert view.message_view(trunk[11].id) is kept
    assert bar.value() == value
    assert view.plain_text().endswith("New 19")
    replaced = view.message_view(new[0].id)
    assert replaced is not None
    assert replaced.body.hasFocus()
    assert replaced.body.has_ring


def test_a_message_that_goes_and_comes_back_moves_nothing_above(
    qtbot: QtBot, view: ChatView
) -> None:
    messages = [answer(f"Message {n}. " + "Some words of it. " * 40) for n in range(12)]
    shown = show(qtbot, view, *messages)
    bar = view.verticalScrollBar()
    bar.setValue(shown[5].y() + 10)
    value = bar.value()
    moved = msgspec.structs.replace(messages[7], parent_id=messages[5].id)
    view.change_messages([*messages[:6], moved, *messages[8:]])
    qtbot.waitUntil(lambda: not view.is_working())
    assert bar.value() == value
    assert view.message_view(messages[6].id) is None
    assert view.message_view(messages[7].id) is shown[7]
    view.change_messages(messages)
    qtbot.waitUntil(lambda: not view.is_working())
    assert bar.value() == value
    again = [view.message_view(message.id) for message in messages]
    assert again[:6] + again[7:] == shown[:6] + shown[7:]
    assert view.plain_text().count("Message 6.") == 1
