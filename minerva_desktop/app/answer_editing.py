"""Changing what an answer says, as its person likes it.

The changed text is a version of its own (‹ 2/2 ›), right behind the one that the model gave, which
stays. What was said below goes along with it: who mends a word in the middle of a chat must not
lose the rest of it from sight, and what is asked next is answered as if the model had said that.
The numbers of a model are about what it wrote, so the new version has none until a model goes on
with it.

Lives on the thread and asyncio loop of its session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.app.session_listener import SessionListener
from minerva_desktop.chat.context_cut import also_at
from minerva_desktop.chat.conversation import Conversation, Removal, new_id
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.turns import require_content
from minerva_desktop.errors import InvalidRequest

if TYPE_CHECKING:
    from minerva_desktop.app.chat_session import ChatSession

CHANGED = "This chat was changed, so that cannot be undone"


class AnswerEdit(msgspec.Struct, frozen=True):
    """``edited`` was made of the answer ``before_id``."""

    before_id: str
    edited: Message


class AnswerEditing:
    """Of one conversation."""

    def __init__(
        self,
        conversation: Conversation,
        keeper: SessionKeeper,
        listener: SessionListener,
        clock: Callable[[], float],
    ) -> None:
        self._conversation = conversation
        self._keeper = keeper
        self._listener = listener
        self._clock = clock

    async def save(
        self, session: ChatSession, message_id: str, text: str, removals: Removals | None = None
    ) -> AnswerEdit:
        """Have that answer say ``text``; what it returns undoes it. What replied to it and is one
        of the ``removals`` goes along, once it is back. Raises `InvalidRequest` for nothing, for
        what is no answer, and while one is written."""
        session.require_idle()
        chat, before = self._conversation, self._conversation[message_id]
        require_content(text, ())
        if before.role is not Role.ASSISTANT:
            raise InvalidRequest("That is no answer", param="message_id")
        now = self._clock()
        edited = msgspec.structs.replace(
            before,
            id=new_id(),
            text=text,
            state=MessageState.COMPLETE,
            completion=None,
            error=None,
            failure=None,
            edited_at=now,
        )
        chat.add_version(edited, message_id)
        if removals is not None:
            removals.hand_over(message_id, edited.id)
        edit = AnswerEdit(message_id, chat[edited.id])
        # Where a model was given the chat from this message on, it is from the new one on, too.
        chat.cuts = also_at(chat.cuts, message_id, edited.id)
        chat.updated_at = max(chat.updated_at, now)
        self._listener.on_branch_changed(session)
        await self._keeper.save_version(edited.id, message_id)
        self._listener.on_session_saved()
        return edit

    async def undo(
        self, session: ChatSession, edit: AnswerEdit, removals: Removals | None = None
    ) -> None:
        """Have the answer say again what it said, with all below it, also that which is one of the
        ``removals``. The edited version stays beside it where a model went on with it meanwhile.
        Raises `InvalidRequest` while an answer is written, and where one of both was deleted."""
        session.require_idle()
        chat, before_id, edited_id = self._conversation, edit.before_id, edit.edited.id
        if before_id not in chat or edited_id not in chat:
            raise InvalidRequest(CHANGED)
        stays = chat[edited_id].text != edit.edited.text
        replies = chat.hand_over(edited_id, before_id)
        if removals is not None:
            removals.hand_over(edited_id, before_id)
        removal = Removal(messages=(), moved_ids=(), leaf_id=None)
        if not stays:
            removal = chat.remove(edited_id, with_replies=False)
        if replies and chat.active_leaf_id == before_id:
            chat.select_branch(before_id)  # it was shown without them
        self._listener.on_branch_changed(session)
        removal = msgspec.structs.replace(removal, moved_ids=replies)
        await self._keeper.save_removal(removal, is_undone=False)
        await self._keeper.save_details()  # the cuts that were at it went, too
