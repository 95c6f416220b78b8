"""Damage that SQLite reads without a complaint: no chat is out of reach for it, and it is mended
once it is met, or was looked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from minerva_desktop.store import opening
from minerva_desktop.store.chat_store import ChatStore
from tests.store.test_recovery import (
    N_CHATS,
    N_MESSAGES,
    fill,
    reopened,
    root_page,
    spoil_page,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


@pytest.fixture
def filled(path: Path) -> Path:
    fill(path)
    return path


def spoil(path: Path, old: bytes, new: bytes) -> None:
    """Other bytes within rows."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_a_reply_to_nothing_is_shown_where_it_stands(path: Path) -> None:
    chats = fill(path)
    first, second, third, *_ = chats[5]
    spoil(path, first.id.encode(), b"x" * 32)  # in the table and in the indexes

    recovery, found, problems = reopened(path)

    texts = [message.text for message in found[chats[5].id].active_branch()]
    assert texts[1:3] == [second.text, third.text]
    assert recovery is None
    assert problems != []

    recovery, found, problems = reopened(path)
    assert recovery is not None
    assert [m.text for m in found[chats[5].id].active_branch()] == texts
    assert problems == []


def test_a_text_that_is_none_is_met_and_mended(path: Path) -> None:
    chats = fill(path)
    spoil(path, b"chat 7 message 3 ", b"chat \xff message 3 ")
    spoil(path, b"chat 30", b"chat \xe4\xe4")  # in titles, which the list shows

    recovery, found, problems = reopened(path, at_start=True)

    assert recovery is not None
    assert found[chats[30].id].title == "chat \ufffd\ufffd"
    assert [m.text for m in found[chats[7].id]][3].startswith("chat \ufffd message 3 ")
    assert sum(len(chat) for chat in found.values()) == N_CHATS * N_MESSAGES
    assert problems == []


def test_what_only_a_whole_check_finds_is_mended_at_the_next_start(path: Path) -> None:
    chats = fill(path)
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
    connection.execute("PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON")
    # The index then lacks the rows that come, as after a write that only half reached the disk.
    root = root_page(path, "messages_by_parent")
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'messages_by_parent'")
    connection.close()
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE messages SET parent_id = NULL WHERE seq = 3")
    connection.execute("PRAGMA writable_schema = ON")
    sql = "CREATE INDEX messages_by_parent ON messages(parent_id)"
    values = ("index", "messages_by_parent", "messages", root, sql)
    connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", values)
    connection.close()

    recovery, _, problems = reopened(path)
    assert recovery is None
    assert any("messages_by_parent" in problem for problem in problems)

    recovery, found, problems = reopened(path)
    assert recovery is not None
    assert len(found) == len(chats)
    assert problems == []


@pytest.mark.parametrize(("place", "value"), [(60, b"\0\0\x13\x03"), (44, b"\0\0\0\x09")])
def test_a_first_page_that_seems_to_be_of_the_future_is_damaged(
    path: Path, place: int, value: bytes
) -> None:
    chats = fill(path)
    content = path.read_bytes()
    path.write_bytes(content[:place] + value + content[place + len(value) :])

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert found == {chat.id: chat for chat in chats}
    assert problems == []


async def test_a_quick_check_is_for_what_the_start_leaves_out(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await ChatStore.open(filled)
    spoil_page(filled, root_page(filled, "messages_by_parent"))
    assert await store.check(is_quick=True) == []  # of a small file: the start has done it
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)
    (problem,) = await store.check(is_quick=True)
    assert "page" in problem
    assert opening.suspicion(filled).exists()
    await store.close()


async def test_a_check_ends_with_who_waits_for_it(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def problems_of(connection: apsw.Connection, _most: int) -> Iterator[str]:
        begun.set()
        try:  # for ever
            connection.execute(
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) "
                "SELECT max(i) FROM n"
            ).fetchall()
        finally:
            ended.set()
        yield "never"

    monkeypatch.setattr(opening, "problems_of", problems_of)
    store = await ChatStore.open(filled)
    checking = asyncio.ensure_future(store.check())
    assert await asyncio.to_thread(begun.wait, 10)
    checking.cancel()
    assert await asyncio.to_thread(ended.wait, 10)
    assert checking.cancelled()
    await store.close()
