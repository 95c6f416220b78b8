"""Tells when the app's own file was replaced or removed while the window is open: a package does
that when it is updated. Main thread.

The window goes on as it is, but what it starts from now on is of the new version: an engine then
refuses to work for it (`child_version`).
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QGuiApplication

from minerva_desktop.ui.notification_bar import Notice, NoticeKind, NotificationBar

NOTICE = "replaced-app"
REPLACED = (
    "Minerva was updated while it was open. Close it and open it again: until then, models may fail"
    " to load"
)
REMOVED = "Minerva was uninstalled while it was open. What it needs from now on may be missing"


class ReplacedApp(QObject):
    """Looks whenever the window gets the keyboard: whoever updates comes from another one."""

    def __init__(
        self, executable: Path, notifications: NotificationBar, qt: QGuiApplication
    ) -> None:
        super().__init__(qt)
        self._executable = executable
        self._notifications = notifications
        self._seen = self._began = _identity(executable)
        qt.applicationStateChanged.connect(self._on_state)

    @Slot(Qt.ApplicationState)
    def _on_state(self, state: Qt.ApplicationState) -> None:
        if state is not Qt.ApplicationState.ApplicationActive:
            return
        now = _identity(self._executable)
        if now == self._seen:
            return
        self._seen = now
        if now == self._began:
            self._notifications.dismiss(NOTICE)
        else:
            text = REMOVED if now is None else REPLACED
            self._notifications.show_notice(Notice(NoticeKind.WARNING, text, key=NOTICE))


def _identity(file: Path) -> tuple[int, int, int] | None:
    """What tells a file from another one of its name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
