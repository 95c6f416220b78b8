"""A damaged file: what can be read of it is in the new one, and the person is told."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.errors import StoreError
from minerva_desktop.store import opening
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from minerva_desktop.store.failures import is_damage
from minerva_desktop.store.recovery import Recovery
from minerva_desktop.store.recovery_pages import rows_of
from minerva_desktop.store.search_index import PART_BITS, part_name
from tests.chat.samples import make_conversation
from tests.store.test_old_chats import write_old

PAGE = 4096
N_CHATS = 40
N_MESSAGES = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats.db"


def fill(path: Path) -> list[Conversation]:
    """Chats of which each has several pages."""
    chats = []
    for number in range(N_CHATS):
        texts = [f"chat {number} message {n} " + "word " * 100 for n in range(N_MESSAGES)]
        chats.append(make_conversation(*texts, title=f"chat {number}", updated_at=1000.0 * number))

    async def store_them() -> None:
        store = await ChatStore.open(path)
        for chat in chats:
            await store.create(chat)
        await store.close()

    asyncio.run(store_them())
    return chats


def reopened(
    path: Path, *, at_start: bool = False
) -> tuple[Recovery | None, dict[str, Conversation], list[str]]:
    """What was recovered, all chats, and what a whole check of the new file says. ``at_start``:
    damage is met when the chats are listed, as the window does at its start."""

    async def look() -> tuple[Recovery | None, dict[str, Conversation], list[str]]:
        store = await ChatStore.open(path)
        try:
            if at_start:
                with pytest.raises(StoreError) as met:
                    await store.list_conversations()
                assert is_damage(met.value)
                await store.open_anew()
            listed = await store.list_conversations()
            chats = {chat.id: await store.load(chat.id) for chat in listed}
            return store.recovery, chats, await store.check()
        finally:
            await store.close()

    return asyncio.run(look())


def root_page(path: Path, name: str) -> int:
    connection = apsw.Connection(str(path))
    found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).get
    connection.close()
    return int(str(found))


def spoil_page(path: Path, number: int) -> None:
    content = bytearray(path.read_bytes())
    content[(number - 1) * PAGE : number * PAGE] = b"\xa5" * PAGE
    path.write_bytes(content)


@pytest.mark.parametrize("index", ["messages_by_parent", "conversations_listed", "messages_first"])
def test_a_damaged_index_costs_nothing(path: Path, index: str) -> None:
    chats = fill(path)
    spoil_page(path, root_page(path, index))

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert (recovery.n_chats, recovery.n_messages) == (N_CHATS, N_CHATS * N_MESSAGES)
    assert (recovery.n_lost_chats, recovery.n_lost_messages) == (0, 0)
    assert found == {chat.id: chat for chat in chats}
    assert problems == []
    assert reopened(path)[0] is None


def test_a_damaged_search_index_is_made_anew_at_the_next_start(path: Path) -> None:
    chats = fill(path)
    part = part_name(1000 >> PART_BITS)
    for table in (f"{part}_data", f"{part}_idx"):
        spoil_page(path, root_page(path, table))
    shown: list[str] = []

    async def look() -> int:
        store = await ChatStore.open(path)
        try:
            assert store.recovery is None
            page = await store.search('"chat 7 message 3"')
            return len(page.hits)
        except StoreError as error:
            shown.append(error.message)
            assert await store.load(chats[0].id) == chats[0]
            return 0
        finally:
            await store.close()

    assert asyncio.run(look()) == 0
    assert "Start Minerva again" in shown[0]
    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert (recovery.n_lost_chats, recovery.n_lost_messages) == (0, 0)
    assert found == {chat.id: chat for chat in chats}
    assert problems == []
    assert asyncio.run(look()) == 1
    assert len(shown) == 1


def test_lost_pages_cost_what_was_on_them(path: Path) -> None:
    fill(path)
    damaged = set()
    chance = random.Random(5)
    for _ in range(12):
        damaged.add(chance.randrange(5, path.stat().st_size // PAGE))
    for number in damaged:
        spoil_page(path, number)
    content = path.read_bytes()

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert recovery.damaged.read_bytes() == content
    assert problems == []
    n_found = sum(len(chat) for chat in found.values())
    assert recovery.n_messages == n_found
    # A page holds 6 messages; that of an inner node leads to many that are found otherwise.
    assert n_found >= N_CHATS * N_MESSAGES - 12 * 8
    assert all(chat.active_leaf_id is not None for chat in found.values())


def test_what_lies_behind_many_damaged_pages_is_read(path: Path) -> None:
    fill(path)
    n_all = N_CHATS * N_MESSAGES
    pages = range(2, path.stat().st_size // PAGE + 1)
    for number in random.Random(3).sample(pages, len(pages) // 10):
        spoil_page(path, number)

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert recovery.n_messages == sum(len(chat) for chat in found.values())
    # A tenth is on the damaged pages, and a tenth of the index's entries is, too.
    assert recovery.n_messages > n_all * 0.8
    assert n_all * 0.95 < recovery.n_messages + recovery.n_lost_messages <= n_all
    assert "could be read, at least " in recovery.words
    assert problems == []


def test_pages_are_read_as_the_log_has_them(path: Path, tmp_path: Path) -> None:
    async def copy() -> Path:
        store = await ChatStore.open(path)
        await store.create(make_conversation("in the log only"))
        other = tmp_path / "other.db"
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{other}{suffix}")
        await store.close()
        return other

    copied = asyncio.run(copy())
    assert b"in the log only" not in copied.read_bytes()

    assert sum("in the log only" in values for _, values in rows_of(copied)) == 1


def test_what_was_destroyed_does_not_come_back(path: Path) -> None:
    chats = fill(path)

    async def destroy() -> None:
        store = await ChatStore.open(path)
        gone = [chat.id for chat in chats[:10]]
        await store.trash(gone)
        await store.destroy(gone)
        await store.close()

    asyncio.run(destroy())
    assert chats[5].id.encode() in path.read_bytes()  # SQLite leaves what it frees
    spoil_page(path, root_page(path, "messages"))

    recovery, found, _ = reopened(path)

    assert recovery is not None
    assert found == {chat.id: chat for chat in chats[10:]}


def test_a_chat_whose_own_row_is_lost_keeps_its_messages(path: Path) -> None:
    chats = fill(path)
    database = Database(path)
    database.open().result()
    database.run(lambda c: c.execute("PRAGMA foreign_keys = OFF").fetchall()).result()
    database.write(lambda c: lose_rows(c, chats[3].id, chats[4]), durable=True).result()
    database.close().result()
    spoil_page(path, root_page(path, "messages_first"))

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert recovery.n_lost_chats == 1
    adopted, shortened = found[chats[3].id], found[chats[4].id]
    assert adopted.title == "Recovered chat"
    assert [m.text for m in adopted.active_branch()] == [m.text for m in chats[3]]
    texts = [m.text for m in chats[4]]
    assert [m.text for m in shortened.active_branch()] == texts[:9] + texts[11:-1]
    assert problems == []


def lose_rows(connection: apsw.Connection, conversation_id: str, other: Conversation) -> None:
    connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
    messages = list(other)
    for message in (*messages[9:11], messages[-1]):
        connection.execute("DELETE FROM messages WHERE id = ?", (message.id,))


def test_damage_that_the_start_meets_is_recovered_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file is not looked through as it is opened."""
    chats = fill(path)
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)
    spoil_page(path, root_page(path, "messages_streaming"))

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert found == {chat.id: chat for chat in chats}
    assert problems == []


