"""Reading beside whoever has the chats open."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.migrations import MIGRATIONS
from minerva_desktop.store.opening import suspicion
from minerva_desktop.store.reading import open_for_reading
from tests.chat.samples import make_conversation, make_message
from tests.store.impatience import wait_briefly

SCHEMA_1 = Path(__file__).parent / "data" / "schema_v1.sql"


async def test_what_is_written_beside_is_seen_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    writing = await ChatStore.open(path)
    conversation = make_conversation("first", title="Tea")
    await writing.create(conversation)
    reading = await open_for_reading(path)
    assert [chat.title for chat in await reading.list_conversations()] == ["Tea"]
    await writing.add_message(
        conversation.id, make_message("second", conversation.active_branch()[-1])
    )
    texts = [message.text for message in await reading.load(conversation.id)]
    assert texts == ["first", "second"]
    page = await reading.search("second")
    assert [hit.snippet.text for hit in page.hits] == ["second"]
    with pytest.raises(StoreError, match="read-only"):
        await reading.trash([conversation.id])
    await writing.close()
    assert len(await reading.load(conversation.id)) == 2
    await reading.close()


async def test_an_older_file_is_brought_up_to_date_and_a_new_one_made(tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    connection = apsw.Connection(str(old))
    connection.execute(SCHEMA_1.read_text())
    connection.close()
    for path, is_empty in ((old, False), (tmp_path / "new.sqlite3", True)):
        reading = await open_for_reading(path)
        assert (await reading.list_conversations() == []) is is_empty
        await reading.close()
        connection = apsw.Connection(str(path))
        assert connection.execute("PRAGMA user_version").get == len(MIGRATIONS)
        connection.close()


async def test_an_older_file_that_a_window_has_open_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_briefly(monkeypatch)
    path = tmp_path / "chats.sqlite3"
    writing = await ChatStore.open(path)
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(StoreError, match="Minerva is open already"):
        await open_for_reading(path)
    await writing.close()


async def test_a_newer_file_stays_as_it_is_and_a_damaged_one_is_kept(tmp_path: Path) -> None:
    newer = tmp_path / "newer.sqlite3"
    connection = apsw.Connection(str(newer))
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer Minerva"):
        await open_for_reading(newer)
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(b"no database" * 1000)
    reading = await open_for_reading(damaged)
    assert await reading.list_conversations() == []
    await reading.close()
    assert reading.recovery is not None
    assert reading.recovery.damaged.read_bytes() == b"no database" * 1000


async def test_damage_beside_a_window_is_left_to_its_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_briefly(monkeypatch)
    path = tmp_path / "chats.sqlite3"
    writing = await ChatStore.open(path)
    suspicion(path).touch()  # a command before this one met damage
    reading = await open_for_reading(path)
    assert await reading.list_conversations() == []
    assert reading.recovery is None
    assert suspicion(path).exists()
    await reading.close()
    await writing.close()


async def test_a_copy_is_whole_and_one_file(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    writing = await ChatStore.open(path)
    await writing.create(make_conversation("first", title="Tea"))
    reading = await open_for_reading(path)
    folder = tmp_path / "copies"
    folder.mkdir()
    await reading.back_up(folder / "copy.sqlite3")
    assert [each.name for each in folder.iterdir()] == ["copy.sqlite3"]
    with pytest.raises(StoreError, match="cannot be written"):
        await reading.back_up(tmp_path / "none" / "copy.sqlite3")
    await reading.close()
    await writing.close()
    copied = await ChatStore.open(folder / "copy.sqlite3")
    assert [chat.title for chat in await copied.list_conversations()] == ["Tea"]
    await copied.close()
