"""How much of a text is open, and so parsed anew with each piece that comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from minerva_desktop.ui.chat_view.plain_text import PLAIN_LIMIT

LINE_LIMIT = PLAIN_LIMIT  # characters; a longer line of Markdown is cut
LONG_WORD = 200  # characters by which such a cut may come early
# For each quote but the first that a line stands in, and be it only because it goes on with the
# one before: the parser reads it once for each. A quote 50 deep of 4,000 lines, 8 kB, held up the
# window for 3 s, and for 76 s in all while it came.
QUOTE_COST = 8  # characters
# However short, for the parser tries each of its rules on it: 6,000 lines of one letter in a note
# took 0.3 s at a time.
LEAST_LINE = 16  # characters
_MARKERS = re.compile(r"[>\s\-+*\d.)]*+")


class OpenSize:
    """Of lines, in ``characters``, some of which count for more than they are."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.characters = 0
        self._depth = 0  # quotes that the last line stands in
        for line in lines:
            self.add(line)

    def add(self, line: str) -> None:
        """One more line."""
        words = _MARKERS.sub("", line, count=1)
        own = line.count(">", 0, len(line) - len(words))
        self._depth = max(own, self._depth) if words else own
        # A line that was cut at its last word fills its limit, or the next piece would stay open
        # with it.
        fills = len(line) >= LINE_LIMIT - LONG_WORD
        self.characters += LINE_LIMIT + 1 if fills else max(len(line) + 1, LEAST_LINE)
        self.characters += QUOTE_COST * max(0, self._depth - 1)
