"""A waiting message in the composer, to be changed; the draft that stood there is set aside.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.parts import Files, sent_texts
from minerva_desktop.ui.composer import STILL_READING
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.model_controller import ModelController
from minerva_desktop.ui.offers import Offers, Work
from minerva_desktop.ui.tasks import UiTasks

GIVEN_UP = "Your change to the waiting message was not kept"
TAKEN_UP = "Your change to the waiting message is back"
TOO_LATE = "The message does not wait any more. Your change to it was not kept"
TO_COMPOSER = "Put it into the message field"


class WaitingEdit(QObject):
    """Enter puts it back into its place as it was changed, Esc as it was before; the draft comes
    back then, and Undo brings back what was typed. In the composer Ctrl+Z leads to no other text
    than its own."""

    def __init__(
        self,
        window: MainWindow,
        models: ModelController,
        tasks: UiTasks,
        session: Callable[[], ChatSession | None],
    ) -> None:
        """``session`` is the open chat's."""
        super().__init__(window)
        self._composer = composer = window.composer
        self._models = models
        self._tasks = tasks
        self._session = session
        self._offers = Offers("waiting:", window.notifications, tasks)
        self._dropped: dict[str, tuple[ChatSession, Work]] = {}  # changes, by the message's id
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
            self._begin(session, queued_id)
            self.send_due(session)

    def _begin(self, session: ChatSession, queued_id: str) -> None:
        composer = self._composer
        if session.editing.message is not None:
            session.editing.keep(composer.text, composer.files)
        else:
            self._tasks.start(session.keep_draft(composer.text, composer.files))
        new = session.editing.begin(session, queued_id)
        if new is not None:
            composer.start_over(new.text, new.files)
            composer.focus_editor()

    @Slot()
    def leave(self) -> None:
        """Leave the message as it was, if one is being changed, and offer what it was becoming."""
        session = self._session()
        edited = None if session is None else session.editing.message
        if session is None or edited is None:
            return
        text, files = self._composer.text, self._composer.files
        session.editing.give_up(session)
        self._show_draft(session)
        before = next(each for each in session.queued if each.id == edited.id)
        is_same = text == before.text and sent_texts(files) == sent_texts(before.files)
        if not is_same and (text.strip() or files):
            again = partial(self._begin_again, session, edited.id, text, files)
            self._dropped[edited.id] = session, again
            self._offers.undo(
                GIVEN_UP, again, edited.id, undone=TAKEN_UP, is_last_chance=True, is_of_chat=True
            )
        self.send_due(session)

    def follow(self, session: ChatSession) -> None:
        """What waits in the open chat may be other messages: a change that was dropped of one that
        waits no longer can only become a message of its own, if that is offered still."""
        waiting = {each.id for each in session.queued}
        for queued_id, (chat, again) in list(self._dropped.items()):
            if chat is session and queued_id not in waiting:
                del self._dropped[queued_id]
                if self._offers.is_shown(queued_id):
                    self._offers.dismiss(queued_id)
                    self._offers.undo(
                        TOO_LATE,
                        again,
                        queued_id,
                        label=TO_COMPOSER,
                        undone=TAKEN_UP,
                        is_of_chat=True,
                    )

    async def _begin_again(
        self, session: ChatSession, queued_id: str, text: str, files: Files
    ) -> None:
        """Have that in the composer of its chat again, now or when that is shown: where the message
        does not wait any more, as the draft, also behind another that is being changed there. Where
        there is no such chat any more, it is the open one's."""
        composer, is_here = self._composer, session is self._session()
        self._dropped.pop(queued_id, None)
        waits = not session.is_gone and any(each.id == queued_id for each in session.queued)
        if waits and is_here:
            self._begin(session, queued_id)
            composer.attachments.start_over(files)
            composer.set_text(text)
        elif waits:
            session.editing.begin(session, queued_id)
            session.editing.keep(text, files)
        elif session.is_gone or (is_here and session.editing.message is None):
            composer.put_back(f"{text}\n\n" if composer.text.strip() else text, files)
        else:
            kept = session.conversation
            draft = "\n\n".join(filter(None, (text, kept.draft)))
            await session.keep_draft(draft, (*files, *kept.draft_files))

    def throw_away(self, queued_id: str) -> None:
        """That message is about to be taken out of the queue: where it is the one that is being
        changed, the draft comes back."""
        session = self._session()
        edited = None if session is None else session.editing.message
        if session is not None and edited is not None and edited.id == queued_id:
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
