"""The dialog that changes the snippets: what is typed is kept, and what was deleted comes back."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.presets import PromptLibrary, Snippet
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.snippet_dialog import SnippetDialog, SnippetStore
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

FIX = Snippet(name="fix", text="Correct this.")
LETTER = Snippet(name="letter", text="Dear {{name}},")
LEFT = Qt.MouseButton.LeftButton


class Desk:
    """The dialog over a library in memory."""

    def __init__(self, qtbot: QtBot, icons: Icons, *snippets: Snippet) -> None:
        self.library = PromptLibrary(snippets=snippets)
        self.dialog = SnippetDialog(icons, SnippetStore(lambda: self.library, self.save))
        qtbot.addWidget(self.dialog)
        with qtbot.waitExposed(self.dialog):
            self.dialog.open()
        self.names = part(self.dialog, QListWidget, "snippetNames")
        self.name = part(self.dialog, QLineEdit, "snippetName")
        self.text = part(self.dialog, QPlainTextEdit, "snippetText")

    def save(self, library: PromptLibrary) -> bool:
        self.library = library
        return True

    def press(self, name: str) -> None:
        QTest.mouseClick(part(self.dialog, QPushButton, name), LEFT)

    @property
    def shown(self) -> list[str]:
        return [self.names.item(row).text() for row in range(self.names.count())]

    @property
    def problem(self) -> str:
        label = part(self.dialog, QLabel, "snippetProblem")
        return label.text() if label.isVisible() else ""


@pytest.fixture
def desk(qtbot: QtBot, icons: Icons) -> Desk:
    return Desk(qtbot, icons, FIX, LETTER)


def test_a_long_text_without_a_space_is_laid_out_in_a_moment(desk: Desk) -> None:
    started = time.perf_counter()
    desk.text.setPlainText("x" * 150_000)
    QApplication.processEvents()
    assert time.perf_counter() - started < 2.0  # it took 6 s, broken at words
    desk.dialog.accept()
    assert len(desk.library.snippets[0].text) == 150_000


def test_a_first_snippet_is_made(qtbot: QtBot, icons: Icons) -> None:
    desk = Desk(qtbot, icons)
    assert not desk.text.isEnabled()
    desk.press("newSnippet")
    assert desk.name.selectedText() == "snippet"
    QTest.keyClicks(desk.name, "sum")
    QTest.keyClick(desk.name, Qt.Key.Key_Tab)
    # And no button, which a space presses.
    assert desk.dialog.focusWidget() is desk.text
    QTest.keyClicks(desk.text, "Sum this up.")
    qtbot.waitUntil(lambda: desk.library.snippet("sum") == Snippet(name="sum", text="Sum this up."))
    assert desk.shown == ["sum"]


def test_what_is_typed_is_kept_when_another_is_chosen_or_it_is_left(desk: Desk) -> None:
    desk.text.setPlainText("Mend this.")
    desk.names.setCurrentRow(1)
    assert desk.library.snippets == (Snippet(name="fix", text="Mend this."), LETTER)
    assert (desk.name.text(), desk.text.toPlainText()) == ("letter", LETTER.text)
    desk.name.setText("/mail")
    desk.dialog.reject()
    assert desk.library.snippets[1] == Snippet(name="mail", text=LETTER.text)


@pytest.mark.parametrize(
    ("name", "why"),
    [("letter", "There is a “letter” already"), ("two words", "no spaces"), ("", "cannot be")],
)
def test_a_name_that_is_none_is_told_and_the_old_one_counts(
    desk: Desk, name: str, why: str
) -> None:
    desk.name.selectAll()
    QTest.keyClicks(desk.name, name) if name else desk.name.clear()
    desk.text.setPlainText("Mend this.")
    QTest.keyClick(desk.name, Qt.Key.Key_Return)
    assert why in desk.problem
    assert desk.library.snippets == (Snippet(name="fix", text="Mend this."), LETTER)
    desk.name.setText("mend")
    QTest.keyClick(desk.name, Qt.Key.Key_Return)
    assert desk.problem == ""
    assert desk.shown == ["mend", "letter"]


def test_a_new_one_with_a_taken_name_says_so(qtbot: QtBot, desk: Desk) -> None:
    desk.press("newSnippet")
    QTest.keyClicks(desk.name, "fix")
    QTest.keyClick(desk.name, Qt.Key.Key_Tab)
    desk.text.setFocus()
    assert "There is a “fix” already" in desk.problem
    QTest.keyClicks(desk.text, "Other words")
    desk.press("closeSnippets")
    assert desk.dialog.isVisible()
    assert "There is a “fix” already" in desk.problem
    assert desk.name.hasFocus()
    assert desk.library.snippet("snippet") == Snippet(name="snippet", text="Other words")
    desk.names.setCurrentRow(0)
    news = part(desk.dialog, QLabel, "snippetNews").text()
    assert news == "There is a “fix” already: take another name. The snippet is still “snippet”."
    desk.press("closeSnippets")
    assert not desk.dialog.isVisible()


def test_a_deleted_one_comes_back_where_it_was(desk: Desk) -> None:
    desk.press("deleteSnippet")
    assert (desk.library.snippets, desk.shown, desk.name.text()) == (
        (LETTER,),
        ["letter"],
        "letter",
    )
    assert part(desk.dialog, QLabel, "snippetNews").text() == "“fix” was deleted."
    desk.press("undoDeleteSnippet")
    assert (desk.library.snippets, desk.name.text()) == ((FIX, LETTER), "fix")
    assert not part(desk.dialog, QPushButton, "undoDeleteSnippet").isVisible()
    desk.press("deleteSnippet")
    desk.press("deleteSnippet")
    assert (desk.shown, desk.name.isEnabled()) == ([], False)
