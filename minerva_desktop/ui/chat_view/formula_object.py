"""Shows formulas in a text document: each is one character that is painted as an outline.

The document asks for the size of the character when it lays a line out, and to paint it. A formula
wider than its column is scaled down to it. Main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, QRectF, QSizeF
from PySide6.QtGui import (
    QFontMetrics,
    QPainter,
    QPyTextObject,
    QTextCharFormat,
    QTextDocument,
    QTextFormat,
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
        size = format_.doubleProperty(SIZE)
        width = drawing.width * size
        room = doc.textWidth()
        if room > 0:
            block = doc.findBlock(at).blockFormat()
            room -= block.leftMargin() + block.rightMargin() + max(0.0, block.textIndent())
            if width > room > 0:
                size *= room / width
                width = room
        share = _share(format_)
        return QSizeF(width, _height(drawing.ascent * size, drawing.descent * size, share))

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
        scale = rect.width() / (drawing.width * UNITS)
        # Lines are laid out with the object on its baseline; but it is painted centred in the line.
        block = doc.findBlock(at)
        line = block.layout().lineForTextPosition(at - block.position())
        leading = max(0.0, line.leading()) if line.leadingIncluded() else 0.0
        line_height = line.ascent() + line.descent() + leading
        baseline = rect.top() + rect.height() / 2 - line_height / 2 + line.ascent()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(rect.left(), baseline)
        painter.scale(scale, scale)
        painter.fillPath(drawing.path, format_.foreground())
        painter.restore()
        if format_.hasProperty(SELECTED):
            # Qt lays the selection's colour over a selected object, as it would over a picture, on
            # top of that behind it; it restores the painter after that.
            painter.setOpacity(0.0)


def _shares() -> dict[int, float]:
    return {size: _share(_lift_format(size)) for size in LIFTS}


def _share(format_: QTextFormat) -> float:
    return QFontMetrics(format_.toCharFormat().font()).xHeight() / 2
