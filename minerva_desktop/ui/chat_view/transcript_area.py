"""What of the transcript scrolls up and down, whatever is in it. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt, Slot
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QWidget

from minerva_desktop.ui.theme import GRID

FOLLOW_DISTANCE = 24  # px from the end that still count as the end


class TranscriptArea(QScrollArea):
    """Has no frame and no bar below; Tab goes to what is in it."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)  # the window shows through
        self.verticalScrollBar().setSingleStep(10 * GRID)

    @property
    def in_sight(self) -> QRect:
        """What of the content is."""
        return self.viewport().rect().translated(0, self.verticalScrollBar().value())

    @property
    def is_near_end(self) -> bool:
        """Whether next to nothing is below what is in sight."""
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - FOLLOW_DISTANCE

    @property
    def has_keyboard(self) -> bool:
        """Whether it is at something in here."""
        focused = QApplication.focusWidget()
        return focused is not None and self.viewport().isAncestorOf(focused)

    @Slot(QRect)
    def show_rect(self, rect: QRect) -> None:
        """Have ``rect`` of the content in sight."""
        for y in (rect.bottom(), rect.top()):
            self.ensureVisible(rect.center().x(), y, 0, 10 * GRID)

    @Slot(int)
    def scroll_by(self, by: int) -> None:
        """Go ``by`` px down."""
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + by)
