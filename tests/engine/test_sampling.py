"""Every sampling parameter has its effect on a real model, or is refused."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import InferenceError, InvalidRequest
from tests.engine.models import write_with_end

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "Once upon a time, in a village by the sea, there lived"
SHORT_ANSWER = "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\nHello! How"
END = 1116  # two newlines
PLAIN = SamplingParameters(temperature=1.0, seed=11, max_tokens=12)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model_path: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(model_path)
    await engine.load(options=LoadOptions(n_ctx=1024))
    yield engine
    await engine.unload()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(small_path: Path) -> AsyncIterator[LlamaEngine]:
    """For what does not depend on what the model makes of a text."""
    engine = LlamaEngine(small_path)
    await engine.load(options=LoadOptions(n_ctx=1024))
    yield engine
    await engine.unload()


async def _text(engine: LlamaEngine, prompt: str = PROMPT, **changes: Any) -> str:
    sampling = msgspec.structs.replace(PLAIN, **changes)
    return await engine.generate(prompt, sampling=sampling).text()


EFFECTS: tuple[dict[str, Any], ...] = (
    {"top_k": 2},
    {"top_p": 0.3},
    {"min_p": 0.5},
    {"typical_p": 0.2},
    {"top_n_sigma": 0.05},
    {"xtc_probability": 1.0, "xtc_threshold": 0.05},
    {"temperature": 0.2},
    {"dynatemp_range": 0.9},
    {"mirostat": 1, "mirostat_tau": 1.0},
    {"mirostat": 2, "mirostat_tau": 1.0},
    {"seed": 12},
)
# What makes a difference beside the first of each, and what of it.
NUMBERS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"mirostat": 1, "mirostat_tau": 1.0}, {"mirostat_eta": 1.0}),
    ({"mirostat": 2, "mirostat_tau": 1.0}, {"mirostat_eta": 1.0}),
    ({"dynatemp_range": 0.9}, {"dynatemp_exponent": 5.0}),
    ({"xtc_probability": 1.0, "xtc_threshold": 0.05}, {"xtc_threshold": 0.2}),
    ({"xtc_probability": 1.0, "xtc_threshold": 0.05}, {"xtc_probability": 0.3}),
)
PENALTIES: tuple[dict[str, Any], ...] = (
    {"repeat_penalty": 1.5},
    {"frequency_penalty": 1.5},
    {"presence_penalty": 2.0},
    {"dry_multiplier": 5.0, "dry_allowed_length": 1, "dry_sequence_breakers": ()},  # quicker so
)
REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("grammar", {"grammar": 'root ::= root "a"'}),
    ("grammar", {"grammar": "root ::= missing"}),
    ("logit_bias", {"logit_bias": {10_000_000: 1.0}}),
    ("logit_bias", {"logit_bias": {1: math.nan}}),
    ("logit_bias", {"logit_bias": {1: math.inf}}),
    ("logit_bias", {"logit_bias": {1: 1e39}}),  # infinite as a 32-bit float
    ("logit_bias", {"logit_bias": {1: -1e39}}),
    ("samplers", {"samplers": ("infill",)}),
    ("samplers", {"mirostat": 1, "samplers": ("top_k",)}),
    ("mirostat", {"mirostat": 3}),
    ("typical_p", {"mirostat": 2, "typical_p": 0.5}),
    ("frequency_penalty", {"frequency_penalty": 3.0}),
    ("top_logprobs", {"top_logprobs": 21}),
    ("dry_sequence_breakers", {"dry_sequence_breakers": ("",)}),
    ("dry_sequence_breakers", {"dry_sequence_breakers": ("a",) * 17}),
    ("dry_sequence_breakers", {"dry_sequence_breakers": ("ä" * 21,)}),
    ("xtc_threshold", {"xtc_threshold": math.nan}),
)


async def test_a_parameter_changes_the_answer_and_stays_reproducible(
    small_path: Path,
) -> None:
    """Compared with another engine that has done the same before: where in the cache a sequence
    lies decides how llama.cpp's attention rounds, and at a close call which token comes next."""
    runs = []
    for _ in range(2):
        engine = LlamaEngine(small_path)
        await engine.load(options=LoadOptions(n_ctx=1024))
        long: dict[str, Any] = {"max_tokens": 24}
        runs.append([await _text(engine, **long, **changes) for changes in ({}, *EFFECTS)])
        await engine.unload()
    plain, *texts = runs[0]
    for changes, text in zip(EFFECTS, texts, strict=True):
        assert text != plain, changes
    assert runs[1] == runs[0]


async def test_each_number_of_a_sampler_makes_a_difference(small: LlamaEngine) -> None:
    for sampler, number in NUMBERS:
        usual, other = sampler | {"max_tokens": 24}, sampler | number | {"max_tokens": 24}
        assert await _text(small, **usual) != await _text(small, **other), number


