"""A window lies within its screen, whatever was remembered."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, QSize
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import DEFAULT_SIZE, MINIMUM_SIZE, TITLE_BAR, MainWindow, fitted

SMALL = QRect(0, 24, 700, 426)  # 1400 by 900 px at scale 2, less a panel


@pytest.fixture
def window(qtbot: QtBot, icons: Icons) -> MainWindow:
    """A window of somebody who starts the app for the first time."""
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    return window


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (QRect(100, 80, 560, 300), QRect(100, 80, 560, 300)),
        (QRect(0, 0, 1120, 760), SMALL),
        (QRect(400, 300, 600, 400), QRect(100, 50, 600, 400)),
        (QRect(-900, -500, 600, 400), QRect(0, 24, 600, 400)),
    ],
)
def test_fitted(place: QRect, expected: QRect) -> None:
    assert fitted(place, SMALL) == expected


def test_a_window_of_a_larger_screen_comes_back_within_this_one(
    qtbot: QtBot, icons: Icons, window: MainWindow
) -> None:
    available = QApplication.primaryScreen().availableGeometry()
    window.setGeometry(QRect(available.bottomRight(), available.size() + QSize(500, 500)))
    again = MainWindow(icons, window.remembered(Settings()))
    qtbot.addWidget(again)
    assert available.contains(again.geometry())
    assert again.geometry().top() > available.top()  # so that its title bar can be reached


def test_a_new_window_leaves_its_screen_room_for_a_title_bar(
    qtbot: QtBot, window: MainWindow
) -> None:
    available = QApplication.primaryScreen().availableGeometry()
    room = available.size() - QSize(0, TITLE_BAR)
    assert window.size() == QSize(*DEFAULT_SIZE).boundedTo(room)
    assert window.minimumSize() == QSize(*MINIMUM_SIZE).boundedTo(room)
    with qtbot.waitExposed(window):
        window.show()
    assert window.frameGeometry().height() <= available.height()


def test_a_window_as_high_as_its_screen_keeps_its_height(
    qtbot: QtBot, icons: Icons, window: MainWindow
) -> None:
    available = QApplication.primaryScreen().availableGeometry()
    low_title_bar = available.adjusted(10, 28, -10, -2)
    window.setGeometry(low_title_bar)
    again = MainWindow(icons, window.remembered(Settings()))
    qtbot.addWidget(again)
    assert again.geometry() == low_title_bar