def test_an_old_damaged_file_is_recovered_and_brought_up_to_date(path: Path) -> None:
    write_old(path, 1)
    connection = apsw.Connection(str(path))
    # Too long for the page of the table, so that there is another one to lose.
    connection.execute("UPDATE messages SET text = ? WHERE id = 'm-named-1'", ("word " * 2000,))
    connection.close()
    spoil_page(path, path.stat().st_size // PAGE)

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert sorted(found) == ["c-named", "c-tea"]
    assert [m.text for m in found["c-tea"]][:2] == [
        "How long does\ngreen tea steep?",
        "Two minutes.",
    ]
    assert recovery.n_messages + recovery.n_lost_messages == 5
    assert problems == []


def test_without_the_first_page_everything_else_is_read(path: Path) -> None:
    chats = fill(path)
    long = make_conversation("ä word " * 30_000, title="long")
    long.tags, long.is_pinned, long.created_at = ("tag",), True, 0.5

    async def add() -> str:
        store = await ChatStore.open(path)
        folder = await store.create_folder("Work")
        long.folder_id = folder.id
        await store.create(long)
        digest = await store.store_blob(b"image" * 5000)
        await store.close()
        return digest

    digest = asyncio.run(add())
    content = path.read_bytes()
    path.write_bytes(bytes(PAGE) + content[PAGE:])

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert (recovery.n_chats, recovery.n_messages) == (N_CHATS + 1, N_CHATS * N_MESSAGES + 1)
    assert found == {chat.id: chat for chat in (*chats, long)}
    assert problems == []

    async def blob() -> bytes:
        store = await ChatStore.open(path)
        try:
            assert [folder.name for folder in await store.folders()] == ["Work"]
            return await store.blob(digest)
        finally:
            await store.close()

    assert asyncio.run(blob()) == b"image" * 5000


def test_a_row_from_before_a_column_came_is_read_without_the_first_page(path: Path) -> None:
    """Adding a column leaves the rows that are there as they are."""
    write_old(path, 2)
    _, before, _ = reopened(path)  # brings it up to date
    content = path.read_bytes()
    path.write_bytes(bytes(PAGE) + content[PAGE:])

    recovery, found, problems = reopened(path)

    assert recovery is not None
    assert recovery.n_lost_chats == 0
    assert found == before
    assert found["c-tea"].title == "Green Tea"
    assert problems == []


@given(content=st.binary(max_size=200), seed=st.integers(0, 1000))
def test_any_page_can_be_looked_at(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "pages"
    rest = random.Random(seed).randbytes(3 * PAGE - len(content) - 1)
    path.write_bytes(bytes(PAGE) + b"\x0d" + content + rest)

    for rowid, values in rows_of(path):
        assert isinstance(rowid, int)
        assert values is not None


def test_half_a_file_gives_what_is_in_it(path: Path) -> None:
    fill(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    recovery, found, _ = reopened(path)

    assert recovery is not None
    assert recovery.n_messages == sum(len(chat) for chat in found.values()) > 50
    assert recovery.n_lost_messages > 0


def test_a_recovery_that_is_killed_before_its_end_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = fill(path)
    spoil_page(path, root_page(path, "messages_by_parent"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(Killed):
            opening.replace_damaged(path, Database(path)._migrations)
    assert path.exists()
    recovered = opening.replace_damaged(path, Database(path)._migrations)
    assert recovered.n_messages == N_CHATS * N_MESSAGES

    # Killed between the two names: the damaged file is away, the new one has not its name yet.
    path.rename(path.with_name(path.name + ".recovered"))
    assert len(reopened(path)[1]) == len(chats)


class Killed(BaseException):
    """Nothing catches it."""


def killed(*_: object) -> None:
    raise Killed
