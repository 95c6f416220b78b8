"""What is painted behind a message's text: code boxes, quote bars, rules, inline code.

`RichTextView` calls this in its paint event; only rows inside the exposed rectangle cost anything.
Main thread.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import cast

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QTextBlock, QTextDocument, QTextLine

from minerva_desktop.chat.markdown_alerts import ALERTS
from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.row_places import row_at_height
from minerva_desktop.ui.chat_view.rows import LIST, Kind, Mark, Row, Run
from minerva_desktop.ui.chat_view.text_formats import alert_colour
from minerva_desktop.ui.chat_view.text_measures import CODE_PADDING, TextMeasures
from minerva_desktop.ui.theme import Theme

BOX_RADIUS = 10  # px
CHIP_RADIUS = 4
CHIP_PADDING = 1  # px; more would touch the words beside it, a space away
BAR_WIDTH = 3


class Decorations:
    """Paints for one document."""

    def __init__(self, document: QTextDocument, writer: DocumentWriter) -> None:
        self._document = document
        self._writer = writer

    def box_rect(self, box: int) -> QRectF:
        """The code box number ``box`` in document coordinates, header included."""
        first, last = self._writer.boxes[box]
        measures = self._measures
        top = self._rect(self._writer.block(first)).top() - measures.code_header
        bottom = self._rect(self._writer.block(last)).bottom() + measures.code_bottom
        left = measures.left_margin(self._writer.rows[first].nest)
        return QRectF(left, top, self._document.textWidth() - left, bottom - top)

    def paint(self, painter: QPainter, exposed: QRectF, theme: Theme, font: QFont) -> None:
        """Draw what lies in ``exposed``, in document coordinates."""
        if not self._writer.rows:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        first = row_at_height(self._document, self._writer, exposed.top())
        first = max(0, first - 1)  # the foot of a box above is nearer to the row below it
        last, header = first, self._measures.code_header
        while last < len(self._writer.rows):
            if self._rect(self._writer.block(last)).top() - header > exposed.bottom():
                break
            last += 1
        last = min(last + 1, len(self._writer.rows))  # a bar goes on through the gap above it
        self._paint_boxes(painter, first, last, theme, font)
        self._paint_bars(painter, first, last, theme)
        for index in range(first, last):
            self._paint_row(painter, index, exposed, theme)

    @property
    def _measures(self) -> TextMeasures:
        return self._writer.formats.measures

    def _rect(self, block: QTextBlock) -> QRectF:
        return self._document.documentLayout().blockBoundingRect(block)

    def _paint_boxes(
        self, painter: QPainter, first: int, last: int, theme: Theme, font: QFont
    ) -> None:
        boxes, measures = self._writer.boxes, self._measures
        label_font = QFont(font)
        label_font.setPixelSize(measures.label)
        painter.setFont(label_font)
        for box in range(bisect_left(boxes, first, key=_last_row), len(boxes)):
            if boxes[box][0] >= last:
                break
            rect = self.box_rect(box).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.setPen(QColor(theme.border))
            painter.setBrush(QColor(theme.code))
            painter.drawRoundedRect(rect, BOX_RADIUS, BOX_RADIUS)
            painter.setPen(QColor(theme.muted))
            left, height = rect.left() + CODE_PADDING, measures.code_header
            header = QRectF(left, rect.top(), rect.width(), height)
            label = self._writer.rows[boxes[box][0]].label or "Code"
            painter.drawText(header, int(Qt.AlignmentFlag.AlignVCenter), label)

    def _paint_bars(self, painter: QPainter, first: int, last: int, theme: Theme) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        open_bars: dict[float, tuple[QRectF, str]] = {}
        measures, outermost = self._measures, ""
        for index in range(first, last + 1):
            row = self._writer.rows[index] if index < last else Row(Kind.TEXT)
            bars: list[float] = [*measures.quote_bars(row.nest)]
            if bars and self._is_from_right(index):
                bars = [self._document.textWidth() - left - BAR_WIDTH for left in bars]
            # A quote ends where the next item begins, though that may begin with another.
            going_on = bars[: _n_quotes(row.nest[: row.item])] if row.marker else bars
            if row.kind is Kind.ALERT or row.nest[:1] != outermost:
                going_on = []
            outermost = row.nest[:1]
            for left in [left for left in open_bars if left not in going_on]:
                bar, colour = open_bars.pop(left)
                painter.setBrush(QColor(colour))
                painter.drawRoundedRect(bar, BAR_WIDTH / 2, BAR_WIDTH / 2)
            alert = alert_colour(theme, row.nest[0]) if row.nest[:1] in ALERTS else theme.border
            rect = self._rect(self._writer.block(index)) if bars else QRectF()
            above, below = 0, 6
            if row.kind is Kind.CODE:
                above = measures.code_header if row.first else 0
                below = measures.code_bottom
            for left in bars:
                top = open_bars[left][0].top() if left in open_bars else rect.top() - above
                bar = QRectF(left, top, BAR_WIDTH, rect.bottom() + below - top)
                open_bars[left] = bar, alert if left == bars[0] else theme.border

    def _is_from_right(self, index: int) -> bool:
        """Whether row ``index`` is indented from there."""
        direction = self._writer.block(index).blockFormat().layoutDirection()
        return direction is Qt.LayoutDirection.RightToLeft

    def _paint_row(self, painter: QPainter, index: int, exposed: QRectF, theme: Theme) -> None:
        row = self._writer.rows[index]
        block = self._writer.block(index)
        if row.kind is Kind.RULE:
            rect = self._rect(block)
            left = self._measures.left_margin(row.nest)
            painter.fillRect(
                QRectF(left, round(rect.center().y()), self._document.textWidth() - left, 1),
                QColor(theme.border),
            )
        elif row.kind is Kind.TABLE:
            first = self._writer.block_number(index)
            for column, runs in enumerate(row.cells):
                if _has_code(runs):  # few have, and to ask Qt for all cells was half of painting
                    cell = self._document.findBlockByNumber(first + column)
                    self._paint_chips(painter, cell, runs, 0, exposed, theme)
        elif row.kind is not Kind.CODE:
            offset = len(row.marker) + 1 if row.marker else 0
            self._paint_chips(painter, block, row.runs, offset, exposed, theme)

    def _paint_chips(
        self,
        painter: QPainter,
        block: QTextBlock,
        runs: tuple[Run, ...],
        offset: int,
        exposed: QRectF,
        theme: Theme,
    ) -> None:
        """Rounded backgrounds behind inline code, as far as they are ``exposed``."""
        if not _has_code(runs):
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.hover))
        metrics = self._writer.formats.code_metrics
        layout = block.layout()
        origin = self._rect(block).topLeft()
        seen = exposed.translated(-origin)
        is_ascii = block.text().isascii()  # once: it is copied
        for run in runs:
            end = offset + self._writer.length(run)
            while Mark.CODE in run.mark and offset < end:
                line = layout.lineForTextPosition(offset)
                if not line.isValid():
                    break
                stop = min(end, line.textStart() + line.textLength())
                if seen.top() <= line.y() + line.height() and line.y() <= seen.bottom():
                    left, right = _span_x(line, offset, stop, is_ascii=is_ascii)
                    top = line.y() + line.ascent() - metrics.ascent()
                    rect = QRectF(left, top, right - left, metrics.height())
                    rect.adjust(-CHIP_PADDING, -1, CHIP_PADDING, 1)
                    painter.drawRoundedRect(rect.translated(origin), CHIP_RADIUS, CHIP_RADIUS)
                offset = max(stop, offset + 1)
            offset = end


def _has_code(runs: tuple[Run, ...]) -> bool:
    return any(Mark.CODE in run.mark for run in runs)


def _n_quotes(nest: str) -> int:
    return len(nest) - nest.count(LIST)


def _last_row(box: tuple[int, int]) -> int:
    return box[1]


def _span_x(line: QTextLine, start: int, stop: int, *, is_ascii: bool) -> tuple[float, float]:
    """Between which x of ``line`` (px) the text of its block from ``start`` to ``stop`` is."""
    if is_ascii:  # it takes a third of the time, and all is read from the left
        return position_x(line, start), position_x(line, stop)
    rects = [run.boundingRect() for run in line.glyphRuns(start, stop - start)]
    if not rects:
        return position_x(line, start), position_x(line, start)
    return min(rect.left() for rect in rects), max(rect.right() for rect in rects)


def position_x(line: QTextLine, position: int) -> float:
    """Where that position of a paragraph is in its ``line``, px."""
    # PySide answers with the position too; its stubs say otherwise.
    return cast(tuple[float, int], line.cursorToX(position))[0]
