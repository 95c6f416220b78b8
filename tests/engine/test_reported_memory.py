"""Estimates and dry runs of weights, cache and compute buffers, against what llama.cpp says of real
loads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from minerva_desktop.engine.device_query import list_devices
from minerva_desktop.engine.dry_run import dry_run
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import (
    EMBEDDING_TEXTS,
    FlashAttention,
    KvType,
    LoadOptions,
    LoraAdapter,
    Speculation,
)
from minerva_desktop.engine.memory_messages import SimulatedContext
from minerva_desktop.engine.messages import ContextInfo
from minerva_desktop.engine.spare import SpareChild
from minerva_desktop.library.gguf import read_header
from minerva_desktop.library.memory_estimate import MemoryEstimate
from minerva_desktop.load_choice import candidate
from tests.engine.architectures import ARCHITECTURES
from tests.engine.models import write_lora, write_recurrent

# llama.cpp reports each buffer in hundredths of a MiB. A model has at most two for the KV cache
# (with and without a window; convolutions and states are one), and a cell of the smallest model
# here, times the 256 in which they come, is far more.
REPORTED = 2 * 0.005 * 1024 * 1024 + 2
PATIENCE = 60.0  # seconds, beside other programs
NO_FLASH = FlashAttention.OFF


# All dry runs are one child's.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spare() -> AsyncIterator[SpareChild]:
    spare = SpareChild()
    await list_devices(spare)  # which starts the child
    yield spare
    await spare.close()


async def _load(model: Path, options: LoadOptions) -> ContextInfo:
    engine = LlamaEngine(model)
    info = await engine.load(options=options)
    await engine.unload()
    return info


def _estimate(model: Path, options: LoadOptions) -> MemoryEstimate:
    known = candidate(model, options)
    return known.estimator().estimate(known.estimate_options())


async def _compare(spare: SpareChild, model: Path, options: LoadOptions) -> ContextInfo:
    """A load, a dry run, and an estimate, whose compute buffer may be off a little."""
    info = await _load(model, options)
    (simulated,) = await dry_run(spare, model, options, [info.n_ctx], PATIENCE)
    assert sum(simulated.compute.values()) == pytest.approx(info.compute_bytes, abs=2 * REPORTED)
    assert simulated.kv_bytes == pytest.approx(info.kv_bytes, abs=REPORTED)
    assert simulated.flash_attention == info.flash_attention
    estimate = _estimate(model, options)
    if not info.n_gpu_layers:  # There a tied table counts once more.
        assert estimate.weights_bytes == info.weights_bytes
    assert estimate.kv_bytes == pytest.approx(info.kv_bytes, abs=REPORTED)
    assert estimate.compute_bytes == pytest.approx(info.compute_bytes, rel=0.1, abs=300_000)
    return info


TOGETHER = (
    LoadOptions(n_ctx=512),
    LoadOptions(n_ctx=1000, n_batch=64),
    LoadOptions(n_ctx=4096, kv_type_k=KvType.Q8_0, kv_type_v=KvType.Q4_0),
    LoadOptions(n_ctx=8192, n_parallel=12),
    LoadOptions(n_ctx=8192, n_batch=128, speculation=Speculation()),
    LoadOptions(n_ctx=4096, flash_attention=NO_FLASH),
    LoadOptions(n_ctx=16_384, kv_type_k=KvType.Q4_0),
)


@pytest.mark.parametrize("options", TOGETHER)
async def test_smollm2(spare: SpareChild, model_path: Path, options: LoadOptions) -> None:
    await _compare(spare, model_path, options)


@pytest.mark.parametrize(
    "options",
    [*TOGETHER[2:4], *(pytest.param(options, marks=pytest.mark.slow) for options in TOGETHER[4:])],
)
async def test_gemma(spare: SpareChild, gemma_path: Path, options: LoadOptions) -> None:
    await _compare(spare, gemma_path, options)


@pytest.mark.parametrize("n_parallel", [1, 9])
async def test_mamba(spare: SpareChild, model_path: Path, tmp_path: Path, n_parallel: int) -> None:
    path = tmp_path / "mamba.gguf"
    write_recurrent(path, model_path, seed=1)
    await _compare(spare, path, LoadOptions(n_ctx=1024, n_parallel=n_parallel))


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
async def test_other_architectures(
    spare: SpareChild, generated: Callable[..., Path], kind: str
) -> None:
    for options in (LoadOptions(n_ctx=2048), LoadOptions(n_ctx=1024, flash_attention=NO_FLASH)):
        await _compare(spare, generated(kind), options)


async def test_layers_that_only_guess_are_left_out(
    spare: SpareChild, generated: Callable[..., Path]
) -> None:
    plain, guessing = generated("deepseek2"), generated("deepseek2", n_extra_layers=1)
    assert guessing.stat().st_size > plain.stat().st_size + 500_000
    info = await _compare(spare, guessing, LoadOptions(n_ctx=512))
    assert info.weights_bytes == _estimate(plain, LoadOptions(n_ctx=512)).weights_bytes


async def test_an_embedding_model(spare: SpareChild, embedding_model: Path) -> None:
    options = LoadOptions()
    info = await _load(embedding_model, options)
    assert info.n_ctx == 512
    (simulated,) = await dry_run(spare, embedding_model, options, [info.n_ctx], PATIENCE)
    assert sum(simulated.compute.values()) == pytest.approx(info.compute_bytes, abs=2 * REPORTED)
    assert (simulated.kv_bytes, info.kv_bytes) == (0, 0)
    known = candidate(embedding_model, options).estimate_options()
    assert (known.n_ctx, known.n_seq_max, known.batch_tokens) == (512, EMBEDDING_TEXTS, 512)
    # Logits of each token are most of it.
    assert info.compute_bytes > 512 * info.n_vocab * 4
    estimate = _estimate(embedding_model, options)
    assert estimate.weights_bytes == info.weights_bytes
    assert estimate.compute_bytes == pytest.approx(info.compute_bytes, rel=0.15)


async def test_a_draft_model_is_in_all_sums(spare: SpareChild, model_path: Path) -> None:
    alone = await _load(model_path, LoadOptions(n_ctx=512))
    guesses = Speculation(draft_model=bytes(model_path))
    options = LoadOptions(n_ctx=512, speculation=guesses)
    both = await _compare(spare, model_path, options)
    assert both.weights_bytes == 2 * alone.weights_bytes
    assert both.kv_bytes == 2 * alone.kv_bytes
    assert both.compute_bytes > 1.9 * alone.compute_bytes


async def test_adapters_are_in_the_sum(model_path: Path, tmp_path: Path) -> None:
    lora = tmp_path / "adapter.gguf"
    write_lora(lora, model_path, seed=1, strength=0.5)
    options = LoadOptions(n_ctx=512, lora=(LoraAdapter(bytes(lora)),) * 3)
    info = await _load(model_path, options)
    alone = _estimate(model_path, LoadOptions(n_ctx=512)).weights_bytes
    tensors = read_header(lora).tensor_bytes
    assert info.weights_bytes == pytest.approx(alone + 3 * tensors, abs=3 * REPORTED)
    assert _estimate(model_path, options).weights_bytes == alone + 3 * tensors


async def test_each_length_of_one_dry_run(spare: SpareChild, model_path: Path) -> None:
    found = await dry_run(spare, model_path, LoadOptions(), [1024, 2048, 8192], PATIENCE)
    assert [each.n_ctx for each in found] == [1024, 2048, 8192]
    assert all(isinstance(each, SimulatedContext) for each in found)
    # A mask has 2 bytes for each cell and each of the 512 tokens of a batch.
    sizes = [each.compute["CPU"] for each in found]
    assert sizes[1] - sizes[0] == pytest.approx(1024 * 512 * 2, abs=2 * REPORTED)
    assert sizes[2] - sizes[0] == pytest.approx(7 * 1024 * 512 * 2, abs=2 * REPORTED)
