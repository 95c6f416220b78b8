"""Conversations on disk.

Used by `app` from any asyncio loop (the window's qasync loop, the terminal's plain one); the work
itself happens on the database's thread. A write that was asked for happens even if the one who
asked stops waiting for it, and writes happen in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import apsw
import msgspec

from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import Conversation, ConversationSummary, clean_text
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import StoreError
from minerva_desktop.store import search
from minerva_desktop.store.database import Database

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Parsed = TypeVar("Parsed")
Row = tuple[Any, ...]


class ChatStore:
    """The chats in one file. Every coroutine raises `StoreError` when the disk does not play along.

    Text is cleaned of lone surrogates on its way in (`chat.conversation.clean_text`), because
    UTF-8 cannot hold them: the message is kept, each of them reads U+FFFD afterwards.
    ``recovered_from`` is where a damaged file was moved to, if `open` found one.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """``clock`` tells Unix time in seconds and stamps what goes to the trash."""
        self._database = database
        self._clock = clock

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the chats in ``path``, created if it is not there.

        Answers that were streaming when the app died become ``interrupted``, with their text.
        """
        store = cls(Database(path))
        await store.start()
        return store

    async def start(self) -> None:
        """Open the database that the store was made with. On failure its thread is ended."""
        try:
            await _finished(self._database.open())
            await self._write(_prepare)
        except BaseException:
            # Also one who stops waiting (a cancelled start) must not leave the thread and the lock.
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what was asked for and close the file; idempotent."""
        await _finished(self._database.close())
        self._database.join()

    @property
    def recovered_from(self) -> Path | None:
        """Where the damaged file lies that this store replaced."""
        return self._database.recovered_from

    # -- reading -----------------------------------------------------------------------------

    async def list_conversations(self, query: str = "") -> list[ConversationSummary]:
        """Chats that are not in the trash, the last updated first.

        With a ``query``: those with it in their title or in a message of any branch, whatever its
        case.
        """
        needle = search.fold(clean_text(query.strip()))
        return await self._read(lambda connection: _list(connection, needle))

    async def load(self, conversation_id: str) -> Conversation:
        """The whole conversation, also one in the trash."""
        return await self._read(lambda connection: _load(connection, conversation_id))

    # -- writing -----------------------------------------------------------------------------

    async def create(self, conversation: Conversation) -> None:
        """Store a new conversation with the messages that it has so far."""
        row = (conversation.id, conversation.created_at, conversation.updated_at)
        details = _details(conversation)
        messages = [_message_row(conversation.id, message) for message in conversation]

        def insert(connection: apsw.Connection) -> None:
            connection.execute(INSERT_CONVERSATION, row + details)
            connection.executemany(INSERT_MESSAGE, messages)

        await self._write(insert)

    async def save_details(self, conversation: Conversation) -> None:
        """Store title, model, system prompt, sampling parameters and active leaf."""
        bindings = (*_details(conversation), conversation.id)
        await self._write(lambda connection: _change(connection, UPDATE_DETAILS, bindings))

    async def add_message(self, conversation_id: str, message: Message) -> None:
        """Store a new message, which becomes the active leaf. On disk for good when it returns."""
        row = _message_row(conversation_id, message)
        moved = (message.id, message.created_at, conversation_id)

        def insert(connection: apsw.Connection) -> None:
            _change(connection, MOVE_LEAF, moved)
            connection.execute(INSERT_MESSAGE, row)

        await self._write(insert)

    async def update_message(self, message: Message) -> None:
        """Store a message's text, state, model, numbers and error: the end of an answer.

        On disk for good when it returns.
        """
        bindings = (*_message_content(message), message.id)
        await self._write(lambda connection: _change(connection, UPDATE_MESSAGE, bindings))

    async def flush_text(self, message_id: str, text: str) -> None:
        """Store all the text that a streaming answer has so far; cheap enough for 4 times a second.

        Does nothing once the answer's end is stored: a late flush never cuts an answer short.
        """
        bindings = (clean_text(text), message_id)

        def flush(connection: apsw.Connection) -> None:
            connection.execute(FLUSH_TEXT, bindings)

        await self._write(flush, durable=False)

    async def trash(self, conversation_id: str) -> None:
        """Take a conversation off the list; `restore` brings it back."""
        bindings = (self._clock(), conversation_id)
        await self._write(lambda connection: _change(connection, MARK_DELETED, bindings))

    async def restore(self, conversation_id: str) -> None:
        """Bring a conversation back from the trash."""
        bindings = (None, conversation_id)
        await self._write(lambda connection: _change(connection, MARK_DELETED, bindings))

    async def purge_trash(self, older_than_seconds: float) -> list[str]:
        """Destroy what has been in the trash for longer than that; the ids of what went."""
        limit = (self._clock() - older_than_seconds,)

        def purge(connection: apsw.Connection) -> list[str]:
            rows = connection.execute(
                "DELETE FROM conversations WHERE deleted_at < ? RETURNING id", limit
            )
            return [str(row[0]) for row in rows]

        return await self._write(purge)

    async def _read(self, query: Callable[[apsw.Connection], Result]) -> Result:
        return await asyncio.wrap_future(self._database.run(query))

    async def _write(
        self, change: Callable[[apsw.Connection], Result], *, durable: bool = True
    ) -> Result:
        return await _finished(self._database.write(change, durable=durable))


async def _finished(future: Future[Result]) -> Result:
    """Wait for work that must not be withdrawn when the waiting task is cancelled."""
    return await asyncio.shield(asyncio.wrap_future(future))


