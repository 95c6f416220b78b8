"""The text of one message on its way into the widget that shows it.

Text is rendered in pieces: `render_some` does as much as its budget allows and says whether more
is left, so a message of any size never holds up the window. Of a very long one the rest is folded,
also while it comes: 20,000 lines took 100 MB. Main thread.
"""

from __future__ import annotations

import time
from collections import deque

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.plain_stream import PlainStream, Update
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream

FOLD_ABOVE = 200_000  # characters; a longer message is folded: one that is written, from there on
FOLD_SHOWN = 20_000  # characters shown of one that was long already, at most
FOLD_ABOVE_LINES = 4_000  # a message of more of them is folded too: each is laid out
FOLD_SHOWN_LINES = 400
FOLD_SEARCH = 1_000  # of these, in which the end of a line, sentence or word is looked for
PIECE = 500  # characters rendered between two looks at the clock
ROWS = 20  # the same for rows of a text that is rendered once more at its end


class _Ready:
    """Takes the place of what renders a text, whose rows are known."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._n_given = 0

    @property
    def share_given(self) -> float:
        """How many of the rows `update` has told of, from 0 to 1."""
        return self._n_given / max(1, len(self._rows))

    def feed(self, text: str) -> None:
        """There is nothing to render."""

    def finish_some(self) -> bool:
        """Nothing is left to do."""
        return False

    def update(self, *, settled_only: bool = False, at_most: int | None = None) -> Update:
        """The next ``at_most`` rows; as in `MarkdownStream`, whose are all settled."""
        keep = self._n_given
        rows = self._rows[keep:] if at_most is None else self._rows[keep : keep + at_most]
        self._n_given += len(rows)
        return Update(keep, rows, whole=not settled_only and self._n_given == len(self._rows))


class MessageText:
    """Markdown of an answer, plain text of anything else."""

    def __init__(self, message: Message, parser: MarkdownParser, body: RichTextView) -> None:
        self._parser = parser
        self._body = body
        self._all_rows = False
        self._is_unfolded = False
        self.begin(message)
        self._again = False

    def begin(self, message: Message) -> None:
        """Start over with ``message``'s text. What is shown already, and is the same, stays."""
        self._is_markdown = message.role is Role.ASSISTANT
        self._stream = self._make_stream()
        self._parts: list[str] = []
        self._length = self._n_lines = self._n_bytes = 0
        self._backlog: deque[str] = deque()
        self._folded: list[str] = []
        self._whole = message.state is not MessageState.STREAMING
        self._finished = False
        self._again = True
        text = message.text
        end = self._room_in(text)
        if self._whole:
            is_folded = not self._is_unfolded and _is_huge(text)
            end = _fold_end(text) if is_folded else len(text)
        self._take(text, end)

    def _make_stream(self) -> MarkdownStream | PlainStream | _Ready:
        if self._is_markdown:
            return MarkdownStream(self._parser, all_rows=self._all_rows)
        return PlainStream()

    @property
    def source(self) -> str:
        """All text so far, rendered or not, as it was written."""
        return "".join(self._parts)

    @property
    def n_bytes(self) -> int:
        """What the source takes as UTF-8."""
        return self._n_bytes

    @property
    def n_shown(self) -> int:
        """Characters of it that are or will be rendered."""
        return self._length

    @property
    def is_folded(self) -> bool:
        """Whether a part of it waits for `unfold`."""
        return bool(self._folded)

    @property
    def is_finished(self) -> bool:
        """Whether all of it is shown in its final form."""
        return self._finished

    @property
    def is_whole(self) -> bool:
        """Whether the widget shows all there is so far."""
        ended = self._finished or not self._whole
        return ended and not self._backlog and not self._folded

    def append(self, text: str) -> None:
        """More of it. `render_some` shows it, unless too much is shown already."""
        self._take(text, 0 if self._folded else self._room_in(text))

    def finish(self, message: Message) -> None:
        """It is complete, as ``message`` has it."""
        shown = self.source
        if message.text.startswith(shown):
            self.append(message.text[len(shown) :])
            self._whole = True
        else:
            self.begin(message)

    def unfold(self, rows: list[Row] | None = None) -> None:
        """Show all of a folded text. `render_some` shows it. ``rows``: what all of it is rendered
        to, where that is known; of long tables the first rows."""
        rest, self._folded = "".join(self._folded), []
        self._is_unfolded = True
        self._queue(rest)
        if rows is not None and self._whole and not self._all_rows:
            self._backlog.clear()
            self._stream = _Ready(rows)

    @property
    def share_shown(self) -> float:
        """How much of what is to be shown is, from 0 to 1."""
        if isinstance(self._stream, _Ready):
            return self._stream.share_given
        return 1 - len(self._backlog) * PIECE / max(1, self._length)

    def show_all_rows(self) -> None:
        """Unfold the tables. `render_some` shows them."""
        shown = self.source.removesuffix("".join(self._folded))
        self._all_rows = True
        self._stream = self._make_stream()
        self._backlog.clear()
        self._length = self._n_lines = 0
        self._queue(shown)
        self._finished = False
        self._again = True

    def render_some(self, seconds: float) -> bool:
        """Render for about ``seconds``; whether something is left to render."""
        deadline = time.perf_counter() + seconds
        while self._backlog:
            piece = self._backlog.popleft()
            while self._backlog and len(piece) + len(self._backlog[0]) <= PIECE:
                piece += self._backlog.popleft()
            self._stream.feed(piece)
            late = time.perf_counter() > deadline
            # What was shown before it began anew stays until the new text has come as far. What is
            # still open at the very end is shown once it is closed, and not parsed twice.
            partly = bool(self._backlog) and (self._again or not late)
            partly = partly or (not self._backlog and self._ends)
            self._body.apply(self._stream.update(settled_only=partly))
            if self._backlog and late:
                return True
        self._again = False
        if self._ends and not self._finished:
            self._finished = self._finish_until(deadline)
            return not self._finished
        return False

    def _finish_until(self, deadline: float) -> bool:
        """Whether all of it is shown in its final form by then."""
        while self._stream.finish_some():
            if time.perf_counter() > deadline:
                return False
        while True:
            update = self._stream.update(at_most=ROWS)
            self._body.apply(update)
            if update.whole or time.perf_counter() > deadline:
                return update.whole

    @property
    def _ends(self) -> bool:
        """Whether there is nothing to come after the backlog."""
        return self._whole and not self._folded

    def _take(self, text: str, end: int) -> None:
        """Show ``text`` up to ``end``, and fold the rest."""
        if text:
            self._parts.append(text)
            self._n_bytes += len(text.encode(errors="replace"))
            self._queue(text[:end])
            self._folded += [text[end:]] if end < len(text) else []

    def _room_in(self, text: str) -> int:
        """How many characters of ``text``, which comes next, are shown."""
        if self._is_unfolded:
            return len(text)
        lines, end = max(0, FOLD_ABOVE_LINES - self._n_lines), len(text)
        if text.count("\n") >= lines:
            end = sum(len(line) + 1 for line in text.split("\n", lines)[:lines])
        return min(end, max(0, FOLD_ABOVE - self._length))

    def _queue(self, text: str) -> None:
        self._length += len(text)
        self._n_lines += text.count("\n")
        self._backlog += [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _is_huge(text: str) -> bool:
    return len(text) > FOLD_ABOVE or text.count("\n") > FOLD_ABOVE_LINES


def _fold_end(text: str) -> int:
    """Where a long text is best cut: behind a line, else a sentence, else a word."""
    if text.count("\n", 0, FOLD_SHOWN) > FOLD_SHOWN_LINES:
        return sum(len(line) + 1 for line in text[:FOLD_SHOWN].split("\n")[:FOLD_SHOWN_LINES])
    for mark in ("\n", ". ", " "):
        at = text.rfind(mark, FOLD_SHOWN - FOLD_SEARCH, FOLD_SHOWN)
        if at >= 0:
            return at + len(mark)
    return FOLD_SHOWN
