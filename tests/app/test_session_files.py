"""Files with what a person says: to the model, to the disk, into the queue and the draft."""

from __future__ import annotations

import asyncio
import threading

import pytest

from minerva_desktop.app.context_use import ContextPart, prompt_source
from minerva_desktop.chat.draft import draft_turn
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.parts import PDF, FilePart, file_as_text
from minerva_desktop.chat.waiting_message import WaitingMessage
from minerva_desktop.errors import InvalidRequest
from tests.app.desk import DONE, MODEL, Desk

NOTES = FilePart("notes.md", "# Notes", 7)
PAPER = FilePart("paper.pdf", "Of hippos", 4_000, PDF)
TOLD = (
    "notes.md:\n```\n# Notes\n```\n\npaper.pdf (the text of a PDF):\n```\nOf hippos\n```\n\nWell?"
)


async def test_files_are_kept_with_the_question_and_told_to_the_model(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Well?", MODEL, (NOTES, PAPER))
    (request,) = desk.engine.started
    assert request.turns[-1] == ChatTurn(Role.USER, TOLD)
    question, _ = (await desk.store.load(session.conversation.id)).active_branch()
    assert (question.text, question.parts) == ("Well?", (NOTES, PAPER))
    assert draft_turn("Well?", (NOTES, PAPER)) == ChatTurn(Role.USER, TOLD)


async def test_the_prompt_is_made_on_another_thread(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def as_text(file: FilePart) -> str:
        threads.append(threading.current_thread())
        return file_as_text(file)

    monkeypatch.setattr("minerva_desktop.chat.turns.file_as_text", as_text)
    session = desk.new_session()
    await session.send("Well?", MODEL, (NOTES,))
    answer_id = await desk.says(session, "One, two")
    await session.resume(answer_id, MODEL)
    assert [request.turns[-1].text for request in desk.engine.started][1:] == ["One, two"]
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_a_file_alone_is_a_message_and_gives_its_name_to_the_chat(desk: Desk) -> None:
    session = desk.new_session()
    with pytest.raises(InvalidRequest):
        await session.send(" ", MODEL)
    await session.send(" ", MODEL, (NOTES,))
    assert session.conversation.title == "notes.md"
    desk.library.on_answer_finished(session.answer_id or "", DONE)
    question = session.conversation.active_branch()[0]
    await session.edit(question.id, "", MODEL)
    assert session.conversation.active_branch()[0].parts == (NOTES,)


async def test_files_wait_with_their_message_and_outlive_the_app_with_it(desk: Desk) -> None:
    session = desk.new_session()
    await session.send("Hi", MODEL)
    session.enqueue("And this?", MODEL, (NOTES,))
    await session.keep_draft("later", (PAPER,))
    kept = await desk.store.load(session.conversation.id)
    assert kept.waiting == (WaitingMessage("And this?", str(MODEL), (NOTES,)),)
    assert (kept.draft, kept.draft_files) == ("later", (PAPER,))
    await desk.says(session, "Hello")
    while session.queued:
        await asyncio.sleep(0)
    assert session.conversation.active_branch()[-2].parts == (NOTES,)
    session.enqueue("", MODEL, (NOTES,))
    await session.close()
    kept = await desk.store.load(session.conversation.id)
    assert kept.waiting == (WaitingMessage("", str(MODEL), (NOTES,)),)


async def test_the_end_waits_for_files_that_are_being_saved(desk: Desk) -> None:
    session = desk.new_session()
    await desk.answered(session, "Hi", "Hello")
    await session.settle()
    await session.keep_draft("", (NOTES,))
    saving = asyncio.ensure_future(session.keep_draft("later", ()))
    await asyncio.sleep(0)
    await session.close()
    kept = await desk.store.load(session.conversation.id)
    assert (kept.draft, kept.draft_files) == ("later", ())
    await saving


def test_a_fence_is_longer_than_any_in_the_file() -> None:
    text = "`" * 5 + "\nx\n" + "``"
    assert file_as_text(FilePart("a\nb", text, 1)) == f"a b:\n``````\n{text}\n``````"


async def test_the_files_of_a_draft_are_a_part_of_the_context(desk: Desk) -> None:
    source = prompt_source(desk.new_session().conversation, "Well?", (NOTES, PAPER))
    assert source.turns[-1] == ChatTurn(Role.USER, TOLD)
    assert [piece.part for piece in source.pieces] == [
        ContextPart.SYSTEM,
        ContextPart.FILES,
        ContextPart.FILES,
        ContextPart.DRAFT,
    ]
