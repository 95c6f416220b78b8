"""Which messages of a chat have a view, and which should. Pure values, any thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import msgspec

from minerva_desktop.chat.message import Message

PAGE = 60  # messages that are shown at first, and more with each "Show earlier messages"
FEW = 6  # messages that are built at once when a chat changes


@dataclass
class Stretch:
    """Indexes of messages. Those from ``first`` to before ``end`` have views; those from
    ``wanted_first`` to before ``wanted_end`` should."""

    first: int = 0
    end: int = 0
    wanted_first: int = 0
    wanted_end: int = 0

    @classmethod
    def at_end(cls, n_messages: int) -> Stretch:
        """The last page; nothing of it is built yet."""
        return cls(n_messages, n_messages, max(0, n_messages - PAGE), n_messages)

    @classmethod
    def around(cls, index: int, n_messages: int) -> Stretch:
        """Half a page before and after a message, at which building begins."""
        half = PAGE // 2
        return cls(index, index, max(0, index - half), min(n_messages, index + half))

    def next_missing(self) -> int | None:
        """The message that gets its view next: below first, for that moves nothing."""
        if self.end < self.wanted_end:
            return self.end
        return self.first - 1 if self.first > self.wanted_first else None

    def want_earlier(self) -> None:
        """A page more at the top."""
        self.wanted_first = max(0, self.wanted_first - PAGE)

    def want_later(self, n_messages: int) -> None:
        """A page more at the bottom."""
        self.wanted_end = min(n_messages, self.wanted_end + PAGE)


def n_same(old: Sequence[Message], new: Sequence[Message]) -> int:
    """How many messages both begin with."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def is_only_moved(old: Message, new: Message) -> bool:
    """Whether two forms of a message differ in what they reply to at most."""
    return old == new or msgspec.structs.replace(old, parent_id=new.parent_id) == new
