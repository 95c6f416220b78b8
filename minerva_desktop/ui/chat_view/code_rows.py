"""The rows of one block of code, added line by line and coloured as they come. No Qt here."""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from minerva_desktop.ui.chat_view.code_highlight import LineHighlighter, language_name
from minerva_desktop.ui.chat_view.rows import Kind, Row, Run, split_long

MAX_ROW = 2_000  # characters; a longer line is shown as several rows, and copied as one line


class CodeRows:
    """Lines go in with `add`, rows come out: first the settled ones, once each, then those that
    may still change."""

    def __init__(self, info: str, nest: str = "", *, coloured: bool = True) -> None:
        """``info`` is what follows the opening fence; its first word names the language.
        ``coloured``: as for `LineHighlighter`."""
        language = (info.split() or [""])[0].lower()
        self._label = language_name(language)
        self._nest = nest
        self._highlighter = LineHighlighter(language, coloured=coloured)
        self._raw: deque[str] = deque()
        self._held: Row | None = None  # settled, but the box may end with it
        self._begun = False

    def add(self, line: str, *, newline: bool = True) -> None:
        """Add a line of code. Without ``newline`` what is added next belongs to the same line."""
        pieces = split_long(line, MAX_ROW)
        for index, piece in enumerate(pieces):
            ends = newline and index == len(pieces) - 1
            self._highlighter.add(piece)
            self._raw.append(piece + "\n" if ends else piece)

    def take_settled(self) -> list[Row]:
        """The rows that became final since the last call."""
        rows = [] if self._held is None else [self._held]
        for runs in self._highlighter.take_settled():
            rows.append(self._row(runs, self._raw.popleft(), first=not self._begun))
            self._begun = True
        self._held = rows.pop() if rows else None
        return rows

    def open_rows(self, partial: str = "") -> list[Row]:
        """The rows after those, and ``partial``, a line still being written; at least one row.
        The last of them ends the box."""
        rows = [] if self._held is None else [self._held]
        lines = list(zip(self._highlighter.open_lines(), self._raw, strict=True))
        if partial:
            lines.append(((Run(partial),), partial))
        elif not lines and not rows:
            lines.append(((), ""))
        for runs, raw in lines:
            rows.append(self._row(runs, raw, first=not self._begun and not rows))
        rows[-1] = replace(rows[-1], last=True)
        return rows

    def _row(self, runs: tuple[Run, ...], raw: str, *, first: bool) -> Row:
        label = self._label if first else ""
        return Row(Kind.CODE, runs, self._nest, tight=not first, first=first, label=label, raw=raw)
