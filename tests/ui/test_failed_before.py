"""Answers that failed before the app was started: they still offer what helps."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.message import MessageState
from minerva_desktop.errors import ContextLimitExceeded, InvalidRequest, ModelLoadError, OutOfMemory
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
TOO_LARGE = Failure(OutOfMemory.code, is_of_budget=True)
FAILED = (
    (Failure(ContextLimitExceeded.code), "small.gguf", {OPTIONS}),
    (Failure(InvalidRequest.code, "rope.scaling"), "small.gguf", {OPTIONS}),
    (Failure(InvalidRequest.code, "messages"), "small.gguf", {OPTIONS}),  # by the own template
    (Failure(InvalidRequest.code, "stop"), "small.gguf", set[str]()),
    (TOO_LARGE, "small.gguf", {ANYWAY, OPTIONS}),
    (TOO_LARGE, "gone.gguf", set[str]()),
    (Failure(ModelLoadError.code, "chat_template"), "gone.gguf", {OTHERS}),
    (None, "small.gguf", set[str]()),  # by an older version
)


def offers(view: MessageView) -> set[str]:
    """The buttons beneath an answer, but for the one that every failed one has."""
    ways = {OPTIONS, ANYWAY, OTHERS, "Details"}
    shown = {each.text() for each in view.findChildren(QPushButton) if each.isVisible()}
    return shown & ways


def test_what_helped_before_a_restart_is_offered_after_it(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog, small_path: Path
) -> None:
    """But for what needs a model that is gone."""
    chat = make_conversation(*("Why?", "Well.") * len(FAILED), title="Failed")
    for message, (failure, model, _) in zip(list(chat)[1::2], FAILED, strict=True):
        failed = replace(message, state=MessageState.FAILED, error="No.", failure=failure)
        chat.replace(replace(failed, model=model))
    on_disk(chat)
    own = {path_text(small_path): ModelOverrides(chat_template="{{ messages }}")}
    SettingsFile(app_paths().settings).save(Settings(models=own))
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        open_chat(opened, "Failed", "Well.")
        answers = views(opened)[1::2]
        assert [offers(each) for each in answers] == [ways for _, _, ways in FAILED]
        click(answers[0], OPTIONS)
        opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
        opened.part(ModelOptionsDialog, "modelOptionsDialog").reject()
