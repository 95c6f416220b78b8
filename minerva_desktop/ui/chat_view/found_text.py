"""Where a text that is looked for stands in rendered rows.

As browsers do, it is found without regard to case and accents, within a paragraph, a line of code
or a cell of a table, never across them. No Qt here; any thread may use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minerva_desktop.ui.chat_view.rows import Kind, Row, runs_text

MAX_MATCHES = 2_000  # in one message
_TARGET = re.compile(r"\]\([^)\n]*\)")  # of a link
_MARKUP = dict.fromkeys(map(ord, "*_~`\\[]()<>#|$!-+:=\n\r\t "))


class Match(NamedTuple):
    """From ``start`` to ``end`` (code points) in the text of one row, its marker not counted; of a
    table's row in its cell number ``cell``, which is 0 elsewhere."""

    row: int
    cell: int
    start: int
    end: int


class Needle:
    """What is looked for. Empty where there is nothing to look for."""

    def __init__(self, text: str) -> None:
        self._folds = _Folds()
        self._text = text.translate(self._folds)
        self._bare = self._text.translate(_MARKUP)

    def __bool__(self) -> bool:
        return bool(self._text)

    def may_be_in(self, source: str) -> bool:
        """Whether Markdown could show it: False only where it cannot. Saves rendering most
        messages of a long chat. Blind to text behind entities, as in ``&auml;``."""
        shown = _TARGET.sub("", source) if "](" in source else source
        return self._bare in shown.translate(self._folds).translate(_MARKUP)

    def matches(self, rows: Sequence[Row]) -> tuple[Match, ...]:
        """Where it is in ``rows``, from top to bottom, `MAX_MATCHES` at most."""
        found: list[Match] = []
        for index, row in enumerate(rows):
            for cell, text in enumerate(_segments(row)):
                found += [Match(index, cell, at, at + len(self._text)) for at in self._places(text)]
            if len(found) >= MAX_MATCHES:
                break
        return tuple(found[:MAX_MATCHES])

    def _places(self, text: str) -> Iterator[int]:
        folded = text.translate(self._folds)
        at = folded.find(self._text)
        while at >= 0:
            yield at
            at = folded.find(self._text, at + len(self._text))


class _Folds(dict[int, str]):
    """The form in which characters are compared. One for one, so that places stay places."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = self[code] = " " if character.isspace() else _fold(character)
        return folded


def _fold(character: str) -> str:
    plain = [c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)]
    lower = (plain[0] if len(plain) == 1 else character).lower()
    return lower if len(lower) == 1 else character


def _segments(row: Row) -> list[str]:
    if row.kind is Kind.TABLE:
        return [runs_text(cell) for cell in row.cells]
    return [runs_text(row.runs)]
