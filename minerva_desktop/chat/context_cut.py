"""Where a conversation that outgrew the context goes on, by a person's choice. Values, no I/O."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class ContextCut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From ``first_id`` on, the model is given a chat; what is before stays, and is not sent.

    ``summary`` says what is before in a few words, and is given instead of it; empty: nothing is.
    ``created_at`` is Unix time in seconds, ``model`` the file name of the one that wrote the
    summary. A cut counts in each branch that ``first_id`` is in.
    """

    first_id: str
    created_at: float
    summary: str = ""
    model: str | None = None


def last_cut(cuts: Iterable[ContextCut], branch: Iterable[str]) -> ContextCut | None:
    """The last place in ``branch``, ids of messages in their order, that has one."""
    by_id = {cut.first_id: cut for cut in cuts}
    last = None
    for message_id in branch if by_id else ():
        last = by_id.get(message_id, last)
    return last


def also_at(cuts: tuple[ContextCut, ...], first_id: str, other_id: str) -> tuple[ContextCut, ...]:
    """``cuts``, and those at ``first_id`` at ``other_id``, too, which was said instead of it."""
    copies = (
        msgspec.structs.replace(cut, first_id=other_id) for cut in cuts if cut.first_id == first_id
    )
    return (*cuts, *copies)
