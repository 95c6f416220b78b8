"""Finds text in a chat: counts in slices, from the message in sight on, and knows where it is.

A message with a view is searched as it shows; the others are rendered for it, but only if their
source could hold the text; and so are thoughts and the cards of tools, which may be folded. What is
found is kept by message, so that an answer that is being written costs no more than itself, and of
what of it is folded each search renders only what is new. Of long texts the rows are kept, too: who
types on has them rendered once, and they are shown without being rendered again. Imported when
something is first looked for. Main thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from typing import NamedTuple

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import ReasoningPart, ToolCallPart, ToolResultPart
from minerva_desktop.ui.chat_view.answer_view import AnswerView
from minerva_desktop.ui.chat_view.found_text import Match, Needle
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.message_sources import PIECE, Source, rendered
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.message_views import MessageViews
from minerva_desktop.ui.chat_view.rows import Row
from minerva_desktop.ui.chat_view.streaming import MarkdownStream
from minerva_desktop.ui.chat_view.tool_card import card_markdown

SLICE_SECONDS = 0.004
SLICE_PAUSE_MS = 4  # for everything else
LONG = 10_000  # characters of a text whose rows are kept
MOST_KEPT = 1_000_000  # characters of all such texts together


class Place(NamedTuple):
    """The ``number``-th text found in a message."""

    message_id: str
    number: int


class _Written:
    """The rows of a text that is being written, and shown nowhere."""

    def __init__(self, parser: MarkdownParser) -> None:
        self._stream = MarkdownStream(parser)
        self._n_taken = 0  # characters
        self.rows: list[Row] = []

    def take(self, source: str) -> Iterator[None]:
        """The text has become ``source``; a step for each `PIECE` of what is new of it."""
        while self._n_taken < len(source):
            end = self._n_taken + PIECE
            self._stream.feed(source[self._n_taken : end])
            self._n_taken = min(end, len(source))
            update = self._stream.update(settled_only=self._n_taken < len(source))
            self.rows[update.keep :] = update.rows
            yield


class _Rendered:
    """The rows of a text that does not change, rendered for whoever goes on with it."""

    def __init__(self, source: Source, parser: MarkdownParser, *, coloured: bool) -> None:
        self.source = source
        self.coloured = coloured
        self._steps = rendered(source, parser, all_rows=False, coloured=coloured)
        self.rows: list[Row] | None = None  # None: not all are there

    def complete(self) -> Iterator[None]:
        """A step for each `PIECE` that is left; who does not take all leaves the rest to others."""
        while self.rows is None:
            try:
                next(self._steps)
            except StopIteration as end:
                self.rows = end.value
            else:
                yield


class Finder(QObject):
    """``changed``: the number of texts found, or the one that is shown."""

    changed = Signal()

    def __init__(self, messages: MessageViews) -> None:
        super().__init__(messages)
        self._messages = messages
        self._parser = MarkdownParser()
        self._needle = Needle("")
        self._all: dict[str, Message] = {}
        self._order: list[str] = []  # of all messages
        self._known: dict[str, Message] = {}  # those that were searched, as they were
        self._found: dict[str, tuple[Match, ...]] = {}
        self._written: dict[tuple[str, int], _Written] = {}  # by message and `Match.block`
        self._rendered: OrderedDict[tuple[str, int], _Rendered] = OrderedDict()  # the same
        self._n_total = 0  # characters of what is searched
        self._n_done = 0  # those of messages that were
        self._n_here = 0  # and of the one that is being searched, about
        self._pending: dict[str, None] = {}  # in the order in which they are searched
        self._search: Iterator[None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SLICE_PAUSE_MS)
        self._timer.timeout.connect(self._work)
        self._goes_to_first = False  # that is found
        self.place: Place | None = None  # the one that is shown

    # -- what is looked for ------------------------------------------------------------------

    def find(self, text: str, start: str | None) -> None:
        """Look for ``text``, from the message ``start`` on; an empty text finds nothing."""
        self._needle = Needle(text)
        self._known.clear()
        self._found.clear()
        self.place = None
        self._goes_to_first = True
        self._restart(start)

    def refresh(self) -> None:
        """Messages may have come, gone or changed."""
        if self._needle:
            self._restart(None if self.place is None else self.place.message_id)

    def _restart(self, start: str | None) -> None:
        messages = {message.id: message for message in self._messages.messages}
        for gone in self._found.keys() - messages.keys():
            del self._found[gone]
        for message_id, block in list(self._written):
            message = messages.get(message_id)
            if not self._needle or message is None or not _is_written(message):
                del self._written[message_id, block]
        self._all, self._order = messages, list(messages)
        first = self._order.index(start) if start in messages else 0
        order = self._order[first:] + self._order[:first] if self._needle else []
        self._pending = dict.fromkeys(
            each for each in order if self._known.get(each) is not messages[each]
        )
        for message_id, block in list(self._rendered):
            if not self._needle or message_id not in messages:
                del self._rendered[message_id, block]
        self._n_total = sum(len(messages[each].text) for each in self._pending)
        self._n_done = self._n_here = 0
        self._search = None
        self._keep_place()
        self._work()

    def _keep_place(self) -> None:
        place = self.place
        if place is not None and place.number >= len(self._found.get(place.message_id, ())):
            self.place = None

    # -- what was found ----------------------------------------------------------------------

    @property
    def is_searching(self) -> bool:
        """Whether the count may still grow."""
        return bool(self._pending)

    @property
    def share_done(self) -> float:
        """How much of what is to be searched was, from 0 to 1."""
        return min(1.0, (self._n_done + self._n_here) / max(1, self._n_total))

    @property
    def count(self) -> int:
        """How many were found so far."""
        return sum(map(len, self._found.values()))

    @property
    def position(self) -> int:
        """Which of them is shown, from 1; 0 where none is."""
        if self.place is None:
            return 0
        before = self._order[: self._order.index(self.place.message_id)]
        return sum(len(self._found.get(each, ())) for each in before) + self.place.number + 1

    def matches(self, message_id: str) -> tuple[Match, ...]:
        """What was found in a message."""
        return self._found.get(message_id, ())

    def rows_of(self, message: Message) -> list[Row] | None:
        """What ``message`` is rendered to, where that is known without its view; of long tables the
        first rows."""
        kept = self._rendered.get((message.id, 0))
        # It may have got more text since it was searched.
        is_true = kept is not None and kept.coloured and kept.source.text == message.text
        return kept.rows if kept is not None and is_true else None

    @property
    def holders(self) -> list[str]:
        """The messages in which something was found, in their order."""
        return [each for each in self._order if each in self._found]

    def step(self, by: int) -> None:
        """Show the next one (``by`` 1) or the one before (-1); after the last comes the first."""
        holders = self.holders
        if not holders:
            return
        if self.place is None:
            self.place = self._end_of(holders[0 if by > 0 else -1], by)
        else:
            number = self.place.number + by
            if 0 <= number < len(self._found[self.place.message_id]):
                self.place = Place(self.place.message_id, number)
            else:
                at = (holders.index(self.place.message_id) + by) % len(holders)
                self.place = self._end_of(holders[at], by)
        self.changed.emit()

    def _end_of(self, message_id: str, by: int) -> Place:
        return Place(message_id, 0 if by > 0 else len(self._found[message_id]) - 1)

    # -- searching ---------------------------------------------------------------------------

    @Slot()
    def _work(self) -> None:
        deadline = time.perf_counter() + SLICE_SECONDS
        while self._pending and time.perf_counter() < deadline:
            if self._search is None:
                self._search = self._search_message(next(iter(self._pending)))
            if next(self._search, self) is self:
                self._search = None
        if self._pending:
            self._timer.start()
        else:
            self._goes_to_first = False
        self.changed.emit()

    def _search_message(self, message_id: str) -> Iterator[None]:
        """Search one message; steps end where the clock should be looked at."""
        view = self._messages.view(message_id)
        message = self._all[message_id]
        is_written = _is_written(message)  # its text is with its view alone
        found = yield from self._search_thoughts(message, view)
        # What is unfolded takes a while to be shown, and must not be lost meanwhile.
        is_hidden = view is not None and (view.is_folded or (message_id, 0) in self._written)
        if view is not None and (view.is_whole or (is_written and not is_hidden)):
            found += yield from self._needle.matches(list(view.body.rows))
        elif view is not None and is_written:
            found += yield from self._search_written(message_id, 0, view.source())
        else:
            is_markdown = message.role is Role.ASSISTANT
            source = Source(message.text, is_markdown)
            is_shown = view is not None  # or will be, once it is unfolded
            found += yield from self._search_text(message_id, 0, source, coloured=is_shown)
        found += yield from self._search_cards(message)
        if not is_written:
            self._known[message_id] = message
        del self._pending[message_id]
        self._n_done, self._n_here = self._n_done + len(message.text), 0
        if found:
            self._found[message_id] = found
            if self._goes_to_first:
                self._goes_to_first = False
                self.place = Place(message_id, 0)
        else:
            self._found.pop(message_id, None)
        self._keep_place()
        yield

    def _search_thoughts(
        self, message: Message, view: MessageView | None
    ) -> Generator[None, None, tuple[Match, ...]]:
        """Returns what was found in them, open or not."""
        found: tuple[Match, ...] = ()
        if _is_written(message):
            thoughts = view.thoughts if isinstance(view, AnswerView) else []
            for block, thought in enumerate(thoughts, start=1):
                found += yield from self._search_written(message.id, -block, thought.source)
            return found
        parts = (each for each in message.parts if isinstance(each, ReasoningPart))
        for block, part in enumerate(parts, start=1):
            found += yield from self._search_text(message.id, -block, Source(part.text))
        return found

    def _search_cards(self, message: Message) -> Generator[None, None, tuple[Match, ...]]:
        """Returns what was found in them, open or not."""
        found: tuple[Match, ...] = ()
        parts = (each for each in message.parts if isinstance(each, ToolCallPart | ToolResultPart))
        for block, part in enumerate(parts, start=1):
            source = Source(card_markdown(part))
            found += yield from self._search_text(message.id, block, source)
        return found

    def _search_written(
        self, message_id: str, block: int, source: str
    ) -> Generator[None, None, tuple[Match, ...]]:
        written = self._written.setdefault((message_id, block), _Written(self._parser))
        yield from written.take(source)
        return _in_block(block, (yield from self._needle.matches(written.rows)))

    def _search_text(
        self, message_id: str, block: int, source: Source, *, coloured: bool = False
    ) -> Generator[None, None, tuple[Match, ...]]:
        if not (yield from self._needle.may_be_in(source.text)):
            return ()
        text = self._kept(message_id, block, source, coloured=coloured)
        for _ in text.complete():
            self._n_here += PIECE
            yield
        return _in_block(block, (yield from self._needle.matches(text.rows or ())))

    def _kept(self, message_id: str, block: int, source: Source, *, coloured: bool) -> _Rendered:
        """What has the rows of ``source``, or will have: of a long text the one of before."""
        key = message_id, block
        kept = self._rendered.get(key)
        if kept is not None and kept.source == source and kept.coloured >= coloured:
            self._rendered.move_to_end(key)
            return kept
        made = _Rendered(source, self._parser, coloured=coloured)
        if len(source.text) > LONG:
            self._rendered[key] = made
            sizes = sum(len(each.source.text) for each in self._rendered.values())
            while sizes > MOST_KEPT and len(self._rendered) > 1:
                sizes -= len(self._rendered.popitem(last=False)[1].source.text)
        return made


def _in_block(block: int, matches: tuple[Match, ...]) -> tuple[Match, ...]:
    return tuple(match._replace(block=block) for match in matches) if block else matches


def _is_written(message: Message) -> bool:
    return message.state is MessageState.STREAMING
