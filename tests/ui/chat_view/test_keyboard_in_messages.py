"""Tab leads through a message as it is read, from the top down, and the keyboard stays there."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.chat_view import ChatView
from tests.ui.chat_view.messages import DONE, answer, ended, question, streaming

CODE = "So:\n\n```py\nprint()\n```"
FIND = ToolCallPart(ToolCall("a", "find", '{"q": "Zürich"}'))
NOW = ToolCallPart(ToolCall("b", "now", '{"zone": 1}'))
ACTIONS = ["Copy message", "Edit", "Details", "More actions"]
BUTTONS = ["Wrap long lines of {} code", "Save {} code as…", "Copy {} code"]

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def _settle(qtbot: QtBot, view: ChatView) -> None:
    qtbot.waitUntil(lambda: not view.is_working())
    QApplication.processEvents()


def _reached(first: QWidget, count: int) -> list[str]:
    """What the keyboard comes to from ``first`` on, that too, by their names."""
    first.activateWindow()
    first.setFocus(Qt.FocusReason.TabFocusReason)
    names: list[str] = []
    for _ in range(count):
        focused = QApplication.focusWidget()
        assert focused is not None
        names.append(focused.accessibleName())
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    return names


def _body(view: ChatView, message: Message) -> QWidget:
    shown = view.message_view(message.id)
    assert shown is not None
    return shown.body


def _code(language: str) -> list[str]:
    return [each.format(language) for each in BUTTONS]


def test_from_the_thought_to_the_actions(qtbot: QtBot, view: ChatView) -> None:
    asked, stopped = question("Where?"), answer(CODE, MessageState.STOPPED)
    given = msgspec.structs.replace(stopped, parts=(ReasoningPart("Hm", 900.0), FIND, NOW))
    place = BranchPlace(1, ("other", given.id, "third"))
    view.set_messages([asked, given], place_of={given.id: place}.get)
    _settle(qtbot, view)
    wanted = ["Thought for less than a second", "tiny-model", *_code("Python")]
    wanted += ["Called find", "Called find", *_code("JSON")]
    wanted += ["Called now", "Called now", *_code("JSON")]
    wanted += ["Continue the answer", "Try again", "Previous version", "Next version", *ACTIONS]
    reached = _reached(_body(view, asked), len(wanted) + 4)
    assert reached == ["You", "Copy message", "Edit", "More actions", *wanted]


def test_also_where_it_came_piece_by_piece(qtbot: QtBot, view: ChatView) -> None:
    asked, running = question("Where?"), streaming()
    view.set_messages([asked])
    view.append_message(running)
    view.append_thought(running.id, "Hm")
    view.append_text(running.id, CODE)
    _settle(qtbot, view)
    done = ended(running, CODE, MessageState.STOPPED, DONE)
    view.finish_message(msgspec.structs.replace(done, parts=(ReasoningPart("Hm", 900.0), FIND)))
    _settle(qtbot, view)
    wanted = ["Thought for less than a second", "tiny-model", *_code("Python")]
    wanted += ["Called find", "Called find", *_code("JSON")]
    wanted += ["Continue the answer", "Try again", *ACTIONS]
    reached = _reached(_body(view, asked), len(wanted) + 4)
    assert reached == ["You", "Copy message", "Edit", "More actions", *wanted]


def test_links_are_come_to_in_the_text_alone(qtbot: QtBot, view: ChatView) -> None:
    linked = answer(f"[One](https://a.example) and [two](https://b.example).\n\n{CODE}")
    view.set_messages([linked])
    _settle(qtbot, view)
    wanted = ["tiny-model"] * 3 + [*_code("Python"), *ACTIONS]
    assert _reached(_body(view, linked), len(wanted)) == wanted


def test_the_keyboard_also_walks_over_a_version_without_a_word(
    qtbot: QtBot, view: ChatView
) -> None:
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    asked = question("Hi")
    old, empty = answer("Hello"), answer("")
    ids = old.id, empty.id
    places = {each: BranchPlace(at, ids) for at, each in enumerate(ids)}
    view.set_messages([asked, empty], place_of=places.get)
    qtbot.waitUntil(lambda: not view.is_working())
    more = {each.accessibleName(): each for each in view.findChildren(QToolButton)}
    more["More actions"].setFocus(Qt.FocusReason.TabFocusReason)
    for key, now in ((Qt.Key.Key_Left, old), (Qt.Key.Key_Right, empty), (Qt.Key.Key_Left, old)):
        focused = QApplication.focusWidget()
        assert focused is not None
        with qtbot.waitSignal(view.events.branch_requested) as asked_for:
            QTest.keyClick(focused, key, Qt.KeyboardModifier.AltModifier)
        assert asked_for.args == [now.id]
        view.change_messages([asked, now])
        qtbot.waitUntil(lambda: not view.is_working())
        reached = view.message_view(now.id)
        assert reached is not None
        assert reached.is_read_by_keyboard


def test_the_menu_of_a_message_names_its_keys(qtbot: QtBot, view: ChatView) -> None:
    def keys(of: Message) -> dict[str, str]:
        body = _body(view, of)
        by_key = QContextMenuEvent.Reason.Keyboard
        QApplication.sendEvent(
            body, QContextMenuEvent(by_key, QPoint(), body.mapToGlobal(QPoint()))
        )
        (menu,) = [each for each in view.findChildren(QMenu) if each.isVisible()]
        shown = {
            each.text(): each.shortcut().toString()
            for each in menu.actions()
            if each.isShortcutVisibleInContextMenu() and not each.shortcut().isEmpty()
        }
        menu.close()
        return shown

    asked, answered = question("Why?"), answer("Because.")
    view.set_messages([asked, answered])
    _settle(qtbot, view)
    edit, delete = {"Edit": "F2"}, {"Delete this message": "Del"}
    whole = {"Copy as Markdown": "Ctrl+C", **edit, **delete}
    assert keys(answered) == keys(asked) == whole
    _body(view, asked).setFocus(Qt.FocusReason.TabFocusReason)
    tips = [each.toolTip() for each in view.findChildren(QToolButton) if each.isVisible()]
    assert {"Copy message (Ctrl+C)", "Edit (F2)"} <= set(tips)
    QTest.keyClick(_body(view, answered), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    parts = {"Copy selection": "Ctrl+C", "Copy selection as Markdown": "Ctrl+Shift+C"}
    assert keys(answered) == {**parts, **edit, **delete}
