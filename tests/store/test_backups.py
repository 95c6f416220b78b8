"""Copies of all chats: made beside other work, kept for some time, brought back."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.message import MessageState
from minerva_desktop.errors import StoreError
from minerva_desktop.paths import BACKUPS
from minerva_desktop.store import backup_files, care
from minerva_desktop.store.backup_files import (
    N_KEPT,
    PAGES_A_STEP,
    STEPS_A_SYNC,
    BackupReason,
    Copy,
)
from minerva_desktop.store.care import Care
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message
from tests.store.test_old_chats import write_old

DAY = 24 * 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[ChatStore]:
    store = await ChatStore.open(path)
    yield store
    await store.close()


async def titles(store: ChatStore) -> list[str]:
    return sorted(chat.title for chat in await store.list_conversations())


async def titles_in(path: Path) -> list[str]:
    store = await ChatStore.open(path)
    found = await titles(store)
    await store.close()
    return found


async def test_a_backup_brings_all_chats_back(store: ChatStore) -> None:
    kept = make_conversation("Hi", "Hello", title="kept")
    await store.create(kept)
    answer = make_message("half", list(kept)[-1], state=MessageState.STREAMING)
    await store.add_message(kept.id, answer)
    kept.add(msgspec.structs.replace(answer, state=MessageState.INTERRUPTED))
    made = await store.back_up()
    (listed,) = await store.backups()
    assert (listed.path, listed.reason) == (made, BackupReason.ASKED)
    assert listed.n_bytes == made.stat().st_size

    await store.create(make_conversation("x", title="later"))
    await store.trash([kept.id])
    await store.restore_backup(made)

    assert await titles(store) == ["kept"]
    assert await store.load(kept.id) == kept
    assert [hit.conversation.id for hit in (await store.search("hello")).hits] == [kept.id]
    (before, _) = await store.backups()
    assert before.reason is BackupReason.RESTORE
    await store.restore_backup(before.path)
    assert await titles(store) == ["later"]
    assert await store.check() == []
    await store.create(make_conversation("x", title="goes on"))


async def test_a_backup_goes_where_it_is_asked_to(store: ChatStore, tmp_path: Path) -> None:
    await store.create(make_conversation("Hi", title="kept"))
    target = tmp_path / "elsewhere.db"

    assert await store.back_up(target) == target
    assert list(tmp_path.glob("elsewhere*")) == [target]
    with pytest.raises(StoreError, match=r"a file at .*elsewhere\.db already"):
        await store.back_up(target)
    with pytest.raises(StoreError, match="no-such-folder"):
        await store.back_up(tmp_path / "no-such-folder" / "x.db")
    assert await store.backups() == []
    assert await titles_in(target) == ["kept"]


async def test_messages_that_come_while_it_is_made_do_not_wait(
    store: ChatStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_files, "PAGES_A_STEP", 2)
    chat = make_conversation(*["word " * 1000] * 50, title="long")
    await store.create(chat)
    copying = asyncio.ensure_future(store.back_up())
    texts: list[str] = []
    while not copying.done():
        message = make_message(f"number {len(texts)}")
        await store.add_message(chat.id, message)
        texts.append(message.text)

    assert len(texts) > 5
    await store.close()
    found = await ChatStore.open(await copying)
    copied = [message.text for message in await found.load(chat.id)][50:]
    await found.close()
    assert copied == texts[: len(copied)]


async def test_each_step_of_it_copies_few_pages_whatever_the_size(
    store: ChatStore, path: Path, tmp_path: Path
) -> None:
    """Writes get their turn between two of them."""
    for _ in range(20):
        await store.create(make_conversation(*["word " * 1000] * 50))
    await store.close()
    database = Database(path)
    database.open().result()
    copy = Copy(tmp_path / "copy.db")
    left: list[int] = []
    while not database.run(copy.step).result():
        assert copy._backup is not None
        left.append(copy._backup.remaining)
    copy.drop()
    database.close().result()

    steps = [one - other for one, other in itertools.pairwise(left)]
    assert set(steps) == {PAGES_A_STEP}
    assert len(steps) > 3


async def test_it_never_leaves_much_for_the_disk_to_do_at_once(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that have to be on the disk would wait behind that."""
    syncs: list[tuple[str, str]] = []

    def sync(path: Path) -> None:
        syncs.append((path.suffix, threading.current_thread().name))

    monkeypatch.setattr(backup_files, "PAGES_A_STEP", 4)
    monkeypatch.setattr(backup_files, "sync", sync)
    await store.create(make_conversation(*["word " * 1000] * 50))
    made = await store.back_up()

    n_steps = made.stat().st_size // 4096 // 4
    n_during = [suffix for suffix, _ in syncs].count(".part")
    assert n_steps // STEPS_A_SYNC <= n_during <= n_steps // STEPS_A_SYNC + 1
    assert n_during > 2
    assert not any(thread.startswith("minerva-store") for _, thread in syncs)


