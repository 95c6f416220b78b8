"""Answers of older versions, with what was thought in their text, are taken apart when they are
read; on disk they stay as they are."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import FilePart, ReasoningPart
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation, make_message

CUT = Completion(finish_reason=FinishReason.LENGTH, timings=Timings(), seed=1)
THOUGHT = (ReasoningPart("It is 4"),)


async def _read(path: Path, message: Message) -> tuple[Message, str]:
    """That message as it is read, and its text on disk."""
    store = await ChatStore.open(path)
    chat = make_conversation("2 + 2?")
    chat.add(msgspec.structs.replace(message, parent_id=chat.active_leaf_id))
    await store.create(chat)
    read = (await store.load(chat.id)).active_branch()[-1]
    await store.close()
    with apsw.Connection(str(path)) as connection:
        stored = connection.execute("SELECT text FROM messages WHERE id = ?", (message.id,)).get
    return read, str(stored)


@pytest.mark.parametrize(
    ("text", "state", "completion", "said", "parts"),
    [
        ("<think>\nIt is 4\n</think>\n\nFour.", "complete", None, "Four.", THOUGHT),
        ("\n<think>\n\n</think>\n\nFour.", "complete", None, "Four.", ()),
        ("<think>\nIt is 4", "stopped", None, "", THOUGHT),
        ("<think>\nIt is 4", "interrupted", None, "", THOUGHT),
        ("<think>\nIt is 4", "complete", CUT, "", THOUGHT),
        ("<think> opens a thought.", "complete", None, None, ()),
        ("Write <think>a</think> here.", "complete", None, None, ()),
        ("`<think>` and `</think>`", "stopped", None, None, ()),
    ],
)
async def test_a_thought_is_what_an_answer_begins_with(
    tmp_path: Path,
    text: str,
    state: str,
    completion: Completion | None,
    said: str | None,
    parts: tuple[ReasoningPart, ...],
) -> None:
    message = make_message(text, None, role=Role.ASSISTANT, state=MessageState(state))
    message = msgspec.structs.replace(message, completion=completion)
    read, stored = await _read(tmp_path / "chats.db", message)
    assert (read.text, read.parts) == (text if said is None else said, parts)
    assert stored == text


@pytest.mark.parametrize("role", [Role.USER, Role.SYSTEM])
async def test_only_answers_think(tmp_path: Path, role: Role) -> None:
    text = "<think>a</think>b"
    read, _ = await _read(tmp_path / "chats.db", make_message(text, None, role=role))
    assert (read.text, read.parts) == (text, ())


async def test_an_answer_with_parts_is_one_of_today(tmp_path: Path) -> None:
    message = make_message("<think>a</think>b", None, role=Role.ASSISTANT)
    message = msgspec.structs.replace(message, parts=(FilePart("a.txt", "a", 1),))
    read, _ = await _read(tmp_path / "chats.db", message)
    assert (read.text, read.parts) == ("<think>a</think>b", message.parts)


async def test_a_search_finds_what_was_said_and_not_what_was_thought(tmp_path: Path) -> None:
    store = await ChatStore.open(tmp_path / "chats.db")
    chat = make_conversation("2 + 2?", "<think>\nIt is fourteen\n</think>\n\nForty.", "<think>?")
    await store.create(chat)
    found = {
        words: [hit.snippet.text for hit in (await store.search(words)).hits]
        for words in ("fourteen", "forty", "think")
    }
    await store.close()
    assert found == {"fourteen": [], "forty": ["Forty."], "think": ["<think>?"]}
