"""How much memory a model will take, from its header and the load options, without loading it.

Called by the model picker, the pool and `minerva models show`, on any thread; arithmetic only.
(It stands in `library` because it reads headers, which `devices` must not import.)

Weights come from the tensor table. The KV cache follows the rules of the llama.cpp that
`pyproject.toml` pins, and is exact for the architectures that `layer_memory` names. The compute
buffer is `step_memory`'s, what the process takes beside them `process_memory`'s. What llama.cpp
itself reported for such a load counts more than either.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Protocol

import msgspec
from msgspec.structs import replace

from minerva_desktop.library.estimate_options import (
    CELL_STEP,
    CPU,
    F32_BYTES,
    EstimateOptions,
    padded_cells,
    row_bytes,
)
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.layer_memory import (
    LayerMemory,
    layer_memory,
    n_layers,
    n_trunk_layers,
    window_tokens,
)
from minerva_desktop.library.process_memory import (
    ADAPTER_TENSOR_BYTES,
    GPU_WORK_BYTES,
    PROCESS_BYTES,
    process_bytes,
)
from minerva_desktop.library.step_memory import (
    attention_scores,
    converted_bytes,
    input_bytes,
    logits_bytes,
    output_bytes,
    spread,
    step_bytes,
)

# Batches of so many tokens are computed on a GPU even for layers on the CPU, whose weights are
# copied there for it (offload_op of ggml's backends).
OFFLOADED_BATCH = 32
FEW_TOKENS = 8  # of a short prompt

_LAYER = re.compile(r"blk\.(\d{1,4})\.")
_INPUT = (
    "per_layer_token_embd.",
    "position_embd.",
    "token_embd.",
    "token_embd_norm.",
    "token_types.",
)


class Companions(msgspec.Struct, frozen=True):
    """What is loaded beside a model: LoRA adapters, and a small model that guesses ahead."""

    adapters: tuple[GgufHeader, ...] = ()
    draft: GgufHeader | None = None


ALONE = Companions()


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What llama.cpp reported for a load or a dry run, in bytes: ``compute`` by device, all of
    ``kv_bytes`` together (0: as estimated), and ``weights`` of those devices that have no file
    mapped. ``flash_attention``: False where it was wanted and turned off."""

    compute: dict[str, int]
    kv_bytes: int = 0
    weights: dict[str, int] = {}
    flash_attention: bool = True


class Reports(Protocol):
    """Knows what llama.cpp reported; `measured_memory.ModelReports` is one."""

    def find(self, options: EstimateOptions) -> Figures | None:
        """For a model with just these options; None: nothing is known."""


class DeviceMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What one device holds, in bytes. ``device``: ``CPU``, or the GPU's name. ``other_bytes``: the
    vocabulary, and what the process needs beside the three, such as a context on the GPU."""

    device: str
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    other_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.other_bytes


class MemoryEstimate(msgspec.Struct, frozen=True):
    """What a loaded model will take: the CPU first, then each GPU. ``is_reported``: cache and
    compute buffers are llama.cpp's own numbers."""

    devices: tuple[DeviceMemory, ...]
    is_reported: bool = False

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


