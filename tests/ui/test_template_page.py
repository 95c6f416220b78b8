"""The chat template in a model's load options: shown, replaced, tried, and refused."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import OwnTemplate
from minerva_desktop.load_limits import MAX_TEMPLATE
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.ui import template_page
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from minerva_desktop.ui.template_page import (
    ASKING,
    NONE_BROUGHT,
    NOT_LOADED,
    OTHER,
    OWN,
    TemplatePage,
)
from minerva_desktop.ui.theme import ThemeSource
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton
BROUGHT = OwnTemplate("one\ntwo\nthree", is_brought=True)


class Desk:
    """The dialog with its second page shown."""

    def __init__(
        self,
        qtbot: QtBot,
        themes: ThemeSource,
        replaced: str | None = None,
        own: OwnTemplate = BROUGHT,
    ) -> None:
        self.page = TemplatePage(own, replaced, themes)
        self.asked: list[str] = []
        self.page.preview_wanted.connect(self.asked.append)
        self.dialog = ModelOptionsDialog(
            "Tiny",
            ModelOverrides(chat_template=replaced, preset="Teacher"),
            Settings(),
            n_ctx_train=8192,
            n_cores=16,
            template=self.page,
        )
        self.dialog.options_changed.connect(lambda _: self.dialog.show_problem("It is not there"))
        qtbot.addWidget(self.dialog)
        with qtbot.waitExposed(self.dialog):
            self.dialog.open()
        self.press("optionsPageTemplate")
        self.editor = part(self.dialog, QPlainTextEdit, "templateEditor")

    def press(self, name: str) -> None:
        QTest.mouseClick(part(self.dialog, QPushButton, name), LEFT)

    def save(self) -> None:
        (buttons,) = self.dialog.findChildren(QDialogButtonBox)
        QTest.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), LEFT)

    def says(self, name: str) -> str:
        return part(self.dialog, QLabel, name).text()

    @property
    def marked_lines(self) -> list[str]:
        return [mark.cursor.block().text() for mark in self.editor.extraSelections()]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes of another text is asked, and what was said of the one before it gone, soon."""
    monkeypatch.setattr(template_page, "ASK_MS", 30)
    monkeypatch.setattr(template_page, "STALE_MS", 70)


@pytest.fixture
def desk(qtbot: QtBot, themes: ThemeSource) -> Desk:
    return Desk(qtbot, themes)


def test_the_models_own_is_only_read_until_edit(qtbot: QtBot, desk: Desk) -> None:
    assert (desk.editor.toPlainText(), desk.says("templateStatus")) == (BROUGHT.text, OWN)
    qtbot.waitUntil(lambda: desk.asked == [BROUGHT.text])
    desk.page.show_preview("<one>")
    assert part(desk.dialog, QPlainTextEdit, "templatePreview").toPlainText() == "<one>"
    desk.editor.setFocus()
    QTest.keyClicks(desk.editor, "x")
    assert desk.editor.toPlainText() == BROUGHT.text
    desk.press("editTemplate")
    assert desk.dialog.overrides() == ModelOverrides(preset="Teacher")
    QTest.keyClicks(desk.editor, "x")
    assert desk.dialog.overrides() == ModelOverrides(
        chat_template="xone\ntwo\nthree", preset="Teacher"
    )
    assert desk.says("templateStatus") == OTHER
    desk.press("resetTemplate")
    assert desk.dialog.overrides() == ModelOverrides(preset="Teacher")
    desk.editor.undo()
    assert desk.page.value() == "xone\ntwo\nthree"


def test_one_that_was_replaced_is_edited_at_once(qtbot: QtBot, themes: ThemeSource) -> None:
    desk = Desk(qtbot, themes, replaced="mine")
    assert (desk.editor.toPlainText(), desk.editor.isReadOnly()) == ("mine", False)
    assert desk.dialog.overrides().chat_template == "mine"


def test_a_model_without_one_says_what_is_used(qtbot: QtBot, themes: ThemeSource) -> None:
    desk = Desk(qtbot, themes, own=OwnTemplate("chatml", is_brought=False))
    assert desk.says("templateStatus") == NONE_BROUGHT
    desk.page.show_not_loaded()
    assert part(desk.dialog, QPlainTextEdit, "templatePreview").placeholderText() == NOT_LOADED


