"""Reads values that a model writes in its family's own way, and hands them out as JSON, as they
arrive: objects with bare keys, texts between marks or in Python's quotes, Python's constants.

Part of `call_reader`. Nothing is raised, and the depth of a value is not that of a recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from minerva_desktop.engine.answer_text import AnswerText, Marks, Reading
from minerva_desktop.engine.typed_arguments import bare_value

Hand = Callable[[str], None]

_CLOSERS = {"{": "}", "[": "]"}
# What can stand behind a value; nothing can, too.
_BEHIND = frozenset({"", ",", ":", "}", "]", ")"})
_BARE_KEY = re.compile(r"[^:={}\[\]()\"'\n]*+")
_BARE = re.compile(r"[^,{}\[\]()\"'<\n]*+")
# Three of them stand around several lines, in Python.
_QUOTES = ('"""', "'''", '"', "'")
_ESCAPED = {"n": "\\n", "t": "\\t", "r": "\\r", "b": "\\b", "f": "\\f", "/": "/", "'": "'"}
_ESCAPED |= {'"': '\\"', "\\": "\\\\", "\n": ""}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_HEX_LETTERS = frozenset("0123456789abcdefABCDEF")
_LAST_CHARACTER = 0x10FFFF


class ValueReader:
    """Reads values from where reading is in an answer."""

    def __init__(self, text: AnswerText, quote: str) -> None:
        """``quote``: the mark around texts of which each character stands for itself; "" where
        there are Python's quotes alone."""
        self._text = text
        self._quote = quote
        quotes = (quote, *_QUOTES) if quote else _QUOTES
        # A backslash means something in all but the family's own.
        self._ends = {each: Marks([each] if each == quote else [each, "\\"]) for each in quotes}

    def value(self, hand: Hand) -> Reading[bool]:
        """Hand out a value as JSON. False where it is none from some place on, or does not end;
        reading then stops there."""
        expected: list[str] = []
        while True:
            opening = yield from self._simple_or_opening(hand)
            if opening is None:
                return False
            if opening:
                expected.append(_CLOSERS[opening])
            if not (yield from self._between(expected, hand, is_first=bool(opening))):
                return False
            if not expected:
                return True
            if expected[-1] == "}" and not (yield from self.key(":", hand)):
                return False

    def key(self, behind: str, hand: Hand) -> Reading[bool]:
        """Hand out the name of a member as JSON, and a colon, where ``behind`` stands behind it.
        False where it does not, or where there is no name."""
        text = self._text
        yield from text.space()
        quote = yield from self._opened_quote()
        if quote:
            hand('"')
            if not (yield from self._quoted(quote, hand)):
                return False
        else:
            name = (yield from text.run(_BARE_KEY)).strip()
            if not name:
                return False
            hand(f'"{_inside(name)}')
        yield from text.space()
        if not (yield from text.literal(behind)):
            return False
        hand('": ')
        return True

    def _between(self, expected: list[str], hand: Hand, *, is_first: bool) -> Reading[bool]:
        """All that stands up to the next value: what closes, and a comma."""
        text = self._text
        while expected:
            yield from text.space()
            has_comma = not is_first and (yield from text.literal(","))
            if has_comma:
                yield from text.space()  # a comma may stand behind the last one
            if (yield from text.literal(expected[-1])):
                hand(expected.pop())
                is_first = False
                continue
            if has_comma:
                hand(", ")
            return has_comma or is_first
        return True

    def _simple_or_opening(self, hand: Hand) -> Reading[str | None]:
        """Hand out a text or a scalar, and return "", or the bracket that opens more than that;
        None where there is neither."""
        text = self._text
        yield from text.space()
        bracket = yield from text.peek()
        if bracket in _CLOSERS:
            yield from text.literal(bracket)
            hand(bracket)
            return bracket
        quote = yield from self._opened_quote()
        if quote:
            hand('"')
            if not (yield from self._quoted(quote, hand)):
                return None
            hand('"')
            return ""
        word = (yield from text.run(_BARE)).strip()
        yield from text.space()
        behind = yield from text.peek()
        # What is cut might have become anything.
        is_whole = bool(word and behind) and behind in _BEHIND
        hand(bare_value(word) if is_whole else _inside(word))
        return "" if is_whole else None

    def _opened_quote(self) -> Reading[str]:
        for quote in self._ends:
            if (yield from self._text.literal(quote)):
                return quote
        return ""

    def _quoted(self, quote: str, hand: Hand) -> Reading[bool]:
        """Hand out what stands between quotes, of which the first is read. One that nothing can
        follow is a letter of the text: some templates write texts as they are."""
        text = self._text
        while True:
            mark = yield from text.until(
                self._ends[quote], lambda piece: hand(_inside(piece)), keeps_start=True
            )
            if not mark:  # the end cut it, and perhaps the mark behind it
                yield from text.rest(lambda _: None)
                return False
            yield from text.literal(mark)
            if mark == self._quote:
                return True
            if mark == "\\":
                yield from self._escaped(hand)
                continue
            space = yield from text.space()
            if (yield from text.peek()) in _BEHIND:
                return True
            hand(_inside(mark + space))

    def _escaped(self, hand: Hand) -> Reading[None]:
        """What follows a backslash. One that escapes nothing stands for itself, as in Python."""
        text = self._text
        kind = yield from text.peek()
        yield from text.literal(kind)
        if kind in _ESCAPED:
            hand(_ESCAPED[kind])
            return
        digits = ""
        while len(digits) < _HEX_DIGITS.get(kind, 0):
            digit = yield from text.peek()
            if not digit:
                return
            if digit not in _HEX_LETTERS:
                break
            yield from text.literal(digit)
            digits += digit
        if kind not in _HEX_DIGITS or len(digits) < _HEX_DIGITS[kind]:
            hand(_inside(f"\\{kind}{digits}") if kind else "")
        elif int(digits, 16) > _LAST_CHARACTER:
            hand(_inside(f"\\{kind}{digits}"))
        else:
            # Halves of a pair are escapes in JSON as well.
            hand(json.dumps(chr(int(digits, 16)))[1:-1])


def _inside(text: str) -> str:
    """``text`` as it stands in a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
