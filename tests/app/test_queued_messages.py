"""Messages that wait for an answer, or for a person: with the real store and a scripted engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.parts import FilePart
from tests.app.desk import CANCELLED, MODEL, Desk

OTHER = Path("/models/other.gguf")
NOTES = FilePart("notes.md", "# Notes", 7)
NOTE = FilePart("note.txt", "A note.", 7)


async def test_a_message_waits_for_the_running_answer(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    session.enqueue("Three", MODEL)
    assert desk.listener.queued == ["Two", "Three"]
    taken = session.unqueue(session.queued[1].id)
    assert taken is not None
    assert taken.text == "Three"
    assert session.unqueue(taken.id) is None
    await desk.says(session, "Un")
    await _until_started(desk, 2)
    assert desk.engine.started[1].turns[-1] == ChatTurn(Role.USER, "Two")
    assert desk.listener.queued == []


async def test_what_waits_follows_its_answer_whatever_branch_is_shown(desk: Desk) -> None:
    session = desk.new_session()
    old = await desk.answered(session, "One", "Un")
    await session.retry(old, MODEL)
    session.enqueue("Two", MODEL)
    await session.select(old)
    new = await desk.says(session, "Eins")
    await _until_started(desk, 3)
    assert [message.id for message in desk.listener.branch][1:] == [new]
    assert [turn.text for turn in desk.engine.started[-1].turns][1:] == ["One", "Eins", "Two"]


async def test_what_is_moved_before_others_is_sent_before_them(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    for text in ("Two", "Three", "Four"):
        session.enqueue(text, MODEL)
    last = session.queued[2].id
    session.move_queued(last, -1)
    assert [queued.text for queued in session.queued] == ["Two", "Four", "Three"]
    session.move_queued(last, -5)
    session.move_queued(last, -1)  # it is the first
    session.move_queued("gone", 1)
    assert [queued.text for queued in session.queued] == ["Four", "Two", "Three"]
    await desk.says(session, "Un")
    await _until_started(desk, 2)
    assert desk.engine.started[1].turns[-1] == ChatTurn(Role.USER, "Four")
    await session.close()
    stored = await desk.store.load(session.conversation.id)
    assert [waiting.text for waiting in stored.waiting] == ["Two", "Three"]


async def test_a_stopped_answer_leaves_the_queue_waiting(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    session.stop()
    desk.library.on_answer_finished(session.answer_id or "", CANCELLED)
    other = desk.new_session()  # the queue outlives that another chat is shown
    assert await desk.library.open_session(session.conversation.id) is session
    assert other is not session
    assert [queued.text for queued in session.queued] == ["Two"]
    await session.send_queued()
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.USER, "One\n\nTwo")


async def _two_answers(desk: Desk) -> tuple[ChatSession, str, str]:
    """A question with two answers, and what waits for that to the next one: its session, the first
    answer and the one it waits for."""
    session = desk.new_session()
    first = await desk.answered(session, "One", "Un")
    await session.retry(first, MODEL)
    await desk.says(session, "Eins")
    await session.send("Two", MODEL)
    session.enqueue("Behind two", MODEL)
    desk.listener.counts.clear()
    return session, first, await desk.says(session, "Zwei")


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_what_waited_goes_where_it_was_counted_for(desk: Desk, *, is_deleted: bool) -> None:
    session, first, answer = await _two_answers(desk)
    while desk.listener.counted != ["Behind two"]:
        await asyncio.sleep(0)
    if is_deleted:
        await session.remove(answer, with_replies=False)
    await session.select(first)
    desk.listener.counts.set()
    await _until_started(desk, 4)
    assert [message.text for message in session.conversation.active_branch()] == (
        ["One", "Un", "Behind two", ""]
        if is_deleted
        else ["One", "Eins", "Two", "Zwei", "Behind two", ""]
    )
    assert desk.listener.branch[-1].id == (first if is_deleted else answer)
    assert desk.listener.replied_to == ([answer, first] if is_deleted else [answer])


async def test_what_waited_leaves_the_answer_alone_that_began_meanwhile(desk: Desk) -> None:
    session, first, _ = await _two_answers(desk)
    await session.retry(first, MODEL)  # before the end of the other is on disk
    running = session.answer_id
    await session.settle()
    await asyncio.sleep(0)
    assert not session.sending.is_counting
    assert session.conversation.active_leaf_id == running
    assert [queued.text for queued in session.queued] == ["Behind two"]


async def test_a_message_without_room_goes_on_waiting(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    desk.listener.room = False
    await desk.says(session, "Un")
    while not session.is_paused:
        await asyncio.sleep(0)
    assert session.sending.lacks_room
    assert [queued.text for queued in session.queued] == ["Two"]
    assert len(desk.engine.started) == 1
    desk.listener.room = True
    await session.send_queued()
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.USER, "Two")


async def test_what_is_taken_away_while_it_is_counted_holds_up_nothing(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    session.enqueue("Three", MODEL)
    desk.listener.counts.clear()
    await desk.says(session, "Un")
    await session.settle()  # the answer is on disk, whatever is counted
    while desk.listener.counted != ["Two"]:
        await asyncio.sleep(0)
    assert session.sending.is_counting
    assert not session.is_paused
    session.unqueue(session.queued[0].id)
    desk.listener.counts.set()
    await _until_started(desk, 2)
    assert desk.listener.counted == ["Two", "Three"]
    assert desk.engine.started[1].turns[-1] == ChatTurn(Role.USER, "Three")
    assert session.queued == ()


async def test_a_count_that_fails_leaves_the_message_for_its_person(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    desk.listener.room = ValueError("broken")
    await desk.says(session, "Un")
    while not session.is_paused:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [queued.text for queued in session.queued] == ["Two"]
    assert [record.message for record in caplog.records] == ["A waiting message was not sent"]
    with pytest.raises(ValueError, match="broken"):
        await session.send_queued()
    desk.listener.counts.clear()
    sending = asyncio.ensure_future(session.send_queued())
    await asyncio.sleep(0)
    await session.close()  # waits for no tokens
    await sending
    assert [queued.text for queued in session.queued] == ["Two"]


async def test_what_was_about_to_be_counted_at_the_end_waits_for_its_person(desk: Desk) -> None:
    """It could not be sent any more where the window stayed open after all."""
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    await desk.says(session, "Un")
    await session.close()
    assert session.is_paused
    await session.send_queued()
    assert len(desk.engine.started) == 2


async def test_what_waits_at_the_end_waits_for_its_person_the_next_time(desk: Desk) -> None:
    """It was one draft with what was typed then."""
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL, (NOTES,))  # before the chat is on disk
    session.enqueue("Three", OTHER)
    await session.keep_draft("typed")
    await session.close()
    await desk.library.trash([session.conversation.id])  # it has to be read from disk then
    await desk.library.restore([session.conversation.id])
    again = await desk.library.open_session(session.conversation.id)
    assert again is not session
    assert again.is_paused
    was_from_disk = again.sending.is_from_disk
    waiting = [(each.text, each.model_path, each.files) for each in again.queued]
    assert waiting == [("Two", MODEL, (NOTES,)), ("Three", OTHER, ())]
    assert again.conversation.draft == "typed"
    assert len(desk.engine.started) == 1  # nothing goes by itself
    await again.send_queued()
    assert desk.engine.started[1].turns[-1].text.endswith("Two")
    assert (was_from_disk, again.sending.is_from_disk) == (True, False)
    stored = await desk.store.load(session.conversation.id)
    assert [each.text for each in stored.waiting] == ["Three"]


async def test_one_that_waits_for_a_moment_only_does_not_come_back(desk: Desk) -> None:
    """It was taken out while the disk was still told of it, which was told no more then."""
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL, (NOTES,))
    await asyncio.sleep(0)
    session.unqueue(session.queued[0].id)
    await asyncio.sleep(0)
    await session.rename("Counting")  # which is written behind all that
    assert (await desk.store.load(session.conversation.id)).waiting == ()
    session.enqueue("Three", MODEL, (NOTES,))
    await asyncio.sleep(0)
    session.move_queued(session.queued[0].id, 1)
    session.enqueue("Four", OTHER)
    await session.keep_draft("typed")
    waiting = (await desk.store.load(session.conversation.id)).waiting
    assert [(each.text, each.files) for each in waiting] == [("Three", (NOTES,)), ("Four", ())]


async def test_what_waited_over_a_restart_finds_its_models_as_long_as_any_of_it_waits(
    desk: Desk,
) -> None:
    """One that was thrown away, or a change that was given up, had the rest ask a model that was
    not there any more."""
    session = desk.new_session()
    await session.send("One", MODEL)
    for text in ("Two", "Three", "Four"):
        session.enqueue(text, MODEL)
    await session.close()
    await desk.library.trash([session.conversation.id])
    await desk.library.restore([session.conversation.id])
    again = await desk.library.open_session(session.conversation.id)
    assert again.unqueue(again.queued[0].id) is not None
    again.editing.begin(again, again.queued[1].id)
    again.sending.find_models(lambda _: OTHER)
    again.editing.give_up(again)
    assert [(each.text, each.model_path) for each in again.queued] == [
        ("Three", OTHER),
        ("Four", OTHER),
    ]
    for queued in again.queued:
        again.unqueue(queued.id)
    assert not again.sending.is_from_disk


async def test_a_draft_is_the_chats_at_once(desk: Desk) -> None:
    """The chat may be shown again before another task had its turn."""
    session = desk.new_session()
    saving = session.keep_draft("typed")
    assert session.conversation.draft == "typed"
    await saving


async def test_a_draft_is_written_behind_the_first_message_of_its_chat(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow disk it came while that was being written, and was not."""
    session = desk.new_session()
    create, is_written, may_end = desk.store.create, asyncio.Event(), asyncio.Event()

    async def create_slowly(conversation: Conversation) -> None:
        await create(conversation)
        is_written.set()
        await may_end.wait()

    monkeypatch.setattr(desk.store, "create", create_slowly)
    sending = asyncio.ensure_future(session.send("One", MODEL))
    await is_written.wait()
    saving = asyncio.ensure_future(session.keep_draft("typed", (NOTE,)))
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(sending, saving)
    stored = await desk.store.load(session.conversation.id)
    assert (stored.draft, stored.draft_files) == ("typed", (NOTE,))


