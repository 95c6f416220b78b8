"""A look at the chats that changes nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.health import check_health, sqlite_version
from minerva_desktop.store.migrations import MIGRATIONS
from tests.chat.samples import make_conversation
from tests.store.test_recovery import root_page, spoil_page


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """A file with a chat, closed."""
    path = tmp_path / "chats" / "chats.sqlite3"

    async def create() -> None:
        store = await ChatStore.open(path)
        await store.create(make_conversation("Hello", title="A chat"))
        await store.close()

    asyncio.run(create())
    return path


def traces(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}


def test_a_whole_file_is_left_without_a_trace(chats: Path) -> None:
    before = traces(chats)
    health = check_health(chats)
    assert health is not None
    assert (health.schema, health.known, health.problem) == (len(MIGRATIONS),) * 2 + ("",)
    assert health.n_bytes == chats.stat().st_size
    assert traces(chats) == before
    assert sqlite_version() == apsw.sqlite_lib_version()


def test_no_file_is_no_fault(tmp_path: Path) -> None:
    assert check_health(tmp_path / "chats.sqlite3") is None
    assert list(tmp_path.iterdir()) == []


async def test_beside_a_window_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    store = await ChatStore.open(path)
    await store.create(make_conversation("Hello", title="A chat"))
    health = await asyncio.to_thread(check_health, path)
    assert health is not None
    assert health.problem == ""
    assert health.n_bytes > path.stat().st_size  # what is in its log counts
    await store.create(make_conversation("Again", title="Another"))  # it was not locked
    await store.close()


def test_damage_is_told_and_left(chats: Path) -> None:
    spoil_page(chats, root_page(chats, "messages"))
    before = traces(chats)
    health = check_health(chats)
    assert health is not None
    assert health.problem.startswith("it is damaged (")
    assert traces(chats) == before


def test_damage_that_sqlite_reads_without_a_complaint_is_told(chats: Path) -> None:
    content = chats.read_bytes()
    assert b"Hello" in content
    chats.write_bytes(content.replace(b"Hello", b"H\xffllo"))
    health = check_health(chats)
    assert health is not None
    assert health.problem.startswith("it is damaged (")
    assert "“Check for damage”" in health.problem


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    health = check_health(path)
    assert health is not None
    assert health.problem.startswith("it is damaged (")
    path.unlink()
    os.mkfifo(path)  # which would block whoever opens it
    health = check_health(path)
    assert health is not None
    assert health.problem == "it is not a regular file"


def test_a_newer_file_is_named_and_left(chats: Path) -> None:
    with closing(apsw.Connection(str(chats))) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = traces(chats)
    health = check_health(chats)
    assert health is not None
    assert (health.schema, health.problem) == (99, "")
    assert traces(chats) == before
