"""What a person types into the search, as a value. Pure.

Words are looked for as they are, in any order; ``"quoted words"`` as they follow each other.
Filters narrow it down: ``model:smol before:2026-03 after:2025 pinned:yes folder:"My work"
tag:tea``. All of them must hold. A word with a colon that is none of these is one like any other.
"""

from __future__ import annotations

import re
import time
from datetime import date

import msgspec

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.store.text_folding import fold

FILTERS = ("model", "before", "after", "pinned", "folder", "tag")
# A filter with a value in quotes or without, words in quotes, or a word. A quote that is never
# closed holds all that follows: it is about to be.
_PIECE = re.compile(
    rf"""(?P<name>{"|".join(FILTERS)}):(?:"(?P<quoted_value>[^"]*)"?|(?P<value>[^\s"]\S*)?)
    |"(?P<quoted>[^"]*)"?
    |(?P<word>\S+)""",
    re.IGNORECASE | re.VERBOSE,
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_YES = frozenset({"yes", "true", "1", "y"})
_NO = frozenset({"no", "false", "0", "n"})


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """All of it folded (`text_folding.fold`). ``before`` is Unix time in seconds, itself left out;
    ``after`` is, too, itself included."""

    words: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_pinned: tuple[bool, ...] = ()
    before: float | None = None
    after: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == SearchQuery()


def parse(text: str) -> SearchQuery:
    """The query that ``text`` is. Dates are those of the local calendar.

    A filter without a value is one that is still being typed, and filters nothing. Raises
    `InvalidRequest`, naming the filter, for a value that it cannot have.
    """
    words: list[str] = []
    values: dict[str, list[str]] = {name: [] for name in FILTERS}
    for piece in _PIECE.finditer(text):
        if piece["name"] is None:
            words.append(piece["word"] if piece["quoted"] is None else piece["quoted"].strip())
        elif value := (piece["quoted_value"] or piece["value"] or "").strip():
            values[piece["name"].lower()].append(value)
    before = [_day("before", value) for value in values["before"]]
    after = [_day("after", value) for value in values["after"]]
    return SearchQuery(
        words=_folded(words),
        models=_folded(values["model"]),
        folders=_folded(values["folder"]),
        tags=_folded(values["tag"]),
        is_pinned=tuple(map(_is_yes, values["pinned"])),
        before=min(before, default=None),
        after=max(after, default=None),
    )


def _folded(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(folded for text in texts if (folded := fold(text))))


def _is_yes(value: str) -> bool:
    folded = fold(value)
    if folded in _YES:
        return True
    if folded in _NO:
        return False
    raise InvalidRequest(f"“pinned:{value}” is neither pinned:yes nor pinned:no", param="pinned")


def _day(name: str, value: str) -> float:
    """The beginning of a day, a month or a year."""
    match = _DATE.fullmatch(value)
    if match is not None:
        year, month, day = (int(part or 1) for part in match.groups())
        try:
            date(year, month, day)
            return time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))
        except (ValueError, OverflowError):
            pass  # no such day, said below
    raise InvalidRequest(
        f"“{name}:{value}” is no date: write {name}:2026-03-31, {name}:2026-03 or {name}:2026",
        param=name,
    )
