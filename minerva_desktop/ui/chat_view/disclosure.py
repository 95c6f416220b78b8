"""The heading over a folded text: what is folded there, and a chevron. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

HEIGHT = 7 * GRID  # px
PADDING = 2 * GRID  # px left and right of what it says
ICON = 16  # px
GAP = 6  # px between icon and words
RADIUS = 8

FOLDED, SHOWN = "Folded", "Shown below"  # what a screen reader says of it


class Disclosure(QAbstractButton):
    """Checked while the text below is shown. ``toggled`` says that this changed, ``clicked`` that
    a person did it: with the pointer, Space or Enter."""

    def __init__(self, icons: Icons, parent: QWidget, icon: str = "") -> None:
        """``icon``: the name of the one before the words; none if empty."""
        super().__init__(parent)
        self._icons = icons
        self._icon = icon
        self.setObjectName("disclosure")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def set_words(self, words: str, spoken: str = "") -> None:
        """Say ``words``; a screen reader says ``spoken``, if that is another thing."""
        self.setText(words)
        name = spoken or words
        if name != self.accessibleName():
            self.setAccessibleName(name)

    def fit(self, limit: int) -> None:
        """Take the width that the words need, at most ``limit`` px."""
        self.resize(min(self.sizeHint().width(), limit), HEIGHT)

    def sizeHint(self) -> QSize:
        words = self.fontMetrics().horizontalAdvance(self.text()) + 1
        return QSize(self._words_left() + words + self._chevron_room() + PADDING, HEIGHT)

    def _words_left(self) -> int:
        return PADDING + (ICON + GAP if self._icon else 0)

    def _chevron_room(self) -> int:
        return ICON + GRID if self.isEnabled() else 0

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme, painter = self._icons.theme, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_lit = self.isEnabled() and self.underMouse()
        edge = QPen(QColor(theme.accent)) if self.hasFocus() else QPen(Qt.PenStyle.NoPen)
        painter.setPen(edge)
        painter.setBrush(QColor(theme.hover) if is_lit else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        top = (HEIGHT - ICON) / 2
        if self._icon:
            self._icons.paint(painter, self._icon, QRectF(PADDING, top, ICON, ICON), "muted")
        left = self._words_left()
        room = self.width() - left - self._chevron_room() - PADDING
        words = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        painter.setPen(QColor(theme.text if is_lit else theme.muted))
        painter.drawText(QRectF(left, 0, room, HEIGHT), int(Qt.AlignmentFlag.AlignVCenter), words)
        if self.isEnabled():
            chevron = "chevron-down" if self.isChecked() else "chevron-right"
            right = self.width() - PADDING - ICON
            self._icons.paint(painter, chevron, QRectF(right, top, ICON, ICON), "muted")

    @Slot(bool)
    def _on_toggled(self, is_shown: bool) -> None:
        self.setAccessibleDescription(SHOWN if is_shown else FOLDED)
