"""Which line of a text is pointed at where there is room between two. Main thread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QTextBlock, QTextBlockFormat, QTextCursor, QTextDocument, QTextTable

PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value
FIXED = QTextBlockFormat.LineHeightTypes.FixedHeight.value
MOST_RULES = 20  # between two lines with room that belongs to one of them: 4,000 took 13 ms


def in_its_line(document: QTextDocument, place: QPointF, *, is_near: bool = False) -> QPointF:
    """``place``, or from between two lines moved into the nearer one. Qt takes the room below a
    line, which is what a line height above 100 % adds, and that between two paragraphs, for the
    beginning of the next line, however far to the right it is. ``is_near``: only from the room that
    belongs to a line itself; what is further away is not pointed at."""
    layout = document.documentLayout()
    hit = layout.hitTest(place, Qt.HitTestAccuracy.FuzzyHit)
    block = document.findBlock(hit)
    if hit < 0:
        return place
    above, below = _above(block, place.x()), _below(block, place.x())
    blocks = [each for each in (above, block, below) if _has_text(each)]
    lines = [line for each in blocks for line in _lines(each, place.y())]
    line = min(lines, key=lambda each: each.distance(place.y()), default=None)
    if line is None or (line.distance(place.y()) == 0 and line.block == block):
        return place
    is_outside = place.y() < lines[0].rect.top() or place.y() > lines[-1].rect.bottom()
    if (is_near or is_outside) and line.distance(place.y()) > line.leading / 2 + 1:
        return place
    # Not on its edge, which a table above has, too.
    y = min(max(place.y(), line.rect.top() + 1), line.rect.bottom() - 1)
    return QPointF(place.x(), y)


class _Line:
    """Of ``block``; ``rect`` is its text in the document, ``leading`` what is below it, px."""

    def __init__(self, block: QTextBlock, rect: QRectF, leading: float) -> None:
        self.block = block
        self.rect = rect
        self.leading = leading

    def distance(self, y: float) -> float:
        """How far ``y`` is from it, px."""
        return max(0.0, self.rect.top() - y, y - self.rect.bottom())


def _has_text(block: QTextBlock) -> bool:
    """Not so what stands around a table, and a rule."""
    return block.isValid() and block.blockFormat().lineHeightType() != FIXED


def _lines(block: QTextBlock, y: float) -> Iterator[_Line]:
    """Those of ``block`` that are nearest to ``y``, from the top down."""
    layout = block.layout()
    origin = block.document().documentLayout().blockBoundingRect(block).topLeft()
    made = block.blockFormat()
    share = made.lineHeight() / 100 - 1 if made.lineHeightType() == PROPORTIONAL else 0.0
    first, last = 0, layout.lineCount() - 1
    while last - first > 1:
        middle = (first + last) // 2
        if layout.lineAt(middle).naturalTextRect().bottom() + origin.y() < y:
            first = middle
        else:
            last = middle
    for number in range(first, last + 1):
        line = layout.lineAt(number)
        yield _Line(block, line.naturalTextRect().translated(origin), line.height() * share)


def _above(block: QTextBlock, x: float) -> QTextBlock:
    """What has text above ``block``, of a table's row the cell at ``x``; invalid where none has."""
    return _next(block, x, -1)


def _below(block: QTextBlock, x: float) -> QTextBlock:
    """The same below it."""
    return _next(block, x, 1)


def _next(block: QTextBlock, x: float, by: int) -> QTextBlock:
    """``by``: 1 or -1 rows further on."""
    table = _table(block)
    if table is not None:
        row = table.cellAt(block.position()).row() + by
        if 0 <= row < table.rows():
            return _cell(table, row, x)
        place = table.lastPosition() + 1 if by > 0 else table.firstPosition() - 1
        block = block.document().findBlock(place)
    else:
        block = block.next() if by > 0 else block.previous()
    for _ in range(MOST_RULES):
        if not block.isValid() or _has_text(block):
            break
        block = block.next() if by > 0 else block.previous()
    table = _table(block)
    return block if table is None else _cell(table, 0 if by > 0 else table.rows() - 1, x)


def _table(block: QTextBlock) -> QTextTable | None:
    """That which ``block`` is in; PySide's types know only of a text that is in one."""
    return QTextCursor(block).currentTable() if block.isValid() else None


def _cell(table: QTextTable, row: int, x: float) -> QTextBlock:
    """The text of the cell in ``row`` that is at ``x``, or the first."""
    layout = table.document().documentLayout()

    def block_in(column: int) -> QTextBlock:
        return table.cellAt(row, column).firstCursorPosition().block()

    def left_of(column: int) -> float:
        return layout.blockBoundingRect(block_in(column)).left()

    # One of 400 columns took 8 ms when each was asked.
    return block_in(max(0, bisect_right(range(table.columns()), x, key=left_of) - 1))
