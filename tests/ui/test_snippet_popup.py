"""Snippets in the composer: the list behind “/”, what is put in, and the places to fill in."""

from __future__ import annotations

from collections.abc import Mapping, Set

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QListWidget,
    QMainWindow,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.presets import Snippet
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.message_edit import LONG_PASTE, MAX_INLINE, MessageEdit
from minerva_desktop.ui.snippet_list import MANAGE
from minerva_desktop.ui.snippet_popup import SnippetPopup
from tests.ui.parts import part

FIX = Snippet(name="fix", text="Correct this:\n")
FIXED = Snippet(name="fixed", text="It is fixed on {{ Date }}.")
LETTER = Snippet(name="Letter", text="🙂 Dear {{name}},\r\nabout {{subject}}{{end}}\r\nBye")
QUOTE = Snippet(name="quote", text="> {{selection}}")
SUM = Snippet(name="sum", text="{{a}}{{b}} is more than {{ A }}. {{ }}")
SNIPPETS = (FIXED, FIX, LETTER, QUOTE)
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Desk:
    """A composer in a window, with snippets."""

    def __init__(self, qtbot: QtBot, icons: Icons) -> None:
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.composer = Composer(icons)
        central = QWidget()
        box = QVBoxLayout(central)
        box.addStretch(1)
        box.addWidget(self.composer)
        self.window.setCentralWidget(central)
        self.window.resize(900, 600)
        self.snippets: tuple[Snippet, ...] = SNIPPETS
        self.asked: Set[str] = frozenset()
        self.values: Mapping[str, str] = {"date": "1 May"}
        self.editor = part(self.composer, MessageEdit, "composer")
        self.popup = SnippetPopup(self.editor, icons.themes, lambda: self.snippets, self.values_of)
        self.composer.unfilled = self.popup.hold
        with qtbot.waitExposed(self.window):
            self.window.show()
        self.composer.focus_editor()

    def values_of(self, names: Set[str]) -> Mapping[str, str]:
        """What there is for ``names``; it is remembered what was asked for."""
        self.asked = names
        return self.values

    def type(self, text: str) -> None:
        QTest.keyClicks(self.editor, text)

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier | None = None) -> None:
        QTest.keyClick(self.editor, key, modifier or Qt.KeyboardModifier.NoModifier)

    @property
    def offered(self) -> list[str]:
        """The rows of the list; none where it is closed."""
        if not self.popup.is_open:
            return []
        rows = part(self.window, QListWidget, "snippetList")
        return [rows.item(row).text() for row in range(rows.count())]

    @property
    def selected(self) -> str:
        return self.editor.textCursor().selectedText()


@pytest.fixture
def desk(qtbot: QtBot, icons: Icons) -> Desk:
    return Desk(qtbot, icons)


def test_the_names_that_begin_so_are_offered(desk: Desk) -> None:
    desk.type("/")
    assert desk.offered == ["/fixed", "/fix", "/Letter", "/quote", MANAGE]
    desk.type("FIX")
    assert desk.offered == ["/fix", "/fixed", MANAGE]  # the one of just this name first
    desk.type("e")
    assert desk.offered == ["/fixed", MANAGE]
    desk.type("x")
    assert desk.offered == []
    desk.press(Qt.Key.Key_Backspace)
    assert desk.offered == ["/fixed", MANAGE]
    assert desk.editor.hasFocus()


@pytest.mark.parametrize("before", ["a ", "a", "and/or ", "/fix "])
def test_a_slash_within_a_line_is_text(qtbot: QtBot, desk: Desk, before: str) -> None:
    desk.type(f"{before}/")
    assert desk.offered == []
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        desk.press(Qt.Key.Key_Return)
    assert sent.args == [f"{before}/"]


def test_it_opens_at_the_start_of_a_later_line_too(desk: Desk) -> None:
    desk.type("one")
    desk.press(Qt.Key.Key_Return, SHIFT)
    desk.type("  /q")
    assert desk.offered == ["/quote", MANAGE]


def test_what_matches_nothing_is_sent_as_text(qtbot: QtBot, desk: Desk) -> None:
    desk.type("/etc/hosts")
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        desk.press(Qt.Key.Key_Return)
    assert sent.args == ["/etc/hosts"]


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Tab])
def test_enter_and_tab_take_the_current_one(qtbot: QtBot, desk: Desk, key: Qt.Key) -> None:
    desk.type("/f")
    desk.press(Qt.Key.Key_Down)
    desk.press(Qt.Key.Key_Up)
    with qtbot.assertNotEmitted(desk.composer.submitted):
        desk.press(key)
    assert desk.composer.text == "It is fixed on 1 May."
    assert desk.asked == {"date"}  # nothing else is looked up, such as the clipboard
    assert desk.offered == []
    desk.editor.undo()
    assert desk.composer.text == "/f"
    assert desk.offered == []


