"""Greedy answers are the same one by one and many at once, also while requests come and go and
leave holes in the cache that others fill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from minerva_desktop.chat.completion import TokenLogprob
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

GREEDY = SamplingParameters(temperature=0.0)
THINGS = ("stars", "rivers", "horses", "bridges", "clocks", "storms", "cheese", "maps")


def questions(count: int) -> list[tuple[ChatTurn, ...]]:
    """Of different lengths, so that they end at different moments."""
    return [
        (
            ChatTurn(
                Role.USER,
                f"Question {number}: name three {THINGS[number % len(THINGS)]} that you like, "
                f"and say why in {number % 7 + 2} words.",
            ),
        )
        for number in range(count)
    ]


async def test_short_answers_four_at_a_time(quantised_path: Path) -> None:
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=4096, n_parallel=4))

    async def answer(turns: tuple[ChatTurn, ...], n_tokens: int) -> str:
        return await engine.generate(turns, n_tokens, sampling=GREEDY).text()

    asked = [(turns, 6 + number % 9) for number, turns in enumerate(questions(5))]
    alone = [await answer(turns, n_tokens) for turns, n_tokens in asked]
    together = await asyncio.gather(*(answer(turns, n_tokens) for turns, n_tokens in asked))
    await engine.unload()
    assert list(together) == alone


async def test_beside_kept_chats_wherever_its_cells_lie(generated: Callable[..., Path]) -> None:
    """To the last bit: with cells that all belong to one of two threads, and with such that both
    have some of. The prompt before stays in the cache, so that a lone row's are shared out."""
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    path = generated("llama", **shape, type_name="Q4_1")
    sampling = SamplingParameters(seed=3, max_tokens=40, ignore_eos=True, top_logprobs=0)
    found = []
    for n_before in (0, 230, 700):
        engine = LlamaEngine(path)
        await engine.load(options=LoadOptions(n_ctx=1024, n_threads=2))
        if n_before:
            await engine.generate(tuple(range(5, 5 + n_before)), 1).text()
        stream = engine.generate("The harbour town lay quiet.", sampling=sampling)
        await stream.wait_completion()
        found.append([each.logprob for each in stream.logprobs])
        await engine.unload()
    assert len(found[0]) == 40
    assert found[1] == found[2] == found[0]


@pytest.mark.parametrize("type_name", ["Q4_1", "F16"])
async def test_prompts_that_share_decodes_are_computed_as_alone(
    generated: Callable[..., Path], type_name: str
) -> None:
    """To the last bit, with each other and with what decodes: together the prompts are cut where
    decodes are full, alone into equal pieces. Of several rows with logits ggml makes those of
    floats otherwise than of one."""
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    path = generated("llama", **shape, type_name=type_name)
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_threads=2, n_parallel=8))
    sampling = SamplingParameters(seed=3, max_tokens=12, ignore_eos=True, top_logprobs=0)
    prompts = [tuple(range(5 + 300 * i, 5 + 300 * i + 40 + 17 * i)) for i in range(8)]

    async def answer(prompt: tuple[int, ...]) -> list[TokenLogprob]:
        stream = engine.generate(prompt, sampling=sampling, cache_prompt=False)
        await stream.wait_completion()
        return list(stream.logprobs)

    alone = [await answer(prompt) for prompt in prompts]
    together = await asyncio.gather(*map(answer, prompts))
    await engine.unload()
    assert [len(scores) for scores in alone] == [12] * 8
    assert together == alone


