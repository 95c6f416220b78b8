"""Tables for people and JSON for scripts, on stdout."""

from __future__ import annotations

import json
from collections.abc import Sequence

from minerva_desktop.logs import terminal_line


def print_json(value: object) -> None:
    """Readable JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_line(text: str = "") -> None:
    """A sentence or a row, whatever the names in it hold."""
    print(terminal_line(text))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print_line("  ".join(cells).rstrip())
