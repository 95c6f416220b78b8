"""How much memory a model will take, from its header and the load options, without loading it.

Called by the model picker, the pool and `minerva models show`, on any thread; arithmetic only.
(It stands in `library` because it reads headers, which `devices` must not import.)

Weights come from the tensor table. The KV cache follows the rules of the llama.cpp that
`pyproject.toml` pins, and is exact for the architectures that `layer_memory` names. The compute
buffer is a sum of what is alive at once in a step, rather more than less; a measured one is better.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Literal

import msgspec

from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.layer_memory import (
    LayerMemory,
    layer_memory,
    n_layers,
    per_layer,
    window_tokens,
)

KvTypeName = Literal["f16", "q8_0", "q4_0"]

CPU = "CPU"
CELL_STEP = 256  # llama.cpp rounds the number of cells up to this
F32_BYTES = 4
F16_BYTES = 2
KV_BLOCK = 32  # numbers
# Bytes of a block of 32 numbers, as in ggml-common.h.
KV_BLOCK_BYTES: MappingProxyType[str, int] = MappingProxyType({"f16": 64, "q8_0": 34, "q4_0": 18})

# ggml frees an activation after its last use, and reuses its place: at once alive are about this
# many rows of the model's width beside the widest step of a layer.
LIVE_ROWS = 6

_LAYER = re.compile(r"blk\.(\d{1,4})\.")
_INPUT = (
    "per_layer_token_embd.",
    "position_embd.",
    "token_embd.",
    "token_embd_norm.",
    "token_types.",
)


@dataclass(frozen=True)
class GpuShare:
    """A GPU by name, and its share of the offloaded layers by proportion: of the tensor split, or
    of the free memory, as llama.cpp takes it."""

    device: str
    share: float


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """The load options that decide about memory.

    ``n_ctx`` and ``n_batch`` in tokens. ``n_seq_max`` sequences may be kept, ``n_parallel`` of
    them are computed at once, each with up to ``n_draft`` guessed tokens (0: no guessing; with it,
    windowed layers keep all tokens). ``gpus`` are those
    that layers go to.
    ``n_gpu_layers`` None: all; without GPUs it means nothing, and all is on the CPU.
    """

    n_ctx: int
    n_seq_max: int
    n_parallel: int = 1
    n_batch: int = 512
    n_draft: int = 0
    kv_type_k: KvTypeName = "f16"
    kv_type_v: KvTypeName = "f16"
    flash_attention: bool = True
    n_gpu_layers: int | None = None
    gpus: tuple[GpuShare, ...] = ()


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What one device holds, in bytes. ``device``: ``CPU``, or the GPU's name."""

    device: str
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes


class MemoryEstimate(msgspec.Struct, frozen=True):
    """What a loaded model will take: the CPU first, then each GPU."""

    devices: tuple[DeviceMemory, ...]

    @property
    def weights_bytes(self) -> int:
        """Weights on all devices; a table that two devices need counts twice."""
        return sum(device.weights_bytes for device in self.devices)

    @property
    def kv_bytes(self) -> int:
        """KV cache and recurrent states on all devices."""
        return sum(device.kv_bytes for device in self.devices)

    @property
    def compute_bytes(self) -> int:
        """Buffers for one step, and for its logits, on all devices."""
        return sum(device.compute_bytes for device in self.devices)

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return sum(device.total_bytes for device in self.devices)

    def fits(self, budget_bytes: Mapping[str, int]) -> bool:
        """Whether each device stays within its budget; one without a budget always does."""
        return all(
            device.total_bytes <= budget_bytes.get(device.device, device.total_bytes)
            for device in self.devices
        )


