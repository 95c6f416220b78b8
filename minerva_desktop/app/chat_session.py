"""`ChatSession`: one open conversation, what a person does with it, and the disk that keeps it.

Lives on the thread and asyncio loop of its owner (the window's main thread). The promise: a message
is on disk before a model sees it, a streamed answer within `running_answer.FLUSH_SECONDS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from minerva_desktop.app.answer_editing import AnswerEditing
from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.generation import AnswerEngine, AnswerRequest
from minerva_desktop.app.message_queue import MessageQueue
from minerva_desktop.app.queue_editing import QueueEditing
from minerva_desktop.app.queue_sending import QueueSending
from minerva_desktop.app.running_answer import STILL_WRITING, RunningAnswer, going_on, is_void
from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.app.session_listener import QueuedMessage, SessionListener
from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.context_cut import ContextCut, also_at
from minerva_desktop.chat.conversation import Conversation, Removal, ScrollPosition, TitleSource
from minerva_desktop.chat.message import ChatTurn, Message, MessageState, Role
from minerva_desktop.chat.names import clean_name, title_from
from minerva_desktop.chat.parts import Files, Part
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.turns import question_of, require_content, turn_to_go_on
from minerva_desktop.errors import InvalidRequest, LoadCancelled, MinervaError

GONE = "This chat is not there any more"


class ChatSession:
    """At most one answer runs at a time; messages that were sent meanwhile wait, as ``sending`` and
    ``editing`` know; ``answers`` changes what answers say. Nothing is begun in one that
    ``is_gone``: its chat was put away."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        keeper: SessionKeeper,
        engine: AnswerEngine,
        listener: SessionListener,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.conversation = conversation
        self.is_gone = False
        self._keeper = keeper
        self._engine = engine
        self._listener = listener
        self._clock = clock
        self._answer: RunningAnswer | None = None
        self._queue = MessageQueue(conversation, keeper)
        self.sending = QueueSending(self._queue, listener)
        self.editing = QueueEditing(self._queue, listener)
        self.answers = AnswerEditing(conversation, keeper, listener, clock)
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_temporary(self) -> bool:
        """Whether nothing of this chat is ever written."""
        return self._keeper.is_temporary

    @property
    def is_answering(self) -> bool:
        """Whether an answer is on its way."""
        return self._answer is not None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is on its way, its end not yet on disk, or the next one counted."""
        ending = self._ending is not None and not self._ending.done()
        return self.is_answering or ending or self.sending.is_counting

    @property
    def has_more_to_do(self) -> bool:
        """Whether something runs, or waits for a person or for the disk."""
        waits = bool(self._queue) or self._keeper.is_behind
        return self.is_busy or (waits and not self.is_temporary)

    @property
    def answer_id(self) -> str | None:
        """The id of the message that is being written."""
        return None if self._answer is None else self._answer.id

    @property
    def answer_so_far(self) -> Message | None:
        """The message that is being written, as it stands."""
        return None if self._answer is None else self._answer.so_far

    @property
    def queued(self) -> tuple[QueuedMessage, ...]:
        """The messages that wait for the running answer, or for `send_queued`."""
        return self._queue.items

    @property
    def is_paused(self) -> bool:
        """Whether messages wait for a person."""
        return bool(self._queue) and not (self.is_answering or self.sending.is_counting)

    def require_idle(self) -> None:
        """Raises `InvalidRequest` where nothing can be begun."""
        if self.is_gone:
            raise InvalidRequest(GONE)
        if self._answer is not None:
            raise InvalidRequest(STILL_WRITING)

    # -- what a person says ----------------------------------------------------------------

    async def send(
        self, text: str, model_path: Path, files: Files = (), reply_to: str | None = None
    ) -> None:
        """Keep ``text`` and ``files`` as the user's message, then have the model answer; behind
        what is shown, or as another branch behind ``reply_to``.

        Raises `InvalidRequest` when there is neither or an answer still runs; nothing is kept then.
        """
        require_content(text, files)
        self.require_idle()
        if reply_to is not None and reply_to != self.conversation.active_leaf_id:
            self.conversation.branch_from(reply_to)
            self._listener.on_branch_changed(self)
        question = self._reply(Role.USER, text, MessageState.COMPLETE, files)
        if not self.conversation.title:
            self.conversation.title = title_from(text) or title_from(files[0].name)
        await self._begin(question, model_path)

    async def edit(self, message_id: str, text: str, model_path: Path) -> None:
        """Say ``text`` instead of the user's message ``message_id``, which stays as another branch,
        with the files that came with it, and have the model answer. Raises as `send`."""
        edited = self.conversation[message_id]
        require_content(text, edited.parts)
        self.require_idle()
        if edited.role is not Role.USER:
            raise InvalidRequest("Only your own messages can be edited", param="message_id")
        self.conversation.branch_from(edited.parent_id)
        question = self._reply(Role.USER, text, MessageState.COMPLETE, edited.parts)
        # Where a model was given the chat from this message on, it is from the new one on, too.
        self.conversation.cuts = also_at(self.conversation.cuts, message_id, question.id)
        self._listener.on_branch_changed(self)
        await self._begin(question, model_path)

    async def retry(
        self,
        message_id: str,
        model_path: Path,
        sampling: SamplingParameters | None = None,
        *,
        once: bool = False,
    ) -> None:
        """Answer the question ``message_id``, or that of the answer ``message_id``, beside which
        the new one stands, or in its place where it says nothing; ``sampling`` counts for it alone,
        and ``once`` for it alone the model does, too. Raises as `send`."""
        self.require_idle()
        if sampling is None and not once and is_void(self.conversation, message_id):
            await self.resume(message_id, model_path)
            return
        self.conversation.branch_from(question_of(self.conversation[message_id]))
        self._listener.on_branch_changed(self)
        await self._begin(None, model_path, sampling, once=once)

    async def resume(self, message_id: str, model_path: Path) -> None:
        """Go on with an answer where it broke off, in the same message. Raises `InvalidRequest`
        while an answer runs, and for a message that is no answer or has another behind it."""
        self.require_idle()
        cut = self.conversation[message_id]
        self.conversation.select_branch(message_id)
        if cut.role is not Role.ASSISTANT or self.conversation.active_leaf_id != message_id:
            raise InvalidRequest("Only the last answer can go on", param="message_id")
        self.conversation.model = model_name(model_path)
        prompt, begun = self.conversation.prompt(), turn_to_go_on(cut)
        answer = going_on(cut, self.conversation.model, self.conversation.sampling)
        self._answer = RunningAnswer(answer, self._keeper, earlier=cut.completion)
        self.conversation.replace(answer)
        self._listener.on_answer_resumed(self, answer)
        await self._keeper.save_change(answer)
        more = () if begun is None else (begun,)
        self._start(answer, model_path, (*await asyncio.to_thread(prompt), *more))

    def enqueue(
        self, text: str, model_path: Path, files: Files = (), place: int | None = None
    ) -> None:
        """Send that once the running answer is over, as `send` does, behind what waits or at
        ``place``, unless that fails or is stopped. Raises `InvalidRequest` for nothing."""
        require_content(text, files)
        self._queue.add(text, model_path, files, place)
        self._listener.on_queue_changed(self)

    def unqueue(self, queued_id: str) -> QueuedMessage | None:
        """Take a message out of the queue again; None when it is not there any more."""
        if (queued := self._queue.take(queued_id)) is not None:
            self._listener.on_queue_changed(self)
        return queued

    def move_queued(self, queued_id: str, by: int) -> None:
        """Have a waiting message wait ``by`` places further on."""
        if self._queue.move(queued_id, by):
            self._listener.on_queue_changed(self)

    async def send_queued(self, reply_to: str | None = None) -> None:
        """Send the message that has waited longest, as `send` does, if there is one, nothing runs,
        and it has room (`SessionListener.has_room`): else it goes on waiting."""
        await self.sending.send_first(self, reply_to or self.conversation.active_leaf_id)

    def stop(self) -> None:
        """End the running answer; what it wrote stays."""
        if self._answer is not None:
            self._answer.is_stopping = True
            self._engine.cancel_answer(self._answer.id)

    # -- what a person does with the tree ---------------------------------------------------

    async def select(self, message_id: str) -> None:
        """Show the branch through ``message_id`` that was continued last."""
        self.conversation.select_branch(message_id)
        self._listener.on_branch_changed(self)
        await self._keeper.save_details()

    async def remove(self, message_id: str, *, with_replies: bool) -> Removal:
        """Delete a message, with all that came of it or not; what it returns undoes it. Raises
        `InvalidRequest` while an answer runs, and where it went already."""
        self.require_idle()
        await self._keeper.save()
        self.require_idle()
        if message_id not in self.conversation:
            raise InvalidRequest("That message was deleted already", param="message_id")
        removal = self.conversation.remove(message_id, with_replies=with_replies)
        self._listener.on_branch_changed(self)
        await self._keeper.save_removal(removal, is_undone=False)
        return removal

    async def put_back(self, removals: Removals, removal_id: str) -> None:
        """Undo a `remove` of ``removals``, with what has to come back before it. Raises
        `InvalidRequest` while an answer runs, and where the chat has another content by now."""
        self.require_idle()
        try:
            back = removals.undo(self.conversation, removal_id)
        except ValueError as error:
            raise InvalidRequest("This chat was changed, so that cannot be undone") from error
        self._listener.on_branch_changed(self)
        await self._keeper.save_removal(back, is_undone=True)

    # -- what a person sets ------------------------------------------------------------------

    async def configure(self, system_prompt: str, sampling: SamplingParameters) -> None:
        """Change what the next answers are made with."""
        self.conversation.system_prompt = system_prompt
        self.conversation.sampling = sampling
        await self._keeper.save_details()

    async def rename(self, title: str, source: TitleSource = TitleSource.PERSON) -> None:
        """Give the chat another title, and have it on disk; a blank one is ignored."""
        if name := clean_name(title):
            self.conversation.title = name
            self.conversation.title_source = source
            await self._keeper.save()
            self._listener.on_session_saved()

    async def cut(self, cuts: tuple[ContextCut, ...]) -> None:
        """Change from where on a model is given the conversation."""
        self.conversation.cuts = cuts
        self._listener.on_branch_changed(self)
        await self._keeper.save_details()

    def keep_draft(
        self, text: str, files: Files = (), edits: tuple[str, ...] | None = None
    ) -> Coroutine[Any, Any, None]:
        """As `MessageQueue.keep_draft`. What is returned also keeps this session, lest a chat that
        is opened again at once is read from the disk, which does not have it yet."""
        return self._outlive(self._queue.keep_draft(text, files, edits))

    async def _outlive(self, saving: Coroutine[Any, Any, None]) -> None:
        await saving

    async def keep_scroll(self, scroll: ScrollPosition | None) -> None:
        """Remember where the transcript was left."""
        if scroll != self.conversation.scroll:
            self.conversation.scroll = scroll
            await self._keeper.save_scroll()

    async def settle(self) -> None:
        """Return when the end of the last answer is on disk."""
        if self._ending is not None:
            await asyncio.wait([self._ending])

    async def close(self) -> None:
        """Stop the answer, send nothing that waits, return when all of it is on disk."""
        self.sending.cancel()
        if self._answer is not None:
            self._engine.cancel_answer(self._answer.id)
            self._end(self._answer.state_if_closed, completion=None, error=None)
        await self._queue.settle()
        if self._ending is not None:
            await self._ending
        if not self._keeper.is_whole and len(self.conversation):
            await self._keeper.save()

    # -- what the engine says --------------------------------------------------------------

    def on_answer_text(self, answer_id: str, text: str) -> None:
        """The answer grew by ``text``; ignored for one that is over, or of another session."""
        if self._answer is None or self._answer.id != answer_id or not text:
            return
        self._answer.add(text)
        self._listener.on_text_added(self, answer_id, text)

    def on_answer_thought(self, answer_id: str, text: str) -> None:
        """The answer's train of thought grew by ``text``; ignored as `on_answer_text` says."""
        if self._answer is None or self._answer.id != answer_id or not text:
            return
        self._answer.think(text)
        self._listener.on_thought_added(self, answer_id, text)

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
        if self._answer.is_stopping or isinstance(error, LoadCancelled):
            self._end(MessageState.STOPPED, completion=None, error=None)
        else:
            self._end(MessageState.FAILED, completion=None, error=error)

    # -- inside ----------------------------------------------------------------------------

    async def _begin(
        self,
        question: Message | None,
        model_path: Path,
        sampling: SamplingParameters | None = None,
        *,
        once: bool = False,
    ) -> None:
        name = model_name(model_path)
        if not once:
            self.conversation.model = name
        if question is not None:
            self._show(question)
        answer = self._reply(Role.ASSISTANT, "", MessageState.STREAMING)
        chosen = sampling or self.conversation.sampling
        answer = msgspec.structs.replace(answer, model=name, sampling=chosen)
        # Before the first await, so that a second send cannot slip in between.
        self._answer = RunningAnswer(answer, self._keeper)
        prompt = self.conversation.prompt()
        self._show(answer)
        await self._keeper.save()
        self._listener.on_session_saved()
        self._start(answer, model_path, await asyncio.to_thread(prompt))

    def _start(self, answer: Message, model_path: Path, turns: tuple[ChatTurn, ...]) -> None:
        if self._answer is None or self._answer.id != answer.id:
            return  # stopped and ended while the disk was busy
        sampling = answer.sampling or self.conversation.sampling
        snapshot = None if self.is_temporary else self.conversation.id
        self._engine.start_answer(AnswerRequest(answer.id, model_path, turns, sampling, snapshot))
        if self._answer.is_stopping:
            self._engine.cancel_answer(answer.id)

    def _show(self, message: Message) -> None:
        self.conversation.add(message)
        self._keeper.add(message.id)
        self._listener.on_message_added(self, message)

    def _reply(
        self, role: Role, text: str, state: MessageState, parts: tuple[Part, ...] = ()
    ) -> Message:
        return self.conversation.reply(role, text, state, self._clock(), parts)

    def _end(
        self, state: MessageState, completion: Completion | None, error: MinervaError | None
    ) -> None:
        if self._answer is None:
            return
        answer, self._answer = self._answer, None
        final = answer.ended(state, completion, error)
        self.conversation.replace(final)
        self._ending = asyncio.ensure_future(self._save_end(answer, final))
        if state is MessageState.COMPLETE:
            self.sending.send_behind(self, final.id, self._ending)
        self._listener.on_message_changed(self, final)

    async def _save_end(self, answer: RunningAnswer, final: Message) -> None:
        await answer.stop_flushing()
        await self._keeper.save_change(final)
        self._listener.on_session_saved()
