"""A window lies within its screen, whatever was remembered."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, QSize
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow, fitted

SMALL = QRect(0, 24, 700, 426)  # 1400 by 900 px at scale 2, less a panel


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


def test_a_window_of_a_larger_screen_comes_back_within_this_one(qtbot: QtBot, icons: Icons) -> None:
    available = QApplication.primaryScreen().availableGeometry()
    window = MainWindow(icons, Settings())
    qtbot.addWidget(window)
    assert window.size() == window.size().boundedTo(available.size())
    window.setGeometry(QRect(available.bottomRight(), available.size() + QSize(500, 500)))
    again = MainWindow(icons, window.remembered(Settings()))
    qtbot.addWidget(again)
    assert available.contains(again.geometry())
