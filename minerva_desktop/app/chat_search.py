"""A search through all chats, page by page, with what was found put together by chat.

Lives on the asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.store.search import SearchPlace

PAGE = 50  # titles and messages
MAX_HITS = 1000  # beyond, it helps more to say more

Marks = tuple[tuple[int, int], ...]


class FoundMessage(msgspec.Struct, frozen=True):
    """A message in which the words are. ``text`` is a piece of it on one line, ``marks`` are the
    ranges (start, end) in that which match; ``time`` is when it was written, Unix time in
    seconds."""

    id: str
    text: str
    marks: Marks
    time: float


@dataclass(slots=True)
class FoundChat:
    """A chat with what was found in it so far, the newest first. ``title_marks`` are the ranges of
    its title that match."""

    chat: ConversationSummary
    title_marks: Marks = ()
    messages: list[FoundMessage] = field(default_factory=list)


class ChatSearch:
    """What is found for ``text``; ``chats`` stand in the order of what is newest in them.

    Attributes:
        text: what is searched for.
        chats: what was found so far.
        n_hits: titles and messages that were found so far.
        is_over: whether there is no more to find, or `MAX_HITS` were found.
        is_cut: whether there is more than these.
        n_unindexed: messages that cannot be found yet.
    """

    def __init__(self, library: ChatLibrary, text: str) -> None:
        self._library = library
        self._place: SearchPlace | None = None
        self._by_id: dict[str, FoundChat] = {}
        self.text = text
        self.chats: list[FoundChat] = []
        self.is_over = False
        self.is_cut = False
        self.n_hits = 0
        self.n_unindexed = 0

    async def go_on(self) -> int:
        """Search one page on; how many titles and messages it found, which may be none although
        there is more. Raises `StoreError`, and `InvalidRequest` for a filter that makes no
        sense."""
        if self.is_over:
            return 0
        page = await self._library.search(self.text, PAGE, self._place)
        self._place = page.next
        self.n_hits += len(page.hits)
        self.is_cut = page.next is not None and self.n_hits >= MAX_HITS
        self.is_over = page.next is None or self.is_cut
        self.n_unindexed = page.n_unindexed
        for hit in page.hits:
            found = self._found(hit.conversation)
            if hit.message_id is None:
                found.title_marks = hit.snippet.marks
            else:
                message = FoundMessage(
                    hit.message_id, hit.snippet.text, hit.snippet.marks, hit.time
                )
                found.messages.append(message)
        return len(page.hits)

    def _found(self, chat: ConversationSummary) -> FoundChat:
        if chat.id not in self._by_id:
            self._by_id[chat.id] = FoundChat(chat)
            self.chats.append(self._by_id[chat.id])
        return self._by_id[chat.id]
