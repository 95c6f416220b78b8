"""A prompt is counted no further than it takes to know that it has no room."""

from __future__ import annotations

from minerva_desktop.app.bounded_count import TokenCount, count_up_to
from minerva_desktop.app.context_cutting import newest_that_fit
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.turns import turns_of
from tests.chat.samples import make_conversation


class _Counter:
    """A token for each word; ``n_counted`` characters were."""

    def __init__(self) -> None:
        self.n_counted = 0
        self.first_roles: set[Role] = set()

    async def count(self, turns: tuple[ChatTurn, ...]) -> int:
        self.n_counted += sum(len(turn.text) for turn in turns)
        self.first_roles.add(turns[0].role)
        return sum(len(turn.text.split()) for turn in turns)


async def test_what_fits_is_counted_once_and_whole() -> None:
    turns = turns_of(make_conversation("one two", "three", "four").active_branch(), "Be brief.")
    counter = _Counter()
    assert await count_up_to(counter.count, turns, 1024) == TokenCount(6)
    assert counter.n_counted == sum(len(turn.text) for turn in turns)


async def test_of_a_huge_chat_the_newest_messages_are_counted() -> None:
    conversation = make_conversation(*(f"w{number} " * 100 for number in range(2001)))
    turns = turns_of(conversation.active_branch(), "Be brief.")
    counter = _Counter()
    used = await count_up_to(counter.count, turns, 1024)
    assert used is not None
    assert not used.is_all
    assert 1024 < used.n_tokens < 12_000
    assert used.words == f"more than {used.n_tokens:,}"
    assert counter.n_counted < 70_000
    assert counter.first_roles == {Role.USER}  # as templates want it
    counter = _Counter()
    found = await newest_that_fit(conversation, counter.count, 1024)
    assert found is not None
    # Three quarters of the context, from a user's message on: seven messages of 100 are left.
    assert (found.n_messages, found.is_more, found.n_left) == (1994, True, None)
    assert counter.n_counted < 800_000  # 1.2 million are the chat, and it is counted 11 times


async def test_of_a_huge_message_the_beginning_is_counted() -> None:
    counter = _Counter()
    turns = (ChatTurn(Role.USER, "word " * 1_000_000),)
    used = await count_up_to(counter.count, turns, 1000)
    assert used == TokenCount(13_108, is_all=False)
    assert counter.n_counted == 65_536


async def test_where_few_tokens_are_found_more_is_counted() -> None:
    counter = _Counter()
    turns = (ChatTurn(Role.USER, f"{'w' * 99} " * 5000),)
    assert await count_up_to(counter.count, turns, 1000) == TokenCount(2622, is_all=False)
    turns = (ChatTurn(Role.USER, "w" * 300_000),)
    assert await count_up_to(counter.count, turns, 100) == TokenCount(1)


def test_what_was_not_counted_is_estimated_for_the_context_that_it_needs() -> None:
    assert TokenCount(900).about(9_000_000) == 900
    assert TokenCount(1_100, is_all=False).about(9_000_000) == 3_000_000
    assert TokenCount(1_100, is_all=False).about(900) == 1_100
