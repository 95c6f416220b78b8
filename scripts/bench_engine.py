"""The engine's figures: `bench.py engine`.

Speeds and times are taken where a user of `LlamaEngine` sees them, in the parent, over the pipe;
what happens inside a step comes from `bench_engine_core`, which runs the child's loop under a
stopwatch.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import psutil

import bench_engine_arrival
import bench_engine_chat
import bench_engine_core as core
import bench_engine_speed
import bench_engine_streams
from bench_engine_requests import Bench, complete
from bench_report import Figure, Target
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.spare import SpareChild

SPARE_SECONDS = 2.0  # a spare child has waited so long when it is wanted
FULL_CTX = 1024  # tokens; a context that a prompt can fill quickly
MB = 1_000_000
# Of a decode step, by streams: 0.15 ms for the first, 0.05 ms for each beyond.
MAX_REST_MS = {1: 0.15, 4: 0.30, 16: 0.90}


def measure(bench: Bench, only: str | None = None) -> Iterator[Figure]:
    """All figures of the engine, or those of one of the `GROUPS`, as they come: it takes half an
    hour."""
    for group in GROUPS.values() if only is None else (GROUPS[only],):
        yield from group(bench)


def threads_fact(n_threads: int | None) -> str:
    """What the report says about the threads that compute."""
    cores = psutil.cpu_count(logical=False) or 1
    n_used = n_threads or cores
    where = f"{n_used} of {cores} cores"
    if n_used < cores:
        return f"{where}: one at least is left to the process that receives the tokens"
    return f"{where}: llama.cpp's threads and the process that receives the tokens compete"


# -- load --------------------------------------------------------------------------------------


def _load_figures(bench: Bench) -> list[Figure]:
    return asyncio.run(_measure_loads(bench))


async def _measure_loads(bench: Bench) -> list[Figure]:
    cold = [await _load(bench, SpareChild()) for _ in range(bench.runs + 1)]
    warm: list[tuple[float, float]] = []
    for _ in range(bench.runs):
        spare = SpareChild()
        await spare.prepare()
        await asyncio.sleep(SPARE_SECONDS)
        warm.append(await _load(bench, spare))
    walls, starts = zip(*cold[1:], strict=True)  # the first one reads the file from the disk
    spare_walls, spare_starts = zip(*warm, strict=True)
    return [
        Figure("load: request to ready", "ms", walls, Target(1000.0)),
        Figure("  of which until llama.cpp begins", "ms", starts),
        Figure("load with a warm spare", "ms", spare_walls, Target(1000.0)),
        Figure("  of which until llama.cpp begins", "ms", spare_starts, Target(200.0)),
    ]


async def _load(bench: Bench, spare: SpareChild) -> tuple[float, float]:
    """Milliseconds until a model is ready, and until its load began."""
    engine = LlamaEngine(bench.model, spare=spare)
    started = time.perf_counter()
    info = await engine.load(options=bench.options())
    wall = (time.perf_counter() - started) * 1000.0
    await engine.unload()
    return wall, wall - info.load_ms


# -- inside the child --------------------------------------------------------------------------


def _inside_figures(bench: Bench) -> list[Figure]:
    figures = []
    for n_streams, target in MAX_REST_MS.items():
        # A process for each sample: a step looks at the cells of earlier answers too.
        samples = [_run_inside(bench, "steps", n_streams) for _ in range(bench.runs)]
        name = "1 stream" if n_streams == 1 else f"{n_streams} streams"
        figures += [
            Figure(f"decode step, {name}", "ms", _column(samples, "step")),
            Figure("  all but llama_decode", "ms", _column(samples, "rest"), Target(target)),
            Figure("  of which our Python", "ms", _column(samples, "python"), Target(target)),
            Figure("  of which llama.cpp's sampler", "ms", _column(samples, "sampler")),
        ]
    return figures + _cancel_figures(_run_inside(bench, "cancel", bench.runs))


def _cancel_figures(samples: Mapping[str, Sequence[float]]) -> list[Figure]:
    figures = [Figure("prefill step, 512 tokens", "ms", tuple(samples["prefill_step"]))]
    for phase, step in (("decode", "decode_step"), ("prefill", "prefill_step")):
        name, limit = f"cancel to sequence free, in {phase}", statistics.median(samples[step])
        waits = tuple(samples[f"cancel_{phase}"])
        figures.append(Figure(name, "ms", waits, Target(round(limit, 1))))
    return figures


def _run_inside(bench: Bench, part: str, count: int) -> dict[str, list[float]]:
    command = [sys.executable, core.__file__, str(bench.model), part, str(count)]
    command += [] if bench.n_threads is None else [str(bench.n_threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    samples: dict[str, list[float]] = json.loads(done.stdout)
    return samples


def _column(samples: Sequence[Mapping[str, Sequence[float]]], name: str) -> tuple[float, ...]:
    """One number of each sample."""
    return tuple(sample[name][0] for sample in samples)


# -- memory ------------------------------------------------------------------------------------


def _memory_figures(bench: Bench) -> list[Figure]:
    beyond = asyncio.run(_measure_memory(bench))
    return [Figure("child's memory beyond weights, KV, compute", "MB", beyond, Target(80.0))]


async def _measure_memory(bench: Bench) -> tuple[float, ...]:
    """Megabytes of the child once its context is full, less what llama.cpp says it holds."""
    beyond = []
    for _ in range(bench.runs):
        engine = LlamaEngine(bench.model)
        info = await engine.load(options=bench.options(n_ctx=FULL_CTX))
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
    "speed": bench_engine_speed.measure,
    "neighbour": bench_engine_speed.measure_beside_neighbour,
    "streams": bench_engine_streams.measure,
    "arrival": bench_engine_arrival.measure,
    "chat": bench_engine_chat.measure,
    "inside": _inside_figures,
    "memory": _memory_figures,
}
