"""What the window says of loads that fail: of the right model, once, and nothing that is not so."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import OutOfMemory
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from minerva_desktop.ui.notification_bar import Notice
from tests.chat.samples import make_conversation
from tests.processes import engines_with_models
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import choose, do, on_disk, open_chat, views
from tests.ui.test_refused_options import click

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def other(catalog: Catalog, model_path: Path, tmp_path: Path) -> Path:
    """A model that is in the library, and not chosen."""
    other = tmp_path / "other.gguf"
    shutil.copy(model_path, other)
    catalog.add(other)
    return other


def test_a_refusal_names_the_model_that_a_client_asked_for(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = SimpleNamespace(total=16 * 10**9, available=900_000_000)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: full)
        load = opened.load_for_a_client(other)
        opened.until("refusal", load.done)
        assert isinstance(load.exception(), OutOfMemory)
        opened.until("notice", lambda: bool(opened.notice))
        assert opened.notice.startswith("other was not loaded. The model needs ")
        monkeypatch.undo()
        buttons = opened.window.notifications.findChildren(QPushButton)
        next(button for button in buttons if button.text() == "Load anyway").click()
        opened.until("load", lambda: str(other) in opened.loaded_paths)
        assert opened.window.header.picker.current is not None
        assert opened.window.header.picker.current.path != str(other)


def test_a_model_that_was_loaded_all_the_same_is_loaded_and_that_is_all(
    qtbot: QtBot, dressed_app: QApplication, smollm_catalog: Catalog
) -> None:
    """It stays as it is, and so nothing is said of a next load."""
    with closing(OpenWindow(qtbot, dressed_app, smollm_catalog)) as opened:
        picker, worker = opened.window.header.picker, opened._application._worker
        worker.use_settings(Settings(n_ctx=16_384, memory_gb=0.25), opened.paths.snapshots)
        picker.selected.emit(opened.model_paths[0])
        opened.until("refusal", lambda: "was not loaded. The model needs " in opened.notice)
        click(opened.window.notifications, "Load anyway")
        opened.until("load", lambda: opened.loaded_paths == opened.model_paths)
        picker.open_list()
        opened.until("badge", lambda: picker.items[0].fit is not None)
        assert picker.items[0].trouble == ""
        picker.close_list()


def test_a_file_that_llama_cpp_refuses_is_told_once(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, small_path: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.gguf"
    content = small_path.read_bytes()
    at = content.index(b"smollm", content.index(b"tokenizer.ggml.pre"))
    bad.write_bytes(content[:at] + b"nobody" + content[at + 6 :])
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.drop(bad)
        opened.until("notice", lambda: bool(opened.notice))
        opened.until("end", lambda: str(bad) not in opened.model_paths)
        assert "unknown pre-tokenizer type: 'nobody'" in opened.notice
        assert "loaded again" not in opened.notice
        assert not opened.window.notifications.findChildren(QPushButton, "noticeMoreButton")


def test_a_failed_load_is_no_news_once_the_model_is_loaded(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, other: Path
) -> None:
    """It stayed, with its *Try again*, while the model answered."""
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        away = other.rename(other.with_suffix(".away"))
        opened.window.header.picker.selected.emit(str(other))
        opened.until("notice", lambda: "other.gguf" in opened.notice)
        buttons = opened.window.notifications.findChildren(QPushButton)
        assert "Try again" in {button.text() for button in buttons}
        away.rename(other)
        load = opened.load_for_a_client(other)
        opened.until("load", load.done)
        opened.until("no notice", lambda: not opened.notice)


def test_an_engine_that_died_for_a_client_is_loaded_again_for_a_client(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, other: Path
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        load = opened.load_for_a_client(other)
        opened.until("load", load.done)
        (engine,) = engines_with_models(psutil.Process())
        os.kill(engine.pid, signal.SIGKILL)
        opened.until("notice", lambda: bool(opened.notice))
        assert opened.notice.startswith("The engine that ran other.gguf stopped (signal 9")
        assert opened.notice.endswith("It is loaded again when it is asked for.")
        assert not opened.part(QToolButton, "ejectButton").isEnabled()


def test_options_that_are_too_large_leave_the_model_as_it_was_and_say_so(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        picker = opened.window.header.picker
        assert picker.current is not None
        picker.selected.emit(picker.current.path)
        opened.until("eject", opened.part(QToolButton, "ejectButton").isEnabled)
        picker.options_requested.emit(picker.current.path)
        opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
        opened.part(QLineEdit, "modelNCtx").setText("10000000")
        opened.part(ModelOptionsDialog, "modelOptionsDialog").accept()
        opened.until("notice", lambda: "with its new options" in opened.notice)
        assert opened.notice.startswith(
            "small was not loaded with its new options. It is loaded as it was, but answers nothing"
            " until they fit or are changed. The model needs "
        )
        assert opened.part(QToolButton, "ejectButton").isEnabled()
        opened.send("Hello")
        opened.until("end", lambda: views(opened)[-1].message.state is MessageState.FAILED)
        click(opened.window.chat_view, "Load options…")
        opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
        opened.part(QLineEdit, "modelNCtx").setText("512")
        opened.part(ModelOptionsDialog, "modelOptionsDialog").accept()
        opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
        click(opened.window.chat_view, "Try again")
        opened.until("answer", lambda: views(opened)[-1].message.state is MessageState.COMPLETE)
        assert opened.notice == ""


def test_options_that_are_put_back_are_no_longer_too_large(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    """The model is loaded with these, and nothing is loaded: the notice stayed, and the offers."""
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        path = opened.model_paths[0]
        opened.window.header.picker.selected.emit(path)
        opened.until("load", lambda: opened.loaded_paths == [path])
        _save_context(opened, path, "10000000")
        opened.until("notice", lambda: "It is loaded as it was" in opened.notice)
        opened.send("Hello")
        opened.until("end", lambda: views(opened)[-1].message.state is MessageState.FAILED)
        opened.until("ways", lambda: {"Load anyway", "Load options…"} <= _buttons(opened))
        opened.until("notice", lambda: "It is loaded as it was" in opened.notice)
        _save_context(opened, path, "")
        opened.until("no notice", lambda: opened.notice == "")
        opened.until("no way", lambda: not {"Load anyway", "Load options…"} & _buttons(opened))


def _save_context(opened: OpenWindow, path: str, n_ctx: str) -> None:
    opened.window.header.picker.options_requested.emit(path)
    opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
    opened.part(QLineEdit, "modelNCtx").setText(n_ctx)
    opened.part(ModelOptionsDialog, "modelOptionsDialog").accept()
    opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))


def _buttons(opened: OpenWindow) -> set[str]:
    buttons = opened.window.chat_view.findChildren(QPushButton)
    return {each.text() for each in buttons if each.isVisible()}


def test_what_waited_for_a_model_goes_once_that_is_loaded_after_all(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    other: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long message, which is sent once it is known to fit. *Try again* left it standing."""
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        away = other.rename(other.with_suffix(".away"))
        opened.window.header.picker.selected.emit(str(other))
        opened.until("notice", lambda: "other.gguf" in opened.notice)
        long = "word " * 5_000
        opened.window.composer.set_text(long)
        told = _failures(opened, monkeypatch)
        opened.press(Qt.Key.Key_Return)
        opened.until("refusal", lambda: bool(told))
        opened.until("end", lambda: not opened.part(QLabel, "composerHint").isVisible())
        assert opened.window.composer.text == long
        away.rename(other)
        buttons = opened.window.notifications.findChildren(QPushButton)
        next(button for button in buttons if button.text() == "Try again").click()
        opened.until("message", lambda: not opened.window.composer.text)
        assert "word " * 100 in opened.transcript
        assert opened.loaded_paths == [str(other)]


