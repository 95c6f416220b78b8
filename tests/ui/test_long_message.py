"""A message that no context can hold is not sent: it stays where it can be shortened."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.app.model_actions import ModelPhase, ModelState
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths, path_of
from minerva_desktop.settings import Settings, SettingsFile
from minerva_desktop.ui.composer import Composer
from minerva_desktop.ui.prompt_room import PromptRoom
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def is_idle(opened: OpenWindow) -> bool:
    room = opened.window.findChild(PromptRoom)
    assert isinstance(room, PromptRoom)
    return not room._held


def is_told(opened: OpenWindow, words: str) -> bool:
    return words in opened.notice


def test_a_message_longer_than_the_context_stays_in_the_composer(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    paths = app_paths()
    paths.create()
    sampling = SamplingParameters(max_tokens=2)
    SettingsFile(paths.settings).save(Settings(n_ctx=256, sampling=sampling))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        picker = opened.window.header.picker
        assert picker.current is not None
        picker.selected.emit(picker.current.path)
        opened.until("model", opened.part(QToolButton, "ejectButton").isEnabled)
        composer = opened.window.findChildren(Composer)[0]
        too_long = "word " * 3000
        composer.set_text(too_long)
        opened.press(Qt.Key.Key_Return)
        opened.until("notice", lambda: "was not sent: it takes 3," in opened.notice)
        assert "the context of small has 256. Shorten it, or" in opened.notice
        assert composer.text == too_long
        assert "word" not in opened.transcript
        # As if it had been loaded beside another one: that is told where it explains anything.
        path = path_of(picker.current.path)
        way = "has 256, because others held memory when it was loaded: alone it gets 8,192. Eject"
        for alone, told in ((8192, way), (3000, "has 256. Shorten it, or")):
            opened.tell_of_model(ModelState(path, ModelPhase.READY, n_ctx=256, n_ctx_alone=alone))
            opened.until("end of the count", partial(is_idle, opened))  # or Enter asks for nothing
            opened.press(Qt.Key.Key_Return)
            opened.until(told, partial(is_told, opened, told))
        composer.set_text("")
        assert opened.notice == ""  # nothing is too long any more
        shorter = "word " * 60  # more bytes than the context has tokens, and it fits
        composer.set_text(shorter)
        opened.until("end of the count", partial(is_idle, opened))
        opened.press(Qt.Key.Key_Return)
        opened.until("message", lambda: "word word" in opened.transcript)
        assert (composer.text, opened.notice) == ("", "")
        opened.until("answer", lambda: opened.speed != "")
