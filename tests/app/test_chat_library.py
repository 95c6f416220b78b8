"""What the list of chats does with them: order, folders, tags, copies, trash."""

from __future__ import annotations

import asyncio
import weakref
from pathlib import Path

import apsw
import msgspec
import pytest

from minerva_desktop.app.computed_states import forget_states_of
from minerva_desktop.app.trash_care import DAY_SECONDS, TrashCare
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.message import MessageState
from minerva_desktop.errors import InvalidRequest, StoreError
from minerva_desktop.store import opening
from minerva_desktop.store.chat_store import ChatStore
from tests.app.desk import MODEL, Desk
from tests.patience import SECONDS
from tests.store.test_recovery import root_page, spoil_page


async def test_a_person_s_title_of_a_closed_chat_is_never_replaced(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hi", "Hello")
    chat = session.conversation.id
    await session.close()
    del session  # nobody shows it any more
    await desk.library.rename(chat, "  M\u202eine\u2069 ")
    await desk.library.rename(chat, " \u202e ")
    conversation = await desk.store.load(chat)
    assert (conversation.title, conversation.title_source) == ("Mine", TitleSource.PERSON)


async def test_an_open_chat_knows_where_it_was_put(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hi", "Hello")
    chat = session.conversation.id
    folder = await desk.library.create_folder("Home")
    await desk.library.set_pinned([chat], True)
    await desk.library.set_folder([chat], folder.id)
    await desk.library.set_tags(chat, ["a", "b"])
    await desk.library.set_archived([chat], True)
    for conversation in (session.conversation, await desk.store.load(chat)):
        assert (conversation.is_pinned, conversation.is_archived) == (True, True)
        assert (conversation.folder_id, conversation.tags) == (folder.id, ("a", "b"))
    assert [each.id for each in await desk.library.summaries(is_archived=True)] == [chat]
    await desk.library.delete_folder(folder.id)
    assert session.conversation.folder_id is None
    assert await desk.library.folders() == []


async def test_a_copy_of_a_chat_that_answers_breaks_the_answer_off(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    desk.library.on_answer_text(session.answer_id or "", "Half an ans")
    copy_id = await desk.library.duplicate(session.conversation.id)
    desk.library.on_answer_text(session.answer_id or "", "wer")
    copy = await desk.store.load(copy_id)
    assert [(m.text, m.state) for m in copy.active_branch()] == [
        ("Hi", MessageState.COMPLETE),
        ("Half an ans", MessageState.INTERRUPTED),
    ]
    assert copy.title == "Hi (copy)"
    assert session.is_answering


async def test_only_what_is_in_the_trash_is_destroyed(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hi", "Hello")
    chat = session.conversation.id
    state = desk.snapshots.path("model", chat)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"what was said, as numbers")
    with pytest.raises(StoreError):
        await desk.library.destroy([chat])
    assert state.exists()
    await desk.library.trash([chat])
    await desk.library.destroy([chat])
    assert not state.exists()
    assert await desk.library.summaries(in_trash=True) == []


async def test_a_chat_that_is_not_shown_can_be_asked_on(desk: Desk) -> None:
    """As it is after a summary that took a while."""
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    await session.close()
    desk.new_session()
    assert await desk.library.open_session(session.conversation.id) is session
    await desk.answered(session, "Two", "Deux")
    chat = session.conversation.id
    await session.close()
    del session
    assert [message.text for message in (await desk.store.load(chat)).active_branch()] == [
        "One",
        "Un",
        "Two",
        "Deux",
    ]


async def test_a_running_answer_needs_nobody_who_shows_it(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("One", MODEL)
    chat, answer_id = session.conversation.id, session.answer_id or ""
    del session
    desk.library.on_answer_text(answer_id, "Un")
    so_far = (await desk.library.open_session(chat)).answer_so_far
    assert so_far is not None
    assert so_far.text == "Un"


async def test_a_chat_that_nobody_has_takes_no_memory(desk: Desk) -> None:
    session = desk.new_session()
    await session.rename("Numbers")  # or a better title would be thought of for a while
    await desk.answered(session, "One", "Un")
    chat = session.conversation.id
    await session.close()
    alive = weakref.ref(session)
    del session
    desk.new_session()
    assert alive() is None
    assert len((await desk.library.open_session(chat)).conversation) == 2


async def test_a_chat_that_is_opened_twice_at_once_is_one(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    chat = session.conversation.id
    await session.close()
    del session
    desk.new_session()
    first, second = await asyncio.gather(*(desk.library.open_session(chat) for _ in range(2)))
    assert first is second


async def test_what_the_store_refused_stays_while_another_chat_is_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StoreError("The chats cannot be written: the file is damaged")

    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    await session.close()
    chat = session.conversation.id
    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "add_message", refuse)
        await session.send("Two", MODEL)
        await desk.says(session, "Deux")
        await session.close()
    del session
    desk.new_session()
    again = await desk.library.open_session(chat)
    await again.close()
    texts = [message.text for message in (await desk.store.load(chat)).active_branch()]
    assert texts == ["One", "Un", "Two", "Deux"]


async def test_a_backup_that_cannot_be_restored_leaves_the_open_chat_alive(
    desk: Desk, tmp_path: Path
) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    bad = tmp_path / "bad.sqlite3"
    bad.write_bytes(b"not a backup")
    with pytest.raises(StoreError):
        await desk.library.care.restore(bad)
    await desk.answered(session, "Two", "Deux")
    assert desk.listener.changed[-1].text == "Deux"


async def test_a_restored_chat_is_that_of_the_backup(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    await session.close()
    copy = await desk.library.care.copy()
    await desk.answered(session, "Two", "Deux")
    await desk.library.care.restore(copy)
    again = await desk.library.open_session(session.conversation.id)
    assert again is not session
    assert [message.text for message in again.conversation] == ["One", "Un"]
    with pytest.raises(InvalidRequest):  # nobody would hear that answer
        await session.send("Three", MODEL)
    await desk.answered(again, "Two", "Zwei")


async def test_a_chat_that_cannot_be_deleted_stays_alive(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    with pytest.raises(StoreError):
        await desk.library.trash([session.conversation.id, "nothing"])
    await desk.answered(session, "Two", "Deux")
    assert desk.listener.changed[-1].text == "Deux"


def label(desk: Desk, identity: str, model: str) -> None:
    """As an engine does that loads a file of that name."""
    file = desk.snapshots.folder / model
    file.touch()
    desk.snapshots.label(identity, file, is_loaded=True)


async def test_the_states_on_disk_are_told_by_model(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    chat = session.conversation.id
    assert await desk.library.states.by_model() == {}
    for identity, model in (("1a", "one.gguf"), ("1b", "one.gguf"), ("2", "two.gguf")):
        state = desk.snapshots.path(identity, f"{chat}" if identity != "2" else "other")
        state.parent.mkdir(parents=True)
        label(desk, identity, model)
        state.write_bytes(b"state")
    assert await desk.library.states.by_model() == {"one.gguf": {chat}, "two.gguf": {"other"}}
    desk.snapshots.remove(chat)
    assert await desk.library.states.by_model() == {"one.gguf": set(), "two.gguf": {"other"}}


async def test_a_state_of_another_system_prompt_goes(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    chat, sampling = session.conversation.id, session.conversation.sampling
    state = desk.snapshots.path("1", chat)
    state.parent.mkdir(parents=True)
    label(desk, "1", "one.gguf")
    state.write_bytes(b"state")
    prompt, hot = (
        session.conversation.system_prompt,
        msgspec.structs.replace(sampling, temperature=1),
    )
    await session.configure(prompt, hot)
    assert await desk.library.states.by_model() == {"one.gguf": {chat}}
    await session.configure("Rhyme.", sampling)
    assert await desk.library.states.by_model() == {"one.gguf": set()}
    assert not state.exists()
    state.write_bytes(b"state")  # as an engine does a while after an answer: still of the old one
    assert await desk.library.states.by_model() == {"one.gguf": set()}
    assert not state.exists()
    await desk.answered(session, "two", "TWO")
    state.write_bytes(b"state")
    assert await desk.library.states.by_model() == {"one.gguf": {chat}}


async def test_a_state_goes_where_the_chat_begins_otherwise(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    await desk.answered(session, "two", "TWO")
    chat = session.conversation.id
    first, _, second, last = (each.id for each in session.conversation)
    state = desk.snapshots.path("1", chat)
    state.parent.mkdir(parents=True)
    label(desk, "1", "one.gguf")

    state.write_bytes(b"state")
    await session.remove(last, with_replies=True)
    assert await desk.library.states.by_model() == {"one.gguf": {chat}}
    await session.cut((ContextCut(first_id=second, created_at=1.0, summary="Of one."),))
    assert not state.exists()
    await desk.answered(session, "three", "THREE")
    state.write_bytes(b"state")
    await session.cut(())
    assert not state.exists()
    await desk.answered(session, "four", "FOUR")
    state.write_bytes(b"state")
    await session.remove(first, with_replies=False)
    assert await desk.library.states.by_model() == {"one.gguf": set()}
    assert not state.exists()


async def test_the_states_of_one_model_are_forgotten(desk: Desk) -> None:
    for identity, model in (("1a", "one.gguf"), ("1b", "one.gguf"), ("2", "two.gguf")):
        state = desk.snapshots.path(identity, "chat")
        state.parent.mkdir(parents=True)
        label(desk, identity, model)
        state.write_bytes(b"state")
    await forget_states_of(Path("/models/one.gguf"), desk.snapshots.folder)
    assert await desk.library.states.by_model() == {"one.gguf": set(), "two.gguf": {"chat"}}


async def test_the_trash_is_emptied_while_the_app_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.new_session()
    await desk.answered(session, "One", "Un")
    await desk.library.trash([session.conversation.id])
    state = desk.snapshots.path("model", session.conversation.id)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"state")
    gone = asyncio.Event()
    clock = Clock()
    care = TrashCare(desk.store, desk.snapshots, gone.set, clock, look_seconds=0.001)
    await care.tidy()
    assert len(await desk.library.summaries(in_trash=True)) == 1
    monkeypatch.setattr("minerva_desktop.app.trash_care.TRASH_SECONDS", -1.0)
    looks = clock.n_looks
    while clock.n_looks < looks + 3:
        await asyncio.sleep(0.001)
    assert not gone.is_set()  # no day has passed
    clock.now += DAY_SECONDS
    await asyncio.wait_for(gone.wait(), SECONDS)
    assert (await desk.library.summaries(in_trash=True), state.exists()) == ([], False)
    await care.close()


class Clock:
    """Tells the time that it is set to, and counts who asks."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.n_looks = 0

    def __call__(self) -> float:
        self.n_looks += 1
        return self.now


async def test_a_recovery_that_a_full_disk_broke_off_is_tried_again(
    desk: Desk, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.new_session()
    await desk.answered(session, "question", "answer")
    await session.settle()
    await desk.library.close()
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)  # as of a large file
    spoil_page(database, root_page(database, "conversations_listed"))
    again = Desk(await ChatStore.open(database), database.parent / "snapshots")
    with pytest.raises(StoreError) as met:
        await again.library.summaries()
    with monkeypatch.context() as patch:
        patch.setattr(opening, "replace_damaged", _full)
        with pytest.raises(StoreError, match="the disk is full"):
            await again.library.recovered_from(met.value)
    with pytest.raises(StoreError, match="are not open") as closed:
        await again.library.summaries()
    assert await again.library.recovered_from(closed.value)
    assert [chat.title for chat in await again.library.summaries()] == ["question"]
    assert "2 messages in 1 chat could be read" in await again.library.take_recovery_words()
    assert not await again.library.recovered_from(closed.value)  # it is open by now
    await again.library.close()


def _full(*_: object) -> None:
    raise apsw.FullError
