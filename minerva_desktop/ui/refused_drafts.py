"""Messages that were sent off and had no room: they stand in the composers of their chats.

Main thread.
"""

from __future__ import annotations

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.parts import sent_texts
from minerva_desktop.ui.notification_bar import Notice, NoticeKind, NotificationBar
from minerva_desktop.ui.prompt_room import Asked

ELSEWHERE = "context-elsewhere"  # and the chat's id


class RefusedDrafts:
    """One of each chat at most, and what is said of those in chats that are not shown."""

    def __init__(self, bar: NotificationBar) -> None:
        self._bar = bar
        self._texts: dict[str, tuple[str, list[tuple[str, str]]]] = {}  # by the chat's id

    def keep(self, asked: Asked) -> None:
        """That was refused."""
        self._texts[asked.session.conversation.id] = _texts(asked)

    def is_one(self, asked: Asked) -> bool:
        """Whether the same was refused in that chat, and nothing was answered there since."""
        return self._texts.get(asked.session.conversation.id) == _texts(asked)

    def forget(self, session: ChatSession) -> None:
        """Something is answered in that chat."""
        self._texts.pop(session.conversation.id, None)
        self.hide(session)

    def tell_elsewhere(self, session: ChatSession, words: str) -> None:
        """Say it of a chat that is not shown."""
        title = session.conversation.title
        chat = f"the chat “{title}”" if title else "another chat"
        text = f"Nothing was sent in {chat}. {words}"
        self._bar.show_notice(Notice(NoticeKind.WARNING, text, key=_key(session)))

    def hide(self, session: ChatSession) -> None:
        """It is said in that chat now, or is not true any more."""
        self._bar.dismiss(_key(session))


def _key(session: ChatSession) -> str:
    return f"{ELSEWHERE} {session.conversation.id}"


def _texts(asked: Asked) -> tuple[str, list[tuple[str, str]]]:
    """What tells whether two messages would be the same."""
    return asked.text, sent_texts(asked.files)
