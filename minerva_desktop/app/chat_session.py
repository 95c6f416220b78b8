"""`ChatSession`: one open conversation, what a person does with it, and the disk that keeps it.

Lives on the thread and asyncio loop of its owner (the window's main thread). The order of things
is the promise: a message is on disk before a model sees it, and a streamed answer reaches the disk
within `FLUSH_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from minerva_desktop.app.generation import AnswerEngine, AnswerRequest
from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.conversation import Conversation, clean_text, new_id, title_from
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InvalidRequest,
    LoadCancelled,
    MinervaError,
    OutOfMemory,
    StoreError,
)
from minerva_desktop.store.chat_store import ChatStore

FLUSH_SECONDS = 0.5
# Errors after which other load options of the model help: another context, or KV cache.
LOAD_OPTIONS_HELP = (ContextLimitExceeded, OutOfMemory)

_log = logging.getLogger(__name__)


class SessionListener(Protocol):
    """Who shows sessions. Called on the session's thread, with the session it is about."""

    def on_message_added(self, session: ChatSession, message: Message) -> None:
        """A message was appended to the shown branch."""

    def on_text_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """An answer grew."""

    def on_message_changed(self, session: ChatSession, message: Message) -> None:
        """An answer ended: its final text, state and numbers."""

    def on_branch_changed(self, session: ChatSession) -> None:
        """Another branch is shown."""

    def on_session_saved(self) -> None:
        """The chat list may have changed: a new chat, a new title, a new time."""

    def on_store_failed(self, error: StoreError) -> None:
        """The disk did not take something; the conversation goes on in memory."""


