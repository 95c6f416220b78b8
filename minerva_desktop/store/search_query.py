"""What a person types into the search, as a value. Pure.

Words are looked for as they are, in any order; ``"quoted words"`` as they follow each other.
Filters narrow it down: ``model:smol before:2026-03 after:7d pinned:yes folder:"My work"
tag:tea``. All of them must hold. A word with a colon that is none of these is one like any other.
What dates there are, `search_dates` says; of several words they need no quotes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import msgspec

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.store.search_dates import time_of
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
_DATES = ("before", "after")
MAX_DATE_WORDS = 3  # 31 March 2026
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


def parse(text: str, now: float | None = None) -> SearchQuery:
    """The query that ``text`` is. Dates are those of the local calendar, seen from ``now`` (Unix
    time in seconds), which is this moment by default.

    A filter without a value is one that is still being typed, and filters nothing. Raises
    `InvalidRequest`, naming the filter, for a value that it cannot have.
    """
    now = time.time() if now is None else now
    words: list[str] = []
    values: dict[str, list[str]] = {name: [] for name in FILTERS}
    dates: dict[str, list[float]] = {name: [] for name in _DATES}
    pieces, at = list(_PIECE.finditer(text)), 0
    while at < len(pieces):
        piece = pieces[at]
        at += 1
        name = (piece["name"] or "").lower()
        value = (piece["quoted_value"] or piece["value"] or "").strip()
        if not name:
            words.append(piece["word"] if piece["quoted"] is None else piece["quoted"].strip())
        elif name in dates:
            n_words, found = _date(name, value, pieces[at : at + MAX_DATE_WORDS], now)
            at += n_words
            dates[name] += [] if found is None else [found]
        elif value:
            values[name].append(value)
    return SearchQuery(
        words=_folded(words),
        models=_folded(values["model"]),
        folders=_folded(values["folder"]),
        tags=_folded(values["tag"]),
        is_pinned=tuple(map(_is_yes, values["pinned"])),
        before=min(dates["before"], default=None),
        after=max(dates["after"], default=None),
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


def _date(
    name: str, value: str, behind: Sequence[re.Match[str]], now: float
) -> tuple[int, float | None]:
    """How many of the pieces ``behind`` belong to ``value``, and when the date that they make
    begins; None where there is none yet."""
    said = [value] if value else []
    found, n_words = (time_of(value, now) if value else None), 0
    for number, piece in enumerate(behind[: MAX_DATE_WORDS - len(said)], start=1):
        if piece["word"] is None:
            break
        said.append(piece["word"])
        longer = time_of(" ".join(said), now)
        if longer is not None:
            found, n_words = longer, number
    if found is None and value:
        raise InvalidRequest(
            f"“{name}:{value}” is no date: write {name}:2026-03-31, or 2026-03, yesterday or 7d",
            param=name,
        )
    return n_words, found
