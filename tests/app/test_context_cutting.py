"""A chat that outgrew its context: which of it still fits, and what a model says of the rest."""

from __future__ import annotations

import asyncio

import pytest

from minerva_desktop.app.asides import Asides
from minerva_desktop.app.context_cutting import (
    SUMMARY_QUESTION,
    PossibleCut,
    Summariser,
    larger_context,
    newest_that_fit,
    with_cut,
    without_cut,
)
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import ContextLimitExceeded, EngineDied, InferenceError, LoadCancelled
from tests.app.desk import CANCELLED, DONE, MODEL
from tests.chat.samples import make_conversation
from tests.fakes import RecordingEngine


async def count(turns: tuple[ChatTurn, ...]) -> int:
    """A token for each word."""
    return sum(len(turn.text.split()) for turn in turns)


def chat(n_turns: int, n_words: int = 10) -> Conversation:
    return make_conversation(*(f"w{number} " * n_words for number in range(n_turns)))


async def test_the_newest_that_fit_are_kept() -> None:
    conversation = chat(9)  # 90 tokens
    branch = conversation.active_branch()
    # Three quarters of 80 may be full: the last five messages (50) fit, seven (70) do not.
    found = await newest_that_fit(conversation, count, 80)
    assert found == PossibleCut(branch[4].id, 4, 40)
    draft = ChatTurn(Role.USER, "word " * 20)
    found = await newest_that_fit(conversation, count, 80, draft=draft)
    assert found == PossibleCut(branch[6].id, 6, 60)


async def test_a_cut_that_leaves_little_room_is_found_where_none_leaves_more() -> None:
    # A short pair, one that fills the context by itself, and a question: a pair of 50 tokens and
    # one of 420, of 512.
    conversation = make_conversation("w " * 10, "w " * 40, "w " * 10, "w " * 410)
    long = conversation.active_branch()[2]
    draft = ChatTurn(Role.USER, "w " * 60)
    found = await newest_that_fit(conversation, count, 512, draft=draft)
    assert found == PossibleCut(long.id, 2, 50, 32)
    # What leaves 64 tokens is taken before what leaves 16.
    conversation = chat(12, 31)
    last = make_conversation("w " * 10, "w " * 480).active_branch()
    branch = (*conversation.active_branch(), *last)
    draft = ChatTurn(Role.USER, "w " * 400)
    found = await newest_that_fit(conversation, count, 1024, branch=branch, draft=draft)
    assert found == PossibleCut(branch[10].id, 10, 310, 72)
    conversation.sampling = SamplingParameters(max_tokens=8)  # the answer needs no more
    found = await newest_that_fit(conversation, count, 1024, branch=branch, draft=draft)
    assert found == PossibleCut(branch[8].id, 8, 248, 10)
    draft = ChatTurn(Role.USER, "w " * 527)  # leaves 7, of which the answer may need 8
    found = await newest_that_fit(conversation, count, 1024, branch=branch, draft=draft)
    assert found is None


async def test_what_fits_of_a_part_of_the_branch() -> None:
    conversation = chat(9)
    branch = conversation.active_branch()
    found = await newest_that_fit(conversation, count, 40, branch=branch[:5])
    assert found == PossibleCut(branch[2].id, 2, 20)
    # A cut behind that part is none of it.
    cut = ContextCut(first_id=branch[6].id, created_at=1.0)
    conversation.cuts = with_cut(conversation, cut)
    assert await newest_that_fit(conversation, count, 40, branch=branch[:5]) == found


async def test_nothing_is_cut_that_fits_or_where_it_does_not_help() -> None:
    assert await newest_that_fit(chat(9), count, 200) is None
    assert await newest_that_fit(chat(1, 500), count, 200) is None
    assert await newest_that_fit(chat(3, 500), count, 200) is None


async def test_a_second_cut_comes_behind_the_first() -> None:
    conversation = chat(9)
    branch = conversation.active_branch()
    first = ContextCut(first_id=branch[4].id, created_at=1.0)
    conversation.cuts = with_cut(conversation, first)
    found = await newest_that_fit(conversation, count, 40)
    assert found == PossibleCut(branch[6].id, 2, 20)
    conversation.cuts = with_cut(conversation, ContextCut(first_id=branch[6].id, created_at=2.0))
    assert conversation.active_cut() == ContextCut(first_id=branch[6].id, created_at=2.0)
    conversation.cuts = without_cut(conversation, branch[6].id)
    assert conversation.active_cut() == first


def test_a_larger_context_has_room_for_an_answer_and_is_one_the_model_was_trained_for() -> None:
    assert larger_context(1164, 8192) == 2048
    assert larger_context(1536, None) == 2048
    assert larger_context(1537, None) == 3072
    assert larger_context(764_000, 8192) == 8192


