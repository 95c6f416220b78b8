"""The round button over the transcript that leads to its end."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import Settings, ThemeChoice
from minerva_desktop.ui.chat_view.jump_button import MARGIN, JumpButton
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.chat_view.messages import answer
from tests.ui.parts import colour_at, part
from tests.ui.test_theme import READABLE, VISIBLE, contrast


@pytest.fixture
def window(qtbot: QtBot, icons: Icons, page: int) -> MainWindow:
    """At the top of what is shown of a long chat; the cursor is in the composer."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    window.chat_view.set_messages([answer(f"Message {number}.") for number in range(page + 10)])
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    window.composer.focus_editor()
    window.chat_view.verticalScrollBar().setValue(0)
    return window


def click(window: MainWindow) -> None:
    """Click the button, and be at the end."""
    bar = window.chat_view.verticalScrollBar()
    button = part(window, JumpButton, "jumpButton")
    assert button.isVisible()
    assert bar.value() < bar.maximum()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    assert bar.value() == bar.maximum()
    assert not button.isVisible()


def test_a_click_leaves_the_keyboard_where_it_is(window: MainWindow) -> None:
    """It went to the transcript, where Ctrl+A selects the chat and Tab goes to its top."""
    editor = part(window, MessageEdit, "composer")
    click(window)
    assert QApplication.focusWidget() is editor
    QTest.keyClicks(editor, "ab")
    QTest.keyClick(editor, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert editor.textCursor().selectedText() == "ab"
    window.chat_view.verticalScrollBar().setValue(0)
    new_chat = part(window, QPushButton, "newChatButton")
    new_chat.setFocus(Qt.FocusReason.TabFocusReason)
    click(window)
    assert QApplication.focusWidget() is new_chat


def test_the_keyboard_comes_to_it_from_the_composer(window: MainWindow) -> None:
    button, editor = part(window, JumpButton, "jumpButton"), part(window, MessageEdit, "composer")
    QTest.keyClick(editor, Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is button
    QTest.keyClick(button, Qt.Key.Key_Space)
    QApplication.processEvents()
    assert not button.isVisible()
    assert QApplication.focusWidget() is editor


@pytest.mark.parametrize("choice", [ThemeChoice.LIGHT, ThemeChoice.DARK])
@pytest.mark.parametrize("preference", Qt.ContrastPreference)
def test_it_stands_off_from_a_box_of_code(
    qtbot: QtBot,
    icons: Icons,
    qapp: QApplication,
    choice: ThemeChoice,
    preference: Qt.ContrastPreference,
) -> None:
    icons.themes.set_choice(choice)
    qapp.styleHints().accessibility().contrastPreferenceChanged.emit(preference)
    parent = QWidget()
    qtbot.addWidget(parent)
    button = JumpButton(icons, parent)
    theme = icons.theme
    assert (theme.dark, theme.vivid) == (choice is ThemeChoice.DARK, preference.value > 0)
    edge = colour_at(button, QPoint(button.width() // 2, MARGIN))
    for behind in (theme.code, theme.window, theme.bubble):
        assert contrast(edge, behind) > VISIBLE
    inside = colour_at(button, QPoint(button.width() // 2, MARGIN + 4))
    assert contrast(theme.text, inside) > READABLE