async def test_samplers_are_applied_in_the_order_of_the_request(engine: LlamaEngine) -> None:
    loop: dict[str, Any] = {"prompt": "red " * 9 + "red", "temperature": 0.0, "max_tokens": 4}
    loop |= {"top_k": 1, "repeat_penalty": 5.0}
    assert "red red red" not in await _text(engine, **loop)
    # Where only one token is left, a penalty changes nothing.
    for samplers in (("top_k", "penalties", "temperature"), ("temperature", "penalties")):
        assert "red red red" in await _text(engine, **loop, samplers=samplers), samplers
    # One that is not named is not applied: not even a temperature of 0.
    few: dict[str, Any] = {"top_k": 5, "max_tokens": 6}
    warm = await _text(engine, temperature=0.0, samplers=("top_k",), **few)
    assert warm == await _text(engine, temperature=1.0, samplers=("top_k", "temperature"), **few)
    assert warm != await _text(engine, temperature=0.0, **few)


async def test_next_to_no_temperature_is_none(small: LlamaEngine) -> None:
    """Logits that are divided by so little are more than llama.cpp's sort can take, or infinite."""
    coldest = await _text(small, temperature=0.0)
    many: dict[str, Any] = {"samplers": ("temperature", "top_k"), "top_k": 500}
    for changes in (many, {"mirostat": 1}, {"mirostat": 2}, {"samplers": ("temperature",)}):
        for temperature in (1e-9, 1e-40):
            assert await _text(small, temperature=temperature, **changes) == coldest, changes


async def test_a_dynamic_temperature_is_no_noise_where_the_model_is_nearly_sure(
    engine: LlamaEngine,
) -> None:
    """It comes to about 0 there, and llama.cpp chose the least likely token."""
    all_tokens: dict[str, Any] = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": 1}
    dynamic: dict[str, Any] = {"dynatemp_range": 0.5, "dynatemp_exponent": 10.0}
    for bias in range(16, 40):
        sure = {"logit_bias": {END: float(bias)}} | all_tokens
        assert await _text(engine, temperature=0.5, **dynamic, **sure) == "\n\n", bias


