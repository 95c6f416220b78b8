"""Files that wait in a chat's composer, and files that the search finds by their names."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec

from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.export_json import chats_to_json
from minerva_desktop.chat.import_chats import chats_in, recognised
from minerva_desktop.chat.import_values import ImportedChat
from minerva_desktop.chat.parts import PDF, FilePart
from minerva_desktop.chat.waiting_message import WaitingMessage
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.store.migrations import MIGRATIONS
from tests.chat.samples import make_message

NOTES = FilePart("notes.md", "# Notes", 7, n_tokens=3)
PAPER = FilePart("Flußpferd.pdf", "Of hippos", 4_000, PDF)


def _chat() -> Conversation:
    chat = Conversation(
        id="c1", created_at=1.0, updated_at=1.0, draft="Well?", draft_files=(NOTES,)
    )
    chat.add(msgspec.structs.replace(make_message("What is it?"), parts=(PAPER,)))
    return chat


async def test_the_files_of_a_draft_outlive_the_app(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    store = await ChatStore.open(path)
    await store.create(_chat())
    assert (await store.load("c1")).draft_files == (NOTES,)
    await store.save_draft_files("c1", (PAPER, NOTES))
    await store.close()
    store = await ChatStore.open(path)
    assert (await store.load("c1")).draft_files == (PAPER, NOTES)
    await store.save_draft_files("c1", ())
    assert (await store.load("c1")).draft_files == ()
    await store.close()


def test_an_export_has_them() -> None:
    document = recognised(chats_to_json([_chat()], {}))
    assert document is not None
    (outcome,) = chats_in(document, lambda _: None, "a.json", 1.0)
    assert isinstance(outcome, ImportedChat)
    assert outcome.conversation.draft_files == (NOTES,)
    assert [message.parts for message in outcome.conversation] == [(PAPER,)]


async def test_the_search_finds_a_file_by_its_name(tmp_path: Path) -> None:
    store = await ChatStore.open(tmp_path / "chats.sqlite3")
    chat = _chat()
    await store.create(chat)
    (message,) = chat
    for words in ("flusspferd", "fl", "what flusspferd"):  # by the index, and by the short words
        await store.finish_index(lambda _: None)
        page = await store.search(words)
        assert [hit.message_id for hit in page.hits] == [message.id]
    assert "Flußpferd.pdf" in (await store.search("flusspferd")).hits[0].snippet.text
    assert (await store.search("hippos")).hits == ()
    await store.close()


def test_an_export_has_the_files_of_what_waits_and_of_the_draft() -> None:
    chat = _chat()
    chat.waiting = (WaitingMessage("First", "/models/tiny.gguf", (PAPER,)),)
    document = recognised(chats_to_json([chat], {}))
    assert document is not None
    (outcome,) = chats_in(document, lambda _: None, "a.json", 1.0)
    assert isinstance(outcome, ImportedChat)
    brought = outcome.conversation
    assert (brought.draft, brought.draft_files) == ("Well?", (NOTES,))
    assert [(each.text, each.files) for each in brought.waiting] == [("First", (PAPER,))]


async def test_what_waits_outlives_the_app_with_its_files(tmp_path: Path) -> None:
    chat = _chat()
    two = WaitingMessage("Two", "/models/tiny.gguf", (PAPER, NOTES))
    chat.waiting = (WaitingMessage("One", "/models/tiny.gguf"), two)
    store = await ChatStore.open(tmp_path / "chats.db")
    await store.create(chat)
    assert (await store.load("c1")).waiting == chat.waiting
    changed = (msgspec.structs.replace(two, text="half a \ud83d thought"),)
    await store.save_waiting("c1", changed, with_files=True)
    await store.save_waiting("c1", (*changed, chat.waiting[0]), with_files=False)
    await store.close()
    store = await ChatStore.open(tmp_path / "chats.db")
    kept = (msgspec.structs.replace(two, text="half a \ufffd thought"), chat.waiting[0])
    assert (await store.load("c1")).waiting == kept
    await store.save_waiting("c1", (), with_files=True)
    assert (await store.load("c1")).waiting == ()
    await store.close()


def test_the_migration_has_old_files_found() -> None:
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS[:2]:
        migration(connection)
    connection.execute(
        "INSERT INTO conversations (id, title, folded_title, title_source, created_at, updated_at,"
        " parameters, system_prompt) VALUES ('c', '', '', 'person', 1, 1, '{}', '')"
    )
    for row, parts in ((1, None), (2, '[{"type":"file","name":"a"}]')):
        connection.execute(
            "INSERT INTO messages (row, id, conversation_id, seq, role, state, created_at, parts,"
            " text) VALUES (?, ?, 'c', ?, 'user', 'complete', 1, ?, '')",
            (row, str(row), row, parts),
        )
    connection.execute("DELETE FROM unindexed")
    MIGRATIONS[2](connection)
    assert connection.execute("SELECT row FROM unindexed").fetchall() == [(2,)]
    assert connection.execute("SELECT draft_files FROM conversations").get is None
    connection.close()
