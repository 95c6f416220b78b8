"""The messages above the composer that wait for an answer to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.waiting_messages import NOT_WELL, REMOVE, STOPPED, WaitingMessages
from tests.ui.parts import part

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

MESSAGES = [QueuedMessage(f"id-{n}", f"Question {n}\nand more", Path("m.gguf")) for n in range(6)]
MORE = [QueuedMessage(f"id-{n}", f"Question {n}\nand more", Path("m.gguf")) for n in (6, 7)]


@pytest.fixture
def composer(qtbot: QtBot, icons: Icons) -> Composer:
    """Shown, in a window of 760 px."""
    composer = Composer(icons)
    qtbot.addWidget(composer)
    composer.set_window_height(760)
    composer.resize(800, 600)
    with qtbot.waitExposed(composer):
        composer.show()
    return composer


def labels(waiting: WaitingMessages) -> list[str]:
    """The texts that are seen, from top to bottom."""
    texts: list[QLabel | QPushButton] = [*waiting.findChildren(QLabel)]
    texts += [each for each in waiting.findChildren(QPushButton) if each.property("look") == "link"]
    shown = [each for each in texts if each.isVisible()]
    shown.sort(key=lambda each: each.mapTo(waiting, each.rect().topLeft()).y())
    return [each.text() for each in shown]


def test_they_are_shown_in_the_order_of_sending(composer: Composer) -> None:
    waiting = composer.waiting
    assert not waiting.isVisible()
    waiting.show_messages(MESSAGES[:2], is_paused=False)
    assert labels(waiting) == ["Question 0 and more", "Question 1 and more"]
    assert waiting.accessibleName() == "2 messages wait"
    waiting.show_messages([], is_paused=False)
    assert not waiting.isVisible()


def test_many_leave_room_for_the_transcript(composer: Composer) -> None:
    composer.waiting.show_messages(MESSAGES, is_paused=False)
    assert labels(composer.waiting)[2:] == ["Question 2 and more", "and 3 more"]
    composer.set_window_height(420)
    assert labels(composer.waiting) == ["Question 0 and more", "and 5 more"]


def _numbers(waiting: WaitingMessages) -> list[str]:
    shown = [each for each in labels(waiting) if each.startswith("Question")]
    return [each.split()[1] for each in shown]


def test_those_that_are_not_shown_are_a_click_or_the_wheel_away(composer: Composer) -> None:
    """Nothing led to them but to move one by its keys."""
    waiting = composer.waiting
    waiting.show_messages([*MESSAGES, *MORE], is_paused=False)
    more, before = (part(waiting, QPushButton, name) for name in ("waitingMore", "waitingBefore"))
    assert more.text() == "and 5 more"
    assert not before.isVisible()
    QTest.mouseClick(more, Qt.MouseButton.LeftButton)
    assert (_numbers(waiting), before.text()) == (["3", "4", "5"], "3 before these")
    waiting.show_messages([*MESSAGES[:4], MESSAGES[5], *MORE], is_paused=False)  # one is taken away
    assert _numbers(waiting) == ["3", "5", "6"]
    QTest.mouseClick(more, Qt.MouseButton.LeftButton)
    assert _numbers(waiting) == ["5", "6", "7"]
    assert not more.isVisible()
    for turned, first in ((120, "3"), (60, "3"), (60, "2"), (-240, "5")):
        _turn(waiting, turned)
        assert _numbers(waiting)[0] == first
    before.setFocus()
    for first in ("1", "0"):
        QTest.keyClick(composer.window().focusWidget(), Qt.Key.Key_Space)
        assert _numbers(waiting)[0] == first
    assert _focused(composer) == ("Edit this message", "Question 0 and more")


def test_one_that_is_edited_stays_where_it_is_seen(composer: Composer) -> None:
    """The first were shown again instead, with the keyboard in the message field all along."""
    waiting = composer.waiting
    waiting.show_messages([*MESSAGES, *MORE], is_paused=False)
    _turn(waiting, -360)
    assert _numbers(waiting) == ["3", "4", "5"]
    waiting.show_messages([*MESSAGES, *MORE], is_paused=False, edited=MESSAGES[4])
    assert "Editing: Question 4 and more" in labels(waiting)
    assert _numbers(waiting) == ["3", "5"]


def _turn(waiting: WaitingMessages, by: int) -> None:
    """By that many eighths of a degree."""
    middle = QPointF(waiting.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(waiting.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, by),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(waiting, event)


def test_each_can_be_taken_back_or_thrown_away(qtbot: QtBot, composer: Composer) -> None:
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:2], is_paused=False)
    buttons: dict[str, list[QToolButton]] = {}
    for button in waiting.findChildren(QToolButton):
        buttons.setdefault(button.accessibleName(), []).append(button)
    with qtbot.waitSignal(waiting.edit_requested) as wanted:
        QTest.mouseClick(buttons["Edit this message"][1], Qt.MouseButton.LeftButton)
    assert wanted.args == ["id-1"]
    with qtbot.waitSignal(waiting.remove_requested) as wanted:
        QTest.mouseClick(buttons["Do not send this message"][0], Qt.MouseButton.LeftButton)
    assert wanted.args == ["id-0"]


def test_the_person_sends_what_an_answer_that_failed_left(qtbot: QtBot, composer: Composer) -> None:
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:1], is_paused=False)
    send = part(waiting, QPushButton, "sendWaitingButton")
    assert not send.isVisible()
    waiting.show_messages(MESSAGES[:1], is_paused=True)
    assert send.isVisible()
    assert NOT_WELL in labels(waiting)
    waiting.show_messages(MESSAGES[:1], is_paused=True, why=STOPPED)
    assert STOPPED in labels(waiting)
    with qtbot.waitSignal(waiting.send_requested):
        QTest.mouseClick(send, Qt.MouseButton.LeftButton)


def test_the_keyboard_moves_one_and_stays_with_it(qtbot: QtBot, composer: Composer) -> None:
    composer.activateWindow()
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:3], is_paused=False)
    button = next(b for b in waiting.findChildren(QToolButton) if b.accessibleName() == REMOVE)
    button.setFocus()
    with qtbot.waitSignal(waiting.move_requested) as wanted:
        QTest.keyClick(button, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert wanted.args == ["id-0", 1]
    waiting.show_messages([MESSAGES[1], MESSAGES[0], MESSAGES[2]], is_paused=False)
    focused = composer.window().focusWidget()
    assert isinstance(focused, QToolButton)
    assert focused.accessibleName() == REMOVE
    with qtbot.waitSignal(waiting.move_requested) as wanted:
        QTest.keyClick(focused, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert wanted.args == ["id-0", -1]


def _focused(composer: Composer) -> tuple[str, str]:
    """What the button with the keyboard does, and to which message."""
    button = composer.window().focusWidget()
    assert isinstance(button, QToolButton)
    row = button.parentWidget()
    assert row is not None
    return button.accessibleName(), row.findChildren(QLabel)[0].text()


def test_one_that_is_moved_beyond_what_is_shown_stays_in_sight(
    qtbot: QtBot, composer: Composer
) -> None:
    """It went below the last that is shown, and the keyboard to the message field."""
    composer.activateWindow()
    waiting, order = composer.waiting, list(MESSAGES)

    def move(queued_id: str, by: int) -> None:
        at = next(place for place, each in enumerate(order) if each.id == queued_id)
        order.insert(at + by, order.pop(at))
        waiting.show_messages(order, is_paused=False)

    waiting.move_requested.connect(move)
    waiting.show_messages(order, is_paused=False)
    next(b for b in waiting.findChildren(QToolButton) if b.accessibleName() == REMOVE).setFocus()
    for by in (Qt.Key.Key_Down,) * 4 + (Qt.Key.Key_Up,) * 4:
        QTest.keyClick(composer.window().focusWidget(), by, Qt.KeyboardModifier.AltModifier)
        assert _focused(composer) == (REMOVE, "Question 0 and more")
        if order[4] is MESSAGES[0]:
            shown = [f"Question {number} and more" for number in (3, 4, 0)]
            assert labels(waiting) == ["2 before these", *shown, "and 1 more"]
    assert order == MESSAGES
    assert labels(waiting)[::3] == ["Question 0 and more", "and 3 more"]
    for _ in range(3):
        QTest.keyClick(
            composer.window().focusWidget(), Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier
        )
    assert labels(waiting)[0] == "1 before these"
    composer.focus_editor()
    assert labels(waiting)[0] == "Question 1 and more"
    assert composer.focusProxy() is composer.window().focusWidget()


def test_a_screen_reader_is_told_which_one_was_moved(
    qtbot: QtBot, composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It heard of the one with the keyboard, whichever its person had moved by the menu."""
    said: list[str] = []
    monkeypatch.setattr(WaitingMessages, "_say", lambda _self, words: said.append(words))
    composer.activateWindow()
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:3], is_paused=False)
    waiting.findChildren(QToolButton)[0].setFocus()
    said.clear()
    second = waiting.findChildren(QFrame, "waitingMessage")[1]
    place = second.rect().center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, second.mapToGlobal(place))
    QApplication.sendEvent(second, event)
    menu = part(waiting, QMenu, "waitingMenu")
    next(each for each in menu.actions() if each.text() == "Move down").trigger()
    menu.close()
    waiting.show_messages([MESSAGES[0], MESSAGES[2], MESSAGES[1]], is_paused=False)
    assert said == ["Question 1\nand more: Place 3 of 3"]
    QTest.keyClick(
        composer.window().focusWidget(), Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier
    )
    waiting.show_messages([MESSAGES[2], MESSAGES[0], MESSAGES[1]], is_paused=False)
    assert said[1:] == ["Place 2 of 3"]


