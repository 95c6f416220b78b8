"""An import into chats that somebody has open, or opens while it runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.app.chat_import import ChatImport
from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.message import Message
from minerva_desktop.store.chat_store import ChatStore
from tests.app.chat_exports import chatgpt_chat, chatgpt_grown
from tests.app.desk import MODEL, Desk

ONE = chatgpt_chat("1", "one")
JUNE = chatgpt_grown(ONE, "And then?", "Then that.")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await ChatStore.open(tmp_path / "chats.sqlite3")
    yield Desk(store, tmp_path / "snapshots")
    await store.close()


def exported(path: Path, *chats: dict[str, Any]) -> Path:
    path.write_text(json.dumps(chats))
    return path


async def imported(desk: Desk, path: Path) -> str:
    """The id of the chat as the export of May had it."""
    (chat_id,) = (await ChatImport(desk.store).run([exported(path, ONE)])).imported_ids
    return chat_id


def after_first_message(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, do: Callable[[], Awaitable[None]]
) -> None:
    """Have ``do`` happen as soon as the import has written one message."""
    write = desk.store.add_message
    is_done = False

    async def write_and_do(chat_id: str, message: Message) -> None:
        nonlocal is_done
        await write(chat_id, message)
        if not is_done:
            is_done = True
            await do()

    monkeypatch.setattr(desk.store, "add_message", write_and_do)


async def test_an_import_does_not_turn_away_from_an_answer_that_began_meanwhile(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await desk.library.open_session(await imported(desk, tmp_path / "may.json"))
    after_first_message(desk, monkeypatch, lambda: session.send("Mine", MODEL))
    work = ChatImport(desk.store, open_session=desk.library.open_session)
    report = await work.run([exported(tmp_path / "june.json", JUNE)])
    assert (report.grown_ids, session.is_answering) == ([session.conversation.id], True)
    await desk.says(session, "The answer")
    await session.settle()
    shown = ["one", "About one", "Mine", "The answer"]
    assert [each.text for each in session.conversation.active_branch()] == shown
    on_disk = await desk.store.load(session.conversation.id)
    assert [each.text for each in on_disk.active_branch()] == shown
    assert {each.text for each in on_disk} == {*shown, "And then?", "Then that."}


async def test_a_chat_that_is_opened_while_it_grows_has_all_that_came(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept what was on disk when it was opened, and wrote its old end there."""
    chat_id = await imported(desk, tmp_path / "may.json")
    opened: list[ChatSession] = []

    async def open_it() -> None:
        opened.append(await desk.library.open_session(chat_id))

    after_first_message(desk, monkeypatch, open_it)
    work = ChatImport(desk.store, open_session=desk.library.open_session)
    report = await work.run([exported(tmp_path / "june.json", JUNE)])
    assert report.grown_ids == [chat_id]
    (session,) = opened
    texts = ["one", "About one", "And then?", "Then that."]
    assert [each.text for each in session.conversation.active_branch()] == texts
    await session.rename("Mine")
    on_disk = await desk.store.load(chat_id)
    assert [each.text for each in on_disk.active_branch()] == texts
