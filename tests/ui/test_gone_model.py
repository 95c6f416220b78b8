"""The window and a model file that is deleted: while it is loaded, and between two starts."""

from __future__ import annotations

import functools
import os
import shutil
import signal
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QListView, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.memory_gauge import MemoryGauge
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_list import ITEM_ROLE
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.processes import engines_with_models
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_a_deleted_model_is_told_now_and_at_the_next_start(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    open_app = functools.partial(OpenWindow, qtbot, dressed_app, catalog)
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    with closing(open_app([mine])) as opened:
        opened.until("load", lambda: bool(engines_with_models(psutil.Process())))
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        mine.unlink()
        assert note_in_picker(opened, mine).startswith("Its file is gone; it answers from memory")
        QTest.mouseClick(opened.part(MemoryGauge, "memoryGauge"), Qt.MouseButton.LeftButton)
        note = opened.part(QLabel, "modelNote")
        opened.until("note", lambda: note.text().startswith("Its file is gone"))
        opened.part(QWidget, "modelsPanel").hide()
        opened.send("Are you still there?")
        opened.until("speed", lambda: "tokens/s" in opened.speed)
        opened.press(Qt.Key.Key_Escape)
        opened.until("end", lambda: not opened.is_answering)
        assert "is not there" not in endings(opened)
        engine = next(e for e in engines_with_models(psutil.Process()) if _maps(e, mine))
        os.kill(engine.pid, signal.SIGKILL)
        opened.until("notice", lambda: "loaded again with your next message" in opened.notice)
        opened.send("Hello")
        opened.until("failure", lambda: "“mine.gguf” is not there" in endings(opened))
        assert opened.notice == ""  # what it promised did not come true
        buttons = opened.window.chat_view.findChildren(QPushButton)
        offers = [each for each in buttons if each.text() == "Choose another model"]
        (others,) = [each for each in offers if each.isVisible()]  # to try again is in vain
        QTest.mouseClick(others, Qt.MouseButton.LeftButton)
        assert opened.part(QListView, "pickerList").isVisible()
        opened.window.header.picker.close_list()
    with closing(open_app()) as opened:
        opened.until("notice", lambda: "mine.gguf" in opened.notice)
        assert "the model of last time, cannot be opened any more" in opened.notice
        chosen = opened.window.header.picker.current
        assert chosen is not None
        assert chosen.path != str(mine)


def test_a_chat_beyond_the_context_says_what_to_do(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A model that is not loaded may get less than could be expected.
    monkeypatch.setattr(ModelController, "expected_n_ctx", lambda *_asked: 131_072)
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.window.composer.set_text("word " * 9000)
        opened.window.composer.submitted.emit(opened.window.composer.text)
        opened.until("failure", lambda: "exceeded: max 8,192" in endings(opened))
        assert "begin a new chat" in endings(opened)
        assert "0.0 tokens/s" not in opened.speed
        buttons = opened.window.chat_view.findChildren(QPushButton)
        (options,) = [each for each in buttons if each.isVisible() and "Load opt" in each.text()]
        QTest.mouseClick(options, Qt.MouseButton.LeftButton)
        opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
        opened.part(ModelOptionsDialog, "modelOptionsDialog").reject()
        opened.window.sidebar.new_chat.emit()


def test_what_is_beyond_the_context_of_a_model_that_is_not_loaded_is_not_sent(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.window.composer.set_text("word " * 9000)
        opened.window.composer.submitted.emit(opened.window.composer.text)
        opened.until("refusal", lambda: "was not sent: it takes 9,0" in opened.notice)
        assert "has 8,192. Shorten it" in opened.notice
        assert opened.window.composer.text == "word " * 9000
        assert len(opened.window.chat_view.messages) == 0
        opened.window.composer.clear()


def note_in_picker(opened: OpenWindow, model: Path) -> str:
    """What the list of models says of its file, once it says something."""
    rows = opened.part(QListView, "pickerList").model()

    def notes() -> list[str]:
        items = [rows.index(row, 0).data(ITEM_ROLE) for row in range(rows.rowCount())]
        return [item.note for item in items if item.path == str(model) and item.note]

    opened.window.header.picker.open_list()
    opened.until("note", lambda: bool(notes()))
    opened.part(QWidget, "pickerPopup").hide()
    return notes()[0]


def endings(opened: OpenWindow) -> str:
    """What stands beneath the answers."""
    labels = opened.window.chat_view.findChildren(QLabel)
    return "\n".join(label.text() for label in labels if label.isVisible())


def _maps(engine: psutil.Process, model: Path) -> bool:
    return any(region.path.startswith(str(model)) for region in engine.memory_maps())