class ChatSession:
    """At most one answer runs at a time."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        store: ChatStore,
        engine: AnswerEngine,
        listener: SessionListener,
        is_saved: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``is_saved`` False: the conversation is written with its first message."""
        self.conversation = conversation
        self._store = store
        self._engine = engine
        self._listener = listener
        self._is_saved = is_saved
        self._clock = clock
        self._answer: Message | None = None
        self._pieces: list[str] = []
        self._stopping = False
        self._unflushed = False
        self._missing: list[str] = []  # ids of messages that are not on disk yet, oldest first
        self._flusher: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        # The beginning of an answer reaches the disk before its end, however soon that comes.
        self._writing = asyncio.Lock()

    @property
    def is_answering(self) -> bool:
        """Whether an answer is on its way."""
        return self._answer is not None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is on its way, or its end not yet on disk."""
        ending = self._ending is not None and not self._ending.done()
        return self.is_answering or ending

    @property
    def answer_id(self) -> str | None:
        """The id of the message that is being written."""
        return None if self._answer is None else self._answer.id

    @property
    def answer_text(self) -> str:
        """What the running answer says so far."""
        return "".join(self._pieces)

    # -- what a person does ----------------------------------------------------------------

    async def send(self, text: str, model_path: Path) -> None:
        """Keep ``text`` as the user's message, then have the model answer.

        Raises `InvalidRequest` when it is blank or an answer still runs; nothing is kept then.
        """
        if not text.strip():
            raise InvalidRequest("The message is empty", param="text")
        self._require_idle()
        question = self._message(Role.USER, text, MessageState.COMPLETE)
        if not self.conversation.title:
            self.conversation.title = title_from(text)
        await self._begin(question, model_path)

    async def retry(self, message_id: str, model_path: Path) -> None:
        """Answer the same question again, beside the answer ``message_id``."""
        self._require_idle()
        parent_id = self.conversation[message_id].parent_id
        if parent_id is None:
            raise InvalidRequest("There is no question to answer", param="message_id")
        self.conversation.branch_from(parent_id)
        self._listener.on_branch_changed(self)
        await self._begin(None, model_path)

    def stop(self) -> None:
        """End the running answer; what it wrote stays."""
        if self._answer is not None:
            self._stopping = True
            self._engine.cancel_answer(self._answer.id)

    async def configure(self, system_prompt: str, sampling: SamplingParameters) -> None:
        """Change what the next answers are made with."""
        self.conversation.system_prompt = system_prompt
        self.conversation.sampling = sampling
        if self._is_saved:
            await self._keep(self._store.save_details(self.conversation))

    async def rename(self, title: str) -> None:
        """Give the chat another title; a blank one is ignored."""
        if title.strip():
            self.conversation.title = title.strip()
            if self._is_saved:
                await self._keep(self._store.save_details(self.conversation))
            self._listener.on_session_saved()

    async def close(self) -> None:
        """Stop the answer, and return when all that was written is on disk."""
        if self._answer is not None:
            self.stop()
            self._end(MessageState.STOPPED, completion=None, error=None)
        if self._ending is not None:
            await self._ending
        if self._missing:
            await self._save_missing()

    # -- what the engine says --------------------------------------------------------------

    def on_answer_text(self, answer_id: str, text: str) -> None:
        """The answer grew by ``text``; ignored for one that is over, or of another session."""
        if self._answer is None or self._answer.id != answer_id or not text:
            return
        self._pieces.append(text)
        self._listener.on_text_added(self, answer_id, text)
        self._unflushed = True
        if self._flusher is None:
            self._flusher = asyncio.ensure_future(self._flush())

    def on_answer_finished(self, answer_id: str, completion: Completion) -> None:
        """The answer ended well, or because it was stopped."""
        if self._answer is None or self._answer.id != answer_id:
            return
        stopped = completion.finish_reason is FinishReason.CANCELLED
        state = MessageState.STOPPED if stopped else MessageState.COMPLETE
        self._end(state, completion, error=None)

    def on_answer_failed(self, answer_id: str, error: MinervaError) -> None:
        """The answer ended in an error; its text so far stays."""
        if self._answer is None or self._answer.id != answer_id:
            return
        if self._stopping or isinstance(error, LoadCancelled):
            self._end(MessageState.STOPPED, completion=None, error=None)
        else:
            self._end(MessageState.FAILED, completion=None, error=with_way_out(error))

    # -- inside ----------------------------------------------------------------------------

    def _require_idle(self) -> None:
        if self._answer is not None:
            raise InvalidRequest("An answer is still being written; stop it first")

    async def _begin(self, question: Message | None, model_path: Path) -> None:
        self.conversation.model = model_name(model_path)
        if question is not None:
            self._show(question)
        name = self.conversation.model
        answer = self._message(Role.ASSISTANT, "", MessageState.STREAMING, model=name)
        # Set before the first await, so that a second send cannot slip in between.
        self._answer = answer
        self._pieces = []
        self._stopping = False
        turns = self.conversation.turns()
        self._show(answer)
        async with self._writing:
            await self._save_beginning()
        if self.answer_id != answer.id:
            return  # stopped and ended while the disk was busy
        conversation = self.conversation
        self._engine.start_answer(
            AnswerRequest(answer.id, model_path, turns, conversation.sampling, conversation.id)
        )
        if self._stopping:
            self._engine.cancel_answer(answer.id)

    def _show(self, message: Message) -> None:
        self.conversation.add(message)
        self._missing.append(message.id)
        self._listener.on_message_added(self, message)

    async def _save_beginning(self) -> None:
        if await self._save_missing():
            await self._keep(self._store.save_details(self.conversation))
        self._listener.on_session_saved()

    async def _save_missing(self) -> bool:
        """Write what is not on disk yet, oldest first; False when the disk does not take it."""
        if not self._is_saved:
            self._is_saved = await self._keep(self._store.create(self.conversation))
            if self._is_saved:
                self._missing.clear()
            return self._is_saved
        while self._missing:
            message = self.conversation[self._missing[0]]
            if not await self._keep(self._store.add_message(self.conversation.id, message)):
                return False
            del self._missing[0]
        return True

    def _message(
        self, role: Role, text: str, state: MessageState, model: str | None = None
    ) -> Message:
        return Message(
            id=new_id(),
            parent_id=self.conversation.active_leaf_id,
            role=role,
            text=text,
            state=state,
            created_at=self._clock(),
            model=model,
        )

    def _end(self, state: MessageState, completion: Completion | None, error: str | None) -> None:
        if self._answer is None:
            return
        final = msgspec.structs.replace(
            self._answer,
            text="".join(self._pieces),
            state=state,
            completion=completion,
            error=error,
        )
        self._answer = None
        self.conversation.replace(final)
        self._listener.on_message_changed(self, final)
        self._ending = asyncio.ensure_future(self._save_end(final))

    async def _save_end(self, final: Message) -> None:
        flusher, self._flusher = self._flusher, None
        self._unflushed = False
        if flusher is not None:
            flusher.cancel()
            await asyncio.wait([flusher])
        async with self._writing:
            if await self._save_missing():
                await self._keep(self._store.update_message(final))
        self._listener.on_session_saved()

    async def _flush(self) -> None:
        while self._unflushed and self._answer is not None:
            self._unflushed = False
            if self._is_saved and not self._missing:
                text = "".join(self._pieces)
                await self._keep(self._store.flush_text(self._answer.id, text))
            await asyncio.sleep(FLUSH_SECONDS)
        self._flusher = None

    async def _keep(self, write: Awaitable[None]) -> bool:
        try:
            await write
        except StoreError as error:
            _log.warning("A chat could not be saved: %s", error)
            self._listener.on_store_failed(error)
            return False
        return True


def model_name(path: Path) -> str:
    """What a chat calls the model at ``path`` that answers in it: the name of its file, as SQLite
    can hold it."""
    return clean_text(path.name)


def with_way_out(error: MinervaError) -> str:
    """The sentence beneath a failed answer. Trying again helps with most errors, not with these."""
    if isinstance(error, ContextLimitExceeded):
        return (
            f"{error.message} tokens. Shorten the message, begin a new chat, or give the model a "
            "larger context in its load options (Ctrl+Shift+L)."
        )
    if isinstance(error, OutOfMemory):
        return (
            f"{error.message.rstrip('.')}. Give the model a smaller context in its load options "
            "(Ctrl+Shift+L), unload another model, or allow models more memory in the settings "
            "(Ctrl+,)."
        )
    return error.message
