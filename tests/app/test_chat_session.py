"""What a person does in a chat, with the real store and a scripted engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from minerva_desktop.chat.failure import MAX_DETAIL, Failure
from minerva_desktop.chat.message import ChatTurn, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.ledgers import CPU, cpu_ledgers
from minerva_desktop.errors import (
    ContextLimitExceeded,
    EngineDied,
    InvalidRequest,
    LoadCancelled,
    MinervaError,
    OutOfMemory,
)
from tests.app.desk import CANCELLED, DONE, MODEL, Desk


def _on_disk(database: Path) -> list[tuple[str, str, str]]:
    """Role, text and state of all messages, as another program reads them."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("SELECT role, text, state FROM messages ORDER BY seq").fetchall()
    finally:
        connection.close()
    return [(str(role), str(text), str(state)) for role, text, state in rows]


async def test_a_question_is_on_disk_before_the_engine_sees_it(desk: Desk, database: Path) -> None:
    session = desk.new_session()
    await session.send("What is a  sea?\nTell me.", MODEL)
    assert _on_disk(database) == [
        ("user", "What is a  sea?\nTell me.", "complete"),
        ("assistant", "", "streaming"),
    ]
    (request,) = desk.engine.started
    assert request.model_path == MODEL
    assert request.turns == (
        ChatTurn(Role.SYSTEM, "Be brief."),
        ChatTurn(Role.USER, "What is a  sea?\nTell me."),
    )
    assert request.sampling.seed == 7
    assert request.snapshot == session.conversation.id
    assert session.conversation.title == "What is a sea? Tell me."
    assert session.is_answering


async def test_an_answer_streams_to_the_view_and_ends_on_disk(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "Hel")
    desk.library.on_answer_text(answer_id, "lo")
    desk.library.on_answer_finished(answer_id, DONE)
    assert desk.listener.text == "Hello"
    (final,) = desk.listener.changed
    assert (final.text, final.state, final.model) == ("Hello", MessageState.COMPLETE, "tiny.gguf")
    assert final.completion == DONE
    await session.close()
    assert await desk.reopened(session) == [
        (Role.USER, "Hi", MessageState.COMPLETE),
        (Role.ASSISTANT, "Hello", MessageState.COMPLETE),
    ]


