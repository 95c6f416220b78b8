"""Where the keyboard is once the button or the editor that had it has gone: what is typed next is
never lost, and a space presses nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QListView, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.message_edit import MessageEdit
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import answered, choose, remember, titles, views

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog) -> Iterator[OpenWindow]:
    """A window with an answer that was cut off after four tokens."""
    remember(SamplingParameters(max_tokens=4, seed=1))
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.window.activateWindow()
        opened.send("Count to ten in words.")
        answered(opened, 2)
        yield opened


def _button(opened: OpenWindow, name: str) -> QAbstractButton:
    every = opened.window.chat_view.findChildren(QAbstractButton)
    (found,) = [each for each in every if each.isVisible() and each.accessibleName() == name]
    return found


def _press(opened: OpenWindow, name: str) -> None:
    """Press a button of the transcript with the keyboard."""
    button = _button(opened, name)
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)


def _regenerate(opened: OpenWindow) -> None:
    _press(opened, "Regenerate")
    opened.until("menu", lambda: QApplication.activePopupWidget() is not None)
    choose(opened, "regenerateMenu", "Again with small")


def _close_edit(opened: OpenWindow) -> None:
    opened.press(Qt.Key.Key_Up)
    field = part(opened.window, MessageEdit, "messageEdit")
    QTest.keyClick(field, Qt.Key.Key_Escape)


WAYS: dict[str, Callable[[OpenWindow], None]] = {
    "continue": functools.partial(_press, name="Continue the answer"),
    "regenerate": _regenerate,
    "edit": _close_edit,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_typed_next_goes_into_the_composer(opened: OpenWindow, way: str) -> None:
    WAYS[way](opened)
    editor = opened.part(MessageEdit, "composer")
    opened.until("composer", lambda: opened.window.focusWidget() is editor)
    QTest.keyClicks(editor, "a b")
    assert opened.window.composer.text == "a b"
    opened.until("end of the answer", lambda: not opened.is_answering)
    assert "Count to ten" in opened.transcript  # no new chat was begun


@pytest.mark.parametrize("way", ["menu key", "button", "Del"])
def test_the_neighbour_of_a_message_that_a_key_deletes_has_the_keyboard(
    opened: OpenWindow, way: str
) -> None:
    for n_left in (1, 0):
        view = views(opened)[0]
        view.take_keyboard()
        if way == "Del":
            QTest.keyClick(view.body, Qt.Key.Key_Delete)
        elif way == "button":
            names = {each.accessibleName(): each for each in view.findChildren(QAbstractButton)}
            names["More actions"].setFocus(Qt.FocusReason.TabFocusReason)
            QTest.keyClick(names["More actions"], Qt.Key.Key_Space)
        else:
            place = view.body.mapToGlobal(QPoint())
            by_key = QContextMenuEvent.Reason.Keyboard
            QApplication.sendEvent(view.body, QContextMenuEvent(by_key, QPoint(), place))
        if way != "Del":
            opened.until("menu", lambda: QApplication.activePopupWidget() is not None)
            choose(opened, "messageMenu", "Delete this message")
        opened.until("notice", lambda: opened.notice.endswith("deleted"))
        wanted: list[QWidget] = [each.body for each in views(opened)]
        assert len(wanted) == n_left
        focused = opened.window.focusWidget()
        assert [focused] == (wanted or [opened.part(MessageEdit, "composer")])
        for notice in filter(None, [opened.window.notifications.shown]):
            opened.window.notifications.dismiss(notice.identity)


def test_a_click_on_the_chat_that_is_open_leads_to_its_message_field(opened: OpenWindow) -> None:
    """The keyboard stayed in the list, where letters search, and Ctrl+A with Delete takes all."""
    chats = opened.part(QListView, "chatList")
    editor = opened.part(MessageEdit, "composer")
    (title,) = titles(opened)
    for _ in range(2):
        chats.setFocus()
        opened.open_chat(title)
        opened.until("keyboard in the field", lambda: QApplication.focusWidget() is editor)


def test_esc_leads_from_the_list_of_chats_to_the_message_field(opened: OpenWindow) -> None:
    editor, rows = opened.part(MessageEdit, "composer"), opened.part(QListView, "chatList")
    opened.until("chat in the list", lambda: bool(titles(opened)))
    rows.setFocus()
    QTest.keyClick(rows, Qt.Key.Key_Down)  # passing by opens nothing
    assert opened.window.focusWidget() is rows
    QTest.keyClick(rows, Qt.Key.Key_Escape)
    assert opened.window.focusWidget() is editor
