"""Models that cannot take back the end of a sequence: what is reused of them is never wrong.

Gemma 3 looks back through a sliding window of 512 tokens and forgets what left it; Mamba has a
state of fixed size and no past at all; Jamba has such layers and others with attention. What the
engine still holds of an earlier request is of use only to a prompt that begins with all of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

GREEDY = SamplingParameters(temperature=0.0, seed=1, ignore_eos=True, top_logprobs=0)
# Counting, because a model that is sure of the next token is not swayed by how llama.cpp rounds
# batches of different sizes (logits of Gemma differ by 0.5 between one row and four).
COUNTS = [", ".join(str(start + n) for n in range(5)) + "," for start in (10, 200)]
COUNT = ", ".join(str(number) for number in range(1, 126)) + ","  # longer than the window


# Gemma takes 8 s for some of these. The small Gemma 2, with random weights and a window of 256
# tokens, is as good where equal things are computed in equal ways.
LONG_GEMMA = pytest.param("gemma_path", marks=pytest.mark.slow)
ANEW = pytest.mark.parametrize(
    "fresh", ["window_path", "recurrent_path", "hybrid_path", LONG_GEMMA], indirect=True
)
SHARED = pytest.mark.parametrize(
    "fresh", ["recurrent_path", "hybrid_path", LONG_GEMMA], indirect=True
)


class Answer(NamedTuple):
    """Greedy tokens, and how many of the prompt's were there already."""

    text: str
    tokens: list[int]
    n_prompt: int
    n_cached: int


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def _loaded(path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(path)
    await engine.load(options=LoadOptions(n_ctx=2048, n_parallel=4))
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["window_path", "recurrent_path", "hybrid_path", LONG_GEMMA],
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[LlamaEngine]:
    """For tests that ask nothing about what the cache holds at first."""
    async with _loaded(request.getfixturevalue(request.param)) as engine:
        yield engine


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(request: pytest.FixtureRequest) -> AsyncIterator[LlamaEngine]:
    """With nothing in its cache."""
    async with _loaded(request.getfixturevalue(request.param)) as engine:
        yield engine


async def _answer(
    engine: LlamaEngine,
    prompt: str | list[ChatTurn],
    n_tokens: int = 12,
    *,
    cache_prompt: bool = True,
) -> Answer:
    stream = engine.generate(prompt, n_tokens, sampling=GREEDY, cache_prompt=cache_prompt)
    text = await stream.text()
    timings = (await stream.wait_completion()).timings
    tokens = [entry.token for entry in stream.logprobs]
    assert len(tokens) == timings.completion_tokens == n_tokens
    return Answer(text, tokens, timings.prompt_tokens, timings.cached_tokens)


async def _cancelled_in_decode(engine: LlamaEngine, prompt: str) -> None:
    stream = engine.generate(prompt, 400, sampling=GREEDY)
    async for batch in stream.batches():
        if batch:
            stream.cancel()
    assert (await stream.wait_completion()).finish_reason is FinishReason.CANCELLED


@ANEW
async def test_a_new_answer_an_edit_and_the_next_turn_are_as_if_computed_anew(
    fresh: LlamaEngine,
) -> None:
    first = await _answer(fresh, COUNT)
    assert first.n_prompt > 512
    # What is held goes on behind the prompt, so nothing of it is of use.
    again = await _answer(fresh, COUNT)
    assert (again.tokens, again.n_cached) == (first.tokens, 0)

    edited = COUNT.replace(" 121, 122, 123, 124, 125,", " 305, 306, 307, 308, 309,")
    other = await _answer(fresh, edited, 1)
    assert other.n_cached == 0

    # The one token of that answer was not computed yet: all that is held is the prompt.
    longer = f"{edited} 310, 311,"
    following = await _answer(fresh, longer)
    assert following.n_cached == other.n_prompt
    assert following.tokens == (await _answer(fresh, longer, cache_prompt=False)).tokens
    assert following.tokens != first.tokens


async def test_two_at_once_answer_as_each_alone(engine: LlamaEngine) -> None:
    alone = [await _answer(engine, prompt, cache_prompt=False) for prompt in COUNTS]
    assert len({tuple(answer.tokens) for answer in alone}) == len(COUNTS)
    together = await asyncio.gather(*(_answer(engine, prompt) for prompt in COUNTS))
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]


@SHARED
async def test_answers_to_one_prompt_share_it_and_are_those_of_each_alone(
    fresh: LlamaEngine,
) -> None:
    prompts = [COUNT, COUNT, f"{COUNT} 126, 127,"]
    alone = [await _answer(fresh, prompt, cache_prompt=False) for prompt in prompts]
    # Read in one go, so that the first prompt is not over before the child has seen the others.
    assert fresh.pid is not None
    os.kill(fresh.pid, signal.SIGSTOP)
    asked = [asyncio.create_task(_answer(fresh, prompt)) for prompt in prompts]
    await asyncio.sleep(0)
    os.kill(fresh.pid, signal.SIGCONT)
    together = await asyncio.gather(*asked)
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
    first, *others = together
    assert first.n_cached == 0
    # At the prompt's end, or where a chunk ends that is close to it.
    assert all(first.n_prompt - 64 <= other.n_cached < first.n_prompt for other in others)


async def test_an_answer_that_was_stopped_leaves_no_trace(engine: LlamaEngine) -> None:
    anew = await _answer(engine, COUNTS[0], cache_prompt=False)
    await _cancelled_in_decode(engine, COUNTS[0])
    assert (await _answer(engine, COUNTS[0])).tokens == anew.tokens


async def test_a_chat_goes_on_and_an_answer_that_was_begun_too(engine: LlamaEngine) -> None:
    turns = [ChatTurn(Role.USER, "Count to ten, and on to twenty."), ChatTurn(Role.ASSISTANT, "1,")]
    begun = await _answer(engine, turns)
    turns[-1] = ChatTurn(Role.ASSISTANT, f"1,{begun.text}")
    continued = await _answer(engine, turns)
    assert continued.n_prompt > begun.n_prompt
    assert continued.tokens == (await _answer(engine, turns, cache_prompt=False)).tokens
    turns.append(ChatTurn(Role.USER, "And back again?"))
    following = await _answer(engine, turns)
    assert following.n_prompt > continued.n_prompt
    assert following.tokens == (await _answer(engine, turns, cache_prompt=False)).tokens


async def test_what_they_are_is_told(engine: LlamaEngine) -> None:
    info = engine.get_context_info()
    kinds = {info.description.split()[0]: (info.n_layers, info.n_vocab, info.n_ctx_train)}
    known = {
        "gemma2": (2, 8192, 32_768),
        "gemma3": (18, 262_144, 32_768),
        "mamba": (2, 8192, 2048),
        "jamba": (2, 8192, 2048),
    }
    assert kinds.items() <= known.items()
    assert info.kv_bytes > 0


@pytest.mark.parametrize(("n_parallel", "n_batch"), [(1, 1), (256, 256)])
async def test_a_hybrid_model_runs_as_few_and_as_many_as_can_be(
    hybrid_path: Path, n_parallel: int, n_batch: int
) -> None:
    """With more sequences than 256, that of nobody's among them, llama.cpp makes no context."""
    engine = LlamaEngine(hybrid_path)
    await engine.load(options=LoadOptions(n_ctx=256, n_parallel=n_parallel, n_batch=n_batch))
    answers = await asyncio.gather(*(_answer(engine, prompt) for prompt in COUNTS))
    assert [len(answer.tokens) for answer in answers] == [12, 12]
    await engine.unload()
