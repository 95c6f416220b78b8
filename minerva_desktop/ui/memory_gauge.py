"""How much memory is in use, and by whom: a line of text and a bar in three parts.

Sits in the status bar; the main window feeds it. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.formats import UNKNOWN, format_used
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import GRID, ThemeSource
from minerva_desktop.units import format_bytes

BAR_WIDTH = 96  # px
BAR_HEIGHT = 6
MAX_LABEL_WIDTH = 160


class MemoryGauge(QWidget):
    """All amounts are bytes; None is "not known" and is said so, never drawn as 0."""

    def __init__(self, themes: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self._total: int | None = None
        self._models: int | None = None
        self._others: int | None = None
        self._free: int | None = None
        self._label = "Memory"
        self._said: list[str] = []
        self._compact = False
        self.setObjectName("memoryGauge")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_snapshot(None, None, None, None)

    @property
    def text(self) -> str:
        """``Memory 1.2 of 24 GB``."""
        used = self._used()
        if used is None or self._total is None:
            return f"{self._label} {UNKNOWN}"
        return f"{self._label} {format_used(used, self._total)}"

    def set_snapshot(
        self,
        total: int | None,
        models: int | None,
        others: int | None,
        free: int | None,
        label: str = "Memory",
        detail: str = "",
    ) -> None:
        """Show a measurement. ``label`` names the memory, such as the GPU's name; ``detail`` is
        added to the tool tip."""
        if others is None and None not in (total, models, free):
            others = max(0, (total or 0) - (models or 0) - (free or 0))
        self._total, self._models, self._others = total, models, others
        self._free = free
        self._label = " ".join(label.split()) or "Memory"
        lines = [
            f"{self._label}: {_amount(total)} in all",
            f"Models of this app: {_amount(models)}",
            f"Other programs: {_amount(others)}",
            f"Free: {_amount(free)}",
        ]
        if detail:
            lines.append(detail)
        # A measurement comes every few seconds for as long as the app is open and mostly reads like
        # the last one. What reads the same looks the same in a bar of 96 pixels, or nearly so.
        if lines == self._said:
            return
        self._said = lines
        self.setAccessibleName(self.text)
        self.setAccessibleDescription(". ".join(lines))
        self.setToolTip(plain_tip("\n".join(lines)))
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Leave out the label; the tool tip keeps it."""
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        shown = self._shown_text()
        width = min(self.fontMetrics().horizontalAdvance(shown), self._max_text_width())
        return QSize(width + 2 + 2 * GRID + BAR_WIDTH, self.fontMetrics().height() + GRID)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._themes.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = self.width() - BAR_WIDTH - 2 * GRID
        text = self.fontMetrics().elidedText(self._shown_text(), Qt.TextElideMode.ElideMiddle, room)
        painter.setPen(QColor(theme.muted))
        area = QRectF(0, 0, room, self.height())
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), text)
        bar = QRectF(
            self.width() - BAR_WIDTH, (self.height() - BAR_HEIGHT) / 2, BAR_WIDTH, BAR_HEIGHT
        )
        rounded = QPainterPath()
        rounded.addRoundedRect(bar, BAR_HEIGHT / 2, BAR_HEIGHT / 2)
        painter.setClipPath(rounded)
        painter.fillRect(bar, QColor(mix(theme.border, theme.muted, 0.1)))
        left = bar.left()
        for amount, colour in ((self._models, theme.accent), (self._others, theme.muted)):
            width = self._share(amount) * BAR_WIDTH
            painter.fillRect(QRectF(left, bar.top(), width, BAR_HEIGHT), QColor(colour))
            # A hairline keeps neighbours apart for eyes that don't see the colours.
            left += width + (1 if width else 0)

    def _shown_text(self) -> str:
        return self.text.removeprefix(f"{self._label} ") if self._compact else self.text

    def _max_text_width(self) -> int:
        numbers = self.text[len(self._label) :]
        return MAX_LABEL_WIDTH + self.fontMetrics().horizontalAdvance(numbers)

    def _used(self) -> int | None:
        if self._models is not None and self._others is not None:
            return self._models + self._others
        if self._total is not None and self._free is not None:
            return max(0, self._total - self._free)
        return None

    def _share(self, amount: int | None) -> float:
        return min(1.0, amount / self._total) if amount is not None and self._total else 0.0


def _amount(size: int | None) -> str:
    return "not known" if size is None else format_bytes(size)
