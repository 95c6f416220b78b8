"""Where prompts and grammars are prepared: nothing there stops a model, or holds up others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import ContextLimitExceeded, InferenceError, InvalidRequest
from tests.engine.models import write_with_templates

GREEDY = SamplingParameters(temperature=0.0)
HELLO = [ChatTurn(Role.USER, "Write one sentence about the sea.")]


@pytest.fixture(scope="module")
def broken_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model whose template is no program: Python refuses what Jinja makes of it."""
    path = tmp_path_factory.mktemp("models") / "broken.gguf"
    write_with_templates(path, model_path, {"": "{% break %}"}, {})
    yield path
    path.unlink()


@pytest.fixture
async def engine(small_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(small_path)
    await engine.load(1024)
    yield engine
    await engine.unload()


def _costly(number: int, n_rules: int = 1000) -> SamplingParameters:
    """With a grammar that takes a quarter of a second to check, with 5000 rules some seconds, and
    another for each ``number``."""
    names = [f"r{each}" for each in range(n_rules)]
    rules = "".join(f'{name} ::= "{number}-{name}" | "b"\n' for name in names)
    return SamplingParameters(grammar=f"root ::= {' '.join(names)}\n{rules}", max_tokens=1)


def _computed_seconds(engine: LlamaEngine) -> float:
    """For how long the engine's process has computed, whatever else the machine does."""
    assert engine.pid is not None
    times = psutil.Process(engine.pid).cpu_times()
    return times.user + times.system


async def test_a_costly_grammar_does_not_hold_up_requests_without_one(engine: LlamaEngine) -> None:
    costly = [engine.generate("x", sampling=_costly(n, 1000 + 4000 * n)) for n in range(2)]
    assert await engine.generate("1 2 3", 1, sampling=GREEDY).text()
    assert not costly[1].is_finished
    costly[1].cancel()
    assert (await costly[1].wait_completion()).finish_reason is FinishReason.CANCELLED
    assert (await costly[0].wait_completion()).timings.completion_tokens == 1


async def test_a_text_that_can_never_fit_does_not_hold_up_others(engine: LlamaEngine) -> None:
    far_too_long = [ChatTurn(Role.USER, "some words " * 200_000)]
    refused = [engine.generate(far_too_long, 1, sampling=GREEDY) for _ in range(2)]
    assert await engine.generate(HELLO, 1, sampling=GREEDY).text()
    assert not refused[1].is_finished
    for stream in refused:
        with pytest.raises(ContextLimitExceeded, match="max 1024, required 4"):
            await stream.text()


async def test_a_cancelled_request_is_not_prepared(engine: LlamaEngine) -> None:
    started = _computed_seconds(engine)
    await engine.generate("x", sampling=_costly(10)).text()
    one = _computed_seconds(engine) - started
    started += one
    costly = [engine.generate("x", sampling=_costly(number)) for number in range(11, 16)]
    for stream in costly:
        stream.cancel()
    small = SamplingParameters(json_schema='{"type": "boolean"}', max_tokens=1)
    await engine.generate("x", sampling=small).text()
    assert _computed_seconds(engine) - started < 3 * one, "not all five were checked before it"


async def test_no_question_waits_for_one_about_much_more_text(engine: LlamaEngine) -> None:
    lengths = (3_000_000, 100_000, 2)  # takes seconds, a moment, and nothing
    asked = [asyncio.create_task(engine.tokenize("a" * length)) for length in lengths]
    assert b"".join((await asked[2]).pieces) == b"aa"
    assert not asked[0].done()
    assert b"".join((await asked[1]).pieces) == b"a" * 100_000
    assert await engine.count_tokens(HELLO) > 6
    assert not asked[0].done()
    asked[0].cancel()


async def test_a_question_that_nobody_waits_for_is_not_answered(engine: LlamaEngine) -> None:
    text = "a" * 100_000
    started = _computed_seconds(engine)
    answer = await engine.tokenize(text)
    one = _computed_seconds(engine) - started
    asked = [asyncio.create_task(engine.tokenize(text)) for _ in range(9)]
    await asyncio.sleep(0)  # they are sent
    for each in asked:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    started = _computed_seconds(engine)
    assert await engine.tokenize(text) == msgspec.structs.replace(
        answer, request_id=answer.request_id + 10
    )
    assert _computed_seconds(engine) - started < 5 * one, "not all nine were tokenised before it"


async def test_a_refused_or_cancelled_request_leaves_the_number_of_cells(
    engine: LlamaEngine,
) -> None:
    await engine.generate("Once upon a time in a village", 8, sampling=GREEDY).text()
    n_used = engine.get_context_info().n_used_cells
    assert n_used > 8
    with pytest.raises(InvalidRequest, match="temperature"):
        await engine.generate("x", sampling=SamplingParameters(temperature=9.0)).text()
    assert engine.get_context_info().n_used_cells == n_used
    with pytest.raises(InvalidRequest, match="id 1, but none is loaded"):
        await engine.generate("x", 1, lora=[1.0, 1.0]).text()
    assert engine.get_context_info().n_used_cells == n_used
    waiting = engine.generate("x", sampling=_costly(20, 5000))
    waiting.cancel()
    assert (await waiting.wait_completion()).finish_reason is FinishReason.CANCELLED
    assert engine.get_context_info().n_used_cells == n_used


async def test_a_template_that_python_cannot_read_fails_its_requests_and_no_others(
    broken_path: Path,
) -> None:
    engine = LlamaEngine(broken_path)
    await engine.load(512)
    for _ in range(2):
        with pytest.raises(InferenceError, match="template is broken") as caught:
            await engine.generate(HELLO, 4).text()
        assert "'break' outside loop" in caught.value.message
        with pytest.raises(InferenceError, match="template is broken"):
            await engine.count_tokens(HELLO)
    assert await engine.generate("1 2 3 4", 4, sampling=GREEDY).text()
    assert (await engine.tokenize("sea")).tokens
    await engine.unload()
