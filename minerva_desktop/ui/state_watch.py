"""Tells that the states of chats on disk changed: engines save them when they have nothing else to
do, and delete the oldest. Main thread."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal, Slot

from minerva_desktop.errors import os_reason

QUIET_MS = 300  # a state is written in many pieces

_log = logging.getLogger(__name__)


class StateWatch(QObject):
    """``changed``: a file came or went; told once it is quiet."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._watcher: QFileSystemWatcher | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self._on_quiet)

    def begin(self, folder: Path) -> None:
        """Watch ``folder``, which is made, and the folders in it."""
        if self._watcher is not None:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:  # then nothing is saved there either
            _log.info("The states of chats are not watched: %s", os_reason(error))
            return
        self._folder = folder
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._on_changed)
        self._watch_all()

    def _watch_all(self) -> None:
        if self._folder is not None and self._watcher is not None:
            folders = [self._folder, *(each for each in self._folder.glob("*") if each.is_dir())]
            known = set(self._watcher.directories())
            fresh = [str(each) for each in folders if str(each) not in known]
            if fresh:
                self._watcher.addPaths(fresh)

    @Slot(str)
    def _on_changed(self, _folder: str) -> None:
        self._timer.start()

    @Slot()
    def _on_quiet(self) -> None:
        self._watch_all()
        self.changed.emit()
