"""Messages that were changed in their place, and not sent, or not saved. Main thread."""

from __future__ import annotations

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.errors import StoreError
from minerva_desktop.ui.chat_view.chat_view import ChatView


def unsent_edits(session: ChatSession, view: ChatView) -> dict[str, str]:
    """What a person has made of messages of that chat, by message, where they differ."""
    hands, chat = view.messages.hands, session.conversation
    edits = {} if hands is None else hands.edits
    return {
        message_id: text
        for message_id, text in edits.items()
        if text.strip() and message_id in chat and text != chat[message_id].text
    }


class UnsentEdits:
    """The transcript keeps what is edited in a chat that is left for another one; only when the
    window closes, it goes into the composers. On disk it stands before the draft from the first
    letter on, for an app that dies."""

    def __init__(self, view: ChatView) -> None:
        self._view = view
        # That were left with such messages, the first first. Read from disk anew, their drafts
        # would have what the transcript has, too.
        self._chats: dict[str, ChatSession] = {}

    def leave(self, session: ChatSession) -> None:
        """That chat is shown no longer."""
        if not session.is_temporary and self.texts(session):
            self._chats[session.conversation.id] = session

    def texts(self, session: ChatSession) -> tuple[str, ...]:
        """What a person has made of messages of that chat."""
        return tuple(unsent_edits(session, self._view).values())

    async def become_drafts(self, library: ChatLibrary) -> None:
        """Put them before what stands in the composers of their chats, and return when that is on
        disk, or waits for it."""
        chats, self._chats = self._chats, {}
        for chat_id in chats:
            try:
                session = await library.open_session(chat_id)
            except StoreError:
                continue  # it was destroyed meanwhile
            edits, kept = unsent_edits(session, self._view), session.conversation
            # The draft of a backup that was made meanwhile, and brought back, has them already.
            said, draft = "\n\n".join(edits.values()), kept.draft
            if not f"{draft}\n\n".startswith(f"{said}\n\n"):
                draft = "\n\n".join(filter(None, (said, draft)))
            await session.keep_draft(draft, kept.draft_files, ())
            for message_id in edits:
                self._view.messages.end_edit(message_id)  # the window may stay open
