"""Turns as chat templates take them, from dialects whose messages are cut differently."""

from __future__ import annotations

from collections.abc import Sequence

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