def _failures(opened: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What notices and ends of answers tell from now on."""
    told: list[str | None] = []
    bar, view = opened.window.notifications, opened.window.chat_view
    show, finish = bar.show_notice, view.finish_message

    def show_notice(notice: Notice) -> None:
        told.append(notice.text)
        show(notice)

    def finish_message(message: Message) -> None:
        told.append(message.error)
        finish(message)

    monkeypatch.setattr(bar, "show_notice", show_notice)
    monkeypatch.setattr(view, "finish_message", finish_message)
    return told


@pytest.mark.parametrize("n_words", [1, 1_200], ids=["short", "long"])
def test_who_asks_twice_for_another_answer_is_told_once_why_there_is_none(
    qtbot: QtBot,
    dressed_app: QApplication,
    catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_words: int,
) -> None:
    """Of a long chat it is known that it fits before anything is asked: no answer is begun."""
    other = Path(shutil.copy(small_path, tmp_path / "other.gguf"))
    catalog.add(other)
    chat = make_conversation("One " * n_words, "Un", title="Count")
    chat.sampling = SamplingParameters(max_tokens=4, seed=1)
    on_disk(chat)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        open_chat(opened, "Count", "Un")
        away = other.rename(other.with_suffix(".away"))
        opened.window.header.picker.selected.emit(str(other))
        opened.until("notice", lambda: "other.gguf" in opened.notice)
        why, told = opened.notice, _failures(opened, monkeypatch)
        for times in (1, 2):
            do(opened, len(views(opened)) - 1, MessageAction.REGENERATE)
            opened.until("menu", lambda: QApplication.activePopupWidget() is not None)
            # The first failed answer is the other model's already, where one was begun.
            is_its_own = times == 2 and n_words == 1
            choose(opened, "regenerateMenu", "Again with other" if is_its_own else "With other")
            opened.until("failure", partial(_are, told, times))
            opened.until("end", lambda: not opened.is_answering)
        last = views(opened)[-1].message
        if n_words == 1:
            assert (opened.notice, last.state, last.error) == ("", MessageState.FAILED, why)
        else:
            assert (opened.notice, last.text) == (why, "Un")
        assert told == [why, why]  # each time once
        away.rename(other)
        buttons = opened.window.findChildren(QPushButton)
        (again,) = [each for each in buttons if each.text() == "Try again" and each.isVisible()]
        again.click()
        opened.until("answer", lambda: views(opened)[-1].message.text not in ("", "Un"))
        opened.until("end", lambda: not opened.is_answering)
        navigator = views(opened)[-1].navigator
        assert navigator is not None
        assert "2/2" in [each.text().replace(" ", "") for each in navigator.findChildren(QLabel)]
        assert opened.notice == ""


def _are(told: list[str | None], times: int) -> bool:
    return len(told) == times
