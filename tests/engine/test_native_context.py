"""What llama.cpp itself has to show: exact log-probabilities, and its own words for failures.

All of it in processes of their own.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from minerva_desktop.engine.core.llama_log import decode_error
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.errors import EngineDied, InferenceError, OutOfMemory
from tests.engine.models import write_recurrent
from tests.engine.native_script import said_by

SCRIPT = r"""
import heapq, json, math, sys, time
from pathlib import Path
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.context_params import generation_params
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core import logits as rows
from minerva_desktop.engine.core.logits import LogprobReader
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import MinervaError

options, log = LoadOptions(), LlamaLog()
model = LlamaModel(Path(sys.argv[1]), options, log=log)
parameters = generation_params(
    options, n_ctx=256, n_batch=64, n_threads=1, n_seq_max=1, n_outputs=1, swa_full=False
)
context = LlamaContext(model, parameters, abort=AbortFlag(), log=log)
tokens = model.vocabulary.tokenize("Once upon a time", special=True)
context.batch.clear()
row = context.batch.add(tokens, position=0, slot=0, n_outputs=1)
context.decode()

logits = context.logits(row, model.n_vocab).tolist()
highest = max(logits)
log_sum = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)
reader = LogprobReader(model)
pairs = []
for token in (order[0], order[100], order[-1]):  # one after the other, with one reader
    entry = reader.of(context, row, token, 20)
    pairs += [(entry.logprob, logits[token] - log_sum)]
    pairs += [(top.logprob, logits[which] - log_sum) for top, which in zip(entry.top, order)]
tops = [entry.token for entry in reader.of(context, row, 0, 5).top]

context.batch.clear()
context.batch.add([model.n_vocab], position=len(tokens), slot=0, n_outputs=1)
try:
    context.decode()
except MinervaError as error:
    failure = [type(error).__name__, error.message, error.detail]
context.state_size = lambda slot: 1 << 50
states = [context.take_out(0) is None]
del context.state_size
states += [len(context.take_out(0)) > 1000, context.state_size(0) < 1000]
rows.llama.llama_sampler_apply = lambda *_: time.sleep(0.01)  # others have the processor
foretold = rows.Candidates(model.n_vocab).foretell(None, 2.0)
looked_at = []
def costly(_sampler, array):
    looked_at.append(array._obj.size)
    end = time.thread_time() + 0.04 * array._obj.size
    while time.thread_time() < end:
        pass
rows.llama.llama_sampler_apply = costly
dear = rows.Candidates(model.n_vocab).foretell(None, 2.0) / model.n_vocab
used = [0.0]
def slow_to_start(_sampler, array):
    used[0] += 0.045 + 2e-6 * array._obj.size
rows.llama.llama_sampler_apply, rows._used_seconds = slow_to_start, lambda: used[0]
slow_start = rows.Candidates(model.n_vocab).foretell(None, 2.0)
found = {"pairs": pairs, "tops": tops, "order": order[:5], "failure": failure, "states": states}
found |= {"foretold": foretold, "dear": dear, "looked_at": looked_at, "slow_start": slow_start}
print("\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(model_path: Path) -> dict[str, Any]:
    result: dict[str, Any] = said_by(SCRIPT, model_path)
    return result


def test_log_probabilities_are_those_that_python_works_out(found: dict[str, Any]) -> None:
    assert len(found["pairs"]) == 3 * 21
    for ours, exact in found["pairs"]:
        assert ours == pytest.approx(exact, abs=1e-5)
    assert found["tops"] == found["order"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such clock")
def test_a_grammar_is_not_slow_because_other_processes_are_busy(found: dict[str, Any]) -> None:
    """Foretold for all tokens from a few of them, it would be 7.7 s."""
    assert found["foretold"] < 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="takes its time before it is sure there")
def test_a_grammar_that_takes_long_for_a_few_tokens_is_not_tried_with_more(
    found: dict[str, Any],
) -> None:
    """To be told that it takes too long took 14 s, in which nothing else was computed."""
    (n_tokens,) = found["looked_at"]
    assert n_tokens <= 5
    assert found["dear"] == pytest.approx(0.04, rel=0.2)


def test_what_a_grammar_takes_before_the_first_token_is_counted_once(found: dict[str, Any]) -> None:
    """Answers to grammars of 100 to 170 alternatives that follow each other ended in the middle."""
    assert found["slow_start"] == pytest.approx(0.045 + 49_152 * 2e-6)


def test_what_there_is_no_memory_for_stays_in_the_cache(found: dict[str, Any]) -> None:
    assert found["states"] == [True, True, True]


def test_a_decode_that_fails_says_why_in_the_words_of_llama_cpp(found: dict[str, Any]) -> None:
    kind, message, detail = found["failure"]
    assert (kind, message) == (
        "InferenceError",
        "llama.cpp could not compute the next step (llama_decode: -1)",
    )
    assert "invalid token[0] = 49152" in detail


def test_no_memory_for_a_step_is_told_apart_from_other_failures() -> None:
    errors = ["ggml_gallocr_reserve_n: failed to allocate CPU buffer", "decode: ret = -2"]
    memory = decode_error(-2, errors)
    assert (type(memory), memory.detail) == (OutOfMemory, "\n".join(errors))
    other = decode_error(-3, errors)
    assert (type(other), other.detail) == (InferenceError, "\n".join(errors))


async def test_an_abort_of_ggml_is_told_in_its_words_and_ends_that_engine_alone(
    model_path: Path, tmp_path: Path
) -> None:
    broken, whole = tmp_path / "broken.gguf", LlamaEngine(model_path)
    write_recurrent(broken, model_path, seed=1, norm_eps=math.nan)
    engine = LlamaEngine(broken)
    await whole.load(256)
    await engine.load(256)  # nothing is computed yet
    with pytest.raises(EngineDied, match=r"broken\.gguf stopped") as died:
        await engine.generate("Once", 4).text()
    assert "GGML_ASSERT(eps >= 0.0f) failed" in died.value.detail
    assert await whole.generate("Once", 4).text()
    await engine.unload()
    await whole.unload()
