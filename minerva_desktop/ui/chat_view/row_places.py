"""Which row of a text is where, in a time that hardly grows with it: for a hit test Qt looks at
each table that there is. Main thread."""

from __future__ import annotations

from bisect import bisect_right

from PySide6.QtCore import QRect
from PySide6.QtGui import QTextDocument

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter


def row_at_height(document: QTextDocument, writer: DocumentWriter, y: float) -> int:
    """The index of the last row that begins at ``y`` px of the document or above; 0 where none
    does. ``writer`` wrote the document, which is laid out as far as that."""
    rect_of = document.documentLayout().blockBoundingRect
    indices = range(len(writer.rows))
    at = bisect_right(indices, y, key=lambda index: rect_of(writer.block(index)).top())
    return max(0, at - 1)


def rows_in(document: QTextDocument, writer: DocumentWriter, area: QRect) -> range:
    """The rows that are in ``area`` of the document, or in part; none where that is empty."""
    if area.isEmpty():
        return range(0)
    first, last = (
        row_at_height(document, writer, y) for y in (area.top(), area.top() + area.height())
    )
    return range(first, last + 1)
