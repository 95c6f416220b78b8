"""What the list of chats does with them: order, folders, tags, copies, trash."""

from __future__ import annotations

import pytest

from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.message import MessageState
from minerva_desktop.errors import StoreError
from tests.app.desk import MODEL, Desk


async def test_a_person_s_title_of_a_closed_chat_is_never_replaced(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hi", "Hello")
    chat = session.conversation.id
    await session.close()
    desk.new_session()  # the first one is forgotten with it, as nothing runs there
    await desk.library.rename(chat, "  Mine ")
    await desk.library.rename(chat, "  ")
    conversation = await desk.store.load(chat)
    assert (conversation.title, conversation.title_source) == ("Mine", TitleSource.PERSON)
    assert session.conversation.title == "Hi"


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


async def test_a_chat_is_warm_while_its_state_is_on_disk(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "one", "ONE")
    chat = session.conversation.id
    assert await desk.library.warm_ids() == frozenset()
    state = desk.snapshots.path("model", chat)
    state.parent.mkdir(parents=True)
    state.write_bytes(b"state")
    assert await desk.library.warm_ids() == {chat}
    desk.snapshots.remove(chat)
    assert await desk.library.warm_ids() == frozenset()
