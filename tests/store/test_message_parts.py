"""What messages hold besides text, and taking them out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Conversation, ScrollPosition, TitleSource
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.errors import StoreError
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message

PARTS: tuple[Part, ...] = (
    ReasoningPart("Let me think…", 1250.5),
    FilePart("notes.txt", "a\0b\nc", 5),
    ImagePart("cat.png", "ab" * 32, 1234, "image/png", 640, 480),
    ToolCallPart(ToolCall("call-1", "weather", '{"city":"Zürich"}')),
    ToolResultPart("call-1", "sunny", "weather"),
)
DAY = 24 * 3600.0


class Clock:
    """Unix time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chats.db")


@pytest.fixture
async def store(database: Database, clock: Clock) -> AsyncIterator[ChatStore]:
    store = ChatStore(database, clock)
    await store.start()
    yield store
    await store.close()


def count(database: Database, table: str) -> int:
    return int(str(database.run(lambda c: c.execute(f"SELECT count(*) FROM {table}").get).result()))


# -- parts -------------------------------------------------------------------------------------


async def test_everything_a_chat_is_made_of_comes_back(store: ChatStore) -> None:
    folder = await store.create_folder("Work")
    chat = make_conversation("Hi", "Hello", "More", "Yes")
    hi, hello, *_ = list(chat)
    chat.title, chat.title_source = "Greeting", TitleSource.MODEL
    chat.folder_id, chat.tags = folder.id, ("b", "a")
    chat.is_pinned, chat.is_archived = True, True
    chat.draft, chat.scroll = "draft", ScrollPosition(hello.id, 0.5)
    chat.cuts = (ContextCut(first_id=hello.id, created_at=7.0, summary="Hi was said", model="m"),)
    sampling = SamplingParameters(temperature=0.1, logit_bias={5: -math.inf, 6: 2.5})
    chat.sampling = sampling
    chat.replace(msgspec.structs.replace(hello, parts=PARTS, sampling=sampling))
    chat.branch_from(hi.id)

    await store.create(chat)

    assert await store.load(chat.id) == chat
    (listed,) = await store.list_conversations(is_archived=True)
    assert (listed.is_pinned, listed.folder_id, listed.tags) == (True, folder.id, ("b", "a"))


async def test_thoughts_stream_and_stay(store: ChatStore) -> None:
    chat = make_conversation("Hi")
    await store.create(chat)
    answer = make_message("", *chat, role=Role.ASSISTANT, state=MessageState.STREAMING)
    await store.add_message(chat.id, answer)

    await store.flush_text(answer.id, "", (ReasoningPart("Hm"),))
    await store.flush_text(answer.id, "Well")
    streaming = (await store.load(chat.id))[answer.id]
    assert (streaming.text, streaming.parts) == ("Well", (ReasoningPart("Hm"),))

    done = msgspec.structs.replace(
        answer,
        text="Well!",
        state=MessageState.COMPLETE,
        parts=(ReasoningPart("Hm…", 10.0),),
        sampling=SamplingParameters(seed=3),
    )
    await store.update_message(done)
    await store.flush_text(answer.id, "late", (ReasoningPart("late"),))
    assert (await store.load(chat.id))[answer.id] == done


async def test_half_characters_in_parts_cost_themselves_alone(store: ChatStore) -> None:
    chat = make_conversation()
    message = msgspec.structs.replace(
        make_message("Hi"), parts=(FilePart("a\ud83d.txt", "text \ud83d", 5),)
    )
    await store.create(chat)
    await store.add_message(chat.id, message)

    (stored,) = await store.load(chat.id)
    assert stored.parts == (FilePart("a\ufffd.txt", "text \ufffd", 5),)


async def test_answers_share_what_they_were_asked_with(
    store: ChatStore, database: Database, clock: Clock
) -> None:
    warm, cold = SamplingParameters(), SamplingParameters(temperature=0.0)
    chat = make_conversation("a", "b", "c")
    for message, sampling in zip(list(chat), (warm, cold, warm), strict=True):
        chat.replace(msgspec.structs.replace(message, sampling=sampling))
    await store.create(chat)
    assert count(database, "samplings") == 2

    await store.trash([chat.id])
    await store.destroy([chat.id])
    assert count(database, "samplings") == 0


