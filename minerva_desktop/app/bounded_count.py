"""Counting a prompt no further than it matters: whether it has room in a context.

A chat of 760,000 tokens takes a tokeniser half a minute; that it exceeds a context of 1,024 is
known from its last messages. Pure but for the counting; on the owner's asyncio loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from minerva_desktop.chat.message import ChatTurn, Role

# Counted first, for each token of the context: most texts have 3 to 5 characters a token.
CHARACTERS_PER_TOKEN = 8
LEAST_PER_TOKEN = 3
LEAST_CHARACTERS = 65_536  # take under 100 ms, so they are counted whole
GROWTH = 4  # how many times as much is counted where that was not enough


class TokenCount(NamedTuple):
    """``n_tokens`` of a prompt; ``is_all`` False: it has more."""

    n_tokens: int
    is_all: bool = True

    def about(self, n_characters: int) -> int:
        """The tokens of a prompt of ``n_characters``: where there are more than were counted, no
        fewer than most texts have."""
        if self.is_all:
            return self.n_tokens
        return max(self.n_tokens, n_characters // LEAST_PER_TOKEN)

    def at_least(self, n_tokens: int) -> TokenCount:
        """The same where a part of it is known to have that many."""
        return self if self.is_all else self._replace(n_tokens=max(self.n_tokens, n_tokens))

    @property
    def words(self) -> str:
        """``1,204``, or ``more than 1,204``."""
        return f"{self.n_tokens:,}" if self.is_all else f"more than {self.n_tokens:,}"


def first_limit(most: int) -> int:
    """The characters that are counted first to know whether there are more than ``most`` tokens."""
    return max(LEAST_CHARACTERS, CHARACTERS_PER_TOKEN * most)


async def count_up_to(
    count: Callable[[tuple[ChatTurn, ...]], Awaitable[int | None]],
    turns: tuple[ChatTurn, ...],
    most: int,
) -> TokenCount | None:
    """The tokens of ``turns``; of more than ``most``, of as many of the newest turns as show it.
    None where ``count`` of all of them is. Raises what that raises."""
    limit = first_limit(most)
    while len(part := _newest(turns, limit)) and part != turns:
        counted = await count(part)
        if counted is None or counted > most:
            return None if counted is None else TokenCount(counted, is_all=False)
        limit *= GROWTH
    counted = await count(turns)
    return None if counted is None else TokenCount(counted)


def _newest(turns: tuple[ChatTurn, ...], limit: int) -> tuple[ChatTurn, ...]:
    """The last of ``turns``, of ``limit`` characters or a little more, from a user's turn on; of a
    user's last turn that alone is longer, its beginning. Templates insist on that order."""
    if sum(map(_length, turns)) <= limit:
        return turns
    last = turns[-1]
    if last.role is Role.USER and len(last.text) > limit:
        return (msgspec.structs.replace(last, text=last.text[:limit]),)
    return turns[_first_of(turns, limit) :]


def _first_of(turns: Sequence[ChatTurn], limit: int) -> int:
    n_characters = 0
    for number in range(len(turns) - 1, 0, -1):
        n_characters += _length(turns[number])
        if n_characters >= limit and turns[number].role is Role.USER:
            return number
    return 0


def _length(turn: ChatTurn) -> int:
    return len(turn.text) + len(turn.reasoning)
