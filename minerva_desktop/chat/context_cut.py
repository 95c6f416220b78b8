"""Where a conversation that outgrew the context goes on, by a person's choice. Values, no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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


def cuts_without(
    cuts: tuple[ContextCut, ...], message_id: str, reply_ids: Iterable[str]
) -> tuple[ContextCut, ...]:
    """``cuts`` when that message goes: one at it goes on at its replies, unless they have their
    own."""
    taken = {cut.first_id for cut in cuts}
    next_ids = [each for each in reply_ids if each not in taken]
    return tuple(
        msgspec.structs.replace(cut, first_id=first_id)
        for cut in cuts
        for first_id in (next_ids if cut.first_id == message_id else [cut.first_id])
    )


def cuts_back(
    cuts: tuple[ContextCut, ...],
    before: tuple[ContextCut, ...],
    back_ids: Collection[str],
    moved_ids: Collection[str],
) -> tuple[ContextCut, ...]:
    """``cuts`` when the messages ``back_ids`` are back, which had those of ``before`` that are at
    them: they count there again, and no longer at the replies they went to (``moved_ids``). What a
    person cut or restored meanwhile stays."""
    had = {cut.first_id for cut in before}
    again = tuple(cut for cut in before if cut.first_id in back_ids)
    made = {cut.created_at for cut in again}
    return (
        *(
            cut
            for cut in cuts
            if cut.first_id not in back_ids
            and not (
                cut.first_id in moved_ids and cut.first_id not in had and cut.created_at in made
            )
        ),
        *again,
    )
