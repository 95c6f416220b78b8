"""Guessing ahead: never another answer, and fewer steps where the guesses are right."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.completion import Completion, FinishReason
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.speculation import PromptLookup, room_for_drafts
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, Speculation
from minerva_desktop.errors import InferenceError, InvalidRequest, ModelLoadError, ModelNotFound
from tests.engine.models import write_with_fewer_tokens, write_with_templates

GREEDY = SamplingParameters(temperature=0.0, max_tokens=36)
# Prompts whose answers leave the model no doubt: llama.cpp rounds several tokens in one decode
# otherwise than one.
COUNT = ", ".join(str(number) for number in range(1, 40)) + ","
LINE = "The quick brown fox jumps over the lazy dog.\n"
FOX = LINE * 6
PROMPTS = [COUNT, FOX]


def _lookup(tokens: list[int], n_draft: int = 4) -> list[int]:
    sequence = Sequence(1, tokens, None)
    PromptLookup(n_draft=n_draft, n_ctx=1000).draft([sequence])
    return sequence.drafts


def test_a_guess_is_what_came_the_last_time() -> None:
    assert _lookup([1, 2, 3, 9, 1, 2, 3, 7, 8, 5, 1, 2, 3]) == [7, 8, 5, 1]
    assert _lookup([1, 2, 3, 4]) == []
    assert _lookup([5, 5]) == []


def test_a_longer_match_is_preferred() -> None:
    assert _lookup([4, 1, 2, 50, 0, 1, 2, 60, 0, 4, 1, 2], n_draft=1) == [50]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 40))
def test_guesses_grown_token_by_token_are_those_of_the_whole(tokens: list[int], start: int) -> None:
    sequence = Sequence(1, tokens[:start], None)
    lookup = PromptLookup(n_draft=4, n_ctx=1000)
    lookup.draft([sequence])
    for token in tokens[start:]:
        sequence.tokens.append(token)
        lookup.draft([sequence])
    assert sequence.drafts == _lookup(list(sequence.tokens))


def test_no_guess_goes_beyond_the_answer_or_the_context() -> None:
    sequence = Sequence(1, [1] * 10, 3)
    assert room_for_drafts(sequence, 8, n_ctx=100) == 2
    assert room_for_drafts(Sequence(1, [1] * 10, None), 8, n_ctx=13) == 2
    assert room_for_drafts(Sequence(1, [1] * 10, None), 8, n_ctx=10) == 0


async def _run(
    engine: LlamaEngine, prompt: str, sampling: SamplingParameters = GREEDY
) -> tuple[str, Completion]:
    stream = engine.generate(prompt, sampling=sampling, cache_prompt=False)
    return await stream.text(), await stream.wait_completion()


Load = Callable[..., Awaitable[LlamaEngine]]


@pytest.fixture
async def load() -> AsyncIterator[Load]:
    """Loads engines that end with the test."""
    engines: list[LlamaEngine] = []

    async def start(
        model_path: Path, speculation: Speculation | None = None, n_ctx: int = 1024
    ) -> LlamaEngine:
        engines.append(LlamaEngine(model_path))
        await engines[-1].load(options=LoadOptions(n_ctx=n_ctx, speculation=speculation))
        return engines[-1]

    yield start
    await asyncio.gather(*(engine.unload() for engine in engines))


@pytest.mark.parametrize(
    ("model", "with_model"),
    [
        ("small_path", True),
        pytest.param("model_path", False, marks=pytest.mark.slow),
        pytest.param("model_path", True, marks=pytest.mark.slow),
    ],
)
async def test_the_answers_are_those_without_and_most_guesses_are_right(
    model: str, with_model: bool, load: Load, request: pytest.FixtureRequest
) -> None:
    model_path: Path = request.getfixturevalue(model)
    plain = await load(model_path)
    seeded = SamplingParameters(seed=5, temperature=0.3, max_tokens=24)
    expected = [await _run(plain, prompt) for prompt in PROMPTS]
    warm = await _run(plain, COUNT, seeded)
    await plain.unload()
    draft = bytes(model_path) if with_model else None
    guessing = await load(model_path, Speculation(draft_model=draft, n_draft=4, p_min=0.5))
    for prompt, (text, completion) in zip(PROMPTS, expected, strict=True):
        guessed, done = await _run(guessing, prompt)
        assert guessed == text
        assert done.finish_reason == completion.finish_reason
        assert done.timings.completion_tokens == completion.timings.completion_tokens
        if with_model or prompt is FOX:
            assert done.acceptance_rate is not None
            assert done.acceptance_rate > 0.8
    assert (await _run(guessing, COUNT, seeded))[0] == warm[0]
    together = await asyncio.gather(*(_run(guessing, prompt) for prompt in PROMPTS))
    assert [text for text, _ in together] == [text for text, _ in expected]


async def test_the_context_ends_where_it_would_have_ended(
    generated: Callable[..., Path], load: Load
) -> None:
    # One that says the same again and again.
    model = generated("llama", n_layers=2, width=64, n_heads=2, feed=128, head=32)
    plain = await load(model, n_ctx=256)
    guessing = await load(model, Speculation(n_draft=8), n_ctx=256)
    full = SamplingParameters(temperature=0.0, ignore_eos=True)
    text, done = await _run(plain, COUNT, full)
    guessed, guessed_done = await _run(guessing, COUNT, full)
    assert guessed == text
    assert done.finish_reason is guessed_done.finish_reason is FinishReason.LENGTH
    assert done.timings.completion_tokens == guessed_done.timings.completion_tokens > 50
    assert guessed_done.accepted_tokens > 25


async def test_a_stop_comes_where_it_would_have_come(model_path: Path, load: Load) -> None:
    guessing = await load(model_path, Speculation(n_draft=8), n_ctx=256)
    count = COUNT[: COUNT.index(" 20,")]
    stops = SamplingParameters(temperature=0.0, max_tokens=100, stop=("23",))
    stream = guessing.generate(count, sampling=stops)
    done = await stream.wait_completion()
    assert (str(stream), done.finish_reason) == (" 20, 21, 22, ", FinishReason.STOP)
    assert done.accepted_tokens > 0
    # What is left in the cache is of use to the next turn, as without.
    again = await guessing.generate(count, 1, sampling=GREEDY).wait_completion()
    assert again.timings.cached_tokens == again.timings.prompt_tokens - 1


async def test_what_was_guessed_rightly_arrives_though_the_grammar_then_leaves_nothing(
    model_path: Path, load: Load
) -> None:
    engine = await load(model_path, Speculation(n_draft=16))
    last = "\U0010ffff"  # one token alone begins with its first byte
    banned = (await engine.tokenize(last)).tokens[0]
    grammar = f"root ::= {json.dumps(LINE + last, ensure_ascii=False)}"
    sampling = SamplingParameters(
        temperature=0.0, max_tokens=60, logit_bias={banned: -math.inf}, grammar=grammar
    )
    stream = engine.generate(LINE * 3, sampling=sampling)
    with pytest.raises(InferenceError, match="grammar allows no token"):
        await stream.text()
    assert str(stream) == LINE


async def test_a_sliding_window_takes_wrong_guesses_back(window_path: Path, load: Load) -> None:
    longer_than_the_window = ", ".join(str(number) for number in range(1, 200)) + ","
    # A text of two words can be guessed now and then.
    two_words = msgspec.structs.replace(GREEDY, logit_bias={1000: 100.0, 2000: 100.0})
    plain = await load(window_path)
    text, _ = await _run(plain, longer_than_the_window, two_words)
    guessing = await load(window_path, Speculation(n_draft=4))
    guessed, done = await _run(guessing, longer_than_the_window, two_words)
    assert guessed == text
    assert done.drafted_tokens > done.accepted_tokens > 0


@pytest.mark.parametrize(("n_common", "n_cached"), [(100, 0), (400, 0), (590, 590)])
async def test_a_sliding_window_that_others_were_given_is_computed_anew(
    window_path: Path, load: Load, n_common: int, n_cached: int
) -> None:
    """The last prompt takes the place of the first, and more cells than that had: those that no
    token at the end of the second looks at. One that goes on from amid that one would."""
    sampling = SamplingParameters(temperature=0.0, max_tokens=4, top_logprobs=0, ignore_eos=True)
    prompts = [tuple(range(first, first + n)) for first, n in ((5, 100), (500, 600), (2000, 400))]
    turn = (*prompts[1][:n_common], 7, 8, 9)
    engines = [await load(window_path, Speculation(n_draft=1)) for _ in range(2)]
    for prompt in prompts:
        await engines[0].generate(prompt, 1).text()
    used, fresh = [engine.generate(turn, sampling=sampling) for engine in engines]
    assert (await used.wait_completion()).timings.cached_tokens == n_cached
    await fresh.wait_completion()
    expected = [each.logprob for each in fresh.logprobs]
    assert [each.logprob for each in used.logprobs] == pytest.approx(expected, abs=0.005)


async def test_a_draft_model_with_another_vocabulary_is_refused(
    model_path: Path, gemma_path: Path
) -> None:
    engine = LlamaEngine(model_path)
    speculation = Speculation(draft_model=bytes(gemma_path))
    with pytest.raises(ModelLoadError, match=r"another vocabulary \(262,144 tokens\).*49,152"):
        await engine.load(options=LoadOptions(n_ctx=512, speculation=speculation))


async def test_one_of_the_same_size_whose_tokens_are_others_is_too(
    small_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    write_with_templates(other, small_path, {}, {1000: "<one>", 2000: "<two>"})
    speculation = Speculation(draft_model=bytes(other))
    with pytest.raises(ModelLoadError, match=r"another vocab.* \(2 of 8,192 tokens differ\)"):
        await LlamaEngine(small_path).load(options=LoadOptions(n_ctx=512, speculation=speculation))


async def test_one_that_is_gone_is_not_taken_for_the_model(
    small_path: Path, tmp_path: Path
) -> None:
    speculation = Speculation(draft_model=bytes(tmp_path / "gone.gguf"))
    with pytest.raises(ModelNotFound, match=r"draft model “gone\.gguf” is not there"):
        await LlamaEngine(small_path).load(options=LoadOptions(n_ctx=512, speculation=speculation))


async def test_a_model_that_cannot_go_back_refuses_to_guess(recurrent_path: Path) -> None:
    engine = LlamaEngine(recurrent_path)
    with pytest.raises(InvalidRequest, match="cannot take tokens back"):
        await engine.load(options=LoadOptions(n_ctx=512, speculation=Speculation()))


async def test_a_draft_model_that_lacks_some_tokens_passes_over_them(
    load: Load, small_path: Path, tmp_path: Path
) -> None:
    smaller = tmp_path / "smaller.gguf"
    write_with_fewer_tokens(smaller, small_path, 8100)
    engine = await load(small_path, Speculation(draft_model=bytes(smaller), n_draft=4, p_min=0.5))
    known = (await engine.tokenize(COUNT)).tokens
    strange = [8191, *known]  # llama.cpp refuses a token that the model does not have
    stream = engine.generate(strange, sampling=GREEDY)
    assert await stream.text()
    assert (await stream.wait_completion()).drafted_tokens == 0
    _, completion = await _run(engine, COUNT)
    assert completion.accepted_tokens > 5
