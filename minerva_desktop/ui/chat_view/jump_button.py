"""The round button that leads back to the end of the transcript. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import GRID

DIAMETER = 36  # px
MARGIN = 4  # px around it, for its shadow
ICON = 18
EDGE = 0.75  # of the way from a border's colour to a sign's
HOVER = 0.1  # from the ground's to the text's


class JumpButton(QAbstractButton):
    """Floats over the transcript while its end is out of sight. It is a child of what scrolls, and
    moved back with each step: Qt would paint everything anew at each step under another widget."""

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons = icons
        side = DIAMETER + 2 * MARGIN
        self.setFixedSize(side, side)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setObjectName("jumpButton")
        self.setAccessibleName("Jump to the latest message")
        self.setToolTip(plain_tip("Jump to the latest message"))
        self.hide()

    def show_above(self, centre: int, bottom: int, *, visible: bool) -> None:
        """Be in the middle of ``centre``, a little above ``bottom``, px of the parent."""
        self.move(centre - self.width() // 2, bottom - self.height() - 2 * GRID)
        self.setVisible(visible)
        if visible:
            self.raise_()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._icons.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        circle = QRectF(MARGIN, MARGIN, DIAMETER, DIAMETER)
        painter.setPen(Qt.PenStyle.NoPen)
        for spread in range(MARGIN, 0, -1):
            painter.setBrush(QColor(0, 0, 0, 8))
            painter.drawEllipse(circle.adjusted(-spread, 1 - spread, spread, spread))
        # It stands off from all that scrolls beneath: in the dark, boxes of code are as bright as
        # surfaces are.
        ground = theme.selected if theme.dark and not theme.vivid else theme.surface
        edge = mix(theme.border, theme.muted, EDGE)
        width = 2.0 if self.hasFocus() else 1.0
        painter.setPen(QPen(QColor(theme.accent if self.hasFocus() else edge), width))
        painter.setBrush(QColor(mix(ground, theme.text, HOVER) if self.underMouse() else ground))
        painter.drawEllipse(circle.adjusted(width / 2, width / 2, -width / 2, -width / 2))
        inset = (DIAMETER - ICON) / 2
        icon = circle.adjusted(inset, inset, -inset, -inset)
        self._icons.paint(painter, "chevron-down", icon, "text")
