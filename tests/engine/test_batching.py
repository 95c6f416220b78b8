"""Many requests on one engine: together, after each other, and on what is left in the cache.

One engine with a small model serves nearly all of these tests: what is said matters in few. No two
of them begin a prompt with the same words, where one that is new to the cache is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import Completion, FinishReason, TokenLogprob
from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import (
    ContextLimitExceeded,
    GenerationTimeout,
    InvalidRequest,
    QueueFull,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0, max_tokens=8)
CAPITALS = [f"The capital of {country} is" for country in ("France", "Italy", "Japan", "Peru")]
SYSTEM = ChatTurn(Role.SYSTEM, "You answer in short, plain sentences. " * 12)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=4))
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def smollm(model_path: Path) -> AsyncIterator[LlamaEngine]:
    """For what is said."""
    engine = LlamaEngine(model_path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=4))
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quantised(quantised_path: Path) -> AsyncIterator[LlamaEngine]:
    """For how ggml rounds where weights are quantised."""
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=4))
    yield engine
    await engine.unload()


async def _answer(
    engine: LlamaEngine, prompt: str | list[ChatTurn], *, cache_prompt: bool = True
) -> tuple[str, Completion]:
    stream = engine.generate(prompt, sampling=GREEDY, cache_prompt=cache_prompt)
    return await stream.text(), await stream.wait_completion()


async def test_answers_are_the_same_alone_and_four_at_once(quantised: LlamaEngine) -> None:
    alone = [(await _answer(quantised, prompt, cache_prompt=False))[0] for prompt in CAPITALS]
    together = await asyncio.gather(*(_answer(quantised, p, cache_prompt=False) for p in CAPITALS))
    assert [text for text, _ in together] == alone


async def _logprobs(
    engine: LlamaEngine, prompt: str, seed: int, n_tokens: int = 8
) -> list[TokenLogprob]:
    sampling = SamplingParameters(seed=seed, top_logprobs=0, max_tokens=n_tokens, ignore_eos=True)
    stream = engine.generate(prompt, sampling=sampling)
    await stream.text()
    return list(stream.logprobs)


async def test_a_seed_gives_the_same_text_to_the_last_bit_whatever_else_there_is(
    quantised_path: Path,
) -> None:
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=4))
    alone = [await _logprobs(engine, prompt, seed) for seed, prompt in enumerate(CAPITALS)]
    # Long enough that ggml would share out a lone row to its threads from now on.
    await engine.generate("one two three four five " * 50, 1, sampling=GREEDY).text()
    again = [await _logprobs(engine, prompt, seed) for seed, prompt in enumerate(CAPITALS)]
    together = await asyncio.gather(
        *(_logprobs(engine, prompt, seed) for seed, prompt in enumerate(CAPITALS))
    )
    await engine.unload()
    assert [len(logprobs) for logprobs in alone] == [8] * 4
    assert again == alone
    assert together == alone


async def test_a_seed_gives_the_same_text_among_more_rows_than_one_of_ggmls_tiles(
    quantised_path: Path,
) -> None:
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=72))
    alone = await _logprobs(engine, CAPITALS[0], 3, 4)
    others = [_logprobs(engine, f"{number}", number, 4) for number in range(70)]
    again, *_ = await asyncio.gather(_logprobs(engine, CAPITALS[0], 3, 4), *others)
    await engine.unload()
    assert again == alone


async def test_a_long_prompt_with_a_seed_is_computed_the_same_from_the_cache(
    quantised: LlamaEngine,
) -> None:
    prompt = f"Numbers: {FEW}"
    first = await _logprobs(quantised, prompt, 1)
    assert await _logprobs(quantised, prompt, 1) == first


async def test_requests_run_together(engine: LlamaEngine) -> None:
    endless = SamplingParameters(temperature=0.0, ignore_eos=True, max_tokens=1500)
    first = engine.generate(CAPITALS[0], sampling=endless)
    async for batch in first.batches():
        if batch:
            break
    text, completion = await _answer(engine, CAPITALS[1])
    assert text
    assert completion.finish_reason is FinishReason.LENGTH
    assert first.completion is None  # it has 1,500 tokens to go, and did not hold up the other
    first.cancel()
    await first.wait_completion()


# llama.cpp's CPU attention rounds a prompt of 64 tokens and more otherwise than single tokens, so a
# weak model that hesitates between two words may choose the other one. Counting leaves no doubt.
COUNT = ", ".join(str(number) for number in range(1, 80)) + ","
FEW = COUNT[: COUNT.index(" 35,")]  # just over 64 tokens


async def test_a_cancelled_answer_does_not_wait_for_the_prompts_of_its_step(
    smollm: LlamaEngine,
) -> None:
    words = ("river", "mountain", "window")
    first, *others = (smollm.generate(f" {word}" * 100, 2, sampling=GREEDY) for word in words)
    async for tokens in first.batches():
        if tokens:
            break
    first.cancel()
    assert (await first.wait_completion()).finish_reason is FinishReason.CANCELLED
    assert others[-1].total_tokens == 0
    for stream in others:
        assert (await stream.wait_completion()).finish_reason is FinishReason.LENGTH


async def test_what_follows_an_answer_computes_only_what_is_new(quantised: LlamaEngine) -> None:
    first, _ = await _answer(quantised, FEW)
    longer = f"{FEW}{first}, 200, 201, 202, 203,"
    second, completion = await _answer(quantised, longer)
    timings = completion.timings
    assert timings.prompt_tokens - timings.cached_tokens < 40 < timings.cached_tokens
    anew, cold = await _answer(quantised, longer, cache_prompt=False)
    assert cold.timings.cached_tokens == 0
    assert second == anew


async def test_the_next_turn_of_a_chat_reuses_all_before_it(engine: LlamaEngine) -> None:
    turns = [SYSTEM, ChatTurn(Role.USER, "Name a river.")]
    first, _ = await _answer(engine, turns)
    turns += [ChatTurn(Role.ASSISTANT, first), ChatTurn(Role.USER, "And a sea?")]
    _, completion = await _answer(engine, turns)
    assert completion.timings.prompt_tokens - completion.timings.cached_tokens < 50
    assert completion.timings.cached_tokens > 80


async def test_a_regenerated_answer_computes_one_token_of_its_prompt(engine: LlamaEngine) -> None:
    cold, _ = await _answer(engine, COUNT)
    again, completion = await _answer(engine, COUNT)
    assert completion.timings.cached_tokens == completion.timings.prompt_tokens - 1
    assert again == cold


async def test_an_edit_keeps_what_is_before_it(engine: LlamaEngine) -> None:
    await _answer(engine, COUNT)
    edited = COUNT.replace(" 75, 76, 77, 78, 79,", " 305, 306, 307, 308, 309,")
    text, completion = await _answer(engine, edited)
    assert completion.timings.cached_tokens > 150
    assert text == (await _answer(engine, edited, cache_prompt=False))[0]


async def test_parallel_requests_share_what_they_begin_with(engine: LlamaEngine) -> None:
    starts = (300, 500, 700)
    prompts = [f"Count: {COUNT} {start}, {start + 1}, {start + 2}," for start in starts]
    together = await asyncio.gather(*(_answer(engine, prompt) for prompt in prompts))
    cached = sorted(completion.timings.cached_tokens for _, completion in together)
    assert cached[0] == 0  # one of them has computed it
    assert cached[1] > 150
    alone = [(await _answer(engine, prompt, cache_prompt=False))[0] for prompt in prompts]
    assert [text for text, _ in together] == alone


async def test_more_than_fits_is_computed_all_the_same(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=320, n_parallel=4))
    sampling = SamplingParameters(temperature=0.0, ignore_eos=True, max_tokens=100)
    streams = [engine.generate(prompt, sampling=sampling) for prompt in CAPITALS]
    completions = [await stream.wait_completion() for stream in streams]
    await engine.unload()
    assert [c.timings.completion_tokens for c in completions] == [100] * 4
    assert {c.finish_reason for c in completions} == {FinishReason.LENGTH}


async def test_a_full_queue_refuses_with_numbers(engine: LlamaEngine) -> None:
    endless = SamplingParameters(temperature=0.0, ignore_eos=True, max_tokens=450)
    streams = [engine.generate(CAPITALS[0], sampling=endless) for _ in range(4 + 256)]
    with pytest.raises(QueueFull, match="256 requests wait already, and 4 run"):
        await engine.generate(CAPITALS[0], sampling=endless).text()
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*(stream.wait_completion() for stream in streams))
    assert (await _answer(engine, CAPITALS[0]))[0]


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [RequestLimits(first_token_seconds=1e-6), RequestLimits(total_seconds=1e-6)]
)
async def test_a_request_that_takes_too_long_ends_and_frees_its_place(
    engine: LlamaEngine, limits: RequestLimits
) -> None:
    with pytest.raises(GenerationTimeout, match="Generation request timed out"):
        await engine.generate("word " * 1500, 200, limits=limits).text()
    assert (await _answer(engine, CAPITALS[0]))[0]


async def test_a_request_that_waits_too_long_ends(engine: LlamaEngine) -> None:
    endless = SamplingParameters(ignore_eos=True, max_tokens=400)
    busy = [engine.generate(prompt, sampling=endless) for prompt in CAPITALS]
    waiting = engine.generate(
        CAPITALS[0], sampling=GREEDY, limits=RequestLimits(queue_seconds=0.000001)
    )
    with pytest.raises(GenerationTimeout):
        await waiting.text()
    for stream in busy:
        stream.cancel()
        await stream.wait_completion()


async def test_an_impossible_limit_is_named(engine: LlamaEngine) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await engine.generate("Hi", 4, limits=RequestLimits(total_seconds=-1.0)).text()
    assert refused.value.param == "total_seconds"


# -- a context that is too small ---------------------------------------------------------------


def _long_chat() -> list[ChatTurn]:
    turns = [SYSTEM]
    for number in range(30):
        turns.append(
            ChatTurn(Role.USER, f"Question {number}: " + "what of the river and sea? " * 8)
        )
        turns.append(ChatTurn(Role.ASSISTANT, f"Answer {number}: they meet at the coast."))
    return [*turns, ChatTurn(Role.USER, "What was the last answer?")]


async def test_truncate_middle_drops_the_oldest_turns_and_says_how_many(
    engine: LlamaEngine,
) -> None:
    with pytest.raises(ContextLimitExceeded):
        await engine.generate(_long_chat(), sampling=GREEDY).text()
    limits = RequestLimits(overflow=Overflow.TRUNCATE_MIDDLE)
    stream = engine.generate(_long_chat(), 2, sampling=GREEDY, limits=limits)
    completion = await stream.wait_completion()
    assert completion.dropped_turns > 0
    assert completion.dropped_turns % 2 == 0  # a question goes with its answer
    kept = [SYSTEM, *_long_chat()[1 + completion.dropped_turns :]]
    assert await engine.count_tokens(kept) == completion.timings.prompt_tokens < 2048


async def test_an_answer_that_was_begun_goes_on(smollm: LlamaEngine) -> None:
    question = ChatTurn(Role.USER, "Count to ten.")
    begun = ChatTurn(Role.ASSISTANT, "1, 2, 3,")
    text, completion = await _answer(smollm, [question, begun])
    assert "4" in text
    assert completion.timings.prompt_tokens < await smollm.count_tokens([question, begun]) + 1


@pytest.mark.parametrize("begun", ["<", "|", "s"])
async def test_what_looks_like_the_end_of_a_turn_goes_on_too(
    engine: LlamaEngine, begun: str
) -> None:
    question = ChatTurn(Role.USER, "Say it.")
    open_ended = await engine.count_tokens([question])
    _, completion = await _answer(engine, [question, ChatTurn(Role.ASSISTANT, begun)])
    assert completion.timings.prompt_tokens == open_ended + 1


async def test_as_many_may_run_as_llama_cpp_has_sequences(small_path: Path) -> None:
    engine = LlamaEngine(small_path)
    info = await engine.load(options=LoadOptions(n_ctx=512, n_parallel=256))
    assert info.n_parallel == 256
    assert (await _answer(engine, CAPITALS[0]))[0]
    await engine.unload()
