"""A waiting message in the composer, to be changed; the draft that stood there is set aside.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.ui.composer import STILL_READING, Composer
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.tasks import UiTasks


class WaitingEdit(QObject):
    """Enter puts it back into its place as it was changed, Esc as it was before; the draft comes
    back then. Undo leads to no other text than its own."""

    def __init__(
        self,
        composer: Composer,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(composer)
        self._composer = composer
        self._models = models
        self._tasks = tasks
        self._session = session
        composer.waiting.edit_requested.connect(self._on_edit)
        composer.leave_requested.connect(self.leave)

    @Slot(str)
    def _on_edit(self, queued_id: str) -> None:
        session, composer = self._session(), self._composer
        if session is None or all(each.id != queued_id for each in session.queued):
            return
        edited = session.editing.message
        if edited is not None and edited.id == queued_id:
            self.leave()
        elif composer.attachments.is_reading:
            composer.show_hint(STILL_READING)
        else:
            if edited is not None:
                session.editing.keep(composer.text, composer.files)
            else:
                self._tasks.start(session.keep_draft(composer.text, composer.files))
            new = session.editing.begin(session, queued_id)
            if new is not None:
                composer.start_over(new.text, new.files)
                composer.focus_editor()
            self.send_due(session)

    @Slot()
    def leave(self) -> None:
        """Leave the message as it was, if one is being changed."""
        session = self._session()
        if session is not None and session.editing.message is not None:
            session.editing.give_up(session)
            self._show_draft(session)
            self.send_due(session)

    def send_due(self, session: ChatSession) -> None:
        """Send the first whose turn came while another was the first, and was being changed."""
        if session.sending.was_due(session):
            self._tasks.start(session.send_queued())

    def submit(self) -> bool:
        """Put it back as it stands in the composer, and send it where nothing else is before it;
        whether one is being changed."""
        session = self._session()
        if session is None or session.editing.message is None:
            return False
        session.editing.keep(self._composer.text, self._composer.files)
        is_next = session.editing.is_first
        session.editing.finish(session, self._models.current_path)
        self._show_draft(session)
        if is_next or session.sending.was_due(session):
            self._tasks.start(session.send_queued())
        return True

    def _show_draft(self, session: ChatSession) -> None:
        kept = session.conversation
        self._composer.start_over(kept.draft, kept.draft_files)
        self._composer.focus_editor()