async def test_a_backup_that_is_given_up_leaves_nothing(
    store: ChatStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_files, "PAGES_A_STEP", 1)
    await store.create(make_conversation(*["word " * 1000] * 50))
    copying = asyncio.ensure_future(store.back_up())
    while not list((path.parent / "backups").glob("*.part")):
        await store.list_conversations()

    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying

    assert list((path.parent / "backups").iterdir()) == []


async def test_what_a_copy_would_lack_and_the_chats_themselves_are_not_restored(
    store: ChatStore, path: Path, tmp_path: Path
) -> None:
    await store.create(make_conversation("Hi", title="kept"))
    copy = await store.back_up(tmp_path / "copy.db")
    (tmp_path / "copy.db-wal").write_bytes(b"newer chats")
    with pytest.raises(StoreError, match=r"copy\.db-wal yet"):
        await store.restore_backup(copy)
    with pytest.raises(StoreError, match="the chats that are open"):
        await store.restore_backup(path)
    with pytest.raises(StoreError, match="not there"):
        await store.restore_backup(tmp_path / "gone.db")
    assert await titles(store) == ["kept"]


@pytest.mark.parametrize("content", [b"", b"Dear diary\n" * 1000, None])
async def test_what_is_no_backup_is_not_restored(
    store: ChatStore, tmp_path: Path, content: bytes | None
) -> None:
    await store.create(make_conversation("Hi", title="kept"))
    bad = tmp_path / "bad.db"
    if content is None:
        good = (await store.back_up()).read_bytes()
        bad.write_bytes(good[:8192] + b"\xa5" * (len(good) - 8192))
    else:
        bad.write_bytes(content)

    with pytest.raises(StoreError, match=r"bad\.db"):
        await store.restore_backup(bad)

    assert await titles(store) == ["kept"]


async def test_an_old_backup_is_brought_up_to_date_a_newer_one_is_refused(
    store: ChatStore, tmp_path: Path
) -> None:
    write_old(tmp_path / "old.db", 1)
    await store.restore_backup(tmp_path / "old.db")
    assert await titles(store) == ["How long does green tea…", "Trip to Kyōto 京都"]
    assert (await store.search("steep")).hits[0].conversation.id == "c-tea"
    assert await store.check() == []

    newer = await store.back_up(tmp_path / "newer.db")
    database = Database(newer)
    database.open().result()
    database.run(lambda c: c.execute("PRAGMA user_version = 99").fetchall()).result()
    database.close().result()
    with pytest.raises(StoreError, match="format 99"):
        await store.restore_backup(newer)


async def test_one_a_day_is_made_and_seven_are_kept(path: Path) -> None:
    now = time.time()
    database = Database(path)
    store = ChatStore(database)
    await store.start()
    await store.create(make_conversation("Hi", title="kept"))
    clock = now
    keeper = Care(database, lambda: clock, None, 1.0)
    for days_ago in range(9, 0, -1):
        clock = now - days_ago * DAY
        await keeper.back_up_if_due()
        newest = (await store.backups())[0].path
        os.utime(newest, (clock, clock))
        await keeper.back_up_if_due()  # there is one already

    backups = await store.backups()
    assert [b.reason for b in backups] == [BackupReason.DAILY] * N_KEPT
    assert [round((now - b.created_at) / DAY) for b in backups] == [1, 2, 3, 4, 5, 6, 7]
    await store.close()


async def test_daily_backups_are_made_while_the_app_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "FIRST_BACKUP_SECONDS", 0.0)
    store = await ChatStore.open(path)
    await store.create(make_conversation("Hi"))
    while not await store.backups():
        await store.list_conversations()
    await store.close()


async def test_a_whole_check_says_what_is_wrong(path: Path) -> None:
    database = Database(path)
    store = ChatStore(database)
    await store.start()
    chat = make_conversation("Hi", title="x")
    await store.create(chat)
    assert await store.check() == []

    def spoil(connection: object) -> None:
        database._opened().execute("UPDATE messages SET conversation_id = 'nobody'")

    database.run(lambda c: c.execute("PRAGMA foreign_keys = OFF").fetchall()).result()
    database.write(spoil, durable=True).result()

    (problem,) = await store.check()
    assert "of messages refers to what is not in conversations" in problem
    await store.close()


async def test_what_a_killed_process_left_unfinished_goes_at_the_next_start(path: Path) -> None:
    folder = path.parent / BACKUPS
    folder.mkdir()
    own = (
        folder / "chats-20260101-120000-restore.db.part",
        folder / "chats-20260101-120000-daily-2.db.part",
        path.with_name("chats.db.part"),
        path.with_name("chats.db.part-wal"),
    )
    other = (
        folder / "chats-20260101-120000-restore.db",
        folder / "mine.db.part",
        folder / "chats-20260101-120000-weekly.db.part",
    )
    young = folder / "chats-20260101-120001-restore.db.part"
    for file in (*own, *other, young):
        file.write_bytes(b"some")
        age = 5.0 if file == young else 61.0
        os.utime(file, (time.time() - age, time.time() - age))

    assert await titles_in(path) == []

    assert [file for file in own if file.exists()] == []
    assert all(file.exists() for file in (*other, young))
