"""Files that cannot be opened, hold nothing usable, or fill the disk."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message

SYNC_NORMAL = 1
SYNC_FULL = 2

Result = TypeVar("Result")
Damage = Callable[[bytes], bytes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if "minerva-store" in thread.name]


def visit(path: Path, *new_titles: str) -> tuple[Path | None, set[str]]:
    """Open the file, store chats of a few pages each, close it.

    Where a damaged file was set aside, and the titles of all chats.
    """

    async def use() -> tuple[Path | None, set[str]]:
        store = await ChatStore.open(path)
        for title in new_titles:
            await store.create(make_conversation("word " * 2000, "word " * 2000, title=title))
        titles = {summary.title for summary in await store.list_conversations()}
        await store.close()
        return (store.recovery.damaged if store.recovery else None), titles

    return asyncio.run(use())


def refusal(path: Path) -> str:
    """The sentence with which opening ``path`` fails; it names the file."""
    with pytest.raises(StoreError) as caught:
        visit(path)
    assert str(path) in caught.value.message
    return caught.value.message


def ask(database: Database, sql: str) -> apsw.SQLiteValue:
    """The first value that ``sql`` gives."""
    return database.run(lambda connection: connection.execute(sql).get).result()


# -- places where nothing can be stored --------------------------------------------------------


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "a file where its folder should be" in refusal(tmp_path / "file" / "chats.db")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_a_regular_file_is_opened(path: Path, make: Callable[[Path], None]) -> None:
    make(path)

    assert re.search("it is (a folder|not a regular file)", refusal(path))


async def test_a_second_window_is_told_that_the_file_is_in_use(path: Path) -> None:
    store = await ChatStore.open(path)
    second = ChatStore(Database(path, busy_timeout_ms=10))

    with pytest.raises(StoreError, match="Minerva is open already"):
        await second.start()

    await store.create(make_conversation("Hi", title="still works"))
    assert len(await store.list_conversations()) == 1
    await store.close()


# -- damaged files -----------------------------------------------------------------------------


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def other_format(content: bytes) -> bytes:
    return b"Dear diary,\n" * 1000


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def broken_inside(content: bytes) -> bytes:
    """The header and the list of tables are whole, the pages of the tables are not."""
    return content[: 3 * 4096] + b"\xa5" * (len(content) - 3 * 4096)


@pytest.mark.parametrize("damage", [zeroed, other_format, cut_short, broken_inside])
def test_a_damaged_file_is_set_aside_and_the_app_starts(path: Path, damage: Damage) -> None:
    visit(path, "a", "b", "c")
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)

    aside, titles = visit(path, "new")

    assert "new" in titles
    assert aside is not None
    assert aside.parent == path.parent
    assert aside.name.startswith("chats-damaged-")
    assert aside.read_bytes() == damaged
    assert visit(path) == (None, titles)


def test_two_damaged_files_do_not_replace_each_other(path: Path) -> None:
    kept = set()
    for text in (b"first", b"second"):
        path.write_bytes(text * 1000)
        aside, _ = visit(path)
        assert aside is not None
        kept.add(aside)

    assert {aside.read_bytes() for aside in kept} == {b"first" * 1000, b"second" * 1000}


def test_the_log_of_a_damaged_file_goes_with_it(path: Path) -> None:
    path.write_bytes(b"x" * 10_000)
    path.with_name("chats.db-wal").write_bytes(b"y" * 10_000)

    aside, _ = visit(path)

    assert aside is not None
    assert aside.with_name(aside.name + "-wal").read_bytes() == b"y" * 10_000


def test_an_empty_file_is_no_damage(path: Path) -> None:
    path.touch()

    assert visit(path, "new") == (None, {"new"})


# -- how the file is kept ------------------------------------------------------------------------


class WatchedDatabase(Database):
    """Notes how well what is written is synced."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.levels: list[apsw.SQLiteValue] = []

    def write(
        self,
        change: Callable[[apsw.Connection], Result],
        *,
        durable: bool,
        key: Hashable | None = None,
    ) -> Future[Result]:
        def watched(connection: apsw.Connection) -> Result:
            self.levels.append(connection.execute("PRAGMA synchronous").get)
            return change(connection)

        return super().write(watched, durable=durable, key=key)


async def test_user_text_is_synced_and_streaming_is_not(path: Path) -> None:
    database = WatchedDatabase(path)
    store = ChatStore(database)
    await store.start()
    conversation = make_conversation("Hi")
    message = conversation.active_branch()[0]

    database.levels.clear()
    await store.create(conversation)
    await store.flush_text(message.id, "Hi there")
    await store.add_message(conversation.id, make_message("more"))
    await store.save_draft(conversation.id, "draft")
    await store.update_message(message)

    assert database.levels == [SYNC_FULL, SYNC_NORMAL, SYNC_FULL, SYNC_NORMAL, SYNC_FULL]
    assert ask(database, "PRAGMA journal_mode") == "wal"
    assert ask(database, "PRAGMA foreign_keys") == 1
    await store.close()


def test_sqlite_is_free_of_the_log_reset_bug() -> None:
    version = tuple(map(int, apsw.sqlite_lib_version().split(".")))

    assert version >= (3, 51, 3)
    assert version[:2] != (3, 52) or version >= (3, 52, 1)


def test_work_handed_in_before_the_close_is_done(path: Path) -> None:
    def add_note(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES ('')")

    def create_notes(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE notes (text)")

    database = Database(path)
    database.open()
    database.write(create_notes, durable=True)
    for _ in range(50):
        database.write(add_note, durable=False)
    count = database.run(lambda connection: connection.execute("SELECT count(*) FROM notes").get)
    database.close()
    database.join()

    assert count.result() == 50
