"""What llama.cpp's log of a load says about memory and weights. Pure text; engine child.

The numbers stand in hundredths of a MiB. No interface of llama.cpp's that C can call tells them
(``llama_get_memory_breakdown`` returns a ``std::map``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from minerva_desktop.engine.core.batch_filler import ANY_FORMAT, SteadyRows
from minerva_desktop.engine.memory_messages import DeviceShare, LayerPlacement

CPU = "CPU"
_BUFFER_LINE = re.compile(
    r"(\S+)\s+(model|LoRA|KV|RS|compute|output)\s+buffer size\s*=\s*([\d.]+) MiB"
)
_BUFFER_WORDS = " buffer size"
_LAYER_LINE = re.compile(r"load_tensors: layer\s+(\d+) assigned to device ([^,\s]+)")
_CACHE_LINE = re.compile(r"kv_cache\w*: size\s*=\s*([\d.]+) MiB")
_TURNED_LINE = re.compile(r"attn_rot_k = (\d)")
_UNUSED_LINE = re.compile(r"model has unused tensor \S+ \(size = (\d+) bytes\)")
_WINDOW_LINE = re.compile(r"kv_cache_iswa: creating     SWA KV cache, size = (\d+) cells")
_FORMAT_LINE = re.compile(r"llama_model_loader: - type\s+(\S+):\s+\d+ tensors")
_NO_FLASH = ("Flash Attention not supported", "flash_attn is not compatible")
_NO_LOCK = ("failed to mlock", "mlock not supported", "failed to VirtualLock")
_MAPPED = "_Mapped"
_REPACKED_ROWS = 3  # that ggml multiplies one by one with rearranged weights


class Buffer(NamedTuple):
    """One buffer: the name of its kind of memory (``CPU_Mapped``, ``CUDA0``, ``CUDA_Host``), what
    it is for, and its bytes."""

    name: str
    kind: str
    n_bytes: int


def buffers(log: str) -> list[Buffer]:
    """All that were made, in order."""
    # Searched for in the whole log, it is tried from each letter on: 45 ms in the embedded model's
    # 240,000, six times a load, which took 0.8 s of the processor instead of 0.5 (**measured**).
    lines = [line for line in log.splitlines() if _BUFFER_WORDS in line]
    found = [match for line in lines if (match := _BUFFER_LINE.search(line))]
    return [Buffer(match[1], match[2], _bytes(match[3])) for match in found]


def buffer_sizes(log: str) -> dict[str, int]:
    """Bytes of the buffers summed over devices, by kind."""
    sizes: dict[str, int] = {}
    for buffer in buffers(log):
        sizes[buffer.kind] = sizes.get(buffer.kind, 0) + buffer.n_bytes
    return sizes


def bytes_by_device(log: str, kinds: Iterable[str], gpus: Sequence[str]) -> dict[str, int]:
    """Bytes of the buffers of these ``kinds``, by device: each of the ``gpus`` (by name) that holds
    any, and the CPU. Buffers of the system's memory that a GPU reads (``CUDA_Host``) are the
    CPU's."""
    found = {CPU: 0}
    for name, kind, n_bytes in buffers(log):
        if kind in kinds:
            device = _gpu_of(name, gpus) or CPU
            found[device] = found.get(device, 0) + n_bytes
    return found


def gpu_shares(log: str, gpus: Sequence[str]) -> tuple[DeviceShare, ...]:
    """What each of the ``gpus`` (by name) holds; those that hold nothing are left out.

    Of the CPU's the log tells no such number: a mapped file is in there with all of its pages
    between the first and the last that the CPU needs.
    """
    kv = bytes_by_device(log, ("KV", "RS"), gpus)
    compute = bytes_by_device(log, ("compute", "output"), gpus)
    weights = bytes_by_device(log, ("model", "LoRA"), gpus)
    return tuple(
        DeviceShare(gpu, sum(parts), kv_bytes=parts[1], compute_bytes=parts[2])
        for gpu in gpus
        if any(parts := [each.get(gpu, 0) for each in (weights, kv, compute)])
    )


def added_shares(*loads: Iterable[DeviceShare]) -> tuple[DeviceShare, ...]:
    """What the GPUs hold of several loads together."""
    total: dict[str, DeviceShare] = {}
    for share in (share for load in loads for share in load):
        before = total.get(share.device, DeviceShare(share.device, 0))
        total[share.device] = DeviceShare(
            share.device,
            before.n_bytes + share.n_bytes,
            kv_bytes=before.kv_bytes + share.kv_bytes,
            compute_bytes=before.compute_bytes + share.compute_bytes,
        )
    return tuple(total.values())


