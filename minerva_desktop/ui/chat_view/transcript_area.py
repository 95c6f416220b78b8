"""What of the transcript scrolls up and down, whatever is in it, and what stands above that. Main
thread.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QWidget

from minerva_desktop.ui.chat_view.steady_top import SteadyTop
from minerva_desktop.ui.chat_view.temporary_mark import TemporaryMark
from minerva_desktop.ui.chat_view.text_size_mark import TextSizeMark
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

FOLLOW_DISTANCE = 24  # px from the end that still count as the end


class TranscriptArea(QScrollArea):
    """Has no frame and no bar below; Tab goes to what is in it.

    Who presses a text or the ground has the keyboard there. That is no focus policy: Qt obeys it
    for a press of a button in here, too, after which one goes on in the composer."""

    def __init__(self, icons: Icons, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._free = 0  # px above the messages
        self._above: QWidget | None = None
        self._top = SteadyTop()
        self._temporary = TemporaryMark(icons, self)
        self._text_size = TextSizeMark(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)  # the window shows through
        self.verticalScrollBar().setSingleStep(10 * GRID)

    def keep_free(self, height: int) -> None:
        """Leave ``height`` px above the messages to something else: what is read stays where it is,
        but at the beginning of a chat, which makes way."""
        self._free = height
        mark = 0 if self._temporary.isHidden() else TemporaryMark.HEIGHT
        if not self.verticalScrollBar().value():
            self._top.begin()
        self.setViewportMargins(0, mark + height, 0, 0)
        self._top.settle()

    def stand_below(self, above: QWidget) -> None:
        """What comes between this and ``above`` covers it, and moves nothing in it."""
        self._above = above

    @property
    def covered(self) -> int:
        """How many px are, by what came above, or has some of its room (`keep_free`)."""
        top = 0 if self._above is None else self.y() - self._above.geometry().bottom() - 1
        return max(0, top) + self.viewport().y()

    def _begin_anew(self) -> None:
        """Another chat is about to be shown. A notice that comes or goes with it is no move."""
        self._top.begin()
        QTimer.singleShot(0, self._top.settle)  # behind what is still to be laid out

    def mark_temporary(self, is_temporary: bool) -> None:
        """Say it above all messages, where it cannot scroll away."""
        self._temporary.setVisible(is_temporary)
        self.keep_free(self._free)

    def show_text_size(self, percent: int) -> None:
        """Say for a moment what size text has now."""
        seen = self.viewport().geometry()
        top = QPoint(seen.center().x(), seen.top() + 3 * GRID)
        self._text_size.show_percent(percent, top)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._temporary.setGeometry(0, 0, self.width(), TemporaryMark.HEIGHT)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space and Shift+Space go a page down and up, as in browsers, Home and End to the ends."""
        if event.key() == Qt.Key.Key_Space:
            page = self.verticalScrollBar().pageStep()
            is_up = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.scroll_by(-page if is_up else page)
        elif event.key() == Qt.Key.Key_Home:
            self.scroll_to_start()
        elif event.key() == Qt.Key.Key_End:
            self.scroll_to_end()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()  # about the size of the text, which the window obeys
        else:
            super().wheelEvent(event)

    def scroll_to_start(self) -> None:
        """Show the beginning of all that there is."""
        raise NotImplementedError

    def scroll_to_end(self) -> None:
        """Show the end of it."""
        raise NotImplementedError

    @property
    def in_sight(self) -> QRect:
        """What of the content is."""
        return self.viewport().rect().translated(0, self.verticalScrollBar().value())

    @property
    def is_at_end(self) -> bool:
        """Whether there is more than fits, and nothing of it below what is in sight."""
        return 0 < self.verticalScrollBar().maximum() <= self.verticalScrollBar().value()

    @property
    def is_near_end(self) -> bool:
        """Whether next to nothing is below what is in sight."""
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - self._top.unneeded - FOLLOW_DISTANCE

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

    def keep_in_sight(self, rect: QRect) -> None:
        """As `show_rect`, where a part of it is not."""
        if not self.in_sight.contains(rect):
            self.show_rect(rect)

    @Slot(int)
    def scroll_by(self, by: int) -> None:
        """Go ``by`` px down."""
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + by)