class Estimator:
    """The facts of one model that every estimate needs, read out of its header once."""

    def __init__(
        self,
        header: GgufHeader,
        beside: Companions = ALONE,
        reports: Reports | None = None,
    ) -> None:
        """``header`` is that of all parts of a split model."""
        self.header = header
        self.n_layers = n_layers(header)
        self._reports = reports
        self._adapters = beside.adapters
        self._draft = None if beside.draft is None else Estimator(beside.draft)
        self._layers = layer_memory(header)
        self._window = window_tokens(header)
        self._weights = _Weights(header, self.n_layers)

    def estimate(self, options: EstimateOptions) -> MemoryEstimate:
        """The memory for ``options``."""
        names = [CPU, *(gpu.device for gpu in options.gpus)]
        parts = [self._alone(options)]
        parts += [self._adapter(adapter, options) for adapter in self._adapters]
        if self._draft is not None:
            parts.append(self._draft._alone(_draft_options(options)))
        weights, kv, compute, other = (
            [sum(numbers) for numbers in zip(*lists, strict=True)]
            for lists in zip(*parts, strict=True)
        )
        other[0] += PROCESS_BYTES
        figures = self._reports.find(options) if self._reports is not None else None
        if figures is not None:
            compute = spread(figures.compute, names)
            weights = [
                figures.weights.get(name, known) if name != CPU else known
                for name, known in zip(names, weights, strict=True)
            ]
            kv = _scaled(kv, figures.kv_bytes)
        for index, gpu in enumerate(options.gpus, start=1):
            if gpu.process_bytes and weights[index] + kv[index] + compute[index]:
                other[index] += gpu.process_bytes + GPU_WORK_BYTES
        return MemoryEstimate(
            tuple(
                DeviceMemory(
                    device=name,
                    weights_bytes=weights[index],
                    kv_bytes=kv[index],
                    compute_bytes=compute[index],
                    other_bytes=other[index],
                )
                for index, name in enumerate(names)
            ),
            is_reported=figures is not None,
        )

    def largest_n_ctx(self, options: EstimateOptions, budget_bytes: Mapping[str, int]) -> int:
        """The most tokens of context, in steps of 256 and up to what the model was trained for, or
        ``options.n_ctx`` where that is more, with which each device named in ``budget_bytes`` stays
        within it; 0: not even 256 fit."""
        longest = max(self.header.n_ctx_train, options.n_ctx)
        steps = range(1, -(-longest // CELL_STEP) + 1)
        n_fitting = bisect_right(
            steps,
            False,
            key=lambda step: (
                not self.estimate(replace(options, n_ctx=step * CELL_STEP)).fits(budget_bytes)
            ),
        )
        return min(n_fitting * CELL_STEP, longest)

    def later_bytes(self, options: EstimateOptions) -> int:
        """Of the CPU's bytes beside weights, cache and compute buffers, those that come only as a
        long prompt fills the context, with whole batches."""
        short = replace(options, n_ctx=FEW_TOKENS, n_batch=FEW_TOKENS)
        cpu, early = (self.estimate(each).devices[0] for each in (options, short))
        return cpu.other_bytes - early.other_bytes

    def most_gpu_layers(self, options: EstimateOptions, budget_bytes: Mapping[str, int]) -> int:
        """The most layers (the output layer counts as one) that can be offloaded so that each
        device named in ``budget_bytes`` stays within it; 0 when none can, or there is no GPU.

        ``options.n_gpu_layers`` plays no part.
        """
        if not options.gpus:
            return 0
        return next(
            (
                count
                for count in range(self.n_layers + 1, 0, -1)
                if self.estimate(replace(options, n_gpu_layers=count)).fits(budget_bytes)
            ),
            0,
        )

    def _alone(self, options: EstimateOptions) -> tuple[list[int], ...]:
        """Weights, cache, compute buffers and the rest, by device: of this model only."""
        places = self._places(options)
        n_devices = 1 + len(options.gpus)
        kv = [0] * n_devices
        for layer, place in zip(self._layers, places, strict=False):
            kv[place] += self._kv_bytes(layer, options)
        caches = {each.windowed: each for each in self._layers if each.k_width}
        cells = [self._cells(each, options) for each in caches.values()]
        scores = attention_scores(self.header, options, cells) if 0 in places else 0
        other = [process_bytes(self.header, options, scores)] + [0] * (n_devices - 1)
        for index, gpu in enumerate(options.gpus, start=1):
            if gpu.process_bytes and kv[index]:
                other[index] = converted_bytes(self.header, self._layers, options, cells)
        weights = self._weights.by_device(places, n_devices)
        return weights, kv, self._compute_bytes(options, places, cells), other

    def _adapter(self, adapter: GgufHeader, options: EstimateOptions) -> tuple[list[int], ...]:
        """A LoRA adapter's tensors lie where the layer does that they change."""
        places = self._places(options)
        nothing = [0] * (1 + len(options.gpus))
        weights = list(nothing)
        for tensor in adapter.tensors:
            match = _LAYER.match(tensor.name)
            place = places[int(match[1])] if match and int(match[1]) < self.n_layers else 0
            weights[place] += tensor.size
        return (
            weights,
            nothing,
            nothing,
            [len(adapter.tensors) * ADAPTER_TENSOR_BYTES, *nothing[1:]],
        )

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
        k_bytes = row_bytes(layer.k_width, options.kv_type_k)
        k_bytes += row_bytes(layer.index_width, options.kv_type_k)
        v_width = layer.v_width
        if v_width and not options.flash_attention:
            # V then lies transposed, as wide in each layer as in the widest.
            v_width = max(other.v_width for other in self._layers)
        v_bytes = row_bytes(v_width, options.kv_type_v)
        return cells * (k_bytes + v_bytes) + options.n_seq_max * layer.state_width * F32_BYTES

    def _cells(self, layer: LayerMemory, options: EstimateOptions) -> int:
        """Tokens that ``layer`` has room for. All sequences share them."""
        cells = padded_cells(options.n_ctx)
        if not layer.windowed or options.n_draft:
            return cells
        kept = self._window * options.n_seq_max + options.batch_tokens
        return padded_cells(min(cells, kept))

    def _compute_bytes(
        self, options: EstimateOptions, places: tuple[int, ...], cells: Sequence[int]
    ) -> list[int]:
        """Each device that holds layers needs room for a step of its own; the one with the output
        layer also for logits. What goes in and what comes out is in the CPU's memory."""
        header, tokens = self.header, options.batch_tokens
        compute = [0] * (1 + len(options.gpus))
        step = step_bytes(header, self._layers, options, cells)
        for place in set(places[:-1]):
            compute[place] = step
        if options.gpus and 0 in places[:-1] and tokens >= OFFLOADED_BATCH:
            compute[1] = step + self._weights.largest_bytes
        compute[0] = max(compute[0], input_bytes(header, options, cells))
        compute[places[-1]] = max(compute[places[-1]], logits_bytes(header, options))
        compute[0] += output_bytes(header, options)
        return compute


class _Weights:
    """A model's tensors, by where they belong."""

    def __init__(self, header: GgufHeader, total_layers: int) -> None:
        self.largest_bytes = 0  # of one tensor of a layer
        self._n_layers = total_layers
        self._n_used_layers = n_trunk_layers(header)
        self._input_bytes = 0
        self._layer_bytes = [0] * (total_layers + 1)  # the last of them is the output layer
        self._table_bytes = 0
        self._is_tied = True
        for tensor in header.tensors:
            self._count(tensor.name, tensor.size)

    def by_device(self, places: Sequence[int], n_devices: int) -> list[int]:
        """Bytes on each device, where ``places`` are those of the layers."""
        weights = [self._input_bytes] + [0] * (n_devices - 1)
        for layer_bytes, place in zip(self._layer_bytes, places, strict=True):
            weights[place] += layer_bytes
        if self._is_tied and places[-1]:
            weights[places[-1]] += self._table_bytes  # the GPU cannot use the CPU's copy
        return weights

    def _count(self, name: str, size: int) -> None:
        match = _LAYER.match(name)
        if match and int(match[1]) < self._n_layers:
            if int(match[1]) < self._n_used_layers:
                self._layer_bytes[int(match[1])] += size
                self.largest_bytes = max(self.largest_bytes, size)
            return
        if not name.startswith(_INPUT):
            self._layer_bytes[-1] += size
            self._is_tied = self._is_tied and name != "output.weight"
            return
        self._input_bytes += size
        if name == "token_embd.weight":
            self._table_bytes = size


def _draft_options(options: EstimateOptions) -> EstimateOptions:
    """How a draft model is loaded beside a model (`engine.core.draft_model`): all of it on the
    GPUs, its cache in f16 and with all tokens, since wrong guesses are taken back."""
    return replace(options, n_draft=1, kv_type_k="f16", kv_type_v="f16", n_gpu_layers=None)


def _scaled(shares: list[int], total: int) -> list[int]:
    """``shares`` in the same proportions, but ``total`` together; as they are where that is 0."""
    known = sum(shares)
    if not total or not known:
        return shares
    scaled = [share * total // known for share in shares]
    scaled[shares.index(max(shares))] += total - sum(scaled)
    return scaled
