"""What a loaded model is and holds, as `ContextInfo`. Used on the engine child's main thread."""

from __future__ import annotations

import re

import psutil

from minerva_desktop.engine.core.backend_devices import list_devices
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.messages import ContextInfo

ALL_LAYERS = -1
_BUFFER_LINE = re.compile(r"(KV|RS|compute|output)\s+buffer size\s*=\s*([\d.]+) MiB")


def describe(
    model: LlamaModel,
    context: LlamaContext,
    *,
    log: str,
    gpu_layers: int,
    n_threads: int,
    n_parallel: int,
    seconds: float,
) -> ContextInfo:
    """``log`` is llama.cpp's of the load, which took ``seconds``; ``gpu_layers`` as asked for."""
    sizes = buffer_sizes(log)
    devices = list_devices()
    offloaded = any(device.kind != "cpu" for device in devices)
    wanted = model.n_layers + 1 if gpu_layers == ALL_LAYERS else gpu_layers
    return ContextInfo(
        description=model.description,
        n_ctx=context.n_ctx,
        n_ctx_train=model.n_ctx_train,
        n_params=model.n_params,
        n_layers=model.n_layers,
        n_gpu_layers=wanted if offloaded else 0,
        n_threads=n_threads,
        n_parallel=n_parallel,
        n_vocab=model.n_vocab,
        weights_bytes=model.size,
        kv_bytes=sizes.get("KV", 0) + sizes.get("RS", 0),
        compute_bytes=sizes.get("compute", 0) + sizes.get("output", 0),
        has_chat_template=model.chat_template() is not None,
        load_ms=seconds * 1000.0,
        devices=devices,
    )


def physical_cores() -> int:
    """Cores that this process may use, without hyper-threads (ggml's threads gain nothing
    from them)."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else 0
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(1, min(physical, allowed) if allowed else physical)


def buffer_sizes(log: str) -> dict[str, int]:
    """Bytes of the buffers that llama.cpp's load log names, summed over devices, by kind."""
    sizes: dict[str, int] = {}
    for kind, mebibytes in _BUFFER_LINE.findall(log):
        sizes[kind] = sizes.get(kind, 0) + int(float(mebibytes) * 1024 * 1024)
    return sizes