async def test_a_state_beside_cells_changes_nothing_either(hybrid_path: Path) -> None:
    """To the last bit, by itself and with others before and beside it. Such a sequence cannot
    forget the row that a lone one is computed with, which is of a sequence of nobody's."""
    engine = LlamaEngine(hybrid_path)
    await engine.load(options=LoadOptions(n_ctx=1024, n_threads=2, n_parallel=3))
    sampling = SamplingParameters(seed=3, max_tokens=24, ignore_eos=True, top_logprobs=0)
    prompts = [tuple(range(5 + 300 * i, 5 + 300 * i + 60 + 40 * i)) for i in range(3)]

    async def answer(prompt: tuple[int, ...]) -> list[TokenLogprob]:
        stream = engine.generate(prompt, sampling=sampling, cache_prompt=False)
        await stream.wait_completion()
        return list(stream.logprobs)

    alone = [await answer(prompt) for prompt in prompts]
    for n_before in (0, 400):
        if n_before:
            await engine.generate(tuple(range(2000, 2000 + n_before)), 20).text()
        assert list(await asyncio.gather(*map(answer, prompts))) == alone
        assert [await answer(prompt) for prompt in prompts] == alone
    assert engine.get_context_info().n_used_cells == 0
    await engine.unload()


async def test_with_a_window_what_was_computed_before_changes_nothing(window_path: Path) -> None:
    """To the last bit, one by one and four at once. What others leave behind takes most of the
    cache, and llama.cpp goes round in that of the window, so that a sequence would come to lie in
    two parts, the later one first."""
    engine = LlamaEngine(window_path)
    await engine.load(options=LoadOptions(n_ctx=768, n_threads=2, n_parallel=4))
    sampling = SamplingParameters(seed=3, max_tokens=12, ignore_eos=True, top_logprobs=0)
    prompts = [tuple(range(5 + 300 * i, 5 + 300 * i + 40 + 30 * i)) for i in range(4)]

    async def answer(prompt: tuple[int, ...]) -> list[TokenLogprob]:
        stream = engine.generate(prompt, sampling=sampling, cache_prompt=False)
        await stream.wait_completion()
        return list(stream.logprobs)

    first = [await answer(prompt) for prompt in prompts]
    for n_before in (350, 500):
        await engine.generate(tuple(range(2000, 2000 + n_before)), 20).text()
        again = [await answer(prompt) for prompt in prompts]
        together = await asyncio.gather(*map(answer, prompts))
        assert again == first
        assert together == first
    await engine.unload()
    assert [len(scores) for scores in first] == [12] * 4


async def test_with_a_window_a_next_turn_is_computed_as_anew(window_path: Path) -> None:
    """To the last bit, and it reads only what is new."""
    sampling = SamplingParameters(seed=3, max_tokens=12, ignore_eos=True, top_logprobs=0)
    engines = [LlamaEngine(window_path) for _ in range(2)]
    for engine in engines:
        await engine.load(options=LoadOptions(n_ctx=768, n_threads=2))
    await engines[0].generate(tuple(range(2000, 2500)), 20).text()
    first = engines[0].generate(tuple(range(5, 305)), sampling=sampling)
    await first.wait_completion()
    turn = (*range(5, 305), *(each.token for each in first.logprobs), *range(3000, 3050))
    streams = [engine.generate(turn, sampling=sampling) for engine in engines]
    found = [(await stream.wait_completion()).timings.cached_tokens for stream in streams]
    for engine in engines:
        await engine.unload()
    assert found == [311, 0]
    assert len(streams[0].logprobs) == 12
    assert streams[0].logprobs == streams[1].logprobs


async def test_rearranged_weights_multiply_a_row_among_others_as_alone(gemma_path: Path) -> None:
    """ggml rearranges most formats for the CPU, Q4_K_M among them, but not the embedded model's.
    There are slots for all eight: what has a window cannot be moved out of holes."""
    engine = LlamaEngine(gemma_path)
    await engine.load(options=LoadOptions(n_ctx=1024, n_parallel=4))
    sampling = [SamplingParameters(seed=seed, max_tokens=4, ignore_eos=True) for seed in range(4)]
    prompts = [f"My {thing} are" for thing in THINGS[:4]]
    pairs = list(zip(prompts, sampling, strict=True))
    alone = [await engine.generate(prompt, sampling=each).text() for prompt, each in pairs]
    streams = [engine.generate(p, sampling=each, cache_prompt=False) for p, each in pairs]
    assert [await stream.text() for stream in streams] == alone
    await engine.unload()


