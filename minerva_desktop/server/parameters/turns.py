"""Turns as chat templates take them, from dialects whose messages are cut differently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role

PARAGRAPH = "\n\n"


def one_system_turn(turns: Sequence[ChatTurn]) -> tuple[ChatTurn, ...]:
    """``turns`` with those system turns made one that stand together at the beginning: many
    templates take one system message, there."""
    n_system = next(
        (at for at, turn in enumerate(turns) if turn.role is not Role.SYSTEM), len(turns)
    )
    if n_system < 2:
        return tuple(turns)
    text = PARAGRAPH.join(turn.text for turn in turns[:n_system])
    return (ChatTurn(Role.SYSTEM, text), *turns[n_system:])


def with_tool_names(turns: Iterable[ChatTurn]) -> tuple[ChatTurn, ...]:
    """``turns`` whose results of calls have the names of their tools, which some templates write:
    these dialects' results say only whose call it was."""
    names: dict[str | None, str] = {}
    named = []
    for turn in turns:
        names |= {call.id: call.name for call in turn.tool_calls}
        if turn.role is Role.TOOL and turn.name is None:
            named.append(msgspec.structs.replace(turn, name=names.get(turn.tool_call_id)))
        else:
            named.append(turn)
    return tuple(named)
