"""`SessionKeeper`: how one open conversation reaches the disk.

Lives on the thread and asyncio loop of its session. A disk that is full or read-only is the store's
own matter (`store.held_writes`). Messages that the store refuses, as one with a damaged file does,
are kept in memory, which is told, and written with the next change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import Files, Part
from minerva_desktop.chat.turns import sent
from minerva_desktop.chat.waiting_message import Waiting
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore

_log = logging.getLogger(__name__)


class SessionKeeper:
    """Without a ``store`` nothing is ever written: a temporary chat. ``on_failed`` is told what the
    disk says, ``on_begun_anew`` that what a model is given begins otherwise now.
    ``is_saved`` False: the conversation is written with its first message."""

    def __init__(
        self,
        conversation: Conversation,
        store: ChatStore | None,
        on_failed: Callable[[StoreError], None],
        on_begun_anew: Callable[[], Awaitable[None]],
        *,
        is_saved: bool,
    ) -> None:
        self._conversation = conversation
        self._store = store
        self._on_failed = on_failed
        self._on_begun_anew = on_begun_anew
        self._beginning = _beginning(conversation)
        self._is_saved = is_saved
        self._missing: list[str] = []  # ids of messages that are not on disk yet, oldest first
        self._versions: dict[str, str] = {}  # of them: beside which others, whose replies they have
        self._unknown: set[str] = set()  # to the disk, for they went before it took them
        self._removals: list[tuple[Removal, bool]] = []  # to be written, and which were undone
        # The beginning of an answer reaches the disk before its end, however soon that comes.
        self._writing = asyncio.Lock()

    @property
    def is_temporary(self) -> bool:
        """Whether nothing of the conversation is written."""
        return self._store is None

    @property
    def is_whole(self) -> bool:
        """Whether all messages are on disk."""
        return self._is_saved and not self._missing

    @property
    def is_behind(self) -> bool:
        """Whether messages wait for a disk that refused them."""
        return self._store is not None and bool(self._missing)

    def add(self, message_id: str) -> None:
        """A message is new; `save` writes it."""
        self._missing.append(message_id)

    async def save(self) -> bool:
        """Write the messages that are not on disk yet, oldest first, and the conversation's details
        behind them; False when the disk does not take them."""
        self._beginning = _beginning(self._conversation)  # it is about to be answered to
        async with self._writing:
            store = self._store
            return store is not None and await self._save(store)

    async def save_details(self) -> None:
        """Write title, parameters, active branch and the like; with the first message, where there
        is none on disk yet."""
        await self._compare_beginning()
        async with self._writing:
            store = self._store
            if store is not None and self._is_saved:
                await self._save(store)

    async def save_change(self, message: Message) -> None:
        """Write what became of a message: the end of an answer."""
        async with self._writing:
            store = self._store
            if store is not None and await self._save_missing(store):
                await self._kept(store.update_message(message))

    async def save_version(self, message_id: str, other_id: str) -> None:
        """Write that a message came beside ``other_id``, and has its replies from now on."""
        await self._compare_beginning()
        async with self._writing:
            store = self._store
            if store is None:
                return
            if self._is_saved:
                # Before those that are not on disk yet: they may reply to it.
                at = self._behind(other_id)
                if at or not await self._kept(
                    store.add_version(self._conversation, message_id, other_id)
                ):
                    self._missing.insert(at, message_id)
                    self._versions[message_id] = other_id
            await self._save(store)

    async def save_removal(self, removal: Removal, *, is_undone: bool) -> None:
        """Write that messages went, or came back, behind those that are not on disk yet."""
        await self._compare_beginning()
        async with self._writing:
            if self._store is None:
                return
            if is_undone:
                self._miss_again(removal)
            self._removals.append((removal, is_undone))
            await self._save_missing(self._store)

    async def flush(self, message_id: str, text: str, parts: tuple[Part, ...]) -> None:
        """Write all that a streaming answer has so far."""
        if self._store is not None and self.is_whole:
            await self._kept(self._store.flush_text(message_id, text, parts or None))

    async def save_draft(self, draft: str) -> None:
        """Write what stands in the composer; not of a chat without messages, but once its first is
        written."""
        async with self._writing:
            if self._store is not None and self._is_saved:
                await self._kept(self._store.save_draft(self._conversation.id, draft))

    async def save_draft_files(self, files: Files) -> None:
        """As `save_draft`, the files that wait in the composer."""
        async with self._writing:
            if self._store is not None and self._is_saved:
                await self._kept(self._store.save_draft_files(self._conversation.id, files))

    async def save_waiting(self, waiting: Waiting, *, with_files: bool) -> bool:
        """Write the messages that wait, with their files or without; whether the disk has them: not
        of a chat without messages, but once its first is written."""
        async with self._writing:
            if self._store is None or not self._is_saved:
                return False
            write = self._store.save_waiting(self._conversation.id, waiting, with_files=with_files)
            return await self._kept(write)

    async def save_scroll(self) -> None:
        """As `save_draft`, where the transcript was left."""
        async with self._writing:
            if self._store is not None and self._is_saved:
                scroll = self._conversation.scroll
                await self._kept(self._store.save_scroll(self._conversation.id, scroll))

    async def _compare_beginning(self) -> None:
        before, self._beginning = self._beginning, _beginning(self._conversation)
        if self._store is not None and self._is_saved and before != self._beginning:
            await self._on_begun_anew()

    async def _save(self, store: ChatStore) -> bool:
        if not await self._save_missing(store):
            return False
        return await self._kept(store.save_details(self._conversation))

    async def _save_missing(self, store: ChatStore) -> bool:
        if not self._is_saved:
            self._is_saved = await self._kept(store.create(self._conversation))
            if self._is_saved:
                self._unknown.update(e for e in self._missing if e not in self._conversation)
                self._missing.clear()
                self._removals.clear()
            return self._is_saved
        while self._missing:
            message_id = self._missing[0]
            is_there = message_id in self._conversation  # not removed since
            if is_there and not await self._kept(self._add(store, message_id)):
                return False
            if not is_there:
                self._unknown.add(message_id)
            self._missing.remove(message_id)
            self._versions.pop(message_id, None)
        while self._removals:
            removal, is_undone = self._removals.pop(0)
            await self._kept(self._remove(store, removal, is_undone=is_undone))
        return True

    def _remove(self, store: ChatStore, removal: Removal, *, is_undone: bool) -> Awaitable[None]:
        if is_undone:
            return store.put_back_messages(self._conversation, removal)
        known = [each for each in removal.messages if each[1].id not in self._unknown]
        removal = msgspec.structs.replace(removal, messages=tuple(known))
        return store.remove_messages(self._conversation, removal)

    def _behind(self, other_id: str) -> int:
        """The place in what is missing behind that message and its versions; 0 for none of them."""
        for place in range(len(self._missing), 0, -1):
            each = self._missing[place - 1]
            if other_id in (each, self._versions.get(each)):
                return place
        return 0

    def _miss_again(self, removal: Removal) -> None:
        """What the disk never had is new to it when it comes back."""
        back = {message.id for _, message in removal.messages} & self._unknown
        if back:
            self._unknown -= back
            order = {message.id: place for place, message in enumerate(self._conversation)}
            self._missing = sorted({*self._missing, *back}, key=lambda each: order.get(each, 0))

    def _add(self, store: ChatStore, message_id: str) -> Awaitable[None]:
        chat, other_id = self._conversation, self._versions.get(message_id)
        if other_id is not None and other_id in chat:
            return store.add_version(chat, message_id, other_id)
        return store.add_message(chat.id, chat[message_id])

    async def _kept(self, write: Awaitable[object]) -> bool:
        try:
            await write
        except StoreError as error:
            _log.warning("A chat could not be saved: %s", error)
            self._on_failed(error)
            return False
        return True


def _beginning(conversation: Conversation) -> tuple[str, ContextCut | None, str | None]:
    """What tells prompts apart that begin otherwise, without all of their text."""
    cut = conversation.active_cut()
    given = sent(conversation.active_branch(), cut)
    return conversation.system_prompt, cut, given[0].id if given else None
