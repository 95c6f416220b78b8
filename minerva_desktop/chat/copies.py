"""Copies of conversations, as conversations of their own. Values without I/O."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from minerva_desktop.chat.conversation import Conversation, new_id
from minerva_desktop.chat.message import Message


def copy_of(conversation: Conversation, title: str, now: float) -> Conversation:
    """All branches of ``conversation``, under other ids; ``now`` is Unix time in seconds."""
    return _copied(conversation, conversation, title, now)


def branch_copy(
    conversation: Conversation, message_id: str, title: str, now: float
) -> Conversation:
    """The way from the first message to ``message_id``, under other ids. Raises `KeyError`."""
    way: list[Message] = []
    at: str | None = message_id
    while at is not None:
        way.append(conversation[at])
        at = way[-1].parent_id
    return _copied(conversation, reversed(way), title, now)


def _copied(
    conversation: Conversation, messages: Iterable[Message], title: str, now: float
) -> Conversation:
    ids: dict[str | None, str | None] = {None: None}
    copy = Conversation(
        id=new_id(),
        created_at=now,
        updated_at=now,
        title=title,
        title_source=conversation.title_source,
        model=conversation.model,
        system_prompt=conversation.system_prompt,
        sampling=conversation.sampling,
        folder_id=conversation.folder_id,
        tags=conversation.tags,
    )
    for message in messages:
        copied_id = new_id()
        ids[message.id] = copied_id
        copy.add(msgspec.structs.replace(message, id=copied_id, parent_id=ids[message.parent_id]))
    leaf_id = ids.get(conversation.active_leaf_id)
    if leaf_id is not None:
        copy.branch_from(leaf_id)
    copy.cuts = tuple(
        msgspec.structs.replace(cut, first_id=first_id)
        for cut in conversation.cuts
        if (first_id := ids.get(cut.first_id)) is not None
    )
    return copy
