"""What a rendered message is made of: a flat list of rows, each a paragraph, a line of code, a
rule or a row of a table.

`markdown` makes rows from source, `document` writes them into a `QTextDocument`. Being values that
compare, two renderings are compared row by row and only what differs is written. No Qt here, so
any thread may use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import Enum, IntFlag, auto
from typing import NamedTuple

import msgspec

LINE_BREAK = "\u2028"  # a new line inside one paragraph, as Qt's text documents write it
DIRECTION_LIMIT = 100  # characters that are looked at for the direction of a paragraph
_BEFORE_WORD = re.compile(r"\s(?=[^\W\d_])")
_SPACE = re.compile(r"\s")
QUOTE = "q"
LIST = "l"
BESIDE_QUOTE = 3  # characters of a marker for which there is room at the left of a quote's bar


class Mark(IntFlag):
    """How a run of text looks."""

    NONE = 0
    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    CODE = auto()
    MUTED = auto()
    RAISED = auto()  # small and above the line, as what leads to a footnote
    FORMULA = auto()  # LaTeX as it was written, with its dollar signs or brackets
    LOWERED = auto()  # small and below the line


class Run(NamedTuple):
    """Text of one look. ``link`` is an allowed address, a place in the message (``#…``, see
    `footnotes`) or empty; ``token`` is a Pygments token type such as ``Keyword.Constant``, in code
    only."""

    text: str
    mark: Mark = Mark.NONE
    link: str = ""
    token: str = ""


class Kind(Enum):
    """What a row is."""

    TEXT = auto()
    PLAIN = auto()
    HEADING = auto()
    CODE = auto()
    RULE = auto()
    TABLE = auto()
    FORMULA = auto()  # on a line of its own
    ALERT = auto()  # what an alert is called, at its beginning


class Row(msgspec.Struct, frozen=True):
    """One row.

    ``nest`` has a `QUOTE` or a `LIST` for each container around the row, outermost first; of an
    alert (`markdown_alerts`), what stands for its kind.
    ``marker`` is a bullet or a number of the innermost list, before the quotes in it if any.
    ``tight`` rows follow the one above closely. ``first`` and ``last`` bound a code box (``first``
    also a table); ``label`` is the box's language and ``raw`` the line's source, newline included.
    ``level`` is a heading's, 1 to 6. ``cells`` and ``align`` (``left``, ``center``, ``right`` or
    empty) are a table row's; its header row is ``first``.
    """

    kind: Kind
    runs: tuple[Run, ...] = ()
    nest: str = ""
    marker: str = ""
    tight: bool = False
    first: bool = False
    last: bool = False
    label: str = ""
    raw: str = ""
    level: int = 0
    cells: tuple[tuple[Run, ...], ...] = ()
    align: tuple[str, ...] = ()

    @property
    def item(self) -> int:
        """Which container in ``nest`` is the one with the marker."""
        return self.nest.rfind(LIST)

    @property
    def text(self) -> str:
        """The row as plain text."""
        if self.kind is Kind.TABLE:
            return " | ".join(runs_text(cell) for cell in self.cells)
        text = runs_text(self.runs).replace(LINE_BREAK, "\n")
        return f"{self.marker} {text}" if self.marker else text


def split_long(line: str, limit: int) -> list[str]:
    """``line`` in pieces of at most ``limit`` characters that join to it again; at least one.

    A piece ends after its last white space, best where a word follows: a sign at the beginning of
    a line could be Markdown. Only where there is no white space but indentation it ends anywhere.
    The end of a piece depends on nothing that comes after it, and the cost is linear.
    """
    pieces: list[str] = []
    start = 0
    while len(line) - start > limit:
        end = start + _piece_end(line[start : start + limit])
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _piece_end(piece: str) -> int:
    indent = len(piece) - len(piece.lstrip())
    for pattern in (_BEFORE_WORD, _SPACE):
        ends = [match.end() for match in pattern.finditer(piece, indent)]
        if ends:
            return ends[-1]
    return len(piece)


def runs_text(runs: tuple[Run, ...]) -> str:
    """The text of ``runs`` without their looks."""
    return "".join(run.text for run in runs)


def all_runs(rows: Iterable[Row]) -> Iterator[Run]:
    """All runs of ``rows``, those in cells too."""
    for row in rows:
        for runs in (row.runs, *row.cells):
            yield from runs


def reads_right_to_left(runs: tuple[Run, ...]) -> bool:
    """Whether the first letter that has a direction is one of a right-to-left script."""
    for character in runs_text(runs)[:DIRECTION_LIMIT]:
        direction = unicodedata.bidirectional(character)
        if direction in {"L", "R", "AL"}:
            return direction != "L"
    return False


def shape(row: Row) -> tuple[object, ...]:
    """What a row cannot change without being written anew."""
    rtl = reads_right_to_left(row.runs)
    return row.kind, row.nest, row.marker, row.tight, row.first, row.level, rtl


def table_shape(row: Row) -> tuple[object, ...]:
    """The same of a table's row."""
    return row.kind, row.nest, row.first, row.align, len(row.cells)


def grows(before: Run, after: Run) -> bool:
    """Whether ``after`` is ``before`` with more text behind it."""
    same_look = before[1:] == after[1:] and Mark.FORMULA not in before.mark
    return same_look and after.text.startswith(before.text)


def merged(runs: list[Run]) -> tuple[Run, ...]:
    """``runs`` without empty ones and with neighbours of one look joined, so that equal text has
    equal runs however it was tokenised."""
    out: list[Run] = []
    for run in runs:
        if not run.text:
            continue
        if out and out[-1][1:] == run[1:]:
            out[-1] = run._replace(text=out[-1].text + run.text)
        else:
            out.append(run)
    return tuple(out)
