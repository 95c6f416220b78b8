"""The app's file is replaced while its window is open, as by the update of a package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.notification_bar import NotificationBar
from minerva_desktop.ui.replaced_app import NOTICE, REMOVED, REPLACED, ReplacedApp

ACTIVE = Qt.ApplicationState.ApplicationActive
INACTIVE = Qt.ApplicationState.ApplicationInactive


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    executable = tmp_path / "minerva-desktop"
    executable.write_text("one version")
    return executable


@pytest.fixture
def bar(qtbot: QtBot, icons: Icons) -> NotificationBar:
    bar = NotificationBar(icons)
    qtbot.addWidget(bar)
    return bar


@pytest.fixture
def watcher(
    executable: Path, bar: NotificationBar, dressed_app: QApplication
) -> Iterator[ReplacedApp]:
    watcher = ReplacedApp(executable, bar, dressed_app)
    yield watcher
    dressed_app.applicationStateChanged.disconnect(watcher._on_state)
    watcher.deleteLater()


def told(bar: NotificationBar, qt: QApplication, state: Qt.ApplicationState = ACTIVE) -> str:
    """What the window says after the change to ``state``."""
    qt.applicationStateChanged.emit(state)
    return bar.shown.text if bar.shown else ""


@pytest.mark.usefixtures("watcher")
def test_a_window_whose_app_was_replaced_says_so_once(
    bar: NotificationBar, dressed_app: QApplication, executable: Path
) -> None:
    assert told(bar, dressed_app) == ""
    executable.unlink()
    assert told(bar, dressed_app, INACTIVE) == ""
    assert told(bar, dressed_app) == REMOVED
    executable.write_text("another one")
    assert told(bar, dressed_app) == REPLACED
    bar.dismiss(NOTICE)
    assert told(bar, dressed_app) == ""  # the person knows


@pytest.mark.usefixtures("watcher")
def test_a_window_whose_app_came_back_takes_its_words_back(
    bar: NotificationBar, dressed_app: QApplication, executable: Path
) -> None:
    kept = executable.rename(executable.with_name("kept"))
    assert told(bar, dressed_app) == REMOVED
    kept.rename(executable)
    assert told(bar, dressed_app) == ""
