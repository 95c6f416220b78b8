"""Keys that lead through the window, and back to the composer."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QAction, QImage, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ScrollPosition
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.code_bar import CodeBar
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.controls import PanelPopup, PopupMenu
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.shortcuts_page import ShortcutsPage
from tests.ui.chat_view.messages import answer, question, streaming
from tests.ui.parts import part as part_named

# What the offscreen platform says about popups.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NOTHING = Qt.KeyboardModifier.NoModifier
MARGIN = 6  # px around a widget, in which a ring may be
MESSAGES = [
    question("One?"),
    answer("One.\n\n" * 40),
    question("Two?"),
    answer("Two [x](https://a.b)."),
]


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """A window with four messages, in front; the cursor is in the composer."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    window.chat_view.set_messages(list(MESSAGES))
    qtbot.waitUntil(lambda: not window.chat_view.is_working())
    window.composer.focus_editor()
    return window


def press(key: Qt.Key, modifiers: Qt.KeyboardModifier = NOTHING) -> None:
    """Press a key where the keyboard is."""
    focused = QApplication.focusWidget()
    assert focused is not None
    QTest.keyClick(focused, key, modifiers)


def part(window: MainWindow) -> str:
    """The part of the window that the keyboard is in."""
    at = QApplication.focusWidget()
    names = ("composerCard", "notificationBar", "chatView", "sidebar", "header", "statusBar")
    while at is not None and at.objectName() not in names:
        at = at.parentWidget()
    return "" if at is None else at.objectName()


def message_at(window: MainWindow) -> str:
    """The text of the message that the keyboard is at."""
    focused = QApplication.focusWidget()
    views = [window.chat_view.message_view(message.id) for message in MESSAGES]
    texts = [view.source() for view in views if view is not None and view.body is focused]
    return texts[0] if texts else ""


def test_f6_goes_round_the_parts_that_are_shown(window: MainWindow) -> None:
    order = []
    for _ in range(5):
        press(Qt.Key.Key_F6)
        order.append(part(window))
    assert order == ["chatView", "sidebar", "header", "statusBar", "composerCard"]
    undo = NoticeAction("Undo", "undo")
    others = [NoticeAction("Keep the newest", each) for each in "abc"]  # under the sentence
    window.notifications.show_notice(
        Notice(NoticeKind.INFO, "Gone. " * 60, actions=(undo, *others))
    )
    QApplication.processEvents()  # it is laid out
    press(Qt.Key.Key_F6)
    focused = QApplication.focusWidget()
    assert isinstance(focused, QPushButton)
    assert focused.text() == "Undo"
    press(Qt.Key.Key_F6, SHIFT)
    assert part(window) == "composerCard"


def test_tab_comes_to_notices_where_they_are_seen(window: MainWindow) -> None:
    """Between the header and the messages, to each button; it came to some, after the status
    bar."""
    actions = (NoticeAction("Reload", "a"), NoticeAction("Later", "b"))
    window.notifications.show_notice(Notice(NoticeKind.ERROR, "Below"))
    window.notifications.show_notice(Notice(NoticeKind.ERROR, "Above", "why", actions))
    names = ["Settings", "1 more", "Close all", "Details", "Reload", "Later", "Close this notice"]
    window.header.last_stop.setFocus()
    reached = []
    for _ in names:
        focused = QApplication.focusWidget()
        assert focused is not None
        reached.append(focused.accessibleName())
        press(Qt.Key.Key_Tab)
    assert reached == names
    assert message_at(window) == MESSAGES[0].text
    for name in reversed(names):
        press(Qt.Key.Key_Tab, SHIFT)
        focused = QApplication.focusWidget()
        assert focused is not None
        assert focused.accessibleName() == name
    assert part(window) == "header"


def test_f6_goes_to_the_last_message_in_sight_with_a_ring(window: MainWindow) -> None:
    press(Qt.Key.Key_F6)
    assert message_at(window) == MESSAGES[3].text
    view = window.chat_view.message_view(MESSAGES[3].id)
    assert view is not None
    assert view.body.has_ring


def test_ctrl_and_arrows_go_from_message_to_message(window: MainWindow) -> None:
    press(Qt.Key.Key_F6)
    seen = []
    for _ in range(4):
        press(Qt.Key.Key_Up, CTRL)
        seen.append(message_at(window))
    texts = [message.text for message in MESSAGES]
    assert seen == [texts[2], texts[1], texts[0], texts[0]]
    assert window.chat_view.verticalScrollBar().value() < 40
    press(Qt.Key.Key_Down, CTRL)
    assert message_at(window) == texts[1]


