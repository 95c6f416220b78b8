"""Short ways to make conversations and messages for tests."""

from __future__ import annotations

from minerva_desktop.chat.conversation import Conversation, new_id
from minerva_desktop.chat.message import Message, MessageState, Role


def make_message(
    text: str,
    parent: Message | None = None,
    *,
    role: Role = Role.USER,
    state: MessageState = MessageState.COMPLETE,
    created_at: float = 1000.0,
) -> Message:
    """A message with an id of its own, below ``parent``."""
    return Message(
        id=new_id(),
        parent_id=parent.id if parent else None,
        role=role,
        text=text,
        state=state,
        created_at=created_at,
    )


def make_conversation(*texts: str, title: str = "", updated_at: float = 1000.0) -> Conversation:
    """A conversation of one branch, in which user and assistant take turns."""
    conversation = Conversation(
        id=new_id(), title=title, created_at=updated_at, updated_at=updated_at
    )
    parent: Message | None = None
    for number, text in enumerate(texts):
        role = Role.ASSISTANT if number % 2 else Role.USER
        parent = make_message(text, parent, role=role, created_at=updated_at)
        conversation.add(parent)
    return conversation
