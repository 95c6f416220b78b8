"""Where a list or a quote that is still being written can be cut: what is before is settled, and
what is behind is parsed on its own from then on. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from markdown_it.token import Token

_DELIMITER = re.compile(r"[>\s]*+(?=[:|\s]*+-)[-:|\s]*+$")  # also in a quote
_LISTS = frozenset(("bullet_list_open", "ordered_list_open"))


class InnerCut(NamedTuple):
    """Before the token number ``at``. ``quotes``: in how many of them the list is that goes on
    there; None where it is no list."""

    at: int
    quotes: int | None = None


def begins_block(token: Token, level: int) -> bool:
    """Whether ``token`` is the first of a block in ``level`` others."""
    return token.level == level and token.nesting >= 0 and token.map is not None


def first_line(token: Token) -> int:
    """The number of the line that ``token`` begins in."""
    return token.map[0] if token.map is not None else 0


def inner_cut(tokens: Sequence[Token], begin: int, lines: Sequence[str], limit: int) -> InnerCut:
    """Before the last block of the quote that ``begin`` opens, or the last item of the list, also
    of one that ends that quote, up to the line ``limit``; before ``begin`` when there is no later
    one to cut before."""
    cut, at, level = InnerCut(begin), begin, 0
    while tokens[at].type == "blockquote_open" or tokens[at].type in _LISTS:
        is_list = tokens[at].type in _LISTS
        level += 1
        inner = [
            index for index in range(at + 1, len(tokens)) if begins_block(tokens[index], level)
        ]
        safe = [each for each in inner[1:] if _is_safe(tokens[each], lines, limit)]
        if safe:
            cut = InnerCut(safe[-1], level - 1 if is_list else None)
        if is_list or not inner or first_line(tokens[inner[-1]]) > limit:
            break
        at = inner[-1]
    return cut


def _is_safe(token: Token, lines: Sequence[str], limit: int) -> bool:
    first = first_line(token)
    if first > limit:
        return False
    return token.type == "table_open" or not _reads_otherwise(lines[first : first + 2])


def _reads_otherwise(lines: Sequence[str]) -> bool:
    """Whether the first of ``lines``, without what came before it, may be the head of a table, as
    the one below it says, or code, which is indented by far."""
    is_head = "|" in lines[0] and (len(lines) == 1 or _DELIMITER.match(lines[1]))
    return bool(is_head) or lines[0].expandtabs(4).startswith(" " * 4)
