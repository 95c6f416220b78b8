"""A file of every schema that was released opens with all that it holds."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Folder, ScrollPosition, TitleSource
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.parts import FilePart, ReasoningPart
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.waiting_message import WaitingMessage
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.database import Database
from minerva_desktop.store.migrations import MIGRATIONS
from tests.chat.samples import make_conversation, make_message

# The parts of the search index are made when they are needed.
SELECT_SCHEMA = """
    SELECT type, name, sql FROM sqlite_master
    WHERE name NOT LIKE 'message_index%' ORDER BY name
"""
DATA = Path(__file__).parent / "data"


def write_old(path: Path, version: int) -> None:
    """A file as the schema of that version kept it."""
    connection = apsw.Connection(str(path))
    connection.execute((DATA / f"schema_v{version}.sql").read_text(encoding="utf-8"))
    connection.close()


def test_there_is_a_file_of_every_schema() -> None:
    names = sorted(each.name for each in DATA.glob("schema_v*.sql"))
    assert names == [f"schema_v{version}.sql" for version in range(1, len(MIGRATIONS))]


async def test_chats_of_the_first_schema_come_along(tmp_path: Path) -> None:
    write_old(tmp_path / "chats.db", 1)

    store = await ChatStore.open(tmp_path / "chats.db")
    listed = [(chat.id, chat.title) for chat in await store.list_conversations()]
    (gone,) = await store.list_conversations(in_trash=True)
    tea = await store.load("c-tea")
    named = await store.load("c-named")
    await store.close()

    assert listed == [("c-tea", "How long does green tea…"), ("c-named", "Trip to Kyōto 京都")]
    assert (gone.id, gone.deleted_at) == ("c-gone", 1600000002.0)
    assert (tea.created_at, tea.updated_at) == (1700000000.5, 1700000300.25)
    assert (tea.model, tea.system_prompt) == ("SmolLM2-135M.gguf", "Answer in one sentence.")
    assert tea.sampling == SamplingParameters(temperature=0.2, top_k=20, seed=7, stop=("END",))
    assert tea.title_source is TitleSource.FIRST_WORDS
    assert named.title_source is TitleSource.PERSON
    assert (tea.folder_id, tea.tags, tea.draft, tea.scroll, tea.cuts) == (None, (), "", None, ())
    assert not tea.is_pinned
    assert not tea.is_archived

    question, two, failed, cut = tea
    assert (question.role, question.text) == (Role.USER, "How long does\ngreen tea steep?")
    assert two.completion == Completion(
        finish_reason=FinishReason.STOP,
        timings=Timings(prompt_tokens=21, completion_tokens=4),
        seed=7,
    )
    assert (two.parts, two.sampling) == ((), None)
    assert (failed.state, failed.error) == (MessageState.FAILED, "The model ended unexpectedly")
    assert (cut.text, cut.state) == ("About two", MessageState.INTERRUPTED)
    assert tea.active_leaf_id == "m-tea-4"
    assert tea.siblings("m-tea-2") == ["m-tea-2", "m-tea-3", "m-tea-4"]
    assert [message.text for message in named] == ["三日間の旅 — 100 % “quoted”"]


async def test_chats_of_the_second_schema_come_along(tmp_path: Path) -> None:
    write_old(tmp_path / "chats.db", 2)

    store = await ChatStore.open(tmp_path / "chats.db")
    listed = [chat.id for chat in await store.list_conversations()]
    (archived,) = await store.list_conversations(is_archived=True)
    (gone,) = await store.list_conversations(in_trash=True)
    tea = await store.load("c-tea")
    folders = await store.folders()
    found = {text: len((await store.search(text)).hits) for text in ("teapot-notes", "日間の")}
    problems = await store.check()
    await store.close()

    assert (listed, archived.title, gone.deleted_at) == (["c-tea"], "京都 Kyōto", 1600000002.0)
    assert (tea.folder_id, folders) == ("f-home", [Folder(id="f-home", name="Home")])
    assert (tea.title, tea.title_source) == ("Green Tea", TitleSource.MODEL)
    assert (tea.tags, tea.is_pinned) == (("drinks", "R & D"), True)
    assert tea.scroll == ScrollPosition("m-tea-2", 0.25)
    assert tea.cuts == (ContextCut(first_id="m-tea-1", created_at=1700000200.0, summary="Tea."),)
    assert (tea.draft, tea.draft_files) == ("And black t", ())
    question, answer = tea
    assert question.parts == (FilePart("teapot-notes.txt", "Two spoons.", 11),)
    assert answer.parts == (ReasoningPart("Green, not black.", 1500.0),)
    assert answer.sampling == SamplingParameters(temperature=0.2, top_k=20, seed=7)
    assert found == {"teapot-notes": 1, "日間の": 1}
    assert problems == []


async def test_chats_of_the_third_schema_come_along(tmp_path: Path) -> None:
    write_old(tmp_path / "chats.db", 3)

    store = await ChatStore.open(tmp_path / "chats.db")
    tea = await store.load("c-tea")
    await store.close()

    assert (tea.draft, tea.draft_files) == ("And black t", (FilePart("leaves.md", "Sencha.", 7),))
    assert tea.waiting == ()


async def test_chats_of_the_fourth_schema_come_along(tmp_path: Path) -> None:
    write_old(tmp_path / "chats.db", 4)

    store = await ChatStore.open(tmp_path / "chats.db")
    tea = await store.load("c-tea")
    await store.close()

    assert tea.waiting == (
        WaitingMessage("Black?", "/models/tiny.gguf", (FilePart("black.md", "Assam.", 6),)),
        WaitingMessage("White?", "/models/tiny.gguf"),
    )
    assert [message.edited_at for message in tea] == [None, None]


async def test_chats_of_the_fifth_schema_come_along(tmp_path: Path) -> None:
    write_old(tmp_path / "chats.db", 5)

    store = await ChatStore.open(tmp_path / "chats.db")
    tea = await store.load("c-tea")
    await store.close()

    assert [message.edited_at for message in tea] == [None, 1700000260.0]
    assert [message.failure for message in tea] == [None, None]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
async def test_the_schema_is_the_same_whether_a_file_is_new_or_old(
    tmp_path: Path, version: int
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    write_old(old, version)

    assert await schema_after_use(old) == await schema_after_use(new)


async def schema_after_use(path: Path) -> list[object]:
    database = Database(path)
    store = ChatStore(database)
    await store.start()
    conversation = make_conversation("Hi")
    await store.create(conversation)
    await store.add_message(conversation.id, make_message("there", *conversation))
    schema = database.run(lambda c: c.execute(SELECT_SCHEMA).fetchall()).result()
    violations = database.run(lambda c: c.execute("PRAGMA foreign_key_check").fetchall()).result()
    await store.close()
    assert violations == []
    return list(schema)
