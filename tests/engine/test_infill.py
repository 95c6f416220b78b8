"""Filling in the middle: what stands before and behind, and which models can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import InvalidRequest
from tests.infill_model import INFILL

GREEDY = SamplingParameters(temperature=0.0)
BEFORE, BEHIND = "def f(x):\n", "\n    return y<|im_end|>"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(infill_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(infill_path)
    await engine.load(512)
    yield engine
    await engine.unload()


async def test_a_gap_is_asked_for_as_code_models_are_trained(engine: LlamaEngine) -> None:
    assert engine.get_context_info().can_infill
    before = (await engine.tokenize(BEFORE, parse_special=False)).tokens
    behind = (await engine.tokenize(BEHIND, parse_special=False)).tokens
    assert (await engine.tokenize(BEHIND)).tokens != behind  # here a control token stays text
    marks = INFILL["fim_pre"], INFILL["fim_suf"], INFILL["fim_mid"]
    spelled = [marks[0], *before, marks[1], *behind, marks[2]]
    by_hand = await engine.generate(spelled, 12, sampling=GREEDY).text()
    assert by_hand
    for prompt in (BEFORE, before):
        stream = engine.generate(prompt, 12, sampling=GREEDY, suffix=BEHIND)
        assert await stream.text() == by_hand
        completion = await stream.wait_completion()
        assert completion.timings.prompt_tokens == len(spelled)
    assert await engine.generate(BEFORE, 12, sampling=GREEDY).text() != by_hand


async def test_nothing_may_stand_before_the_gap(engine: LlamaEngine) -> None:
    behind = (await engine.tokenize(BEHIND, parse_special=False)).tokens
    completion = await engine.generate("", 4, suffix=BEHIND).wait_completion()
    assert completion.timings.prompt_tokens == len(behind) + len(INFILL)


async def test_a_model_without_the_tokens_says_so(model_path: Path) -> None:
    engine = LlamaEngine(model_path)
    info = await engine.load(512)
    assert not info.can_infill
    assert "<|im_start|>" in info.chat_template
    with pytest.raises(InvalidRequest, match="fills in the middle") as caught:
        await engine.generate(BEFORE, 4, suffix=BEHIND).text()
    assert caught.value.param == "suffix"
    assert await engine.generate(BEFORE, 4, sampling=GREEDY).text()
    await engine.unload()
