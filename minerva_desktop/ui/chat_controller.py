"""Chats in the window: the list, the open conversation, the composer, and answers coming in.

Glue between the widgets of `MainWindow`, `ChatLibrary` and `EngineWorker`. Main thread.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from minerva_desktop.app.chat_care import SavingTrouble
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.model_presets import new_chat_values
from minerva_desktop.app.services import Services
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.conversation import ScrollPosition
from minerva_desktop.chat.message import Message, Role
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.ui.answer_status import AnswerStatus
from minerva_desktop.ui.backups_controller import SHOW_BACKUPS
from minerva_desktop.ui.chat_places import ChatPlaces
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.failed_answers import ENGINE_NOTICE
from minerva_desktop.ui.live_speed import LiveSpeed
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_actions import MessageActions, place_in
from minerva_desktop.ui.message_sender import MessageSender
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_hints import ModelHints
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.prompt_counter import PromptCounter
from minerva_desktop.ui.prompt_history import PromptHistory
from minerva_desktop.ui.prompt_room import PromptRoom
from minerva_desktop.ui.removed_messages import RemovedMessages
from minerva_desktop.ui.sidebar_controller import SidebarController
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.temporary_chats import TemporaryChats

if TYPE_CHECKING:
    from minerva_desktop.app.answer_reader import AnswerPart
    from minerva_desktop.app.session_listener import QueuedMessage

STORE_NOTICE = "store"


class ChatController(QObject):
    """Also the `SessionListener` of all sessions; it shows what the open one says.
    ``session_shown`` carries the `ChatSession` that is the open one now, ``branch_changed`` one in
    which other messages are shown, ``disk_trouble`` a `SavingTrouble` or None."""

    session_shown = Signal(object)
    branch_changed = Signal(object)
    disk_trouble = Signal(object)

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        worker: EngineWorker,
        models: ModelController,
        room: PromptRoom,
        tasks: UiTasks,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._services = services
        self._worker = worker
        self._models = models
        self._room = room
        self._tasks = tasks
        self._library: ChatLibrary | None = None
        self._session: ChatSession | None = None
        self._speed = LiveSpeed(window.status.set_speed)
        self._status = AnswerStatus(window.chat_view, worker, models.shown_name)
        self._counter = PromptCounter(window, worker, models, tasks)
        RemovedMessages(window, tasks, self._open_session, lambda: self._library)
        self._sender = MessageSender(window, models, room, tasks, self._open_session)
        self._actions = MessageActions(
            window,
            models,
            room,
            tasks,
            self._open_session,
            lambda: self._library,
            self._show,
            lambda: services.presets.current,
        )
        self._places = ChatPlaces(window, services, tasks, room.is_held)
        self.keep_unsent = self._places.keep_unsent
        PromptHistory(window.composer, self._open_session)
        self._list = SidebarController(window, services.settings, tasks, self)
        self._temporary = TemporaryChats(window, self._open_session, self._show)
        ModelHints(window, models)
        self._connect()

    def _connect(self) -> None:
        window, worker = self._window, self._worker
        window.composer.stop_requested.connect(self._on_stop)
        window.sidebar.new_chat.connect(self.new_chat)
        window.new_temporary_chat.connect(self.new_temporary_chat)
        window.parameters.changed.connect(self._on_parameters)
        worker.tokens_ready.connect(self._on_tokens)
        worker.answer_finished.connect(self._on_finished)
        worker.answer_failed.connect(self._on_failed)
        self._models.current_changed.connect(self._counter.count_soon)

    def begin(self) -> None:
        """Let messages go; called once the start is over, well or not."""
        self._sender.begin()

    async def start(self, conversation_id: str | None) -> None:
        """Open the chats and the one of last time. Raises `StoreError`."""
        if self._library is None:  # or a start before this one failed after it
            self._library = await self._services.open_chats(self._worker, self)
            await self._tell_recovery(self._library)
        try:
            await self._show_first(self._library, conversation_id)
        except StoreError as error:
            if not await self._library.recovered_from(error):
                raise
            await self._tell_recovery(self._library)
            await self._show_first(self._library, conversation_id)

    async def _tell_recovery(self, library: ChatLibrary) -> None:
        if words := await library.take_recovery_words():
            backups = (NoticeAction("Show backups", SHOW_BACKUPS),)
            notice = Notice(NoticeKind.WARNING, words, actions=backups)
            self._window.notifications.show_notice(notice)

    async def _show_first(self, library: ChatLibrary, conversation_id: str | None) -> None:
        await self._places.load()
        await library.tidy()
        known = {summary.id for summary in await library.summaries()}
        if conversation_id in known and conversation_id is not None:
            self._show(await library.open_session(conversation_id))
        else:
            self.new_chat()
        await self._list.use(library)

    @property
    def session(self) -> ChatSession | None:
        """The chat that is open."""
        return self._session

    @property
    def library(self) -> ChatLibrary | None:
        """All chats, once they are open."""
        return self._library

    async def begin_anew(self) -> None:
        """All chats were replaced by others."""
        self._places.forget()
        self._session = None
        self.new_chat()
        self._list.refresh_soon()

    @Slot()
    def list_again(self) -> None:
        """Chats came or went without this controller's doing."""
        self._list.refresh_soon()

    @property
    def conversation_id(self) -> str | None:
        """The chat to open next time."""
        return self._session.conversation.id if self._session else None

    async def settle(self) -> None:
        """Stop answers, and return when everything is on disk, or waits for it."""
        await self._places.close(self._library)
        if self._library is not None:
            await self._library.settle()

    async def close(self) -> None:
        """Let go of the chats; called after `settle`."""
        if self._library is not None:
            await self._library.close()

    # -- what the person does --------------------------------------------------------------

    @Slot()
    def new_chat(self) -> None:
        """Show an empty chat."""
        self._begin_chat(is_temporary=False)

    @Slot()
    def new_temporary_chat(self) -> None:
        """Show an empty chat of which nothing is ever written."""
        self._begin_chat(is_temporary=True)

    def _begin_chat(self, *, is_temporary: bool) -> None:
        if self._library is not None:
            values = new_chat_values(self._services, self._models.current_path)
            if not is_temporary:
                values = self._places.setup.begin(values)
            self._show(self._library.new_session(*values, is_temporary=is_temporary))
            self._window.composer.focus_editor()

    @Slot()
    def _on_stop(self) -> None:
        was_held = self._room.give_up()  # and then that is all
        if not was_held and self._session is not None and self._session.answer_id is not None:
            self._status.stop(self._session.answer_id)
            self._session.stop()

    async def open_chat(self, conversation_id: str, message_id: str = "") -> None:
        """Show a chat, and in it that message, if it is still there. Raises `StoreError`."""
        if self._library is None:
            return
        session = self._session
        if session is None or session.conversation.id != conversation_id:
            session = await self._library.open_session(conversation_id)
        at = ScrollPosition(message_id) if message_id in session.conversation else None
        shown = session.conversation.active_branch()
        if at is not None and all(message.id != message_id for message in shown):
            await session.select(message_id)
        if session is not self._session:
            self._show(session, at)
            self._window.composer.focus_editor()
        elif at is not None:
            self._go_to(session, at)

    @Slot()
    def _on_parameters(self) -> None:
        system_prompt, sampling = self._window.parameters.values()
        if self._session is not None:
            self._tasks.start(self._session.configure(system_prompt, sampling))
        self._counter.count_soon()

    # -- the open session ------------------------------------------------------------------

    def _open_session(self) -> ChatSession | None:
        return self._session

    def _show(self, session: ChatSession, at: ScrollPosition | None = None) -> None:
        """``at``: where to go; by default where the chat was left."""
        self._places.leave()
        if session is not self._session:
            self._temporary.leave(self._session)
        self._session = session
        conversation = session.conversation
        self._services.settings.remember(conversation_id=conversation.id)
        branch = conversation.active_branch()
        self._show_messages(session, at or conversation.scroll)
        self._places.enter(session)
        self._sender.show_waiting(session)
        self._window.parameters.set_values(conversation.system_prompt, conversation.sampling)
        self._window.composer.set_generating(session.is_answering)
        self._window.sidebar.set_current(conversation.id)
        self._list.marks.read(session)
        self._show_answer_so_far(session, branch)
        self._speed.show_last(branch)
        self._counter.use(session)
        self.session_shown.emit(session)

    def _show_messages(self, session: ChatSession, at: ScrollPosition | None) -> None:
        conversation = session.conversation
        self._window.chat_view.set_messages(
            conversation.active_branch(),
            at,
            partial(place_in, conversation),
            answer_so_far=lambda: session.answer_so_far,
            is_temporary=session.is_temporary,
        )
        self._window.chat_view.cut_mark.set_cut(conversation.active_cut())

    def _go_to(self, session: ChatSession, at: ScrollPosition) -> None:
        """Go to a message of the branch that is shown."""
        view = self._window.chat_view
        message = view.message_view(at.message_id)
        if message is not None:
            view.ensureWidgetVisible(message)
        else:  # it is far from what is there
            self._show_messages(session, at)

    def _show_answer_so_far(self, session: ChatSession, branch: list[Message]) -> None:
        """The running answer, if the branch has it, with what was written while it was not
        shown."""
        answer = session.answer_so_far
        if answer is None or not branch or branch[-1].id != answer.id:
            return
        self._window.chat_view.catch_up(answer)
        if not answer.text and not answer.parts:
            self._status.show_again(answer.id)

    # -- SessionListener -------------------------------------------------------------------

    def on_message_added(self, session: ChatSession, message: Message) -> None:
        """Show a message of the open chat."""
        if message.role is Role.ASSISTANT:
            self._list.marks.begin(session)
        if session is not self._session:
            return
        self._places.setup.end(session)
        view = self._window.chat_view
        view.append_message(message, goes_there=not session.sending.is_by_itself)
        if message.role is Role.ASSISTANT:
            self._show_begun(session, message)
        else:
            view.cut_mark.set_cut(session.conversation.active_cut())

    def on_text_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """Show more of an answer in the open chat."""
        if session is self._session:
            self._window.chat_view.append_text(message_id, text)

    def on_thought_added(self, session: ChatSession, message_id: str, text: str) -> None:
        """Show more of what an answer in the open chat thinks."""
        if session is self._session:
            self._window.chat_view.append_thought(message_id, text)

    def on_message_changed(self, session: ChatSession, message: Message) -> None:
        """Show how an answer of the open chat ended."""
        self._list.marks.end(session, message, is_open=session is self._session)
        if session is not self._session:
            return
        self._window.chat_view.finish_message(message)
        self._window.composer.set_generating(False)
        self._sender.show_waiting(session)
        self._speed.show_last([message])
        self._counter.count_soon()

    def on_answer_resumed(self, session: ChatSession, message: Message) -> None:
        """Show that an answer of the open chat goes on."""
        self._list.marks.begin(session)
        if session is self._session:
            self._window.chat_view.resume_answer(message)
            self._show_begun(session, message)

    def _show_begun(self, session: ChatSession, answer: Message) -> None:
        self._speed.begin()
        self._window.notifications.dismiss(ENGINE_NOTICE)
        self._window.composer.set_generating(True)
        self._status.begin(answer)
        self._sender.show_waiting(session)

    def on_branch_changed(self, session: ChatSession) -> None:
        """Show another branch of the open chat."""
        self.branch_changed.emit(session)
        if session is not self._session:
            return
        view = self._window.chat_view
        branch = session.conversation.active_branch()
        view.change_messages(branch)
        view.cut_mark.set_cut(session.conversation.active_cut())
        self._show_answer_so_far(session, branch)
        self._speed.show_last(branch)
        self._counter.count_anew()

    def on_queue_changed(self, session: ChatSession) -> None:
        """Show what waits in the open chat."""
        if session is self._session:
            self._sender.show_waiting(session)

    async def has_room(
        self, session: ChatSession, queued: QueuedMessage, reply_to: str | None
    ) -> bool:
        """Where there is none, that is told in the open chat."""
        return await self._sender.has_room(session, queued, reply_to)

    def on_session_saved(self) -> None:
        """A title or a time changed in the list; the open chat may now be opened next time."""
        self._services.settings.remember(conversation_id=self.conversation_id)
        self._list.refresh_soon()

    def on_disk_trouble(self, trouble: SavingTrouble | None) -> None:
        """Say that changes wait for the disk, or that it has them."""
        self.disk_trouble.emit(trouble)

    def on_store_failed(self, error: StoreError) -> None:
        """Say once that a chat could not be written; it goes on in memory."""
        notice = Notice(NoticeKind.ERROR, error.message, error.detail, key=STORE_NOTICE)
        self._window.notifications.show_notice(notice)

    # -- what the worker says --------------------------------------------------------------

    @Slot(str, int, object)
    def _on_tokens(self, answer_id: str, n_tokens: int, parts: list[AnswerPart]) -> None:
        if self._library is not None:
            self._library.on_answer_parts(answer_id, parts)
        if self._session is not None and self._session.answer_id == answer_id:
            self._speed.count(n_tokens)

    @Slot(str, object)
    def _on_finished(self, answer_id: str, completion: Completion) -> None:
        self._status.end(answer_id)
        if self._library is not None:
            self._library.on_answer_finished(answer_id, completion)

    @Slot(str, object)
    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        self._status.end(answer_id)
        if self._library is not None:
            self._library.on_answer_failed(answer_id, error)