async def test_what_is_banned_is_not_taken_for_unlikely(small: LlamaEngine) -> None:
    odd: dict[str, Any] = {"xtc_probability": 1.0, "xtc_threshold": 0.0, "max_tokens": 6}
    odd |= {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
    assert await _text(small, grammar='root ::= "red" | "green"', **odd) in {"red", "green"}
    for kept in ({"ignore_eos": True}, {"min_tokens": 6}):
        sampling = msgspec.structs.replace(PLAIN, **odd, **kept)
        completion = await small.generate(PROMPT, sampling=sampling).wait_completion()
        assert completion.finish_reason is FinishReason.LENGTH, kept


async def test_a_penalty_breaks_a_loop(engine: LlamaEngine) -> None:
    loop: dict[str, Any] = {"prompt": "red " * 9 + "red", "temperature": 0.0, "max_tokens": 4}
    assert "red red red" in await _text(engine, **loop)
    for changes in PENALTIES:
        assert "red red red" not in await _text(engine, **loop, **changes), changes


async def test_a_penalty_reaches_as_far_back_as_it_was_told(engine: LlamaEngine) -> None:
    colours: dict[str, Any] = {
        "prompt": "red green blue white black, " * 4 + "red green",
        "temperature": 0.0,
        "max_tokens": 5,
    }
    plain = await _text(engine, **colours)
    assert plain.startswith(" blue white black, red")
    for changes in PENALTIES:
        assert await _text(engine, **colours, **changes) != plain, changes
        near: dict[str, Any] = {"repeat_last_n": 1, "dry_penalty_last_n": 2}
        assert await _text(engine, **colours, **changes, **near) == plain, changes
    weak: dict[str, Any] = {"dry_multiplier": 0.5, "dry_base": 1.0, "dry_sequence_breakers": ()}
    strong = weak | {"dry_base": 9.0}
    assert await _text(engine, **colours, **weak) != await _text(engine, **colours, **strong)
    long: dict[str, Any] = {"dry_multiplier": 5.0, "dry_allowed_length": 30}
    assert await _text(engine, **colours, **long, dry_sequence_breakers=()) == plain


async def test_a_bias_forces_and_bans_tokens(small: LlamaEngine) -> None:
    stream = small.generate(
        PROMPT, sampling=msgspec.structs.replace(PLAIN, top_logprobs=0, max_tokens=1)
    )
    await stream.text()
    token = stream.logprobs[0].token
    forced = small.generate(
        PROMPT,
        sampling=msgspec.structs.replace(
            PLAIN, logit_bias={token: 100.0}, top_logprobs=0, max_tokens=6
        ),
    )
    await forced.text()
    assert {entry.token for entry in forced.logprobs} == {token}
    banned = small.generate(
        PROMPT,
        sampling=msgspec.structs.replace(PLAIN, logit_bias={token: -math.inf}, top_logprobs=0),
    )
    await banned.text()
    assert token not in {entry.token for entry in banned.logprobs}


async def test_ends_can_be_ignored_or_put_off(engine: LlamaEngine) -> None:
    greedy = msgspec.structs.replace(PLAIN, temperature=0.0, max_tokens=40)
    plain = await engine.generate(SHORT_ANSWER, sampling=greedy).wait_completion()
    n_plain = plain.timings.completion_tokens
    assert n_plain < 30
    n_more = n_plain + 5
    assert plain.finish_reason is FinishReason.STOP
    ignoring = msgspec.structs.replace(greedy, ignore_eos=True, max_tokens=n_more)
    ignored = await engine.generate(SHORT_ANSWER, sampling=ignoring).wait_completion()
    assert ignored.finish_reason is FinishReason.LENGTH
    assert ignored.timings.completion_tokens == n_more
    later = msgspec.structs.replace(greedy, min_tokens=n_more, max_tokens=n_more + 1)
    put_off = await engine.generate(SHORT_ANSWER, sampling=later).wait_completion()
    assert put_off.timings.completion_tokens >= n_more


async def test_log_probabilities_are_the_models_own(small: LlamaEngine) -> None:
    sampling = msgspec.structs.replace(PLAIN, temperature=0.0, top_logprobs=5, max_tokens=8)
    stream = small.generate(PROMPT, sampling=sampling)
    text = await stream.text()
    entries = stream.logprobs
    assert b"".join(entry.piece for entry in entries).decode(errors="replace") == text
    for entry in entries:
        likeliest = [other.logprob for other in entry.top]
        assert likeliest == sorted(likeliest, reverse=True)
        assert (entry.token, entry.logprob) == (entry.top[0].token, entry.top[0].logprob)
        assert sum(math.exp(value) for value in likeliest) <= 1.0


async def test_log_probabilities_are_those_of_the_text_and_not_of_what_ends_it(
    small: LlamaEngine,
) -> None:
    sampling = msgspec.structs.replace(PLAIN, temperature=0.0, top_logprobs=0, max_tokens=8)
    whole = small.generate(PROMPT, sampling=sampling)
    text = await whole.text()
    pieces = [entry.piece for entry in whole.logprobs]
    ends = list(itertools.accumulate(map(len, pieces)))
    cases = (
        (text[ends[2] : ends[5]], 3),  # all of three tokens
        (text[ends[2] - 1 : ends[4] + 1], 3),  # of the third, all but the last character is shown
        (text[ends[5] :] + "more", 8),  # it might have been one
    )
    for stop, n_shown in cases:
        stopping = msgspec.structs.replace(sampling, stop=(stop,))
        stream = small.generate(PROMPT, sampling=stopping)
        shown = await stream.text()
        assert shown == text.partition(stop)[0]
        assert [entry.piece for entry in stream.logprobs] == pieces[:n_shown], stop
        assert sum(map(len, pieces[: n_shown - 1])) < len(shown)


async def test_the_last_token_counts_once_where_held_text_follows(engine: LlamaEngine) -> None:
    greedy = msgspec.structs.replace(PLAIN, temperature=0.0, max_tokens=40)
    plain = await engine.generate(SHORT_ANSWER, sampling=greedy).text()
    # The answer's end might begin this stop string, so it comes when it is sure: at the end.
    held = msgspec.structs.replace(greedy, stop=(plain[-3:] + " and more",))
    stream = engine.generate(SHORT_ANSWER, sampling=held)
    completion = await stream.wait_completion()
    assert (str(stream), completion.finish_reason) == (plain, FinishReason.STOP)
    assert stream.total_tokens == completion.timings.completion_tokens


async def test_greedy_xtc_and_typical_choose_among_what_the_others_leave(
    small: LlamaEngine,
) -> None:
    greedy = await _text(small, temperature=0.0)
    wide: dict[str, Any] = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    xtc: dict[str, Any] = {"xtc_probability": 1.0, "xtc_threshold": 0.01}
    for alone, left in (
        (xtc, ({"top_k": 1}, {"min_p": 1.0}, {"top_p": 0.01})),
        ({"typical_p": 0.05}, ({"top_k": 1},)),  # the others come after it
    ):
        assert await _text(small, **{**wide, **alone}) != greedy
        for narrow in left:
            assert await _text(small, **{**wide, **alone, **narrow}) == greedy, (alone, narrow)


async def test_a_grammar_with_which_a_step_takes_too_long_ends_its_own_answer(
    engine: LlamaEngine,
) -> None:
    # Behind three letters llama.cpp has 24³ ways to go on, and goes through all for each token.
    ways = [" | ".join(f'[~] r{n + 1} "{chr(0x61 + i)}"' for i in range(24)) for n in range(3)]
    rules = "\n".join(f"r{n} ::= {way}" for n, way in enumerate(ways))
    grammar = f'root ::= r0\n{rules}\nr3 ::= "b"'
    running = engine.generate(PROMPT, sampling=msgspec.structs.replace(PLAIN, max_tokens=40))
    # A machine that is slow just then may see it at the third letter already.
    seen = r"among 49,152 tokens would take .* may take 2 s|past one token took .* may take 0\.5 s"
    with pytest.raises(InferenceError, match=seen):
        await _text(engine, grammar=grammar)
    assert (await running.wait_completion()).timings.completion_tokens == 40


async def test_a_grammar_whose_levels_multiply_the_ways_to_read_a_text_ends_its_own_answer(
    small: LlamaEngine,
) -> None:
    # What the model would say anyway is never chosen among all tokens, only gone past.
    letter = (await small.tokenize("~")).tokens[-1]
    grammar = 'root ::= "~~" (root "x" | root "y" | "z")'
    running = small.generate(PROMPT, sampling=msgspec.structs.replace(PLAIN, max_tokens=40))
    with pytest.raises(InferenceError, match=r"in too many ways .* and may take 0\.5 s"):
        await _text(small, grammar=grammar, logit_bias={letter: 100.0}, max_tokens=60)
    assert (await running.wait_completion()).timings.completion_tokens == 40


async def test_a_long_token_is_not_gone_past_in_one_go(engine: LlamaEngine) -> None:
    # One of 64 letters multiplies the ways by 65,536, and the time by the square of that.
    line = "-" * 64
    tokens = (await engine.tokenize(line)).tokens
    assert len(tokens) == 1
    grammar = 'root ::= "----" (root "x" | root "y" | "z")'
    with pytest.raises(InferenceError, match=r"in too many ways .* and may take 0\.5 s"):
        await _text(engine, grammar=grammar, logit_bias={tokens[0]: 100.0}, max_tokens=60)


async def test_a_grammar_is_obeyed(small: LlamaEngine) -> None:
    grammar = 'root ::= "<" [a-z]+ " " [0-9] [0-9] ">"'
    for seed in (1, 2):
        text = await _text(small, grammar=grammar, seed=seed, max_tokens=40)
        assert re.fullmatch(r"<[a-z]+ \d\d>", text) or re.fullmatch(r"<[a-z]{30,}", text)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("banning", [{"ignore_eos": True}, {"min_tokens": 20}])
async def test_what_a_grammar_lets_nothing_follow_is_the_end_though_ends_are_banned(
    small: LlamaEngine, temperature: float, banning: dict[str, Any]
) -> None:
    sampling = msgspec.structs.replace(
        PLAIN, temperature=temperature, max_tokens=30, grammar='root ::= "yes"', **banning
    )
    stream = small.generate(PROMPT, sampling=sampling)
    assert await stream.text() == "yes"
    assert (await stream.wait_completion()).finish_reason is FinishReason.STOP


async def test_a_grammar_takes_an_end_that_has_a_text(small_path: Path, tmp_path: Path) -> None:
    """Letter by letter, it ended the process."""
    engine = LlamaEngine(tmp_path / "end.gguf")
    write_with_end(engine.model_path, small_path, END)
    await engine.load(options=LoadOptions(n_ctx=256))
    try:
        assert (await engine.tokenize("\n\n")).tokens == (END,)
        sampling = msgspec.structs.replace(PLAIN, grammar='root ::= "yes"', logit_bias={END: 100.0})
        stream = engine.generate(PROMPT, sampling=sampling)
        assert await stream.text() == "yes"
        assert (await stream.wait_completion()).finish_reason is FinishReason.STOP
    finally:
        await engine.unload()


async def test_json_and_a_schema_are_obeyed(engine: LlamaEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    person = json.loads(await _text(engine, grammar=schema_to_grammar(schema), max_tokens=200))
    assert isinstance(person["name"], str)
    assert isinstance(person["age"], int)
    anything = schema_to_grammar({"type": "object"})
    text = await _text(engine, "An empty JSON object: ", grammar=anything, max_tokens=200)
    assert text.lstrip().startswith("{")


async def test_what_cannot_be_is_refused_by_name(small: LlamaEngine) -> None:
    for param, changes in REFUSED:
        with pytest.raises(InvalidRequest) as refused:
            await _text(small, **changes)
        assert refused.value.param == param, changes
    assert await _text(small)
