"""A chat template of one's own in the whole window: tried on the loaded model, saved, and used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_text
from minerva_desktop.ui.chat_view.empty_state import EmptyState
from minerva_desktop.ui.model_options_controller import UNSEEN
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from minerva_desktop.ui.template_page import NOT_LOADED
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> Iterator[OpenWindow]:
    """The window with the small model alone."""
    minerva_home.mkdir(parents=True)
    catalog = Catalog(minerva_home / "models.json", embedded=small_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        yield opened


def open_template(opened: OpenWindow, path: Path) -> ModelOptionsDialog:
    opened.window.header.picker.options_requested.emit(path_text(path))
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    dialog = opened.part(ModelOptionsDialog, "modelOptionsDialog")
    QTest.mouseClick(part(dialog, QPushButton, "optionsPageTemplate"), LEFT)
    return dialog


def ways_out(owner: QWidget) -> list[QPushButton]:
    """The buttons that lead to the load options."""
    buttons = owner.findChildren(QPushButton)
    return [each for each in buttons if each.text() == "Load options…" and each.isVisible()]


def save(dialog: ModelOptionsDialog) -> None:
    (buttons,) = dialog.findChildren(QDialogButtonBox)
    QTest.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), LEFT)


def test_another_template_is_tried_saved_and_used(opened: OpenWindow, small_path: Path) -> None:
    dialog = open_template(opened, small_path)
    preview = part(dialog, QPlainTextEdit, "templatePreview")
    opened.until("answer", lambda: preview.placeholderText() == NOT_LOADED)
    dialog.reject()
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.window.header.picker.selected.emit(path_text(small_path))
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    dialog = open_template(opened, small_path)
    preview = part(dialog, QPlainTextEdit, "templatePreview")
    opened.until("preview", lambda: "<|im_start|>user\nName a river." in preview.toPlainText())
    QTest.mouseClick(part(dialog, QPushButton, "editTemplate"), LEFT)
    editor = part(dialog, QPlainTextEdit, "templateEditor")
    editor.setPlainText("one\n{{ oops")
    save(dialog)
    problem = part(dialog, QLabel, "templateProblem")
    opened.until("problem", lambda: "(line 2)" in problem.text())
    assert dialog.isVisible()
    editor.setPlainText("hello")
    opened.until("warning", lambda: problem.text() == f"{UNSEEN}\n\nhello")
    assert dialog.isVisible()
    editor.setPlainText("{% for m in messages %}<{{ m.content }}>{% endfor %}")
    states = SnapshotFiles(app_paths().snapshots)
    state = states.path("identity", "chat")
    state.parent.mkdir(parents=True)
    states.label("identity", small_path, is_loaded=True)
    state.write_bytes(b"state")
    save(dialog)  # it is tried first
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.until("reload", lambda: opened.loaded_paths == [])
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    opened.until("no state of another text", lambda: not state.exists())
    dialog = open_template(opened, small_path)
    preview = part(dialog, QPlainTextEdit, "templatePreview")
    opened.until("preview", lambda: preview.toPlainText().endswith("<Name a river.>"))
    QTest.mouseClick(part(dialog, QPushButton, "resetTemplate"), LEFT)
    save(dialog)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.until("settings", lambda: opened.settings.current.models == {})


def test_a_broken_one_of_an_unloaded_model_is_told_by_its_load(
    opened: OpenWindow, small_path: Path
) -> None:
    dialog = open_template(opened, small_path)
    QTest.mouseClick(part(dialog, QPushButton, "editTemplate"), LEFT)
    part(dialog, QPlainTextEdit, "templateEditor").setPlainText("{% if %}")
    save(dialog)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.window.header.picker.selected.emit(path_text(small_path))
    opened.until("notice", lambda: "load options is broken" in opened.notice)
    assert "(line 1)" in opened.notice
    opened.send("Hello")
    opened.until("refusal", lambda: bool(ways_out(opened.window.chat_view)))
    (beside_the_answer,) = ways_out(opened.window.chat_view)
    assert not ways_out(opened.window.notifications)  # it is said in one place
    QTest.mouseClick(beside_the_answer, LEFT)
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    dialog = opened.part(ModelOptionsDialog, "modelOptionsDialog")
    QTest.mouseClick(part(dialog, QPushButton, "resetTemplate"), LEFT)
    save(dialog)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.until("settings", lambda: opened.settings.current.models == {})


def test_one_that_refuses_the_messages_leads_to_the_load_options(
    opened: OpenWindow, small_path: Path
) -> None:
    dialog = open_template(opened, small_path)
    QTest.mouseClick(part(dialog, QPushButton, "editTemplate"), LEFT)
    refusing = "{{ raise_exception('roles must alternate') }}"
    part(dialog, QPlainTextEdit, "templateEditor").setPlainText(refusing)
    save(dialog)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
    opened.send("Hello")
    opened.until(
        "refusal",
        lambda: any(
            "refuses these messages: roles must alternate" in each.text()
            for each in opened.window.chat_view.findChildren(QLabel)
        ),
    )
    (way_out,) = ways_out(opened.window.chat_view)
    QTest.mouseClick(way_out, LEFT)
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    opened.part(ModelOptionsDialog, "modelOptionsDialog").reject()


def test_a_model_without_one_is_told_of_where_a_chat_begins(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, gemma_path: Path
) -> None:
    minerva_home.mkdir(parents=True)
    catalog = Catalog(minerva_home / "models.json", embedded=gemma_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        empty = opened.part(EmptyState, "emptyState")
        opened.until("hint", lambda: "brings no chat template" in empty.text())
