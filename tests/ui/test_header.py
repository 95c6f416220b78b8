"""Load progress and eject."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QProgressBar, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.header import Header
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import PickerItem
from tests.ui.parts import part


@pytest.fixture
def header(qtbot: QtBot, icons: Icons) -> Header:
    action = QAction(icons.icon("settings"), "Settings")
    action.setObjectName("settingsAction")
    header = Header(icons, trailing=[action])
    action.setParent(header)
    qtbot.addWidget(header)
    header.resize(700, header.height())
    with qtbot.waitExposed(header):
        header.show()
    return header


def test_progress_is_shown_only_while_loading(qtbot: QtBot, header: Header) -> None:
    bar = part(header, QProgressBar, "loadProgress")
    assert not bar.isVisible()
    header.show_progress(0.424)
    assert bar.isVisible()
    assert bar.value() == 42
    with qtbot.waitSignal(header.cancel_requested):
        QTest.mouseClick(part(header, QPushButton, "cancelLoadButton"), Qt.MouseButton.LeftButton)
    header.hide_progress()
    assert not bar.isVisible()


@pytest.mark.parametrize(("fraction", "percent"), [(-0.1, 0), (0.0, 0), (1.0, 100), (1.7, 100)])
def test_progress_stays_within_the_bar(header: Header, fraction: float, percent: int) -> None:
    header.show_progress(fraction)
    assert part(header, QProgressBar, "loadProgress").value() == percent


def test_eject_is_offered_only_while_a_model_is_loaded(qtbot: QtBot, header: Header) -> None:
    eject = part(header, QToolButton, "ejectButton")
    assert not eject.isEnabled()
    header.set_can_eject(True)
    with qtbot.waitSignal(header.eject_requested):
        QTest.mouseClick(eject, Qt.MouseButton.LeftButton)


def test_actions_become_named_buttons(qtbot: QtBot, header: Header) -> None:
    button = part(header, QToolButton, "settingsActionButton")
    assert button.accessibleName() == "Settings"
    with qtbot.waitSignal(button.defaultAction().triggered):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_cancel_has_its_room_in_a_narrow_window(header: Header) -> None:
    header.picker.set_models([PickerItem("/m/long.gguf", "A model with a very long name " * 9)])
    header.picker.set_current("/m/long.gguf")
    cancel = part(header, QPushButton, "cancelLoadButton")
    settings = part(header, QToolButton, "settingsActionButton")
    eject = part(header, QToolButton, "ejectButton")
    for width in (700, 360):
        header.resize(width, header.height())
        header.show_progress(0.9)
        QApplication.processEvents()
        assert cancel.width() >= cancel.sizeHint().width()
        right = cancel.mapTo(header, cancel.rect().topRight()).x()
        assert right < settings.x()
        assert not eject.isVisible()
        header.hide_progress()
        assert eject.isVisible()


def test_load_options_need_a_model(header: Header) -> None:
    options = part(header, QToolButton, "modelOptionsButton")
    assert options.isEnabled()
    header.set_can_configure(False)
    assert not options.isEnabled()
