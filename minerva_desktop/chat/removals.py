"""What was deleted of a chat and can come back, in whatever order it is asked for. Belongs to the
thread of its conversation; no I/O."""

from __future__ import annotations

import msgspec

from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.chat.message import Message


class Removals:
    """Of one chat, in the order in which they were made. Each goes by the id of its first message.

    `undo` takes back all that was deleted since, and deletes it again: so a message stands where it
    would if it had never gone, whatever the order.
    """

    def __init__(self) -> None:
        self._removals: dict[str, Removal] = {}

    @property
    def ids(self) -> set[str]:
        """What can come back."""
        return set(self._removals)

    def hand_over(self, from_id: str, to_id: str) -> None:
        """What replied to that message replies to an alternative of it once it is back."""
        for removal_id, removal in self._removals.items():
            if any(message.parent_id == from_id for _, message in removal.messages):
                messages = tuple(
                    (order, _moved(message, from_id, to_id)) for order, message in removal.messages
                )
                moved = msgspec.structs.replace(removal, messages=messages)
                self._removals[removal_id] = moved

    def add(self, removal: Removal) -> str:
        """Something was deleted; the id that `undo` takes for it."""
        removal_id = _id(removal)
        self._removals[removal_id] = removal
        return removal_id

    def undo(self, conversation: Conversation, removal_id: str) -> Removal:
        """Bring that back into its chat, and what it replies to where that was deleted after it.

        What it returns holds all that came, and all that may reply to another message now, for the
        store. Raises `ValueError` for what came back already, and where the chat has another
        content by now; nothing has changed then.
        """
        ids = list(self._removals)
        since = [self._removals[each] for each in ids[ids.index(removal_id) :]]
        back: list[Removal] = []
        try:
            for removal in reversed(since):
                conversation.put_back(removal)
                back.insert(0, removal)
        except ValueError:
            for removal in back:
                self._remove_again(conversation, removal)
            raise
        needed = {message.id for message in conversation.branch_to(removal_id)}
        came: list[tuple[int, Message]] = []
        for removal in since:
            if needed.isdisjoint(message.id for _, message in removal.messages):
                self._remove_again(conversation, removal)
            else:
                came += removal.messages
                del self._removals[_id(removal)]
        return Removal(
            messages=tuple(came),
            moved_ids=tuple(each for removal in since for each in removal.moved_ids),
            leaf_id=conversation.active_leaf_id,
        )

    def _remove_again(self, conversation: Conversation, removal: Removal) -> None:
        # One after which nothing had to move left nothing below it.
        again = conversation.remove(_id(removal), with_replies=not removal.moved_ids)
        self._removals[_id(removal)] = again


def _moved(message: Message, from_id: str, to_id: str) -> Message:
    if message.parent_id != from_id:
        return message
    return msgspec.structs.replace(message, parent_id=to_id)


def _id(removal: Removal) -> str:
    (_, first), *_ = removal.messages
    return first.id