def test_ctrl_and_arrows_go_through_a_chat_of_several_pages(
    qtbot: QtBot, window: MainWindow, page: int
) -> None:
    """They ended at the first message of the page, above which others waited for a button."""
    messages = [answer(f"Message {number}.") for number in range(page + 10)]
    ids = [message.id for message in messages]
    start = ScrollPosition(ids[0], 0.0)

    def at() -> str:
        (read,) = (each for each in window.findChildren(MessageView) if each.is_read_by_keyboard)
        return read.message.id

    for key, place, order in ((Qt.Key.Key_Up, None, ids[::-1]), (Qt.Key.Key_Down, start, ids)):
        window.chat_view.set_messages(messages, place)
        qtbot.waitUntil(lambda: not window.chat_view.is_working())
        press(Qt.Key.Key_F6)
        seen = [at()]
        while seen[-1] != order[-1]:
            press(key, CTRL)
            qtbot.waitUntil(lambda: not window.chat_view.is_working())
            assert at() != seen[-1]
            seen.append(at())
        assert seen == order[order.index(seen[0]) :]
        window.composer.focus_editor()


def test_ctrl_and_arrows_stay_in_a_question_that_is_edited(window: MainWindow) -> None:
    window.chat_view.edit_message(MESSAGES[2].id)
    editor = QApplication.focusWidget()
    assert isinstance(editor, MessageEdit)
    assert editor.objectName() == "messageEdit"
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
        press(key, CTRL)
        assert QApplication.focusWidget() is editor
    assert editor.toPlainText() == MESSAGES[2].text


def test_what_is_typed_in_the_transcript_goes_into_the_composer(window: MainWindow) -> None:
    press(Qt.Key.Key_F6)
    press(Qt.Key.Key_C, CTRL)
    assert part(window) == "chatView"
    top = window.chat_view.verticalScrollBar().value()
    window.chat_view.verticalScrollBar().setValue(0)
    press(Qt.Key.Key_Space)
    assert window.chat_view.verticalScrollBar().value() > 100
    window.chat_view.verticalScrollBar().setValue(top)
    press(Qt.Key.Key_H)
    press(Qt.Key.Key_I)
    assert (part(window), window.composer.text) == ("composerCard", "hi")
    press(Qt.Key.Key_F6)
    QApplication.clipboard().setText("There ")
    press(Qt.Key.Key_V, CTRL)
    assert (part(window), window.composer.text) == ("composerCard", "hiThere ")


def test_escape_leads_back_or_stops_the_answer(qtbot: QtBot, window: MainWindow) -> None:
    press(Qt.Key.Key_F6)
    press(Qt.Key.Key_Escape)
    assert part(window) == "composerCard"
    window.chat_view.append_message(streaming())
    window.composer.set_generating(True)
    press(Qt.Key.Key_F6)
    with qtbot.waitSignal(window.composer.stop_requested):
        press(Qt.Key.Key_Escape)
    assert part(window) == "chatView"


def test_letters_go_through_a_menu(qtbot: QtBot) -> None:
    owner = QWidget()
    qtbot.addWidget(owner)
    menu = PopupMenu(owner)
    for label in ("Copy", "Details", "Branch", "Delete", "Dim"):
        menu.addAction(label)
    menu.actions()[4].setEnabled(False)
    menu.popup(owner.mapToGlobal(owner.rect().center()))
    chosen = []
    menu.triggered.connect(lambda action: chosen.append(action.text()))
    active = []
    for key in (Qt.Key.Key_D, Qt.Key.Key_D, Qt.Key.Key_D, Qt.Key.Key_X, Qt.Key.Key_D):
        QTest.keyClick(menu, key)
        active.append(_active(menu))
    assert active == ["Details", "Delete", "Details", "Details", "Delete"]
    QTest.keyClick(menu, Qt.Key.Key_Return)
    assert chosen == ["Delete"]


def _active(menu: QMenu) -> str:
    return menu.activeAction().text()


def test_tab_goes_through_the_messages_from_the_top_down(qtbot: QtBot, window: MainWindow) -> None:
    view = window.chat_view
    code = answer("Three.\n\n```py\nx = 1\n```\n\n```\ny\n```")
    view.set_messages([MESSAGES[0], answer("One.\n\n```\nz\n```"), MESSAGES[2]])
    view.append_message(code)
    view.change_messages([*view.messages.messages[:2], question("Else?"), code])
    view.append_message(question("Four?"))
    window.resize(window.width(), 1_200)  # so that nothing scrolls
    qtbot.waitUntil(lambda: not view.is_working())
    qtbot.waitUntil(lambda: view.verticalScrollBar().maximum() == 0)
    part_named(window, QWidget, "settingsActionButton").setFocus()
    places: list[int] = []
    names: set[str] = set()
    press(Qt.Key.Key_Tab)
    while part(window) == "chatView":
        focused = QApplication.focusWidget()
        assert focused is not None
        names.add(focused.accessibleName())
        if focused.accessibleName() in TEXTS:  # the row of actions is below all of its message
            places.append(focused.mapTo(window, QPoint()).y())
        press(Qt.Key.Key_Tab)
    assert names >= TEXTS
    assert len(places) == 5 + 3 * 3
    assert places == sorted(places)


TEXTS = (
    {"You", "tiny-model"}
    | {
        f"{what} {code}"
        for what in ("Wrap long lines of", "Copy")
        for code in ("code", "Python code")
    }
    | {"Save code as…", "Save Python code as…"}
)
RICH = (
    "[a link](https://a.b)\n\n```py\nx = 1\n```\n\n```\n" + "long line " * 60 + "\n```\n\n"
    "$$" + "a+" * 90 + "b$$\n\n[^1]\n\n[^1]: note"
)


