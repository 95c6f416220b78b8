"""`python scripts/bench_ui_start.py`: starts the app as a person does and tells when it takes keys.

`bench_ui` runs it as a process of its own. It prints the clock (`time.monotonic`, which all
processes share) when a key that was pressed stands in the composer, and then leaves the app
running for the one who measures it at rest.
"""
# ruff: noqa: E402 - what the window imports depends on what was called before

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from minerva_desktop.ui.import_scan import stop_import_scan
from minerva_desktop.ui.lean_asyncio import import_asyncio

# As `__main__` does, before anything of the window is imported.
stop_import_scan()
import_asyncio()

from PySide6.QtCore import QEvent, Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from minerva_desktop import __main__ as minerva
from minerva_desktop.ui import application

KEY = "x"


class WatchedApplication(application.Application):
    """The app's own, and a person who presses a key as soon as the window takes it."""

    def start(self) -> None:
        """Show the window, as always, and begin to press."""
        super().start()
        self.window.activateWindow()  # what a window manager does with a new window
        self._presses = QTimer(self)
        self._presses.timeout.connect(self._press)
        self._presses.start(1)

    @Slot()
    def _press(self) -> None:
        focused = QApplication.focusWidget()
        handle = self.window.windowHandle()
        if focused is None or not handle.isExposed() or not self.window.isActiveWindow():
            return
        self._presses.stop()
        no_keys = Qt.KeyboardModifier.NoModifier
        press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_X, no_keys, KEY)
        QApplication.sendEvent(focused, press)
        if self.window.composer.text != KEY:
            raise RuntimeError("the composer did not take a key")
        self.window.composer.repaint()
        print(time.monotonic(), flush=True)


if __name__ == "__main__":
    # `run_window` builds what has this name in its module.
    application.Application = WatchedApplication  # type: ignore[misc]
    sys.exit(minerva.main([]))
