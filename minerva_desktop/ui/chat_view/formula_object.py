"""Shows formulas in a text document: each is one character that is painted as an outline.

The document asks for the size of the character when it lays a line out, and to paint it. A formula
that is a little wider than its column, which may be a table's, is scaled down to it; one that would
be too small to read so is cut at the column's edge, and scrolls (`WideFormulas`). Main thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QFontMetrics,
    QPainter,
    QPyTextObject,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextTable,
)

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.typesetting import Drawing

OBJECT = "\ufffc"  # what stands for a formula in the text of a document
FORMULA_TYPE = QTextFormat.ObjectTypes.UserObject.value + 1
SOURCE = QTextFormat.Property.UserProperty.value + 1  # a formula as it was written
SIZE = QTextFormat.Property.UserProperty.value + 2  # of its font, px
SELECTED = 0x822  # QTextFormat::ObjectSelectionBrush, which PySide has no name for
# Qt centres an object on a line that depends on a font of its format's, and asks for nothing more.
# So that a formula stands on the baseline without room being lost, it gets one of these, in px.
LIFTS = (4, 14, 22, 30, 40, 52, 68, 90, 120, 160)
MIN_SHRINK = 0.8  # of its size, to which a formula is scaled down at most
ROUNDING = 0.5  # px
BAR_HEIGHT = 8  # px, of the bar that one scrolls with
UNITS = 100.0  # of an outline, for the size of its font; as in `typesetting`


def _lift_format(pixel_size: int) -> QTextCharFormat:
    made = QTextCharFormat()
    made.setProperty(QTextFormat.Property.FontPixelSize, pixel_size)
    return made


def _height(ascent: float, descent: float, share: float) -> float:
    """How high an object has to be that reaches so far above and below the baseline."""
    return max(2 * ascent - share, 2 * descent + share)


class FormulaObject(QPyTextObject):
    """Paints for one document. ``drawings`` are those it knows, by their source."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.drawings: dict[str, Drawing] = {}
        self.has_cut = False  # whether one was laid out that does not fit
        self.scrolled: dict[int, int] = {}  # px, by the position of one that was
        self._shares: dict[int, float] = {}

    def format(self, source: str, base: QTextCharFormat, scale: float) -> QTextCharFormat:
        """The format of the character that stands for ``source``, whose drawing is known, among
        text in ``base``. ``scale``: how much larger a formula's font is, to look as large."""
        drawing = self.drawings[source]
        size = base.intProperty(QTextFormat.Property.FontPixelSize.value) * scale
        ascent, descent = drawing.ascent * size, drawing.descent * size
        shares = self._shares = self._shares or _shares()
        lift = min(shares, key=lambda size: _height(ascent, descent, shares[size]))
        made = QTextCharFormat(base)
        made.setObjectType(FORMULA_TYPE)
        made.setProperty(SOURCE, source)
        made.setProperty(SIZE, size)
        made.setProperty(QTextFormat.Property.FontPixelSize, lift)
        made.clearProperty(QTextFormat.Property.FontFamilies.value)
        made.setFontItalic(False)
        made.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
        return made

    def intrinsicSize(self, doc: QTextDocument, at: int, format_: QTextFormat) -> QSizeF:
        """Called for the layout of a line."""
        drawing = self.drawings.get(str(format_.property(SOURCE)))
        if drawing is None:
            return QSizeF()
        block = doc.findBlock(at).blockFormat()
        room = _room(doc, at, block)
        size = _size_in(drawing, format_, room)
        width = drawing.width * size
        descent = drawing.descent * size
        if width > room + ROUNDING:
            self.has_cut = True
            width = room
            if block.bottomMargin() < BAR_HEIGHT:  # among text
                descent += BAR_HEIGHT
        return QSizeF(width, _height(drawing.ascent * size, descent, _share(format_)))

    def overflow(self, doc: QTextDocument, at: int) -> int:
        """By how many px the formula at that position is wider than the room that it has; 0 where
        it fits, or where there is none."""
        cursor = QTextCursor(doc)
        cursor.setPosition(min(at + 1, doc.characterCount() - 1))
        format_ = cursor.charFormat()
        drawing = self.drawings.get(str(format_.property(SOURCE)))
        if format_.objectType() != FORMULA_TYPE or drawing is None:
            return 0
        room = _room(doc, at, cursor.blockFormat())
        beyond = drawing.width * _size_in(drawing, format_, room) - room
        return math.ceil(beyond) if beyond > ROUNDING else 0

    def drawObject(
        self,
        painter: QPainter,
        rect: QRectF | QRect,
        doc: QTextDocument,
        at: int,
        format_: QTextFormat,
    ) -> None:
        """Called for each painting of a line."""
        drawing = self.drawings.get(str(format_.property(SOURCE)))
        if drawing is None or drawing.width <= 0:
            return
        size = _size_in(drawing, format_, rect.width())
        # Lines are laid out with the object on its baseline; but it is painted centred in the line.
        block = doc.findBlock(at)
        line = block.layout().lineForTextPosition(at - block.position())
        leading = max(0.0, line.leading()) if line.leadingIncluded() else 0.0
        line_height = line.ascent() + line.descent() + leading
        baseline = rect.top() + rect.height() / 2 - line_height / 2 + line.ascent()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if drawing.width * size > rect.width() + ROUNDING:
            column = QRectF(rect.left(), baseline - UNITS * size, rect.width(), 2 * UNITS * size)
            painter.setClipRect(column, Qt.ClipOperation.IntersectClip)
        painter.translate(rect.left() - self.scrolled.get(at, 0), baseline)
        painter.scale(size / UNITS, size / UNITS)
        painter.fillPath(drawing.path, format_.foreground())
        painter.restore()
        if format_.hasProperty(SELECTED):
            # Qt lays the selection's colour over a selected object, as it would over a picture, on
            # top of that behind it; it restores the painter after that.
            painter.setOpacity(0.0)


def _room(doc: QTextDocument, at: int, block: QTextBlockFormat) -> float:
    """px that the paragraph at ``at``, or its cell, has for a formula; without end where lines are
    not broken."""
    table = doc.frameAt(at)  # a cursor would ask for the layout that this is called for
    if isinstance(table, QTextTable):
        cell = table.cellAt(at)
        widths = table.format().columnWidthConstraints()
        padding = cell.format().toTableCellFormat().rightPadding()
        return widths[cell.column()].rawValue() - padding if widths else math.inf
    taken = block.leftMargin() + block.rightMargin() + max(0.0, block.textIndent())
    room = doc.textWidth() - taken
    return room if room > 0 else math.inf


def _size_in(drawing: Drawing, format_: QTextFormat, room: float) -> float:
    """The size of its font, px, at which a formula is shown that has so much room."""
    size = format_.doubleProperty(SIZE)
    width = drawing.width * size
    return size if width <= room else size * max(MIN_SHRINK, room / width)


def _shares() -> dict[int, float]:
    return {size: _share(_lift_format(size)) for size in LIFTS}


def _share(format_: QTextFormat) -> float:
    return QFontMetrics(format_.toCharFormat().font()).xHeight() / 2