def layer_placement(log: str) -> tuple[LayerPlacement, ...]:
    """Which device holds how many layers. The last report counts: llama.cpp may try a placement
    before it settles."""
    devices = dict(_LAYER_LINE.findall(log))
    return tuple(LayerPlacement(name, count) for name, count in Counter(devices.values()).items())


def layers_on_gpus(log: str) -> int:
    """How many layers the GPUs hold; the output layer counts as one."""
    return sum(layers.n_layers for layers in layer_placement(log) if layers.device != CPU)


def has_kv_cache(log: str) -> bool:
    """Whether the model keeps keys and values; the buffers of a simulated load are empty."""
    return "KV" in buffer_sizes(log)


def cache_bytes(log: str, *, is_simulated: bool) -> int:
    """The KV cache and states of all devices. A simulated load makes empty buffers, but says how
    large the caches are."""
    sizes = buffer_sizes(log)
    if is_simulated:
        return sum(map(_bytes, _CACHE_LINE.findall(log))) + sizes.get("RS", 0)
    return sizes.get("KV", 0) + sizes.get("RS", 0)


def unused_bytes(log: str) -> int:
    """Tensors of the file that llama.cpp leaves out."""
    return sum(map(int, _UNUSED_LINE.findall(log)))


def copied_share(log: str) -> float:
    """How much of a mapped file is not used where it is mapped: copied to another buffer, or left
    out; 0.0 when nothing is mapped."""
    weights = [buffer for buffer in buffers(log) if buffer.kind == "model"]
    mapped = sum(each.n_bytes for each in weights if each.name.endswith(_MAPPED))
    copied = sum(each.n_bytes for each in weights) - mapped + unused_bytes(log)
    return min(copied / mapped, 1.0) if mapped else 0.0


def is_locked(log: str) -> bool:
    """False where the system did not let llama.cpp keep the weights from being swapped out."""
    return not any(words in log for words in _NO_LOCK)


def can_turn_keys(log: str) -> bool:
    """Whether llama.cpp can turn quantised keys for other positions: where it has not spread their
    numbers over the head before (not for heads of 96, say), it dies of it (0.3.36)."""
    return set(_TURNED_LINE.findall(log)) == {"1"}


def window_cells(log: str) -> int:
    """Cells of the cache that layers with a sliding window have for themselves; 0 where there is no
    such cache, or one of another kind."""
    sizes = _WINDOW_LINE.findall(log)
    return int(sizes[-1]) if sizes else 0


def has_flash_attention(log: str) -> bool:
    """False where llama.cpp turned it off: it is not for this model, or not on this device."""
    return not any(words in log for words in _NO_FLASH)


def steady_rows(log: str, *, has_adapters: bool = False) -> SteadyRows:
    """What ggml's CPU kernels make of several rows, by the number formats in llama.cpp's ``log`` of
    a load. (Gemma 3, Q4_K_M, alone and eight at once: 7 of 8 seeded answers differed without, 0
    with this.)

    Rearranged weights (repack.cpp) are multiplied with four rows at once, and with what is left
    over one by one, which rounds otherwise. For matrices of floats (llamafile/sgemm.cpp) there is
    one kernel for a lone row and another for two and more; that of quantised ones rounds alike.
    Adapters are floats, and there are such where ``has_adapters``: of 255 seeded answers beside
    others 11 differed in the last digits of what each token was given, and none with this.
    With either, steadiness costs too much for those who did not ask for it by a seed: 16 greedy
    streams of that Gemma made 67 tokens a second with it, and llama-server 151 (**measured**).
    """
    formats = set(_FORMAT_LINE.findall(log))
    most = _REPACKED_ROWS if "REPACK model buffer" in log else ANY_FORMAT.most
    # Vectors are in f32 always.
    has_floats = has_adapters or bool(formats & {"f16", "bf16"}) or formats == {"f32"}
    lone_cells = 0 if has_floats else ANY_FORMAT.lone_cells
    rows = SteadyRows(most=most, lone_cells=lone_cells)
    return rows if rows == ANY_FORMAT else replace(rows, greedy_tokens=0)


def _gpu_of(name: str, gpus: Iterable[str]) -> str | None:
    """``CUDA0`` also has buffers of other kinds (``CUDA0_Split``), and ``RPC0`` names its worker
    (``RPC0[192.168.1.2:50052]``)."""
    ends = ("_", "[")
    return next(
        (gpu for gpu in gpus if name == gpu or name.startswith(tuple(gpu + end for end in ends))),
        None,
    )


def _bytes(mebibytes: str) -> int:
    return int(float(mebibytes) * 1024 * 1024)
