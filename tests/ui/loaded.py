"""Loaded models for tests of the gauge and its panel."""

from __future__ import annotations

from pathlib import Path

from minerva_desktop.app.loaded_models import LoadedModel, TimeToLive
from minerva_desktop.app.memory import MemoryReading
from minerva_desktop.devices.gpu_context import GpuDevice

GB = 1_000_000_000
SYSTEM = MemoryReading(8 * GB, 4 * GB, 2 * GB, 2 * GB, "Memory", "")
GPU = MemoryReading(8 * GB, 2 * GB, 4 * GB, 2 * GB, "RTX", "", GpuDevice.CUDA)


def loaded(
    name: str,
    *,
    n_gb: int = 1,
    devices: tuple[tuple[str, int], ...] | None = None,
    pinned: bool = False,
    speed: float | None = None,
    n_gpu_layers: int = 0,
    reasons: tuple[str, ...] = (),
) -> LoadedModel:
    """A model of ``n_gb`` gigabytes of weights, and 0.1 each for its KV cache and its buffers."""
    return LoadedModel(
        path=Path(f"/m/{name}.gguf"),
        name=name,
        weights_bytes=n_gb * GB,
        kv_bytes=GB // 10,
        compute_bytes=GB // 10,
        devices=devices or (("CPU", n_gb * GB + GB // 5),),
        pinned=pinned,
        in_use=speed is not None,
        time_to_live=TimeToLive(None, is_own=False),
        tokens_per_second=speed,
        n_ctx=8192,
        n_layers=31,
        n_gpu_layers=n_gpu_layers,
        reasons=reasons,
    )
