"""The button that copies a message or a block of code, and says that it did. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QToolButton, QWidget

from minerva_desktop.chat.visible_text import clean_source
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons

SIZE = 28  # px
ICON = 16  # px
DONE_MS = 1_500


class CopyButton(QToolButton):
    """Puts what ``source`` returns when it is clicked on the clipboard, as plain text, in which
    control characters are shown."""

    def __init__(
        self,
        icons: Icons,
        label: str,
        source: Callable[[], str],
        parent: QWidget,
        *,
        shortcut: str = "",
    ) -> None:
        """``shortcut`` is only named."""
        super().__init__(parent)
        self._tip = plain_tip(label, shortcut)
        self._copy = icons.icon("copy", "muted")
        self._done = icons.icon("check", "success")
        self._label = label
        self._source = source
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DONE_MS)
        self._timer.timeout.connect(self.reset)
        self.setIconSize(QSize(ICON, ICON))
        self.setFixedSize(SIZE, SIZE)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.clicked.connect(self._on_clicked)
        self.reset()

    @Slot()
    def _on_clicked(self) -> None:
        QGuiApplication.clipboard().setText(clean_source(self._source()))
        self.setIcon(self._done)
        self.setAccessibleName("Copied")
        self.setToolTip(plain_tip("Copied"))
        self._timer.start()

    @Slot()
    def reset(self) -> None:
        """Offer to copy again."""
        self._timer.stop()
        self.setIcon(self._copy)
        self.setAccessibleName(self._label)
        self.setToolTip(self._tip)
