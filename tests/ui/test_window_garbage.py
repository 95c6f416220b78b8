"""Python's garbage collector runs in whatever thread allocates, the engine's too. A Qt object of
the window that dies there takes its timers' event loop, and with it the app, down."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QObject, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.garbage import MainThreadGarbage
from tests.ui.open_window import OpenWindow

# What the offscreen platform says about popups and dialogs.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@contextmanager
def kept_garbage() -> Iterator[list[object]]:
    """What only the collector can free of all that the block left behind; filled at its end."""
    garbage: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield garbage
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        garbage += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_no_living_qt_object_is_left_to_the_garbage_collector(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened, kept_garbage() as garbage:
        opened.drop(Path("/does/not/exist.gguf"))
        opened.until("notice", lambda: opened.notice != "")
        opened.window.notifications.dismiss(opened.notice)
        opened.send("Hello")
        opened.until("answer", lambda: opened.speed != "")
        opened.press(Qt.Key.Key_Escape)
        opened.until("end of the answer", lambda: not opened.is_answering)
        opened.window.header.picker.open_list()
        QTest.keyClick(opened.part(QWidget, "pickerFilter"), Qt.Key.Key_Escape)
        button = opened.part(QToolButton, "settingsActionButton")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        QTest.keyClick(opened.part(QWidget, "settingsDialog"), Qt.Key.Key_Escape)
        gone = "settingsDialog"
        opened.until("end of it", lambda: opened.window.findChild(QWidget, gone) is None)
        opened.window.sidebar.new_chat.emit()
    living = [
        type(each).__name__
        for each in garbage
        if isinstance(each, QObject) and shiboken6.isValid(each) and shiboken6.ownedByPython(each)
    ]
    assert not living


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("freezes", [True, False])
def test_what_is_alive_at_the_start_is_frozen_until_the_stop_or_stays_as_it_is(
    freezes: bool,
) -> None:
    n_before = gc.get_freeze_count()
    garbage = MainThreadGarbage(freezes=freezes)
    garbage.start()
    n_started, is_enabled = gc.get_freeze_count(), gc.isenabled()
    garbage.stop()
    n_stopped = gc.get_freeze_count()
    if freezes:
        gc.freeze()  # as tests/conftest.py left it
    assert (n_started > n_before, is_enabled) == (freezes, False)
    assert (n_stopped == 0, gc.isenabled()) == (freezes, True)
