"""`ChatLibrary`: all chats of a person, and the sessions that are open or still answering.

Lives on the thread and asyncio loop of its owner (the window's main thread).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from msgspec.structs import replace

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.chat_care import ChatCare
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.computed_states import ComputedStates
from minerva_desktop.app.context_cutting import Summariser
from minerva_desktop.app.generation import AnswerEngine, AnswerRequest
from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.app.session_listener import SessionListener
from minerva_desktop.app.titles import Titles
from minerva_desktop.app.trash_care import TrashCare
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import (
    Conversation,
    ConversationSummary,
    Folder,
    TitleSource,
    new_id,
)
from minerva_desktop.chat.copies import branch_copy, copy_of
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.names import clean_name
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.answer_parts import AnswerPart, ContentDelta, ReasoningDelta
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.failures import is_damage
from minerva_desktop.store.search import SearchPage, SearchPlace

MAX_FOUND = 50


class ChatLibrary:
    """There is one session of a chat for as long as anybody has it. One that answers, or of which
    something waits, stays also when nobody shows it any more.

    Attributes:
        titles: gives chats better titles while nothing else goes on.
        states: what models had computed of chats.
    """

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
        self.states = ComputedStates(snapshots)
        self._clock = clock
        self._sessions: WeakValueDictionary[str, ChatSession] = WeakValueDictionary()
        self._busy: list[ChatSession] = []  # these stay
        self._asides = Asides(engine)
        self.titles = Titles(self._asides, engine.idle_parameters, self.open_session)
        self._model_paths: dict[str, Path] = {}  # by the answer that is being written
        self._trash_care = TrashCare(store, snapshots, listener.on_session_saved, clock)

    async def take_recovery_words(self) -> str:
        """What a damaged chat file was recovered to, if one was found at the start, or by a command
        since a window was last open; or empty. To be told now: it is not given again."""
        return await self._store.take_recovery_words()

    async def recovered_from(self, error: StoreError) -> bool:
        """Where ``error`` is of damage that was met while the app starts, or of a recovery that
        failed, as on a full disk: recover what can be read, before anything of the chats is held.
        Raises `StoreError`."""
        if self._store.is_open and not is_damage(error):
            return False
        await self._store.open_anew()
        return True

    @property
    def store(self) -> ChatStore:
        """Where the chats are."""
        return self._store

    @property
    def care(self) -> ChatCare:
        """Who looks after their file."""
        return ChatCare(self._store, self._replacing)

    @property
    def summariser(self) -> Summariser:
        """Who has a model summarise what of a chat is left out."""
        return Summariser(self._asides)

    async def tidy(self) -> None:
        """Destroy what has been in the trash for long, now and each day until `close`. Raises
        `StoreError`."""
        await self._trash_care.tidy()

    async def summaries(
        self, *, is_archived: bool = False, in_trash: bool = False
    ) -> list[ConversationSummary]:
        """As `ChatStore.list_conversations`, which raises `StoreError` as all that follows here
        does."""
        return await self._store.list_conversations(is_archived=is_archived, in_trash=in_trash)

    async def search(
        self, text: str, limit: int = MAX_FOUND, place: SearchPlace | None = None
    ) -> SearchPage:
        """As `ChatStore.search`: titles and messages, the newest first. Raises `InvalidRequest` for
        a filter that makes no sense."""
        return await self._store.search(text, limit=limit, place=place)

    def new_session(
        self, system_prompt: str, sampling: SamplingParameters, *, is_temporary: bool = False
    ) -> ChatSession:
        """An empty chat, written with its first message, or never if it is temporary."""
        now = self._clock()
        conversation = Conversation(
            id=new_id(),
            created_at=now,
            updated_at=now,
            system_prompt=system_prompt,
            sampling=sampling,
        )
        return self._session(conversation, is_saved=False, is_temporary=is_temporary)

    async def open_session(self, conversation_id: str) -> ChatSession:
        """The session of a chat: the one that somebody has, or a fresh one. Raises
        `StoreError`."""
        known = self._sessions.get(conversation_id)
        if known is not None:
            return known
        conversation = await self._store.load(conversation_id)
        # Asked for twice at once, it is the same one.
        known = self._sessions.get(conversation_id)
        return known or self._session(conversation, is_saved=True)

    async def branch_off(self, session: ChatSession, message_id: str) -> ChatSession:
        """A chat of its own with the messages up to ``message_id``, saved. Raises `StoreError`."""
        title = f"{session.conversation.title} (branch)".strip()
        # Copying 10,000 messages takes 0.1 s: another thread does, from what no one else has.
        await session.settle()
        stored = await self._store.load(session.conversation.id)
        if message_id not in stored:
            raise StoreError("The message is not on disk, so no chat can begin with it")
        copy = await asyncio.to_thread(branch_copy, stored, message_id, title, self._clock())
        await self._store.create(copy)
        self._listener.on_session_saved()
        return self._session(copy, is_saved=True)

    async def rename(self, conversation_id: str, title: str) -> None:
        """Give a chat another title. Raises `StoreError`."""
        session = self._sessions.get(conversation_id)
        if session is not None:
            await session.rename(title)
            return
        conversation = await self._store.load(conversation_id)
        if not (name := clean_name(title)):
            return
        conversation.title = name
        conversation.title_source = TitleSource.PERSON
        await self._store.save_details(conversation)
        self._listener.on_session_saved()

    async def duplicate(self, conversation_id: str) -> str:
        """Make another chat with all that this one holds; its id. An answer that is being written
        is broken off in the copy."""
        session = self._sessions.get(conversation_id)
        if session is not None:
            await session.settle()
        stored = await self._store.load(conversation_id)
        running = None if session is None else session.answer_so_far
        if running is not None and running.id in stored:
            stored.replace(running)
        title = f"{stored.title} (copy)"
        copy = await asyncio.to_thread(copy_of, stored, title, self._clock())
        for message in list(copy):
            if message.state is MessageState.STREAMING:
                copy.replace(replace(message, state=MessageState.INTERRUPTED))
        await self._store.create(copy)
        return copy.id

    # -- the order of chats ----------------------------------------------------------------

    async def set_pinned(self, conversation_ids: Sequence[str], is_pinned: bool) -> None:
        """Pin chats, or unpin them."""
        await self._store.set_pinned(conversation_ids, is_pinned)
        for conversation in self._known(conversation_ids):
            conversation.is_pinned = is_pinned

    async def set_archived(self, conversation_ids: Sequence[str], is_archived: bool) -> None:
        """Archive chats, or bring them back."""
        await self._store.set_archived(conversation_ids, is_archived)
        for conversation in self._known(conversation_ids):
            conversation.is_archived = is_archived

    async def set_folder(self, conversation_ids: Sequence[str], folder_id: str | None) -> None:
        """Put chats into a folder; None takes them out of theirs."""
        await self._store.set_folder(conversation_ids, folder_id)
        for conversation in self._known(conversation_ids):
            conversation.folder_id = folder_id

    async def set_tags(self, conversation_id: str, tags: Sequence[str]) -> None:
        """Give a chat these tags and no others."""
        await self._store.set_tags(conversation_id, tags)
        for conversation in self._known([conversation_id]):
            conversation.tags = tuple(tags)

    async def tags(self) -> list[str]:
        """Every tag that a chat has, by name."""
        return await self._store.tags()

    async def folders(self) -> list[Folder]:
        """All folders, by name."""
        return await self._store.folders()

    async def create_folder(self, name: str) -> Folder:
        """A new folder; `StoreError` for a name that is blank or taken."""
        return await self._store.create_folder(name)

    async def rename_folder(self, folder_id: str, name: str) -> None:
        """`StoreError` for a name that is blank or taken."""
        await self._store.rename_folder(folder_id, name)

    async def delete_folder(self, folder_id: str) -> None:
        """The chats in it stay."""
        await self._store.delete_folder(folder_id)
        for session in self._sessions.values():
            if session.conversation.folder_id == folder_id:
                session.conversation.folder_id = None

    def _known(self, conversation_ids: Sequence[str]) -> list[Conversation]:
        """The open ones among these."""
        sessions = (self._sessions.get(each) for each in conversation_ids)
        return [session.conversation for session in sessions if session is not None]

    # -- the trash -------------------------------------------------------------------------

    async def trash(self, conversation_ids: Sequence[str]) -> None:
        """Put chats into the trash; what answers in them is stopped."""
        known = (self._sessions.get(each) for each in conversation_ids)
        with _put_away([session for session in known if session is not None]) as sessions:
            for session in sessions:
                await session.close()
            await self._store.trash(conversation_ids)
        for conversation_id in conversation_ids:
            self._sessions.pop(conversation_id, None)

    async def restore(self, conversation_ids: Sequence[str]) -> None:
        """Take chats out of the trash."""
        await self._store.restore(conversation_ids)

    async def open_again(self, conversation_id: str) -> ChatSession:
        """As `open_session`, out of the trash where the chat is there: it could be lost while
        somebody goes on in it."""
        trashed = await self._store.list_conversations(in_trash=True)
        if any(chat.id == conversation_id for chat in trashed):
            await self.restore([conversation_id])
            self._listener.on_session_saved()
        return await self.open_session(conversation_id)

    async def destroy(self, conversation_ids: Sequence[str]) -> None:
        """Destroy chats that are in the trash, for good."""
        await self._store.destroy(conversation_ids)
        for conversation_id in conversation_ids:
            await self.states.remove(conversation_id)

    async def close(self) -> None:
        """Stop all answers and return when everything is on disk."""
        await self._trash_care.close()
        await self.settle()
        await self._store.close()

    async def settle(self) -> None:
        """Stop all answers, and return when everything is on disk or waits for it
        (`ChatStore.trouble`). Chats can go on after that."""
        await self.titles.close()
        for session in list(self._sessions.values()):
            await session.close()

    @asynccontextmanager
    async def _replacing(self) -> AsyncIterator[None]:
        """All chats are replaced by others: nobody may write into them, and then they are gone."""
        with _put_away(list(self._sessions.values())):
            await self.settle()
            yield
        self._sessions.clear()
        self._busy.clear()

    # -- what sessions ask of the engine ---------------------------------------------------

    def start_answer(self, request: AnswerRequest) -> None:
        """Begin an answer; what the app asks a model by itself makes way for it."""
        self.titles.interrupt()
        self._keep_busy()
        self.states.goes_on(request.snapshot or "")
        self._model_paths[request.answer_id] = request.model_path
        self._engine.start_answer(request)

    def cancel_answer(self, answer_id: str) -> None:
        """End an answer early."""
        self._engine.cancel_answer(answer_id)

    async def idle_parameters(self, path: Path) -> int | None:
        """As `AnswerEngine` has it."""
        return await self._engine.idle_parameters(path)

    # -- what the engine says --------------------------------------------------------------

    def on_answer_parts(self, answer_id: str, parts: Sequence[AnswerPart]) -> None:
        """An answer grew by what it thought and said."""
        for part in parts:
            match part:
                case ContentDelta(text):
                    self.on_answer_text(answer_id, text)
                case ReasoningDelta(text):
                    for session in self._sessions.values():
                        session.on_answer_thought(answer_id, text)

    def on_answer_text(self, answer_id: str, text: str) -> None:
        """An answer said more."""
        self._asides.on_answer_text(answer_id, text)
        for session in self._sessions.values():
            session.on_answer_text(answer_id, text)

    def on_answer_read(self, answer_id: str, n_tokens: int, n_all: int) -> None:
        """Of what is answered, so many tokens of all are read."""
        self._asides.on_answer_read(answer_id, n_tokens, n_all)

    def on_answer_finished(self, answer_id: str, completion: Completion) -> None:
        """An answer ended."""
        self._asides.on_answer_finished(answer_id, completion)
        model_path = self._model_paths.pop(answer_id, None)
        for session in list(self._sessions.values()):
            is_its = session.answer_id == answer_id
            session.on_answer_finished(answer_id, completion)
            if is_its and model_path is not None:
                self.titles.add(session, model_path)
        if model_path is not None and not self._model_paths:
            self.titles.go_on()

    def on_answer_failed(self, answer_id: str, error: MinervaError) -> None:
        """An answer ended in an error."""
        self._asides.on_answer_failed(answer_id, error)
        was_of_chat = self._model_paths.pop(answer_id, None) is not None
        for session in list(self._sessions.values()):
            session.on_answer_failed(answer_id, error)
        if was_of_chat and not self._model_paths:
            self.titles.go_on()

    def _session(
        self, conversation: Conversation, *, is_saved: bool, is_temporary: bool = False
    ) -> ChatSession:
        self._keep_busy()
        store = None if is_temporary else self._store
        on_failed = self._listener.on_store_failed
        outdate = partial(self.states.outdate, conversation.id)
        keeper = SessionKeeper(conversation, store, on_failed, outdate, is_saved=is_saved)
        session = ChatSession(
            conversation,
            keeper=keeper,
            engine=self,
            listener=self._listener,
            clock=self._clock,
        )
        self._sessions[conversation.id] = session
        return session

    def _keep_busy(self) -> None:
        self._busy = [session for session in self._sessions.values() if session.has_more_to_do]


@contextmanager
def _put_away(sessions: list[ChatSession]) -> Iterator[list[ChatSession]]:
    """Nothing is begun in them from here on, also what is held until it is counted: no answer would
    ever be heard. Where putting them away fails, they go on."""
    try:
        for session in sessions:
            session.is_gone = True
        yield sessions
    except BaseException:
        for session in sessions:
            session.is_gone = False
        raise