# -- images ------------------------------------------------------------------------------------


async def test_bytes_are_kept_once_and_for_as_long_as_a_message_names_them(
    store: ChatStore, database: Database, clock: Clock
) -> None:
    digest = await store.store_blob(b"a cat\0")
    assert digest == hashlib.sha256(b"a cat\0").hexdigest()
    assert await store.store_blob(b"a cat\0") == digest
    assert await store.blob(digest) == b"a cat\0"
    unsent = await store.store_blob(b"never sent")
    assert count(database, "blobs") == 2

    chat = make_conversation()
    await store.create(chat)
    image = ImagePart("cat.png", digest, 6, "image/png")
    await store.add_message(chat.id, msgspec.structs.replace(make_message("Hi"), parts=(image,)))
    await store.purge_trash(30 * DAY)
    assert await store.blob(unsent) == b"never sent", "it may be about to be sent"

    clock.now += 2 * DAY
    await store.purge_trash(30 * DAY)
    assert await store.blob(digest) == b"a cat\0"
    with pytest.raises(StoreError, match=unsent):
        await store.blob(unsent)

    await store.trash([chat.id])
    await store.destroy([chat.id])
    with pytest.raises(StoreError, match=digest):
        await store.blob(digest)


# -- taking messages out -----------------------------------------------------------------------


def shape(conversation: Conversation) -> list[tuple[str, str | None, list[str]]]:
    """The tree in the order of creation."""
    known = sorted(conversation, key=lambda message: message.text)
    return [(m.text, m.parent_id, conversation.siblings(m.id)) for m in known]


async def assert_stored(store: ChatStore, conversation: Conversation) -> None:
    loaded = await store.load(conversation.id)
    assert shape(loaded) == shape(conversation)
    assert loaded.active_leaf_id == conversation.active_leaf_id


@pytest.mark.parametrize("with_replies", [True, False])
async def test_a_message_goes_and_comes_back(store: ChatStore, with_replies: bool) -> None:
    chat = make_conversation("1", "2", "3", "4")
    one, two, *_ = list(chat)
    other = make_message("5", one)
    chat.add(other)
    chat.select_branch(two.id)
    await store.create(chat)

    removal = chat.remove(two.id, with_replies=with_replies)
    await store.remove_messages(chat, removal)
    await assert_stored(store, chat)
    assert two.id not in await store.load(chat.id)

    chat.put_back(removal)
    await store.put_back_messages(chat, removal)
    await assert_stored(store, chat)
    assert [m.text for m in (await store.load(chat.id)).active_branch()] == ["1", "2", "3", "4"]


async def test_removed_messages_are_destroyed_with_time(
    store: ChatStore, database: Database, clock: Clock
) -> None:
    chat = make_conversation("1", "2", "3", "4")
    _, two, three, _ = list(chat)
    await store.create(chat)
    # The clock jumps back between the two: the reply outlives what it replied to.
    await store.remove_messages(chat, chat.remove(three.id, with_replies=False))
    clock.now -= 20.0
    await store.remove_messages(chat, chat.remove(two.id, with_replies=False))
    clock.now += 50.0

    assert await store.purge_trash(older_than_seconds=40.0) == []
    assert count(database, "messages") == 3
    clock.now += 50.0
    await store.purge_trash(older_than_seconds=40.0)
    assert count(database, "messages") == 2
    await assert_stored(store, chat)
    assert [m.text for m in (await store.load(chat.id)).active_branch()] == ["1", "4"]


async def test_what_is_not_there_cannot_be_put_back(store: ChatStore, clock: Clock) -> None:
    chat = make_conversation("1", "2")
    await store.create(chat)
    _, two = chat
    removal = chat.remove(two.id, with_replies=False)
    await store.remove_messages(chat, removal)
    clock.now += 100.0
    await store.purge_trash(older_than_seconds=50.0)

    chat.put_back(removal)
    with pytest.raises(StoreError, match=two.id):
        await store.put_back_messages(chat, removal)
