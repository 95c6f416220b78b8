"""The part of a text that is selected, as it is copied: plain, formulas as LaTeX.

A table has a line for each row and a tab between two cells, as spreadsheets take it. Main thread.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import cast

from PySide6.QtGui import QTextCursor

from minerva_desktop.ui.chat_view.document_writer import DocumentWriter
from minerva_desktop.ui.chat_view.formula_runs import with_sources
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, Kind, Row, runs_text

_MARKER = re.compile(r"^([•◦☐☑]|\d{1,9}[.)])\t", re.MULTILINE)
_IN_CELL = str.maketrans({LINE_BREAK: " ", "\n": " ", "\t": " "})


def selected_text(writer: DocumentWriter, cursor: QTextCursor) -> str:
    """What ``cursor`` selects of the document of ``writer``; of tables what it marks, whole cells
    where that is more than a part of one."""
    if not writer.rows or not cursor.hasSelection():
        return ""
    document, start, end = cursor.document(), cursor.selectionStart(), cursor.selectionEnd()
    first, last = (writer.row_at(document.findBlock(place)) for place in (start, end))
    shown = range(first, last + 1)
    if not any(writer.rows[at].kind is Kind.TABLE for at in shown):
        return _as_shown(cursor)
    if cursor.hasComplexSelection():  # several cells of one table
        _, _, column, n_columns = _marked_cells(cursor)
        return _lines([writer.rows[at] for at in shown], slice(column, column + n_columns))
    if first == last and cursor.currentTable() is not None:  # in one cell
        return _as_shown(cursor)
    parts = []
    for is_table, group in groupby(shown, lambda at: writer.rows[at].kind is Kind.TABLE):
        found = list(group)
        if is_table:
            parts.append(_lines([writer.rows[at] for at in found], slice(None)))
            continue
        below = writer.block(found[-1])
        piece = QTextCursor(document)
        piece.setPosition(max(start, writer.block(found[0]).position()))
        stop = min(end, below.position() + below.length() - 1)
        piece.setPosition(stop, QTextCursor.MoveMode.KeepAnchor)
        if piece.hasSelection():
            parts.append(_as_shown(piece))
    return "\n".join(parts)


def _as_shown(cursor: QTextCursor) -> str:
    text = with_sources(cursor).replace(LINE_BREAK, "\n")
    return _MARKER.sub(r"\1 ", text)


def _lines(rows: list[Row], columns: slice) -> str:
    return "\n".join(
        "\t".join(runs_text(cell).translate(_IN_CELL) for cell in row.cells[columns])
        for row in rows
    )


def _marked_cells(cursor: QTextCursor) -> tuple[int, int, int, int]:
    """First row, number of rows, first column, number of columns."""
    # PySide answers with them; its stubs say otherwise.
    return cast(tuple[int, int, int, int], cursor.selectedTableCells())
