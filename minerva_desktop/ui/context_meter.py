"""How full the context is: a ring and ``1,204 / 8,192 tokens``; ``> 9,040`` where there are more.

Sits in the status bar; `prompt_counter` feeds it, and a click opens the panel. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.formats import UNKNOWN, format_tokens
from minerva_desktop.ui.stylesheet import mix
from minerva_desktop.ui.theme import GRID, ThemeSource

WARN_SHARE = 0.85
RING = 14  # px


class ContextMeter(QAbstractButton):
    """Turns to the warning colour above `WARN_SHARE`; a click opens what is in it.
    ``usage_told``: what it shows was counted."""

    usage_told = Signal()

    def __init__(self, themes: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._themes = themes
        self._used: int | None = None
        self._n_ctx: int | None = None
        self._is_all = True
        self.setObjectName("contextMeter")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_usage(None, None)

    @property
    def words(self) -> str:
        """``1,204 / 8,192 tokens``, with a dash for what is not known."""
        if self._used is None and self._n_ctx is None:
            return f"Context {UNKNOWN}"
        used, n_ctx = (
            UNKNOWN if n is None else format_tokens(n) for n in (self._used, self._n_ctx)
        )
        return f"{used if self._is_all else f'> {used}'} / {n_ctx} tokens"

    @property
    def used(self) -> int | None:
        """The tokens that are used; None where not known."""
        return self._used

    @property
    def is_all(self) -> bool:
        """Whether no more are."""
        return self._is_all

    @property
    def is_warning(self) -> bool:
        """Whether so much is used that the chat will soon not fit."""
        return self._share() > WARN_SHARE

    @property
    def is_outgrown(self) -> bool:
        """Whether no token is left for an answer."""
        return self._used is not None and bool(self._n_ctx) and self._share() >= 1.0

    def set_usage(self, used: int | None, n_ctx: int | None, *, is_all: bool = True) -> None:
        """``used`` tokens of a context of ``n_ctx`` tokens; None where not known. Not ``is_all``:
        there are more of them."""
        self._used, self._n_ctx, self._is_all = used, n_ctx, is_all
        if used is None or not n_ctx:
            description = "How much of the model's context this chat fills"
        elif not is_all:
            description = "This chat is longer than the model's context"
        else:
            description = f"This chat fills {round(100 * used / n_ctx)} % of the model's context"
        self.setAccessibleName(f"Context: {self.words}")
        self.setAccessibleDescription(description)
        self.setToolTip(plain_tip(f"{description}: {self.words}"))
        self.updateGeometry()
        self.update()
        if used is not None:
            self.usage_told.emit()

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.words)
        return QSize(RING + 4 * GRID + width + 2, self.fontMetrics().height() + GRID)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._themes.theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QColor(theme.accent))
            frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(frame, GRID, GRID)
        ring = QRectF(GRID + 1.5, (self.height() - RING) / 2 + 1.5, RING - 3, RING - 3)
        pen = QPen(QColor(mix(theme.border, theme.muted, 0.1)), 2.5)
        painter.setPen(pen)
        painter.drawEllipse(ring)
        colour = QColor(theme.warning if self.is_warning else theme.accent)
        pen.setColor(colour)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        # Sixteenths of a degree, clockwise from twelve o'clock.
        painter.drawArc(ring, 90 * 16, -round(self._share() * 360 * 16))
        painter.setPen(QColor(theme.warning if self.is_warning else theme.muted))
        left = RING + 3 * GRID
        area = QRectF(left, 0, self.width() - left, self.height())
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), self.words)

    def _share(self) -> float:
        if self._used is None or not self._n_ctx:
            return 0.0
        return min(1.0, self._used / self._n_ctx)