class Reader:
    """A `Summariser` whose model is played by the test."""

    def __init__(self, conversation: Conversation, first: int, n_ctx: int) -> None:
        self.engine = RecordingEngine()
        self.asides = Asides(self.engine)
        self.progress: list[tuple[float, int]] = []
        first_id = conversation.active_branch()[first].id
        self.work = asyncio.ensure_future(
            Summariser(self.asides).summary(
                conversation, first_id, MODEL, count, n_ctx, self._on_progress
            )
        )

    def _on_progress(self, share: float, n_messages: int) -> None:
        self.progress.append((share, n_messages))

    async def asked(self, number: int) -> str:
        """Wait for that question; its text."""
        while len(self.engine.started) <= number:
            self.engine.changed.clear()
            await self.engine.changed.wait()
        (turn,) = self.engine.started[number].turns
        return turn.text

    def say(self, number: int, text: str) -> None:
        answer_id = self.engine.started[number].answer_id
        self.asides.on_answer_text(answer_id, text)
        self.asides.on_answer_finished(answer_id, DONE)


async def test_a_summary_of_what_is_before_a_cut() -> None:
    reader = Reader(make_conversation("one", "ONE", "two", "TWO", "three"), 4, 2000)
    text = await reader.asked(0)
    assert (
        text == f"user: one\n\nassistant: ONE\n\nuser: two\n\nassistant: TWO\n\n{SUMMARY_QUESTION}"
    )
    assert reader.engine.started[0].sampling.max_tokens == 300
    assert reader.engine.started[0].chat.variables == '{"enable_thinking":false}'
    reader.say(0, " They counted. ")
    assert await reader.work == "They counted."
    assert reader.progress == [(0.0, 4), (1.0, 4)]


async def test_what_is_read_for_a_summary_is_told_as_it_is_read() -> None:
    reader = Reader(make_conversation("one", "ONE", "two", "TWO", "three"), 4, 2000)
    await reader.asked(0)
    for n_tokens in (10, 50, 80, 100):
        reader.asides.on_answer_read(reader.engine.started[0].answer_id, n_tokens, 100)
    reader.asides.on_answer_read("another", 5, 10)
    reader.say(0, "They counted.")
    await reader.work
    assert [share for share, _ in reader.progress] == [0.0, 0.1, 0.5, 0.8, 1.0, 1.0]


async def test_a_summary_is_of_its_branch_whichever_is_shown() -> None:
    conversation = make_conversation("one", "ONE", "two", "TWO", "three")
    reader = Reader(conversation, 4, 2000)
    conversation.branch_from(None)
    conversation.add(conversation.reply(Role.USER, "other", MessageState.COMPLETE, 1.0, ()))
    assert (await reader.asked(0)).startswith("user: one\n\nassistant: ONE\n\nuser: two")


async def test_a_long_chat_is_read_in_pieces() -> None:
    reader = Reader(chat(9, 50), 8, 320)  # 8 messages of 51 words, and the question's
    first = await reader.asked(0)
    assert "w0" in first
    assert "w7" not in first
    reader.say(0, "Part one.")
    number = 0
    while not reader.work.done() and number < 5:
        number += 1
        text = await reader.asked(number)
        assert text.startswith("(Summary of what came before) Part")
        assert await count((ChatTurn(reader.engine.started[number].turns[0].role, text),)) <= 256
        reader.say(number, "Part more.")
        for _ in range(20):
            await asyncio.sleep(0)
    assert await reader.work == "Part more."
    assert reader.progress == sorted(reader.progress)
    assert reader.progress[0] == (0.0, 8)
    assert reader.progress[-1] == (1.0, 8)


async def test_a_message_too_long_to_be_read_is_said() -> None:
    reader = Reader(make_conversation("short", "one", "w " * 1_200, "two", "new"), 4, 320)
    with pytest.raises(ContextLimitExceeded, match=r"one alone takes 1,233 tokens.* for 256 "):
        await reader.work
    assert reader.engine.started == []  # nor was the model asked about those before it


async def test_a_model_that_writes_no_summary_leaves_nothing_out() -> None:
    reader = Reader(make_conversation("one", "ONE", "two"), 2, 2000)
    await reader.asked(0)
    reader.say(0, " \n")
    with pytest.raises(InferenceError, match="no summary"):
        await reader.work


async def test_a_summary_can_be_cancelled_and_can_fail() -> None:
    reader = Reader(make_conversation("one", "ONE", "two"), 2, 2000)
    await reader.asked(0)
    reader.work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader.work
    assert reader.engine.cancelled == [reader.engine.started[0].answer_id]
    reader = Reader(make_conversation("one", "ONE", "two"), 2, 2000)
    await reader.asked(0)
    reader.asides.on_answer_failed(reader.engine.started[0].answer_id, EngineDied("killed"))
    with pytest.raises(EngineDied):
        await reader.work
    reader = Reader(make_conversation("one", "ONE", "two"), 2, 2000)
    await reader.asked(0)
    reader.asides.on_answer_finished(reader.engine.started[0].answer_id, CANCELLED)
    with pytest.raises(LoadCancelled):
        await reader.work
