"""Answers that failed before the app was started: they still offer what helps."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.message import MessageState
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InvalidRequest,
    ModelLoadError,
    ModelNotFound,
    OutOfMemory,
)
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_text
from minerva_desktop.settings import ModelOverrides, Settings, SettingsFile
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import on_disk, open_chat, views
from tests.ui.test_refused_options import click

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

OPTIONS, ANYWAY, OTHERS = "Load options…", "Load anyway", "Choose another model"
DETAILS = "Details"
TOO_LARGE = Failure(OutOfMemory.code, is_of_budget=True)
FAILED = (
    (Failure(ContextLimitExceeded.code), "small.gguf", {OPTIONS}),
    (Failure(InvalidRequest.code, "rope.scaling"), "small.gguf", {OPTIONS}),
    (Failure(InvalidRequest.code, "messages"), "small.gguf", {OPTIONS}),  # by the own template
    (Failure(InvalidRequest.code, "stop"), "small.gguf", set[str]()),
    (TOO_LARGE, "small.gguf", {ANYWAY, OPTIONS}),
    (TOO_LARGE, "gone.gguf", set[str]()),
    (Failure(ModelLoadError.code, "chat_template"), "gone.gguf", {OTHERS}),
    (Failure("engine_died", detail="SIGSEGV"), "gone.gguf", {DETAILS}),
    (None, "small.gguf", set[str]()),  # by an older version
)
# What does not help any more once the model is loaded, with a context of 1,024 tokens.
MENDED = (
    Failure(ContextLimitExceeded.code, n_tokens=1024),
    Failure(InvalidRequest.code, "rope.scaling"),
    TOO_LARGE,
    Failure(ModelLoadError.code),
)
STILL_TOO_SHORT = Failure(ContextLimitExceeded.code, n_tokens=1025)


def offers(view: MessageView) -> set[str]:
    """The buttons beneath an answer, but for the one that every failed one has."""
    ways = {OPTIONS, ANYWAY, OTHERS, DETAILS}
    shown = {each.text() for each in view.findChildren(QPushButton) if each.isVisible()}
    return shown & ways


def failed_before(*failed: tuple[Failure | None, str]) -> None:
    """A chat on disk with answers that failed so, of these models."""
    chat = make_conversation(*("Why?", "Well.") * len(failed), title="Failed")
    for message, (failure, model) in zip(list(chat)[1::2], failed, strict=True):
        ended = replace(message, state=MessageState.FAILED, error="No.", failure=failure)
        chat.replace(replace(ended, model=model))
    on_disk(chat)


def test_what_helped_before_a_restart_is_offered_after_it(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, small_path: Path
) -> None:
    """But for what needs a model that is gone."""
    failed_before(*((failure, model) for failure, model, _ in FAILED))
    own = {path_text(small_path): ModelOverrides(chat_template="{{ messages }}")}
    SettingsFile(app_paths().settings).save(Settings(models=own))
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Failed", "Well.")
        answers = views(opened)[1::2]
        assert [offers(each) for each in answers] == [ways for _, _, ways in FAILED]
        click(answers[0], OPTIONS)
        opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
        opened.part(ModelOptionsDialog, "modelOptionsDialog").reject()
        click(answers[-2], DETAILS)
        details = opened.part(QPlainTextEdit, "noticeDetails")
        assert details.isVisible()  # without another click
        assert details.toPlainText() == "SIGSEGV"


def test_what_does_not_help_any_more_is_not_offered(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, small_path: Path
) -> None:
    """It was only ever added to."""
    other = small_path.with_name("other.gguf")
    asked = Failure(ModelNotFound.code)
    all_failed = (
        (asked, other.name),
        *((each, "small.gguf") for each in (*MENDED, STILL_TOO_SHORT)),
    )
    failed_before(*all_failed)
    SettingsFile(app_paths().settings).save(Settings(n_ctx=1024))
    shutil.copy(small_path, other)
    small_catalog.add(other)
    other.rename(other.with_suffix(".away"))
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Failed", "Well.")
        picker = opened.window.header.picker
        ways = [offers(each) for each in views(opened)[1::2]]
        assert ways == [{OTHERS}, {OPTIONS}, {OPTIONS}, {OPTIONS, ANYWAY}, {OTHERS}, {OPTIONS}]
        other.with_suffix(".away").rename(other)
        picker.open_list()  # where the files are looked at again
        opened.until("file", lambda: offers(views(opened)[1]) == set())
        picker.close_list()
        picker.selected.emit(path_text(small_path))
        opened.until("load", lambda: offers(views(opened)[3]) == set())
        ways = [offers(each) for each in views(opened)[1::2]]
        assert ways == [set(), set(), set(), set(), set(), {OPTIONS}]
