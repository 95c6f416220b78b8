"""Rows as plain text for the clipboard, formulas as LaTeX.

Paragraphs, lists, boxes and tables have an empty line between them, as in a letter. What is within
an item is indented, but for code, which may be pasted into a program. A table has a line for each
row and a tab between two cells, as spreadsheets take it. No Qt here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minerva_desktop.ui.chat_view.footnotes import BACK, TEXT_LINK
from minerva_desktop.ui.chat_view.markdown import ROWS_LINK
from minerva_desktop.ui.chat_view.rows import LINE_BREAK, LIST, Kind, Mark, Row, Run, runs_text

INDENT = 2  # spaces, within an item
BOXES = {"☐": "[ ]", "☑": "[x]"}  # as they are typed
_INDENTED = frozenset((Kind.TEXT, Kind.HEADING, Kind.FORMULA))
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


def least_indent(rows: Sequence[Row]) -> int:
    """Spaces before what is least indented of ``rows``: all are copied without them."""
    return min((_indent(row) for row in rows if row.kind in _INDENTED), default=0)


def as_copied(row: Row, text: str, least: int) -> str:
    """``text``, which is shown of ``row``, as it is copied: indented by what it has more than
    ``least`` spaces, boxes as they are typed, and without what leads back from a footnote. What
    begins behind the row's marker is indented where it goes on alone."""
    if row.kind not in _INDENTED:
        return text
    if row.runs and row.runs[-1].link.startswith(TEXT_LINK):
        text = text.removesuffix(BACK).rstrip(" ")
    hang = _indent(row) - least
    if not row.marker:
        return _indented(text, hang, hang)
    rest = text.removeprefix(row.marker)
    if rest == text:
        return _indented(text, 0, hang + INDENT)
    box = rest[1:2] if row.marker not in BOXES and row.runs[:1] and _is_box(row.runs[0]) else ""
    rest = f" {BOXES[box]}{rest[2:]}" if box in BOXES else rest
    return _indented(BOXES.get(row.marker, row.marker) + rest, hang, hang + INDENT)


def _is_box(run: Run) -> bool:
    return run.text.rstrip() in BOXES and Mark.MUTED in run.mark


def _indent(row: Row) -> int:
    return INDENT * (row.nest.count(LIST) - bool(row.marker))


def _indented(text: str, first: int, others: int) -> str:
    lines = (f"{' ' * others}{line}" if line else "" for line in text.split("\n")[1:])
    return "\n".join((" " * first + text.partition("\n")[0], *lines)) if text else ""


def _paragraph(row: Row) -> str:
    text = runs_text(row.runs).replace("\xa0", " ").replace(LINE_BREAK, "\n")
    return as_copied(row, f"{row.marker} {text}" if row.marker else text, 0)


def _is_close(above: Row, row: Row) -> bool:
    """Whether no empty line is between two rows: lines of a box or a table, items of a list."""
    if row.first:
        return False
    if row.tight or (row.marker and LIST in above.nest):
        return True
    return row.kind is above.kind and row.kind in {Kind.CODE, Kind.TABLE, Kind.PLAIN}
