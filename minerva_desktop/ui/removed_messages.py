"""A waiting message that was thrown away, and the offer to undo that. Main thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.offers import Offers
from minerva_desktop.ui.tasks import UiTasks


class RemovedMessages(QObject):
    """Made before the `MessageSender`, who takes the message out of the queue when it is told."""

    def __init__(
        self,
        window: MainWindow,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
        library: Callable[[], ChatLibrary | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._composer = window.composer
        self._session = session
        self._library = library
        self._offers = Offers("queue:", window.notifications, tasks)
        window.composer.waiting.remove_requested.connect(self._on_remove)

    @Slot(str)
    def _on_remove(self, queued_id: str) -> None:
        session = self._session()
        if session is None:
            return
        edited = session.editing.message
        if edited is not None and edited.id == queued_id:  # as it stands in the composer by now
            session.editing.keep(self._composer.text, self._composer.files)
        for place, queued in enumerate(session.queued):
            if queued.id == queued_id:
                self._offer(session, queued, place)

    def _offer(self, session: ChatSession, queued: QueuedMessage, place: int) -> None:
        async def undo() -> None:
            """It waits again, also where nothing is answered any more: then for its person."""
            here = await self._again(session)
            here.enqueue(queued.text, queued.model_path, queued.files, place)

        self._offers.undo("Message removed", undo, undone="The message is back", is_of_chat=True)

    async def _again(self, session: ChatSession) -> ChatSession:
        """That chat's session, also where it was deleted and brought back meanwhile. Raises
        `StoreError`."""
        library = self._library()
        if library is None or not session.is_gone:
            return session
        return await library.open_session(session.conversation.id)
