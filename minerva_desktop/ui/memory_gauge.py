"""How much memory is in use, and by whom: a line of text, and a bar with a segment for each loaded
model, one for other programs, and what is free.

Sits in the status bar; `memory_controller` feeds it, and a click opens the panel of loaded models.
Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.formats import UNKNOWN, format_used
from minerva_desktop.ui.memory_shares import ModelShare, bar_widths, paint_bar
from minerva_desktop.ui.theme import GRID, ThemeSource
from minerva_desktop.units import format_bytes

BAR_WIDTH = 96  # px
BAR_HEIGHT = 6
MAX_LABEL_WIDTH = 160


class MemoryGauge(QAbstractButton):
    """All amounts are bytes; None is "not known" and is said so, never drawn as 0."""

    def __init__(self, themes: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self._total: int | None = None
        self._models: int | None = None
        self._others: int | None = None
        self._free: int | None = None
        self._label = "Memory"
        self._shares: tuple[ModelShare, ...] = ()
        self._said: list[str] = []
        self._compact = False
        self.setObjectName("memoryGauge")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_snapshot(None, None, None, None)

    @property
    def summary(self) -> str:
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
        shares: Sequence[ModelShare] = (),
    ) -> None:
        """Show a measurement. ``label`` names the memory, such as the GPU's name; ``detail`` is
        added to the tool tip, and so is what each of ``shares``, the loaded models, holds."""
        if others is None and None not in (total, models, free):
            others = max(0, (total or 0) - (models or 0) - (free or 0))
        self._total, self._models, self._others = total, models, others
        self._free = free
        self._label = " ".join(label.split()) or "Memory"
        lines = [
            f"{self._label}: {_amount(total)} in all",
            f"Models of this app: {_amount(models)}",
            *(share.text for share in shares),
            f"Other programs: {_amount(others)}",
            f"Free: {_amount(free)}",
        ]
        if detail:
            lines.append(detail)
        # A measurement comes every few seconds for as long as the app is open and mostly reads like
        # the last one. What reads the same looks the same in a bar of 96 pixels, or nearly so.
        slots_stay = [s.slot for s in shares] == [s.slot for s in self._shares]
        self._shares = tuple(shares)
        if lines == self._said and slots_stay:
            return
        self._said = lines
        self.setAccessibleName(self.summary)
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

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

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
        widths = bar_widths(theme, self._total, self._models, self._others, self._shares)
        paint_bar(painter, bar, theme, widths)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QColor(theme.accent if self.hasFocus() else theme.muted))
            painter.drawRoundedRect(bar.adjusted(-1.5, -2.5, 0.5, 2.5), 5, 5)

    def _shown_text(self) -> str:
        return self.summary.removeprefix(f"{self._label} ") if self._compact else self.summary

    def _max_text_width(self) -> int:
        numbers = self.summary[len(self._label) :]
        return MAX_LABEL_WIDTH + self.fontMetrics().horizontalAdvance(numbers)

    def _used(self) -> int | None:
        if self._models is not None and self._others is not None:
            return self._models + self._others
        if self._total is not None and self._free is not None:
            return max(0, self._total - self._free)
        return None


def _amount(size: int | None) -> str:
    return "not known" if size is None else format_bytes(size)