@pytest.mark.usefixtures("quick")
def test_what_was_said_of_another_text_goes_while_the_answer_is_waited_for(
    qtbot: QtBot, themes: ThemeSource
) -> None:
    desk = Desk(qtbot, themes, replaced="a")
    preview = part(desk.dialog, QPlainTextEdit, "templatePreview")
    qtbot.waitUntil(lambda: desk.asked == ["a"])
    desk.page.show_preview("<a>")
    QTest.keyClicks(desk.editor, "b")
    qtbot.waitUntil(lambda: preview.toPlainText() == "")
    assert preview.placeholderText() == ASKING
    desk.page.show_problem("TemplateSyntaxError: unexpected b (line 1)", is_fatal=True)
    QTest.keyClicks(desk.editor, "c")
    qtbot.waitUntil(lambda: desk.says("templateProblem") == "")
    assert (preview.isVisible(), desk.marked_lines) == (True, [])
    desk.page.show_preview("<cba>")
    assert preview.toPlainText() == "<cba>"


def test_a_broken_one_is_told_with_its_line_and_not_saved(
    qtbot: QtBot, themes: ThemeSource
) -> None:
    desk = Desk(qtbot, themes, replaced="a\nb\nc")
    qtbot.waitUntil(lambda: desk.asked == ["a\nb\nc"])
    desk.page.show_problem("TemplateSyntaxError: unexpected b (line 2)", is_fatal=True)
    assert "unexpected b" in desk.says("templateProblem")
    assert desk.marked_lines == ["b"]
    assert "unexpected b" in desk.editor.accessibleDescription()
    desk.press("optionsPageLoad")
    with qtbot.assertNotEmitted(desk.dialog.accepted):
        desk.save()
    assert desk.editor.isVisible()  # it leads there
    desk.editor.setPlainText("a\nmended")
    qtbot.waitUntil(lambda: desk.asked[-1] == "a\nmended")
    desk.page.show_preview("a")
    assert desk.marked_lines == []
    with qtbot.waitSignal(desk.dialog.accepted):
        desk.save()
    assert desk.dialog.overrides().chat_template == "a\nmended"


@pytest.mark.parametrize("is_good", [True, False])
def test_save_waits_until_it_is_known(qtbot: QtBot, themes: ThemeSource, is_good: bool) -> None:
    desk = Desk(qtbot, themes, replaced="mine")
    desk.editor.setPlainText("other")
    with qtbot.assertNotEmitted(desk.dialog.accepted):
        desk.save()
    assert desk.asked[-1] == "other"  # without a delay
    if is_good:
        with qtbot.waitSignal(desk.dialog.accepted):
            desk.page.show_not_loaded()
    else:
        with qtbot.assertNotEmitted(desk.dialog.accepted):
            desk.page.show_problem("no", is_fatal=True)


def test_one_that_refuses_the_sample_can_be_saved(qtbot: QtBot, themes: ThemeSource) -> None:
    desk = Desk(qtbot, themes, replaced="mine")
    desk.page.check()
    desk.page.show_problem("it refuses these messages", is_fatal=False)
    with qtbot.waitSignal(desk.dialog.accepted):
        desk.save()


@pytest.mark.parametrize("text", ["", "x" * (MAX_TEMPLATE + 1)])
def test_what_is_no_template_is_not_asked_about(
    qtbot: QtBot, themes: ThemeSource, text: str
) -> None:
    desk = Desk(qtbot, themes, replaced="mine")
    desk.editor.setPlainText(text)
    with qtbot.assertNotEmitted(desk.dialog.accepted):
        desk.save()
    assert "1 to 200,000 characters" in desk.says("templateProblem")
    assert text not in desk.asked


def test_the_other_page_is_as_it_was(desk: Desk) -> None:
    assert not part(desk.dialog, QWidget, "modelNCtx").isVisible()
    desk.press("optionsPageLoad")
    assert part(desk.dialog, QWidget, "modelNCtx").isVisible()
    assert not desk.editor.isVisible()