def estimate_memory(
    header: GgufHeader, options: EstimateOptions, *, measured_compute_bytes: int | None = None
) -> MemoryEstimate:
    """The memory that the model of ``header`` (all parts of a split one) takes with ``options``.

    ``measured_compute_bytes`` is what a dry run or a real load with these options reported for all
    devices together; it stands in for the estimate of the compute buffers.
    """
    estimate = _Model(header).estimate(options)
    if measured_compute_bytes is None:
        return estimate
    guessed = estimate.compute_bytes or 1
    shares = [d.compute_bytes * measured_compute_bytes // guessed for d in estimate.devices]
    shares[-1] += measured_compute_bytes - sum(shares)
    return MemoryEstimate(
        tuple(
            msgspec.structs.replace(device, compute_bytes=share)
            for device, share in zip(estimate.devices, shares, strict=True)
        )
    )


def largest_n_ctx(
    header: GgufHeader, options: EstimateOptions, budget_bytes: Mapping[str, int]
) -> int:
    """The most tokens of context, in steps of 256 and up to what the model was trained for, with
    which each device named in ``budget_bytes`` stays within it; 0: not even 256 fit.

    ``options.n_ctx`` plays no part.
    """
    model = _Model(header)
    longest = max(header.n_ctx_train, 1)
    steps = range(1, -(-longest // CELL_STEP) + 1)
    n_fitting = bisect_right(
        steps,
        False,
        key=lambda step: (
            not model.estimate(replace(options, n_ctx=step * CELL_STEP)).fits(budget_bytes)
        ),
    )
    return min(n_fitting * CELL_STEP, longest)


def most_gpu_layers(
    header: GgufHeader, options: EstimateOptions, budget_bytes: Mapping[str, int]
) -> int:
    """The most layers (the output layer counts as one) that can be offloaded so that each device
    named in ``budget_bytes`` stays within it; 0 when none can, or there is no GPU.

    ``options.n_gpu_layers`` plays no part.
    """
    if not options.gpus:
        return 0
    model = _Model(header)
    return next(
        (
            count
            for count in range(model.n_layers + 1, 0, -1)
            if model.estimate(replace(options, n_gpu_layers=count)).fits(budget_bytes)
        ),
        0,
    )


class _Model:
    """The facts of one header that every estimate needs."""

    def __init__(self, header: GgufHeader) -> None:
        self.n_layers = n_layers(header)
        self._header = header
        self._layers = layer_memory(header)
        self._window = window_tokens(header)
        self._input_bytes = 0
        self._layer_bytes = [0] * (self.n_layers + 1)  # the last of them is the output layer
        self._table_bytes = 0
        self._is_tied = True
        for tensor in header.tensors:
            self._count_tensor(tensor.name, tensor.size)

    def estimate(self, options: EstimateOptions) -> MemoryEstimate:
        """The memory for ``options``."""
        places = self._places(options)
        n_devices = 1 + len(options.gpus)
        weights = [self._input_bytes] + [0] * len(options.gpus)
        kv = [0] * n_devices
        for layer_bytes, place in zip(self._layer_bytes, places, strict=True):
            weights[place] += layer_bytes
        for layer, place in zip(self._layers, places, strict=False):
            kv[place] += self._kv_bytes(layer, options)
        if self._is_tied and places[-1]:
            weights[places[-1]] += self._table_bytes  # the GPU cannot use the CPU's copy
        compute = self._compute_bytes(options, places)
        return MemoryEstimate(
            tuple(
                DeviceMemory(
                    device=options.gpus[index - 1].device if index else CPU,
                    weights_bytes=weights[index],
                    kv_bytes=kv[index],
                    compute_bytes=compute[index],
                )
                for index in range(n_devices)
            )
        )

    def _count_tensor(self, name: str, size: int) -> None:
        match = _LAYER.match(name)
        if match and int(match[1]) < self.n_layers:
            self._layer_bytes[int(match[1])] += size
            return
        if not name.startswith(_INPUT):
            self._layer_bytes[-1] += size
            self._is_tied = self._is_tied and name != "output.weight"
            return
        self._input_bytes += size
        if name == "token_embd.weight":
            self._table_bytes = size

    def _places(self, options: EstimateOptions) -> tuple[int, ...]:
        """The device of each layer and of the output layer: 0 the CPU, 1 the first GPU. The last
        layers are offloaded first."""
        total = self.n_layers + 1
        wanted = total if options.n_gpu_layers is None else options.n_gpu_layers
        on_gpu = min(wanted, total) if options.gpus else 0
        ends = list(accumulate(gpu.share for gpu in options.gpus))
        last = len(options.gpus)
        return (0,) * (total - on_gpu) + tuple(
            min(bisect_right(ends, ends[-1] * index / on_gpu) + 1, last) for index in range(on_gpu)
        )

    def _kv_bytes(self, layer: LayerMemory, options: EstimateOptions) -> int:
        cells = self._cells(layer, options)
        k_bytes = _row_bytes(layer.k_width, options.kv_type_k)
        k_bytes += _row_bytes(layer.index_width, options.kv_type_k)
        v_width = layer.v_width
        if v_width and not options.flash_attention:
            # V then lies transposed, as wide in each layer as in the widest.
            v_width = max(other.v_width for other in self._layers)
        v_bytes = _row_bytes(v_width, options.kv_type_v)
        return cells * (k_bytes + v_bytes) + options.n_seq_max * layer.state_width * F32_BYTES

    def _cells(self, layer: LayerMemory, options: EstimateOptions) -> int:
        """Tokens that ``layer`` has room for. All sequences share them."""
        cells = _padded(options.n_ctx)
        if not layer.windowed or options.n_draft:
            return cells
        n_batch = _batch_tokens(options)
        return _padded(min(cells, self._window * options.n_seq_max + n_batch))

    def _compute_bytes(self, options: EstimateOptions, places: tuple[int, ...]) -> list[int]:
        """Each device that holds layers needs room for a step of its own; the one with the output
        layer also for logits. What goes in and what comes out is in the CPU's memory."""
        header = self._header
        tokens = _batch_tokens(options)
        n_outputs = max(options.n_parallel * (1 + options.n_draft), options.n_seq_max)
        logits = header.n_vocab * F32_BYTES
        compute = [0] * (1 + len(options.gpus))
        for place in set(places[:-1]):
            compute[place] += self._step_bytes(options, tokens)
        compute[0] = max(compute[0], tokens * header.n_embedding * F32_BYTES)
        compute[places[-1]] += logits * min(n_outputs, tokens)
        compute[0] += logits * options.n_seq_max
        return compute

    def _step_bytes(self, options: EstimateOptions, tokens: int) -> int:
        """Activations of the widest layer, and the masks that say who sees whom."""
        header = self._header
        heads = max(per_layer(header, "attention.head_count"), default=0)
        feeds = per_layer(header, "feed_forward_length")
        experts = header.count(f"{header.architecture}.expert_used_count")
        expert_width = header.count(f"{header.architecture}.expert_feed_forward_length") * experts
        inner = header.count(f"{header.architecture}.ssm.inner_size")
        width = header.n_embedding
        kv_width = max((layer.k_width + layer.v_width for layer in self._layers), default=0)
        query = heads * max(header.count(f"{header.architecture}.attention.key_length"), 1)
        query = max(query, width)
        attention = 2 * query + kv_width
        feed = 2 * max(*feeds, expert_width, 2 * inner, 0)
        rows = LIVE_ROWS * width + max(attention, feed)
        cells = {self._cells(layer, options) for layer in self._layers if layer.k_width}
        seen = sum(cells) * (F16_BYTES if options.flash_attention else F32_BYTES)
        scores = 0 if options.flash_attention else max(cells, default=0) * heads * F32_BYTES
        return tokens * (rows * F32_BYTES + seen + scores)


def _batch_tokens(options: EstimateOptions) -> int:
    """Tokens of one step: no more than the context has, and at least one for each request."""
    return max(min(options.n_batch, options.n_ctx), options.n_parallel)


def _row_bytes(width: int, kv_type: KvTypeName) -> int:
    return width * KV_BLOCK_BYTES[kv_type] // KV_BLOCK


def _padded(cells: int) -> int:
    return -(-cells // CELL_STEP) * CELL_STEP
