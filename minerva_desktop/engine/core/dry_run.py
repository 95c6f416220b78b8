"""What a load would take, asked of llama.cpp without loading. Engine child, main thread.

llama.cpp reads the metadata (`no_alloc`), makes the same contexts as `loading` would, and lays out
their graphs without allocating anything; only the states of recurrent layers are real. Measured:
0.1 s for a vocabulary of 49,152 tokens, 0.5 s for one of 262,144, and some milliseconds for each
context. Adapters are left out: they change no buffer but their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from minerva_desktop.devices.cores import physical_cores
from minerva_desktop.devices.device_list import discrete_gpus
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.backend_devices import list_devices
from minerva_desktop.engine.core.context_params import (
    ContextPlan,
    context_plan,
    draft_options,
    draft_params,
)
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.load_log import (
    CPU,
    bytes_by_device,
    cache_bytes,
    has_flash_attention,
)
from minerva_desktop.engine.core.own_memory import give_back_freed
from minerva_desktop.engine.load_options import FlashAttention, LoadOptions
from minerva_desktop.engine.memory_messages import SimulatedContext


def simulate(
    path: Path, options: LoadOptions, lengths: tuple[int, ...], *, log: LlamaLog
) -> tuple[SimulatedContext, ...]:
    """What the model at ``path`` would take with contexts of these ``lengths``, its draft model
    with it. Raises what loading raises; a file that makes llama.cpp abort ends the process."""
    n_threads = options.n_threads or physical_cores()
    sized = [msgspec.structs.replace(options, n_ctx=n_ctx) for n_ctx in lengths]
    with simulated(path, options, log) as model:
        plans = [context_plan(model, each, n_threads) for each in sized]
        found = [_context(model, plan, plan.params, options, log) for plan in plans]
    speculation = options.speculation
    draft = None if speculation is None else speculation.draft_path
    if draft is not None:
        own = draft_options(options)
        with simulated(draft, own, log) as small:
            params = [draft_params(own, plan, plan.n_ctx, n_threads) for plan in plans]
            beside = [
                _context(small, plan, each, own, log)
                for plan, each in zip(plans, params, strict=True)
            ]
        found = [_together(*pair) for pair in zip(found, beside, strict=True)]
    give_back_freed()
    log.clear()
    return tuple(found)


@contextmanager
def simulated(path: Path, options: LoadOptions, log: LlamaLog) -> Iterator[LlamaModel]:
    """The model at ``path`` without its weights, until the block ends. Raises what loading does."""
    log.clear()
    model = LlamaModel(path, options, log=log, is_simulated=True)
    try:
        yield model
    finally:
        model.free()


def _context(
    model: LlamaModel, plan: ContextPlan, params: Any, options: LoadOptions, log: LlamaLog
) -> SimulatedContext:
    log.clear()
    context = LlamaContext(model, params, abort=AbortFlag(), log=log)
    context.free()
    text = log.text()
    gpus = [gpu.name for gpu in discrete_gpus(list_devices())]
    compute = bytes_by_device(text, ("compute", "output"), gpus)
    compute[CPU] += plan.late_output_bytes(model)
    wanted = options.flash_attention is not FlashAttention.OFF
    return SimulatedContext(
        n_ctx=plan.n_ctx,
        compute=compute,
        kv_bytes=cache_bytes(text, is_simulated=True),
        flash_attention=wanted and has_flash_attention(text),
    )


def _together(model: SimulatedContext, draft: SimulatedContext) -> SimulatedContext:
    devices = model.compute.keys() | draft.compute.keys()
    return msgspec.structs.replace(
        model,
        compute={d: model.compute.get(d, 0) + draft.compute.get(d, 0) for d in sorted(devices)},
        kv_bytes=model.kv_bytes + draft.kv_bytes,
    )
