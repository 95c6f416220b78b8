"""How fast one stream is: two groups of `bench.py engine`.

`measure`: decode and prefill beside ``llama-bench``. It computes on an empty cache, and so does
each sample here, for a step looks at all cells that are in use, those of an earlier answer too:
what is asked with ``cache_prompt`` false leaves none. It decodes without a seed. With one the
engine sees to it that a text does not depend on what else is in the cache: once more than 256
cells are spanned, a lone row gets company. That, and decoding beside a long chat that is idle, have
figures of their own.

`measure_beside_neighbour`: decode while another program keeps one core busy; with as many threads
as the machine has cores, and with the number that the engine chooses as it goes.

Speeds are taken where tokens arrive, in the parent, over the pipe. The receiver needs some of a
core: where the threads take all cores, they compete (``--threads`` leaves one free).
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

import bench_engine_core as core
from bench_engine_requests import Bench, complete, prompt_of
from bench_peer import LlamaBench, find_peer
from bench_report import Figure, Target
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

N_DECODE = 128  # tokens, as llama-bench's own default
PREFILLS = (512, 4096)  # tokens
N_SETTLE = 192  # tokens; beside a neighbour the engine needs a second or two to notice it
# With fixed threads there is nothing to settle, and where the system gives its slices of time in
# turn each token may take 3 s: a thousand times a token one waits for the other's turn.
N_HELD_UP = 16  # tokens
DECODE, SEEDED = "decode", "decode with a seed"
BESIDE_CHAT = f"decode beside {max(PREFILLS):,} tokens of another chat"
PLAIN = SamplingParameters(ignore_eos=True)
WITH_SEED = SamplingParameters(ignore_eos=True, seed=core.SEED)
BUSY = "while True: pass"

_Samples = dict[str, list[float]]


def measure(bench: Bench) -> list[Figure]:
    """Tokens per second, ours and the peer's in alternation."""
    ours, theirs = asyncio.run(_measure_speeds(bench))
    target = Target(0.97, at_least=True, of_ratio=True)
    return [
        Figure(
            f"{name}, 1 stream",
            "tokens/s",
            tuple(samples),
            target if name in theirs else None,
            tuple(theirs.get(name, ())),
        )
        for name, samples in ours.items()
    ]


async def _measure_speeds(bench: Bench) -> tuple[_Samples, _Samples]:
    options = bench.options(n_ctx=core.N_CTX)
    engine = LlamaEngine(bench.model)
    info = await engine.load(options=options)
    peer = find_peer(bench.llama_bin, bench.model, info.n_threads, options.n_batch)
    prompts = {n_tokens: await prompt_of(engine, n_tokens) for n_tokens in PREFILLS}
    ours: _Samples = {}
    theirs: _Samples = {}
    for _ in range(bench.runs):
        for name, sampling in ((DECODE, PLAIN), (SEEDED, WITH_SEED)):
            ours.setdefault(name, []).append(await _decode(engine, sampling))
        for n_tokens, prompt in prompts.items():
            ours.setdefault(f"prefill {n_tokens:,}", []).append(await _prefill(engine, prompt))
        if peer is not None:
            _run_peer(peer, theirs)
    await engine.generate(prompts[max(PREFILLS)], 1).wait_completion()  # stays in the cache
    ours[BESIDE_CHAT] = [await _decode(engine, PLAIN) for _ in range(bench.runs)]
    await engine.unload()
    return ours, theirs


def _run_peer(peer: LlamaBench, theirs: _Samples) -> None:
    theirs.setdefault(DECODE, []).append(peer.decode(N_DECODE))
    for n_tokens in PREFILLS:
        theirs.setdefault(f"prefill {n_tokens:,}", []).append(peer.prefill(n_tokens))


async def _decode(
    engine: LlamaEngine,
    sampling: SamplingParameters,
    *,
    skipped: int = 0,
    n_timed: int = N_DECODE,
) -> float:
    """Tokens per second from the first that is not ``skipped`` to the last, as they arrive."""
    wanted = skipped + n_timed + 1
    stream = engine.generate(core.STORY, wanted, sampling=sampling, cache_prompt=False)
    first = last = 0.0
    n_first = n_tokens = 0
    async for tokens in stream.batches():
        n_tokens += len(tokens)
        last = time.perf_counter()
        if n_tokens > skipped and not first:
            first, n_first = last, n_tokens
    if n_tokens < wanted:
        raise RuntimeError(f"The model made {n_tokens} tokens instead of {wanted}")
    return (n_tokens - n_first) / (last - first)


async def _prefill(engine: LlamaEngine, prompt: str) -> float:
    """Prompt tokens per second, from the request to the first token's arrival."""
    started = time.perf_counter()
    completion = await complete(engine, prompt)
    return completion.timings.prompt_tokens / (time.perf_counter() - started)


# -- beside a busy program -----------------------------------------------------------------------


def measure_beside_neighbour(bench: Bench) -> list[Figure]:
    """Tokens per second with a busy neighbour: fixed threads, and the engine's own choice."""
    n_cores = psutil.cpu_count(logical=False) or 1
    fixed, chosen = asyncio.run(_measure_beside_neighbour(bench, n_cores))
    return [
        Figure(f"decode beside a busy program, {n_cores} threads", "tokens/s", fixed),
        Figure("decode beside a busy program, threads as the engine chooses", "tokens/s", chosen),
    ]


async def _measure_beside_neighbour(
    bench: Bench, n_cores: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    fixed, chosen = LlamaEngine(bench.model), LlamaEngine(bench.model)
    await fixed.load(options=LoadOptions(n_ctx=core.N_CTX, n_threads=n_cores))
    await chosen.load(options=LoadOptions(n_ctx=core.N_CTX))
    samples: tuple[list[float], list[float]] = ([], [])
    with _busy_neighbour():
        for _ in range(bench.runs):
            samples[0].append(await _decode(fixed, PLAIN, n_timed=N_HELD_UP))
            samples[1].append(await _decode(chosen, PLAIN, skipped=N_SETTLE))
    await fixed.unload()
    await chosen.unload()
    return tuple(samples[0]), tuple(samples[1])


@contextlib.contextmanager
def _busy_neighbour() -> Iterator[None]:
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()