async def test_what_waits_outlives_the_app(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    session.enqueue("Three", MODEL)
    await session.keep_draft("typed")
    stored = await desk.store.load(session.conversation.id)
    assert [each.text for each in stored.waiting] == ["Two", "Three"]
    assert stored.draft == "typed"
    assert session.unqueue(session.queued[0].id) is not None
    await desk.says(session, "Un")
    await _until_started(desk, 2)
    await session.close()
    stored = await desk.store.load(session.conversation.id)
    assert (stored.waiting, stored.draft) == ((), "typed")


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_what_is_edited_holds_up_the_rest(desk: Desk, *, is_given_up: bool) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    await session.keep_draft("typed")
    session.enqueue("Two", MODEL)
    session.enqueue("Three", MODEL)
    desk.listener.counts.clear()
    await desk.says(session, "Un")
    while desk.listener.counted != ["Two"]:
        await asyncio.sleep(0)
    assert not session.sending.was_due(session)
    assert session.editing.begin(session, session.queued[0].id) is session.queued[0]
    session.editing.keep("Deux", ())
    desk.listener.counts.set()
    while not session.is_paused:
        await asyncio.sleep(0)
    assert len(desk.engine.started) == 1
    await session.keep_draft("typed on")  # which is written behind that
    stored = await desk.store.load(session.conversation.id)
    assert [each.text for each in stored.waiting] == ["Deux", "Three"]
    assert session.sending.was_due(session)
    if is_given_up:
        session.editing.give_up(session)
    else:
        session.editing.finish(session, MODEL)
    await session.send_queued()
    assert not session.sending.was_due(session)
    sent = "Two" if is_given_up else "Deux"
    assert desk.engine.started[1].turns[-1] == ChatTurn(Role.USER, sent)
    assert desk.listener.queued == ["Three"]
    assert session.editing.message is None


async def _until_started(desk: Desk, count: int) -> None:
    while len(desk.engine.started) < count:
        await desk.engine.changed.wait()
        desk.engine.changed.clear()
