"""Chats in the window: the list, the open conversation, the composer, and answers coming in.

Glue between the widgets of `MainWindow`, `ChatLibrary` and `EngineWorker`. Main thread.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession, model_name
from minerva_desktop.app.load_words import refused_needs
from minerva_desktop.app.services import Services
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.message import Message, Role
from minerva_desktop.errors import (
    MinervaError,
    ModelNotFound,
    StoreError,
)
from minerva_desktop.ui.answer_status import AnswerStatus
from minerva_desktop.ui.chat_list import ChatItem
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.failed_answers import FailedAnswers
from minerva_desktop.ui.live_speed import LiveSpeed
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import TOO_LARGE, ModelController
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.prompt_counter import TOO_LONG, PromptCounter
from minerva_desktop.ui.tasks import UiTasks

MAX_NAME = 40  # characters of a model's name in the composer
UNDO = "undo-delete:"
STORE_NOTICE = "store"
ENGINE_NOTICE = "engine"


class ChatController(QObject):
    """Also the `SessionListener` of all sessions; it shows what the open one says."""

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._services = services
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._library: ChatLibrary | None = None
        self._session: ChatSession | None = None
        self._begun = asyncio.Event()
        self._is_measuring = False  # whether a message is too long
        self._speed = LiveSpeed()
        self._status = AnswerStatus(window.chat_view, worker, models.shown_name)
        self._counter = PromptCounter(window, worker, models, tasks)
        self._failed = FailedAnswers(
            window.chat_view, worker, models, tasks, lambda: self._session, self._say
        )
        self._connect()

    def _connect(self) -> None:
        window, worker = self._window, self._worker
        window.composer.submitted.connect(self._on_submitted)
        window.composer.stop_requested.connect(self._on_stop)
        window.chat_view.retry_requested.connect(self._on_retry)
        window.sidebar.new_chat.connect(self.new_chat)
        window.sidebar.opened.connect(self._on_opened)
        window.sidebar.rename_requested.connect(self._on_renamed)
        window.sidebar.delete_requested.connect(self._on_deleted)
        window.sidebar.search_changed.connect(self._on_search)
        window.parameters.changed.connect(self._on_parameters)
        window.notifications.action_triggered.connect(self._on_notice_action)
        worker.tokens_ready.connect(self._on_tokens)
        worker.answer_finished.connect(self._on_finished)
        worker.answer_failed.connect(self._on_failed)
        self._models.current_changed.connect(self._on_model_chosen)
        self._models.engine_died.connect(self._on_engine_died)

    def begin(self) -> None:
        """Let messages go; called once the start is over, well or not."""
        self._begun.set()

    async def start(self, conversation_id: str | None) -> None:
        """Open the chats and the one of last time. Raises `StoreError`."""
        self._library = await self._services.open_chats(self._worker, self)
        text = self._library.recovery_words
        if text is not None:
            self._window.notifications.show_notice(Notice(NoticeKind.WARNING, text))
        await self._library.tidy()
        known = {summary.id for summary in await self._library.summaries()}
        if conversation_id in known and conversation_id is not None:
            self._show(await self._library.open_session(conversation_id))
        else:
            self.new_chat()
        await self._refresh_list()

    @property
    def conversation_id(self) -> str | None:
        """The chat to open next time."""
        return self._session.conversation.id if self._session else None

    async def close(self) -> None:
        """Stop answers, and return when everything is on disk."""
        if self._library is not None:
            await self._library.close()

    # -- what the person does --------------------------------------------------------------

    @Slot()
    def new_chat(self) -> None:
        """Show an empty chat."""
        if self._library is None:
            return
        settings = self._services.settings.current
        self._show(self._library.new_session(settings.system_prompt, settings.sampling))
        self._window.composer.focus_editor()

    @Slot(str)
    def _on_submitted(self, text: str) -> None:
        if self._session is not None and self._session.is_answering:
            return
        if self._counter.may_be_too_long(text):
            if not self._is_measuring:
                self._is_measuring = True
                self._tasks.start(self._send_if_it_fits(text))
        else:
            self._window.composer.clear()
            self._tasks.start(self._send(text))

    async def _send_if_it_fits(self, text: str) -> None:
        """It stays in the composer until that is known; what is typed meanwhile stays, too. Who
        changes it, the chat or the model meanwhile has to send it again."""
        asked = self._session, self._models.current_path
        try:
            refusal = await self._counter.refusal(text)
        finally:
            self._is_measuring = False
        if refusal is not None:
            self._window.notifications.show_notice(refusal)
            return
        composer = self._window.composer
        if asked != (self._session, self._models.current_path):
            return
        if composer.text.startswith(text):
            composer.set_text(composer.text.removeprefix(text))
            await self._send(text)

    async def _send(self, text: str) -> None:
        await self._begun.wait()  # a person may be quicker than the start
        session, path = self._session, self._models.current_path
        if session is None or path is None or session.is_answering:
            self._window.composer.set_text(text + self._window.composer.text)
        if session is None:
            raise StoreError("The chats are not open, so nothing can be sent yet")
        if path is None:
            raise ModelNotFound("There is no model to answer. Add a GGUF file first.")
        if not session.is_answering:
            await session.send(text, path)

    @Slot(str)
    def _on_retry(self, message_id: str) -> None:
        session, path = self._session, self._models.current_path
        if session is not None and path is not None and not session.is_answering:
            self._tasks.start(session.retry(message_id, path))

    @Slot()
    def _on_stop(self) -> None:
        if self._session is not None and self._session.answer_id is not None:
            self._status.stop(self._session.answer_id)
            self._session.stop()

    @Slot(str)
    def _on_opened(self, conversation_id: str) -> None:
        self._tasks.start(self._open(conversation_id))

    async def _open(self, conversation_id: str) -> None:
        if self._library is not None and conversation_id != self.conversation_id:
            self._show(await self._library.open_session(conversation_id))
            self._window.composer.focus_editor()

    @Slot(str, str)
    def _on_renamed(self, conversation_id: str, title: str) -> None:
        if self._session is not None and conversation_id == self.conversation_id:
            self._tasks.start(self._session.rename(title))
        elif self._library is not None:
            self._tasks.start(self._library.rename(conversation_id, title))

    @Slot(str)
    def _on_deleted(self, conversation_id: str) -> None:
        self._tasks.start(self._delete(conversation_id))

    async def _delete(self, conversation_id: str) -> None:
        if self._library is None:
            return
        await self._library.trash(conversation_id)
        if conversation_id == self.conversation_id:
            self.new_chat()
        await self._refresh_list()
        undo = NoticeAction("Undo", UNDO + conversation_id)
        notice = Notice(NoticeKind.INFO, "Chat deleted", actions=(undo,), key=undo.callback_id)
        self._window.notifications.show_notice(notice)

    @Slot(str)
    def _on_notice_action(self, callback_id: str) -> None:
        if callback_id.startswith(UNDO):
            self._tasks.start(self._restore(callback_id.removeprefix(UNDO)))

    async def _restore(self, conversation_id: str) -> None:
        if self._library is not None:
            await self._library.restore(conversation_id)
            await self._open(conversation_id)
            await self._refresh_list()

    @Slot(str)
    def _on_search(self, _query: str) -> None:
        self._tasks.start(self._refresh_list())

    @Slot()
    def _on_parameters(self) -> None:
        system_prompt, sampling = self._window.parameters.values()
        self._services.settings.remember(system_prompt=system_prompt, sampling=sampling)
        if self._session is not None:
            self._tasks.start(self._session.configure(system_prompt, sampling))
        self._counter.count_soon()

    # -- the open session ------------------------------------------------------------------

    def _show(self, session: ChatSession) -> None:
        self._session = session
        conversation = session.conversation
        self._services.settings.remember(conversation_id=conversation.id)
        view = self._window.chat_view
        view.set_messages(conversation.active_branch())
        self._window.parameters.set_values(conversation.system_prompt, conversation.sampling)
        self._window.composer.set_generating(session.is_answering)
        self._window.sidebar.set_current(conversation.id)
        if session.answer_id is not None:
            view.append_text(session.answer_id, session.answer_text)
            if not session.answer_text:
                self._status.show_again(session.answer_id)
        self._show_last_speed(conversation.active_branch())
        self._counter.use(session)

    def _show_last_speed(self, messages: list[Message]) -> None:
        timings = messages[-1].completion.timings if messages and messages[-1].completion else None
        if timings is None or timings.completion_tokens == 0:
            self._window.status.set_speed(None, None)
        else:
            self._window.status.set_speed(timings.tokens_per_second, timings.first_token_ms)

    async def _refresh_list(self) -> None:
        if self._library is None:
            return
        query = self._window.sidebar.search_text
        summaries = await self._library.summaries(query)
        items = [ChatItem(item.id, item.title, item.updated_at) for item in summaries]
        self._window.sidebar.set_chats(items, query)
        self._window.sidebar.set_current(self.conversation_id)

    # -- SessionListener -------------------------------------------------------------------

    def on_message_added(self, session: ChatSession, message: Message) -> None:
        """Show a message of the open chat."""
        if session is not self._session:
            return
        if message.role is Role.ASSISTANT:
            self._speed = LiveSpeed()
            self._window.notifications.dismiss(ENGINE_NOTICE)
            self._window.notifications.dismiss(TOO_LONG)
            self._window.composer.set_generating(True)
            self._window.chat_view.begin_answer(message)
            self._status.begin(message)
        else:
            self._window.chat_view.append_message(message)

    def on_text_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """Show more of an answer in the open chat."""
        if session is self._session:
            self._window.chat_view.append_text(message_id, text)

    def on_message_changed(self, session: ChatSession, message: Message) -> None:
        """Show how an answer of the open chat ended."""
        if session is not self._session:
            return
        self._window.chat_view.finish_message(message)
        self._window.composer.set_generating(False)
        self._show_last_speed([message])
        self._counter.count_soon()

    def on_branch_changed(self, session: ChatSession) -> None:
        """Show another branch of the open chat."""
        if session is self._session:
            self._window.chat_view.set_messages(session.conversation.active_branch())

    def on_session_saved(self) -> None:
        """A title or a time changed in the list; the open chat may now be opened next time."""
        self._services.settings.remember(conversation_id=self.conversation_id)
        self._tasks.start(self._refresh_list())

    def on_store_failed(self, error: StoreError) -> None:
        """Say once that the disk does not take the chat; it goes on in memory."""
        self._window.notifications.show_notice(
            Notice(NoticeKind.ERROR, error.message, error.detail, key=STORE_NOTICE)
        )

    # -- what the worker says --------------------------------------------------------------

    @Slot(str, list)
    def _on_tokens(self, answer_id: str, tokens: list[str]) -> None:
        if self._library is not None:
            self._library.on_answer_text(answer_id, "".join(tokens))
        if self._is_shown(answer_id) and self._speed.count(len(tokens)):
            self._window.status.set_speed(self._speed.tokens_per_second, None)

    @Slot(str, object)
    def _on_finished(self, answer_id: str, completion: Completion) -> None:
        self._status.end(answer_id)
        if self._library is not None:
            self._library.on_answer_finished(answer_id, completion)

    @Slot(str, object)
    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        self._status.end(answer_id)
        if refused_needs(error) and self._is_shown(answer_id):
            self._window.notifications.dismiss(TOO_LARGE)  # the answer says it
        if self._library is not None:
            self._library.on_answer_failed(answer_id, error)
        self._failed.add(answer_id, error)

    def _is_shown(self, answer_id: str) -> bool:
        return self._session is not None and self._session.answer_id == answer_id

    # -- the model ---------------------------------------------------------

    @Slot()
    def _on_model_chosen(self) -> None:
        name = self._models.current_name
        short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        self._window.composer.set_placeholder(f"Message {short}".strip())
        self._window.chat_view.set_empty_hint(
            "What is on your mind?" if name else "Add a model to begin",
            f"{short} answers, on this computer alone." if name else "",
        )
        self._counter.count_soon()

    def _answer_of(self, path: Path) -> str | None:
        """The answer that the model at ``path`` is writing in this chat."""
        session = self._session
        if session is None or session.answer_id is None:
            return None
        is_its = session.conversation[session.answer_id].model == model_name(path)
        return session.answer_id if is_its else None

    @Slot(object, object)
    def _on_engine_died(self, error: MinervaError, path: Path) -> None:
        if self._answer_of(path) is not None:
            return  # an answer that dies with its engine says so itself, at its end
        is_chosen = path == self._models.current_path
        when = "with your next message" if is_chosen else "when it is asked for"
        text = f"{error.message}. It is loaded again {when}."
        self._window.notifications.show_notice(
            Notice(NoticeKind.ERROR, text, error.detail, key=ENGINE_NOTICE)
        )

    def _say(self, error: MinervaError) -> None:
        self._window.notifications.show_notice(
            Notice(NoticeKind.ERROR, error.message, error.detail)
        )
