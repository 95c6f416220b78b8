"""What a person does with many chats: folders, tags, pins, the archive, drafts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.chat.conversation import ScrollPosition
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChatStore]:
    store = await ChatStore.open(tmp_path / "chats.db")
    yield store
    await store.close()


async def titles(store: ChatStore, *, is_archived: bool = False) -> list[str]:
    return [chat.title for chat in await store.list_conversations(is_archived=is_archived)]


async def make(store: ChatStore, *names: str) -> list[str]:
    """Ids of new chats."""
    chats = [make_conversation("Hi", title=name) for name in names]
    for chat in chats:
        await store.create(chat)
    return [chat.id for chat in chats]


async def test_several_chats_are_marked_at_once(store: ChatStore) -> None:
    one, two, three = await make(store, "one", "two", "three")

    await store.set_pinned([one, three], True)
    assert {c.title: c.is_pinned for c in await store.list_conversations()} == {
        "one": True,
        "two": False,
        "three": True,
    }
    await store.set_pinned([one], False)
    assert not (await store.load(one)).is_pinned
    assert (await store.load(three)).is_pinned

    await store.set_archived([one, two], True)
    assert await titles(store) == ["three"]
    assert sorted(await titles(store, is_archived=True)) == ["one", "two"]
    assert (await store.load(one)).is_archived
    await store.set_archived([one, two], False)
    assert sorted(await titles(store)) == ["one", "three", "two"]


async def test_of_several_chats_all_or_none_are_changed(store: ChatStore) -> None:
    (one,) = await make(store, "one")

    with pytest.raises(StoreError, match="no-such-chat"):
        await store.set_pinned([one, "no-such-chat"], True)
    with pytest.raises(StoreError, match="no-such-chat"):
        await store.trash([one, "no-such-chat"])
    with pytest.raises(StoreError, match="no-such-folder"):
        await store.set_folder([one], "no-such-folder")

    (summary,) = await store.list_conversations()
    assert (summary.is_pinned, summary.folder_id, summary.deleted_at) == (False, None, None)


async def test_folders_hold_chats_and_leave_them_behind(store: ChatStore) -> None:
    one, two = await make(store, "one", "two")
    work = await store.create_folder("  Work ")
    ideas = await store.create_folder("ideas")
    await store.set_folder([one, two], work.id)

    assert [folder.name for folder in await store.folders()] == ["ideas", "Work"]
    assert {c.folder_id for c in await store.list_conversations()} == {work.id}
    assert (await store.load(one)).folder_id == work.id

    await store.rename_folder(work.id, "Office")
    assert [folder.name for folder in await store.folders()] == ["ideas", "Office"]
    await store.set_folder([one], None)
    await store.delete_folder(work.id)

    assert await store.folders() == [ideas]
    assert {c.folder_id for c in await store.list_conversations()} == {None}


async def test_a_folders_name_is_there_and_its_own(store: ChatStore) -> None:
    work = await store.create_folder("Work")
    ideas = await store.create_folder("Ideas")

    with pytest.raises(StoreError, match="needs a name"):
        await store.create_folder("  ")
    with pytest.raises(StoreError, match="“Work” already"):
        await store.create_folder("WORK")
    with pytest.raises(StoreError, match="“Work” already"):
        await store.rename_folder(ideas.id, "work")
    for refused in (store.rename_folder("no-such", "x"), store.delete_folder("no-such")):
        with pytest.raises(StoreError, match="no folder with the id no-such"):
            await refused

    await store.rename_folder(work.id, "WORK")
    assert [folder.name for folder in await store.folders()] == ["Ideas", "WORK"]


async def test_tags_keep_their_order_and_go_with_the_chat(store: ChatStore) -> None:
    one, two = await make(store, "one", "two")

    await store.set_tags(one, ["zebra", " ", " a\u202epple ", "zebra"])
    await store.set_tags(two, ["Apple"])

    assert (await store.load(one)).tags == ("zebra", "apple")
    assert {c.title: c.tags for c in await store.list_conversations()} == {
        "one": ("zebra", "apple"),
        "two": ("Apple",),
    }
    assert await store.tags() == ["Apple", "apple", "zebra"]

    await store.set_tags(one, ["new"])
    await store.trash([two])
    assert await store.tags() == ["new"]
    with pytest.raises(StoreError, match="no-such-chat"):
        await store.set_tags("no-such-chat", ["x"])


async def test_drafts_and_places_do_not_move_a_chat(store: ChatStore) -> None:
    chat = make_conversation("Hi", title="one", updated_at=5.0)
    await store.create(chat)
    (message,) = chat

    await store.save_draft(chat.id, "half a \ud83d thought")
    await store.save_scroll(chat.id, ScrollPosition(message.id, 0.25))

    loaded = await store.load(chat.id)
    assert loaded.draft == "half a \ufffd thought"
    assert loaded.scroll == ScrollPosition(message.id, 0.25)
    assert loaded.updated_at == 5.0

    await store.save_draft(chat.id, "")
    await store.save_scroll(chat.id, None)
    assert await store.load(chat.id) == chat


async def test_a_sessions_details_leave_what_the_list_changed(store: ChatStore) -> None:
    chat = make_conversation("Hi", title="one")
    await store.create(chat)
    work = await store.create_folder("Work")
    await store.set_pinned([chat.id], True)
    await store.set_folder([chat.id], work.id)
    await store.save_draft(chat.id, "draft")

    chat.title = "renamed"
    await store.save_details(chat)

    loaded = await store.load(chat.id)
    assert (loaded.title, loaded.is_pinned, loaded.folder_id) == ("renamed", True, work.id)
    assert loaded.draft == "draft"


async def test_only_what_is_in_the_trash_is_destroyed_for_good(store: ChatStore) -> None:
    one, two, three = await make(store, "one", "two", "three")
    await store.trash([one])

    with pytest.raises(StoreError, match=f"{two} in the trash"):
        await store.destroy([one, two])
    assert [c.title for c in await store.list_conversations(in_trash=True)] == ["one"]

    await store.set_archived([three], True)
    await store.trash([two, three])
    await store.destroy([one, three])

    assert [c.title for c in await store.list_conversations(in_trash=True)] == ["two"]
    for gone in (one, three):
        with pytest.raises(StoreError, match=gone):
            await store.load(gone)
