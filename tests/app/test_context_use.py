"""What fills the context: piece by piece, with tokens that add up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from minerva_desktop.app.context_use import (
    MAX_MARKS,
    ContextPart,
    PromptPiece,
    prompt_source,
    read_context,
    split_prompt,
    tokens_by_part,
)
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.message import Role
from minerva_desktop.chat.parts import FilePart, ReasoningPart
from minerva_desktop.engine.engine import LlamaEngine
from tests.chat.samples import make_conversation

DRAFT, HISTORY, SYSTEM = ContextPart.DRAFT, ContextPart.HISTORY, ContextPart.SYSTEM
FILES, SUMMARY, TEMPLATE = ContextPart.FILES, ContextPart.SUMMARY, ContextPart.TEMPLATE


@pytest.fixture
async def engine(model_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(model_path)
    await engine.load(n_ctx=1024)
    yield engine
    await engine.unload()


async def test_a_real_prompt_is_told_apart_and_adds_up(engine: LlamaEngine) -> None:
    conversation = make_conversation("What is a sea?", "  Much water.  ", "And a lake?")
    conversation.system_prompt = "Be brief."
    first, *_ = conversation.active_branch()
    conversation.replace(
        msgspec.structs.replace(first, parts=(FilePart("notes.txt", "salt\nsea", 8),))
    )
    source = prompt_source(conversation, "Or a pond?")
    use = await read_context(engine, source, 100)
    assert "".join(piece.text for piece in use.pieces) == await engine.apply_template(source.turns)
    told = [(piece.part, piece.text) for piece in use.pieces if piece.part is not TEMPLATE]
    assert told == [
        (SYSTEM, "Be brief."),
        (FILES, "notes.txt:\n```\nsalt\nsea\n```"),
        (HISTORY, "What is a sea?"),
        (HISTORY, "  Much water.  "),
        (HISTORY, "And a lake?"),
        (DRAFT, "Or a pond?"),
    ]
    assert use.n_tokens == await engine.count_tokens(source.turns)
    assert sum(use.by_part.values()) == use.n_tokens
    for part, text in ((SYSTEM, "Be brief."), (DRAFT, "Or a pond?")):
        alone = await engine.tokenize(text)
        assert use.by_part[part] == pytest.approx(len(alone.tokens), abs=1)
    assert (use.n_ctx, use.n_free, use.reserve) == (1024, 1024 - use.n_tokens, 100)


async def test_an_empty_chat_fills_nothing(engine: LlamaEngine) -> None:
    use = await read_context(engine, prompt_source(make_conversation(), "  "), None)
    assert (use.n_tokens, use.n_free, use.pieces) == (0, 1024, ())


def test_a_thought_counts_where_the_template_has_it_and_only_there() -> None:
    conversation = make_conversation("2 + 2?", "4", "Sure?")
    answer = conversation.active_branch()[1]
    conversation.replace(msgspec.structs.replace(answer, parts=(ReasoningPart("It is 4"),)))
    sources = prompt_source(conversation, "").pieces
    kept = "<u>2 + 2?<a><think>\nIt is 4\n</think>\n4<u>Sure?<a>"
    told = [piece.text for piece in split_prompt(kept, sources) if piece.part is HISTORY]
    assert told == ["2 + 2?", "It is 4", "4", "Sure?"]
    left_out = f"<u>2 + 2?<a>4<u>Sure?<a>{' ' * MAX_MARKS}It is 4"
    told = [piece.text for piece in split_prompt(left_out, sources) if piece.part is HISTORY]
    assert told == ["2 + 2?", "4", "Sure?"]


def test_what_a_cut_leaves_out_is_not_in_it() -> None:
    conversation = make_conversation("one", "ONE", "two", "TWO")
    start = conversation.active_branch()[2]
    conversation.cuts = (ContextCut(first_id=start.id, created_at=1.0, summary="It was one."),)
    source = prompt_source(conversation, "")
    assert [(piece.part, piece.text) for piece in source.pieces] == [
        (SUMMARY, "It was one."),
        (HISTORY, "two"),
        (HISTORY, "TWO"),
    ]
    system, *_ = source.turns
    assert system.role is Role.SYSTEM
    assert system.text.endswith("It was one.")


def test_a_text_that_the_template_changed_is_the_templates() -> None:
    sources = (PromptPiece(SYSTEM, "Be brief."), PromptPiece(HISTORY, " Hi \n"))
    pieces = split_prompt("<s>BE BRIEF.<u>Hi<a>", sources)
    assert pieces == (
        PromptPiece(TEMPLATE, "<s>BE BRIEF.<u>"),
        PromptPiece(HISTORY, "Hi"),
        PromptPiece(TEMPLATE, "<a>"),
    )


def test_a_token_belongs_to_the_piece_in_which_it_begins() -> None:
    pieces = (
        PromptPiece(TEMPLATE, "<u>"),
        PromptPiece(HISTORY, "né"),
        PromptPiece(TEMPLATE, "</u>"),
    )
    tokens = (b"<u", b">n", b"\xc3", b"\xa9</", b"u>")
    assert tokens_by_part(pieces, tokens, 6) == {HISTORY: 2, TEMPLATE: 4}


async def test_of_a_huge_chat_the_newest_messages_show_that_it_has_no_room(
    engine: LlamaEngine,
) -> None:
    conversation = make_conversation(*(f"{number} is a word. " * 50 for number in range(2_001)))
    conversation.system_prompt = "Be brief."
    source = prompt_source(conversation, "Well?", most=20_000)
    assert source.n_older == 1_976  # 25 messages of 800 characters, from a question on
    assert source.turns[0].role is Role.SYSTEM
    assert source.turns[1].text.startswith("1976 is a word. ")
    use = await read_context(engine, source, None)
    assert use.n_tokens > use.n_ctx
    assert use.n_older == 1_976
    assert [piece.text for piece in use.pieces if piece.part is SYSTEM] == ["Be brief."]
    assert sum(piece.part is HISTORY for piece in use.pieces) == 25
    assert prompt_source(conversation, "Well?").n_older == 0
