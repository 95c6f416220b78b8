"""Branches, deletions with undo, answers that go on, and temporary chats: with the real
store and a scripted engine."""

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


async def test_a_model_that_answers_once_does_not_become_the_chats(desk: Desk) -> None:
    session = desk.new_session()
    first = await desk.answered(session, "Hello", "Hi")
    await session.retry(first, Path("/models/other.gguf"), once=True)
    second = await desk.says(session, "Ahoy")
    assert desk.engine.started[-1].model_path == Path("/models/other.gguf")
    assert session.conversation[second].model == "other.gguf"
    await session.close()
    kept = await desk.store.load(session.conversation.id)
    assert (kept.model, kept[second].model) == (MODEL.name, "other.gguf")


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


async def test_what_is_deleted_twice_at_a_time_goes_once(desk: Desk) -> None:
    """The second was told as “Something went wrong in Minerva”."""
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    question, answer = session.conversation.active_branch()
    both = [session.remove(answer.id, with_replies=False) for _ in range(2)]
    removal, refused = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(removal, Removal)
    assert isinstance(refused, InvalidRequest)
    assert desk.listener.branch == [question]


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


async def test_an_answer_that_failed_at_once_is_answered_in_its_place(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hello", "Hi")
    question, first = session.conversation.active_branch()
    for _ in range(2):
        await session.retry(session.conversation.active_branch()[-1].id, MODEL)
        session.on_answer_failed(str(session.answer_id), EngineDied("It ended"))
        await session.settle()
        assert len(session.conversation.siblings(first.id)) == 2
    failed = session.conversation.active_branch()[-1]
    assert (failed.state, failed.error) == (MessageState.FAILED, "It ended")
    await session.retry(failed.id, MODEL)
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.USER, "Hello")
    await desk.says(session, "Welcome")
    again = session.conversation[failed.id]
    assert (again.text, again.state, again.error) == ("Welcome", MessageState.COMPLETE, None)
    await session.retry(failed.id, MODEL)
    session.stop()
    session.on_answer_finished(str(session.answer_id), CANCELLED)
    await session.settle()
    stopped = session.conversation.active_branch()[-1]
    assert (stopped.text, stopped.state) == ("", MessageState.STOPPED)
    await session.retry(stopped.id, MODEL)
    await desk.says(session, "Come in")
    assert session.conversation.siblings(first.id) == [first.id, failed.id, stopped.id]
    # What said something stays beside the next one, as does what another model is to answer once.
    await session.retry(failed.id, MODEL)
    session.on_answer_failed(str(session.answer_id), EngineDied("It ended"))
    await session.settle()
    await session.retry(session.conversation.active_branch()[-1].id, MODEL, once=True)
    assert len(session.conversation.siblings(first.id)) == 5
    await session.close()
    stored = await desk.store.load(session.conversation.id)
    assert stored.siblings(first.id) == session.conversation.siblings(first.id)
    assert stored[failed.id].text == "Welcome"
    assert stored[question.id].text == "Hello"
