"""Aggregate speed of concurrent streams: a group of `bench.py engine`.

Ours: `LlamaEngine` with ``n_parallel`` N, asked in the parent, over the pipe; every token of every
answer arrives one by one, and who asked waits for the whole answer. The peer: ``llama-server
--parallel N --kv-unified``, asked over HTTP ``/completion``, for the whole answer too (without
streaming). The same on both sides: model file, threads, ``n_ctx`` (shared by
all streams), ``n_batch`` and ``n_ubatch``, flash attention, f16 cache, N requests at the same
moment with a prompt of its own for each, `N_TOKENS` tokens for each, greedy, ``ignore_eos``, no
reuse of prompts (``cache_prompt`` false). Tokens per second: all answers' tokens over the time from
the first request to the end of the last answer, prompts included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench_engine_requests import GREEDY, Bench
from bench_report import Figure, Target
from minerva_desktop.engine.engine import LlamaEngine

STREAMS = (4, 16)
N_TOKENS = 128  # of each answer
N_CTX = 4096  # tokens; room for all streams at once
NAMES = (
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hal",
    "Ida", "Jon", "Kim", "Leo", "Mia", "Ned", "Ola", "Pia",
)  # fmt: skip


def measure(bench: Bench) -> list[Figure]:
    """One figure for each number of streams."""
    return [asyncio.run(_measure(bench, n_streams)) for n_streams in STREAMS]


async def _measure(bench: Bench, n_streams: int) -> Figure:
    prompts = [f"{name} went to the sea one morning, and" for name in NAMES[:n_streams]]
    engine = LlamaEngine(bench.model)
    options = bench.options(n_ctx=N_CTX, n_parallel=n_streams)
    info = await engine.load(options=options)
    ours: list[float] = []
    theirs: list[float] = []
    with bench.server(info, options) as server:
        for run in range(bench.runs + 1):
            speed = await _aggregate(engine, prompts)
            peer = await asyncio.to_thread(server.aggregate, prompts, N_TOKENS) if server else None
            if run == 0:
                continue  # warms up
            ours.append(speed)
            if peer is not None:
                theirs.append(peer)
    await engine.unload()
    return Figure(
        f"aggregate, {n_streams} streams",
        "tokens/s",
        tuple(ours),
        Target(1.0, at_least=True, of_ratio=True),
        tuple(theirs),
    )


async def _aggregate(engine: LlamaEngine, prompts: Sequence[str]) -> float:
    started = time.perf_counter()
    streams = [
        engine.generate(prompt, N_TOKENS, sampling=GREEDY, cache_prompt=False) for prompt in prompts
    ]
    completions = await asyncio.gather(*(stream.wait_completion() for stream in streams))
    seconds = time.perf_counter() - started
    counts = {completion.timings.completion_tokens for completion in completions}
    if counts != {N_TOKENS}:
        raise RuntimeError(f"The engine made {counts} tokens instead of {N_TOKENS}")
    return len(prompts) * N_TOKENS / seconds