def test_whatever_has_the_keyboard_shows_it(qtbot: QtBot, window: MainWindow) -> None:
    thought = ReasoningPart("Let me see.", 2_000.0)
    call = ToolCallPart(ToolCall("call-1", "look_up", '{"word": "sea"}'))
    rich = msgspec.structs.replace(answer(RICH), parts=(thought, call))
    view = window.chat_view
    undo = NoticeAction("Undo", "undo")
    window.notifications.show_notice(Notice(NoticeKind.INFO, "Deleted", "why", (undo,)))
    window.parameters.toggle_action.setChecked(True)
    window.resize(window.width(), 1_600)  # so that nothing scrolls
    QApplication.processEvents()  # what is opened below a notice is not covered by it
    view.set_messages([question("One?"), rich])
    qtbot.waitUntil(lambda: len(window.findChildren(QScrollBar, "formulaBar")) == 1)
    for bar in window.findChildren(CodeBar)[1:]:
        bar.wrap.click()
    qtbot.waitUntil(lambda: not view.is_working())
    window.composer.focus_editor()
    qtbot.waitUntil(lambda: view.verticalScrollBar().maximum() == 0)
    unseen, names = [], set()
    press(Qt.Key.Key_Tab)
    before = QApplication.focusWidget()
    while "composer" not in names:
        assert before is not None
        with_it = looks(window, before)
        press(Qt.Key.Key_Tab)
        if QApplication.focusWidget() is not before and looks(window, before) == with_it:
            unseen.append(before.objectName() or before.accessibleName())
        before = QApplication.focusWidget()
        names.add("" if before is None else before.objectName())
    assert {"codeSheet", "formulaBar", "messageText", "systemPrompt"} <= names
    assert unseen == []


def looks(window: MainWindow, part: QWidget) -> QImage:
    """A part of the window, with what a ring around it needs."""
    around = QRect(part.mapTo(window, QPoint(-MARGIN, -MARGIN)), part.size())
    return window.grab(around.adjusted(0, 0, 2 * MARGIN, 2 * MARGIN)).toImage()


def test_each_shortcut_of_the_window_is_in_the_list_of_them(window: MainWindow) -> None:
    """`ShortcutsPage` is written by hand."""
    bound = [each.key() for each in window.findChildren(QShortcut)]
    bound += [each.shortcut() for each in window.findChildren(QAction)]
    native = QKeySequence.SequenceFormat.NativeText
    named = {key.toString(native) for key in bound if not key.isEmpty()}
    page = ShortcutsPage()
    listed = {key for label in page.findChildren(QLabel) for key in label.text().split(", ")}
    assert {"Ctrl+K", "F1", "Ctrl+/"} <= named
    assert named - listed == set()


def test_enter_presses_the_button_that_has_the_focus(qtbot: QtBot, window: MainWindow) -> None:
    """Also of a notice, in a popup, and once for a key that is held."""
    window.notifications.show_notice(
        Notice(NoticeKind.INFO, "Gone.", actions=(NoticeAction("Undo", "undo"),))
    )
    QApplication.processEvents()
    press(Qt.Key.Key_F6)
    with qtbot.waitSignal(window.notifications.action_triggered) as undone:
        press(Qt.Key.Key_Return)
    assert undone.args == ["undo"]
    trash = part_named(window, QPushButton, "trashButton")
    trash.setFocus(Qt.FocusReason.TabFocusReason)
    press(Qt.Key.Key_Enter)
    assert trash.isChecked()
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, NOTHING, "\r", True)
    QApplication.sendEvent(trash, held)
    assert trash.isChecked()
    popup = PanelPopup(200, window)
    inside = QPushButton("Unload")
    popup.box.addWidget(inside)
    popup.open_above(window.status.memory)
    inside.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(inside.clicked):
        press(Qt.Key.Key_Return)
    popup.close()


def test_enter_sets_no_check_box_and_counts_without_modifiers_only(window: MainWindow) -> None:
    trash = part_named(window, QPushButton, "trashButton")
    trash.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(trash, Qt.Key.Key_Return, CTRL | SHIFT)
    assert not trash.isChecked()
    QTest.keyClick(trash, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert trash.isChecked()
    box = QCheckBox("Think", window.sidebar)
    box.show()
    box.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert not box.isChecked()
    QTest.keyClick(box, Qt.Key.Key_Space)
    assert box.isChecked()


def test_what_a_field_leaves_of_its_enter_presses_nothing(window: MainWindow) -> None:
    """It may have led to a button, as the name of a preset does."""
    field = QLineEdit(window.sidebar)
    field.show()
    trash = part_named(window, QPushButton, "trashButton")
    field.returnPressed.connect(trash.setFocus)
    field.setFocus()
    press(Qt.Key.Key_Return)
    assert QApplication.focusWidget() is trash
    assert not trash.isChecked()
