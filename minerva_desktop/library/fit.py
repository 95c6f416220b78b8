"""The best options for a model that fit into the memory there is, and what had to give.

Called by `load_choice` before a load, and by the model picker; any thread, arithmetic only.

What is left to us is given up in this order, and no more of it than it takes: the precision of the
KV cache (``q8_0`` halves it at next to no loss), context down to `GOOD_N_CTX`, layers on the GPU
(slower), context down to `LEAST_N_CTX`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.memory_estimate import (
    EstimateOptions,
    MemoryEstimate,
    estimate_memory,
    largest_n_ctx,
    most_gpu_layers,
)
from minerva_desktop.units import format_bytes

GOOD_N_CTX = 4096  # tokens; a chat of a few long answers
LEAST_N_CTX = 1024  # tokens; less is of no use in a chat


class Fit(StrEnum):
    """How a model fits: as wished, with less context (or a smaller KV cache), with layers on the
    CPU that a GPU should hold, or not at all."""

    FITS = "fits"
    SMALLER_CONTEXT = "smaller_context"
    NEEDS_OFFLOAD = "needs_offload"
    WONT_FIT = "wont_fit"


@dataclass(frozen=True, kw_only=True)
class Free:
    """Which options are ours to choose; the others were asked for."""

    n_ctx: bool = True
    kv_type: bool = True
    n_gpu_layers: bool = True


@dataclass(frozen=True)
class Choice:
    """Options, the memory that they take, and ``reasons``: a sentence for each that is not as
    wished, and for what does not fit."""

    fit: Fit
    options: EstimateOptions
    estimate: MemoryEstimate
    reasons: tuple[str, ...] = ()


def choose_options(
    header: GgufHeader, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Choice:
    """The best options that keep each device within its ``room`` (bytes by device, as
    `MemoryEstimate` names them); ``wished`` as it is where none do."""
    for options in _by_preference(header, wished, room, free):
        estimate = estimate_memory(header, options)
        if estimate.fits(room):
            return Choice(
                _fit(wished, options), options, estimate, tuple(_reasons(header, wished, options))
            )
    estimate = estimate_memory(header, wished)
    return Choice(Fit.WONT_FIT, wished, estimate, (_too_large(estimate, room),))


def _by_preference(
    header: GgufHeader, wished: EstimateOptions, room: Mapping[str, int], free: Free
) -> Iterator[EstimateOptions]:
    yield wished
    options = wished
    if free.kv_type and options.flash_attention:
        options = replace(options, kv_type_k="q8_0", kv_type_v="q8_0")
        yield options
    if free.n_ctx:
        yield from _shortened(header, options, room, least=GOOD_N_CTX)
    if free.n_gpu_layers and options.gpus:
        least = min(options.n_ctx, GOOD_N_CTX) if free.n_ctx else options.n_ctx
        for n_ctx in dict.fromkeys((options.n_ctx, least)):
            fewer = replace(options, n_ctx=n_ctx)
            yield replace(fewer, n_gpu_layers=most_gpu_layers(header, fewer, room))
        options = replace(options, n_gpu_layers=0)
    if free.n_ctx:
        yield from _shortened(header, options, room, least=LEAST_N_CTX)


def _shortened(
    header: GgufHeader, options: EstimateOptions, room: Mapping[str, int], *, least: int
) -> Iterator[EstimateOptions]:
    n_ctx = min(largest_n_ctx(header, options, room), options.n_ctx)
    if n_ctx >= least:
        yield replace(options, n_ctx=n_ctx)


def _fit(wished: EstimateOptions, options: EstimateOptions) -> Fit:
    if options.n_gpu_layers != wished.n_gpu_layers:
        return Fit.NEEDS_OFFLOAD
    return Fit.FITS if options == wished else Fit.SMALLER_CONTEXT


def _reasons(
    header: GgufHeader, wished: EstimateOptions, options: EstimateOptions
) -> Iterator[str]:
    if options == wished:
        return
    full = format_bytes(estimate_memory(header, wished).total_bytes)
    why = f"as wished it would take {full}"
    if options.kv_type_k != wished.kv_type_k:
        yield f"KV cache in {options.kv_type_k}: {why}"
    if options.n_ctx != wished.n_ctx:
        yield f"context of {options.n_ctx:,} tokens instead of {wished.n_ctx:,}: {why}"
    if options.n_gpu_layers != wished.n_gpu_layers:
        yield f"{options.n_gpu_layers} layers on the GPU, the others on the CPU: {why}"


def _too_large(estimate: MemoryEstimate, room: Mapping[str, int]) -> str:
    device = next(d for d in estimate.devices if d.total_bytes > room.get(d.device, d.total_bytes))
    needed, there = format_bytes(device.total_bytes), format_bytes(room[device.device])
    return f"it takes {needed} of the {device.device}'s memory, and there are {there} for models"
