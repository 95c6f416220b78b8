"""Where a text that is looked for stands in rendered rows.

As browsers do, it is found without regard to case, accents and ligatures, within a paragraph, a
line of code or a cell of a table, never across them. No Qt here; any thread may use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from minerva_desktop.ui.chat_view.rows import Kind, Row, runs_text

MAX_MATCHES = 2_000  # in one message
PIECE = 16_000  # characters searched between two looks at the clock
ROWS = 100  # the same for rows, most of which have some characters
_LINK = "]("  # between the text of a link and its target
_MARKUP = frozenset("*_~`\\[]()<>#|$!-+:=\n\r\t ")
# What may follow a letter, or stand between two, and makes no other word: accents, the points of
# Hebrew and Arabic, joiners and selectors of a look. Not all marks: those of Indian scripts and of
# kana are letters as much as what they follow.
_LITTLE = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    "\u200b-\u200d\ufe00-\ufe0f]"
)


class Match(NamedTuple):
    """From ``start`` to ``end`` (code points) in the text of one row, its marker not counted; of a
    table's row in its cell number ``cell``, which is 0 elsewhere. ``block``: it is in that one of
    the message's cards of tools, from 1 up, or of its thoughts, from -1 down; 0: in what it
    says."""

    row: int
    cell: int
    start: int
    end: int
    block: int = 0


class Needle:
    """What is looked for. Empty where there is nothing to look for."""

    def __init__(self, text: str) -> None:
        self._folds = _Folds()
        self._bare_folds = _BareFolds()
        self._text = text.translate(self._folds)
        self._bare = text.translate(self._bare_folds)

    def __bool__(self) -> bool:
        return bool(self._text)

    def may_be_in(self, source: str) -> Generator[None, None, bool]:
        """Returns whether Markdown could show it: False only where it cannot; a step for each
        `PIECE`. Saves rendering most messages of a long chat. Blind to text behind entities, as in
        ``&auml;``, and to a link in the middle of a line as long as a piece."""
        before = ""
        for piece in _pieces(source):
            shown = before + _without_targets(piece).translate(self._bare_folds)
            if self._bare in shown:
                return True
            before = shown[max(0, len(shown) - len(self._bare) + 1) :]
            yield
        return False

    def matches(self, rows: Sequence[Row]) -> Generator[None, None, tuple[Match, ...]]:
        """Returns where it is in ``rows``, from top to bottom, `MAX_MATCHES` at most; a step for
        each `ROWS`."""
        found: list[Match] = []
        for index, row in enumerate(rows):
            for cell, text in enumerate(_segments(row)):
                found += [Match(index, cell, *span) for span in self._spans(text)]
            if len(found) >= MAX_MATCHES:
                break
            if index % ROWS == ROWS - 1:
                yield
        return tuple(found[:MAX_MATCHES])

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        folded = text.translate(self._folds)
        at = folded.find(self._text)
        origins = [] if at < 0 or text.isascii() else self._folds.origins(text)
        while at >= 0:
            stop = at + len(self._text)
            begin, end = (origins[at], origins[stop]) if origins else (at, stop)
            # Never a part of a character, such as one s of an ß.
            is_whole = not origins or (begin != origins[at - 1] and end != origins[stop - 1])
            if is_whole:
                yield begin, end
            at = folded.find(self._text, stop if is_whole else at + 1)


class _Folds(dict[int, str]):
    """The form in which characters are compared: of some none, of some several."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = self[code] = " " if character.isspace() else _fold(character)
        return folded

    def origins(self, text: str) -> list[int]:
        """Where in ``text`` each character of its form comes from; then its length."""
        places = [at for at, each in enumerate(text) for _ in self[ord(each)]]
        return [*places, len(text)]


class _BareFolds(dict[int, str]):
    """The same, and nothing for what may be markup."""

    def __missing__(self, code: int) -> str:
        folded = " " if chr(code).isspace() else _fold(chr(code))
        bare = self[code] = "".join(each for each in folded if each not in _MARKUP)
        return bare


def _fold(character: str) -> str:
    alike = unicodedata.normalize("NFKC", character).casefold()
    return "".join(map(_without_marks, _LITTLE.sub("", alike)))


def _without_marks(letter: str) -> str:
    """``letter``, where it is one with accents without them."""
    parts = unicodedata.normalize("NFD", letter)
    return parts[0] if not _LITTLE.sub("", parts[1:]) else letter


def _pieces(source: str) -> Iterator[str]:
    """``source`` in pieces that end with a line, where one ends in them."""
    start = 0
    while start < len(source):
        end = start + PIECE
        if end < len(source):
            end = source.rfind("\n", start, end) + 1 or end
        yield source[start:end]
        start = end


def _without_targets(source: str) -> str:
    """``source`` without what its links lead to. No expression: where links do not end, one looks
    for each of their ends through all the rest."""
    if _LINK not in source:
        return source
    first, *others = source.split(_LINK)
    shown = [first]
    for other in others:
        target, mark, rest = other.partition(")")
        shown.append(rest if mark and "\n" not in target else other)
    return "".join(shown)


def _segments(row: Row) -> list[str]:
    if row.kind is Kind.TABLE:
        return [runs_text(cell) for cell in row.cells]
    return [runs_text(row.runs)]
