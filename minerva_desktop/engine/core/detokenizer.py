"""Bytes of tokens to text that may be shown. Pure Python: no ctypes, no clock, no I/O.

A token is a run of bytes that may end inside a UTF-8 character, and a stop string may be spread
over several tokens. What `push` returns is final: whole characters, and never the beginning of a
stop string that the next token could complete.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class IncrementalDetokenizer:
    """Text of one generation. After `stopped`, all further input is dropped.

    ``stop_string`` is the stop string that was found, the first in the text. ``n_withheld``: bytes
    at the end of what was pushed that are not shown, for they begin a stop string, or may with
    what follows, or are one.
    """

    def __init__(self, stop: Sequence[str] = (), opening: str = "", begun: bytes = b"") -> None:
        """``opening`` comes with the first token's text; stop strings are not looked for in it.
        ``begun``: of a character in which the prompt ends, see `begun_character`."""
        self._opening = opening
        self._stop = tuple(stop)
        self._begun = begun
        self._held = ""
        self.stop_string: str | None = None
        self.n_withheld = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found."""
        return self.stop_string is not None

    def push(self, piece: bytes, n_call: int = 0) -> str:
        """Add one token's bytes; the text that became certain, without any stop string. The last
        ``n_call`` bytes belong to a tool call, in which stop strings do not count."""
        if not (self._stop or n_call or self._opening):  # nearly always
            return self._decoded(piece)
        if self.stopped:
            return ""
        start = len(piece) - n_call
        text = self._release(self._decoded(piece[:start]))
        if n_call and not self.stopped:
            held, self._held, self.n_withheld = self._held, "", 0
            text += held + self._decoded(piece[start:])
        return self._opened(text) if self._opening else text

    def flush(self) -> str:
        """What is left at the end of the generation, without the beginning of a character that the
        end cuts: no reader could do anything with that."""
        held, self._held = self._held, ""
        return self._opened(held) if held else ""

    def _opened(self, text: str) -> str:
        opening, self._opening = self._opening, ""
        return opening + text

    def _decoded(self, piece: bytes) -> str:
        """The characters that are whole. (The incremental decoder of the standard library does just
        this, and some more calls for each token.)"""
        data = self._begun + piece if self._begun else piece
        text, n_read = codecs.utf_8_decode(data, "replace", False)
        self._begun = data[n_read:]
        return text

    def _release(self, fresh: str) -> str:
        text = self._held + fresh
        found = [(at, stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            end, self.stop_string = min(found, key=lambda each: each[0])
            self._held = ""
            self._note_withheld(text[end:])
            return text[:end]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        self._note_withheld(self._held)
        return text[:cut]

    def _note_withheld(self, text: str) -> None:
        # What begins a character may begin a stop string with it.
        self.n_withheld = len(text.encode()) + len(self._begun) if self._stop else 0


def begun_character(text: bytes) -> bytes:
    """The bytes at the end of ``text`` that begin a UTF-8 character and do not complete it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(text)
    return decoder.getstate()[0]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that ``stop`` begins with."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
