"""Text as it is: a row for each line. No Qt here."""

from __future__ import annotations

from minerva_desktop.ui.chat_view.rows import Kind, Row, Run, split_long

PLAIN_LIMIT = 4_000  # characters of one row: a longer one is laid out in quadratic time


def plain_rows(text: str) -> list[Row]:
    """Text as it is: a row for each line, several for an overlong one."""
    rows: list[Row] = []
    for line in text.split("\n"):
        pieces = split_long(line, PLAIN_LIMIT)
        rows += [Row(Kind.PLAIN, (Run(piece),) if piece else ()) for piece in pieces]
    return rows
