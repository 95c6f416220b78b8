"""What comes with a chat that is opened: its model is chosen again, and where the model is loaded,
what it had computed of the chat is read back from disk meanwhile. Main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.answer_words import model_name
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.chat.conversation import new_id
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks


class OpenedChats(QObject):
    """Told of each chat that is shown."""

    def __init__(
        self,
        worker: EngineWorker,
        models: ModelController,
        library: Callable[[], ChatLibrary | None],
        tasks: UiTasks,
        parent: QObject,
    ) -> None:
        """``library`` is there once the chats are open."""
        super().__init__(parent)
        self._worker = worker
        self._models = models
        self._library = library
        self._tasks = tasks

    @Slot(object)
    def on_shown(self, session: ChatSession) -> None:
        """``session`` is the open one now."""
        if session.conversation.model is not None:
            self._models.choose_named(session.conversation.model)
        if not session.is_temporary and len(session.conversation) and not session.is_answering:
            self._tasks.start(self._warm_up(session))

    async def _warm_up(self, session: ChatSession) -> None:
        conversation, path = session.conversation, self._models.current_path
        library = self._library()
        if path is None or library is None:
            return
        states = await library.states.by_model()
        if conversation.id not in states.get(model_name(path), ()) or session.is_answering:
            return
        prompt, sampling = conversation.prompt(), conversation.sampling
        turns = await asyncio.to_thread(prompt)
        self._worker.warm_up(AnswerRequest(new_id(), path, turns, sampling, conversation.id))
