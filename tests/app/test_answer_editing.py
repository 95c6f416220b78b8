"""Answers that a person changes: what is asked next, what is on disk, and the way back. With the
real store and a scripted engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import msgspec
import pytest

from minerva_desktop.app.chat_import import ChatImport
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.export_json import chats_to_json
from minerva_desktop.chat.export_markdown import chat_to_markdown
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import EngineDied, InvalidRequest
from minerva_desktop.store.chat_store import ChatStore
from tests.app.desk import DONE, MODEL, Desk

CUT = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=4)


async def three_answers(desk: Desk) -> tuple[ChatSession, list[str]]:
    """A chat with three questions and answers, and the ids of all."""
    session = desk.new_session()
    for number in ("one", "two", "three"):
        await desk.answered(session, number, number.upper())
    return session, [message.id for message in session.conversation.active_branch()]


def texts(session: ChatSession) -> list[str]:
    """What is shown."""
    return [message.text for message in session.conversation.active_branch()]


async def on_disk(desk: Desk, session: ChatSession) -> list[str]:
    """What would be shown after a restart."""
    await session.settle()
    loaded = await desk.store.load(session.conversation.id)
    assert loaded.active_branch() == session.conversation.active_branch()
    assert list(loaded) == list(session.conversation)
    return [message.text for message in loaded.active_branch()]


async def test_the_next_prompt_has_what_the_person_made_of_it(desk: Desk) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "Capital of Australia?", "Sydney.")
    edit = await session.answers.save(session, answer_id, "Canberra.")
    edited, chat = edit.edited, session.conversation
    assert desk.listener.branch[-1] == edited
    assert chat.siblings(answer_id) == [answer_id, edited.id]
    assert (edited.state, edited.completion) == (MessageState.COMPLETE, None)
    assert edited.model == MODEL.name
    assert edited.edited_at is not None
    assert chat[answer_id].text == "Sydney."
    assert (chat[answer_id].completion, chat[answer_id].edited_at) == (DONE, None)
    await session.send("Sure?", MODEL)
    assert desk.engine.started[-1].turns == (
        ChatTurn(Role.SYSTEM, "Be brief."),
        ChatTurn(Role.USER, "Capital of Australia?"),
        ChatTurn(Role.ASSISTANT, "Canberra."),
        ChatTurn(Role.USER, "Sure?"),
    )
    await desk.says(session, "Yes.")
    assert await on_disk(desk, session) == ["Capital of Australia?", "Canberra.", "Sure?", "Yes."]


async def test_what_is_below_goes_along(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    edit = await session.answers.save(session, ids[1], "1")
    assert texts(session) == ["one", "1", "two", "TWO", "three", "THREE"]
    assert [message.id for message in session.conversation][:3] == [ids[0], ids[1], edit.edited.id]
    assert session.conversation.siblings(ids[1]) == [ids[1], edit.edited.id]
    assert await on_disk(desk, session) == texts(session)
    await session.select(ids[1])  # ‹ 1/2 ›
    assert texts(session) == ["one", "ONE"]
    await session.select(edit.edited.id)
    assert texts(session) == ["one", "1", "two", "TWO", "three", "THREE"]
    second = await session.answers.save(session, edit.edited.id, "I")
    versions = [ids[1], edit.edited.id, second.edited.id]
    assert session.conversation.siblings(ids[1]) == versions
    assert await on_disk(desk, session) == ["one", "I", "two", "TWO", "three", "THREE"]


async def test_undo_takes_it_back_whatever_was_said_since(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    before = list(session.conversation)
    edit = await session.answers.save(session, ids[3], "2")
    await session.answers.undo(session, edit)
    assert desk.listener.branch == before == list(session.conversation)
    await on_disk(desk, session)
    edit = await session.answers.save(session, ids[3], "2")
    await session.select(ids[3])
    assert texts(session) == ["one", "ONE", "two", "TWO"]
    await session.answers.undo(session, edit)
    assert texts(session) == [message.text for message in before]
    edit = await session.answers.save(session, ids[5], "3")
    await desk.answered(session, "four", "FOUR")
    await session.answers.undo(session, edit)
    assert texts(session)[4:] == ["three", "THREE", "four", "FOUR"]
    assert await on_disk(desk, session) == texts(session)
    with pytest.raises(InvalidRequest, match="cannot be undone"):
        await session.answers.undo(session, edit)


async def test_undo_of_two_edits_in_either_order(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    before = list(session.conversation)
    first = await session.answers.save(session, ids[3], "2")
    second = await session.answers.save(session, first.edited.id, "II")
    await session.answers.undo(session, second)
    assert texts(session)[3] == "2"
    await session.answers.undo(session, first)
    assert list(session.conversation) == before
    first = await session.answers.save(session, ids[3], "2")
    second = await session.answers.save(session, first.edited.id, "II")
    await session.answers.undo(session, first)
    assert texts(session)[3:5] == ["II", "three"]  # what is shown by now is not about that
    await on_disk(desk, session)


async def test_undo_keeps_what_a_model_wrote_behind_it(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    edit = await session.answers.save(session, ids[5], "Three, ")
    await session.resume(edit.edited.id, MODEL)
    await desk.says(session, "four")
    await session.settle()
    await session.answers.undo(session, edit)
    assert texts(session)[-1] == "THREE"
    assert session.conversation[edit.edited.id].text == "Three, four"
    assert session.conversation.siblings(ids[5]) == [ids[5], edit.edited.id]
    assert await on_disk(desk, session) == texts(session)


async def test_what_was_deleted_below_comes_back_below_what_it_says_by_then(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    removals = Removals()
    last_id = removals.add(await session.remove(ids[4], with_replies=True))
    edit = await session.answers.save(session, ids[3], "2", removals)
    await session.put_back(removals, last_id)
    assert texts(session) == ["one", "ONE", "two", "2", "three", "THREE"]
    assert await on_disk(desk, session) == texts(session)
    last_id = removals.add(await session.remove(ids[4], with_replies=True))
    await session.answers.undo(session, edit, removals)
    assert texts(session) == ["one", "ONE", "two", "TWO"]
    await session.put_back(removals, last_id)
    assert list(session.conversation) == session.conversation.active_branch()
    assert await on_disk(desk, session) == ["one", "ONE", "two", "TWO", "three", "THREE"]


async def test_a_message_that_comes_back_above_others_leaves_an_edit_in_sight(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    removals = Removals()
    question_id = removals.add(await session.remove(ids[2], with_replies=False))
    edit = await session.answers.save(session, ids[1], "1", removals)
    assert texts(session) == ["one", "1", "TWO", "three", "THREE"]
    await session.put_back(removals, question_id)
    assert texts(session) == ["one", "1", "two", "TWO", "three", "THREE"]
    assert await on_disk(desk, session) == texts(session)
    await session.answers.undo(session, edit, removals)
    assert await on_disk(desk, session) == ["one", "ONE", "two", "TWO", "three", "THREE"]


async def test_who_deletes_an_edited_answer_has_the_one_before_and_all_below(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    edit = await session.answers.save(session, ids[1], "1")
    second = await session.answers.save(session, edit.edited.id, "I")
    removals = Removals()
    for edited, left in ((second.edited, "1"), (edit.edited, "ONE")):
        removals.add(await session.remove(edited.id, with_replies=False))
        assert texts(session) == ["one", left, "two", "TWO", "three", "THREE"]
        assert await on_disk(desk, session) == texts(session)
    await session.put_back(removals, second.edited.id)
    assert await on_disk(desk, session) == ["one", "I", "two", "TWO", "three", "THREE"]
    await session.put_back(removals, edit.edited.id)  # it was not the one that was shown
    assert session.conversation.siblings(ids[1]) == [ids[1], edit.edited.id, second.edited.id]
    assert await on_disk(desk, session) == ["one", "I", "two", "TWO", "three", "THREE"]


async def test_what_comes_back_has_its_place_although_an_edit_above_it_moved_that(
    desk: Desk,
) -> None:
    session, ids = await three_answers(desk)
    edit = await session.answers.save(session, ids[3], "2")
    removals = Removals()
    old_id = removals.add(await session.remove(ids[3], with_replies=False))
    await session.answers.save(session, ids[1], "1", removals)
    await session.put_back(removals, old_id)
    assert session.conversation.siblings(ids[3]) == [ids[3], edit.edited.id]
    await on_disk(desk, session)


async def test_a_complete_answer_goes_on_from_what_was_made_of_it(desk: Desk) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "Tell", "A short story. The end.")
    edit = await session.answers.save(session, answer_id, "Once upon a")
    await session.resume(edit.edited.id, MODEL)
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.ASSISTANT, "Once upon a")
    await desk.says(session, " time")
    await session.settle()
    gone_on = session.conversation[edit.edited.id]
    assert (gone_on.text, gone_on.completion) == ("Once upon a time", DONE)
    assert gone_on.edited_at == edit.edited.edited_at
    assert await on_disk(desk, session) == ["Tell", "Once upon a time"]


async def test_thoughts_stay_with_it_and_how_it_failed_does_not(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Add", MODEL)
    answer_id = session.answer_id or ""
    session.on_answer_thought(answer_id, "Two and two.")
    desk.library.on_answer_text(answer_id, "5")
    desk.library.on_answer_failed(answer_id, EngineDied("killed"))
    await session.settle()
    edit = await session.answers.save(session, answer_id, "4")
    (thought,) = edit.edited.parts
    assert isinstance(thought, ReasoningPart)
    assert thought.text == "Two and two."
    assert (edit.edited.state, edit.edited.error) == (MessageState.COMPLETE, None)
    await session.send("Sure?", MODEL)
    said = desk.engine.started[-1].turns[2]
    assert said == ChatTurn(Role.ASSISTANT, "4", reasoning="Two and two.")
    await desk.says(session, "Yes.")
    await on_disk(desk, session)


async def test_only_answers_that_are_over_are_edited_and_not_into_nothing(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    for message_id, text, words in ((ids[1], " \n", "empty"), (ids[0], "x", "no answer")):
        with pytest.raises(InvalidRequest, match=words):
            await session.answers.save(session, message_id, text)
    edit = await session.answers.save(session, ids[1], "1")
    await session.send("four", MODEL)
    for message_id in (session.answer_id or "", ids[5]):
        with pytest.raises(InvalidRequest, match="still being written"):
            await session.answers.save(session, message_id, "x")
    with pytest.raises(InvalidRequest, match="still being written"):
        await session.answers.undo(session, edit)
    await desk.says(session, "FOUR")
    await session.answers.undo(session, edit)
    assert texts(session)[1] == "ONE"


async def test_what_was_left_out_before_it_stays_left_out(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    cut = ContextCut(first_id=ids[3], created_at=1.0, summary="One and two.")
    await session.cut((cut,))
    edit = await session.answers.save(session, ids[3], "2")
    await session.send("four", MODEL)
    said = [turn.text for turn in desk.engine.started[-1].turns]
    assert said[1:] == ["2", "three", "THREE", "four"]
    await desk.says(session, "FOUR")
    loaded = await desk.store.load(session.conversation.id)
    assert loaded.active_cut() == msgspec.structs.replace(cut, first_id=edit.edited.id)
    await session.answers.undo(session, edit)
    assert session.conversation.cuts == (cut,)
    assert (await desk.store.load(session.conversation.id)).cuts == (cut,)


async def test_what_was_computed_is_forgotten_where_the_prompt_begins_with_it(desk: Desk) -> None:
    """Where it begins as before, the engine goes on with what is the same."""
    session, ids = await three_answers(desk)
    state = desk.snapshots.path("model", session.conversation.id)
    await session.cut((ContextCut(first_id=ids[3], created_at=1.0),))
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_bytes(b"tokens")
    await session.answers.save(session, ids[5], "3")
    assert state.exists()
    edit = await session.answers.save(session, ids[3], "2")
    assert not state.exists()
    state.write_bytes(b"tokens")
    await session.answers.undo(session, edit)
    assert not state.exists()


async def test_of_a_temporary_chat_nothing_is_written(desk: Desk, database: Path) -> None:
    session = desk.library.new_session("", SamplingParameters(), is_temporary=True)
    answer_id = await desk.answered(session, "secret", "hush")
    edit = await session.answers.save(session, answer_id, "hush!")
    assert texts(session) == ["secret", "hush!"]
    await session.answers.undo(session, edit)
    assert texts(session) == ["secret", "hush"]
    await session.close()
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM messages").get == 0
    connection.close()


async def test_exports_and_the_search_have_it(desk: Desk) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "Capital of Australia?", "Sydney.")
    await session.answers.save(session, answer_id, "Canberra.")
    await session.close()
    (found,) = (await desk.store.search("canberra")).hits
    assert found.conversation.id == session.conversation.id
    told = chat_to_markdown(session.conversation)
    assert "Canberra." in told
    assert "This answer was edited by hand." in told
    assert "Sydney" not in told
    assert b'"edited_at":' in chats_to_json([session.conversation], {})


async def test_an_edit_comes_along_to_where_the_chat_is_already(desk: Desk, tmp_path: Path) -> None:
    """By an export, to another machine, say; it may have been deleted there before."""
    session, ids = await three_answers(desk)
    await session.settle()
    there = await ChatStore.open(tmp_path / "there.db")
    await there.create(await desk.store.load(session.conversation.id))
    edit = await session.answers.save(session, ids[1], "1")
    await desk.answered(session, "four", "FOUR")
    await session.settle()
    (tmp_path / "chat.json").write_bytes(chats_to_json([session.conversation], {}))
    report = await ChatImport(there).run([tmp_path / "chat.json"])
    assert (report.grown_ids, report.problems) == ([session.conversation.id], [])
    grown = await there.load(session.conversation.id)
    assert list(grown) == list(session.conversation)
    assert grown.active_branch() == session.conversation.active_branch()
    removal = grown.remove(edit.edited.id, with_replies=False)
    await there.remove_messages(grown, removal)
    report = await ChatImport(there).run([tmp_path / "chat.json"])
    assert (report.grown_ids, report.n_present) == ([], 1)
    assert list(await there.load(grown.id)) == list(grown)
    await there.close()


@pytest.mark.parametrize("is_edited_again", [False, True])
async def test_an_edit_that_the_disk_refused_is_written_with_the_next_change(
    desk: Desk, database: Path, *, is_edited_again: bool
) -> None:
    session, ids = await three_answers(desk)
    await session.settle()
    writer = apsw.Connection(str(database))
    writer.set_busy_timeout(5000)  # what was written is being taken into the search index
    writer.execute("BEGIN EXCLUSIVE")  # nobody else can write
    edit = await session.answers.save(session, ids[1], "1")
    assert desk.listener.errors != []
    writer.execute("ROLLBACK")
    writer.close()
    if is_edited_again:
        second = await session.answers.save(session, edit.edited.id, "I")
        assert await on_disk(desk, session) == ["one", "I", "two", "TWO", "three", "THREE"]
        await session.answers.undo(session, second)
    else:
        await session.configure("Be kind.", SamplingParameters())
    assert await on_disk(desk, session) == ["one", "1", "two", "TWO", "three", "THREE"]
    await session.answers.undo(session, edit)
    assert await on_disk(desk, session) == ["one", "ONE", "two", "TWO", "three", "THREE"]


async def test_two_at_a_time_are_both_kept(desk: Desk) -> None:
    session, ids = await three_answers(desk)
    await asyncio.gather(*(session.answers.save(session, ids[at], str(at)) for at in (1, 3)))
    assert texts(session) == ["one", "1", "two", "3", "three", "THREE"]
    assert await on_disk(desk, session) == texts(session)
