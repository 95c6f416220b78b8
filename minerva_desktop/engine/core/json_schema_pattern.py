"""The `pattern` keyword: a subset of regular expressions as GBNF inside a JSON string.

Called by json_schema.py on any thread; pure, with recursion bounded by MAX_GROUPS. The whole
string matches, which satisfies a pattern that only asks to be found in it; but where it says of one
end alone that the string has it there, as `^https://` does, anything may stand at the other. That
needs no saying where it goes on as long as one likes, as in `^[a-z]+`.
"""

from __future__ import annotations

from functools import lru_cache

from minerva_desktop.engine.core.character_class import Ranges, matched_ranges
from minerva_desktop.engine.core.json_schema_text import character_class, literal

MAX_PATTERN = 1_000  # characters
MAX_GROUPS = 20  # nested

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
_NOT_IN: dict[str, Ranges] = {
    "D": matched_ranges(list(_SETS["d"]), negated=True),
    "W": matched_ranges(list(_SETS["w"]), negated=True),
    "S": matched_ranges(list(_ALL_SPACES), negated=True),
}
_PUNCTUATION = frozenset("^$\\.*+?()[]{}|/-\"'#&,:;<=>@_`~!% ")


class PatternError(ValueError):
    """The sentence says what of the pattern cannot be honoured."""


class Pattern:
    """Reads one pattern; made for one call of ``gbnf``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._groups = 0
        self._is_endless = False  # of what was read last, there may be any number

    def gbnf(self) -> str:
        """An expression without the quotes around the string; raises PatternError."""
        if len(self._text) > MAX_PATTERN:
            raise PatternError(f"it has {len(self._text)} characters; {MAX_PATTERN} are allowed")
        starts = self._peek() == "^"
        self._at = int(starts)
        body = self._alternatives()
        ends = self._peek() == "$" and self._at == len(self._text) - 1
        if self._at + ends < len(self._text):
            raise self._unsupported()
        if starts and not ends and not self._is_endless:
            return f"{body} char*"
        return f"char* {body}" if ends and not starts and not self._text.startswith(".*") else body

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _unsupported(self) -> PatternError:
        return PatternError(f"“{self._text[self._at :][:8]}” at {self._at} is not supported")

    def _alternatives(self) -> str:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return f"({' | '.join(parts)})"

    def _sequence(self) -> str:
        parts = []
        while (character := self._peek()) and character not in "|)$":
            parts.append(self._atom(character) + self._quantifier())
        return " ".join(parts) or '""'

    def _atom(self, character: str) -> str:
        if character == "(":
            return self._group()
        if character in "*+?{}^]":
            raise self._unsupported()
        self._at += 1
        if character == ".":
            return _expression(_EVERYTHING)
        if character == "[":
            return _expression(self._class())
        if character == "\\":
            return _expression(self._escape())
        return _expression(((ord(character), ord(character)),))

    def _group(self) -> str:
        if self._text.startswith("(?", self._at) and not self._text.startswith("(?:", self._at):
            raise self._unsupported()
        self._groups += 1
        if self._groups > MAX_GROUPS:
            raise PatternError(f"its groups are nested more than {MAX_GROUPS} deep")
        self._at += 3 if self._text.startswith("(?:", self._at) else 1
        body = self._alternatives()
        if self._peek() != ")":
            raise PatternError("“)” is missing")
        self._at += 1
        self._groups -= 1
        return body

    def _quantifier(self) -> str:
        character = self._peek()
        found = ""
        if character and character in "*+?":
            self._at += 1
            found = character
        elif character == "{":
            end = self._text.find("}", self._at)
            found = self._text[self._at : end + 1]
            digits = found[1:-1].split(",")
            if end < 0 or len(digits) > 2 or not all(d.isdecimal() for d in digits[:1]):
                raise self._unsupported()
            if len(digits) == 2 and digits[1] and not digits[1].isdecimal():
                raise self._unsupported()
            self._at = end + 1
        self._is_endless = found in ("*", "+") or found.endswith(",}")
        if found and self._peek() == "?":  # lazy: the same texts match
            self._at += 1
        return found

    def _escape(self) -> Ranges:
        character = self._peek()
        found = _SETS.get(character) or _NOT_IN.get(character)
        if found is None and (not character or character not in _PUNCTUATION):
            self._at -= 1
            raise self._unsupported()
        self._at += 1
        return found or ((ord(character), ord(character)),)

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
        return matched_ranges(ranges, negated=negated)

    def _member(self, character: str) -> Ranges:
        if not character:
            raise PatternError("“]” is missing")
        self._at += 1
        if character == "\\":
            return self._escape()
        return ((ord(character), ord(character)),)


@lru_cache(maxsize=256)  # patterns are made of few characters, over and over
def _expression(ranges: Ranges) -> str:
    """A character of a JSON string; a quote and a backslash have a backslash before them."""
    parts = [character_class(ranges)]
    parts.extend(
        literal(f"\\{mark}")
        for mark in '"\\'
        if any(low <= ord(mark) <= high for low, high in ranges)
    )
    parts = [part for part in parts if part]
    if not parts:
        raise PatternError("a character class matches nothing that a JSON string may hold")
    return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"
