"""The list of chats: its order, its search, and the trash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message


class Clock:
    """Unix time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chats.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[ChatStore]:
    store = await ChatStore.open(path)
    yield store
    await store.close()


async def titles(store: ChatStore) -> list[str]:
    return [summary.title for summary in await store.list_conversations()]


# -- the list and the trash ------------------------------------------------------------------


async def test_the_list_shows_the_last_updated_first(store: ChatStore) -> None:
    old = make_conversation("a", title="old", updated_at=1000.0)
    for conversation in (
        old,
        make_conversation("b", title="new", updated_at=3000.0),
        make_conversation("c", title="middle", updated_at=2000.0),
    ):
        await store.create(conversation)
    assert await titles(store) == ["new", "middle", "old"]

    await store.add_message(old.id, make_message("more", created_at=4000.0))

    assert await titles(store) == ["old", "new", "middle"]
    (first, *_) = await store.list_conversations()
    assert (first.id, first.updated_at, first.model) == (old.id, 4000.0, None)


async def test_renaming_a_chat_does_not_move_it(store: ChatStore) -> None:
    renamed = make_conversation("a", title="old", updated_at=1000.0)
    await store.create(renamed)
    await store.create(make_conversation("b", title="new", updated_at=3000.0))

    renamed.title = "renamed"
    await store.save_details(renamed)

    assert await titles(store) == ["new", "renamed"]


async def test_a_trashed_chat_can_be_brought_back(store: ChatStore) -> None:
    conversation = make_conversation("Hi", "Hello!", title="Greeting")
    await store.create(conversation)

    await store.trash([conversation.id])
    assert await titles(store) == []

    await store.restore([conversation.id])
    assert await titles(store) == ["Greeting"]
    assert await store.load(conversation.id) == conversation


async def test_only_what_was_long_in_the_trash_is_destroyed(path: Path) -> None:
    clock = Clock()
    store = ChatStore(Database(path), clock)
    await store.start()
    kept = make_conversation("kept", title="kept")
    recent = make_conversation("recent", title="recent")
    # Longer than the 1,000 levels to which SQLite follows cascading deletes.
    long = make_conversation(*["word"] * 3000, title="long")
    for conversation in (kept, recent, long):
        await store.create(conversation)
    await store.trash([long.id])
    clock.now += 100.0
    await store.trash([recent.id])

    assert await store.purge_trash(older_than_seconds=50.0) == [long.id]

    with pytest.raises(StoreError, match=long.id):
        await store.load(long.id)
    await store.restore([recent.id])
    assert sorted(await titles(store)) == ["kept", "recent"]
    assert await store.load(kept.id) == kept
    await store.close()
    database = Database(path)
    database.open().result()
    assert database.run(lambda c: c.execute("SELECT count(*) FROM messages").get).result() == 2
    database.close().result()
