"""Which messages the keyboard comes to in the window, and that it is seen where it is."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QFocusEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from tests.ui.chat_view.messages import answer, question, streaming
from tests.ui.parts import colour_at

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

THOUGHT = msgspec.structs.replace(
    answer("", MessageState.STOPPED), parts=(ReasoningPart("They may"),)
)
WORDLESS = {
    "stopped": answer("", MessageState.STOPPED),
    "only thought": THOUGHT,
    "not begun": streaming(),
}


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """In front."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def show(qtbot: QtBot, window: MainWindow, *messages: Message) -> list[MessageView]:
    """Show them, with the cursor in the composer; their views."""
    window.chat_view.set_messages(list(messages))
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    window.composer.focus_editor()
    views = [window.chat_view.message_view(each.id) for each in messages]
    return [each for each in views if each is not None]


def press(key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    focused = QApplication.focusWidget()
    assert focused is not None
    QTest.keyClick(focused, key, modifiers)


@pytest.mark.parametrize("message", WORDLESS.values(), ids=WORDLESS)
def test_the_keyboard_comes_to_an_answer_without_a_word(
    qtbot: QtBot, window: MainWindow, message: Message
) -> None:
    asked, answered = show(qtbot, window, question("Do they?"), message)
    place = QPoint(answered.width() // 2, 0)
    before = colour_at(answered, place)
    press(Qt.Key.Key_F6)
    assert QApplication.focusWidget() is answered.body
    assert colour_at(answered, place) != before  # a ring
    press(Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.focusWidget() is asked.body
    press(Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.focusWidget() is answered.body


def test_it_stays_there_when_the_words_come(qtbot: QtBot, window: MainWindow) -> None:
    begun = streaming()
    _, answered = show(qtbot, window, question("Do they?"), begun)
    press(Qt.Key.Key_F6)
    window.chat_view.append_text(begun.id, "They do, and always did.")
    qtbot.waitUntil(lambda: "always" in answered.plain_text())
    assert QApplication.focusWidget() is answered.body
    assert answered.body.width() > 200


def test_the_ring_is_there_again_after_a_menu(qtbot: QtBot, window: MainWindow) -> None:
    (view,) = show(qtbot, window, answer("They do."))
    press(Qt.Key.Key_F6)
    assert view.body.has_ring
    place = view.body.mapToGlobal(QPoint(5, 5))
    by_key = QContextMenuEvent.Reason.Keyboard
    QApplication.sendEvent(view.body, QContextMenuEvent(by_key, QPoint(5, 5), place))
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None)
    menu = QApplication.activePopupWidget()
    assert menu is not None
    QTest.keyClick(menu, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: QApplication.focusWidget() is view.body)
    assert view.body.has_ring


def test_but_not_after_a_click(qtbot: QtBot, window: MainWindow) -> None:
    (view,) = show(qtbot, window, answer("They do."))
    press(Qt.Key.Key_F6)
    press(Qt.Key.Key_F6)
    assert not view.body.hasFocus()
    QTest.mouseClick(view.body.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert view.body.hasFocus()
    for reason in (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason):
        for kind in (QEvent.Type.FocusOut, QEvent.Type.FocusIn):
            QApplication.sendEvent(view.body, QFocusEvent(kind, reason))
        assert not view.body.has_ring


def test_tab_comes_to_the_buttons_of_a_message_in_the_order_in_which_they_stand(
    qtbot: QtBot, window: MainWindow
) -> None:
    asked, given = question("Hi"), answer("Hello")
    places = {each.id: BranchPlace(0, (each.id, "other")) for each in (asked, given)}
    window.chat_view.set_messages([asked, given], place_of=places.get)
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    for message in (asked, given):
        view = window.chat_view.message_view(message.id)
        assert view is not None
        view.take_keyboard()
        stops: list[int] = []
        for _ in range(len(view.findChildren(QAbstractButton))):
            press(Qt.Key.Key_Tab)
            focused = QApplication.focusWidget()
            if focused is None or not view.isAncestorOf(focused):
                break
            stops.append(focused.mapTo(view, QPoint(0, 0)).x())
        assert len(stops) >= 4  # Copy, Edit or Regenerate, More, and on to the other version
        assert stops == sorted(stops)
