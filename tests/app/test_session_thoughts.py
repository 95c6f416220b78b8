"""What an answer thinks: kept beside its text while it comes, where it breaks off, and later."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.running_answer import RunningAnswer
from minerva_desktop.app.session_keeper import SessionKeeper
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import ChatTurn, Message, MessageState, Role
from minerva_desktop.chat.parts import Part, ReasoningPart
from minerva_desktop.engine.answer_parser import ContentDelta, ReasoningDelta
from minerva_desktop.errors import EngineDied
from minerva_desktop.store.chat_store import ChatStore
from tests.app.desk import CANCELLED, DONE, MODEL, Desk
from tests.chat.samples import make_conversation, make_message


def _thoughts(message: Message) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, ReasoningPart)]


async def _last(desk: Desk, chat: str) -> Message:
    return (await desk.store.load(chat)).active_branch()[-1]


async def test_thoughts_and_words_are_kept_apart(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_parts(answer_id, [ReasoningDelta("It "), ReasoningDelta("is 4")])
    assert session.answer_so_far is not None
    assert (session.answer_so_far.text, _thoughts(session.answer_so_far)) == ("", ["It is 4"])
    desk.library.on_answer_parts(answer_id, [ContentDelta("Four"), ContentDelta(".")])
    assert (desk.listener.thought, desk.listener.text) == ("It is 4", "Four.")
    desk.library.on_answer_finished(answer_id, DONE)
    await session.settle()
    await session.send("Sure?", MODEL)
    kept = (await desk.store.load(session.conversation.id)).active_branch()[1]
    assert (kept.text, _thoughts(kept)) == ("Four.", ["It is 4"])
    # The template decides what becomes of it.
    assert ChatTurn(Role.ASSISTANT, "Four.", "It is 4") in desk.engine.started[-1].turns
    assert session.conversation.title == "2 + 2?"


async def test_an_answer_that_thinks_again_has_two_thoughts(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    answer_id = session.answer_id or ""
    for part in (ReasoningDelta("One"), ContentDelta("Well. "), ReasoningDelta("Two")):
        desk.library.on_answer_parts(answer_id, [part])
    desk.library.on_answer_parts(answer_id, [ContentDelta("Four.")])
    desk.library.on_answer_finished(answer_id, DONE)
    await session.close()
    kept = await _last(desk, session.conversation.id)
    assert (kept.text, _thoughts(kept)) == ("Well. Four.", ["One", "Two"])


async def test_thoughts_reach_the_disk_while_they_come_and_outlive_a_sudden_end(
    desk: Desk, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minerva_desktop.app.running_answer.FLUSH_SECONDS", 0.01)
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    chat, answer_id = session.conversation.id, session.answer_id or ""
    for thought in ("It ", "It is "):
        desk.library.on_answer_parts(answer_id, [ReasoningDelta(thought[-3:])])
        while _thoughts(await _last(desk, chat)) != [thought]:
            await asyncio.sleep(0.005)
    await desk.store.close()  # and the end of the answer never comes
    reopened = await ChatStore.open(database)
    last = (await reopened.load(chat)).active_branch()[-1]
    assert (last.text, _thoughts(last), last.state) == ("", ["It is "], MessageState.INTERRUPTED)
    desk.store = reopened
    await reopened.close()


async def test_an_answer_that_was_stopped_while_it_thought_goes_on_inside(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_parts(answer_id, [ReasoningDelta("It is")])
    session.stop()
    desk.library.on_answer_finished(answer_id, CANCELLED)
    await session.settle()
    await session.resume(answer_id, MODEL)
    turns = desk.engine.started[-1].turns
    assert turns[-2:] == (
        ChatTurn(Role.USER, "2 + 2?"),
        ChatTurn(Role.ASSISTANT, "", "It is"),
    )
    desk.library.on_answer_parts(answer_id, [ReasoningDelta(" 4"), ContentDelta("Four.")])
    desk.library.on_answer_finished(answer_id, DONE)
    await session.close()
    kept = await _last(desk, session.conversation.id)
    assert (kept.text, _thoughts(kept), kept.state) == (
        "Four.",
        ["It is 4"],
        MessageState.COMPLETE,
    )


async def test_a_question_after_a_thought_alone_does_not_tell_of_it(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    desk.library.on_answer_parts(session.answer_id or "", [ReasoningDelta("It is")])
    desk.library.on_answer_failed(session.answer_id or "", EngineDied("killed"))
    await session.send("And 3 + 3?", MODEL)
    turns = desk.engine.started[-1].turns
    assert [turn.role for turn in turns] == [Role.SYSTEM, Role.USER]


async def test_a_copy_of_a_chat_has_the_thought_that_is_being_written(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("2 + 2?", MODEL)
    desk.library.on_answer_parts(session.answer_id or "", [ReasoningDelta("It is")])
    copied = await _last(desk, await desk.library.duplicate(session.conversation.id))
    assert (_thoughts(copied), copied.state) == (["It is"], MessageState.INTERRUPTED)


class RecordingKeeper(SessionKeeper):
    """Notes what would be written of a running answer."""

    def __init__(self) -> None:
        nothing = partial(asyncio.sleep, 0)
        super().__init__(make_conversation(), None, lambda _: None, nothing, is_saved=False)
        self.flushed: list[tuple[str, tuple[Part, ...]]] = []

    async def flush(self, _message_id: str, text: str, parts: tuple[Part, ...]) -> None:
        self.flushed.append((text, parts))


def _begun(*parts: Part) -> Message:
    message = make_message("", None, role=Role.ASSISTANT, state=MessageState.STREAMING)
    return msgspec.structs.replace(message, parts=parts)


async def test_each_write_has_all_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minerva_desktop.app.running_answer.FLUSH_SECONDS", 0.0)
    # While a disk is full the last write stands for all before it.
    keeper = RecordingKeeper()
    answer = RunningAnswer(_begun(), keeper, clock=lambda: 1.0)
    answer.think("It is 4")
    while len(keeper.flushed) < 1:
        await asyncio.sleep(0)
    answer.add("Four")
    while len(keeper.flushed) < 2:
        await asyncio.sleep(0)
    thought = (ReasoningPart("It is 4"),)
    assert keeper.flushed == [("", thought), ("Four", thought)]
    await answer.stop_flushing()


async def test_the_time_of_a_thought_is_that_of_its_parts() -> None:
    now = 100.0
    begun = _begun(ReasoningPart("It", 2_000.0))
    answer = RunningAnswer(begun, RecordingKeeper(), clock=lambda: now)
    answer.think(" is")
    now = 103.5
    assert answer.so_far.parts == (ReasoningPart("It is", 5_500.0),)
    answer.add("Four")
    now = 200.0
    ended = answer.ended(MessageState.COMPLETE, None, None)
    assert (ended.text, ended.parts) == ("Four", (ReasoningPart("It is", 5_500.0),))
    await answer.stop_flushing()


FIRST = Completion(
    finish_reason=FinishReason.LENGTH,
    timings=Timings(
        queue_ms=5.0,
        prompt_tokens=100,
        cached_tokens=20,
        prefill_ms=400.0,
        first_token_ms=450.0,
        completion_tokens=40,
        decode_ms=2_000.0,
    ),
    seed=1,
    drafted_tokens=8,
    accepted_tokens=6,
)
SECOND = Completion(
    finish_reason=FinishReason.STOP,
    timings=Timings(
        queue_ms=1.0,
        prompt_tokens=140,
        cached_tokens=139,
        prefill_ms=10.0,
        first_token_ms=12.0,
        completion_tokens=11,
        decode_ms=500.0,
    ),
    seed=2,
    drafted_tokens=2,
    accepted_tokens=1,
)


async def test_the_numbers_of_an_answer_that_went_on_are_those_of_all_of_it(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Count", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "One")
    desk.library.on_answer_finished(answer_id, FIRST)
    await session.resume(answer_id, MODEL)
    desk.library.on_answer_text(answer_id, ", two")
    desk.library.on_answer_finished(answer_id, SECOND)
    await session.close()
    total = (await _last(desk, session.conversation.id)).completion
    assert total is not None
    assert total.timings == Timings(
        queue_ms=6.0,
        prompt_tokens=100,
        cached_tokens=20,
        prefill_ms=410.0,
        first_token_ms=450.0,
        completion_tokens=51,
        decode_ms=2_500.0,
    )
    assert total.timings.tokens_per_second == 20.0
    assert (total.finish_reason, total.seed, total.context_used) == (FinishReason.STOP, 2, 151)
    assert (total.drafted_tokens, total.accepted_tokens) == (10, 7)


async def test_numbers_stay_where_going_on_fails(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Count", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "One")
    desk.library.on_answer_finished(answer_id, FIRST)
    await session.resume(answer_id, MODEL)
    desk.library.on_answer_failed(answer_id, EngineDied("killed"))
    await session.close()
    last = await _last(desk, session.conversation.id)
    assert (last.state, last.completion) == (MessageState.FAILED, FIRST)
