"""GBNF for what stands between quotes and digits in JSON: keys, strings, integers.

Called by json_schema.py and json_schema_pattern.py on any thread; pure. Expressions are built so
that few characters of looking ahead decide: alternatives share no prefix, ranges do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from minerva_desktop.engine.core.character_class import (
    Ranges,
    class_text,
    escaped,
    matched_ranges,
    merged_ranges,
)

# What the rules of every schema may use. White space is bounded: a model could go on for ever.
PRIMITIVES = r"""
ws ::= ("\n" [ ]{0,20} | " ")?
plain ::= [^"\\\x00-\x1F\x7F]
escape ::= "\\" (["\\/bfnrt] | "u" ([0-9A-CE-Fa-ce-f] hex hex hex | [Dd] [0-7] hex hex))
hex ::= [0-9A-Fa-f]
char ::= plain | escape
string ::= "\"" char* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
value ::= object | array | string | number | boolean | null
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)* ws)? "}"
array ::= "[" ws (value ("," ws value)* ws)? "]"
"""

_PLAIN = matched_ranges([(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F)], negated=True)


def literal(text: str) -> str:
    """``text`` as a GBNF literal."""
    return '"' + "".join(escaped(ord(character)) for character in text) + '"'


def character_class(ranges: Ranges) -> str:
    """Those of ``ranges`` that stand for themselves in a JSON string; "" when none does."""
    taken = tuple(
        (max(low, first), min(high, last))
        for low, high in merged_ranges(ranges)
        for first, last in _PLAIN
        if low <= last and first <= high
    )
    return class_text(taken) if taken else ""


def one_of(options: list[tuple[str, str]]) -> str:
    """One of distinct texts, each with the expression that follows it; shared prefixes once.
    Characters that the same follows are a class: for each alternative llama.cpp works out anew what
    comes behind it."""
    alternatives = []
    alike: dict[str, list[str]] = {}  # by what follows
    for first, group in groupby(sorted(options), key=lambda option: option[0][:1]):
        members = list(group)
        if not first:
            alternatives.append(members[0][1] or '""')
            continue
        prefix = _shared_prefix(members[0][0], members[-1][0])
        if len(members) > 1:
            rest = one_of([(text[len(prefix) :], then) for text, then in members])
            alternatives.append(f"{literal(prefix)} {rest}")
        elif len(prefix) == 1:
            alike.setdefault(members[0][1], []).append(prefix)
        else:
            alternatives.append(f"{literal(prefix)} {members[0][1]}")
    for then, characters in alike.items():
        alternatives.append(f"{_any_of(characters)} {then}")
    return f"({' | '.join(alternatives)})"


def _any_of(characters: list[str]) -> str:
    if len(characters) == 1:
        return literal(characters[0])
    return class_text(tuple(merged_ranges((ord(each), ord(each)) for each in characters)))


def _shared_prefix(low: str, high: str) -> str:
    """What all texts between these two, in sorting order, begin with."""
    length = 0
    while length < min(len(low), len(high)) and low[length] == high[length]:
        length += 1
    return low[:length]


def other_key(taken: list[str], new_rule: Callable[[str], str]) -> str:
    """The rest of a key after its opening quote, which is none of ``taken`` (JSON, with the
    closing quote). Without escapes, as one could spell a taken key.
    """
    firsts = sorted({key[0] for key in taken})
    letters = [(ord(first), ord(first)) for first in firsts if first not in '"\\']
    free = character_class(matched_ranges(letters, negated=True))
    alternatives = [f'{free} plain* "\\""'] if free else []
    if '"' not in firsts:
        alternatives.append('"\\""')
    for low, _ in letters:
        rest = other_key([key[1:] for key in taken if ord(key[0]) == low], new_rule)
        alternatives.append(f"{literal(chr(low))} {rest}")
    return new_rule(" | ".join(alternatives))


def integers(low: int, high: int) -> str:
    """Exactly the integers from ``low`` to ``high`` (inclusive), or "" when there are none."""
    parts = []
    if high >= 0 and low <= high:
        parts.append(_naturals(max(low, 0), high))
    if low < 0 and low <= high:
        parts.append(f'"-" {_naturals(max(-high, 1), -low)}')
    return f"({' | '.join(parts)})" if parts else ""


def _naturals(low: int, high: int) -> str:
    parts = []
    for length in range(len(str(low)), len(str(high)) + 1):
        smallest = max(low, 10 ** (length - 1) if length > 1 else 0)
        parts.append(_same_length(str(smallest), str(min(high, 10**length - 1))))
    return f"({' | '.join(parts)})"


def _same_length(low: str, high: str) -> str:
    if not low:
        return ""
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if low[1:] == zeros and high[1:] == nines:
        return f"[{low[0]}-{high[0]}]" + (f" [0-9]{{{rest}}}" if rest else "")
    if low[0] == high[0]:
        return f'"{low[0]}" {_same_length(low[1:], high[1:])}'
    parts = [f'"{low[0]}" {_same_length(low[1:], nines)}']
    if int(high[0]) - int(low[0]) > 1:
        middle = f"[{int(low[0]) + 1}-{int(high[0]) - 1}]"
        parts.append(f"{middle} [0-9]{{{rest}}}")
    parts.append(f'"{high[0]}" {_same_length(zeros, high[1:])}')
    return f"({' | '.join(parts)})"
