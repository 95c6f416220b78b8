"""Tables for people and JSON for scripts, on stdout."""

from __future__ import annotations

import codecs
import json
import sys
import time
from collections.abc import Sequence

from minerva_desktop.logs import FAILED, terminal_line

_SECONDS_BETWEEN = 0.2


def print_json(value: object) -> None:
    """Readable JSON, also where the output's encoding does not have all of its characters."""
    is_whole = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    print(json.dumps(value, indent=2, ensure_ascii=not is_whole))


def print_line(text: str = "") -> None:
    """A sentence or a row, whatever the names in it hold."""
    print(terminal_line(text))


def print_failure(text: str) -> None:
    """What went wrong, beside what went well: on stderr."""
    print(terminal_line(f"{FAILED}{text}"), file=sys.stderr)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print_line("  ".join(cells).rstrip())


class TerminalCounter:
    """How far something is, on one line of a terminal that goes again; nothing into a pipe."""

    def __init__(self, things: str, of: int | None = None) -> None:
        """``things``: what is counted, as a plural; ``of``: how many there are, if known."""
        self._things = things if of is None else f"of {of:,} {things}"
        self._is_shown = sys.stderr.isatty()
        self._next = 0.0
        self._width = 0

    def __enter__(self) -> TerminalCounter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)

    def show(self, count: int, more: str = "") -> None:
        """Show the number and ``more``, unless the last one was shown just now."""
        now = time.monotonic()
        if self._is_shown and now >= self._next:
            line = f"{count:,} {self._things}{more}"
            self._width = max(self._width, len(line))
            self._next = now + _SECONDS_BETWEEN
            print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
