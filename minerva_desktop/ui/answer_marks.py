"""Which chats are being answered, and in which there is an answer that nobody has seen. Main
thread."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.settings import SettingsFile
from minerva_desktop.ui.chat_rows import ChatMarks

MAX_UNREAD = 500  # chats; the ids of those that were destroyed meanwhile are among them

_NO_NEWS = (MessageState.STOPPED, MessageState.INTERRUPTED)


class AnswerMarks(QObject):
    """Told of the answers in all chats, and of each chat that is opened. What is unread is so at
    the next start, too. ``changed`` carries the `ChatMarks`."""

    changed = Signal(object)

    def __init__(self, settings: SettingsFile, parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self._answering: set[str] = set()

    @property
    def marks(self) -> ChatMarks:
        """As they are now."""
        unread = self._settings.current.unread_chats
        return ChatMarks(frozenset(self._answering), frozenset(unread))

    def begin(self, session: ChatSession) -> None:
        """An answer is on its way in that chat."""
        self._answering.add(session.conversation.id)
        self.changed.emit(self.marks)

    def end(self, session: ChatSession, answer: Message, *, is_open: bool) -> None:
        """It has ended. One that a person stopped is no news, nor is one whose chat was closed, or
        one in the open chat."""
        chat_id = session.conversation.id
        self._answering.discard(chat_id)
        if not (is_open or session.is_temporary or answer.state in _NO_NEWS):
            self._remember(chat_id, is_unread=True)
        self.changed.emit(self.marks)

    def read(self, session: ChatSession) -> None:
        """That chat is shown."""
        chat_id = session.conversation.id
        if chat_id in self._settings.current.unread_chats:
            self._remember(chat_id, is_unread=False)
            self.changed.emit(self.marks)

    def _remember(self, chat_id: str, *, is_unread: bool) -> None:
        others = [each for each in self._settings.current.unread_chats if each != chat_id]
        unread = (*others, chat_id) if is_unread else tuple(others)
        self._settings.remember(unread_chats=unread[-MAX_UNREAD:])
