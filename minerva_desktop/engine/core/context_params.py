"""Load options as llama.cpp's context parameters. Engine child, main thread."""

from __future__ import annotations

from typing import Any

from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.load_options import FlashAttention, KvType, LoadOptions, RopeScaling

_KV_TYPES = {
    KvType.AUTO: llama.GGML_TYPE_F16,
    KvType.F16: llama.GGML_TYPE_F16,
    KvType.Q8_0: llama.GGML_TYPE_Q8_0,
    KvType.Q4_0: llama.GGML_TYPE_Q4_0,
}
_FLASH_ATTENTION = {
    FlashAttention.AUTO: llama.LLAMA_FLASH_ATTN_TYPE_AUTO,
    FlashAttention.ON: llama.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    FlashAttention.OFF: llama.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_ROPE_SCALINGS = {
    RopeScaling.NONE: llama.LLAMA_ROPE_SCALING_TYPE_NONE,
    RopeScaling.LINEAR: llama.LLAMA_ROPE_SCALING_TYPE_LINEAR,
    RopeScaling.YARN: llama.LLAMA_ROPE_SCALING_TYPE_YARN,
    RopeScaling.LONGROPE: llama.LLAMA_ROPE_SCALING_TYPE_LONGROPE,
}
_ROPE_NUMBERS = {
    "freq_base": "rope_freq_base",
    "freq_scale": "rope_freq_scale",
    "yarn_ext_factor": "yarn_ext_factor",
    "yarn_attn_factor": "yarn_attn_factor",
    "yarn_beta_fast": "yarn_beta_fast",
    "yarn_beta_slow": "yarn_beta_slow",
    "yarn_orig_ctx": "yarn_orig_ctx",
}


def generation_params(
    options: LoadOptions,
    *,
    n_ctx: int,
    n_batch: int,
    n_threads: int,
    n_seq_max: int,
    n_outputs: int,
    swa_full: bool,
) -> Any:
    """For a context that generates. ``n_outputs`` rows of logits are kept in each step, not one a
    token of the batch: 34 MiB of compute buffer instead of 514 (Gemma 3, DESIGN 5). llama.cpp
    aborts on fewer rows than ``n_seq_max``."""
    params = llama.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = n_batch
    params.n_ubatch = n_batch
    params.n_seq_max = n_seq_max
    params.n_outputs_max = max(n_outputs, n_seq_max)
    params.n_threads = n_threads
    params.n_threads_batch = options.n_threads_batch or n_threads
    params.type_k = _KV_TYPES[options.kv_type_k]
    params.type_v = _KV_TYPES[options.kv_type_v]
    params.flash_attn_type = _FLASH_ATTENTION[options.flash_attention]
    # Usually cells for the window only, as llama-server has it.
    params.swa_full = swa_full
    if options.rope.scaling is not None:
        params.rope_scaling_type = _ROPE_SCALINGS[options.rope.scaling]
    for ours, theirs in _ROPE_NUMBERS.items():
        value = getattr(options.rope, ours)
        if value is not None:
            setattr(params, theirs, value)
    return params


def embedding_params(options: LoadOptions, *, n_ctx: int, n_threads: int, n_seq_max: int) -> Any:
    """For a context that makes embeddings. A batch takes as many tokens as the context, because
    models that look at a text in both directions need it whole in one step."""
    params = generation_params(
        options,
        n_ctx=n_ctx,
        n_batch=n_ctx,
        n_threads=n_threads,
        n_seq_max=n_seq_max,
        n_outputs=n_ctx,
        swa_full=False,
    )
    params.embeddings = True
    return params
