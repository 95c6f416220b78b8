"""What loading a model will take, and which options are best where they were left to us.

Between `engine`'s load options and `library`'s estimates, which do not know each other. Used by
`runtime` for the pool and the window, and by `minerva models show`; any thread, blocks for some
milliseconds to read a header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.devices.device_list import DeviceInfo
from minerva_desktop.devices.ledgers import Needs, scaled
from minerva_desktop.engine.load_options import (
    DEFAULT_N_CTX,
    FlashAttention,
    KvType,
    LoadOptions,
)
from minerva_desktop.engine.pool_events import LoadChoice
from minerva_desktop.errors import ModelNotFound
from minerva_desktop.library.fit import Choice, Free, choose_options
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.layer_memory import is_recurrent
from minerva_desktop.library.measured_memory import MeasuredMemory
from minerva_desktop.library.memory_estimate import (
    EstimateOptions,
    GpuShare,
    KvTypeName,
    MemoryEstimate,
    estimate_memory,
)
from minerva_desktop.library.split_model import read_whole_model

_KV_TYPES: MappingProxyType[KvType, KvTypeName] = MappingProxyType(
    {KvType.AUTO: "f16", KvType.F16: "f16", KvType.Q8_0: "q8_0", KvType.Q4_0: "q4_0"}
)


def choose_load(
    path: Path,
    options: LoadOptions,
    room: Mapping[str, int],
    measured: MeasuredMemory | None = None,
    gpus: Sequence[DeviceInfo] = (),
) -> LoadChoice:
    """The best way to load the model at ``path`` with ``room`` bytes on each device; what such a
    load took before, if ``measured`` knows, counts instead of the estimate. ``gpus``
    (`discrete_gpus`) get the layers.

    Raises `ModelNotFound` or `ModelLoadError`.
    """
    choice, chosen = choose(read_whole_model(path).header, options, room, gpus)
    needs = _needs(choice.estimate)
    before = measured.find(load_key(path, chosen)) if measured is not None else None
    if before is not None:
        needs = scaled(needs, before.total_bytes)
    return LoadChoice(chosen, needs, choice.fit.value, choice.reasons)


def choose(
    header: GgufHeader,
    options: LoadOptions,
    room: Mapping[str, int],
    gpus: Sequence[DeviceInfo] = (),
) -> tuple[Choice, LoadOptions]:
    """The same for a header that was read: the choice, and ``options`` with it."""
    free = Free(
        n_ctx=options.n_ctx is None,
        kv_type=options.kv_type_k is KvType.AUTO and options.kv_type_v is KvType.AUTO,
        n_gpu_layers=options.n_gpu_layers is None,
    )
    choice = choose_options(header, estimate_options(header, options, gpus), room, free)
    found = choice.options
    return choice, msgspec.structs.replace(
        options,
        n_ctx=found.n_ctx,
        kv_type_k=KvType(found.kv_type_k),
        kv_type_v=KvType(found.kv_type_v),
        n_gpu_layers=found.n_gpu_layers,
    )


def model_needs(path: Path, options: LoadOptions) -> Needs:
    """Bytes by device that the model at ``path`` takes with just these options; raises
    `ModelNotFound` or `ModelLoadError`."""
    return _needs(estimate_load(read_whole_model(path).header, options))


def estimate_load(header: GgufHeader, options: LoadOptions) -> MemoryEstimate:
    """What a model will take if it is loaded with ``options``."""
    return estimate_memory(header, estimate_options(header, options))


def estimate_options(
    header: GgufHeader, options: LoadOptions, gpus: Sequence[DeviceInfo] = ()
) -> EstimateOptions:
    """``options`` as far as they decide about memory, with what they leave open as wished."""
    speculation = options.speculation
    split = options.tensor_split
    if not any(split):
        split = tuple(float(gpu.free_memory) for gpu in gpus)
    shares = (*split, *[0.0] * len(gpus))
    return EstimateOptions(
        n_ctx=options.n_ctx or min(header.n_ctx_train or DEFAULT_N_CTX, DEFAULT_N_CTX),
        n_seq_max=options.n_slots(is_recurrent=is_recurrent(header)),
        n_parallel=options.n_parallel,
        n_batch=options.n_batch,
        n_draft=speculation.n_draft if speculation is not None else 0,
        kv_type_k=_KV_TYPES[options.kv_type_k],
        kv_type_v=_KV_TYPES[options.kv_type_v],
        flash_attention=options.flash_attention is not FlashAttention.OFF,
        n_gpu_layers=options.n_gpu_layers,
        gpus=tuple(GpuShare(gpu.name, share) for gpu, share in zip(gpus, shares, strict=False)),
    )


def load_key(path: Path, options: LoadOptions) -> str:
    """Stands for a file as it is now and the options that decide about memory. Raises
    `ModelNotFound`."""
    try:
        status = path.stat()
    except OSError as error:
        raise ModelNotFound(f"“{path.name}” is not there", detail=str(error)) from error
    deciding = msgspec.structs.replace(
        options, snapshots=None, n_threads=None, n_threads_batch=None, use_mlock=False
    )
    facts = msgspec.json.encode((str(path), status.st_size, status.st_mtime_ns, deciding))
    return hashlib.sha256(facts).hexdigest()


def _needs(estimate: MemoryEstimate) -> Needs:
    return {device.device: device.total_bytes for device in estimate.devices}
