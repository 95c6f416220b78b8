"""Takes what an import has besides into a chat that is there already. No Qt; coroutines of the loop
that the store is used on."""

from __future__ import annotations

import msgspec

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.import_attachments import without_missing
from minerva_desktop.chat.import_values import ImportedChat
from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.old_thoughts import taken_apart
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore


class ChatGrowth:
    """``here`` is the chat as it is in ``store``, or as somebody has it open."""

    def __init__(self, store: ChatStore, here: Conversation, imported: ImportedChat) -> None:
        self._store = store
        self._here = here
        self._blobs = imported.blobs
        self._imported = imported.conversation

    def is_other(self) -> bool:
        """Whether a message that is here says another thing in the import. LM Studio's messages
        have no ids, theirs come from their places: behind such a one, what is new is not new."""
        here = self._here
        return any(not _is_same(here[each.id], each) for each in self._imported if each.id in here)

    async def run(self) -> int:
        """How many messages came. What was deleted here stays deleted. Where the end of the branch
        that is shown is one of the import's, and the chat does not go on meanwhile, its new end is
        shown. Raises `StoreError`."""
        here, imported = self._here, self._imported
        new = [message for message in imported if message.id not in here]
        if not new:
            return 0
        for content in self._blobs.values():
            await self._store.store_blob(content)
        shown = {message.id for message in imported.active_branch()}
        before = here.active_leaf_id
        follows = before is None or before in shown
        n_new = 0
        for message in new:
            n_new += await self._add(message)
        end = self._nearest(imported.active_leaf_id)
        if n_new and follows and end is not None and here.active_leaf_id == before:
            here.branch_from(end)
        if n_new:
            await self._store.save_details(here)
        return n_new

    async def _add(self, message: Message) -> bool:
        """Whether it is new: one that was deleted is on disk yet, under its id."""
        here, leaf_id = self._here, self._here.active_leaf_id
        parent_id = self._nearest(message.parent_id)
        added = msgspec.structs.replace(message, parent_id=parent_id)
        before_id = None if message.edited_at is None else self._before(added)
        if before_id is None:
            here.add(added)
            here.branch_from(leaf_id)
            write = self._store.add_message(here.id, added)
        else:
            here.add_version(added, before_id)
            write = self._store.add_version(here, added.id, before_id)
        try:
            await write
        except StoreError as error:
            if before_id is not None:
                here.hand_over(added.id, before_id)
            here.remove(added.id, with_replies=False)
            if error.detail.startswith("ConstraintError"):
                return False
            raise
        return True

    def _before(self, edited: Message) -> str | None:
        """The answer here that was edited there, where what is below ``edited`` there is below that
        here yet."""
        here = self._here
        for each in self._imported:
            if each.parent_id == edited.id and each.id in here:
                before_id = here[each.id].parent_id
                if before_id is not None and here[before_id].parent_id == edited.parent_id:
                    return before_id
        return None

    def _nearest(self, message_id: str | None) -> str | None:
        """That message of the import, or the first above it that is here."""
        while message_id is not None and message_id not in self._here:
            message_id = self._imported[message_id].parent_id
        return message_id


def _is_same(here: Message, imported: Message) -> bool:
    """It may have gone on since, on either side, and an attachment may have been missing."""
    if here.role is not imported.role:
        return False
    if here.text == imported.text:
        return True
    short, long = sorted((_said(here), _said(imported)), key=len)
    return long.startswith(short)


def _said(message: Message) -> str:
    """Without a thought that the text begins with, which the store takes out of it, too."""
    is_answer = message.role is Role.ASSISTANT
    apart = taken_apart(message.text, message.state, message.completion) if is_answer else None
    return without_missing(message.text if apart is None else apart[0])
