"""Load options that a model cannot honour, as an older version or a file edited by hand keeps them:
the window leads from what failed to where they are changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QListView, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import ModelFit
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest, ModelLoadError
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_text
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.ui.open_window import OpenWindow
from tests.ui.parts import part
from tests.ui.test_message_actions import views

# What the offscreen platform says about every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

YARN, FROM_MODEL = "ropeScalingYarn", "ropeScaling"
LEFT = Qt.MouseButton.LeftButton
WHY = "YaRN's fast beta would have no effect: RoPE scaling is not “yarn”"


@pytest.fixture
def opened(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path
) -> Iterator[OpenWindow]:
    """The window with the small model alone, which no load can honour the options of."""
    file = app_paths().settings
    file.parent.mkdir(parents=True)
    own = {path_text(small_path): ModelOverrides(rope_scale=2.0, yarn_beta_fast=9.0)}
    SettingsFile(file).save(Settings(models=own, sampling=SamplingParameters(max_tokens=4)))
    catalog = Catalog(minerva_home / "models.json", embedded=small_path)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as window:
        yield window


def click(owner: QWidget, text: str) -> None:
    """The one button with that ``text`` that is shown."""
    buttons = owner.findChildren(QPushButton)
    (button,) = [each for each in buttons if each.text() == text and each.isVisible()]
    QTest.mouseClick(button, LEFT)


def badge(opened: OpenWindow) -> str:
    """What the picker says of a load of its only model."""
    fit = opened.window.header.picker.items[0].fit
    return "" if fit is None else f"{fit.label}. {fit.detail}"


def save(opened: OpenWindow, scaling: str) -> None:
    """Press that button of the dialog that opens, then Save."""
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    dialog = opened.part(ModelOptionsDialog, "modelOptionsDialog")
    QTest.mouseClick(part(dialog, QPushButton, "optionsPageRope"), LEFT)
    QTest.mouseClick(part(dialog, QPushButton, scaling), LEFT)
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
    save(opened, YARN)
    click(opened.window.chat_view, "Try again")
    opened.until("answer", lambda: views(opened)[-1].message.state is MessageState.COMPLETE)


def test_an_answer_that_failed_leads_to_its_own_model(
    opened: OpenWindow, small_path: Path, tmp_path: Path
) -> None:
    """Also once another was chosen, to whose load options it led."""
    opened.send("Hello")
    opened.until("end", lambda: views(opened)[-1].message.state is MessageState.FAILED)
    other = Path(shutil.copy(small_path, tmp_path / "other.gguf"))
    opened.drop(other)
    opened.until("model", lambda: opened.loaded_paths == [str(other)])
    click(opened.window.chat_view, "Load options…")
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    dialog = opened.part(ModelOptionsDialog, "modelOptionsDialog")
    assert dialog.overrides().yarn_beta_fast == 9.0
    dialog.reject()


def test_a_load_that_fails_with_them_is_tried_again_once_they_are_changed(
    opened: OpenWindow, small_path: Path
) -> None:
    """The notice stayed until it was closed by hand."""
    picker = opened.window.header.picker
    picker.selected.emit(path_text(small_path))
    opened.until("notice", lambda: opened.notice == f"small was not loaded: {WHY}")
    assert "Load options…" in [
        each.text() for each in opened.window.notifications.findChildren(QPushButton)
    ]
    picker.options_requested.emit(path_text(small_path))
    save(opened, YARN)
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    assert opened.notice == ""


def test_a_refused_load_does_not_matter_once_another_model_is_chosen(
    opened: OpenWindow, small_path: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copy(small_path, tmp_path / "other.gguf"))
    opened.drop(other)
    opened.until("model", lambda: opened.loaded_paths == [str(other)])
    opened.window.header.picker.selected.emit(path_text(small_path))
    opened.until("notice", lambda: opened.notice == f"small was not loaded: {WHY}")
    opened.window.header.picker.selected.emit(str(other))
    opened.until("no notice", lambda: not opened.notice)


def test_options_that_only_the_load_refuses_are_told_until_they_are_mended(
    opened: OpenWindow, small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where llama.cpp took too long to say what they would take."""
    picker = opened.window.header.picker
    picker.options_requested.emit(path_text(small_path))
    save(opened, YARN)
    picker.selected.emit(path_text(small_path))
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    with monkeypatch.context() as patch:
        patch.setattr(EngineWorker, "fit_of", _unknown)
        picker.options_requested.emit(path_text(small_path))
        save(opened, FROM_MODEL)
    opened.until("notice", lambda: opened.notice == f"small was not loaded: {WHY}")
    click(opened.window.notifications, "Load options…")
    save(opened, YARN)
    opened.until("no notice", lambda: not opened.notice)
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])


