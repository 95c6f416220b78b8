"""Where in a text the words of a search are, and a piece of it to show. Pure.

Offsets are in characters of Python strings.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from minerva_desktop.store.text_folding import fold

BEFORE = 40  # characters in front of the first word
LENGTH = 160
ELLIPSIS = "…"

Mark = tuple[int, int]


class Snippet(msgspec.Struct, frozen=True):
    """A piece of a text on one line, and the ranges in it (start, end) that match, in order."""

    text: str
    marks: tuple[Mark, ...]


def snippet_of(text: str, words: Sequence[str], folded: str | None = None) -> Snippet:
    """The surroundings of the first of the folded ``words`` in ``text``.

    ``folded`` is ``fold(text)``, for those who have it. Without any words: the beginning.
    """
    folded = fold(text) if folded is None else folded
    places = [place for word in words if (place := folded.find(word)) >= 0]
    first = _original(text, min(places)) if places else 0
    start = _word_start(text, max(0, first - BEFORE), first)
    end = min(len(text), start + LENGTH)
    # White space becomes a space each, so that the marks fit either text.
    line = "".join(" " if character.isspace() else character for character in text[start:end])
    marks = marks_of(line, words)
    if end < len(text):
        line += ELLIPSIS
    if start > 0:
        line = ELLIPSIS + line
        marks = tuple((a + len(ELLIPSIS), b + len(ELLIPSIS)) for a, b in marks)
    return Snippet(line, marks)


def marks_of(text: str, words: Sequence[str]) -> tuple[Mark, ...]:
    """The ranges of ``text`` that match any of the folded ``words``, joined where they touch."""
    folded, origins = _fold_with_origins(text)
    found: list[Mark] = []
    for word in filter(None, words):
        place = folded.find(word)
        while place >= 0:
            last = place + len(word) - 1
            found.append((origins[place], origins[last] + 1))
            place = folded.find(word, last + 1)
    joined: list[Mark] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple((start, _with_accents(text, end)) for start, end in joined)


def _fold_with_origins(text: str) -> tuple[str, list[int]]:
    """``text`` folded, and for each character of that the place in ``text`` that it comes from."""
    if text.isascii():
        return fold(text), list(range(len(text)))
    pieces: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        piece = fold(character)
        pieces.append(piece)
        origins.extend([place] * len(piece))
    return "".join(pieces), origins


def _original(text: str, place: int) -> int:
    """The place in ``text`` that the place in its fold comes from."""
    if text.isascii():
        return place
    low, high = 0, len(text)
    while low < high:
        middle = (low + high) // 2
        if len(fold(text[: middle + 1])) > place:
            high = middle
        else:
            low = middle + 1
    return low


def _word_start(text: str, start: int, limit: int) -> int:
    """``start``, or the beginning of the next word before ``limit``, so that none is cut."""
    if start == 0:
        return 0
    for place in range(start, limit):
        if text[place - 1].isspace():
            return place
    return start


def _with_accents(text: str, end: int) -> int:
    """``end`` behind the accents that belong to the last letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
