"""How wide the columns of a table are, from what stands in its first rows.

Later rows keep to that, so that a long table that is being written is not laid out anew from its
top with each row. Main thread, for the fonts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minerva_desktop.ui.chat_view.rows import Mark, Row, Run
from minerva_desktop.ui.chat_view.text_formats import TextFormats, cell_padding

MEASURED_ROWS = 40
MAX_WORD = 200  # px; a longer word is broken rather than that its column gets wider
COMFORTABLE = 260  # px of text in a column, where the table scrolls anyway
SLACK = 2  # px, for what rounding takes


class _Need(NamedTuple):
    """px that each cell of a row takes: at least, so that no word is broken, and on one line."""

    least: list[float]
    most: list[float]


class TableColumns:
    """Measures the rows of one table, which comes with its head."""

    def __init__(self, formats: TextFormats) -> None:
        self._formats = formats
        self._needs: list[_Need] = []

    def add(self, row: Row) -> bool:
        """``row`` is the next of the table; whether that could change widths."""
        is_early = len(self._needs) < MEASURED_ROWS
        if is_early:
            self._needs.append(self._measure(row))
        return is_early

    def change(self, index: int, row: Row) -> bool:
        """Row number ``index`` of the table is ``row`` now; whether that could change widths."""
        if index >= len(self._needs):
            return False
        before, self._needs[index] = self._needs[index], self._measure(row)
        return before != self._needs[index]

    def truncate(self, n_rows: int) -> None:
        """The table has no more than its first ``n_rows``, at least one."""
        del self._needs[n_rows:]

    def widths(self, room: float) -> list[float]:
        """px of each column of a table that has ``room`` px. Their sum is ``room`` unless words
        would have to be broken for that: then it is more, and the table scrolls."""
        least = [max(column) for column in zip(*(need.least for need in self._needs), strict=True)]
        most = [max(column) for column in zip(*(need.most for need in self._needs), strict=True)]
        if sum(least) > room:
            return [max(low, min(high, COMFORTABLE)) for low, high in zip(least, most, strict=True)]
        if sum(most) <= room:
            return [width + (room - sum(most)) / len(most) for width in most]
        return _filled(least, most, room)

    def _measure(self, row: Row) -> _Need:
        least, most = [], []
        for column, runs in enumerate(row.cells):
            padding = cell_padding(len(row.cells), column) + SLACK
            whole = sum(self._advance(run.text, run, row) for run in runs)
            parts = [self._advance(word, run, row) for run in runs for word in _words(run)]
            word = max(parts, default=0.0)
            has_formula = any(Mark.FORMULA in run.mark for run in runs)
            least.append((word if has_formula else min(word, MAX_WORD)) + padding)
            most.append(max(whole, word) + padding)
        return _Need(least, most)

    def _advance(self, text: str, run: Run, row: Row) -> float:
        return self._formats.cell_metrics(run, row).horizontalAdvance(text)


def _words(run: Run) -> Iterator[str]:
    """The longest word of ``run``; a formula is one as a whole."""
    if Mark.FORMULA in run.mark:
        yield run.text
    else:
        yield max(run.text.split(), key=len, default="")


def _filled(least: list[float], most: list[float], room: float) -> list[float]:
    """As wide as the widest of them may be for their sum to be ``room``, each within its limits."""
    low, high = 0.0, room
    for _ in range(24):
        level = (low + high) / 2
        total = sum(max(a, min(b, level)) for a, b in zip(least, most, strict=True))
        low, high = (low, level) if total > room else (level, high)
    return [max(a, min(b, low)) for a, b in zip(least, most, strict=True)]
