"""The train of thought above an answer: how long it took, and on demand what was thought.

Main thread.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QRectF, QTimer, Slot
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.ui.chat_view.disclosure import HEIGHT, PADDING
from minerva_desktop.ui.chat_view.folded_text import FoldedText
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

TICK_MS = 250  # between two looks at the clock, whose seconds are shown
BAR = 2  # px; the line beside what was thought


def thinking_words(milliseconds: float) -> str:
    """While it goes on."""
    taken = _duration(milliseconds)
    return f"Thinking… {taken}" if taken else "Thinking…"


def thought_words(milliseconds: float) -> str:
    """Once it is over; 0: nobody knows how long it took."""
    if milliseconds <= 0:
        return "Thoughts"
    return f"Thought for {_duration(milliseconds) or 'less than a second'}"


def _duration(milliseconds: float) -> str:
    """In whole seconds; empty for less than one."""
    minutes, seconds = divmod(int(milliseconds / 1000), 60)
    parts = [f"{minutes} min" if minutes else "", f"{seconds} s" if seconds else ""]
    return " ".join(filter(None, parts))


class ThoughtBlock(FoldedText):
    """Counts seconds from `begin` to `end`. Its height does not change while it is folded."""

    def __init__(self, icons: Icons, rendering: Rendering, parent: QWidget) -> None:
        super().__init__(icons, rendering, parent)
        self._milliseconds = 0.0
        self._began: float | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._show_time)
        self.setObjectName("thoughtBlock")

    @property
    def is_running(self) -> bool:
        """Whether it is being thought."""
        return self._began is not None

    def show_part(self, part: ReasoningPart) -> None:
        """It is over, and this is all of it."""
        self._began = None
        self._timer.stop()
        self._milliseconds = part.milliseconds
        self.set_source(part.text)
        self._show_time()

    def begin(self) -> None:
        """It goes on from now."""
        if self._began is None:
            self._began = time.monotonic()
            self._timer.start()
            self._show_time()

    def end(self) -> None:
        """It is over."""
        if self._began is not None:
            self.show_part(ReasoningPart(self.source, self._taken()))

    def _taken(self) -> float:
        """Milliseconds."""
        since = 0.0 if self._began is None else 1000.0 * (time.monotonic() - self._began)
        return self._milliseconds + since

    @Slot()
    def _show_time(self) -> None:
        if self._began is None:
            self.heading.set_words(thought_words(self._milliseconds))
        else:
            words = thinking_words(self._taken())
            if words == self.heading.text():
                return
            # A screen reader must not count the seconds aloud.
            self.heading.set_words(words, "Thinking")
        self.heading.fit(self.width())

    def _body_icons(self) -> Icons:
        return self._icons.quiet()

    def _paint_ground(self, painter: QPainter) -> None:
        if self.is_open:
            line = QRectF(PADDING, HEIGHT + GRID, BAR, self.height() - HEIGHT - GRID - self.bottom)
            painter.fillRect(line, QColor(self._icons.theme.border))
