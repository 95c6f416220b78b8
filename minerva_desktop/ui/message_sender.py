"""What a person sends: at once, or after the answer that is being written.

Glue between the composer and the open session. Main thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.running_answer import STILL_WRITING
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import Files
from minerva_desktop.errors import ModelNotFound, StoreError
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.prompt_room import TOO_LONG, Asked, PromptRoom
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.waiting_messages import NO_ROOM, NOT_WELL, STOPPED

HOLD_MS = 150  # that counting takes without anything being said of it


class MessageSender(QObject):
    """Nothing that was typed is lost: what cannot be sent stays in the composer, or goes back."""

    def __init__(
        self,
        window: MainWindow,
        models: ModelController,
        room: PromptRoom,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._window = window
        self._composer = window.composer
        self._models = models
        self._room = room
        self._tasks = tasks
        self._session = session
        self._begun = asyncio.Event()
        self._measuring: asyncio.Task[bool] | None = None  # whether the message fits
        self._no_room = ""  # the waiting message that did not fit
        self._holds = QTimer(self)
        self._holds.setSingleShot(True)
        self._holds.setInterval(HOLD_MS)
        self._holds.timeout.connect(self._show_held)
        composer = self._composer
        composer.submitted.connect(self._on_submitted)
        composer.queued.connect(self._on_submitted)
        composer.stop_requested.connect(self._on_stop)
        composer.text_changed.connect(self._on_changed)
        composer.attachments.changed.connect(self._on_changed)
        composer.waiting.edit_requested.connect(self._on_edit_waiting)
        composer.waiting.remove_requested.connect(self._on_remove_waiting)
        composer.waiting.send_requested.connect(self._on_send_waiting)

    def begin(self) -> None:
        """Let messages go; called once the start is over, well or not."""
        self._begun.set()

    def show_waiting(self, session: ChatSession, *, is_paused: bool) -> None:
        """Show the messages that wait in ``session``; ``is_paused``: for the person. What was said
        of an answer that still ran goes where none does."""
        self._window.notifications.dismiss(TOO_LONG if session.is_answering else STILL_WRITING)
        leaf_id = session.conversation.active_leaf_id
        leaf = None if leaf_id is None else session.conversation[leaf_id]
        was_stopped = leaf is not None and leaf.state is MessageState.STOPPED
        why = STOPPED if was_stopped else NOT_WELL
        if session.queued and session.queued[0].id == self._no_room:
            why = NO_ROOM
        self._composer.waiting.show_messages(session.queued, is_paused=is_paused, why=why)

    @Slot(str)
    def _on_submitted(self, text: str) -> None:
        if self._measuring is not None and not self._measuring.done():
            return
        files, session, path = self._composer.files, self._session(), self._models.current_path
        if session is not None and path is not None:
            branch, is_whole = session.conversation.active_branch(), not session.is_answering
            asked = Asked(session, path, branch, text, files, is_whole=is_whole)
            if self._room.may_lack(asked):
                self._measuring = asyncio.ensure_future(self._room.is_there(asked))
                self._holds.start()
                self._tasks.start(self._send_if_it_fits(asked, self._measuring))
                return
        self._composer.clear()
        self._tasks.start(self._send(text, files))

    @Slot()
    def _on_stop(self) -> None:
        """What is held in the composer stays there."""
        if self._measuring is not None:
            self._measuring.cancel()

    @Slot()
    def _show_held(self) -> None:
        self._composer.set_held(True)

    @Slot()
    def _on_changed(self) -> None:
        """What is said of a message that was too long is no longer true of it."""
        self._window.notifications.dismiss(TOO_LONG)

    async def _send_if_it_fits(self, asked: Asked, measuring: asyncio.Task[bool]) -> None:
        """It stays in the composer until that is known; what is typed meanwhile stays, too. Who
        changes it, the chat or the model meanwhile has to send it again."""
        await asyncio.wait([measuring])
        if self._measuring is measuring:
            self._measuring = None
            self._holds.stop()
            self._composer.set_held(False)
        if measuring.cancelled() or not measuring.result():
            return
        composer, text, files = self._composer, asked.text, asked.files
        if (asked.session, asked.path) == (self._session(), self._models.current_path) and (
            composer.text.startswith(text) and _texts(composer.files) == _texts(files)
        ):
            composer.attachments.clear()
            composer.set_text(composer.text.removeprefix(text))
            await self._send(text, files)

    async def has_room(self, session: ChatSession, queued: QueuedMessage) -> bool:
        """Whether the first waiting message of ``session`` fits; where it does not, it waits on,
        and that is told."""
        branch = session.conversation.active_branch()
        asked = Asked(
            session, queued.model_path, branch, queued.text, queued.files, session.send_queued
        )
        if await self._room.is_there(asked):
            return True
        self._no_room = queued.id
        if session is self._session():
            self.show_waiting(session, is_paused=True)
        return False

    async def _send(self, text: str, files: Files) -> None:
        await self._begun.wait()  # a person may be quicker than the start
        session, path = self._session(), self._models.current_path
        if session is None or path is None:
            self._composer.put_back(text, files)
        if session is None:
            raise StoreError("The chats are not open, so nothing can be sent yet")
        if path is None:
            raise ModelNotFound("There is no model to answer. Add a GGUF file first.")
        if session.is_answering:
            session.enqueue(text, path, files)
        else:
            await session.send(text, path, files)

    # -- messages that wait ------------------------------------------------------------------

    @Slot(str)
    def _on_edit_waiting(self, queued_id: str) -> None:
        session = self._session()
        queued = None if session is None else session.unqueue(queued_id)
        if queued is not None:
            begun = self._composer.text
            self._composer.attachments.put_back(queued.files)
            self._composer.set_text(f"{queued.text}\n\n{begun}" if begun.strip() else queued.text)
            self._composer.focus_editor()

    @Slot(str)
    def _on_remove_waiting(self, queued_id: str) -> None:
        session = self._session()
        if session is not None:
            session.unqueue(queued_id)

    @Slot()
    def _on_send_waiting(self) -> None:
        session = self._session()
        if session is not None:
            self._tasks.start(session.send_queued())


def _texts(files: Files) -> list[tuple[str, str]]:
    """What is sent of them; their tokens may be counted meanwhile."""
    return [(file.name, file.text) for file in files]
