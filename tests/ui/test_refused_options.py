"""Load options that a model cannot honour, as an older version or a file edited by hand keeps them:
the window leads from what failed to where they are changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_text
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import views

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LEFT = Qt.MouseButton.LeftButton
WHY = "YaRN's fast beta would have no effect: RoPE scaling is not “yarn”"


@pytest.fixture
def opened(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> Iterator[OpenWindow]:
    """The window with the small model alone, which no load can honour the options of."""
    file = app_paths().settings
    file.parent.mkdir(parents=True)
    own = {path_text(small_path): ModelOverrides(yarn_beta_fast=9.0)}
    SettingsFile(file).save(Settings(models=own, sampling=SamplingParameters(max_tokens=4)))
    catalog = Catalog(minerva_home / "models.json", embedded=small_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as window:
        yield window


def click(owner: QWidget, text: str) -> None:
    """The one button with that ``text`` that is shown."""
    buttons = owner.findChildren(QPushButton)
    (button,) = [each for each in buttons if each.text() == text and each.isVisible()]
    QTest.mouseClick(button, LEFT)


def mend(opened: OpenWindow) -> None:
    """Choose YaRN in the dialog that opens, and save that."""
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    dialog = opened.part(ModelOptionsDialog, "modelOptionsDialog")
    QTest.mouseClick(part(dialog, QPushButton, "optionsPageRope"), LEFT)
    QTest.mouseClick(part(dialog, QPushButton, "ropeScalingYarn"), LEFT)
    (buttons,) = dialog.findChildren(QDialogButtonBox)
    QTest.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Save), LEFT)
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))


def test_an_answer_that_fails_with_them_leads_to_them(opened: OpenWindow) -> None:
    opened.send("Hello")
    opened.until("end", lambda: views(opened)[-1].message.state is MessageState.FAILED)
    assert views(opened)[-1].message.error == (
        f"{WHY}. Change that in the model's load options (Ctrl+Shift+L)."
    )
    click(opened.window.chat_view, "Load options…")
    mend(opened)
    click(opened.window.chat_view, "Try again")
    opened.until("answer", lambda: views(opened)[-1].message.state is MessageState.COMPLETE)


def test_a_load_that_fails_with_them_leads_to_them(opened: OpenWindow, small_path: Path) -> None:
    opened.window.header.picker.selected.emit(path_text(small_path))
    opened.until("notice", lambda: opened.notice == WHY)
    click(opened.window.notifications, "Load options…")
    mend(opened)