def test_the_menu_of_one_moves_it(qtbot: QtBot, composer: Composer) -> None:
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:2], is_paused=False)
    first = waiting.findChildren(QFrame, "waitingMessage")[0]
    place = first.rect().center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, first.mapToGlobal(place))
    QApplication.sendEvent(first, event)
    menu = part(waiting, QMenu, "waitingMenu")
    entries = {each.text(): each for each in menu.actions() if not each.isSeparator()}
    assert [words for words, each in entries.items() if each.isEnabled()] == [
        "Edit this message",
        "Move down",
        "Do not send this message",
    ]
    with qtbot.waitSignal(waiting.move_requested) as wanted:
        entries["Move down"].trigger()
    assert wanted.args == ["id-0", 1]
    menu.close()


def test_the_keyboard_is_not_lost_with_a_row(qtbot: QtBot, composer: Composer) -> None:
    composer.activateWindow()
    composer.waiting.show_messages(MESSAGES[:2], is_paused=False)
    composer.waiting.findChildren(QToolButton)[0].setFocus()
    composer.waiting.show_messages(MESSAGES[1:2], is_paused=False)
    assert composer.focusProxy() is composer.window().focusWidget()


def test_the_keyboard_stays_where_it_is_when_an_answer_ends(composer: Composer) -> None:
    composer.activateWindow()
    waiting = composer.waiting
    waiting.show_messages(MESSAGES[:2], is_paused=False)
    waiting.findChildren(QToolButton)[3].setFocus()
    waiting.show_messages(MESSAGES[:2], is_paused=True)
    focused = composer.window().focusWidget()
    assert isinstance(focused, QToolButton)
    assert focused.accessibleName() == REMOVE
    waiting.show_messages(MESSAGES[1:2], is_paused=True)
    waiting.show_messages([], is_paused=False)
    assert composer.focusProxy() is composer.window().focusWidget()


def test_tab_comes_to_them_before_the_message_field(qtbot: QtBot, composer: Composer) -> None:
    window, above = QWidget(), QPushButton("Above")
    qtbot.addWidget(window)
    box = QVBoxLayout(window)
    box.addWidget(above)
    box.addWidget(composer)
    with qtbot.waitExposed(window):
        window.show()
        window.activateWindow()
    composer.waiting.show_messages(MESSAGES[:1], is_paused=True)
    composer.waiting.show_messages(MESSAGES[:2], is_paused=True)
    wanted = ["Edit this message", "Do not send this message"] * 2
    wanted += ["Send the first waiting message now", "Message"]
    reached = []
    above.setFocus()
    for _ in wanted:
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        reached.append(window.focusWidget().accessibleName())
    assert reached == wanted
    for name in wanted[-2::-1]:
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Backtab)
        assert window.focusWidget().accessibleName() == name
    composer.setParent(None)  # its fixture closes it
