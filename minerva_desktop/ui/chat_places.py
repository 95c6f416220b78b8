"""What stands in the composer, what notices say, and where the transcript was left, kept for each
chat; and what is set in a chat without messages.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import QObject, QTimer, Slot

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.app.new_chat_files import NewChatFiles
from minerva_desktop.app.services import Services
from minerva_desktop.chat.conversation import TitleSource, clean_text
from minerva_desktop.chat.names import title_from
from minerva_desktop.chat.parts import Files
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.new_chat_setup import NewChatSetup, is_new
from minerva_desktop.ui.tasks import UiTasks
from minerva_desktop.ui.unsent_edits import UnsentEdits

KEEP_MS = 500  # after the first key or step: who goes on without a rest is not to lose more


class ChatPlaces(QObject):
    """The draft of a chat without messages, which is not among the chats on disk, is kept in the
    settings (its files in one of their own) and waits for the next new chat; of a temporary one
    nothing is kept.

    Attributes:
        setup: keeps what is set in such a chat.
    """

    def __init__(
        self,
        window: MainWindow,
        services: Services,
        tasks: UiTasks,
        is_held: Callable[[ChatSession], bool],
    ) -> None:
        """``is_held``: whether a message of a chat is about to be sent, once it was counted."""
        super().__init__(window)
        self._is_held = is_held
        self._composer = window.composer
        self._view = window.chat_view
        self._notifications = window.notifications
        self._settings = services.settings
        self._tasks = tasks
        self.setup = NewChatSetup(window, services.settings, tasks)
        self._session: ChatSession | None = None
        self._is_entering = False  # another chat, whose text and files are about to be shown
        self._unsaved = self._settings.current.new_chat_draft  # of a chat without messages
        self._unsaved_files: Files = ()
        self._edits = UnsentEdits(window.chat_view)
        self._new_files = NewChatFiles(services.paths.new_chat_files)
        self._draft_timer = self._make_timer(self._keep_draft)
        self._scroll_timer = self._make_timer(self._keep_scroll)
        self._composer.text_changed.connect(self._on_text_changed)
        self._composer.attachments.changed.connect(self._keep_draft)
        self._view.scrolled.connect(self._on_scrolled)
        self._view.events.edit_changed.connect(self._on_edit_changed)
        window.stayed.connect(self._on_stayed)

    def _make_timer(self, on_timeout: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(KEEP_MS)
        timer.timeout.connect(on_timeout)
        return timer

    def leave(self) -> None:
        """Another chat is about to be shown: keep what there is of this one."""
        session = self._session
        if session is None:
            return
        is_begun = is_new(session) and self._is_held(session)
        self._notifications.leave_chat(session.conversation.id if is_begun else _key(session))
        self._edits.leave(session)
        if is_begun:
            self.setup.end(session)
        self.setup.leave()
        self._keep_draft()
        self._keep_scroll()
        if is_begun:
            self._keep_begun(session)
        elif is_new(session):
            self._unsaved, self._unsaved_files = self._composer.text, self._composer.files

    def _keep_begun(self, session: ChatSession) -> None:
        """What is about to be sent in a chat begins it: it is on disk from now on, among the
        others, and what stands in its composer is not the next new one's."""
        self._settings.remember(new_chat_draft="")
        self._tasks.start(self._new_files.keep(()))
        names = (self._composer.text, *(file.name for file in self._composer.files))
        title = next(filter(None, map(title_from, names)), "")
        self._tasks.start(session.rename(title, TitleSource.FIRST_WORDS))

    async def load(self) -> None:
        """Have the files of a new chat of last time, before any chat is shown."""
        self._unsaved_files = await self._new_files.load()

    def forget(self) -> None:
        """The chat that is shown is not there any more; what was typed goes to the next one."""
        self.setup.leave()
        self._draft_timer.stop()
        self._scroll_timer.stop()
        if self._session is not None:
            self._notifications.leave_chat(_key(self._session))
            self._edits.leave(self._session)
        self._session = None

    def enter(self, session: ChatSession) -> None:
        """``session`` is shown now: its draft goes into the composer."""
        self.setup.enter(session)
        draft, files = _kept(session)
        if is_new(session):
            draft, self._unsaved = draft or self._unsaved, ""
            files, self._unsaved_files = files or self._unsaved_files, ()
        if self._session is None:
            # Typed while the chats were being opened, or others put in their place.
            draft = "\n\n".join(filter(str.strip, (draft, self._composer.text)))
            files += self._composer.files
            if not is_new(session):
                self._settings.remember(new_chat_draft=clean_text(self._unsaved))
        # On the way to its text and files, those of two chats are mixed: nobody's, to be kept.
        self._session, self._is_entering = None, True
        self._composer.start_over(draft, files)
        self._session, self._is_entering = session, False
        self._notifications.enter_chat(_key(session))
        self._draft_timer.stop()
        self._scroll_timer.stop()
        if self._edits.texts(session):
            self._keep_draft()  # a chat that was put away has them in the transcript alone

    def keep_unsent(self) -> bool:
        """While no chat is open, what is written waits for the next new one, behind what waited
        before; whether there is such a thing."""
        if self._session is not None or self._is_entering:
            return False
        draft = "\n\n".join(filter(str.strip, (self._unsaved, self._composer.text)))
        self._settings.remember(new_chat_draft=clean_text(draft))
        return bool(self._composer.text.strip())

    async def close(self, library: ChatLibrary | None) -> None:
        """Return when what there is of the open chat is on disk, and the changed messages of all
        that were not sent: in their chats' drafts."""
        self.setup.keep()
        self._draft_timer.stop()
        self._scroll_timer.stop()
        self.keep_unsent()
        if self._session is None and self._composer.files:
            await self._new_files.keep((*await self._new_files.load(), *self._composer.files))
        if self._session is not None:
            self._keep_new(self._session)
            if is_new(self._session):
                await self._new_files.keep(self._composer.files)
            await self._keep_written(self._session, None)
            await self._session.keep_scroll(self._view.scroll_position)
            self._edits.leave(self._session)
        if library is not None:
            # The composer has them only if the window stays: until then it is not to be kept.
            session, self._session, self._is_entering = self._session, None, True
            try:
                await self._edits.become_drafts(library)
            finally:
                self._session, self._is_entering = session, False

    @Slot()
    def _on_stayed(self) -> None:
        """What was a changed message became the draft, when the window was about to close."""
        if self._session is not None:
            draft, files = _kept(self._session)
            if (draft, files) != (self._composer.text, self._composer.files):
                self._composer.start_over(draft, files)

    @Slot(str)
    def _on_text_changed(self, text: str) -> None:
        if text:
            _start(self._draft_timer)
        else:
            self._keep_draft()  # sent, as a rule: it must not come back after a crash

    @Slot()
    def _on_scrolled(self) -> None:
        _start(self._scroll_timer)

    @Slot()
    def _on_edit_changed(self) -> None:
        if self._session is not None and self._edits.texts(self._session):
            _start(self._draft_timer)
        else:
            self._keep_draft()

    @Slot()
    def _keep_draft(self) -> None:
        self._draft_timer.stop()
        if self._session is None:
            self.keep_unsent()
            return
        self._keep_new(self._session)
        edits = self._edits.texts(self._session)
        self._tasks.start(self._keep_written(self._session, edits))

    def _keep_written(
        self, session: ChatSession, edits: tuple[str, ...] | None
    ) -> Coroutine[Any, Any, None]:
        """What stands in the composer is the chat's draft, or a waiting message that is being
        changed: then the draft is as it was."""
        text, files = self._composer.text, self._composer.files
        if session.editing.message is not None:
            session.editing.keep(text, files)
            text, files = session.conversation.draft, session.conversation.draft_files
        return session.keep_draft(text, files, edits)

    def _keep_new(self, session: ChatSession) -> None:
        if is_new(session):
            self._settings.remember(new_chat_draft=clean_text(self._composer.text))
            self._tasks.start(self._new_files.keep(self._composer.files))

    @Slot()
    def _keep_scroll(self) -> None:
        self._scroll_timer.stop()
        if self._session is not None:
            self._tasks.start(self._session.keep_scroll(self._view.scroll_position))


def _key(session: ChatSession) -> str:
    """Whose notices those about it are: of all new chats the same, as their draft is."""
    return "" if is_new(session) else session.conversation.id


def _kept(session: ChatSession) -> tuple[str, Files]:
    """What is to stand in the composer: a waiting message that is being changed, or the draft."""
    edited = session.editing.message
    if edited is not None:
        return edited.text, edited.files
    return session.conversation.draft, session.conversation.draft_files


def _start(timer: QTimer) -> None:
    if not timer.isActive():
        timer.start()
