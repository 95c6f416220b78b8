"""Text as it is: cleaned of what a document would obey, a row for each line. No Qt here."""

from __future__ import annotations

from minerva_desktop.ui.chat_view.rows import Kind, Row, Run, split_long

PLAIN_LIMIT = 4_000  # characters of one row: a longer one is laid out in quadratic time


def _shown_controls() -> dict[int, str]:
    """Characters that a document or a reader's eye would obey, and what is shown instead."""
    shown = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\ufffd")
    shown |= dict.fromkeys([*range(0xFDD0, 0xFDF0), 0xFFFC, 0xFFFE, 0xFFFF], "\ufffd")
    shown |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    # Overrides make text read otherwise than it runs (and code otherwise than it compiles).
    # The others say nothing to a reader, and are seen nowhere else.
    hidden = [*range(0x202A, 0x202F), *range(0x2061, 0x2070), *range(0xFFF9, 0xFFFC), 0xFEFF]
    shown |= {code: f"[U+{code:04X}]" for code in hidden}
    shown |= {0x2028: "\n", 0x2029: "\n"}
    del shown[ord("\n")], shown[ord("\t")]
    return shown


_SHOWN_CONTROLS = _shown_controls()


def clean_source(text: str) -> str:
    """``text`` with one kind of newline and with harmful control characters made visible."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_SHOWN_CONTROLS)


def plain_rows(text: str) -> list[Row]:
    """Text as it is: a row for each line, several for an overlong one."""
    rows: list[Row] = []
    for line in text.split("\n"):
        pieces = split_long(line, PLAIN_LIMIT)
        rows += [Row(Kind.PLAIN, (Run(piece),) if piece else ()) for piece in pieces]
    return rows
