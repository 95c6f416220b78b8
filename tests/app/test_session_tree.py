"""Branches, deletions with undo, answers that go on, queued messages and temporary chats: with the
real store and a scripted engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Removal, ScrollPosition
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import EngineDied, InvalidRequest
from tests.app.desk import CANCELLED, MODEL, Desk

CUT = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=4)


async def test_an_edited_question_is_a_branch_of_its_own(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hello", "Hi")
    question, _ = session.conversation.active_branch()
    await session.edit(question.id, "Good day", MODEL)
    assert [m.text for m in desk.listener.branch] == []
    assert desk.engine.started[-1].turns == (
        ChatTurn(Role.SYSTEM, "Be brief."),
        ChatTurn(Role.USER, "Good day"),
    )
    await desk.says(session, "Welcome")
    edited, _ = session.conversation.active_branch()
    assert session.conversation.siblings(question.id) == [question.id, edited.id]
    await session.select(question.id)
    assert [m.text for m in desk.listener.branch] == ["Hello", "Hi"]
    await session.close()
    assert [text for _, text, _ in await desk.reopened(session)] == ["Hello", "Hi"]


async def test_an_edited_question_keeps_what_was_left_out_before_it(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    await desk.answered(session, "Two", "Deux")
    second = session.conversation.active_branch()[2].id
    await session.cut((ContextCut(first_id=second, created_at=1.0, summary="One is un."),))
    await session.edit(second, "Three", MODEL)
    said = [turn.text for turn in desk.engine.started[-1].turns]
    assert said[1:] == ["Three"]
    assert "One is un." in said[0]
    await desk.says(session, "Trois")
    await session.close()
    again = await desk.store.load(session.conversation.id)
    assert again.active_cut() == session.conversation.active_cut()
    again.select_branch(second)
    assert again.active_cut() == session.conversation.cuts[0]


async def test_only_a_question_is_edited_and_not_into_nothing(desk: Desk) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "Hello", "Hi")
    question, _ = session.conversation.active_branch()
    with pytest.raises(InvalidRequest, match="your own"):
        await session.edit(answer_id, "x", MODEL)
    with pytest.raises(InvalidRequest, match="empty"):
        await session.edit(question.id, "  ", MODEL)
    assert [m.text for m in session.conversation.active_branch()] == ["Hello", "Hi"]


async def test_an_earlier_answer_is_asked_about_in_a_branch_of_its_own(desk: Desk) -> None:
    session = desk.new_session()
    first = await desk.answered(session, "Hello", "Hi")
    await desk.answered(session, "More", "Much more")
    later = session.conversation.active_branch()[2].id
    await session.send("Shorter", MODEL, reply_to=first)
    assert [m.text for m in desk.listener.branch] == ["Hello", "Hi"]
    said = [turn.text for turn in desk.engine.started[-1].turns]
    assert said[1:] == ["Hello", "Hi", "Shorter"]
    await desk.says(session, "H")
    asked = session.conversation.active_branch()[2].id
    assert session.conversation.siblings(later) == [later, asked]
    await session.send("Again", MODEL, reply_to=session.conversation.active_leaf_id)
    await desk.says(session, "h")
    assert [m.text for m in session.conversation.active_branch()][4:] == ["Again", "h"]


async def test_another_answer_with_other_parameters(desk: Desk) -> None:
    session = desk.new_session()
    first = await desk.answered(session, "Hello", "Hi")
    other = SamplingParameters(temperature=1.5)
    await session.retry(first, MODEL, other)
    assert desk.engine.started[-1].sampling == other
    second = await desk.says(session, "Ahoy")
    assert session.conversation[second].sampling == other
    assert session.conversation[first].sampling == SamplingParameters(seed=7)
    assert session.conversation.sampling == SamplingParameters(seed=7)


async def test_a_cut_answer_goes_on_in_its_own_message(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Count", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "One, two")
    desk.library.on_answer_finished(answer_id, CUT)
    await session.resume(answer_id, MODEL)
    assert session.answer_id == answer_id
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.ASSISTANT, "One, two")
    assert [m.state for m in desk.listener.resumed] == [MessageState.STREAMING]
    assert session.answer_so_far is not None
    assert session.answer_so_far.text == "One, two"
    await desk.says(session, ", three")
    await session.close()
    assert await desk.reopened(session) == [
        (Role.USER, "Count", MessageState.COMPLETE),
        (Role.ASSISTANT, "One, two, three", MessageState.COMPLETE),
    ]


async def test_only_the_last_answer_goes_on(desk: Desk) -> None:
    session = desk.new_session()
    first = await desk.answered(session, "One", "Un")
    await desk.answered(session, "Two", "Deux")
    question = session.conversation.active_branch()[2]
    for message_id in (first, question.id):
        with pytest.raises(InvalidRequest, match="last answer"):
            await session.resume(message_id, MODEL)
    assert not session.is_answering


async def test_an_answer_that_died_while_it_went_on_keeps_all_its_text(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Count", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "One")
    desk.library.on_answer_finished(answer_id, CANCELLED)
    await session.resume(answer_id, MODEL)
    desk.library.on_answer_text(answer_id, ", two")
    desk.library.on_answer_failed(answer_id, EngineDied("killed"))
    await session.close()
    assert (await desk.reopened(session))[-1] == (
        Role.ASSISTANT,
        "One, two",
        MessageState.FAILED,
    )


async def test_a_deleted_message_comes_back_where_it_was(desk: Desk) -> None:
    session = desk.new_session()
    for number in ("one", "two", "three"):
        await desk.answered(session, number, number.upper())
    branch = session.conversation.active_branch()
    removal = await session.remove(branch[2].id, with_replies=False)
    texts = [m.text for m in desk.listener.branch]
    assert texts == ["one", "ONE", "TWO", "three", "THREE"]
    assert [text for _, text, _ in await _on_disk(desk, session.conversation.id)] == texts
    await session.put_back(*_undo(removal))
    assert desk.listener.branch == branch
    assert await _on_disk(desk, session.conversation.id) == [
        (m.role, m.text, m.state) for m in branch
    ]


async def test_a_question_that_stands_alone_is_answered(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    question, answer = session.conversation.active_branch()
    await session.remove(answer.id, with_replies=False)
    await session.retry(question.id, MODEL)
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.USER, "one")
    assert session.answer_id is not None
    assert session.conversation[session.answer_id].parent_id == question.id
    with pytest.raises(InvalidRequest, match="still"):
        await session.retry(question.id, MODEL)


async def test_a_deleted_branch_comes_back_whole(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    kept = session.conversation.active_branch()
    await desk.answered(session, "two", "TWO")
    branch = session.conversation.active_branch()
    removal = await session.remove(branch[2].id, with_replies=True)
    assert desk.listener.branch == kept
    assert len(await _on_disk(desk, session.conversation.id)) == 2
    await session.put_back(*_undo(removal))
    assert desk.listener.branch == branch
    assert len(await _on_disk(desk, session.conversation.id)) == 4


async def test_what_belonged_to_a_deleted_message_comes_back_with_it(desk: Desk) -> None:
    session, removals = desk.new_session(), Removals()
    await desk.answered(session, "one", "ONE")
    await desk.answered(session, "two", "TWO")
    branch = session.conversation.active_branch()
    for message in (branch[1], branch[3], branch[2]):
        removals.add(await session.remove(message.id, with_replies=False))
    assert len(await _on_disk(desk, session.conversation.id)) == 1
    await session.put_back(removals, branch[3].id)
    assert [m.text for m in session.conversation.active_branch()] == ["one", "two", "TWO"]
    await session.put_back(removals, branch[1].id)
    assert session.conversation.active_branch() == branch
    assert await _on_disk(desk, session.conversation.id) == [
        (m.role, m.text, m.state) for m in branch
    ]
    with pytest.raises(InvalidRequest, match="cannot be undone"):
        await session.put_back(removals, branch[1].id)


def _undo(removal: Removal) -> tuple[Removals, str]:
    """How `ChatSession.put_back` takes it."""
    removals = Removals()
    return removals, removals.add(removal)


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


async def test_a_message_without_room_goes_on_waiting(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    desk.listener.room = False
    await desk.says(session, "Un")
    while not session.is_paused:
        await asyncio.sleep(0)
    assert session.lacks_room
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
    assert session.is_counting
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
    assert session.conversation.draft == "Two"


async def test_what_waits_at_the_end_becomes_the_draft(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    await session.keep_draft("typed")
    session.enqueue("Two", MODEL)
    await session.close()
    assert session.queued == ()
    again = await desk.store.load(session.conversation.id)
    assert again.draft == "Two\n\ntyped"


async def test_what_waits_outlives_the_app(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    session.enqueue("Two", MODEL)
    session.enqueue("Three", MODEL)
    await session.keep_draft("typed")
    stored = await desk.store.load(session.conversation.id)
    assert stored.draft == "Two\n\nThree\n\ntyped"
    assert session.conversation.draft == "typed"
    assert session.unqueue(session.queued[0].id) is not None
    await desk.says(session, "Un")
    await _until_started(desk, 2)
    await session.close()
    stored = await desk.store.load(session.conversation.id)
    assert stored.draft == "typed"


async def test_where_the_transcript_was_left(desk: Desk) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "One", "Un")
    await session.close()
    await session.keep_scroll(ScrollPosition(answer_id, 0.25))
    again = await desk.store.load(session.conversation.id)
    assert again.scroll == ScrollPosition(answer_id, 0.25)


async def test_a_temporary_chat_is_never_written(desk: Desk, database: Path) -> None:
    session = desk.library.new_session("", SamplingParameters(), is_temporary=True)
    await desk.answered(session, "secret", "hush")
    await session.rename("Secret")
    await session.keep_draft("more")
    await session.close()
    assert [m.text for m in session.conversation.active_branch()] == ["secret", "hush"]
    assert desk.engine.started[0].snapshot is None
    assert desk.listener.errors == []
    assert await desk.library.summaries() == []
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM messages").get == 0
    connection.close()


async def _on_disk(desk: Desk, conversation_id: str) -> list[tuple[Role, str, MessageState]]:
    loaded = await desk.store.load(conversation_id)
    return [(m.role, m.text, m.state) for m in loaded.active_branch()]


async def _until_started(desk: Desk, count: int) -> None:
    while len(desk.engine.started) < count:
        await desk.engine.changed.wait()
        desk.engine.changed.clear()


async def test_a_branch_becomes_a_chat_of_its_own(desk: Desk) -> None:
    session = desk.new_session()
    first = await desk.answered(session, "One", "Un")
    await desk.answered(session, "Two", "Deux")
    branch = await desk.library.branch_off(session, first)
    assert branch.conversation.title == "One (branch)"
    assert branch.conversation.id != session.conversation.id
    assert [text for _, text, _ in await desk.reopened(branch)] == ["One", "Un"]
    await desk.answered(branch, "Three", "Trois")
    await branch.close()
    assert [text for _, text, _ in await desk.reopened(session)] == ["One", "Un", "Two", "Deux"]
    titles = {summary.title for summary in await desk.library.summaries()}
    assert titles == {"One", "One (branch)"}
