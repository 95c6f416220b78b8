"""What was asked of a load and could not be had, a sentence for each: `ContextInfo.warnings`.
`load_trial` finds the same without the weights. Engine child, main thread.
"""

from __future__ import annotations

from collections.abc import Iterator

from minerva_desktop.devices.cores import usable_cores
from minerva_desktop.engine.core.load_log import has_flash_attention, has_kv_cache, is_locked
from minerva_desktop.engine.load_options import EMBEDDING_TEXTS, FlashAttention, LoadOptions
from minerva_desktop.load_limits import MAX_GPU_LAYERS

_USUAL = LoadOptions()


def not_had(options: LoadOptions, log: str, on_gpu: int) -> Iterator[str]:
    """By any model. ``log`` is llama.cpp's of the load; ``on_gpu``: layers."""
    asked, most = max(options.n_threads or 0, options.n_threads_batch or 0), usable_cores()
    if asked > most:
        yield f"{most:,} threads instead of {asked:,}: there are no more cores for this process"
    layers = options.n_gpu_layers
    if layers and not on_gpu:
        why = "llama.cpp finds no GPU that this build can use"
        wanted = "all" if layers == MAX_GPU_LAYERS else f"{layers:,}"
        yield f"no layer on a GPU instead of {wanted}: {why}"
    if options.use_mlock and not is_locked(log):
        yield (
            "weights that are not locked in memory: the system lets this process lock less than"
            " they take (its limit is that of “ulimit -l”)"
        )
    if options.flash_attention is FlashAttention.ON and not has_flash_attention(log):
        yield "no flash attention: llama.cpp has none for models of this architecture"
    kinds = {kind for kind in (options.kv_type_k, options.kv_type_v) if kind.is_quantised}
    if kinds and not has_kv_cache(log):
        yield f"no KV cache in {' and '.join(sorted(kinds))}: this model keeps none"


def not_had_by_embeddings(options: LoadOptions, n_ctx: int) -> Iterator[str]:
    """By a model that makes embeddings, of texts of up to ``n_ctx`` tokens. What is as usual was
    not asked for."""
    asked = options.n_ctx or 0
    if asked > n_ctx:
        yield f"the model has positions for {n_ctx:,} tokens, not for {asked:,}"
    if options.n_batch != _USUAL.n_batch:
        why = "a model that makes embeddings reads each text in one step"
        yield f"a batch of {n_ctx:,} tokens instead of {options.n_batch:,}: {why}"
    if options.n_parallel != _USUAL.n_parallel:
        why = "a model that makes embeddings takes those of all requests together"
        yield f"up to {EMBEDDING_TEXTS} texts in one step instead of {options.n_parallel:,}: {why}"
