"""What is known of the part of a text that is still open, and parsed anew with each piece of it.

Its code is lexed once, line by line as it comes, and its paragraphs are parsed once: to lex 140
lines in a list item anew with each flush took 60 ms. No Qt here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minerva_desktop.ui.chat_view.code_rows import CodeRows
from minerva_desktop.ui.chat_view.rows import Row, Run

Runs = tuple[Run, ...]


class _Code:
    """One block of code, as far as it was seen."""

    def __init__(self, info: str, nest: str, *, coloured: bool) -> None:
        self._look = (info, nest)
        self._code = CodeRows(info, nest, coloured=coloured)
        self._lines: list[str] = []
        self._settled: list[Row] = []

    def goes_on(self, info: str, nest: str, lines: Sequence[str]) -> bool:
        """Whether ``lines`` are the same code, and maybe more of it."""
        return self._look == (info, nest) and lines[: len(self._lines)] == self._lines

    def rows(self, lines: Sequence[str], partial: str) -> list[Row]:
        for line in lines[len(self._lines) :]:
            self._code.add(line)
        self._lines = list(lines)
        self._settled += self._code.take_settled()
        return self._settled + self._code.open_rows(partial)


class OpenPart:
    """Call `begin` before each look at the part, and make a new one once some of it is settled.
    What comes out is what would come out without it."""

    def __init__(self, *, coloured: bool = True) -> None:
        """``coloured``: code is."""
        self._coloured = coloured
        self._codes: list[_Code] = []
        self._next = 0
        self._runs: dict[str, Runs] = {}

    def begin(self) -> None:
        """It is looked at from its beginning."""
        self._next = 0

    def code(self, info: str, nest: str, lines: Sequence[str], partial: str) -> list[Row]:
        """The rows of the next block of code: of ``lines``, and of ``partial``, a line that is
        still being written and has no colours yet."""
        at, self._next = self._next, self._next + 1
        if at == len(self._codes) or not self._codes[at].goes_on(info, nest, lines):
            self._codes[at:] = [_Code(info, nest, coloured=self._coloured)]
        return self._codes[at].rows(lines, partial)

    def runs(self, source: str, parse: Callable[[], Runs]) -> Runs:
        """The runs of a paragraph, which ``parse`` finds."""
        if "[" in source:  # what a link or a note is depends on what else was defined
            return parse()
        if source not in self._runs:
            self._runs[source] = parse()
        return self._runs[source]
