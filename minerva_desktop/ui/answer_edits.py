"""What a person makes of an answer in its place is saved beside it, and Undo takes that back.

Glue between the transcript, the sessions and the notification bar. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from minerva_desktop.app.answer_editing import CHANGED, AnswerEdit
from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.chat_session import GONE, ChatSession
from minerva_desktop.chat.removals import Removals
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.notification_bar import UNDO
from minerva_desktop.ui.offers import Offers

EDITED = "The answer was edited"
LATER = "The answer was edited. That can be undone once the one that is being written is over."
UNDONE = "The edit was undone"
UNDONE_LATER = f"{UNDONE}. It can be had again once the answer that is being written is over."


class AnswerEdits:
    """``session`` is the open chat's, ``show`` opens another one."""

    def __init__(
        self,
        window: MainWindow,
        offers: Offers,
        session: Callable[[], ChatSession | None],
        library: Callable[[], ChatLibrary | None],
        show: Callable[[ChatSession], None],
        removals: Callable[[str], Removals | None],
    ) -> None:
        """``removals``: what was deleted of the chat with that id, if anything was."""
        self._window = window
        self._view = window.chat_view
        self._offers = offers
        self._session = session
        self._library = library
        self._show = show
        self._removals = removals

    async def save(self, session: ChatSession, message_id: str, text: str) -> None:
        """Have the answer say ``text``. Who typed until then has the keyboard at it, from where the
        way on (Continue) is near and typing leads to the composer; others have it there at once."""
        session.require_idle()  # or the editor would be gone, and the text with it
        was_typed = isinstance(self._window.focusWidget(), MessageEdit)
        place = self._view.messages.end_edit(message_id)
        if text != session.conversation[message_id].text:
            message_id = await self._save(session, message_id, text)
        if session is self._session():
            if place is not None:
                self._view.go_to(message_id, place)
            view = self._view.message_view(message_id)
            if was_typed and view is not None:
                view.take_keyboard()
            else:
                self._window.composer.focus_editor()

    async def _save(self, session: ChatSession, message_id: str, text: str) -> str:
        """The id of the version that says ``text``."""
        removals = self._removals(session.conversation.id)
        edit = await session.answers.save(session, message_id, text, removals)
        undo = partial(self._undo, session, edit)
        self._offers.undo(EDITED, undo, edit.edited.id, undone=UNDONE, is_of_chat=True)
        return edit.edited.id

    async def _undo(self, session: ChatSession, edit: AnswerEdit) -> None:
        session = await self._shown(session)
        if session.is_answering:
            again = partial(self._undo, session, edit)
            self._offers.undo(LATER, again, edit.edited.id, undone=UNDONE, is_of_chat=True)
            return
        place = self._view.scroll_position
        typed = self._view.messages.edited_text(edit.edited.id)
        await session.answers.undo(session, edit, self._removals(session.conversation.id))
        if typed is not None and edit.edited.id not in session.conversation:
            self._view.messages.end_edit(edit.edited.id)
            if typed != edit.edited.text:  # what was typed on is nowhere else
                self._view.edit_message(edit.before_id, typed)
                return
        if place is None:
            self._view.scroll_to_end()
        elif place.message_id == edit.edited.id:
            self._view.go_to(edit.before_id, place.offset)
        if edit.edited.id not in session.conversation:  # and what a person wrote is nowhere
            self._window.notifications.dismiss(UNDO)
            self._offer_redo(UNDONE, session, edit)

    def _offer_redo(self, words: str, session: ChatSession, edit: AnswerEdit) -> None:
        self._offers.do(words, "Redo", partial(self._redo, session, edit), edit.before_id)

    async def _redo(self, session: ChatSession, edit: AnswerEdit) -> None:
        session = await self._shown(session)
        if session.is_answering:
            self._offer_redo(UNDONE_LATER, session, edit)
            return
        if edit.before_id not in session.conversation:
            raise InvalidRequest(CHANGED)
        await self._save(session, edit.before_id, edit.edited.text)

    async def _shown(self, session: ChatSession) -> ChatSession:
        """The session of that chat by now, which is shown. Raises `InvalidRequest` for a temporary
        one that was left, and `StoreError`."""
        chat_id, current, library = session.conversation.id, self._session(), self._library()
        if current is not None and current.conversation.id == chat_id:
            return current
        if session.is_temporary or library is None:
            raise InvalidRequest(GONE)
        session = await library.open_again(chat_id)
        self._show(session)
        return session
