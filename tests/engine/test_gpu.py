"""The GPU path on a real Vulkan device, be it Mesa's software one.

Needs the bindings that ``scripts/vulkan_bindings.py`` builds, in ``.vulkan`` or in the folder that
MINERVA_VULKAN names.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.devices.device_list import discrete_gpus
from minerva_desktop.devices.gpu_context import GpuDevice
from minerva_desktop.engine.engine import LlamaEngine
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import OutOfMemory
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.runtime import Runtime

SITE = Path(os.environ.get("MINERVA_VULKAN", Path(__file__).parents[2] / ".vulkan")) / "site"
MB = 10**6
GREEDY = SamplingParameters(temperature=0.0)
PROMPT = "The capital of France is"
SMALL = LoadOptions(n_ctx=512, n_batch=64)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SITE.is_dir(), reason="no bindings with Vulkan are built"),
]


@pytest.fixture(autouse=True)
def vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children take the bindings with Vulkan, and a software device, too."""
    monkeypatch.setenv("PYTHONPATH", str(SITE))
    monkeypatch.setenv("GGML_VK_VISIBLE_DEVICES", "0")


@pytest.fixture
async def runtime(catalog: Catalog) -> AsyncIterator[Runtime]:
    runtime = Runtime(catalog, SMALL)
    yield runtime
    await runtime.close()


async def test_the_device_has_a_ledger_of_its_own(runtime: Runtime, model_path: Path) -> None:
    (gpu,) = discrete_gpus((await runtime.devices()).devices or ())
    assert (gpu.name, gpu.kind) == ("Vulkan0", GpuDevice.VULKAN)
    assert gpu.total_memory > 500 * MB
    await runtime.fit_of(model_path)
    ledger = runtime.pool.ledgers.contexts["Vulkan0"]
    assert ledger.device() is GpuDevice.VULKAN
    assert ledger.max_memory() == gpu.total_memory * 8 // 10


@pytest.mark.parametrize("n_gpu_layers", [None, 15, 0])
async def test_what_was_estimated_is_what_the_gpu_holds(
    runtime: Runtime, model_path: Path, n_gpu_layers: int | None
) -> None:
    runtime.set_load_options(LoadOptions(n_ctx=2048, n_gpu_layers=n_gpu_layers))
    plan = await runtime.fit_of(model_path)
    async with runtime.pool.lease(model_path) as engine:
        info = engine.get_context_info()
    held = {share.device: share.n_bytes for share in info.shares}
    assert info.n_gpu_layers == (31 if n_gpu_layers is None else n_gpu_layers)
    if n_gpu_layers != 0:
        assert held["Vulkan0"] == pytest.approx(plan.choice.needs["Vulkan0"], rel=0.05)
        assert runtime.pool.held(model_path)["Vulkan0"] == held["Vulkan0"]
    await runtime.pool.unload(model_path)
    assert runtime.pool.ledgers.contexts["Vulkan0"].allocated_memory() == 0


async def test_it_writes_what_the_cpu_writes(runtime: Runtime, model_path: Path) -> None:
    cpu = LlamaEngine(model_path)
    await cpu.load(options=LoadOptions(n_ctx=512, n_gpu_layers=0))
    # A few tokens: both round differently, and in the end a near tie falls the other way.
    expected = await cpu.generate(PROMPT, 3, sampling=GREEDY).text()
    await cpu.unload()
    async with runtime.pool.lease(model_path) as engine:
        text = await engine.generate(PROMPT, 3, sampling=GREEDY).text()
    assert text == expected
    assert text.startswith(" Paris")


async def test_eight_at_once_and_a_second_turn(runtime: Runtime, model_path: Path) -> None:
    async with runtime.pool.lease(model_path) as engine:
        streams = [engine.generate(PROMPT, 4, sampling=GREEDY) for _ in range(8)]
        texts = await asyncio.gather(*(stream.text() for stream in streams))
        assert len(texts) == 8
        assert all(text.startswith(" Paris") for text in texts)
        again = await engine.generate(PROMPT + texts[0], 2, sampling=GREEDY).wait_completion()
        assert again.timings.cached_tokens >= 5


async def test_a_small_budget_leaves_layers_to_the_cpu(runtime: Runtime, model_path: Path) -> None:
    (gpu,) = discrete_gpus((await runtime.devices()).devices or ())
    runtime.set_memory_budget(None, {gpu.description: 80 * MB})
    plan = await runtime.fit_of(model_path)
    assert plan.choice.fit == "needs_offload"
    async with runtime.pool.lease(model_path) as engine:
        info = engine.get_context_info()
    assert 0 < info.n_gpu_layers < 31
    assert info.n_gpu_layers == plan.choice.options.n_gpu_layers
    runtime.set_load_options(LoadOptions(n_ctx=512, n_gpu_layers=31))
    with pytest.raises(OutOfMemory, match=r"GPU memory exceeded: 0 bytes \+ .* > 80\.0 MB"):
        async with runtime.pool.lease(model_path):
            pass
