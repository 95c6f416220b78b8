"""What cannot be asked of an engine is refused with its name, and leaves nothing behind."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from minerva_desktop.chat.limits import Overflow, RequestLimits
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ChatOptions, Tool
from minerva_desktop.engine import frames
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.queue_limit import QueueLimit
from minerva_desktop.errors import ContextLimitExceeded, InferenceError, InvalidRequest

GREEDY = SamplingParameters(temperature=0.0)
HELLO = [ChatTurn(Role.USER, "Write one sentence about the sea.")]
HUGE = 2**70


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loaded(small_path: Path) -> AsyncIterator[LlamaEngine]:
    # Whatever was refused and still counted would be one too many.
    engine = LlamaEngine(small_path, queue=QueueLimit(1))
    await engine.load(1024)
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(loaded: LlamaEngine) -> AsyncIterator[LlamaEngine]:
    """Which answers after each test as before."""
    yield loaded
    assert await loaded.generate("1 2 3", 2, sampling=GREEDY).text()


@pytest.mark.parametrize(
    ("prompt", "options", "field", "why"),
    [
        ([1, HUGE], {}, "prompt", "prompt holds a whole number that 64 bits cannot hold"),
        ("a", {"sampling": SamplingParameters(seed=HUGE)}, "seed", "seed holds a whole number"),
        ("a", {"sampling": SamplingParameters(top_k=HUGE)}, "top_k", "top_k holds a whole"),
        ("a", {"sampling": SamplingParameters(logit_bias={HUGE: 1.0})}, "logit_bias", "whole"),
        ("a\ud83d", {}, "prompt", "prompt holds half a character"),
        ("a", {"suffix": "\ud83d"}, "suffix", "suffix holds half a character"),
        ("a", {"sampling": SamplingParameters(stop=("\ud83d",))}, "stop", "stop holds half a"),
        (HELLO, {"chat": ChatOptions(tools=(Tool("t", "\ud83d"),))}, "tools", "half a character"),
        ([ChatTurn(Role.USER, "\ud83d")], {}, "messages", "messages holds half a character"),
    ],
)
async def test_what_cannot_be_written_is_refused_with_its_field(
    engine: LlamaEngine, prompt: Any, options: dict[str, Any], field: str, why: str
) -> None:
    for _ in range(6):  # more than may run and wait
        with pytest.raises(InvalidRequest, match=why) as caught:
            await engine.generate(prompt, 4, **options).text()
        assert caught.value.param == field


async def test_a_question_that_cannot_be_written_is_refused_with_its_field(
    engine: LlamaEngine,
) -> None:
    for _ in range(6):
        with pytest.raises(InvalidRequest, match="tokens holds a whole number") as caught:
            await engine.detokenize([HUGE])
        assert caught.value.param == "tokens"
    with pytest.raises(InvalidRequest, match="text holds half a character"):
        await engine.tokenize("\ud83d")
    with pytest.raises(InvalidRequest, match="input holds half a character"):
        await engine.embed(["\ud83d"])


@pytest.mark.parametrize("prompt", [[], (), ""])
async def test_an_empty_prompt_is_no_empty_chat(
    engine: LlamaEngine, prompt: Sequence[int] | str
) -> None:
    with pytest.raises(InvalidRequest, match="The prompt is empty") as caught:
        await engine.generate(prompt, 4).text()
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("prompt", [[1, *HELLO], [*HELLO, 1], ["text"], [*HELLO, "text"]])
async def test_a_prompt_of_several_kinds_is_refused(engine: LlamaEngine, prompt: Any) -> None:
    with pytest.raises(InvalidRequest, match="tokens alone, or turns alone") as caught:
        await engine.generate(prompt, 4).text()
    assert caught.value.param == "prompt"


async def test_a_suffix_goes_with_no_messages(engine: LlamaEngine) -> None:
    with pytest.raises(InvalidRequest, match="with a text, not with messages") as caught:
        await engine.generate(HELLO, 4, suffix="the end").text()
    assert caught.value.param == "suffix"


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        ("sea " * 2000, "prompt"),
        ([100] * 2000, "prompt"),
        ([ChatTurn(Role.USER, "sea " * 2000)], "messages"),
    ],
)
async def test_a_prompt_that_is_too_long_is_named_as_it_was_given(
    engine: LlamaEngine, prompt: Any, field: str
) -> None:
    with pytest.raises(ContextLimitExceeded, match="max 1024, required 20") as caught:
        await engine.generate(prompt, 4).text()
    assert caught.value.param == field


async def test_a_request_over_the_size_of_a_frame_is_refused_with_both_numbers(
    engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(frames, "MAX_FRAME_BYTES", 5000)
        for _ in range(6):
            with pytest.raises(InvalidRequest, match=r"has 6,\d\d\d bytes; at most 5,000"):
                await engine.generate("x" * 6000, 4).text()
        with pytest.raises(InvalidRequest, match=r"has 6,\d\d\d bytes; at most 5,000"):
            await engine.tokenize("x" * 6000)
    assert engine.is_loaded()


async def test_truncation_takes_what_leaves_less_room_than_wanted(engine: LlamaEngine) -> None:
    """As “stop” does: there is nothing left to drop, and it fits."""
    limits = RequestLimits(overflow=Overflow.TRUNCATE_MIDDLE)
    fits, too_long = ([ChatTurn(Role.USER, "sea " * n)] for n in (800, 1100))
    n_prompt = await engine.count_tokens(fits)
    assert 768 < n_prompt < 1024
    answer = engine.generate(fits, 300, sampling=GREEDY, limits=limits)
    completion = await answer.wait_completion()
    assert (completion.timings.prompt_tokens, completion.dropped_turns) == (n_prompt, 0)
    required = await engine.count_tokens(too_long) + 1
    with pytest.raises(ContextLimitExceeded, match=f"max 1024, required {required}"):
        await engine.generate(too_long, 300, limits=limits).text()


async def test_text_that_was_held_back_comes_before_the_failure(engine: LlamaEngine) -> None:
    # Behind “sea” nothing is allowed that is not banned; and “sea!” might have followed.
    (banned,) = (await engine.tokenize("~", add_special=False)).tokens
    sampling = SamplingParameters(
        grammar='root ::= "sea~"', logit_bias={banned: -math.inf}, stop=("sea!",)
    )
    stream = engine.generate("The", sampling=sampling)
    with pytest.raises(InferenceError, match="The grammar allows no token"):
        await stream.text()
    assert str(stream) == "sea"