async def test_a_row_that_needs_company_gets_a_guess_and_the_text_is_the_same(
    generated: Callable[..., Path],
) -> None:
    """To the last bit. One thread shares nothing out, so there no row needs another; with two each
    does, and a text of three words can be guessed now and then."""
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    path = generated("llama", **shape, type_name="Q4_1")
    sampling = SamplingParameters(
        seed=3,
        max_tokens=60,
        ignore_eos=True,
        top_logprobs=0,
        logit_bias={500: 100.0, 1500: 100.0, 2500: 100.0},
    )
    found = []
    for n_threads in (1, 2):
        engine = LlamaEngine(path)
        await engine.load(options=LoadOptions(n_ctx=1024, n_threads=n_threads))
        stream = engine.generate(tuple(range(5, 305)), sampling=sampling)
        done = await stream.wait_completion()
        logprobs = [(each.token, each.logprob) for each in stream.logprobs]
        found.append((logprobs, done.drafted_tokens, done.accepted_tokens))
        await engine.unload()
    (alone, *none), (text, n_drafted, n_accepted) = found
    assert none == [0, 0]
    assert n_drafted > n_accepted > 5
    assert len(text) == 60
    assert text == alone


async def test_an_answer_with_a_seed_builds_only_on_what_was_computed_as_its_own(
    generated: Callable[..., Path],
) -> None:
    """To the last bit. A prompt without a seed is computed in one piece of 300 rows, which ggml
    takes in tiles; what such a one left in the cache rounds otherwise."""
    shape = {"n_layers": 2, "width": 64, "n_heads": 2, "kv_heads": 2, "feed": 128, "head": 32}
    path = generated("llama", **shape, type_name="Q4_1")
    prompt = tuple(range(5, 305))
    seeded = SamplingParameters(seed=3, max_tokens=8, ignore_eos=True, top_logprobs=0)
    found = []
    n_cached = []
    for before in (None, SamplingParameters(max_tokens=1), seeded):
        engine = LlamaEngine(path)
        await engine.load(options=LoadOptions(n_ctx=2048, n_threads=2))
        if before is not None:
            await engine.generate(prompt, sampling=before).text()
        stream = engine.generate(prompt, sampling=seeded)
        completion = await stream.wait_completion()
        found.append([each.logprob for each in stream.logprobs])
        n_cached.append(completion.timings.cached_tokens)
        await engine.unload()
    assert found[1] == found[2] == found[0]
    assert n_cached == [0, 0, len(prompt) - 1]


@pytest.mark.slow
async def test_a_large_state_is_moved_out_of_the_way_too(generated: Callable[..., Path]) -> None:
    """1,100 tokens of this model are 72 MB. A request that comes later takes the cells before them
    while they run, and the next token would go behind its last one."""
    shape = {"n_layers": 8, "width": 64, "n_heads": 8, "kv_heads": 8, "feed": 128, "head": 256}
    path = generated("llama", **shape, type_name="Q4_1")
    prompt = tuple(range(5, 1105))
    seeded = SamplingParameters(seed=3, max_tokens=24, ignore_eos=True, top_logprobs=0)
    found = []
    for has_others in (False, True):
        engine = LlamaEngine(path)
        await engine.load(options=LoadOptions(n_ctx=1500, n_threads=2, n_parallel=2))
        if has_others:
            await engine.generate(tuple(range(2000, 2200)), 1).text()
        stream = engine.generate(prompt, sampling=seeded)
        if has_others:
            await anext(stream.batches())
            await engine.generate(tuple(range(3000, 3230)), 4).text()
        await stream.wait_completion()
        found.append([each.logprob for each in stream.logprobs])
        await engine.unload()
    assert found[1] == found[0]
