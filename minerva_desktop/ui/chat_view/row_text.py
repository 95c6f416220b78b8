"""Rows as plain text for the clipboard, formulas as LaTeX.

Paragraphs, lists, boxes and tables have an empty line between them, as in a letter. A table has a
line for each row and a tab between two cells, as spreadsheets take it. No Qt here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minerva_desktop.ui.chat_view.markdown import ROWS_LINK
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, LIST, Kind, Row, runs_text

_IN_CELL = str.maketrans({LINE_BREAK: " ", "\n": " ", "\t": " "})


def text_pieces(rows: Sequence[Row]) -> Iterator[str]:
    """Pieces of the text of ``rows``, each made as it is taken."""
    above: Row | None = None
    for row in rows:
        piece = table_line(row) if row.kind is Kind.TABLE else _paragraph(row)
        if is_left_out(row, piece):
            continue
        if above is not None:
            piece = gap(above, row) + piece
        yield piece
        above = row


def first_texts(rows: Sequence[Row], limit: int) -> Iterator[str]:
    """What ``rows`` say, as it is read, up to that with character number ``limit``."""
    for row in rows:
        text = row.text
        yield text
        limit -= len(text) + 1
        if limit < 0:
            break


def is_table_folded(rows: Sequence[Row]) -> bool:
    """Whether a table of ``rows`` has more of them than are shown."""
    return any(run.link == ROWS_LINK for row in rows for run in row.runs)


def is_left_out(row: Row, text: str) -> bool:
    """Whether ``row``, of which ``text`` is copied, has no line: a rule, nothing of a paragraph."""
    return not text and row.kind not in {Kind.TABLE, Kind.CODE, Kind.PLAIN}


def gap(above: Row, row: Row) -> str:
    """What is between two rows; nothing where a long line of code goes on."""
    if row.kind is Kind.CODE and not row.first and not above.raw.endswith("\n"):
        return ""
    return "\n" if _is_close(above, row) else "\n\n"


def table_line(row: Row, columns: slice = slice(None)) -> str:
    """A row of a table, or some cells of it."""
    return "\t".join(runs_text(cell).translate(_IN_CELL) for cell in row.cells[columns])


def _paragraph(row: Row) -> str:
    text = runs_text(row.runs).replace("\xa0", " ").replace(LINE_BREAK, "\n")
    return f"{row.marker} {text}" if row.marker else text


def _is_close(above: Row, row: Row) -> bool:
    """Whether no empty line is between two rows: lines of a box or a table, items of a list."""
    if row.first:
        return False
    if row.tight or (row.marker and LIST in above.nest):
        return True
    return row.kind is above.kind and row.kind in {Kind.CODE, Kind.TABLE, Kind.PLAIN}
