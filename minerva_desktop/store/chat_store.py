"""Conversations on disk.

Used by `app` from any asyncio loop (the window's qasync loop, the terminal's plain one); the work
itself happens on the database's thread. A write that was asked for happens even if the one who
asked stops waiting for it, and writes happen in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import apsw

from minerva_desktop.chat.conversation import (
    Conversation,
    ConversationSummary,
    Folder,
    Removal,
    ScrollPosition,
    clean_text,
    new_id,
)
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.names import clean_name
from minerva_desktop.chat.parts import Files, Part
from minerva_desktop.chat.waiting_message import Waiting
from minerva_desktop.digests import sha256
from minerva_desktop.errors import StoreError
from minerva_desktop.store import blobs, conversation_rows, message_rows, organising, search, trash
from minerva_desktop.store.backup_files import Backup
from minerva_desktop.store.care import RETRY_SECONDS, Care, finished
from minerva_desktop.store.database import Database, DiskTrouble
from minerva_desktop.store.failures import is_damage
from minerva_desktop.store.indexer import Indexer
from minerva_desktop.store.message_rows import Row
from minerva_desktop.store.organising import Mark
from minerva_desktop.store.recovery import Recovery
from minerva_desktop.store.search import SearchPage, SearchPlace
from minerva_desktop.store.search_query import parse
from minerva_desktop.store.waiting_rows import saving

Result = TypeVar("Result")
SLICE = 500  # messages that become rows in one go: 4 ms


class ChatStore:
    """The chats in one file. Every coroutine raises `StoreError` when the disk does not play along,
    or when there is no chat, message or folder with the id that it was given; of several ids
    either all or none are changed.

    Text is cleaned of lone surrogates on its way in (`chat.conversation.clean_text`), because
    UTF-8 cannot hold them: the message is kept, each of them reads U+FFFD afterwards.
    Where the disk is full or read-only nothing raises: writes wait in memory and are tried again,
    with the next one and every few seconds. ``on_trouble`` is told when that begins, with each
    write that waits, and, with None, when all are written; on the loop that called `start`.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        on_trouble: Callable[[DiskTrouble | None], None] | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """``clock`` tells Unix time in seconds and stamps what goes to the trash."""
        self._database = database
        self._indexer = Indexer(database)
        self._clock = clock
        self._care = Care(database, clock, on_trouble, retry_seconds)

    @classmethod
    async def open(
        cls, path: Path, on_trouble: Callable[[DiskTrouble | None], None] | None = None
    ) -> Self:
        """Open the chats in ``path``, created if it is not there.

        Answers that were streaming when the app died become ``interrupted``, with their text.
        """
        store = cls(Database(path), on_trouble=on_trouble)
        await store.start()
        return store

    async def start(self) -> None:
        """Open the database that the store was made with. On failure its thread is ended."""
        self._care.begin()
        try:
            await finished(self._database.open())
            try:
                await self._write(_interrupt)
            except StoreError as error:
                if not is_damage(error):
                    raise
                await self.open_anew()
        except BaseException:
            # Also one who stops waiting (a cancelled start) must not leave the thread and the lock.
            with suppress(StoreError):
                await self.close()
            raise

    async def open_anew(self) -> None:
        """Recover what can be read, after damage was met (`failures.is_damage`) in what `start`
        did not look at: at the start of the app, when nobody holds anything of the chats yet."""
        await finished(self._database.open_anew())
        await self._write(_interrupt)

    async def close(self) -> None:
        """Finish what was asked for and close the file; idempotent. What still waits for the disk
        (`trouble`) is tried once more; `StoreError` where it is lost now."""
        await self._care.end()
        try:
            await finished(self._database.close())
        finally:
            self._database.join()

    @property
    def is_open(self) -> bool:
        """Whether there are chats to work on: not where `open_anew` failed."""
        return self._database.is_open

    @property
    def recovery(self) -> Recovery | None:
        """What was read of a damaged file, if one was found in the place of the chats."""
        return self._database.recovery

    async def take_recovery_words(self) -> str:
        """What no window has told yet of recoveries; told now, and not given again. Or empty."""
        return await self._care.take_recovery_words()

    @property
    def trouble(self) -> DiskTrouble | None:
        """What waits for the disk, as it was told last."""
        return self._care.trouble

    # -- reading -----------------------------------------------------------------------------

    async def list_conversations(
        self, *, is_archived: bool = False, in_trash: bool = False
    ) -> list[ConversationSummary]:
        """Chats that are neither in the trash nor archived, the last updated first.

        ``is_archived``: the archived ones instead. ``in_trash``: those in the trash, archived or
        not, the last that went there first.
        """
        return await self._read(
            lambda c: conversation_rows.listed(c, is_archived=is_archived, in_trash=in_trash)
        )

    async def search(
        self, text: str, *, limit: int = 20, place: SearchPlace | None = None
    ) -> SearchPage:
        """At most ``limit`` titles and messages that match ``text``, the newest first, from
        ``place`` on: the ``next`` of the page before. Archived chats are searched, those in the
        trash are not.

        Raises `InvalidRequest` where ``text`` makes no sense (`store.search_query`).
        """
        query, start = parse(clean_text(text)), place or SearchPlace()
        return await self._read(lambda c: search.page_of(c, query, start, limit))

    async def finish_index(self, on_waiting: Callable[[int], None]) -> None:
        """Have all be found by `search`, as far as the disk takes it; ``on_waiting`` is told how
        many messages cannot be yet."""
        await self._indexer.finish(on_waiting)

    async def load(self, conversation_id: str) -> Conversation:
        """The whole conversation, also one in the trash; 50 ms for 10,000 messages."""
        return await self._read(lambda c: conversation_rows.load(c, conversation_id))

    # -- writing conversations ---------------------------------------------------------------

    async def create(self, conversation: Conversation) -> None:
        """Store a new conversation with the messages that it has so far.
        Of a long one, the rows are made in slices, between which the loop goes on: what is written
        of it before this has returned may come first, and fail.
        """
        row = conversation_rows.row_of(conversation)
        tags = [(conversation.id, clean_text(tag)) for tag in conversation.tags]
        messages: list[Row] = []
        for message in list(conversation):
            if len(messages) % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            messages.append(message_rows.row_of(conversation.id, message))

        await self._write(lambda c: conversation_rows.insert(c, row, tags, messages))

    async def save_details(self, conversation: Conversation) -> None:
        """Store what a session changes: title and its source, model, system prompt, sampling
        parameters, cuts, active leaf. What the list of chats changes has its own methods."""
        bindings = (*conversation_rows.details_of(conversation), conversation.id)
        statement = conversation_rows.UPDATE_DETAILS
        await self._write(lambda c: message_rows.change_one(c, statement, bindings))

    async def save_draft(self, conversation_id: str, text: str) -> None:
        """Store what stands in a chat's composer. A power cut may take it."""
        await self._mark(Mark.DRAFT, clean_text(text), [conversation_id], durable=False)

    async def save_draft_files(self, conversation_id: str, files: Files) -> None:
        """Store the files there; 4 MB take the database's thread 8 ms. As `save_draft`."""
        key, ids = (Mark.DRAFT_FILES, conversation_id), [conversation_id]
        await self._write(lambda c: organising.set_files(c, ids, files), durable=False, key=key)

    async def save_waiting(self, chat_id: str, waiting: Waiting, *, with_files: bool) -> None:
        """Store the messages that wait in a chat; of their files none, where those did not change.
        As `save_draft`."""
        key = ("waiting", with_files, chat_id)
        change = saving(chat_id, waiting, with_files=with_files)
        await self._write(change, durable=False, key=key)

    async def save_scroll(self, conversation_id: str, scroll: ScrollPosition | None) -> None:
        """Store where a chat's transcript was left. A power cut may take it."""
        value = None if scroll is None else message_rows.json_of(scroll)
        await self._mark(Mark.SCROLL, value, [conversation_id], durable=False)

    async def set_pinned(self, conversation_ids: Sequence[str], is_pinned: bool) -> None:
        """Pin chats, or unpin them."""
        await self._mark(Mark.PINNED, int(is_pinned), conversation_ids)

    async def set_archived(self, conversation_ids: Sequence[str], is_archived: bool) -> None:
        """Archive chats, or bring them back."""
        await self._mark(Mark.ARCHIVED, int(is_archived), conversation_ids)

    async def set_folder(self, conversation_ids: Sequence[str], folder_id: str | None) -> None:
        """Put chats into a folder; None takes them out of theirs."""
        await self._mark(Mark.FOLDER, folder_id, conversation_ids)

    async def set_tags(self, conversation_id: str, tags: Sequence[str]) -> None:
        """Give a chat these tags and no others; blank ones are left out."""
        clean = [tag for each in tags if (tag := clean_name(each))]
        await self._write(lambda c: organising.set_tags(c, conversation_id, clean))

    async def tags(self) -> list[str]:
        """Every tag that a chat has, by name."""
        return await self._read(organising.tags)

    # -- folders -----------------------------------------------------------------------------

    async def folders(self) -> list[Folder]:
        """All folders, by name."""
        return await self._read(organising.folders)

    async def create_folder(self, name: str) -> Folder:
        """A new folder. `StoreError` also for a blank name, and for one that is taken."""
        folder = Folder(id=new_id(), name=organising.folder_name(name))
        await self._write(lambda c: organising.create_folder(c, folder))
        return folder

    async def rename_folder(self, folder_id: str, name: str) -> None:
        """`StoreError` also for a blank name, and for one that is taken."""
        folder = Folder(id=folder_id, name=organising.folder_name(name))
        await self._write(lambda c: organising.rename_folder(c, folder))

    async def delete_folder(self, folder_id: str) -> None:
        """The chats in it stay, without a folder."""
        await self._write(lambda c: organising.delete_folder(c, folder_id))

    # -- writing messages --------------------------------------------------------------------

    async def add_message(self, conversation_id: str, message: Message) -> None:
        """Store a new message, which becomes the active leaf. On disk for good when it returns."""
        row = message_rows.row_of(conversation_id, message)
        moved = (message.id, message.created_at, conversation_id)

        def insert(connection: apsw.Connection) -> None:
            message_rows.change_one(connection, conversation_rows.MOVE_LEAF, moved)
            message_rows.insert(connection, [row])

        await self._write(insert)

    async def add_version(self, chat: Conversation, message_id: str, other_id: str) -> None:
        """Store what ``chat.add_version`` just did; for good when it returns."""
        row, now = message_rows.row_of(chat.id, chat[message_id]), chat.updated_at
        await self._write(lambda c: conversation_rows.add_version(c, row, other_id, now))

    async def update_message(self, message: Message) -> None:
        """Store all of a message that changes, as an answer's end; for good when it returns."""
        content = message_rows.content_of(message)
        await self._write(lambda c: message_rows.update(c, content, message.id))

    async def flush_text(
        self, message_id: str, text: str, parts: Sequence[Part] | None = None
    ) -> None:
        """Store all the text that a streaming answer has so far, and its parts unless None; cheap
        enough for 4 times a second. Does nothing once the answer's end is stored."""
        stored_parts = None if parts is None else message_rows.json_of(parts)
        bindings = (clean_text(text), stored_parts, message_id)

        def flush(connection: apsw.Connection) -> None:
            connection.execute(message_rows.FLUSH_TEXT, bindings)

        await self._write(flush, durable=False, key=("flush", message_id))

    async def remove_messages(self, conversation: Conversation, removal: Removal) -> None:
        """Store what ``conversation.remove`` just did. `purge_trash` destroys the messages."""
        move, now = trash.move_of(conversation, removal), self._clock()
        await self._write(lambda c: trash.apply(c, move, now))

    async def put_back_messages(self, conversation: Conversation, removal: Removal) -> None:
        """Store what ``conversation.put_back`` just did."""
        move = trash.move_of(conversation, removal)
        await self._write(lambda c: trash.apply(c, move, None))

    # -- images ------------------------------------------------------------------------------

    async def store_blob(self, content: bytes) -> str:
        """Keep bytes, once however often they are stored; their SHA-256 in hexadecimal. Those that
        no message names are destroyed together with what was in the trash, after a day."""
        digest = sha256(content).hex()
        now = self._clock()
        await self._write(lambda c: blobs.store(c, digest, now, content))
        return digest

    async def blob(self, digest: str) -> bytes:
        """The bytes of that SHA-256."""
        return await self._read(lambda c: blobs.read(c, digest))

    # -- the trash ---------------------------------------------------------------------------

    async def trash(self, conversation_ids: Sequence[str]) -> None:
        """Take conversations off the list; `restore` brings them back."""
        await self._mark(Mark.DELETED, self._clock(), conversation_ids)

    async def restore(self, conversation_ids: Sequence[str]) -> None:
        """Bring conversations back from the trash."""
        await self._mark(Mark.DELETED, None, conversation_ids)

    async def destroy(self, conversation_ids: Sequence[str]) -> None:
        """Destroy conversations for good; `StoreError` for one that is not in the trash."""
        now = self._clock()
        await self._write(lambda c: trash.destroy(c, conversation_ids, now))

    async def purge_trash(self, older_than_seconds: float) -> list[str]:
        """Destroy the chats and messages that went to the trash longer ago than that; the ids of
        the chats."""
        now = self._clock()
        return await self._write(lambda c: trash.purge(c, now - older_than_seconds, now))

    # -- care --------------------------------------------------------------------------------

    async def check(self, *, is_quick: bool = False) -> list[str]:
        """Look through the whole file for damage, beside other work; what is wrong, in SQLite's
        words. It takes some seconds for 100,000 messages; ``is_quick``: as the start does it, and
        only where that left it out. Who stops waiting ends it."""
        return await self._care.check(is_quick=is_quick)

    async def backups(self) -> list[Backup]:
        """Copies of all chats, the newest first: the last seven daily ones, and those made before
        a migration, before a restore and by `back_up`."""
        return await self._care.backups()

    async def back_up(self, target: Path | None = None) -> Path:
        """Copy all chats, beside other work, to ``target`` or into the folder of backups; where
        to. `StoreError` where there is a file already."""
        return await self._care.back_up(target)

    async def restore_backup(self, backup: Path) -> None:
        """Replace all chats by those in ``backup``. A copy of the present ones is made first."""
        await self._care.restore(backup)
        await self._write(_interrupt)

    async def try_again(self) -> bool:
        """Whether the disk takes all that waits for it, or nothing does."""
        return await finished(self._database.try_again())

    async def save_elsewhere(self, target: Path) -> None:
        """Write everything, also what waits for the disk, into a new file ``target``."""
        await finished(self._database.save_elsewhere(target))

    # -- inside ------------------------------------------------------------------------------

    async def _mark(
        self, mark: Mark, value: apsw.SQLiteValue, chat_ids: Sequence[str], *, durable: bool = True
    ) -> None:
        ids = tuple(chat_ids)
        key = None if durable else (mark, *ids)
        await self._write(
            lambda c: organising.set_mark(c, mark, value, ids), durable=durable, key=key
        )

    async def _read(self, query: Callable[[apsw.Connection], Result]) -> Result:
        return await asyncio.wrap_future(self._database.run(query))

    async def _write(
        self,
        change: Callable[[apsw.Connection], Result],
        *,
        durable: bool = True,
        key: Hashable | None = None,
    ) -> Result:
        written = self._database.write(change, durable=durable, key=key)
        self._indexer.take_up()
        return await finished(written)


def _interrupt(connection: apsw.Connection) -> None:
    connection.execute(message_rows.MARK_INTERRUPTED)