def test_what_a_clipboard_makes_long_is_put_in_all_the_same(desk: Desk) -> None:
    desk.snippets = (Snippet(name="sum", text="In {{n}} words:\n{{clipboard}}"),)
    desk.values = {"clipboard": "word " * LONG_PASTE}
    desk.type("/sum")
    desk.press(Qt.Key.Key_Return)
    assert desk.composer.text == "In {{n}} words:\n" + "word " * LONG_PASTE
    assert desk.selected == "{{n}}"


def test_what_is_too_long_for_the_field_becomes_a_file(qtbot: QtBot, desk: Desk) -> None:
    desk.snippets = (Snippet(name="sum", text="{{n}}{{clipboard}}"),)
    desk.values = {"clipboard": "x" * MAX_INLINE}
    desk.type("/sum")
    with qtbot.waitSignal(desk.composer.long_text_pasted) as pasted:
        desk.press(Qt.Key.Key_Return)
    assert pasted.args == ["{{n}}" + "x" * MAX_INLINE]
    assert desk.composer.text == ""
    desk.type("Sum it up")
    assert desk.popup.hold() == ""  # no place is left to fill in


def test_a_click_takes_it_and_the_keys_stay_with_the_text(desk: Desk) -> None:
    desk.type("/")
    rows = part(desk.window, QListWidget, "snippetList")
    place = rows.visualItemRect(rows.item(1)).center()
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.composer.text == "Correct this:\n"
    assert desk.editor.hasFocus()


def test_esc_closes_until_the_next_slash(qtbot: QtBot, desk: Desk) -> None:
    desk.composer.set_generating(True)
    desk.type("/f")
    with qtbot.assertNotEmitted(desk.composer.stop_requested):
        desk.press(Qt.Key.Key_Escape)
    assert desk.offered == []
    desk.type("i")
    assert desk.offered == []
    desk.composer.clear()
    desk.type("/")
    assert desk.offered[0] == "/fixed"


def test_the_last_row_leads_to_the_snippets(qtbot: QtBot, desk: Desk) -> None:
    desk.type("/")
    desk.press(Qt.Key.Key_Up)
    with qtbot.waitSignal(desk.popup.manage_wanted):
        desk.press(Qt.Key.Key_Return)
    assert desk.composer.text == ""


def test_without_snippets_enter_leads_to_them(qtbot: QtBot, desk: Desk) -> None:
    desk.snippets = ()
    desk.type("/")
    assert desk.offered == [MANAGE]
    with (
        qtbot.assertNotEmitted(desk.composer.submitted),
        qtbot.waitSignal(desk.popup.manage_wanted),
    ):
        desk.press(Qt.Key.Key_Return)
    assert desk.composer.text == ""


def test_a_draft_that_is_put_in_opens_nothing(desk: Desk) -> None:
    desk.composer.set_text("/fi")
    assert desk.offered == []


def test_an_input_method_opens_it(desk: Desk) -> None:
    event = QInputMethodEvent()
    event.setCommitString("/")
    QApplication.sendEvent(desk.editor, event)
    assert desk.offered[-1] == MANAGE


def test_tab_leads_through_the_places_and_back(desk: Desk) -> None:
    desk.type("/L")
    desk.press(Qt.Key.Key_Tab)
    assert desk.composer.text == "🙂 Dear {{name}},\nabout {{subject}}{{end}}\nBye"
    assert desk.selected == "{{name}}"
    desk.editor.insertPlainText("Anna 🙂")  # QTest types no emojis
    desk.press(Qt.Key.Key_Tab)
    assert desk.selected == "{{subject}}"
    desk.type("it")
    desk.press(Qt.Key.Key_Tab)
    assert desk.selected == "{{end}}"  # what was typed before it is no part of it
    desk.press(Qt.Key.Key_Backtab)
    assert desk.selected == "it"
    desk.press(Qt.Key.Key_Backtab)
    desk.press(Qt.Key.Key_Backtab)
    assert desk.selected == "Anna 🙂"
    for _ in range(2):
        desk.press(Qt.Key.Key_Tab)
    desk.type("!")
    desk.press(Qt.Key.Key_Tab)  # behind the last one
    assert desk.composer.text == "🙂 Dear Anna 🙂,\nabout it!\nBye"
    assert desk.editor.hasFocus()
    desk.press(Qt.Key.Key_Tab)
    assert not desk.editor.hasFocus()  # and now it is an ordinary Tab


def test_sending_ends_the_places(desk: Desk) -> None:
    desk.type("/L")
    desk.press(Qt.Key.Key_Tab)
    desk.composer.clear()
    desk.type("x")
    desk.press(Qt.Key.Key_Tab)
    assert not desk.editor.hasFocus()