def test_the_picker_tells_it_until_they_are_changed(opened: OpenWindow, small_path: Path) -> None:
    """There was no badge; a green one while the load ran that was about to fail, and still the one
    from before they were saved."""
    picker = opened.window.header.picker
    told = set[str]()
    model = opened.part(QListView, "pickerList").model()
    model.dataChanged.connect(lambda: told.add(badge(opened)))
    load = opened.load_for_a_client(small_path)
    picker.open_list()
    opened.until("end", lambda: load.done() and bool(told))
    assert isinstance(load.exception(), InvalidRequest)
    assert told == {f"Won’t load. {WHY}. Change that in its load options"}
    picker.close_list()
    picker.options_requested.emit(path_text(small_path))
    save(opened, YARN)
    opened.until("forgotten badge", lambda: not badge(opened))
    picker.open_list()
    opened.until("badge", lambda: badge(opened).startswith("Fits. "))


def test_the_picker_tells_it_of_a_model_that_is_loaded_as_it_was(
    opened: OpenWindow, small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said but “Loaded”, though the next message would have it loaded anew, in vain."""
    picker = opened.window.header.picker
    picker.options_requested.emit(path_text(small_path))
    save(opened, YARN)
    picker.selected.emit(path_text(small_path))
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    picker.open_list()
    opened.until("badge", lambda: badge(opened) != "")
    assert picker.items[0].trouble == ""
    picker.close_list()
    with monkeypatch.context() as patch:
        patch.setattr(EngineWorker, "fit_of", _unknown)
        picker.options_requested.emit(path_text(small_path))
        save(opened, FROM_MODEL)
    opened.until("notice", lambda: opened.notice == f"small was not loaded: {WHY}")
    opened.until("model", lambda: opened.loaded_paths == [path_text(small_path)])
    picker.open_list()
    opened.until("trouble", lambda: picker.items[0].trouble != "")
    told = f"Its saved options won’t load: {WHY}. Change that in its load options"
    assert picker.items[0].trouble == told
    picker.close_list()


def test_the_picker_tells_that_a_file_cannot_be_loaded(
    opened: OpenWindow, small_path: Path, tmp_path: Path
) -> None:
    """It was said to fit."""
    content, bad = small_path.read_bytes(), tmp_path / "bad.gguf"
    at = content.index(b"smollm", content.index(b"tokenizer.ggml.pre"))
    bad.write_bytes(content[:at] + b"nobody" + content[at + 6 :])
    opened._application._services.models._catalog.add(bad)
    picker = opened.window.header.picker
    picker.open_list()
    opened.until("file", lambda: str(bad) in opened.model_paths)
    picker.close_list()
    picker.open_list()

    def trouble() -> str:
        return next((each.trouble for each in picker.items if each.name == "bad"), "")

    opened.until("trouble", lambda: trouble() != "")
    assert "unknown pre-tokenizer type: 'nobody'" in trouble()
    picker.close_list()


async def _unknown(_worker: EngineWorker, path: Path, _overrides: ModelOverrides) -> ModelFit:
    raise ModelLoadError(f"{path.name} takes its time")
