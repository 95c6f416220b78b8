"""`ChatLibrary`: all chats of a person, and the sessions that are open or still answering.

Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from minerva_desktop.app.chat_session import ChatSession, SessionListener
from minerva_desktop.app.generation import AnswerEngine
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import Conversation, ConversationSummary, new_id
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.errors import MinervaError
from minerva_desktop.store.chat_store import ChatStore

MAX_FOUND = 50
TRASH_SECONDS = 30 * 24 * 3600.0


class ChatLibrary:
    """A session stays known for as long as it answers, also when another chat is shown."""

    def __init__(
        self,
        store: ChatStore,
        engine: AnswerEngine,
        listener: SessionListener,
        snapshots: SnapshotFiles,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._engine = engine
        self._listener = listener
        self._snapshots = snapshots
        self._clock = clock
        self._sessions: dict[str, ChatSession] = {}

    @property
    def recovery_words(self) -> str | None:
        """What a damaged chat file was recovered to, if one was found at the start."""
        recovery = self._store.recovery
        return None if recovery is None else recovery.words

    async def tidy(self) -> None:
        """Destroy what has been in the trash for `TRASH_SECONDS`. Raises `StoreError`."""
        for conversation_id in await self._store.purge_trash(TRASH_SECONDS):
            await asyncio.to_thread(self._snapshots.remove, conversation_id)

    async def summaries(self, query: str = "") -> list[ConversationSummary]:
        """All chats, or at most `MAX_FOUND` that match, newest first. Raises `StoreError`, and
        `InvalidRequest` for a filter that makes no sense."""
        if not query.strip():
            return await self._store.list_conversations()
        page = await self._store.search(query, limit=MAX_FOUND)
        found = {hit.conversation.id: hit.conversation for hit in page.hits}
        while page.next is not None and len(found) < MAX_FOUND:
            page = await self._store.search(query, limit=MAX_FOUND, place=page.next)
            found |= {hit.conversation.id: hit.conversation for hit in page.hits}
        return sorted(found.values(), key=lambda chat: chat.updated_at, reverse=True)

    def new_session(self, system_prompt: str, sampling: SamplingParameters) -> ChatSession:
        """An empty chat, written with its first message."""
        now = self._clock()
        conversation = Conversation(
            id=new_id(),
            created_at=now,
            updated_at=now,
            system_prompt=system_prompt,
            sampling=sampling,
        )
        return self._session(conversation, is_saved=False)

    async def open_session(self, conversation_id: str) -> ChatSession:
        """The session of a chat: the one that answers, or a fresh one. Raises `StoreError`."""
        running = self._sessions.get(conversation_id)
        if running is not None:
            return running
        return self._session(await self._store.load(conversation_id), is_saved=True)

    async def rename(self, conversation_id: str, title: str) -> None:
        """Give a chat another title. Raises `StoreError`."""
        session = self._sessions.get(conversation_id)
        if session is not None:
            await session.rename(title)
            return
        conversation = await self._store.load(conversation_id)
        conversation.title = title.strip() or conversation.title
        await self._store.save_details(conversation)
        self._listener.on_session_saved()

    async def trash(self, conversation_id: str) -> None:
        """Put a chat into the trash; what answers in it is stopped. Raises `StoreError`."""
        session = self._sessions.pop(conversation_id, None)
        if session is not None:
            await session.close()
        await self._store.trash([conversation_id])

    async def restore(self, conversation_id: str) -> None:
        """Take a chat out of the trash. Raises `StoreError`."""
        await self._store.restore([conversation_id])

    async def close(self) -> None:
        """Stop all answers and return when everything is on disk."""
        for session in list(self._sessions.values()):
            await session.close()
        await self._store.close()

    # -- what the engine says --------------------------------------------------------------

    def on_answer_text(self, answer_id: str, text: str) -> None:
        """An answer grew."""
        for session in self._sessions.values():
            session.on_answer_text(answer_id, text)

    def on_answer_finished(self, answer_id: str, completion: Completion) -> None:
        """An answer ended."""
        for session in list(self._sessions.values()):
            session.on_answer_finished(answer_id, completion)

    def on_answer_failed(self, answer_id: str, error: MinervaError) -> None:
        """An answer ended in an error."""
        for session in list(self._sessions.values()):
            session.on_answer_failed(answer_id, error)

    def _session(self, conversation: Conversation, *, is_saved: bool) -> ChatSession:
        # Sessions that neither answer nor are about to be shown have nothing left to keep.
        self._sessions = {
            key: session for key, session in self._sessions.items() if session.is_busy
        }
        session = ChatSession(
            conversation,
            store=self._store,
            engine=self._engine,
            listener=self._listener,
            is_saved=is_saved,
            clock=self._clock,
        )
        self._sessions[conversation.id] = session
        return session
