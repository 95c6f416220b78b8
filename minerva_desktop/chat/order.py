"""Where a message that comes back belongs among others. Values without I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from minerva_desktop.chat.message import Message


def place_among(messages: Sequence[Message], back: Message, reply_ids: Collection[str]) -> int:
    """The index in ``messages``, which are in the order of their creation: behind its parent, which
    is one of them, before what replied to it (``reply_ids``), and by the time otherwise."""
    start = 0
    if back.parent_id is not None:
        start = next(at for at, each in enumerate(messages) if each.id == back.parent_id) + 1
    for at in range(start, len(messages)):
        if messages[at].id in reply_ids or messages[at].created_at > back.created_at:
            return at
    return len(messages)
