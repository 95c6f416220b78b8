"""Answers that go on where the context ends, with less before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import KvType, LoadOptions
from minerva_desktop.errors import InvalidRequest

pytestmark = pytest.mark.asyncio(loop_scope="module")

N_CTX = 512
SHIFT = RequestLimits(overflow=Overflow.SHIFT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX, n_parallel=1, n_threads=2))
    yield engine
    await engine.unload()


async def test_it_goes_on_at_the_end_of_the_context(engine: LlamaEngine) -> None:
    sampling = SamplingParameters(temperature=0.0, ignore_eos=True, max_tokens=300)
    stream = engine.generate(tuple(range(5, 305)), sampling=sampling, limits=SHIFT)
    completion = await stream.wait_completion()
    assert completion.timings.completion_tokens == 300
    assert completion.shifted_tokens > 100
    assert completion.context_used <= N_CTX < 300 + 300


async def test_without_an_end_it_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(InvalidRequest, match="needs max_tokens"):
        await engine.generate("Hi", limits=SHIFT).text()


async def test_with_a_seed_it_goes_on_from_the_same(engine: LlamaEngine) -> None:
    """What a seed asks for is moved within the cache, too, and gets guesses for company. The
    answer is one token again and again: how likely each is shows what it was computed from."""
    again = SamplingParameters(
        temperature=0.0, max_tokens=24, top_logprobs=0, logit_bias={1000: 1000.0}
    )
    found = []
    for seed in (None, 3):
        stream = engine.generate(
            tuple(range(5, 505)),  # of which many tokens move up
            sampling=msgspec.structs.replace(again, seed=seed),
            limits=SHIFT,
            cache_prompt=False,
        )
        assert (await stream.wait_completion()).shifted_tokens == 192
        found.append([each.logprob for each in stream.logprobs])
    assert found[1] == pytest.approx(found[0], abs=0.5)


@pytest.mark.parametrize("kv_type", [KvType.Q8_0, KvType.Q4_0])
async def test_keys_that_cannot_be_turned_are_computed_anew(
    small_path: Path, kv_type: KvType
) -> None:
    """llama.cpp dies where it is to turn quantised ones of heads of 32 numbers, or 96."""
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX, kv_type_k=kv_type))
    sampling = SamplingParameters(temperature=0.0, ignore_eos=True, max_tokens=24)
    stream = engine.generate(tuple(range(5, 505)), sampling=sampling, limits=SHIFT)
    assert (await stream.wait_completion()).shifted_tokens == 192
    assert stream.total_tokens == 24
    await engine.unload()
