"""How wide the columns of a table are, from what stands in its first rows.

Later rows keep to that, so that a long table that is being written is not laid out anew from its
top with each row; unless a word of theirs would have to be broken. Main thread, for the fonts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minerva_desktop.ui.chat_view.rows import Mark, Row, Run
from minerva_desktop.ui.chat_view.text_formats import TextFormats

MEASURED_ROWS = 40
# px at the usual size of text.
MAX_WORD = 200  # a longer word is broken rather than that its column gets wider
COMFORTABLE = 260  # of text in a column, where the table scrolls anyway
SLACK = 2  # px, for what rounding takes
# px by which a column of a table that scrolls is wider or narrower: with each px more that it takes
# while it is written, all of the table is laid out anew, 20 ms for 1,000 cells.
STEP = 32


class _Need(NamedTuple):
    """px that each cell of a row takes: at least, so that no word is broken, and on one line."""

    least: list[float]
    most: list[float]


class TableColumns:
    """Measures the rows of one table, which comes with its head."""

    def __init__(self, formats: TextFormats) -> None:
        self.formats = formats
        self._needs: list[_Need] = []  # of each row
        self._longest: list[float] = []  # px that the columns take at least

    def add(self, row: Row) -> bool:
        """``row`` is the next of the table; whether that could change widths."""
        need = self._measure(row, len(self._needs))
        is_late = len(self._needs) >= MEASURED_ROWS
        changes = not is_late or any(a > b for a, b in zip(need.least, self._longest, strict=True))
        self._needs.append(need)
        if changes:
            self._longest = self._maxima()
        return changes

    def change(self, index: int, row: Row) -> bool:
        """Row number ``index`` of the table is ``row`` now; whether that could change widths."""
        before, self._needs[index] = self._needs[index], self._measure(row, index)
        if before == self._needs[index]:
            return False
        longest, self._longest = self._longest, self._maxima()
        return index < MEASURED_ROWS or longest != self._longest

    def truncate(self, n_rows: int) -> None:
        """The table has no more than its first ``n_rows``, at least one."""
        del self._needs[n_rows:]
        self._longest = self._maxima()

    def widths(self, room: float) -> list[float]:
        """px of each column of a table that has ``room`` px. Their sum is ``room`` unless words
        would have to be broken for that: then it is more, and the table scrolls."""
        early = self._needs[:MEASURED_ROWS]
        least = _highest([need.least for need in early])
        most = _highest([need.most for need in early])
        comfortable = self.formats.measures.px(COMFORTABLE)
        widths = _shared(least, most, room, comfortable)
        longest = self._longest
        if all(low <= width for low, width in zip(longest, widths, strict=True)):
            return widths
        return _shared(longest, _highest([most, longest]), room, comfortable)

    def _maxima(self) -> list[float]:
        return _highest([need.least for need in self._needs])

    def _measure(self, row: Row, index: int) -> _Need:
        """A formula in a late row has a bar of its own in its cell, where it is too wide."""
        is_late, measures = index >= MEASURED_ROWS, self.formats.measures
        longest = measures.px(MAX_WORD)
        least, most = [], []
        for column, runs in enumerate(row.cells):
            padding = measures.cell_padding(len(row.cells), column) + SLACK
            kept = [run for run in runs if not (is_late and Mark.FORMULA in run.mark)]
            whole = sum(self._advance(run.text, run, row) for run in kept)
            parts = [self._advance(word, run, row) for run in kept for word in _words(run)]
            word = max(parts, default=0.0)
            has_formula = any(Mark.FORMULA in run.mark for run in kept)
            least.append((word if has_formula else min(word, longest)) + padding)
            most.append(max(whole, word) + padding)
        return _Need(least, most)

    def _advance(self, text: str, run: Run, row: Row) -> float:
        return self.formats.cell_metrics(run, row).horizontalAdvance(text)


def _highest(rows: Sequence[Sequence[float]]) -> list[float]:
    return [max(column) for column in zip(*rows, strict=True)]


def _shared(
    least: Sequence[float], most: Sequence[float], room: float, comfortable: float
) -> list[float]:
    """``room`` px for columns that take ``least``, and have use for ``most``; ``comfortable`` will
    do for each where there is too little."""
    if sum(least) > room:
        wanted = [max(low, min(high, comfortable)) for low, high in zip(least, most, strict=True)]
        return [math.ceil(width / STEP) * STEP for width in wanted]
    if sum(most) <= room:
        return [width + (room - sum(most)) / len(most) for width in most]
    return _filled(least, most, room)


def _words(run: Run) -> Iterator[str]:
    """The longest word of ``run``; a formula is one as a whole."""
    if Mark.FORMULA in run.mark:
        yield run.text
    else:
        yield max(run.text.split(), key=len, default="")


def _filled(least: Sequence[float], most: Sequence[float], room: float) -> list[float]:
    """As wide as the widest of them may be for their sum to be ``room``, each within its limits."""
    low, high = 0.0, room
    for _ in range(24):
        level = (low + high) / 2
        total = sum(max(a, min(b, level)) for a, b in zip(least, most, strict=True))
        low, high = (low, level) if total > room else (level, high)
    return [max(a, min(b, low)) for a, b in zip(least, most, strict=True)]
