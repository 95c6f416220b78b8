"""The button that copies a message or a block of code, and says that it did. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QPaintEvent
from PySide6.QtWidgets import QToolButton, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons

SIZE = 28  # px
ICON = 16  # px
DONE_MS = 1_500


class CopyButton(QToolButton):
    """Puts what ``source`` returns when it is clicked on the clipboard, as plain text.

    A ``quiet`` one is seen only while the pointer is over its parent or the focus on itself.
    """

    def __init__(
        self,
        icons: Icons,
        label: str,
        source: Callable[[], str],
        parent: QWidget,
        *,
        quiet: bool = False,
    ) -> None:
        super().__init__(parent)
        self._seen_with = parent if quiet else None
        self._copy = icons.icon("copy", "muted")
        self._done = icons.icon("check", "success")
        self._label = label
        self._source = source
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DONE_MS)
        self._timer.timeout.connect(self._reset)
        self.setIconSize(QSize(ICON, ICON))
        self.setFixedSize(SIZE, SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.clicked.connect(self._on_clicked)
        self._reset()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._seen_with is None or self.hasFocus() or self._seen_with.underMouse():
            super().paintEvent(event)

    @Slot()
    def _on_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self._source())
        self.setIcon(self._done)
        self.setAccessibleName("Copied")
        self.setToolTip(plain_tip("Copied"))
        self._timer.start()

    @Slot()
    def _reset(self) -> None:
        self.setIcon(self._copy)
        self.setAccessibleName(self._label)
        self.setToolTip(plain_tip(self._label))
