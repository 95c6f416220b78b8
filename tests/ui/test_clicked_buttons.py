"""A click on a button in the transcript leaves the keyboard where it is."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import FilePart, ReasoningPart
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.chat_view.messages import answer, question
from tests.ui.parts import part

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

TEXT = "See\n\n```python\nprint(1)\n```\n\nend"
BUTTONS = [
    "a.md, 5 bytes, 3 tokens",
    "Thought for 1 s",
    "Copy Python code",
    "Wrap long lines of Python code",
    "More actions",
    "Details",
    "Try again",
]


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """A chat with a file, a thought, code, and an answer that failed; the cursor is in the
    composer."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    window.resize(1000, 1000)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    asked = msgspec.structs.replace(
        question("Why?"), parts=(FilePart("a.md", "hello", 5, n_tokens=3),)
    )
    said = msgspec.structs.replace(answer(TEXT), parts=(ReasoningPart("So.", 1_200),))
    failed = msgspec.structs.replace(answer(""), state=MessageState.FAILED, error="It ended")
    window.chat_view.set_messages([asked, said, failed])
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    window.composer.focus_editor()
    return window


def _click(window: MainWindow, name: str) -> None:
    buttons = [
        each
        for each in window.chat_view.findChildren(QAbstractButton)
        if name in (each.accessibleName(), each.text()) and each.isVisible()
    ]
    QTest.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    if (popup := QApplication.activePopupWidget()) is not None:
        popup.close()


@pytest.mark.parametrize("name", BUTTONS)
def test_what_is_typed_after_a_click_is_in_the_composer(window: MainWindow, name: str) -> None:
    """The transcript had the keyboard then, where Space scrolls and Ctrl+A selects the chat."""
    _click(window, name)
    editor = part(window, MessageEdit, "composer")
    assert QApplication.focusWidget() is editor
    QTest.keyClicks(editor, " and")
    assert window.composer.text == " and"


def test_text_and_ground_have_the_keyboard_when_they_are_pressed(window: MainWindow) -> None:
    view = window.chat_view
    text = next(each for each in view.findChildren(RichTextView) if each.toPlainText() != "Why?")
    QTest.mouseClick(text.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(9, 9))
    assert QApplication.focusWidget() is text
    _click(window, "Copy Python code")
    assert QApplication.focusWidget() is text
    window.composer.focus_editor()
    for button in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
        QTest.mouseClick(part(view, QWidget, "chatColumn"), button, pos=QPoint(3, 3))
        assert QApplication.focusWidget() is view
        window.composer.focus_editor()
