"""What a middle click pastes, on systems that have that (X11, Wayland): what the pointer selected
last. Main thread.

Qt asks for it within the release of the button, where that of 60 messages held the window up for 13
to 22 ms. So nothing is said then, and all of it a little later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from PySide6.QtCore import QMimeData, QObject, QTimer, Slot
from PySide6.QtGui import QClipboard, QGuiApplication

from minerva_desktop.ui.chat_view.rich_data import SLICE_SECONDS


class PointerClipboard(QObject):
    """Lives as long as ``parent``. ``steps`` begins to make the data, and comes to None until it is
    whole, or to nothing at all."""

    def __init__(self, steps: Callable[[], Iterator[QMimeData | None]], parent: QObject) -> None:
        super().__init__(parent)
        self._steps = steps
        self._rest: Iterator[QMimeData | None] = iter(())
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._go_on)

    def begin(self) -> None:
        """Offer what is selected now; nothing changes where that is nothing."""
        if QGuiApplication.clipboard().supportsSelection():
            self._rest = self._steps()
            self._timer.start()

    def stop(self) -> None:
        """What was to be offered is selected no longer."""
        self._timer.stop()
        self._rest = iter(())

    @Slot()
    def _go_on(self) -> None:
        deadline = time.thread_time() + SLICE_SECONDS
        for made in self._rest:
            if made is not None:
                QGuiApplication.clipboard().setMimeData(made, QClipboard.Mode.Selection)
            if time.thread_time() > deadline:
                return
        self.stop()
