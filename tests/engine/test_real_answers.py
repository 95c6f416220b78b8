"""Answers of the real model, where it matters what it says or that it takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(model_path)
    await engine.load(2048)
    yield engine
    await engine.unload()


async def test_the_models_end_token_ends_the_answer(engine: LlamaEngine) -> None:
    turns = [ChatTurn(Role.USER, "Say only: yes")]
    stream = engine.generate(turns, 200, sampling=GREEDY)
    completion = await stream.wait_completion()
    assert completion.finish_reason is FinishReason.STOP
    assert "<|im_end|>" not in str(stream)


async def test_emoji_arrive_whole(engine: LlamaEngine) -> None:
    stream = engine.generate("Smileys: 😀 😃 😄 😁 😀 😃 😄 😁 😀 😃 😄", 24, sampling=GREEDY)
    deltas = [token async for token in stream]
    assert any("😀" <= character <= "😿" for delta in deltas for character in delta)
    assert not any("\ufffd" in delta for delta in deltas[:-1])


async def test_cancel_in_decode_keeps_what_came_and_frees_the_engine(engine: LlamaEngine) -> None:
    stream = engine.generate("Count: 1 2 3 4 5", 1500, sampling=GREEDY)
    async for batch in stream.batches():
        if batch:
            break
    stream.cancel()
    completion = await stream.wait_completion()
    assert completion.finish_reason is FinishReason.CANCELLED
    assert 1 <= stream.total_tokens < 1500
    assert await engine.generate("Hello", 4, sampling=GREEDY).text()
