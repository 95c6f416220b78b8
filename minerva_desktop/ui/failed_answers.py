"""Why answers failed, and the ways on that they offer; and engines that died. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import (
    OTHER_MODELS_HELP,
    is_of_options,
    model_name,
)
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.load_words import refused_needs
from minerva_desktop.chat.failure import Failure
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InvalidRequest,
    LoadCancelled,
    MinervaError,
    ModelLoadError,
    ModelNotFound,
    OutOfMemory,
)
from minerva_desktop.paths import path_of, path_text
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.model_list import PickerItem
from minerva_desktop.ui.model_notices import RETRY_LOAD, TOO_LARGE
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

ENGINE_NOTICE = "engine"


class FailedAnswers(QObject):
    """*Details*, *Load options…*, *Load anyway* and *Choose another model* of the answers in the
    transcript, for as long as they help; and models that died while they wrote none of the open
    chat's."""

    def __init__(
        self,
        window: MainWindow,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        settings: SettingsFile,
    ) -> None:
        """``session`` is the open chat's, which hears of what ``worker`` says before this does."""
        super().__init__(window)
        self._view = view = window.chat_view
        self._notifications = window.notifications
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._session = session
        self._settings = settings
        self._picker = window.header.picker
        view.events.details_requested.connect(self._on_details)
        view.events.load_anyway_requested.connect(self._on_load_anyway)
        view.events.options_requested.connect(self._on_options)
        view.events.others_requested.connect(self._picker.open_list)
        models.engine_died.connect(self._on_engine_died)
        models.refreshed.connect(self._offer)
        worker.settings_used.connect(self._offer)
        worker.answer_failed.connect(self._on_failed)

    @Slot(str, object)
    def _on_failed(self, answer_id: str, error: MinervaError) -> None:
        session = self._session()
        if session is not None and answer_id in session.conversation:
            self._withdraw(error, session.conversation[answer_id].model)
        self._offer()

    @Slot(object)
    def on_shown(self, session: ChatSession) -> None:
        """A chat, or another branch of it."""
        if session is self._session():
            self._offer()

    @Slot()
    def _offer(self) -> None:
        """What helps now: files come and go, and models are loaded with other options."""
        session = self._session()
        branch = [] if session is None else session.conversation.active_branch()
        failed = [(each, each.failure) for each in branch if each.failure is not None]
        items = self._items() if failed else {}
        for message, failure in failed:
            offered = self._ways_on(failure, items.get(message.model or ""))
            self._view.offer_help(message.id, offered)

    def _ways_on(self, failure: Failure, item: PickerItem | None) -> AnswerHelp:
        """``item``: the model that failed, if the library has it."""
        details, others = bool(failure.detail), failure.code in OTHER_MODELS_HELP
        if item is None or item.problem:
            return AnswerHelp(details=details, options=False, anyway=False, others=others)
        path = path_of(item.path)
        loads = self._models.loads(path)
        is_back = loads or failure.code == ModelNotFound.code
        return AnswerHelp(
            details=details,
            options=self._lacks_context(failure, path)
            or (failure.code == OutOfMemory.code and not (failure.is_of_budget and loads))
            or (is_of_options(failure) and not loads)
            or self._is_refused_by_own_template(failure, item.path),
            anyway=failure.is_of_budget and not loads,
            others=others and not is_back,
        )

    def _lacks_context(self, failure: Failure, path: Path) -> bool:
        """Whether the model still has, for all that is known, too short a context."""
        n_ctx, needed = self._models.n_ctx_of(path), failure.n_tokens
        is_enough = n_ctx is not None and 0 < needed <= n_ctx
        return failure.code == ContextLimitExceeded.code and not is_enough

    def _items(self) -> dict[str, PickerItem]:
        """The models of the library, by what chats call them."""
        return {model_name(path_of(item.path)): item for item in self._picker.items}

    def _withdraw(self, error: MinervaError, model: str | None) -> None:
        """The answer says why ``model`` could not be loaded, and has it loaded and answer."""
        path = self._models.current_path
        if refused_needs(error):
            self._notifications.dismiss(TOO_LARGE)
        elif path is None or model != model_name(path):
            return
        elif isinstance(error, (ModelNotFound, ModelLoadError)) or is_of_options(error):
            self._notifications.dismiss(f"{RETRY_LOAD} {path_text(path)}")

    def _is_refused_by_own_template(self, failure: Failure, path: str) -> bool:
        """Whether the template that a person put in the place of the model's takes no such
        messages."""
        own = self._settings.current.models.get(path)
        is_refused = failure.code == InvalidRequest.code and failure.param == "messages"
        return is_refused and own is not None and own.chat_template is not None

    @Slot(str)
    def _on_details(self, message_id: str) -> None:
        session = self._session()
        if session is None or message_id not in session.conversation:
            return
        failed = session.conversation[message_id]
        if failed.failure is not None:
            words, detail = failed.error or "", failed.failure.detail
            notice = Notice(NoticeKind.ERROR, words, detail, is_unfolded=True)
            self._notifications.show_notice(notice)

    @Slot(str)
    def _on_options(self, message_id: str) -> None:
        """Of the model that failed: another may have been chosen since."""
        session = self._session()
        if session is not None and message_id in session.conversation:
            self._models.open_options(session.conversation[message_id].model)

    @Slot(str)
    def _on_load_anyway(self, message_id: str) -> None:
        session = self._session()
        if session is not None and not session.is_answering:
            self._tasks.start(self._load_anyway(session, message_id))

    async def _load_anyway(self, session: ChatSession, message_id: str) -> None:
        path = self._models.current_path
        # Another model may have been chosen since: nobody allowed that one to go beyond the budget.
        if path is not None and session.conversation[message_id].model == model_name(path):
            try:
                await self._worker.load(path, forced=True)
            except (LoadCancelled, OutOfMemory):
                return  # the person's own doing, and what the pool's event tells
        if path is not None and session is self._session() and not session.is_answering:
            await session.retry(message_id, path)

    def _answer_of(self, path: Path) -> str | None:
        """The answer that the model at ``path`` is writing in this chat."""
        session = self._session()
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
        self._notifications.show_notice(
            Notice(NoticeKind.ERROR, text, error.detail, key=ENGINE_NOTICE)
        )
