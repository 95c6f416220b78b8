"""Why answers failed, and the ways on that they offer. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import LOAD_OPTIONS_HELP, model_name
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.load_words import refused_needs
from minerva_desktop.errors import LoadCancelled, MinervaError, OutOfMemory
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks


class FailedAnswers(QObject):
    """*Details* and *Load anyway* of the answers in the transcript."""

    def __init__(
        self,
        view: ChatView,
        worker: EngineWorker,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        say: Callable[[MinervaError], None],
    ) -> None:
        """``session`` is the open chat's, ``say`` shows an error with its detail."""
        super().__init__(view)
        self._view = view
        self._worker = worker
        self._models = models
        self._tasks = tasks
        self._session = session
        self._say = say
        self._errors: dict[str, MinervaError] = {}  # by message
        view.details_requested.connect(self._on_details)
        view.load_anyway_requested.connect(self._on_load_anyway)

    def add(self, answer_id: str, error: MinervaError) -> None:
        """It failed."""
        self._errors[answer_id] = error
        self._view.offer_help(
            answer_id,
            details=bool(error.detail),
            options=isinstance(error, LOAD_OPTIONS_HELP),
            anyway=bool(refused_needs(error)),
        )

    @Slot(str)
    def _on_details(self, message_id: str) -> None:
        if message_id in self._errors:
            self._say(self._errors[message_id])

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
