"""The best options for a model that fit into the memory there is, and what had to give.

Called by `load_choice` before a load, and by the model picker; any thread, arithmetic only.

What is left to us is given up in this order, and no more of it than it takes: the precision of the
KV cache (``q8_0`` halves it at next to no loss), context down to `GOOD_N_CTX`, layers on the GPU
(slower), context down to `LEAST_N_CTX`. Where there is much room, the context gets longer than
wished: up to `LONG_N_CTX`, as long as the whole model then takes no more than half of the room. The
other half stays for a second model; and each further token costs time, too, once it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from minerva_desktop.library.estimate_options import CELL_STEP, CPU, EstimateOptions, padded_cells
from minerva_desktop.library.layer_memory import can_quantise_cache
from minerva_desktop.library.memory_estimate import DeviceMemory, Estimator, MemoryEstimate
from minerva_desktop.units import format_bytes

LONG_N_CTX = (32_768, 16_384)  # tokens; a long document, and half of it
GOOD_N_CTX = 4096  # a chat of a few long answers
LEAST_N_CTX = 1024  # less is of no use in a chat
LEAST_EMBEDDING_N_CTX = 256  # a paragraph; less is of no use in a search


class Fit(StrEnum):
    """How a model fits: as wished, with its KV cache in q8_0, with less context, with layers on
    the CPU that a GPU should hold, or not at all."""

    FITS = "fits"
    SMALLER_KV = "smaller_kv"
    SMALLER_CONTEXT = "smaller_context"
    NEEDS_OFFLOAD = "needs_offload"
    WONT_FIT = "wont_fit"


class Free(msgspec.Struct, frozen=True, kw_only=True):
    """Which options are ours to choose; the others were asked for. ``most_n_ctx``: tokens that a
    context of our choice has at most, None: as many as the model was trained for."""

    n_ctx: bool = True
    most_n_ctx: int | None = None
    kv_type: bool = True
    n_gpu_layers: bool = True


class Choice(msgspec.Struct, frozen=True):
    """Options, the memory that they take, and ``reasons``: a sentence for each that is not as
    wished, for what does not fit, and for what would. ``notes`` are sentences on what is more than
    wished, ``warnings`` on what to beware of."""

    fit: Fit
    options: EstimateOptions
    estimate: MemoryEstimate
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose_options(
    model: Estimator, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Choice:
    """The best options that keep each device within its ``room`` (bytes by device, as
    `MemoryEstimate` names them); where none do, those that come nearest."""
    longer = _longer(model, wished, room, free) if free.n_ctx else None
    if longer is not None:
        return longer
    for options in _by_preference(model, wished, room, free):
        estimate = model.estimate(options)
        if estimate.fits(room):
            reasons = tuple(_reasons(model, wished, options))
            return Choice(_fit(wished, options), options, estimate, reasons)
    return _nearest(model, wished, room, free)


def rounding(asked: int | None, n_ctx: int) -> tuple[str, ...]:
    """Where a context of ``n_ctx`` tokens is the next step above the one that was ``asked`` for."""
    if asked is None or n_ctx == asked or n_ctx != padded_cells(asked):
        return ()
    why = f"{asked:,} were asked for, and it comes in steps of {CELL_STEP}"
    return (f"context of {n_ctx:,} tokens: {why}",)


def _longer(
    model: Estimator, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Choice | None:
    if wished.is_embedding:  # whose buffers grow with every token, for texts that are short
        return None
    half = {device: n_bytes // 2 for device, n_bytes in room.items()}
    most = model.header.n_ctx_train if free.most_n_ctx is None else free.most_n_ctx
    for n_ctx in dict.fromkeys(padded_cells(min(each, most)) for each in LONG_N_CTX):
        options = replace(wished, n_ctx=n_ctx)
        estimate = model.estimate(options)
        if n_ctx > wished.n_ctx and estimate.fits(half):
            note = (
                f"context of {n_ctx:,} tokens instead of {wished.n_ctx:,}: with it, too, the model "
                "takes no more than half of the memory for models"
            )
            return Choice(Fit.FITS, options, estimate, notes=(note,))
    return None


def _by_preference(
    model: Estimator, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Iterator[EstimateOptions]:
    yield wished
    options = wished
    if _may_quantise(model, wished, free):
        options = replace(options, kv_type_k="q8_0", kv_type_v="q8_0")
        yield options
    if free.n_ctx:
        yield from _shortened(model, options, room, least=GOOD_N_CTX)
    if free.n_gpu_layers and options.gpus:
        least = min(options.n_ctx, GOOD_N_CTX) if free.n_ctx else options.n_ctx
        for n_ctx in dict.fromkeys((options.n_ctx, least)):
            fewer = replace(options, n_ctx=n_ctx)
            yield replace(fewer, n_gpu_layers=model.most_gpu_layers(fewer, room))
        options = replace(options, n_gpu_layers=0)
    if free.n_ctx:
        yield from _shortened(model, options, room, least=_least_n_ctx(options))


def _may_quantise(model: Estimator, options: EstimateOptions, free: Free) -> bool:
    """Without flash attention llama.cpp cannot read a quantised V."""
    return free.kv_type and options.flash_attention and can_quantise_cache(model.header)


def _least_n_ctx(options: EstimateOptions) -> int:
    return LEAST_EMBEDDING_N_CTX if options.is_embedding else LEAST_N_CTX


def _shortened(
    model: Estimator, options: EstimateOptions, room: Mapping[str, int], *, least: int
) -> Iterator[EstimateOptions]:
    n_ctx = min(model.largest_n_ctx(options, room), options.n_ctx)
    if n_ctx >= least:
        yield replace(options, n_ctx=n_ctx)


def _nearest(
    model: Estimator, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Choice:
    """What goes least beyond the room, for those who load it all the same: all that is ours is
    given up, but for as many layers as the GPUs hold."""
    options = wished
    if _may_quantise(model, wished, free):
        options = replace(options, kv_type_k="q8_0", kv_type_v="q8_0")
    if free.n_ctx:
        options = replace(options, n_ctx=min(options.n_ctx, _least_n_ctx(options)))
    if free.n_gpu_layers and options.gpus:
        on_gpus = {gpu.device: room[gpu.device] for gpu in options.gpus if gpu.device in room}
        options = replace(options, n_gpu_layers=model.most_gpu_layers(options, on_gpus))
    estimate = model.estimate(options)
    reasons = [_too_large(each, room) for each in estimate.devices if _is_over(each, room)]
    reasons += _reasons(model, wished, options)
    if not free.n_ctx and (n_ctx := model.largest_n_ctx(options, room)):
        reasons.append(f"a context of up to {n_ctx:,} tokens would fit")
    return Choice(Fit.WONT_FIT, options, estimate, tuple(reasons))


def _is_over(device: DeviceMemory, room: Mapping[str, int]) -> bool:
    return device.total_bytes > room.get(device.device, device.total_bytes)


def _fit(wished: EstimateOptions, options: EstimateOptions) -> Fit:
    if options.n_gpu_layers != wished.n_gpu_layers:
        return Fit.NEEDS_OFFLOAD
    if options.n_ctx != wished.n_ctx:
        return Fit.SMALLER_CONTEXT
    return Fit.FITS if options == wished else Fit.SMALLER_KV


def _reasons(model: Estimator, wished: EstimateOptions, options: EstimateOptions) -> Iterator[str]:
    if options == wished:
        return
    why = f"as wished it would take {format_bytes(model.estimate(wished).total_bytes)}"
    if options.kv_type_k != wished.kv_type_k:
        yield f"KV cache in {options.kv_type_k}: {why}"
    if options.n_ctx != wished.n_ctx:
        yield f"context of {options.n_ctx:,} tokens instead of {wished.n_ctx:,}: {why}"
    if options.n_gpu_layers != wished.n_gpu_layers:
        n_layers = model.header.n_layers + 1  # the output layer counts as one
        where = f"{options.n_gpu_layers} of {n_layers} layers on the GPU, the others on the CPU"
        yield f"{where if options.n_gpu_layers else 'on the CPU, and no layer on the GPU'}: {why}"


def _too_large(device: DeviceMemory, room: Mapping[str, int]) -> str:
    needed, there = format_bytes(device.total_bytes), format_bytes(room[device.device])
    place = "this computer's memory" if device.device == CPU else f"the memory of {device.device}"
    return f"it takes {needed} of {place}, and there are {there} for models"
