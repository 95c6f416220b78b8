"""Estimated over real memory: `bench.py memory`.

Real is what the child grows by, from before it loads the model until it has computed a prompt that
fills a batch: its resident memory, with the pages of the mapped file. Estimated is what
`load_choice.model_needs` says beforehand from the header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench_engine_requests import complete
from bench_report import Figure, Target
from minerva_desktop.engine.device_query import list_devices
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import FlashAttention, KvType, LoadOptions
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.load_choice import model_needs

COMBINATIONS = (
    LoadOptions(n_ctx=1024),
    LoadOptions(n_ctx=4096),
    LoadOptions(n_ctx=8192),
    LoadOptions(n_ctx=8192, n_parallel=12),
    LoadOptions(n_ctx=4096, n_batch=128),
    LoadOptions(n_ctx=4096, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q8_0),
    LoadOptions(n_ctx=8192, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q4_0),
    LoadOptions(n_ctx=4096, flash_attention=FlashAttention.OFF),
)
LOW, HIGH = 0.95, 1.05


def measure(models: Sequence[Path], runs: int) -> list[Figure]:
    """Two lines for each model and options: the ratio must be neither too low nor too high."""
    figures = []
    for model in models:
        for options in COMBINATIONS:
            ratios = tuple(asyncio.run(_ratio(model, options)) for _ in range(runs))
            name = f"{model.stem[:24]} {_words(options)}"
            figures.append(Figure(name, "×", ratios, Target(LOW, at_least=True)))
            figures.append(Figure("  the same", "×", ratios, Target(HIGH)))
    return figures


async def _ratio(model: Path, options: LoadOptions) -> float:
    spare = SpareChild()
    await list_devices(spare)  # once it has answered, all its libraries are there
    if spare.pid is None:
        raise RuntimeError("There is no child that waits")
    process = psutil.Process(spare.pid)
    before = process.memory_info().rss
    engine = LlamaEngine(model, spare=spare)
    await engine.load(options=options)
    await complete(engine, " sea" * (options.n_batch + 8))
    grown = process.memory_info().rss - before
    await engine.unload()
    return sum(model_needs(model, options).values()) / grown


def _words(options: LoadOptions) -> str:
    words = [f"{options.n_ctx:,} tokens"]
    if options.n_parallel != LoadOptions().n_parallel:
        words.append(f"{options.n_parallel} parallel")
    if options.n_batch != LoadOptions().n_batch:
        words.append(f"batch {options.n_batch}")
    if options.kv_type_k is not KvType.AUTO:
        words.append(f"KV {options.kv_type_k}/{options.kv_type_v}")
    if options.flash_attention is FlashAttention.OFF:
        words.append("no flash attention")
    return ", ".join(words)