def test_another_text_in_the_field_ends_the_places(desk: Desk) -> None:
    desk.type("/L")
    desk.press(Qt.Key.Key_Tab)
    desk.composer.set_text("the draft of another chat")
    desk.press(Qt.Key.Key_Tab)
    assert not desk.editor.hasFocus()
    assert desk.composer.text == "the draft of another chat"


def test_a_place_that_was_left_empty_is_passed_by(desk: Desk) -> None:
    desk.type("/L")
    desk.press(Qt.Key.Key_Tab)
    desk.press(Qt.Key.Key_Backspace)
    desk.press(Qt.Key.Key_Tab)
    assert desk.selected == "{{subject}}"
    desk.press(Qt.Key.Key_Backtab)
    assert desk.selected == "{{subject}}"


def test_esc_ends_the_places(desk: Desk) -> None:
    desk.type("/L")
    desk.press(Qt.Key.Key_Tab)
    desk.press(Qt.Key.Key_Escape)
    desk.press(Qt.Key.Key_Tab)
    assert not desk.editor.hasFocus()


def test_what_was_selected_fills_the_place_for_it(desk: Desk) -> None:
    desk.type("to be or not")
    desk.editor.selectAll()
    desk.type("/q")
    desk.press(Qt.Key.Key_Return)
    assert desk.composer.text == "> to be or not"
    desk.composer.clear()
    desk.values = {"selection": "from the transcript"}
    desk.type("/q")
    desk.press(Qt.Key.Key_Return)
    assert desk.composer.text == "> from the transcript"
    desk.composer.clear()
    desk.values = {}
    desk.type("/q")
    desk.press(Qt.Key.Key_Return)
    assert (desk.composer.text, desk.selected) == ("> {{selection}}", "{{selection}}")


def hint(desk: Desk) -> str:
    """What the composer says, where it says something."""
    label = part(desk.composer, QLabel, "composerHint")
    return label.text() if label.isVisible() else ""


def test_enter_leads_to_what_is_left_to_fill_in_before_it_sends(qtbot: QtBot, desk: Desk) -> None:
    desk.snippets = (SUM,)
    desk.type("/sum")
    desk.press(Qt.Key.Key_Return)
    with qtbot.assertNotEmitted(desk.composer.submitted):
        desk.press(Qt.Key.Key_Return)
    assert hint(desk) == "{{a}} is not filled in yet. Send again to leave it so."
    desk.composer.show_hint("")  # as the token counter does
    assert hint(desk)
    desk.type("x")
    assert hint(desk) == ""
    with qtbot.assertNotEmitted(desk.composer.submitted):
        desk.press(Qt.Key.Key_Return)  # the other one
    assert (hint(desk)[:5], desk.selected) == ("{{b}}", "{{b}}")
    with qtbot.waitSignal(desk.composer.submitted) as sent:
        desk.press(Qt.Key.Key_Return)  # it is wanted so
    assert sent.args == ["x{{b}} is more than x. {{ }}"]
    assert hint(desk) == ""


def test_what_was_passed_by_with_tab_is_not_sent_unsaid(qtbot: QtBot, desk: Desk) -> None:
    desk.type("/quote")
    desk.press(Qt.Key.Key_Return)
    desk.press(Qt.Key.Key_Escape)
    desk.type("no")
    desk.editor.undo()
    with qtbot.assertNotEmitted(desk.composer.submitted):
        desk.press(Qt.Key.Key_Return)
    assert desk.selected == "{{selection}}"


def test_places_of_one_name_are_filled_in_together(desk: Desk) -> None:
    desk.snippets = (SUM,)
    desk.type("/sum")
    desk.press(Qt.Key.Key_Return)
    desk.type("one")
    desk.press(Qt.Key.Key_Tab)
    assert desk.composer.text == "one{{b}} is more than one. {{ }}"
    assert desk.selected == "{{b}}"
    desk.editor.undo()  # what was put in, in one step
    assert desk.composer.text == "one{{b}} is more than {{ A }}. {{ }}"
    desk.editor.redo()
    desk.press(Qt.Key.Key_Backtab)
    desk.type("two")
    desk.press(Qt.Key.Key_Tab)
    desk.type("three")
    desk.press(Qt.Key.Key_Tab)
    assert desk.composer.text == "twothree is more than two. {{ }}"
    desk.press(Qt.Key.Key_Tab)
    assert not desk.editor.hasFocus()  # {{ }} is no place


def test_it_keeps_within_the_window_and_closes_without_the_focus(desk: Desk) -> None:
    desk.type("/")
    frame = part(desk.window, QWidget, "snippetPopup")
    assert desk.window.rect().contains(frame.geometry())
    assert frame.geometry().bottom() < desk.editor.mapTo(desk.window, desk.editor.pos()).y()
    desk.editor.clearFocus()
    assert desk.offered == []
