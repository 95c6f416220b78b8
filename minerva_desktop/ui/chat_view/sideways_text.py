"""A text of which parts were scrolled sideways: wide tables. Main thread.

What is painted there, and what is pointed at, is moved by as much. All else asks this class where
things are, never Qt's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Slot
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QRegion,
    QTextCursor,
)
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_view.line_bands import in_its_line
from minerva_desktop.ui.chat_view.selectable_text import SelectableText

Scrolled = Sequence[tuple[QRect, int]]  # areas of the text, and by how many px each was


class SidewaysText(SelectableText):
    """``scrolled`` says what was."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.scrolled: Callable[[], Scrolled] = tuple
        # Never all of the text, for that what is beyond its right edge is there.
        self.horizontalScrollBar().rangeChanged.connect(self._on_range_changed)

    def paint_behind(self, painter: QPainter, exposed: QRectF) -> None:
        """Paint what is behind the text in ``exposed``, in coordinates of the document."""
        raise NotImplementedError

    def paintEvent(self, event: QPaintEvent) -> None:
        scrolled = [each for each in self.scrolled() if each[0].intersects(event.rect())]
        painter = QPainter(self.viewport())
        if not scrolled:
            self.paint_behind(painter, QRectF(event.rect()))
            painter.end()
            super().paintEvent(event)
            return
        rest = QRegion(event.rect())
        for area, by in scrolled:
            part = area.intersected(event.rect())
            rest -= QRegion(part)
            painter.save()
            painter.setClipRect(part)
            painter.translate(-by, 0)
            self._paint(painter, QRectF(part.translated(by, 0)))
            painter.restore()
        painter.setClipRegion(rest)
        self._paint(painter, QRectF(event.rect()))
        painter.end()

    def _paint(self, painter: QPainter, exposed: QRectF) -> None:
        painter.save()
        self.paint_behind(painter, exposed)
        painter.restore()
        context = QAbstractTextDocumentLayout.PaintContext()
        palette = self.palette()
        context.palette = palette
        context.clip = exposed
        context.cursorPosition = -1
        context.selections = [*self._extra(), *self._selected(palette)]
        self.document().documentLayout().draw(painter, context)

    def _extra(self) -> list[QAbstractTextDocumentLayout.Selection]:
        found = []
        for extra in self.extraSelections():
            selection = QAbstractTextDocumentLayout.Selection()
            selection.cursor, selection.format = extra.cursor, extra.format
            found.append(selection)
        return found

    def _selected(self, palette: QPalette) -> list[QAbstractTextDocumentLayout.Selection]:
        if not self.textCursor().hasSelection():
            return []
        selection = QAbstractTextDocumentLayout.Selection()
        selection.cursor = self.textCursor()
        groups = QPalette.ColorGroup
        group = groups.Active if self.hasFocus() else groups.Inactive
        selection.format.setBackground(palette.brush(group, QPalette.ColorRole.Highlight))
        selection.format.setForeground(palette.brush(group, QPalette.ColorRole.HighlightedText))
        return [selection]

    # -- where things are --------------------------------------------------------------------

    def in_text(self, place: QPoint) -> QPoint:
        """Where in the document the point is that is shown at ``place``."""
        return place + QPoint(self._shift(place), 0)

    def _shift(self, place: QPoint) -> int:
        # Beside a table its rows go on: there a drag goes that left it.
        for area, by in self.scrolled():
            if area.top() <= place.y() <= area.bottom():
                return by
        return 0

    def _at(self, place: QPointF, *, is_near: bool) -> QPointF:
        """The same, in the line that this belongs to; see `in_its_line`."""
        shift = self._shift(place.toPoint())
        at = in_its_line(self.document(), place + QPointF(shift, 0), is_near=is_near)
        other = self._shift(QPoint(round(place.x()), round(at.y())))
        if other != shift:  # from between a table and what is next to it
            at = in_its_line(self.document(), QPointF(place.x() + other, at.y()), is_near=is_near)
        return at

    def cursorForPosition(self, place: QPoint) -> QTextCursor:
        return super().cursorForPosition(self._at(QPointF(place), is_near=False).toPoint())

    def anchorAt(self, place: QPoint) -> str:
        return super().anchorAt(self._at(QPointF(place), is_near=True).toPoint())

    def shown_rect(self, cursor: QTextCursor) -> QRect:
        """Where the place of ``cursor`` is shown."""
        rect = super().cursorRect(cursor)
        return rect.translated(-self._shift(rect.center()), 0)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        with self._moved(event) as moved:
            super().mousePressEvent(moved)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        # It follows a link that is there, which in the room around a paragraph none is.
        with self._moved(event, is_near=True) as moved:
            super().mouseReleaseEvent(moved)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        with self._moved(event) as moved:
            super().mouseDoubleClickEvent(moved)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        with self._moved(event, is_near=not event.buttons()) as moved:
            super().mouseMoveEvent(moved)

    @contextmanager
    def _moved(self, event: QMouseEvent, *, is_near: bool = False) -> Iterator[QMouseEvent]:
        """To what is pointed at; whoever ignores that has ignored ``event``."""
        place = event.position()
        at = self._at(place, is_near=is_near)
        if at == place:
            yield event
            return
        moved = QMouseEvent(
            event.type(),
            at,
            event.globalPosition(),
            event.button(),
            event.buttons(),
            event.modifiers(),
            event.pointingDevice(),
        )
        yield moved
        event.setAccepted(moved.isAccepted())

    @Slot(int, int)
    def _on_range_changed(self, _least: int, most: int) -> None:
        if most:
            self.horizontalScrollBar().setRange(0, 0)
