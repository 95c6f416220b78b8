"""An answer whose model has no room while another answers: it waits, and says for whom."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.controls import ElidedLabel
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

LONG = "Write a very long story about the sea."


@pytest.fixture
def other(smollm_catalog: Catalog, model_path: Path, tmp_path: Path) -> Path:
    """A model that is in the library, and not chosen."""
    other = tmp_path / "other.gguf"
    shutil.copy(model_path, other)
    smollm_catalog.add(other)
    return other


def remember(settings: Settings) -> None:
    """What the window starts with."""
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(settings)


def statuses(opened: OpenWindow) -> list[str]:
    """What is said beneath the answers on display."""
    return [label.text() for label in opened.window.chat_view.findChildren(QLabel)]


def anyway(opened: OpenWindow) -> list[QPushButton]:
    """What loads the model of a failed answer anyway."""
    buttons = opened.window.chat_view.findChildren(QPushButton)
    return [button for button in buttons if button.text() == "Load anyway"]


def stop(opened: OpenWindow) -> None:
    """Press Stop, and wait until the answer has ended."""
    QTest.mouseClick(opened.part(QToolButton, "stopButton"), Qt.MouseButton.LeftButton)
    opened.until("end of the answer", lambda: not opened.is_answering)


def test_it_waits_for_the_model_that_answers_and_then_answers_itself(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(ChatView, "set_status", lambda _view, _answer, words: said.append(words))
    # Memory for one of the two; and answers that only end when they are stopped.
    sampling = SamplingParameters(ignore_eos=True)
    remember(Settings(memory_gb=0.25, n_ctx=2048, sampling=sampling))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.accept(opened.open_settings())  # which puts the budget into force
        opened.send(LONG)
        waits = "Waiting for SmolLM2-135M-Instruct to finish"
        opened.until("first words", lambda: len(opened.transcript) > len(LONG) + 40)
        with opened.engine_held():  # which only costs time
            opened.window.sidebar.new_chat.emit()
            opened.window.header.picker.selected.emit(str(other))
            waiting = opened.part(ElidedLabel, "loadWaiting")
            opened.until("word in the header", waiting.isVisible)
            assert waiting.accessibleName() == waits
            opened.send("Hello")
            opened.until("word", lambda: said[-1] == waits)
            assert opened.notice == ""
            stop(opened)  # which ends the wait at once
            assert "You stopped this answer." in statuses(opened)
            opened.send("Hi again")
            opened.until("word", lambda: said[-1] == waits)
            opened.open_chat(LONG)
            opened.until("chat", lambda: LONG in opened.transcript and opened.is_answering)
        stop(opened)
        opened.open_chat("Hello")
        opened.until("load", lambda: str(other) in opened.loaded_paths)
        opened.until("words", lambda: opened.is_answering and len(opened.transcript) > 100)
        stop(opened)
        assert "was unloaded to make room for other" in opened.notice
        last_load = max(at for at, words in enumerate(said) if words.startswith("Loading other, "))
        assert said[last_load + 1] == "Reading the prompt…"


def test_a_model_that_waits_is_given_up_when_another_is_chosen(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog, other: Path
) -> None:
    sampling = SamplingParameters(ignore_eos=True)
    remember(Settings(memory_gb=0.25, n_ctx=2048, sampling=sampling))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.accept(opened.open_settings())  # which puts the budget into force
        picker = opened.window.header.picker
        assert picker.current is not None
        first = picker.current.path
        opened.send(LONG)
        opened.until("first words", lambda: len(opened.transcript) > len(LONG) + 40)
        with opened.engine_held():
            picker.selected.emit(str(other))
            waiting = opened.part(ElidedLabel, "loadWaiting")
            opened.until("word in the header", waiting.isVisible)
            picker.selected.emit(first)
            opened.until("end of the wait", lambda: not waiting.isVisible())
        stop(opened)
        opened.send("Hello")
        opened.until("words", lambda: len(opened.transcript.partition("Hello")[2]) > 20)
        stop(opened)
        assert (opened.loaded_paths, opened.notice) == ([first], "")


def test_the_last_of_three_quick_choices_counts(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog, other: Path
) -> None:
    sampling = SamplingParameters(ignore_eos=True)
    remember(Settings(memory_gb=0.25, n_ctx=2048, sampling=sampling))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        opened.accept(opened.open_settings())  # which puts the budget into force
        opened.send(LONG)
        opened.until("first words", lambda: len(opened.transcript) > len(LONG) + 40)
        picker = opened.window.header.picker
        assert picker.current is not None
        first = picker.current.path
        with opened.engine_held():
            picker.selected.emit(str(other))
            waiting = opened.part(ElidedLabel, "loadWaiting")
            opened.until("word in the header", waiting.isVisible)
            picker.selected.emit(first)
            picker.selected.emit(str(other))
        stop(opened)
        opened.until("load", lambda: str(other) in opened.loaded_paths)
        assert picker.current is not None
        assert picker.current.path == str(other)


def test_what_can_never_fit_is_told_once_and_can_be_loaded_anyway(
    qtbot: QtBot,
    dressed_app: QApplication,
    smollm_catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = SimpleNamespace(total=16 * 10**9, available=900_000_000)
    remember(Settings(sampling=SamplingParameters(max_tokens=4)))
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: full)
        opened.send("Hello")
        opened.until("way out", lambda: any(button.isVisible() for button in anyway(opened)))
        assert any("Memory exceeded" in words for words in statuses(opened))
        assert opened.notice == ""
        next(button for button in anyway(opened) if button.isVisible()).click()
        opened.until("end of the answer", lambda: "4 tokens" in " ".join(statuses(opened)))
        assert opened.notice == ""
