"""The part of a text that is selected, as it is copied: plain, as `row_text` says. Main thread."""

from __future__ import annotations

import re

from PySide6.QtGui import QTextBlock, QTextCursor

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.formula_object import OBJECT
from minerva_desktop.ui.chat_view.formula_runs import with_sources
from minerva_desktop.ui.chat_view.row_slices import marked_columns
from minerva_desktop.ui.chat_view.row_text import (
    as_copied,
    gap,
    is_left_out,
    least_indent,
    table_line,
)
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Row

_MARKER = re.compile(r"^([•◦☐☑]|\d{1,9}[.)])\t", re.MULTILINE)
_BLOCK_END = re.compile("[\u2029\ufdd0\ufdd1]")  # of a paragraph, a cell, a table


def selected_text(writer: DocumentWriter, cursor: QTextCursor) -> str:
    """What ``cursor`` selects of the document of ``writer``; of tables what it marks, whole cells
    where that is more than a part of one."""
    if not writer.rows or not cursor.hasSelection():
        return ""
    document, start, end = cursor.document(), cursor.selectionStart(), cursor.selectionEnd()
    first, last = (writer.row_at(document.findBlock(place)) for place in (start, end))
    rows = writer.rows[first : last + 1]
    if cursor.hasComplexSelection():  # several cells of one table
        columns = marked_columns(cursor)
        return "\n".join(table_line(row, columns) for row in rows)
    if all(row.kind is Kind.PLAIN for row in rows):
        return _as_shown(cursor)
    least = least_indent(rows)
    if first == last:
        return as_copied(rows[0], _as_shown(cursor), least)
    blocks = _BLOCK_END.split(document.toRawText())  # to ask for each costs ten times as much
    parts: list[str] = []
    above: Row | None = None
    for at, row in enumerate(rows, start=first):
        is_edge = at in {first, last}
        if row.kind is Kind.TABLE:
            piece = table_line(row)
        elif is_edge or OBJECT in blocks[writer.block_number(at)]:
            piece = _selected_of(writer.block(at), cursor)
        else:
            piece = blocks[writer.block_number(at)].replace("\xa0", " ").replace(LINE_BREAK, "\n")
            piece = piece.replace("\t", " ", 1) if row.marker else piece
        piece = as_copied(row, piece, least)
        if is_left_out(row, piece):
            continue
        if above is not None:
            parts.append(gap(above, row))
        parts.append(piece)
        above = row
    return "".join(parts)


def _selected_of(block: QTextBlock, cursor: QTextCursor) -> str:
    """What ``cursor`` selects of one paragraph."""
    begin, stop = block.position(), block.position() + block.length() - 1
    piece = QTextCursor(block)
    piece.setPosition(max(cursor.selectionStart(), begin))
    piece.setPosition(min(cursor.selectionEnd(), stop), QTextCursor.MoveMode.KeepAnchor)
    return _as_shown(piece) if piece.hasSelection() else ""


def _as_shown(cursor: QTextCursor) -> str:
    text = with_sources(cursor).replace(LINE_BREAK, "\n")
    return _MARKER.sub(r"\1 ", text)
