"""The engine's figures: `bench.py engine`.

Speeds and times are taken where a user of `LlamaEngine` sees them, in the parent, over the pipe;
what happens inside a step comes from `bench_engine_core`, which runs the child's loop under a
stopwatch.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import psutil

import bench_engine_arrival
import bench_engine_chat
import bench_engine_core as core
import bench_engine_streams
from bench_engine_requests import Bench, complete, prompt_of
from bench_peer import find_peer
from bench_report import Figure, Target
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions

N_DECODE = 128  # tokens, as llama-bench's own default
PREFILLS = (512, 4096)  # tokens
BESIDE_CHAT = f"decode beside {max(PREFILLS):,} tokens of another chat"
FULL_CTX = 1024  # tokens; a context that a prompt can fill quickly
MB = 1_000_000
# Of a decode step, by streams: 0.15 ms for the first, 0.05 ms for each beyond.
MAX_REST_MS = {1: 0.15, 4: 0.30, 16: 0.90}


def measure(bench: Bench, only: str | None = None) -> list[Figure]:
    """All figures of the engine, or those of one of the `GROUPS`."""
    groups = GROUPS.values() if only is None else (GROUPS[only],)
    return [figure for group in groups for figure in group(bench)]


# -- load --------------------------------------------------------------------------------------


def _load_figures(bench: Bench) -> list[Figure]:
    return asyncio.run(_measure_loads(bench))


async def _measure_loads(bench: Bench) -> list[Figure]:
    wall: list[float] = []
    start: list[float] = []
    for _ in range(bench.runs + 1):
        engine = LlamaEngine(bench.model)
        started = time.perf_counter()
        info = await engine.load()
        wall.append((time.perf_counter() - started) * 1000.0)
        start.append(wall[-1] - info.load_ms)
        await engine.unload()
    # The first one reads the file from the disk.
    return [
        Figure("load: request to ready", "ms", tuple(wall[1:]), Target(1000.0)),
        Figure("  of which until llama.cpp begins", "ms", tuple(start[1:])),
    ]


# -- speed -------------------------------------------------------------------------------------


def _speed_figures(bench: Bench) -> list[Figure]:
    return asyncio.run(_measure_speeds(bench))


async def _measure_speeds(bench: Bench) -> list[Figure]:
    # llama-bench decodes with an empty cache, so the decode has an engine of its own: a step looks
    # at all cells that are in use, those that a long prompt left too. That is measured as well.
    fresh, engine = LlamaEngine(bench.model), LlamaEngine(bench.model)
    options = LoadOptions(n_ctx=core.N_CTX)
    info = await fresh.load(options=options)
    await engine.load(options=options)
    peer = find_peer(bench.llama_bin, bench.model, info.n_threads, options.n_batch)
    prompts = {n_tokens: await prompt_of(engine, n_tokens) for n_tokens in PREFILLS}
    await _decode(fresh)  # warms up
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(bench.runs):
        ours.setdefault("decode", []).append(await _decode(fresh))
        ours.setdefault(BESIDE_CHAT, []).append(await _decode(engine))
        if peer is not None:
            theirs.setdefault("decode", []).append(peer.decode(N_DECODE))
        for n_tokens, prompt in prompts.items():
            name = f"prefill {n_tokens:,}"
            ours.setdefault(name, []).append(await _prefill(engine, prompt))
            if peer is not None:
                theirs.setdefault(name, []).append(peer.prefill(n_tokens))
    await fresh.unload()
    await engine.unload()
    target = Target(0.97, at_least=True, of_ratio=True)
    return [
        Figure(
            f"{name}, 1 stream",
            "tokens/s",
            tuple(samples),
            None if name == BESIDE_CHAT else target,
            tuple(theirs.get(name, ())),
        )
        for name, samples in ours.items()
    ]


async def _decode(engine: LlamaEngine) -> float:
    """Tokens per second from the first to the last, as they arrive."""
    sampling = SamplingParameters(seed=core.SEED)
    stream = engine.generate(core.STORY, N_DECODE + 1, sampling=sampling)
    first = last = 0.0
    n_first = n_tokens = 0
    async for tokens in stream.batches():
        if tokens:
            last = time.perf_counter()
            n_tokens += len(tokens)
            if not first:
                first, n_first = last, n_tokens
    if n_tokens < N_DECODE // 2:
        raise RuntimeError(f"The model ended its story after {n_tokens} tokens")
    return (n_tokens - n_first) / (last - first)


async def _prefill(engine: LlamaEngine, prompt: str) -> float:
    """Prompt tokens per second, from the request to the first token's arrival."""
    started = time.perf_counter()
    completion = await complete(engine, prompt)
    return completion.timings.prompt_tokens / (time.perf_counter() - started)


# -- inside the child --------------------------------------------------------------------------


def _inside_figures(bench: Bench) -> list[Figure]:
    command = [sys.executable, core.__file__, str(bench.model), str(bench.runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    samples: dict[str, list[float]] = json.loads(done.stdout)
    chunk = tuple(samples["prefill_step"])
    step = tuple(samples["step 1"])
    figures = []
    for n_streams, target in MAX_REST_MS.items():
        name = "1 stream" if n_streams == 1 else f"{n_streams} streams"
        whole = samples[f"step {n_streams}"]
        rest = _differences(whole, samples[f"decode {n_streams}"])
        python = _differences(rest, samples[f"sampler {n_streams}"])
        figures += [
            Figure(f"decode step, {name}", "ms", tuple(whole)),
            Figure("  all but llama_decode", "ms", rest, Target(target)),
            Figure("  all but llama.cpp (its sampler too)", "ms", python),
        ]
    return [
        *figures,
        Figure("prefill step, 512 tokens", "ms", chunk),
        Figure(
            "cancel to sequence free, in decode",
            "ms",
            tuple(samples["cancel_decode"]),
            Target(round(_middle(step), 1)),
        ),
        Figure(
            "cancel to sequence free, in prefill",
            "ms",
            tuple(samples["cancel_prefill"]),
            Target(round(_middle(chunk), 1)),
        ),
    ]


def _differences(whole: Sequence[float], part: Sequence[float]) -> tuple[float, ...]:
    return tuple(a - b for a, b in zip(whole, part, strict=True))


def _middle(samples: Sequence[float]) -> float:
    return sorted(samples)[len(samples) // 2]


# -- memory ------------------------------------------------------------------------------------


def _memory_figures(bench: Bench) -> list[Figure]:
    beyond = asyncio.run(_measure_memory(bench))
    return [Figure("child's memory beyond weights, KV, compute", "MB", beyond, Target(80.0))]


async def _measure_memory(bench: Bench) -> tuple[float, ...]:
    """Megabytes of the child once its context is full, less what llama.cpp says it holds."""
    beyond = []
    for _ in range(bench.runs):
        engine = LlamaEngine(bench.model)
        info = await engine.load(n_ctx=FULL_CTX)
        await complete(engine, " sea" * (FULL_CTX - 8))
        if engine.pid is None:
            raise RuntimeError("The engine's process has ended")
        resident = psutil.Process(engine.pid).memory_info().rss
        known = info.weights_bytes + info.kv_bytes + info.compute_bytes
        beyond.append((resident - known) / MB)
        await engine.unload()
    return tuple(beyond)


GROUPS: Mapping[str, Callable[[Bench], list[Figure]]] = {
    "load": _load_figures,
    "speed": _speed_figures,
    "streams": bench_engine_streams.measure,
    "arrival": bench_engine_arrival.measure,
    "chat": bench_engine_chat.measure,
    "inside": _inside_figures,
    "memory": _memory_figures,
}
