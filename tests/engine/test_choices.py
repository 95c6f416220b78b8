"""Several answers to one prompt, answers that follow a schema, and a shift that cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import InvalidRequest

SHORT = "Past the lighthouse the two boats turned, and none of us ever saw them again."
LONG = "The harbour town lay quiet. " * 16  # over 64 tokens: a beginning that others wait for


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(quantised_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(quantised_path)
    await engine.load(2048)
    yield engine
    await engine.unload()


@pytest.mark.parametrize("cache_prompt", [True, False])
@pytest.mark.parametrize("prompt", [LONG, SHORT])
async def test_choices_share_the_prompt_and_have_seeds_of_their_own(
    engine: LlamaEngine, prompt: str, cache_prompt: bool
) -> None:
    begun = f"{cache_prompt}: {prompt}"  # nobody has read it yet
    sampling = SamplingParameters(seed=11, temperature=1.5, max_tokens=12)
    n_used = engine.get_context_info().n_used_cells
    streams = engine.generate_choices(begun, 3, sampling=sampling, cache_prompt=cache_prompt)
    done = await asyncio.gather(*(stream.wait_completion() for stream in streams))
    assert [completion.seed for completion in done] == [11, 12, 13]
    assert len({str(stream) for stream in streams}) == 3
    n_prompt = done[0].timings.prompt_tokens
    assert sorted(c.timings.cached_tokens for c in done) == [0, n_prompt - 1, n_prompt - 1]
    for completion, stream in zip(done, streams, strict=True):
        seeded = msgspec.structs.replace(sampling, seed=completion.seed)
        alone = engine.generate(begun, sampling=seeded, cache_prompt=False)
        assert await alone.text() == str(stream)
    assert cache_prompt or engine.get_context_info().n_used_cells <= n_used


async def test_choices_share_the_scores_of_the_prompt(engine: LlamaEngine) -> None:
    text = f"So said he. {LONG}"
    sampling = SamplingParameters(seed=11, max_tokens=4, top_logprobs=1)
    streams = engine.generate_choices(text, 3, sampling=sampling, score_prompt=True)
    done = await asyncio.gather(*(stream.wait_completion() for stream in streams))
    n_prompt = done[0].timings.prompt_tokens
    assert [len(stream.prompt_from(0)) for stream in streams] == [n_prompt, 0, 0]
    assert [c.timings.cached_tokens for c in done] == [0, n_prompt - 1, n_prompt - 1]


async def test_choices_share_the_prompt_in_a_cache_with_holes_and_are_those_of_each_alone(
    engine: LlamaEngine,
) -> None:
    sampling = SamplingParameters(seed=11, max_tokens=12)
    first = engine.generate("One " * 40, 1)
    await first.wait_completion()
    alone = []
    for index in range(3):
        seeded = msgspec.structs.replace(sampling, seed=11 + index)
        alone.append(await engine.generate(LONG, sampling=seeded, cache_prompt=False).text())
    await engine.generate(LONG, 1, sampling=sampling).wait_completion()
    for number in range(6):  # takes the slot of the first, and leaves a hole at the cache's start
        await engine.generate(f"{number} is", 1).wait_completion()
    streams = engine.generate_choices(LONG, 3, sampling=sampling)
    done = await asyncio.gather(*(stream.wait_completion() for stream in streams))
    assert [str(stream) for stream in streams] == alone
    n_prompt = done[0].timings.prompt_tokens
    assert [c.timings.cached_tokens for c in done] == [n_prompt - 1] * 3


@pytest.mark.parametrize("n", [0, 129])
async def test_a_number_of_choices_that_makes_no_sense_is_refused(
    engine: LlamaEngine, n: int
) -> None:
    with pytest.raises(InvalidRequest, match=f"n must be between 1 and 128, not {n}"):
        engine.generate_choices(LONG, n)


async def test_an_answer_follows_a_json_schema(engine: LlamaEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "unit": {"enum": ["C", "F"]}},
        "required": ["ok", "unit"],
        "additionalProperties": False,
    }
    sampling = SamplingParameters(seed=1, max_tokens=60, json_schema=json.dumps(schema))
    answer = json.loads(await engine.generate("Weather as JSON:", sampling=sampling).text())
    assert set(answer) == {"ok", "unit"}
    assert isinstance(answer["ok"], bool)
    assert answer["unit"] in {"C", "F"}


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        (SamplingParameters(json_schema="{oops"), "no JSON"),
        (SamplingParameters(json_schema='{"type": "mystery"}'), "mystery"),
        (SamplingParameters(json_schema="{}", grammar='root ::= "a"'), "exclude each other"),
    ],
)
async def test_a_schema_that_cannot_be_followed_is_refused(
    engine: LlamaEngine, sampling: SamplingParameters, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await engine.generate("x", sampling=sampling).text()


async def test_a_shift_is_refused_where_the_memory_cannot(recurrent_path: Path) -> None:
    engine = LlamaEngine(recurrent_path)
    await engine.load(256)
    limits = RequestLimits(overflow=Overflow.SHIFT)
    with pytest.raises(InvalidRequest, match="cannot shift") as caught:
        await engine.generate("x", 600, limits=limits).text()
    assert caught.value.param == "overflow"
    await engine.unload()
