"""A text that arrives in pieces, and reading it as if it were there.

Readers are generators: they yield where they need more text and are resumed when it came. Every
character is looked at a bounded number of times, however small the pieces are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")
# A reader that yields to wait and returns its finding.
Reading: TypeAlias = Generator[None, None, _T]

_SPACES = re.compile(r"[ \t\r\n]*+")
_WORD = re.compile(r"[A-Za-z0-9_.-]*+")
# Inside a JSON string up to its quote; outside of strings up to the next bracket or quote.
_IN_STRING = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_PLAIN_JSON = re.compile(r"[ \t\r\n0-9A-Za-z+\-.,:]*+")
_SCALAR = re.compile(r"[0-9A-Za-z+\-.]*+")
_CLOSERS = {"{": "}", "[": "]"}


class Marks:
    """Texts to look for, the first of them that stands in a text."""

    def __init__(self, texts: Iterable[str]) -> None:
        """``texts``: at least one, none empty."""
        self._texts = sorted(set(texts), key=len, reverse=True)
        self._longer = {
            text: [other for other in self._texts if other != text and other.startswith(text)]
            for text in self._texts
        }
        self._firsts = frozenset(text[0] for text in self._texts)
        self.pattern = re.compile("|".join(map(re.escape, self._texts)))

    def may_be_longer(self, found: str, text: str, begin: int) -> bool:
        """Whether the mark ``found`` at ``begin`` may yet become a longer one."""
        rest = text[begin : begin + len(self._texts[0])]
        return any(len(mark) > len(rest) and mark.startswith(rest) for mark in self._longer[found])

    def possible_start(self, text: str, begin: int) -> int:
        """Where at the end of ``text``, from ``begin`` on, one of the marks may begin."""
        for at in range(max(begin, len(text) - len(self._texts[0]) + 1), len(text)):
            if text[at] in self._firsts:
                rest = text[at:]
                if any(mark.startswith(rest) for mark in self._texts):
                    return at
        return len(text)


class AnswerText:
    """The text so far from the place where reading is."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._kept: list[str] | None = None
        self.has_ended = False
        # A reader came to the end where more was needed. For those who want to know, to be reset.
        self.is_cut = False

    # -- what arrives ----------------------------------------------------------------------

    def append(self, text: str) -> None:
        """Add what came."""
        self._text = self._text[self._at :] + text
        self._at = 0

    def end(self) -> None:
        """Nothing more will come."""
        self.has_ended = True

    # -- what was read, in case it has to be given back ------------------------------------

    def keep(self, before: str = "") -> None:
        """Remember what is read from now on, behind ``before``."""
        self._kept = [before]

    def kept(self) -> str:
        """What was remembered; it is forgotten."""
        text = "".join(self._kept or ())
        self._kept = None
        return text

    # -- readers ---------------------------------------------------------------------------

    def peek(self) -> Reading[str]:
        """The next character, "" at the end."""
        while self._at >= len(self._text):
            if self.has_ended:
                return ""
            yield
        return self._text[self._at]

    def space(self) -> Reading[str]:
        """White space, and how much of it there is."""
        return (yield from self.run(_SPACES))

    def run(self, pattern: re.Pattern[str]) -> Reading[str]:
        """All characters of the kind that ``pattern`` takes any number of, none too."""
        found: list[str] = []
        while (yield from self.peek()):
            found.append(self._take_to(self._match(pattern)))
            if self._at < len(self._text):
                break
        return "".join(found)

    def literal(self, text: str) -> Reading[bool]:
        """Read ``text`` if it stands here."""
        while True:
            if self._text.startswith(text, self._at):
                self._take_to(self._at + len(text))
                return True
            rest = self._text[self._at : self._at + len(text)]
            if not text.startswith(rest):
                return False
            if self.has_ended:
                self.is_cut = True
                return False
            yield

    def spaced(self, texts: Iterable[str]) -> Reading[bool]:
        """Read ``texts`` with any white space, or none, before each; False at the first that does
        not stand here."""
        for text in texts:
            yield from self.space()
            if not (yield from self.literal(text)):
                return False
        return True

    def word(self, limit: int) -> Reading[str]:
        """A name of at most ``limit`` characters; what follows tells where it ends."""
        while True:
            end = self._match(_WORD)
            is_longer = end - self._at > limit
            if end < len(self._text) or is_longer or self.has_ended:
                self.is_cut = self.is_cut or (end == len(self._text) and not is_longer)
                return self._take_to(min(end, self._at + limit))
            yield

    def until(
        self, marks: Marks, hand: Callable[[str], None], *, keeps_start: bool = False
    ) -> Reading[str]:
        """Hand out all text before the first of ``marks`` and stop there; returns which one it is,
        "" at the end of the text. What may become one is waited for; at the end of the text it is
        handed out too, or with ``keeps_start`` left unread."""
        while True:
            found = marks.pattern.search(self._text, self._at)
            if found is not None:
                hand(self._take_to(found.start()))
                if self.has_ended or not marks.may_be_longer(found.group(), self._text, self._at):
                    return found.group()
                yield
                continue
            if self.has_ended and not keeps_start:
                hand(self._take_to(len(self._text)))
                return ""
            hand(self._take_to(marks.possible_start(self._text, self._at)))
            if self.has_ended:
                return ""
            yield

    def next_character(self, mark: str) -> Reading[str]:
        """Read one character; ``mark`` where that stands next, which stays unread, and "" at the
        end of the text. The beginning of a mark that the end cuts is text."""
        while True:
            ahead = self._text[self._at : self._at + len(mark)]
            if ahead == mark:
                return mark
            if self.has_ended or not mark.startswith(ahead):
                return self._take_to(min(self._at + 1, len(self._text)))
            yield

    def give_back(self, text: str) -> None:
        """What was read last stands here again."""
        if self._at < len(text):
            self._text, self._at = text + self._text[self._at :], len(text)
        self._at -= len(text)

    def rest(self, hand: Callable[[str], None]) -> Reading[None]:
        """Hand out all text to the end."""
        while (yield from self.peek()):
            hand(self._take_to(len(self._text)))

    def json_string(self, limit: int | None = None) -> Reading[str | None]:
        """A JSON string's value. None: it is none, it is over ``limit`` characters, or it never
        ends."""
        if not (yield from self.literal('"')):
            return None
        pieces: list[str] = []
        length = 0
        while not (yield from self.literal('"')):
            if not (yield from self.peek()) or (limit is not None and length > limit):
                self.is_cut = self.is_cut or self._at >= len(self._text)
                return None
            piece = self._take_to(self._match(_IN_STRING))
            if not piece:  # half an escape
                if self.has_ended:
                    self.is_cut = True
                    return None
                yield
            length += len(piece)
            pieces.append(piece)
        try:
            value = json.loads(f'"{"".join(pieces)}"', strict=False)
        except ValueError:
            return None
        return value if isinstance(value, str) else None

    def json_value(self, hand: Callable[[str], None]) -> Reading[bool]:
        """Hand out a JSON value as it stands here, as it arrives. False where its brackets, or
        what stands outside its strings, show that it is none, or where it does not end; reading
        then stops there."""
        if (yield from self.peek()) not in {"{", "[", '"'}:
            return (yield from self._scalar(hand))
        expected: list[str] = []
        is_string = False
        at = self._at
        while True:
            at = _end_of(_IN_STRING if is_string else _PLAIN_JSON, self._text, at)
            character = self._text[at : at + 1]
            if not character or (is_string and character == "\\"):  # half an escape
                hand(self._take_to(at))
                if self.has_ended:
                    self.is_cut = True
                    return False
                yield
                at = self._at
                continue
            if character == '"':
                is_string = not is_string
            elif character in _CLOSERS:
                expected.append(_CLOSERS[character])
            elif not expected or character != expected.pop():
                hand(self._take_to(at))
                return False
            at += 1
            if not is_string and not expected:
                hand(self._take_to(at))
                return True

    def _scalar(self, hand: Callable[[str], None]) -> Reading[bool]:
        length = 0
        while (yield from self.peek()):
            piece = self._take_to(self._match(_SCALAR))
            length += len(piece)
            hand(piece)
            if self._at < len(self._text):
                break
        return length > 0

    # -- inside ----------------------------------------------------------------------------

    def _match(self, pattern: re.Pattern[str]) -> int:
        return _end_of(pattern, self._text, self._at)

    def _take_to(self, end: int) -> str:
        text = self._text[self._at : end]
        self._at = end
        if self._kept is not None:
            self._kept.append(text)
        return text


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where what ``pattern`` matches at ``at`` ends."""
    found = pattern.match(text, at)
    return at if found is None else found.end()
