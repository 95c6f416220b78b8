"""The side panels make room in a narrow window, and come back in a wide one."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import NARROW_WIDTH, MainWindow


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """A wide window with both panels."""
    window = MainWindow(icons, Settings(parameters_visible=True))
    qtbot.addWidget(window)
    window.resize(NARROW_WIDTH + 100, 500)
    with qtbot.waitExposed(window):
        window.show()
    assert panels(window) == (True, True)
    return window


def panels(window: MainWindow) -> tuple[bool, bool]:
    return window.sidebar.isVisible(), window.parameters.isVisible()


def resize(qtbot: QtBot, window: MainWindow, width: int) -> None:
    window.resize(width, 500)
    qtbot.waitUntil(lambda: window.width() == width)


def test_panels_that_made_room_come_back(qtbot: QtBot, window: MainWindow) -> None:
    resize(qtbot, window, NARROW_WIDTH - 1)
    assert panels(window) == (False, False)
    resize(qtbot, window, NARROW_WIDTH - 50)
    assert panels(window) == (False, False)
    resize(qtbot, window, NARROW_WIDTH)
    assert panels(window) == (True, True)


def test_what_was_closed_by_hand_stays_closed(qtbot: QtBot, window: MainWindow) -> None:
    window.parameters.toggle_action.trigger()
    resize(qtbot, window, NARROW_WIDTH - 1)
    resize(qtbot, window, NARROW_WIDTH)
    assert panels(window) == (True, False)


def test_what_made_room_is_there_after_a_restart_in_a_wide_window(
    qtbot: QtBot, window: MainWindow, icons: Icons
) -> None:
    resize(qtbot, window, NARROW_WIDTH - 1)
    kept = window.remembered(Settings())
    assert (kept.sidebar_visible, kept.parameters_visible) == (True, True)
    again = MainWindow(icons, kept)
    qtbot.addWidget(again)
    with qtbot.waitExposed(again):
        again.show()
    assert again.width() < NARROW_WIDTH  # less by as much as the screen lacks
    assert panels(again) == (False, False)
    resize(qtbot, again, NARROW_WIDTH)
    assert panels(again) == (True, True)


def test_what_is_closed_in_a_narrow_window_was_in_its_way_there(
    qtbot: QtBot, window: MainWindow
) -> None:
    resize(qtbot, window, NARROW_WIDTH - 1)
    window.sidebar.toggle_action.trigger()
    assert panels(window) == (True, False)
    window.sidebar.toggle_action.trigger()
    assert panels(window) == (False, False)
    kept = window.remembered(Settings())
    assert (kept.sidebar_visible, kept.parameters_visible) == (True, True)
    resize(qtbot, window, NARROW_WIDTH)
    assert panels(window) == (True, True)
    window.sidebar.toggle_action.trigger()  # in a wide one it is not wanted at all
    resize(qtbot, window, NARROW_WIDTH - 1)
    window.sidebar.focus_search()
    window.sidebar.toggle_action.trigger()
    resize(qtbot, window, NARROW_WIDTH)
    assert panels(window) == (False, True)
