"""Paints what a search found: titles and pieces of messages, with what matches marked. Main
thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QPainter,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from minerva_desktop.app.chat_search import FoundChat, Marks
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.search_results import ITEM_ROLE, MessageRow, NoteRow, ResultsModel
from minerva_desktop.ui.theme import GRID

LEAD = 24  # characters before the first match; more do not fit beside it
MARK_SHARE = 0.25  # of the accent colour in the ground of a match

Index = QModelIndex | QPersistentModelIndex


class ResultDelegate(QStyledItemDelegate):
    """A chat's title with its day, two lines of a message, or how many more there are."""

    def __init__(self, icons: Icons, model: ResultsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._results = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row = index.data(ITEM_ROLE)
        box = option.rect.adjusted(0, 1, 0, -1)
        is_open = isinstance(row, FoundChat) and row.chat.id == self._results.current
        self._paint_ground(painter, option, box, is_open=is_open)
        place = box.adjusted(2 * GRID, 0, -2 * GRID, 0)
        small = _small(option.font)
        if isinstance(row, FoundChat):
            self._paint_chat(painter, place, option.font, row)
        elif isinstance(row, MessageRow):
            text, marks = closer(row.message.text, row.message.marks)
            self._paint_marked(painter, place, small, text, marks, n_lines=2)
        else:
            painter.setFont(small)
            is_note = isinstance(row, NoteRow)
            painter.setPen(QColor(self._icons.theme.muted if is_note else self._icons.theme.link))
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(place, int(flags), str(index.data()))
        painter.restore()

    def _paint_ground(
        self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, *, is_open: bool
    ) -> None:
        theme = self._icons.theme
        if is_open or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if is_open else theme.hover))
            painter.drawRoundedRect(box, 8, 8)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)

    def _paint_chat(self, painter: QPainter, place: QRect, font: QFont, row: FoundChat) -> None:
        note = day_of(row.chat.updated_at, datetime.now().astimezone())
        if row.chat.is_archived:
            note = f"Archived · {note}"
        flags = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(_small(font))
        painter.setPen(QColor(self._icons.theme.muted))
        taken = painter.boundingRect(place, flags, note)
        painter.drawText(place, flags, note)
        bold = QFont(font)
        bold.setWeight(QFont.Weight.DemiBold)
        # White space becomes a space each, so that the marks fit.
        title = "".join(" " if each.isspace() else each for each in row.chat.title) or "New chat"
        room = QRect(place)
        room.setRight(taken.left() - 2 * GRID)
        self._paint_marked(painter, room, bold, title, row.title_marks, n_lines=1)

    def _paint_marked(
        self,
        painter: QPainter,
        place: QRect,
        font: QFont,
        text: str,
        marks: Marks,
        *,
        n_lines: int,
    ) -> None:
        """``text`` on at most ``n_lines`` lines in the middle of ``place``."""
        theme = self._icons.theme
        is_title = n_lines == 1
        shown = _fitting(text, font, place.width(), n_lines)
        ground = QColor(theme.accent)
        ground.setAlphaF(MARK_SHARE)
        matching = QTextCharFormat()
        matching.setBackground(ground)
        matching.setForeground(QColor(theme.text))
        ranges = _ranges(shown, marks, matching)
        layout, height = _laid_out(shown, font, place.width(), n_lines, ranges)
        painter.setPen(QColor(theme.text if is_title else theme.muted))
        top = place.top() + (place.height() - height) / 2
        layout.draw(painter, QPointF(place.left(), top))


def closer(text: str, marks: Marks) -> tuple[str, Marks]:
    """``text`` without what stands far before its first match, so that this is within two short
    lines, and the marks in that."""
    first = marks[0][0] if marks else 0
    if first <= LEAD:
        return text, marks
    begin = text.find(" ", first - LEAD, first) + 1 or first - LEAD
    moved = tuple((start - begin + 1, end - begin + 1) for start, end in marks)
    return f"…{text[begin:]}", moved


def day_of(at: float, now: datetime) -> str:
    """A time (Unix time in seconds) as short as it can be told at ``now``, in local time."""
    when = datetime.fromtimestamp(at).astimezone()
    if when.date() == now.date():
        return f"{when:%H:%M}"
    return f"{when.day} {when:%b}" if when.year == now.year else f"{when:%b %Y}"


def _small(font: QFont) -> QFont:
    small = QFont(font)
    small.setPixelSize(max(12, QFontMetrics(font).height() * 12 // 16))
    return small


def _fitting(text: str, font: QFont, width: int, n_lines: int) -> str:
    """``text``, ending in an ellipsis where it does not fit."""
    metrics = QFontMetrics(font)
    begin = 0
    if n_lines > 1:
        layout, _ = _laid_out(text, font, width, n_lines - 1)
        last = layout.lineAt(layout.lineCount() - 1)
        begin = _from_utf16(text, last.textStart() + last.textLength())
    rest = metrics.elidedText(text[begin:], Qt.TextElideMode.ElideRight, width)
    return text[:begin] + rest


def _laid_out(
    text: str,
    font: QFont,
    width: int,
    n_lines: int,
    formats: Sequence[QTextLayout.FormatRange] = (),
) -> tuple[QTextLayout, float]:
    """The first ``n_lines`` lines of ``text``, and their height in px."""
    layout = QTextLayout(text, font)
    layout.setFormats(formats)  # before the lines are made: it takes them away
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    layout.beginLayout()
    height = 0.0
    for _ in range(n_lines):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        line.setPosition(QPointF(0, height))
        height += line.height()
    layout.endLayout()
    return layout, height


def _ranges(text: str, marks: Marks, matching: QTextCharFormat) -> list[QTextLayout.FormatRange]:
    ranges = []
    for start, end in marks:
        range_ = QTextLayout.FormatRange()
        range_.start = _to_utf16(text, start)
        range_.length = _to_utf16(text, end) - _to_utf16(text, start)
        range_.format = matching
        if range_.length:
            ranges.append(range_)
    return ranges


def _to_utf16(text: str, place: int) -> int:
    """Where Qt counts the character at ``place``."""
    return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


def _from_utf16(text: str, place: int) -> int:
    units = text.encode("utf-16-le", "surrogatepass")[: 2 * place]
    return len(units.decode("utf-16-le", "surrogatepass"))
