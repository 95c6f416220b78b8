"""A disk that is full or read-only: nothing written is lost while the app runs, and it is said."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database, DiskTrouble
from minerva_desktop.store.reading import open_for_reading
from tests.chat.samples import make_conversation, make_message
from tests.store.test_old_chats import write_old

NOBODY = 65534
SOON = 0.01


class Desk:
    """A store and what it told."""

    def __init__(self, path: Path) -> None:
        self.told: list[DiskTrouble | None] = []
        self.store = ChatStore(Database(path), on_trouble=self.told.append, retry_seconds=SOON)

    @property
    def trouble(self) -> DiskTrouble | None:
        return self.store.trouble

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await asyncio.sleep(SOON)


@contextmanager
def full_disk(path: Path, room: int = 0) -> Iterator[None]:
    """No file grows beyond the size that the log has now, which is how a quota looks to SQLite."""
    log = path.with_name(path.name + "-wal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(*paths: Path) -> Iterator[None]:
    """Nobody may write there. Root may write everywhere, so it is an ordinary user meanwhile."""
    is_root = os.geteuid() == 0
    for path in paths:
        path.chmod(0o555)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o777)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that ordinary users reach, which tmp_path and the test's own TMPDIR are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


async def loaded(path: Path, conversation_id: str) -> Conversation:
    store = await ChatStore.open(path)
    found = await store.load(conversation_id)
    await store.close()
    return found


async def stream(store: ChatStore, chat: Conversation, n: int) -> Message:
    """A question and its answer, which grows."""
    question = make_message("long question " * 1000, created_at=2000.0)
    chat.add(question)
    await store.add_message(chat.id, question)
    answer = make_message("", question, role=Role.ASSISTANT, state=MessageState.STREAMING)
    chat.add(answer)
    await store.add_message(chat.id, answer)
    for words in range(1, n + 1):
        await store.flush_text(answer.id, "word " * words)
    return answer


async def test_what_a_full_disk_refuses_is_seen_and_written_later(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    desk = Desk(path)
    await desk.store.start()
    chat = make_conversation("Hi", title="Full")
    await desk.store.create(chat)

    with full_disk(path):
        answer = await stream(desk.store, chat, 20)
        # What waits is seen by whatever reads.
        now = await desk.store.load(chat.id)
        assert now[answer.id].text == "word " * 20
        chat.title = "Renamed"
        await desk.store.save_details(chat)
        assert [c.title for c in await desk.store.list_conversations()] == ["Renamed"]
        with pytest.raises(StoreError, match="no-such"):
            await desk.store.trash(["no-such"])
        await desk.until(lambda: len(desk.told) > 5)
        (first, *_, last) = desk.told
        assert first is not None
        assert last is not None
        # The flushes of one answer are one.
        assert (first.n_writes, last.n_writes) == (1, 4)
        assert last.seconds > first.seconds
        assert last.free_bytes > 0
        assert desk.store.trouble == last
        with pytest.raises(StoreError, match="wait for the disk"):
            await desk.store.back_up()

    await desk.until(lambda: desk.told[-1] is None)
    assert desk.trouble is None
    await desk.store.add_message(chat.id, make_message("after"))
    await desk.store.close()
    again = await loaded(path, chat.id)
    assert [m.text[:9] for m in again] == ["Hi", "long ques", "word word", "after"]
    assert again.title == "Renamed"


async def test_the_next_write_takes_what_waits_with_it(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    told: list[DiskTrouble | None] = []
    store = ChatStore(Database(path), on_trouble=told.append, retry_seconds=1000.0)
    await store.start()
    chat = make_conversation("Hi")
    await store.create(chat)
    with full_disk(path):
        await store.add_message(chat.id, make_message("waits " * 1000))
    while not told or told[-1] is not None:
        await store.add_message(chat.id, make_message("next"))
        await asyncio.sleep(SOON)
    await store.close()
    texts = [m.text[:6] for m in await loaded(path, chat.id)]
    assert texts[:3] == ["Hi", "waits ", "next"]


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    store = ChatStore(Database(path), retry_seconds=1000.0)
    await store.start()
    chat = make_conversation("Hi")
    await store.create(chat)
    with full_disk(path):
        await store.add_message(chat.id, make_message("waits " * 1000))
    await store.close()
    assert len(await loaded(path, chat.id)) == 2


async def test_closing_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    store = ChatStore(Database(path), retry_seconds=1000.0)
    await store.start()
    chat = make_conversation("Hi")
    await store.create(chat)
    with full_disk(path):
        await store.add_message(chat.id, make_message("waits " * 1000))
        with pytest.raises(StoreError, match=r"\(1\) could not be written"):
            await store.close()
    assert len(await loaded(path, chat.id)) == 1


async def test_everything_can_be_saved_elsewhere(tmp_path: Path) -> None:
    path, other = tmp_path / "chats.db", tmp_path / "other.db"
    store = ChatStore(Database(path), retry_seconds=1000.0)
    await store.start()
    chat = make_conversation("Hi")
    await store.create(chat)
    with full_disk(path, room=400_000):
        for number in range(100):
            await store.add_message(chat.id, make_message(f"{number} " * 2000))
        await store.flush_text("nobody", "x")
    while store.trouble is None:
        await asyncio.sleep(SOON)

    await store.save_elsewhere(other)

    assert len(await loaded(other, chat.id)) == 101
    assert len(await store.load(chat.id)) == 101, "what waits goes on waiting"
    with pytest.raises(StoreError, match=r"other\.db already"):
        await store.save_elsewhere(other)
    await store.close()
    assert len(await loaded(path, chat.id)) == 101


async def test_chats_that_are_read_only_at_the_start(open_folder: Path) -> None:
    path = open_folder / "chats.db"
    store = await ChatStore.open(path)
    chat = make_conversation("Hi", title="kept")
    await store.create(chat)
    await store.close()
    path.chmod(0o666)
    before = path.read_bytes()
    desk = Desk(path)

    with read_only(path, open_folder):
        await desk.store.start()
        await desk.until(lambda: desk.store.trouble is not None)
        assert desk.store.trouble is not None
        assert "read-only" in desk.store.trouble.reason or "opened" in desk.store.trouble.reason
        assert await desk.store.load(chat.id) == chat
        assert [c.title for c in await desk.store.list_conversations()] == ["kept"]
        assert len((await desk.store.search("hi")).hits) == 1
        answer = await stream(desk.store, chat, 5)
        assert (await desk.store.load(chat.id))[answer.id].text == "word " * 5
        assert path.read_bytes() == before

    await desk.until(lambda: desk.store.trouble is None)
    await desk.store.close()
    assert [m.text[:9] for m in await loaded(path, chat.id)] == ["Hi", "long ques", "word word"]


async def test_a_read_only_folder_without_chats(open_folder: Path) -> None:
    path = open_folder / "chats.db"
    desk = Desk(path)
    chat = make_conversation("Hi", title="new")
    with read_only(open_folder):
        await desk.store.start()
        await desk.store.create(chat)
        assert await desk.store.load(chat.id) == chat

    await desk.until(lambda: desk.store.trouble is None)
    await desk.store.close()
    assert await loaded(path, chat.id) == chat


async def test_chats_that_are_read_only_are_read_without_the_window(open_folder: Path) -> None:
    path = open_folder / "chats.db"
    store = await ChatStore.open(path)
    chat = make_conversation("Hi", title="kept")
    await store.create(chat)
    await store.close()
    with read_only(path, open_folder):
        reading = await open_for_reading(path)
        assert await reading.load(chat.id) == chat
        assert len((await reading.search("hi")).hits) == 1
        await reading.close()


@contextmanager
def left_alone(path: Path) -> Iterator[None]:
    """What is there is read-only, and stays as it is."""
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    with read_only(*before, path.parent):
        yield
        assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


async def read_store(path: Path, *, for_window: bool) -> ChatStore:
    if not for_window:
        return await open_for_reading(path)
    desk = Desk(path)
    await desk.store.start()
    await desk.until(lambda: desk.trouble is not None)
    return desk.store


@pytest.mark.parametrize("for_window", [True, False])
async def test_a_log_in_a_read_only_folder_is_read_too(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, *, for_window: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    source = await ChatStore.open(open_folder / "chats.db")
    chat = make_conversation("Hi", title="in the log")
    await source.create(chat)
    path = open_folder / "left" / "chats.db"  # as after a crash
    path.parent.mkdir()
    for name in ("chats.db", "chats.db-wal"):
        shutil.copyfile(open_folder / name, path.with_name(name))
    await source.close()
    with left_alone(path):
        reading = await read_store(path, for_window=for_window)
        assert await reading.load(chat.id) == chat
        assert len((await reading.search("hi")).hits) == 1
        if not for_window:
            with pytest.raises(StoreError):
                await reading.create_folder("Other")
        assert list(Path("/tmp").glob("minerva-chats-*")) == []
    await reading.close()
    assert await loaded(path, chat.id) == chat


@pytest.mark.parametrize("for_window", [True, False])
async def test_chats_of_an_older_schema_in_a_read_only_folder(
    open_folder: Path, *, for_window: bool
) -> None:
    path = open_folder / "chats.db"
    write_old(path, 1)
    with left_alone(path):
        reading = await read_store(path, for_window=for_window)
        chats = await reading.list_conversations()
        assert [chat.id for chat in chats] == ["c-tea", "c-named"]
        assert len((await reading.search("tea")).hits) > 0
    await reading.close()


async def test_a_folder_in_the_place_of_the_chats_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"it is a folder\. Give it another name"):
        await open_for_reading(tmp_path)