# -- on the database's thread ----------------------------------------------------------------

INSERT_CONVERSATION = """
    INSERT INTO conversations
        (id, created_at, updated_at, title, model, system_prompt, parameters, active_leaf_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
UPDATE_DETAILS = """
    UPDATE conversations
    SET title = ?, model = ?, system_prompt = ?, parameters = ?, active_leaf_id = ?
    WHERE id = ?
"""
MOVE_LEAF = """
    UPDATE conversations SET active_leaf_id = ?, updated_at = max(updated_at, ?) WHERE id = ?
"""
MARK_DELETED = "UPDATE conversations SET deleted_at = ? WHERE id = ?"
INSERT_MESSAGE = """
    INSERT INTO messages (id, conversation_id, parent_id, role, created_at,
        text, state, model, completion, error, seq)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
        (SELECT coalesce(max(seq), 0) + 1 FROM messages WHERE conversation_id = ?2))
"""
UPDATE_MESSAGE = """
    UPDATE messages SET text = ?, state = ?, model = ?, completion = ?, error = ? WHERE id = ?
"""
FLUSH_TEXT = "UPDATE messages SET text = ? WHERE id = ? AND state = 'streaming'"
MARK_INTERRUPTED = "UPDATE messages SET state = 'interrupted' WHERE state = 'streaming'"
SELECT_SUMMARIES = """
    SELECT id, title, updated_at, model FROM conversations
    WHERE deleted_at IS NULL AND (?1 = '' OR contains_folded(title, ?1) OR EXISTS (
        SELECT 1 FROM messages
        WHERE conversation_id = conversations.id AND contains_folded(text, ?1)))
    ORDER BY updated_at DESC, rowid DESC
"""
SELECT_CONVERSATION = """
    SELECT created_at, updated_at, title, model, system_prompt, parameters, active_leaf_id
    FROM conversations WHERE id = ?
"""
SELECT_MESSAGES = """
    SELECT id, parent_id, role, created_at, text, state, model, completion, error
    FROM messages WHERE conversation_id = ? ORDER BY seq
"""


def _prepare(connection: apsw.Connection) -> None:
    search.install(connection)
    connection.execute(MARK_INTERRUPTED)


def _change(connection: apsw.Connection, statement: str, bindings: Row) -> None:
    """Run an UPDATE of one row, whose id is the last binding."""
    connection.execute(statement, bindings)
    if connection.changes() == 0:
        raise StoreError(f"There is no chat or message with the id {bindings[-1]}")


def _list(connection: apsw.Connection, needle: str) -> list[ConversationSummary]:
    return [
        ConversationSummary(id=id_, title=title, updated_at=updated_at, model=model)
        for id_, title, updated_at, model in connection.execute(SELECT_SUMMARIES, (needle,))
    ]


def _load(connection: apsw.Connection, conversation_id: str) -> Conversation:
    row = connection.execute(SELECT_CONVERSATION, (conversation_id,)).fetchone()
    if row is None:
        raise StoreError(f"There is no chat with the id {conversation_id}")
    created_at, updated_at, title, model, system_prompt, parameters, active_leaf_id = row
    conversation = Conversation(
        id=conversation_id,
        created_at=created_at,
        updated_at=updated_at,
        title=title,
        model=model,
        system_prompt=system_prompt,
        sampling=_parsed(parameters, SamplingParameters) or SamplingParameters(),
    )
    try:
        for message_row in connection.execute(SELECT_MESSAGES, (conversation_id,)):
            conversation.add(_message(message_row))
    except ValueError as error:
        raise StoreError(f"The chat “{title}” cannot be read: {error}") from error
    if active_leaf_id in conversation:
        conversation.select_branch(active_leaf_id)
    conversation.updated_at = updated_at
    return conversation


def _message(row: Row) -> Message:
    id_, parent_id, role, created_at, text, state, model, completion, error = row
    return Message(
        id=id_,
        parent_id=parent_id,
        role=Role(role),
        text=text,
        state=MessageState(state),
        created_at=created_at,
        model=model,
        completion=None if completion is None else _parsed(completion, Completion),
        error=error,
    )


def _parsed(json: str, type_: type[Parsed]) -> Parsed | None:
    """None, and a line in the log, for JSON of another shape: it must not hide a whole chat."""
    try:
        return msgspec.json.decode(json, type=type_)
    except msgspec.DecodeError as error:
        logger.warning("a stored %s is not readable: %s", type_.__name__, error)
        return None


# -- values to rows, on the caller's thread ----------------------------------------------------


def _details(conversation: Conversation) -> Row:
    stop = tuple(clean_text(text) for text in conversation.sampling.stop)
    sampling = msgspec.structs.replace(conversation.sampling, stop=stop)
    return (
        clean_text(conversation.title),
        _clean_or_none(conversation.model),
        clean_text(conversation.system_prompt),
        msgspec.json.encode(sampling).decode(),
        conversation.active_leaf_id,
    )


def _message_row(conversation_id: str, message: Message) -> Row:
    return (
        message.id,
        conversation_id,
        message.parent_id,
        message.role.value,
        message.created_at,
        *_message_content(message),
    )


def _message_content(message: Message) -> Row:
    completion = message.completion
    return (
        clean_text(message.text),
        message.state.value,
        _clean_or_none(message.model),
        None if completion is None else msgspec.json.encode(completion).decode(),
        _clean_or_none(message.error),
    )


def _clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean_text(text)
