"""The log-probabilities of a prompt's tokens, against those of answers made token by token."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from gguf import Keys

from minerva_desktop.chat.completion import FinishReason, PromptToken
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions, Speculation
from minerva_desktop.engine.token_stream import TokenStream
from minerva_desktop.errors import ContextLimitExceeded, InvalidRequest
from tests.engine.models import write_with_keys

TEXT = "The harbour lay quiet, and Grüße from the sea came in with 12 boats: 日本 at last."
SCORE = SamplingParameters(temperature=0.0, max_tokens=0, top_logprobs=3)
N_CTX = 256


# The tests share their engines. Scores are compared, none is known: most have a small model.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX))
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quantised(quantised_path: Path) -> AsyncIterator[LlamaEngine]:
    """For scores that must be equal however many rows ggml computes at once: weights in F16 give
    others."""
    engine = LlamaEngine(quantised_path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX))
    yield engine
    await engine.unload()


async def by_hand(engine: LlamaEngine, tokens: list[int]) -> list[float]:
    """The log-probability of each token but the first, as that of the one token of an answer to
    those before it, which a bias makes it be."""
    found = []
    for index, token in enumerate(tokens[1:], start=1):
        stream = engine.generate(
            tokens[:index],
            sampling=SamplingParameters(
                temperature=0.0, max_tokens=1, top_logprobs=0, logit_bias={token: 1000.0}
            ),
        )
        await stream.text()
        assert [logprob.token for logprob in stream.logprobs] == [token]
        found.append(stream.logprobs[0].logprob)
    return found


def values(stream: TokenStream) -> list[float]:
    """Of all tokens but the first, which has none."""
    first, *rest = stream.prompt_from(0)
    assert (first.logprob, first.top) == (None, ())
    return [each.logprob for each in rest if each.logprob is not None]


def joined(scored: tuple[PromptToken, ...]) -> str:
    return b"".join(each.text for each in scored).decode()


async def test_scores_are_those_of_answers_made_token_by_token(quantised: LlamaEngine) -> None:
    engine = quantised
    tokens = list((await engine.tokenize(TEXT, add_special=True)).tokens)
    assert len(tokens) > 20  # more than one step computes
    stream = engine.generate(TEXT, sampling=SCORE, score_prompt=True)
    completion = await stream.wait_completion()
    scored = stream.prompt_from(0)
    assert [each.token for each in scored] == tokens
    assert joined(scored) == TEXT
    assert values(stream) == pytest.approx(await by_hand(engine, tokens), abs=0.02)
    for each in scored[1:]:
        best = each.top[0].logprob
        assert len(each.top) == 3
        assert best == max(other.logprob for other in each.top)
        assert each.logprob is not None
        assert each.logprob <= best
    assert str(stream) == ""
    assert completion.finish_reason is FinishReason.LENGTH
    assert completion.timings.prompt_tokens == len(tokens)
    assert (completion.timings.completion_tokens, completion.timings.cached_tokens) == (0, 0)
    assert stream.prefill == (len(tokens), len(tokens))


async def test_a_scored_prompt_is_answered_as_any_other(engine: LlamaEngine) -> None:
    answering = SamplingParameters(temperature=0.0, max_tokens=6, top_logprobs=0)
    plain = engine.generate(TEXT, sampling=answering)
    await plain.text()
    assert plain.prompt_from(0) == ()
    scored = engine.generate(TEXT, sampling=answering, score_prompt=True)
    assert await scored.text() == str(plain)
    assert [each.token for each in scored.logprobs] == [each.token for each in plain.logprobs]
    assert len(scored.logprobs) == 6
    tokens = [each.token for each in scored.prompt_from(0)]
    again = engine.generate(tokens, sampling=SCORE, score_prompt=True)
    await again.text()
    assert values(again) == values(scored)
    # What it computed is of use to the next.
    after = await engine.generate(TEXT, sampling=answering).wait_completion()
    assert after.timings.cached_tokens == len(tokens) - 1


async def test_tokens_that_end_inside_a_character_lose_none_of_it(engine: LlamaEngine) -> None:
    found = await engine.tokenize(TEXT)
    # Before the last token of the first character that takes several.
    cut = found.pieces.index("日".encode()[-1:])
    prompt = found.tokens[:cut]
    told = await engine.detokenize(prompt, whole=True)
    assert (told + "日本 at last.", await engine.detokenize(prompt)) == (TEXT, f"{told}\ufffd")
    for scored in (False, True):
        bias = {found.tokens[cut]: 1000.0}
        sampling = SamplingParameters(
            temperature=0.0, max_tokens=1, top_logprobs=0, logit_bias=bias
        )
        stream = engine.generate(prompt, sampling=sampling, score_prompt=scored)
        assert await stream.text() == "日"
    # What the answer does not complete is left out, as anywhere else.
    other = engine.generate(prompt, sampling=SamplingParameters(temperature=0.0, max_tokens=0))
    assert await other.text() == ""


async def test_control_tokens_are_written_out_where_the_prompt_has_them(
    engine: LlamaEngine,
) -> None:
    text = "<|im_start|>user\nHi<|im_end|>"
    stream = engine.generate(text, sampling=SCORE, score_prompt=True)
    await stream.text()
    scored = stream.prompt_from(0)
    assert joined(scored) == text
    assert scored[0].piece == b"<|im_start|>"
    assert scored[-1].piece == b"<|im_end|>"
    single = engine.generate([scored[0].token], sampling=SCORE, score_prompt=True)
    await single.text()
    assert single.prompt_from(0) == scored[:1]


async def test_many_at_once_are_scored_as_each_alone(quantised: LlamaEngine) -> None:
    """With answers beside them, in a cache that is too small for all of them."""
    engine = quantised
    texts = [f"{n} boats. " + TEXT * 2 for n in range(4)]
    alone = []
    for text in texts:
        stream = engine.generate(text, sampling=SCORE, score_prompt=True)
        await stream.text()
        alone.append(values(stream))
    answering = SamplingParameters(temperature=0.0, max_tokens=24, ignore_eos=True)
    answers = [engine.generate(f"Once {n}", sampling=answering) for n in range(2)]
    together = [engine.generate(text, sampling=SCORE, score_prompt=True) for text in texts]
    await asyncio.gather(*(stream.text() for stream in answers + together))
    assert [stream.total_tokens for stream in answers] == [24, 24]
    for stream, expected in zip(together, alone, strict=True):
        assert values(stream) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n_parallel", [1, 4])
async def test_guessing_ahead_changes_no_score(
    engine: LlamaEngine, small_path: Path, n_parallel: int
) -> None:
    plain = engine.generate(TEXT, sampling=SCORE, score_prompt=True)
    await plain.text()
    other = LlamaEngine(small_path)
    speculation = Speculation(n_draft=4)
    await other.load(
        options=LoadOptions(n_ctx=N_CTX, n_parallel=n_parallel, speculation=speculation)
    )
    guessing = other.generate(TEXT, sampling=SCORE, score_prompt=True)
    await guessing.text()
    await other.unload()
    assert values(guessing) == pytest.approx(values(plain), abs=0.02)


async def test_a_model_that_cannot_go_back_is_scored_too(recurrent_path: Path) -> None:
    engine = LlamaEngine(recurrent_path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX, n_parallel=2))
    stream = engine.generate(TEXT, sampling=SCORE, score_prompt=True)
    await stream.text()
    tokens = [each.token for each in stream.prompt_from(0)]
    expected = await by_hand(engine, tokens[:8])
    await engine.unload()
    assert len(values(stream)) == len(tokens) - 1
    assert values(stream)[:7] == pytest.approx(expected, abs=0.02)


async def test_a_prompt_may_fill_the_context_where_no_answer_is_wanted(
    engine: LlamaEngine,
) -> None:
    token = (await engine.tokenize(" sea")).tokens[0]
    stream = engine.generate([token] * N_CTX, sampling=SCORE, score_prompt=True)
    await stream.text()
    assert len(values(stream)) == N_CTX - 1
    assert all(value <= 0 and math.isfinite(value) for value in values(stream))
    with pytest.raises(ContextLimitExceeded, match="max 256, required 257"):
        await engine.generate([token] * N_CTX, 1).text()
    with pytest.raises(ContextLimitExceeded, match="max 256, required 257"):
        await engine.generate([token] * (N_CTX + 1), 0).text()


async def test_no_answer_is_wanted(engine: LlamaEngine) -> None:
    """The prompt is computed all the same: the next request finds it."""
    nothing = await engine.generate(TEXT, 0).wait_completion()
    assert nothing.finish_reason is FinishReason.LENGTH
    assert nothing.timings.completion_tokens == 0
    next_one = await engine.generate(TEXT, 1).wait_completion()
    assert next_one.timings.cached_tokens == nothing.timings.prompt_tokens - 1


async def test_what_cannot_be_scored_is_refused(engine: LlamaEngine) -> None:
    for sampling, suffix, param in (
        (SamplingParameters(), None, "top_logprobs"),
        (SCORE, "behind", "suffix"),
    ):
        stream = engine.generate(TEXT, sampling=sampling, suffix=suffix, score_prompt=True)
        with pytest.raises(InvalidRequest) as caught:
            await stream.text()
        assert caught.value.param == param


async def test_what_the_tokeniser_puts_first_is_a_token_without_a_text(
    quantised_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "begins.gguf"
    write_with_keys(path, quantised_path, {Keys.Tokenizer.ADD_BOS: True})
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=N_CTX))
    stream = engine.generate(TEXT, sampling=SCORE, score_prompt=True)
    await stream.text()
    scored = stream.prompt_from(0)
    assert (scored[0].piece, scored[0].text) == (b"<|im_start|>", b"")
    assert joined(scored) == TEXT
    expected = await by_hand(engine, [each.token for each in scored[:9]])
    await engine.unload()
    assert values(stream)[:8] == pytest.approx(expected, abs=0.02)
