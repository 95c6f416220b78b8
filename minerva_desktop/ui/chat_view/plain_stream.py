"""Renders text as it is while it comes, and what that has in common with Markdown. No Qt here."""

from __future__ import annotations

from typing import NamedTuple

from minerva_desktop.chat.visible_text import BEFORE, clean_source
from minerva_desktop.ui.chat_view.plain_text import PLAIN_LIMIT, plain_rows
from minerva_desktop.ui.chat_view.rows import Row, split_long


class Update(NamedTuple):
    """What changed: of the rows shown so far the first ``keep`` stay, ``rows`` come after them.
    Unless it is ``whole``, rows that are shown further on stay until the next update."""

    keep: int
    rows: list[Row]
    whole: bool = True


class Cleaner:
    """Makes the newlines and control characters of a text harmless that comes in pieces."""

    def __init__(self) -> None:
        self._carriage_return = ""
        self._before = ""  # what came last, as it came

    def clean(self, piece: str) -> str:
        """``piece`` cleaned; a carriage return at its end waits for what comes next."""
        text = self._carriage_return + piece
        self._carriage_return = "\r" if text.endswith("\r") else ""
        before, self._before = self._before, (self._before + piece)[-BEFORE:]
        return clean_source(text.removesuffix("\r"), before)

    def rest(self) -> str:
        """What still waits when the text is over."""
        return "\n" if self._carriage_return else ""


class PlainStream:
    """Renders text as it is, a row for each line: what a person wrote. Used like the other. Blank
    lines at its end are not shown."""

    def __init__(self) -> None:
        self._cleaner = Cleaner()
        self._partial = ""
        self._blank: list[Row] = []  # at the end so far
        self._settled: list[Row] = []
        self._delivered = 0

    def feed(self, text: str) -> None:
        """Add a piece of the text, cut anywhere."""
        *lines, self._partial = (self._partial + self._cleaner.clean(text)).split("\n")
        for line in lines:
            self._settle(line)
        *pieces, self._partial = split_long(self._partial, PLAIN_LIMIT)
        for piece in pieces:
            self._settle(piece)

    def _settle(self, line: str) -> None:
        if line.strip():
            self._settled += self._blank + plain_rows(line)
            self._blank.clear()
        else:
            self._blank += plain_rows(line)

    def finish_some(self) -> bool:
        """The text is complete; nothing is left to do."""
        if self._cleaner.rest():
            self._settle(self._partial)
            self._partial = ""
        return False

    def update(self, *, settled_only: bool = False, at_most: int | None = None) -> Update:
        """The changes since the last call; as in `MarkdownStream`."""
        rows = self._settled[:at_most]
        self._settled = self._settled[len(rows) :]
        keep = self._delivered
        self._delivered += len(rows)
        if settled_only or self._settled:
            return Update(keep, rows, whole=False)
        if self._partial.strip():
            return Update(keep, rows + self._blank + plain_rows(self._partial))
        # A text of nothing else is one blank line.
        return Update(keep, rows if self._delivered else plain_rows(""))
