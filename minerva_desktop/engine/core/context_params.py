"""Load options as llama.cpp's context parameters. Engine child, main thread."""

from __future__ import annotations

from typing import Any

import msgspec

from minerva_desktop.devices.cores import usable_cores
from minerva_desktop.engine.core.bindings import llama
from minerva_desktop.engine.core.llama import LlamaModel
from minerva_desktop.engine.core.rope_check import check_rope
from minerva_desktop.engine.load_options import (
    DEFAULT_N_CTX,
    EMBEDDING_N_CTX,
    EMBEDDING_TEXTS,
    FlashAttention,
    KvType,
    LoadOptions,
    RopeOptions,
    RopeScaling,
)
from minerva_desktop.errors import InvalidRequest

_N_CTX_STEP = 256  # GGML_PAD in llama-context.cpp
_BLOCK = 32  # numbers that a quantised type stores together
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


class ContextPlan(msgspec.Struct, frozen=True):
    """The context that a model is loaded with, or would be: ``params`` for llama.cpp, made of
    lengths in tokens. ``n_slots`` sequences may be kept, with ``n_draft`` guessed tokens each."""

    params: Any
    n_ctx: int
    n_batch: int
    n_slots: int
    n_draft: int = 0

    def late_output_bytes(self, model: LlamaModel) -> int:
        """What the output buffer of an embedding model grows by with its first full batch: until
        then it has a row for each sequence, then for each token (llama.cpp's ``output_reserve``;
        32-bit logits are among them, though nobody wants them)."""
        if not self.params.embeddings:
            return 0
        return 4 * (model.n_vocab + model.n_embd) * max(self.n_ctx - self.n_slots, 0)


def context_plan(model: LlamaModel, options: LoadOptions, n_threads: int) -> ContextPlan:
    """How ``model`` is used with these options: to generate, or to make embeddings. Raises
    `InvalidRequest` for a cache that it cannot have, or positions that it does not heed."""
    check_rope(model, options.rope)
    if model.pooling is not None:
        # Positions beyond the trained ones do not exist in models of the BERT kind.
        n_ctx = min(options.n_ctx or EMBEDDING_N_CTX, model.n_ctx_train)
        params = embedding_params(
            options, n_ctx=n_ctx, n_threads=n_threads, n_seq_max=EMBEDDING_TEXTS
        )
        return ContextPlan(params, n_ctx, n_ctx, EMBEDDING_TEXTS)
    _check_keys(model, options)
    n_ctx = options.n_ctx or min(model.n_ctx_train, DEFAULT_N_CTX)
    n_batch = max(min(options.n_batch, n_ctx), options.n_parallel)
    n_slots = options.n_slots(is_recurrent=model.is_recurrent)
    n_draft = options.speculation.n_draft if options.speculation is not None else 0
    params = generation_params(
        options,
        n_ctx=n_ctx,
        n_batch=n_batch,
        n_threads=n_threads,
        n_seq_max=options.n_sequences(is_recurrent=model.is_recurrent, is_hybrid=model.is_hybrid),
        n_outputs=options.n_parallel * (1 + n_draft),
        swa_full=bool(n_draft),  # wrong guesses are taken back
    )
    return ContextPlan(params, n_ctx, n_batch, n_slots, n_draft)


def _check_keys(model: LlamaModel, options: LoadOptions) -> None:
    """llama.cpp refuses heads that blocks do not divide with flash attention, and aborts on them
    without."""
    kind = options.kv_type_k
    is_off = options.flash_attention is FlashAttention.OFF
    if is_off and kind.is_quantised and model.head_size % _BLOCK:
        raise InvalidRequest(
            f"A KV cache in {kind} needs attention heads of a multiple of {_BLOCK} numbers; those"
            f" of this model have {model.head_size}. Keep the cache (its keys at least) in f16",
            param="kv_type_k",
        )


def draft_options(options: LoadOptions) -> LoadOptions:
    """How a draft model is loaded beside one with ``options``: what was chosen for the large
    model's memory says nothing about this one's."""
    return msgspec.structs.replace(
        options,
        n_gpu_layers=None,
        tensor_split=(),
        kv_type_k=KvType.F16,
        kv_type_v=KvType.F16,
        rope=RopeOptions(),
    )


def draft_params(options: LoadOptions, plan: ContextPlan, n_ctx: int, n_threads: int) -> Any:
    """For a draft model's context beside one of ``plan`` that holds ``n_ctx`` tokens; ``options``
    are `draft_options`."""
    return generation_params(
        options,
        n_ctx=n_ctx,
        n_batch=plan.n_batch,
        n_threads=n_threads,
        n_seq_max=plan.n_slots,
        n_outputs=plan.n_slots,
        swa_full=True,
    )


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
    # As llama.cpp rounds it, but before it takes the smaller one for the length of its batches: it
    # aborts on longer ones, and ours have a row at least for each of ``n_seq_max``.
    params.n_ctx = -(-n_ctx // _N_CTX_STEP) * _N_CTX_STEP
    params.n_batch = n_batch
    params.n_ubatch = n_batch
    params.n_seq_max = n_seq_max
    params.n_outputs_max = max(n_outputs, n_seq_max)
    params.n_threads = n_threads
    params.n_threads_batch = min(options.n_threads_batch or n_threads, usable_cores())
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
