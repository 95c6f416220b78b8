"""Tokenise, detokenise, count: answered at once, whatever is computed meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import InvalidRequest
from tests.slow_engines import slow_child_command

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEDY = SamplingParameters(temperature=0.0)
TURNS = [ChatTurn(Role.SYSTEM, "Be brief."), ChatTurn(Role.USER, "Name a river.")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path, command=slow_child_command())
    await engine.load(2048)
    yield engine
    await engine.unload()


async def test_tokens_and_back(engine: LlamaEngine) -> None:
    text = "Grüße, 世界! 🦉 def f(x): return x**2"
    answer = await engine.tokenize(text)
    assert b"".join(answer.pieces).decode() == text
    assert len(answer.pieces) == len(answer.tokens) > 10
    assert await engine.detokenize(answer.tokens) == text
    assert await engine.detokenize([]) == ""


async def test_control_tokens_are_read_only_where_wanted(engine: LlamaEngine) -> None:
    as_control = await engine.tokenize("<|im_start|>")
    as_text = await engine.tokenize("<|im_start|>", parse_special=False)
    assert len(as_control.tokens) == 1 < len(as_text.tokens)
    assert await engine.detokenize(as_control.tokens) == "<|im_start|>"
    assert await engine.detokenize(as_text.tokens) == "<|im_start|>"


async def test_the_template_is_applied_as_a_generation_would(engine: LlamaEngine) -> None:
    text = await engine.apply_template(TURNS)
    assert text.startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a river."
    )
    assert text.endswith("<|im_start|>assistant\n")
    tokens = (await engine.tokenize(text)).tokens
    assert await engine.count_tokens(TURNS) == len(tokens)
    by_turns = await engine.generate(TURNS, 8, sampling=GREEDY).text()
    assert await engine.generate(tokens, 8, sampling=GREEDY).text() == by_turns


async def test_a_token_that_is_not_there_is_named(engine: LlamaEngine) -> None:
    with pytest.raises(InvalidRequest, match=r"tokens names token 8192.*8,192"):
        await engine.detokenize([1, 8192])
    with pytest.raises(InvalidRequest, match="prompt names token -1"):
        await engine.generate([1, -1], 4).text()


async def test_questions_do_not_wait_for_a_prompt_that_is_computed(model_path: Path) -> None:
    # One step for the whole prompt: an answer in between cannot come from between two steps.
    engine = LlamaEngine(model_path)
    options = LoadOptions(n_ctx=1024, n_batch=1024, n_threads=1, n_threads_batch=1)
    await engine.load(options=options)
    stream = engine.generate(" sea" * 200, 1, sampling=GREEDY)
    # Questions have a thread of their own, so the prompt may still be tokenised at the first one.
    for _ in range(5):
        await engine.count_tokens(TURNS)
    assert stream.prefill == (0, 0)
    assert not stream.is_finished
    await stream.wait_completion()
    await engine.unload()


async def test_a_costly_grammar_does_not_hold_up_an_answer_that_runs(engine: LlamaEngine) -> None:
    endless = SamplingParameters(temperature=0.0, ignore_eos=True)
    running = engine.generate("Once upon a time", 400, sampling=endless)
    async for batch in running.batches():
        if batch:
            break
    # Each text can be read in many ways, which takes our own check a while to refuse.
    rules = "\n".join(
        f"r{i} ::= " + " | ".join(f'[x] "{i}{j}" r{i + 1}' for j in range(40)) for i in range(60)
    )
    costly = engine.generate(
        "Write:", sampling=SamplingParameters(grammar=f'root ::= r0\n{rules}\nr60 ::= "end"\n')
    )
    seen = running.total_tokens
    with pytest.raises(InvalidRequest, match="too ambiguous"):
        await costly.text()
    assert running.total_tokens > seen
    running.cancel()
    await running.wait_completion()
