"""How much memory is in use, and by whom: a bar for each memory that models may be in, with a
segment for each loaded model, one for other programs, what is free, and a mark at the budget.

Where there is only the system's memory, that is one bar with its numbers; beside graphics cards,
each memory has a short one with its name. Sits in the status bar; `memory_controller` feeds it,
and a click opens the panel of loaded models. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from minerva_desktop.app.memory import UNKNOWN_MEMORY
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.memory_shares import DeviceShares, paint_bar
from minerva_desktop.ui.theme import GRID, ThemeSource

BAR_WIDTH = 96  # px, of a single one
SMALL_BAR_WIDTH = 56  # px, of one of several
BAR_HEIGHT = 6
BAR_GAP = 4 * GRID  # between two memories
MAX_LABEL_WIDTH = 160
UNKNOWN_SHARES = (DeviceShares(UNKNOWN_MEMORY.devices[0]),)


class GaugeForm(Enum):
    """How much of the gauge is shown, from all of it to the least that still tells something."""

    FULL = "full"  # names and numbers
    BARS = "bars"  # of several memories: their names, without numbers
    LEAST = "least"  # one memory: its numbers; of several: the fullest, by name


class MemoryGauge(QAbstractButton):
    """Bytes that are not known are said so, never drawn as 0."""

    def __init__(self, themes: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self._bars: list[DeviceBar] = []
        self._form = GaugeForm.FULL
        self._shares: tuple[DeviceShares, ...] = ()
        self.setObjectName("memoryGauge")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_shares(UNKNOWN_SHARES)

    @property
    def summary(self) -> str:
        """``Memory 1.2 of 24.0 GB``; of several memories all of them."""
        return ", ".join(bar.summary for bar in self._bars)

    def set_shares(self, shares: Sequence[DeviceShares]) -> None:
        """Show a measurement: each memory (at least one), and who holds it."""
        # One comes every few seconds for as long as the app is open and mostly reads like the last
        # one. What reads the same looks the same in a bar of 96 pixels, or nearly so.
        said, before = _said(shares), _said(self._shares)
        self._shares = tuple(shares)
        if said == before:
            return
        while len(self._bars) > len(shares):
            bar = self._bars.pop()
            bar.hide()
            bar.deleteLater()
        while len(self._bars) < len(shares):
            self._bars.append(DeviceBar(self._themes, self))
        for bar, each in zip(self._bars, shares, strict=True):
            bar.set_shares(each, is_alone=len(shares) == 1)
        lines = [line for each in shares for line in each.lines]
        self.setAccessibleName(self.summary)
        self.setAccessibleDescription(". ".join(lines))
        self.setToolTip(plain_tip("\n".join(lines)))
        self._place()

    def set_form(self, form: GaugeForm) -> None:
        """Show as much as there is room for; the tool tips keep the rest."""
        if form is not self._form:
            self._form = form
            self._place()

    def sizeHint(self) -> QSize:
        widths = [bar.sizeHint().width() for bar in self._shown()]
        width = sum(widths) + BAR_GAP * (len(widths) - 1)
        return QSize(width, self.fontMetrics().height() + GRID)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_bars()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The bars paint themselves."""

    def _place(self) -> None:
        for bar in self._bars:
            bar.set_form(self._form)
        self._place_bars()
        self.updateGeometry()
        self.update()

    def _place_bars(self) -> None:
        shown = self._shown()
        left = 0
        for bar in self._bars:
            bar.setVisible(bar in shown)
        for bar in shown:
            width = bar.sizeHint().width()
            bar.setGeometry(QRect(left, 0, width, self.height()))
            left += width + BAR_GAP

    def _shown(self) -> list[DeviceBar]:
        if self._form is GaugeForm.LEAST and len(self._bars) > 1:
            return [max(self._bars, key=lambda bar: bar.fullness)]
        return self._bars


class DeviceBar(QWidget):
    """One memory, inside the gauge, which takes its clicks."""

    def __init__(self, themes: ThemeSource, gauge: MemoryGauge) -> None:
        super().__init__(gauge)
        self._themes = themes
        self._gauge = gauge
        self._shares = UNKNOWN_SHARES[0]
        self._is_alone = True
        self._form = GaugeForm.FULL
        self.setObjectName("deviceBar")

    @property
    def summary(self) -> str:
        """``GPU 1 18.2 of 24.0 GB``."""
        return f"{self._name} {self._shares.used_text}"

    @property
    def text(self) -> str:
        """The words that are shown beside the bar."""
        match self._form:
            case GaugeForm.FULL:
                return self.summary
            case GaugeForm.LEAST if self._is_alone:
                return self._shares.used_text
            case _:
                return self.summary if self._is_alone else self._name

    @property
    def fullness(self) -> float:
        """As `DeviceShares.fullness`."""
        return self._shares.fullness

    def set_shares(self, shares: DeviceShares, *, is_alone: bool) -> None:
        """Show a measurement; ``is_alone``: there is no other memory."""
        self._shares, self._is_alone = shares, is_alone
        name = " ".join(shares.reading.name.split())
        self.setAccessibleName(f"{name} {shares.used_text}")
        self.setAccessibleDescription(". ".join(shares.lines))
        self.setToolTip(plain_tip("\n".join(shares.lines)))
        self.update()

    def set_form(self, form: GaugeForm) -> None:
        """See `GaugeForm`."""
        self._form = form
        self.update()

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.text)
        return QSize(
            min(width, self._max_text_width()) + 2 + 2 * GRID + self._bar_width,
            self.fontMetrics().height() + GRID,
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme, gauge = self._themes.theme, self._gauge
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = self.width() - self._bar_width - 2 * GRID
        text = self.fontMetrics().elidedText(self.text, Qt.TextElideMode.ElideMiddle, room)
        painter.setPen(QColor(theme.muted))
        area = QRectF(0, 0, room, self.height())
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), text)
        left, top = self.width() - self._bar_width, (self.height() - BAR_HEIGHT) / 2
        bar = QRectF(left, top, self._bar_width, BAR_HEIGHT)
        paint_bar(painter, bar, theme, self._shares)
        if gauge.hasFocus() or gauge.underMouse():
            painter.setPen(QColor(theme.accent if gauge.hasFocus() else theme.muted))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(bar.adjusted(-1.5, -2.5, 0.5, 2.5), 5, 5)

    @property
    def _name(self) -> str:
        return " ".join(self._shares.reading.short.split())

    @property
    def _bar_width(self) -> int:
        return BAR_WIDTH if self._is_alone else SMALL_BAR_WIDTH

    def _max_text_width(self) -> int:
        numbers = f" {self._shares.used_text}"
        return MAX_LABEL_WIDTH + self.fontMetrics().horizontalAdvance(numbers)


def _said(shares: Sequence[DeviceShares]) -> list[object]:
    """All that can be told apart in the gauge."""
    return [(each.lines, each.reading.short, [m.slot for m in each.models]) for each in shares]
