"""The `pattern` keyword: a subset of regular expressions as GBNF inside a JSON string.

Called by json_schema.py on any thread; pure, with recursion bounded by MAX_GROUPS. The whole
string matches, which satisfies a pattern that only asks to be found in it; but where it says of one
end alone that the string has it there, as `^https://` does, anything may stand at the other. That
needs no saying where it goes on as long as one likes, as in `^[a-z]+`.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from minerva_desktop.engine.core.character_class import (
    SURROGATES,
    Ranges,
    matched_ranges,
    merged_ranges,
)
from minerva_desktop.engine.core.grammar_parser import MAX_REPETITION
from minerva_desktop.engine.core.json_schema_text import character_class, literal

MAX_PATTERN = 1_000  # characters
MAX_GROUPS = 20  # nested
_LONGEST_COUNT = 6  # digits; a grammar counts to less

_LINES = [(0x2028, 0x2029)]  # which end one, as few know
_EVERYTHING = matched_ranges([(0, 0x1F), *_LINES], negated=True)
_SETS: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x20, 0x20),),
}
_SPACES = [(0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)]
_MORE_SPACES = [*_LINES, (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]
_ALL_SPACES: Ranges = (*_SPACES, *_MORE_SPACES, (0xFEFF, 0xFEFF))
_NEVER_PLAIN = frozenset(
    code
    for low, high in (*_ALL_SPACES, (0, 0x1F), (0x7F, 0x7F))
    for code in range(low, high + 1)
    if code != 0x20
)
_NOT_IN: dict[str, Ranges] = {
    "D": matched_ranges([*_SETS["d"], (0, 0x1F)], negated=True),
    "W": matched_ranges([*_SETS["w"], (0, 0x1F)], negated=True),
    "S": matched_ranges([*_ALL_SPACES, (0, 0x1F)], negated=True),
}
_CONTROLS = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C}  # as JSON calls them, too
_CODES = {"x": 2, "u": 4}  # and their digits
_TIMES: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_ONCE: int | None = 1
# What begins so and looks ahead, and the same without: of zod for addresses of mail.
_SAME_WITHOUT = {
    r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@": (
        r"^(?:[A-Za-z0-9_'+-]+\.)*[A-Za-z0-9_'+-]*[A-Za-z0-9_+-]@"
    )
}
_PUNCTUATION = frozenset("^$\\.*+?()[]{}|/-\"'#&,:;<=>@_`~!% ")


class PatternError(ValueError):
    """The sentence says what of the pattern cannot be honoured."""


class LengthError(PatternError):
    """Its texts cannot be held to these lengths."""


class _Piece(msgspec.Struct, frozen=True):
    """An expression of ``least`` to ``most`` characters (None: no bound), ``low`` to ``high`` times
    as ``quantifier`` says. ``ranges``: what it is one character of, if it is."""

    body: str
    least: int
    most: int | None
    quantifier: str = ""
    low: int = 1
    high: int | None = 1
    ranges: Ranges = ()

    @property
    def text(self) -> str:
        return self.body + self.quantifier

    @property
    def shortest(self) -> int:
        return self.least * self.low

    @property
    def longest(self) -> int | None:
        if self.high == 0 or self.most == 0:
            return 0
        return None if self.most is None or self.high is None else self.most * self.high


_ANY_TEXT = _Piece("char", 1, 1, "*", 0, None)


class Pattern:
    """Reads one pattern; made for one call of ``gbnf``."""

    def __init__(self, text: str) -> None:
        for look_ahead, same in _SAME_WITHOUT.items():
            if text.startswith(look_ahead):
                text = same + text[len(look_ahead) :]
        self._text = text
        self._at = 0
        self._groups = 0

    def gbnf(self, least: int = 0, most: int | None = None) -> str:
        """An expression without the quotes around the string, of ``least`` to ``most`` characters;
        raises PatternError."""
        if len(self._text) > MAX_PATTERN:
            raise PatternError(
                f"it has {len(self._text):,} characters; {MAX_PATTERN:,} are allowed"
            )
        options = self._options()
        starts, ends = options[0][0], options[-1][2]
        if not any(option[0] for option in options[1:]) and not any(o[2] for o in options[:-1]):
            # Where only the two ends are named, each may be one of all.
            options = [(starts, pieces, ends) for _, pieces, _ in options]
        found = [_of_length(*option, least, most) for option in options]
        return f"({' | '.join(_joined(pieces) for pieces in found)})"

    def anywhere(self) -> str:
        """An expression of the texts in which the pattern is found, of those that
        `is_plain_text` names; raises PatternError."""
        if len(self._text) > MAX_PATTERN:
            raise PatternError(
                f"it has {len(self._text):,} characters; {MAX_PATTERN:,} are allowed"
            )
        found = [
            [*([] if starts else [_ANY_TEXT]), *pieces, *([] if ends else [_ANY_TEXT])]
            for starts, pieces, ends in self._options()
        ]
        return f"({' | '.join(map(_joined, found))})"

    def _options(self) -> list[tuple[bool, list[_Piece], bool]]:
        """The alternatives, and whether each says where the text begins and where it ends."""
        options = []
        while True:
            starts = self._peek() == "^"
            self._at += starts
            pieces = self._sequence()
            ends = self._peek() == "$"
            self._at += ends
            options.append((starts, pieces, ends))
            if self._peek() != "|":
                break
            self._at += 1
        if self._at < len(self._text):
            raise self._unsupported()
        return options

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _unsupported(self) -> PatternError:
        return PatternError(f"“{self._text[self._at :][:8]}” at {self._at} is not supported")

    def _alternatives(self) -> _Piece:
        """Those of a group."""
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        parts = _with_one_class(parts)
        longest = [_longest(part) for part in parts]
        known = [length for length in longest if length is not None]
        return _Piece(
            f"({' | '.join(_joined(part) for part in parts)})",
            min(_shortest(part) for part in parts),
            max(known) if len(known) == len(longest) else None,
        )

    def _sequence(self) -> list[_Piece]:
        parts = []
        while (character := self._peek()) and character not in "|)$":
            piece = self._quantified(self._atom(character))
            if piece.high != 0:
                parts.append(piece)
        return parts

    def _atom(self, character: str) -> _Piece:
        if character == "(":
            return self._group()
        if character in "*+?{}^]":
            raise self._unsupported()
        self._at += 1
        if character == ".":
            return _character(_EVERYTHING)
        if character == "[":
            return _character(self._class())
        if character == "\\":
            return _character(self._escape())
        return _character(((ord(character), ord(character)),))

    def _group(self) -> _Piece:
        if self._text.startswith("(?", self._at) and not self._text.startswith("(?:", self._at):
            raise self._unsupported()
        self._groups += 1
        if self._groups > MAX_GROUPS:
            raise PatternError(f"its groups are nested more than {MAX_GROUPS} deep")
        self._at += 3 if self._text.startswith("(?:", self._at) else 1
        body = self._alternatives()
        if self._peek() != ")":
            raise self._unsupported() if self._peek() else PatternError("“)” is missing")
        self._at += 1
        self._groups -= 1
        return body

    def _quantified(self, piece: _Piece) -> _Piece:
        character = self._peek()
        found, low, high = "", 1, _ONCE
        if character and character in _TIMES:
            self._at += 1
            found = character
            low, high = _TIMES[character]
        elif character == "{":
            end = self._text.find("}", self._at)
            found = self._text[self._at : end + 1]
            digits = found[1:-1].split(",")
            if end < 0 or len(digits) > 2 or not all(map(_is_count, digits[:1])):
                raise self._unsupported()
            if len(digits) == 2 and digits[1] and not _is_count(digits[1]):
                raise self._unsupported()
            self._at = end + 1
            low = int(digits[0])
            high = int(digits[-1]) if digits[-1] else None
            if high is not None and high < low:
                raise PatternError(f"“{found}” allows nothing")
        if found and self._peek() == "?":  # lazy: the same texts match
            self._at += 1
        return msgspec.structs.replace(piece, quantifier=found, low=low, high=high)

    def _escape(self) -> Ranges:
        character = self._peek()
        found = _SETS.get(character) or _NOT_IN.get(character)
        if character in _CODES and character:
            found = self._code(_CODES[character])
        elif character in _CONTROLS and character:
            found = ((_CONTROLS[character], _CONTROLS[character]),)
        if found is None and (not character or character not in _PUNCTUATION):
            self._at -= 1
            raise self._unsupported()
        self._at += 1
        return found or ((ord(character), ord(character)),)

    def _code(self, length: int) -> Ranges | None:
        """The character that is written as so many hexadecimal digits, but for the last of them."""
        digits = self._text[self._at + 1 : self._at + 1 + length]
        if len(digits) < length or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            return None
        code = int(digits, 16)
        if SURROGATES[0] <= code <= SURROGATES[1] or not code:
            return None
        self._at += length
        return ((code, code),)

    def _class(self) -> Ranges:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        while (character := self._peek()) != "]":
            low = self._member(character)
            following = self._text[self._at : self._at + 2]
            if len(low) == 1 and len(following) == 2 and following[0] == "-" != following[1] != "]":
                self._at += 1
                high = self._member(self._peek())
                if len(high) != 1 or high[0][0] < low[0][0]:
                    raise PatternError("a character class has a range without order")
                low = ((low[0][0], high[0][1]),)
            # Of white space only the blank is written, and none where it may not be.
            ranges.extend(_ALL_SPACES if negated and low is _SETS["s"] else low)
        self._at += 1
        if not negated:
            return matched_ranges(ranges, negated=False)
        return matched_ranges([*ranges, (0, 0x1F)], negated=True)  # those are written if named

    def _member(self, character: str) -> Ranges:
        if not character:
            raise PatternError("“]” is missing")
        self._at += 1
        if character == "\\":
            return self._escape()
        return ((ord(character), ord(character)),)


def is_plain_text(text: str) -> bool:
    """Whether no character of ``text`` is one that a pattern matches and is never written for it:
    these classes are narrower here than they are."""
    codes = {*map(ord, text)}
    return codes.isdisjoint(_NEVER_PLAIN) and not any(
        SURROGATES[0] <= code <= SURROGATES[1] for code in codes
    )


def _is_count(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_COUNT


def _joined(pieces: list[_Piece]) -> str:
    return " ".join(piece.text for piece in pieces) or '""'


def _shortest(pieces: list[_Piece]) -> int:
    return sum(piece.shortest for piece in pieces)


def _longest(pieces: list[_Piece]) -> int | None:
    lengths = [piece.longest for piece in pieces]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _of_length(
    starts: bool, pieces: list[_Piece], ends: bool, least: int, most: int | None
) -> list[_Piece]:
    """``pieces``, with any text at the end of which nothing is said where it is of the other, and
    ``least`` to ``most`` characters in all."""
    whole = pieces
    if starts and not ends and not (pieces and pieces[-1].high is None):
        whole = [*pieces, _ANY_TEXT]
    if ends and not starts and not (pieces and _is_anything(pieces[0])):
        whole = [_ANY_TEXT, *pieces]
    try:
        return _counted(whole, least, most)
    except LengthError:
        if not starts and not ends:  # it has to be found somewhere
            return _counted([*pieces, _ANY_TEXT], least, most)
        raise


def _is_anything(piece: _Piece) -> bool:
    return piece.body == _expression(_EVERYTHING) and (piece.low, piece.high) == (0, None)


def _counted(pieces: list[_Piece], least: int, most: int | None) -> list[_Piece]:
    """``pieces`` of so many characters in all, if one alone makes out their length."""
    longest = _longest(pieces)
    if _shortest(pieces) >= least and (most is None or (longest is not None and longest <= most)):
        return pieces
    loose = [index for index, piece in enumerate(pieces) if piece.shortest != piece.longest]
    if not loose:
        raise LengthError("no text has such a length")
    if len(loose) > 1 or (pieces[loose[0]].least, pieces[loose[0]].most) != (1, 1):
        raise LengthError("the texts can have other lengths, and a grammar cannot hold to both")
    piece = pieces[loose[0]]
    fixed = _shortest(pieces) - piece.shortest
    low, high = max(piece.low, least - fixed), piece.high
    if most is not None:
        high = most - fixed if high is None else min(high, most - fixed)
    if high is not None and high < low:
        raise LengthError("no text has such a length")
    if max(low, high or 0) > MAX_REPETITION:
        raise LengthError(f"no more than {MAX_REPETITION:,} characters can be counted")
    quantifier = f"{{{low},{'' if high is None else high}}}"
    counted = msgspec.structs.replace(piece, quantifier=quantifier, low=low, high=high)
    return [*pieces[: loose[0]], *([counted] if high != 0 else []), *pieces[loose[0] + 1 :]]


def _character(ranges: Ranges) -> _Piece:
    return _Piece(_expression(ranges), 1, 1, ranges=ranges)


def _with_one_class(parts: list[list[_Piece]]) -> list[list[_Piece]]:
    """Alternatives, all of one character each put together (see `json_schema_text.one_of`)."""
    single = [p for p in parts if len(p) == 1 and p[0].ranges and not p[0].quantifier]
    if len(single) < 2:
        return parts
    others = [part for part in parts if part not in single]
    ranges = merged_ranges(pair for part in single for pair in part[0].ranges)
    return [*others, [_character(tuple(ranges))]]


@lru_cache(maxsize=256)  # patterns are made of few characters, over and over
def _expression(ranges: Ranges) -> str:
    """A character of a JSON string; a quote and a backslash have a backslash before them."""
    parts = [character_class(ranges)]
    parts.extend(
        literal(f"\\{mark}")
        for mark in '"\\'
        if any(low <= ord(mark) <= high for low, high in ranges)
    )
    parts.extend(
        literal(f"\\{letter}")
        for letter, code in _CONTROLS.items()
        if any(low <= code <= high for low, high in ranges)
    )
    parts = [part for part in parts if part]
    if not parts:
        raise PatternError("a character class matches nothing that a JSON string may hold")
    return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"
