"""Chats that come back from disk as they were."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest
import qasync
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.copies import copy_of
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import StoreError
from minerva_desktop.store import message_rows
from minerva_desktop.store.chat_store import SLICE, ChatStore
from minerva_desktop.store.database import Database
from tests.chat.samples import make_conversation, make_message


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


# -- what is stored comes back -------------------------------------------------------------


async def test_a_chat_comes_back_after_a_restart(path: Path) -> None:
    conversation = make_conversation("Hi", "Hello!", title="Greeting")
    conversation.model = "SmolLM2.gguf"
    conversation.system_prompt = "Be kind."
    conversation.sampling = SamplingParameters(temperature=0.2, seed=7, stop=("END", "ß"))
    store = await ChatStore.open(path)
    await store.create(conversation)
    await store.close()

    store = await ChatStore.open(path)

    assert await store.load(conversation.id) == conversation
    assert store.recovery is None
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["chats.db", "chats.db.lock"]


async def test_a_whole_tree_and_its_active_branch_come_back(store: ChatStore) -> None:
    conversation = make_conversation("Hi", "Hello!", "Cats?", "They purr.")
    await store.create(conversation)
    first, hello, cats, _ = conversation.active_branch()
    for message in (
        make_message("Dogs?", hello, created_at=2000.0),
        make_message("Good morning", created_at=1500.0),
    ):
        conversation.add(message)
        await store.add_message(conversation.id, message)

    loaded = await store.load(conversation.id)
    assert loaded == conversation
    assert [message.text for message in loaded.active_branch()] == ["Good morning"]
    assert loaded.updated_at == 2000.0

    conversation.select_branch(cats.id)
    await store.save_details(conversation)

    loaded = await store.load(conversation.id)
    assert [m.text for m in loaded.active_branch()] == ["Hi", "Hello!", "Cats?", "They purr."]
    assert loaded.siblings(first.id) == conversation.siblings(first.id)


async def test_an_answer_streams_and_ends_with_its_numbers(store: ChatStore) -> None:
    conversation = make_conversation("Hi")
    await store.create(conversation)
    answer = make_message(
        "", conversation.active_branch()[-1], role=Role.ASSISTANT, state=MessageState.STREAMING
    )
    await store.add_message(conversation.id, answer)

    await store.flush_text(answer.id, "Hel")
    await store.flush_text(answer.id, "Hello")

    streaming = (await store.load(conversation.id))[answer.id]
    assert (streaming.text, streaming.state) == ("Hello", MessageState.STREAMING)

    done = msgspec.structs.replace(
        answer,
        text="Hello!",
        state=MessageState.COMPLETE,
        model="SmolLM2.gguf",
        completion=Completion(
            finish_reason=FinishReason.STOP,
            timings=Timings(prompt_tokens=9, completion_tokens=3, decode_ms=50.5),
            seed=4_000_000_000,
        ),
    )
    await store.update_message(done)
    await store.flush_text(answer.id, "Hello")

    assert (await store.load(conversation.id))[answer.id] == done, "a late flush must not cut it"


async def test_a_failed_answer_keeps_its_reason(store: ChatStore) -> None:
    conversation = make_conversation("Hi", "Hel")
    await store.create(conversation)
    failed = msgspec.structs.replace(
        conversation.active_branch()[-1], state=MessageState.FAILED, error="The model crashed"
    )

    await store.update_message(failed)

    assert (await store.load(conversation.id))[failed.id] == failed


@pytest.mark.parametrize("text", ["", "a\0b", "\r\n", "😀 ñ ﷽", "'; DROP TABLE messages; --"])
async def test_any_text_comes_back(store: ChatStore, text: str) -> None:
    conversation = make_conversation(text, title=text)
    await store.create(conversation)

    assert await store.load(conversation.id) == conversation


async def test_half_a_surrogate_pair_costs_one_character_not_the_message(store: ChatStore) -> None:
    broken = "left \ud83d right"
    conversation = make_conversation("Hi", title=broken)
    conversation.model = conversation.system_prompt = broken
    conversation.sampling = SamplingParameters(stop=(broken,))
    await store.create(conversation)
    answer = msgspec.structs.replace(
        make_message(broken, conversation.active_branch()[-1], state=MessageState.STREAMING),
        model=broken,
        error=broken,
    )
    await store.add_message(conversation.id, answer)
    await store.flush_text(answer.id, broken + "\ud83d\ude00")

    loaded = await store.load(conversation.id)

    clean = "left \ufffd right"
    assert (loaded.title, loaded.model, loaded.system_prompt) == (clean, clean, clean)
    assert loaded.sampling.stop == (clean,)
    stored = loaded[answer.id]
    assert (stored.text, stored.model, stored.error) == (clean + "😀", clean, clean)
    (hit,) = (await store.search("left \ud83d")).hits
    assert hit.snippet.text == clean


async def test_numbers_of_another_shape_do_not_hide_the_chat(path: Path) -> None:
    conversation = make_conversation("Hi", "Hello!", title="Greeting")
    store = await ChatStore.open(path)
    await store.create(conversation)
    await store.close()
    database = Database(path)
    database.open().result()
    database.write(spoil_json, durable=True).result()
    database.close().result()

    store = await ChatStore.open(path)

    assert await store.load(conversation.id) == conversation
    await store.close()


def spoil_json(connection: apsw.Connection) -> None:
    connection.execute("""UPDATE messages SET completion = '{"finish_reason": "bored"}'""")
    connection.execute("UPDATE conversations SET parameters = 'not JSON'")


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parents=st.lists(st.integers(0, 20), min_size=1, max_size=20), data=st.data())
def test_any_tree_comes_back(
    tmp_path_factory: pytest.TempPathFactory, parents: list[int], data: st.DataObject
) -> None:
    conversation = make_conversation()
    made: list[Message] = []
    for number, parent in enumerate(parents):
        made.append(make_message(f"message {number}", made[parent] if parent < number else None))
    chosen = data.draw(st.sampled_from(made))
    stored_at_once = data.draw(st.integers(0, len(made)))

    async def round_trip() -> None:
        store = await ChatStore.open(tmp_path_factory.mktemp("tree") / "chats.db")
        for message in made[:stored_at_once]:
            conversation.add(message)
        await store.create(conversation)
        for message in made[stored_at_once:]:
            conversation.add(message)
            await store.add_message(conversation.id, message)
        assert await store.load(conversation.id) == conversation
        conversation.select_branch(chosen.id)
        await store.save_details(conversation)
        assert await store.load(conversation.id) == conversation
        await store.close()

    asyncio.run(round_trip())


# -- many at once, and what goes wrong -------------------------------------------------------


async def test_many_tasks_of_one_loop_share_the_store(store: ChatStore) -> None:
    conversations = [make_conversation("Hi", title=str(number)) for number in range(20)]
    await asyncio.gather(*map(store.create, conversations))

    async def talk(conversation_id: str) -> None:
        for number in range(5):
            await store.add_message(conversation_id, make_message(str(number)))

    await asyncio.gather(*(talk(conversation.id) for conversation in conversations))

    for conversation in conversations:
        texts = [message.text for message in await store.load(conversation.id)]
        assert texts == ["Hi", "0", "1", "2", "3", "4"]


async def test_a_message_is_kept_though_nobody_waits_for_it_any_more(store: ChatStore) -> None:
    conversation = make_conversation("Hi")
    await store.create(conversation)
    task = asyncio.create_task(store.add_message(conversation.id, make_message("do not lose me")))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert [m.text for m in await store.load(conversation.id)] == ["Hi", "do not lose me"]


def test_the_store_works_on_the_loop_of_the_window(qapp: QApplication, path: Path) -> None:
    conversation = make_conversation("Hi", title="Greeting")

    async def use() -> list[str]:
        store = await ChatStore.open(path)
        await store.create(conversation)
        found = await titles(store)
        await store.close()
        return found

    with qasync.QEventLoop(qapp) as loop:
        assert loop.run_until_complete(use()) == ["Greeting"]
    del loop
    gc.collect()  # its timers end on their own thread


async def test_what_is_not_there_is_named(store: ChatStore) -> None:
    conversation = make_conversation("Hi")
    message = conversation.active_branch()[0]
    for refused in (
        store.load("no-such-chat"),
        store.save_details(conversation),
        store.add_message("no-such-chat", message),
        store.trash(["no-such-chat"]),
        store.restore(["no-such-chat"]),
    ):
        with pytest.raises(StoreError, match=f"no-such-chat|{conversation.id}"):
            await refused
    with pytest.raises(StoreError, match=message.id):
        await store.update_message(message)


async def test_a_refused_message_leaves_the_chat_as_it_was(store: ChatStore) -> None:
    conversation = make_conversation("Hi")
    await store.create(conversation)

    with pytest.raises(StoreError):
        await store.add_message(conversation.id, make_message("lost", make_message("stranger")))
    with pytest.raises(StoreError):
        await store.create(conversation)

    assert await store.load(conversation.id) == conversation


async def test_a_closed_store_says_so_and_leaves_no_thread(path: Path) -> None:
    store = await ChatStore.open(path)
    await store.close()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.list_conversations()
    assert not [thread for thread in threading.enumerate() if "minerva-store" in thread.name]


async def test_a_long_chat_that_is_stored_lets_others_in_between(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = make_conversation(*map(str, range(1200)))
    n_turns = 0
    turns_seen: list[int] = []
    make_row = message_rows.row_of

    def noted(conversation_id: str, message: Message) -> message_rows.Row:
        turns_seen.append(n_turns)
        return make_row(conversation_id, message)

    async def take_turns() -> None:
        nonlocal n_turns
        while len(turns_seen) < 1200:
            n_turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(message_rows, "row_of", noted)
    others = asyncio.ensure_future(take_turns())
    await store.create(conversation)
    await others
    assert max(Counter(turns_seen).values()) <= SLICE
    assert await store.load(conversation.id) == conversation


async def test_a_copy_of_a_chat_looks_for_its_rows_once(tmp_path: Path) -> None:
    """With a message each second, all of the copy's rows are taken by the original."""
    database = Database(tmp_path / "chats.db")
    store = ChatStore(database)
    await store.start()
    messages = [make_message(str(n), created_at=1000.0 + n) for n in range(300)]
    conversation = make_conversation()
    for message in messages:
        conversation.add(message)
    await store.create(conversation)
    statements: list[str] = []

    def trace(connection: apsw.Connection) -> None:
        def noted(_: apsw.Cursor, sql: str, __: apsw.Bindings | None) -> bool:
            statements.append(sql)
            return True

        connection.exec_trace = noted

    await asyncio.wrap_future(database.run(trace))
    copy = copy_of(conversation, "Copy", 2000.0)
    await store.create(copy)
    assert statements.count(message_rows.IS_TAKEN) < len(messages) + 30
    assert await store.load(copy.id) == copy
    await store.close()


async def test_a_message_costs_the_same_however_many_are_of_its_second(tmp_path: Path) -> None:
    """As those of an import are whose chats have no times of their own."""
    database = Database(tmp_path / "chats.db")
    store = ChatStore(database)
    await store.start()
    chat = make_conversation()
    await store.create(chat)
    n_steps = 0

    def count_steps() -> bool:
        nonlocal n_steps
        n_steps += 1
        return False

    def add(connection: apsw.Connection, name: str, n_messages: int) -> int:
        """What it costs, in steps of SQLite's machine."""
        nonlocal n_steps
        messages = [make_message(f"{name} {n}", created_at=1000.0) for n in range(n_messages)]
        n_steps = 0
        connection.set_progress_handler(count_steps, 1)
        message_rows.insert(connection, [message_rows.row_of(chat.id, each) for each in messages])
        connection.set_progress_handler(None)
        return n_steps

    first, _, last = await asyncio.wrap_future(
        database.run(lambda c: [add(c, "first", 1), add(c, "many", 2000), add(c, "last", 1)])
    )
    assert last < 3 * first + 300
    await store.close()
