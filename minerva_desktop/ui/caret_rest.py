"""The text cursor stops blinking when nobody has typed for a while.

Each blink paints the field anew: 1 ms of work twice a second, most of what an idle window does
(**measured**: 0.20 of 0.26 % of a core), and as often a wake-up for a laptop that would sleep.
GTK's fields stop after the same time (``gtk-cursor-blink-timeout``).
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QStyleHints

REST_MS = 10_000


class CaretRest(QObject):
    """Lets the cursors of all text fields rest. Main thread."""

    def __init__(
        self, hints: QStyleHints, parent: QObject | None = None, *, rest_ms: int = REST_MS
    ) -> None:
        """``hints`` are the application's."""
        super().__init__(parent)
        self._hints = hints
        self._flash_ms = hints.cursorFlashTime()  # 0: the user wants no blinking
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(rest_ms)
        self._timer.timeout.connect(self._rest)

    @Slot()
    def wake(self) -> None:
        """To be called when somebody types or goes elsewhere: cursors blink again."""
        if not self._timer.isActive():
            self._hints.setCursorFlashTime(self._flash_ms)
        self._timer.start()

    @Slot()
    def _rest(self) -> None:
        self._hints.setCursorFlashTime(0)
