"""Which line of a text is pointed at where lines have room between them. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QTextBlockFormat, QTextDocument, QTextLine

PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value


def in_its_line(document: QTextDocument, place: QPointF) -> QPointF:
    """``place``, or from between two lines moved into the nearer one. Qt takes the room below a
    line, which is what a line height above 100 % adds, for the beginning of the next line, however
    far to the right it is."""
    layout = document.documentLayout()
    hit = layout.hitTest(place, Qt.HitTestAccuracy.FuzzyHit)
    block = document.findBlock(hit)
    if hit < 0 or block.blockFormat().lineHeightType() != PROPORTIONAL:
        return place
    text, top = block.layout(), layout.blockBoundingRect(block).top()
    number = text.lineForTextPosition(hit - block.position()).lineNumber()
    numbers = range(max(0, number - 1), min(number + 2, text.lineCount()))
    lines = [text.lineAt(each) for each in numbers]
    y = place.y() - top
    if not lines or any(_above(line, y) == 0 == _below(line, y) for line in lines):
        return place
    line = min(lines, key=lambda each: _above(each, y) + _below(each, y))
    room = line.height() * (block.blockFormat().lineHeight() / 100 - 1)
    if _above(line, y) + _below(line, y) > room / 2 + 1:
        return place  # between two paragraphs
    rect = line.naturalTextRect()
    return QPointF(place.x(), top + (rect.top() if _above(line, y) else rect.bottom() - 1))


def _above(line: QTextLine, y: float) -> float:
    """How far ``y`` is above ``line``, px."""
    return max(0.0, line.naturalTextRect().top() - y)


def _below(line: QTextLine, y: float) -> float:
    """How far ``y`` is below ``line``, px."""
    return max(0.0, y - line.naturalTextRect().bottom())
