"""A chat that is opened again is read back from disk before its next question, if that costs
nobody anything; with the real engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.app.generation import AnswerRequest
from minerva_desktop.app.model_questions import MAX_COMPUTED, Pool, warm_up
from minerva_desktop.chat.completion import Completion
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import KvType, LoadOptions, SnapshotOptions
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from tests.pools import real_pool

COUNT = ", ".join(str(number) for number in range(1, 150))
OTHER = ", ".join(str(number) for number in range(900, 620, -1))
SHORT = SamplingParameters(temperature=0.0, max_tokens=4)


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[Pool]:
    snapshots = SnapshotOptions(os.fsencode(tmp_path), 1 << 30)
    pool = real_pool(LoadOptions(n_ctx=4096, snapshots=snapshots))
    yield pool
    await pool.close()


def _turns(*texts: str) -> tuple[ChatTurn, ...]:
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(ChatTurn(roles[number % 2], text) for number, text in enumerate(texts))


async def _answer(pool: Pool, path: Path, *texts: str) -> Completion:
    async with pool.lease(path) as engine:
        stream = engine.generate(_turns(*texts), sampling=SHORT, snapshot="chat")
        await stream.text()
        return await stream.wait_completion()


async def _had_before(pool: Pool, path: Path, tmp_path: Path) -> None:
    """The chat was had, and the model loaded anew since."""
    await _answer(pool, path, COUNT)
    await pool.unload(path)
    assert SnapshotFiles(tmp_path).chats_of() == {path.name: {"chat"}}
    async with pool.lease(path):
        pass


async def test_the_next_answer_finds_its_chat_in_memory(
    pool: Pool, small_path: Path, tmp_path: Path
) -> None:
    await _had_before(pool, small_path, tmp_path)
    await warm_up(pool, AnswerRequest("w", small_path, _turns(COUNT, "150"), SHORT, "chat"))
    again = await _answer(pool, small_path, COUNT, "150", "And now?")
    assert again.restored_tokens == 0  # it was there already
    assert again.timings.cached_tokens > again.timings.prompt_tokens - 40


async def test_a_state_of_another_text_makes_nobody_compute(
    pool: Pool, small_path: Path, tmp_path: Path
) -> None:
    await _had_before(pool, small_path, tmp_path)
    await warm_up(pool, AnswerRequest("w", small_path, _turns(OTHER, "x"), SHORT, "chat"))
    again = await _answer(pool, small_path, OTHER, "x", "And now?")
    assert again.timings.prompt_tokens > 1.5 * MAX_COMPUTED
    assert again.timings.cached_tokens <= MAX_COMPUTED + 64


async def test_only_a_loaded_model_that_does_nothing_is_asked(pool: Pool, small_path: Path) -> None:
    request = AnswerRequest("w", small_path, _turns(COUNT, "150"), SHORT, "chat")
    await warm_up(pool, request)
    assert pool.loaded() == []
    async with pool.lease(small_path) as engine:
        stream = engine.generate(_turns("Hi"), sampling=SHORT)
        await warm_up(pool, request)
        await stream.text()
        assert engine.n_generated == 4


async def test_a_question_that_comes_meanwhile_is_answered(
    pool: Pool, small_path: Path, tmp_path: Path
) -> None:
    await _had_before(pool, small_path, tmp_path)
    request = AnswerRequest("w", small_path, _turns(COUNT, "150"), SHORT, "chat")
    warming = asyncio.create_task(warm_up(pool, request))
    await asyncio.sleep(0)
    warming.cancel()
    again = await _answer(pool, small_path, COUNT, "150", "And now?")
    assert again.restored_tokens or again.timings.cached_tokens
    assert warming.cancelled()


async def test_states_count_that_were_made_with_the_options_of_the_last_load(
    pool: Pool, small_path: Path, tmp_path: Path
) -> None:
    await _had_before(pool, small_path, tmp_path)
    await pool.unload(small_path)
    engine, snapshots = LlamaEngine(small_path), SnapshotOptions(os.fsencode(tmp_path), 10**9)
    none = set[str]()
    for kind, chats in ((KvType.Q8_0, none), (KvType.AUTO, {"chat"})):
        options = LoadOptions(n_ctx=4096, kv_type_k=kind, kv_type_v=kind, snapshots=snapshots)
        await engine.load(options=options)
        assert SnapshotFiles(tmp_path).chats_of() == {small_path.name: chats}
        await engine.unload()