async def test_streamed_text_reaches_the_disk_while_it_streams(
    desk: Desk, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minerva_desktop.app.running_answer.FLUSH_SECONDS", 0.01)
    session = desk.new_session()
    await session.send("Hi", MODEL)
    for word in ("one ", "two ", "three"):
        desk.library.on_answer_text(session.answer_id or "", word)
        while word not in _on_disk(database)[1][1]:
            await asyncio.sleep(0.005)
    assert _on_disk(database)[1] == ("assistant", "one two three", "streaming")


async def test_stop_keeps_what_was_written(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "Hel")
    session.stop()
    assert desk.engine.cancelled == [answer_id]
    desk.library.on_answer_finished(answer_id, CANCELLED)
    desk.library.on_answer_text(answer_id, "late")
    await session.close()
    assert (await desk.reopened(session))[1] == (Role.ASSISTANT, "Hel", MessageState.STOPPED)


async def test_a_dead_engine_leaves_the_partial_answer_and_the_reason(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_text(answer_id, "Hel")
    desk.library.on_answer_failed(answer_id, EngineDied("The engine stopped (signal 9)"))
    (final,) = desk.listener.changed
    assert (final.text, final.state) == ("Hel", MessageState.FAILED)
    assert final.error == "The engine stopped (signal 9)"
    await session.send("Again", MODEL)
    assert desk.engine.started[-1].turns[-1] == ChatTurn(Role.USER, "Again")


async def test_a_cancelled_load_is_a_stop_and_not_a_failure(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    desk.library.on_answer_failed(session.answer_id or "", LoadCancelled("cancelled"))
    assert desk.listener.changed[0].state is MessageState.STOPPED
    assert desk.listener.changed[0].error is None


async def test_an_engine_that_dies_while_being_stopped_is_a_stop(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    session.stop()
    desk.library.on_answer_failed(session.answer_id or "", EngineDied("killed"))
    assert desk.listener.changed[0].state is MessageState.STOPPED


async def test_retry_answers_the_same_question_beside_the_first(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    first = session.answer_id or ""
    desk.library.on_answer_text(first, "One")
    desk.library.on_answer_finished(first, DONE)
    await session.retry(first, Path("/models/other.gguf"))
    second = session.answer_id or ""
    assert [m.text for m in desk.listener.branch] == ["Hi"]
    assert desk.engine.started[-1].turns == desk.engine.started[0].turns
    desk.library.on_answer_text(second, "Two")
    desk.library.on_answer_finished(second, DONE)
    assert session.conversation.siblings(first) == [first, second]
    await session.close()
    assert [text for _, text, _ in await desk.reopened(session)] == ["Hi", "Two"]


async def test_a_second_message_during_an_answer_is_refused(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    with pytest.raises(InvalidRequest, match="still being written"):
        await session.send("And?", MODEL)
    with pytest.raises(InvalidRequest, match="empty"):
        await desk.new_session().send(" \n", MODEL)
    assert len(desk.engine.started) == 1


async def test_an_answer_goes_on_while_another_chat_is_open(desk: Desk) -> None:
    first = desk.new_session()
    await first.send("Hi", MODEL)
    second = desk.new_session()
    await second.send("Ho", MODEL)
    desk.library.on_answer_text(first.answer_id or "", "for first")
    assert await desk.library.open_session(first.conversation.id) is first
    so_far = [session.answer_so_far for session in (first, second)]
    assert [message.text for message in so_far if message] == ["for first", ""]


async def test_renaming_another_chat_leaves_the_open_one_alive(desk: Desk) -> None:
    other = desk.new_session()
    await other.send("Other", MODEL)
    desk.library.on_answer_finished(other.answer_id or "", DONE)
    await other.close()
    shown = desk.new_session()
    await desk.library.rename(other.conversation.id, "Renamed")
    await shown.send("Hi", MODEL)
    desk.library.on_answer_text(shown.answer_id or "", "Hello")
    desk.library.on_answer_finished(shown.answer_id or "", DONE)
    assert desk.listener.changed[-1].text == "Hello"
    assert {s.title for s in await desk.library.summaries()} == {"Renamed", "Hi"}


async def test_what_the_disk_refused_is_written_once_it_works_again(
    desk: Desk, database: Path
) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    desk.library.on_answer_finished(session.answer_id or "", DONE)
    await session.close()
    writer = apsw.Connection(str(database))
    writer.set_busy_timeout(5000)  # what was written is being taken into the search index
    writer.execute("BEGIN EXCLUSIVE")  # nobody else can write
    await session.send("Two", MODEL)
    desk.library.on_answer_text(session.answer_id or "", "Deux")
    writer.execute("ROLLBACK")
    writer.close()
    desk.library.on_answer_finished(session.answer_id or "", DONE)
    await session.close()
    assert desk.listener.errors != []
    assert [text for _, text, _ in _on_disk(database)] == ["One", "", "Two", "Deux"]
    assert [text for _, text, _ in await desk.reopened(session)] == ["One", "", "Two", "Deux"]


async def test_closing_while_streaming_keeps_everything(desk: Desk, database: Path) -> None:
    session = desk.new_session()
    sending = asyncio.ensure_future(session.send("Hi", MODEL))
    await asyncio.sleep(0)  # the beginning is on its way to the disk
    desk.library.on_answer_text(session.answer_id or "", "partial")
    await session.close()
    await sending
    assert _on_disk(database) == [
        ("user", "Hi", "complete"),
        ("assistant", "partial", "interrupted"),  # nobody stopped it
    ]
    assert desk.engine.started == []


async def test_what_was_stopped_just_before_it_is_closed_was_stopped(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    session.stop()
    await session.close()
    assert (await desk.reopened(session))[1] == (Role.ASSISTANT, "", MessageState.STOPPED)


async def test_the_trash_gives_back(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    chat = session.conversation.id
    await desk.library.trash([chat])
    assert await desk.library.summaries() == []
    await desk.library.restore([chat])
    assert [s.title for s in await desk.library.summaries()] == ["Hi"]
    assert (await desk.reopened(session))[0][1] == "Hi"


async def test_what_is_destroyed_leaves_no_state_of_the_engine(
    desk: Desk, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    chat = session.conversation.id
    state = desk.snapshots.path("model", chat)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"what was said, as numbers")
    await desk.library.trash([chat])
    await desk.library.tidy()
    assert state.exists()  # it may still be taken back
    monkeypatch.setattr("minerva_desktop.app.trash_care.TRASH_SECONDS", -1.0)
    await desk.library.tidy()
    assert (state.exists(), _on_disk(database)) == (False, [])


async def test_an_answer_for_which_there_is_no_memory_says_what_to_do(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    with pytest.raises(OutOfMemory) as refused:
        cpu_ledgers(6_300_000_000).allocate({CPU: 15_700_000_000})
    desk.library.on_answer_failed(session.answer_id or "", refused.value)
    await session.close()
    again = await desk.store.load(session.conversation.id)
    failed = again.active_branch()[-1]
    assert failed.error == (
        "Memory exceeded: the model needs 15.7 GB of this computer's memory, of which models may"
        " take 6.3 GB. Give the model a smaller context in its load options (Ctrl+Shift+L), or"
        " allow models more memory in the settings (Ctrl+,)."
    )
    assert failed.failure is not None
    assert failed.failure.is_of_budget
    assert failed.failure.detail == refused.value.detail != ""


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (
            EngineDied("It died", detail="first" + "x" * MAX_DETAIL),
            Failure(EngineDied.code, detail="x" * MAX_DETAIL),
        ),
        (
            ContextLimitExceeded("Context limit exceeded: max 512, required 700"),
            Failure(ContextLimitExceeded.code, n_tokens=700),
        ),
    ],
)
async def test_what_is_kept_of_an_error(desk: Desk, error: MinervaError, kept: Failure) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    desk.library.on_answer_failed(session.answer_id or "", error)
    await session.close()
    again = await desk.store.load(session.conversation.id)
    assert again.active_branch()[-1].failure == kept


async def test_an_answer_that_goes_on_has_not_failed_any_more(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    answer_id = session.answer_id or ""
    desk.library.on_answer_failed(answer_id, InvalidRequest("Too small", param="n_ctx"))
    assert session.conversation[answer_id].failure == Failure("invalid_request_error", "n_ctx")
    await session.retry(answer_id, MODEL)
    await desk.says(session, "Hello")
    await session.close()
    again = await desk.store.load(session.conversation.id)
    (answer,) = again.active_branch()[1:]
    assert (answer.id, answer.error, answer.failure) == (answer_id, None, None)


async def test_a_new_title_and_new_parameters_are_kept(desk: Desk) -> None:
    session = desk.new_session()
    await session.configure("Rhyme.", SamplingParameters(temperature=0.1))
    await session.send("Hi", MODEL)
    desk.library.on_answer_finished(session.answer_id or "", DONE)
    await session.rename("  Greet\u202eings ")
    await session.rename("\u2066")
    await session.configure("Shout.", SamplingParameters(temperature=0.2))
    await session.close()
    again = await desk.store.load(session.conversation.id)
    assert (again.title, again.system_prompt) == ("Greetings", "Shout.")
    assert again.sampling.temperature == 0.2


async def test_a_disk_that_fails_is_told_and_the_answer_goes_on(desk: Desk, database: Path) -> None:
    session = desk.new_session()
    writer = apsw.Connection(str(database))
    writer.set_busy_timeout(5000)  # what was written is being taken into the search index
    writer.execute("BEGIN EXCLUSIVE")  # nobody else can write
    await session.send("Hi", MODEL)
    assert desk.listener.errors != []
    assert len(desk.engine.started) == 1
    writer.execute("ROLLBACK")
    writer.close()
    desk.library.on_answer_text(session.answer_id or "", "Hello")
    desk.library.on_answer_finished(session.answer_id or "", DONE)
    await session.send("And?", MODEL)
    assert [text for _, text, _ in _on_disk(database)] == ["Hi", "Hello", "And?", ""]
