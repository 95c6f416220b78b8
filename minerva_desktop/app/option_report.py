"""The load options in `minerva models show`: those that are not as usual. Pure; any thread."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

import msgspec

from minerva_desktop.engine.load_options import FlashAttention, LoadOptions, RopeOptions

# What the settings may have of a model, as the report calls it.
_SAVED = MappingProxyType(
    {
        "n_ctx": "context",
        "n_gpu_layers": "GPU layers",
        "n_threads": "threads",
        "kv_type_k": "KV cache",
        "kv_type_v": "KV cache",
        "flash_attention": "flash attention",
        "rope": "RoPE",
        "chat_template": "chat template",
    }
)
_ROPE = MappingProxyType(
    {
        "freq_base": "base frequency",
        "yarn_orig_ctx": "original context",
        "yarn_ext_factor": "extrapolation",
        "yarn_attn_factor": "attention factor",
        "yarn_beta_fast": "fast beta",
        "yarn_beta_slow": "slow beta",
    }
)


def option_rows(options: LoadOptions, saved: Iterable[str]) -> list[tuple[str, str]]:
    """A name and a value for each that is not as usual, and which fields are ``saved``; context,
    KV cache and layers on the GPU have rows of their own elsewhere."""
    rows = list(_rows(options))
    names = dict.fromkeys(_SAVED[field] for field in saved if field in _SAVED)
    if names:
        rows.append(("saved", f"{', '.join(names)}: as the settings have it"))
    return rows


def shown_path(path: bytes) -> str:
    """A path as texts have it; half characters are none."""
    return os.fsencode(path).decode("utf-8", "replace")


def _rows(options: LoadOptions) -> Iterator[tuple[str, str]]:
    usual = LoadOptions()
    if options.flash_attention is not FlashAttention.AUTO:
        yield "flash attention", options.flash_attention.value
    if options.n_batch != usual.n_batch:
        yield "batch", f"{options.n_batch:,} tokens"
    if options.n_parallel != usual.n_parallel:
        yield "requests", f"up to {options.n_parallel:,} together"
    if options.n_threads is not None:
        yield "threads", f"{options.n_threads:,}"
    if options.tensor_split:
        yield "GPU shares", ", ".join(f"{share:g}" for share in options.tensor_split)
    if not options.use_mmap:
        yield "mmap", "off: the file is read instead of mapped"
    if options.use_mlock:
        yield "mlock", "on: the weights are kept from being swapped out"
    if options.rope != usual.rope:
        yield "RoPE", ", ".join(_rope_words(options.rope))
    for adapter in options.lora:
        yield "adapter", f"{_name(adapter.path)}, scale {adapter.scale:g}"
    speculation = options.speculation
    if speculation is not None:
        draft = speculation.draft_model
        source = "from what was there before" if draft is None else f"of {_name(draft)}"
        yield "guesses", f"{source}, up to {speculation.n_draft} tokens"


def _rope_words(rope: RopeOptions) -> Iterator[str]:
    if rope.scaling is not None:
        yield rope.scaling.value
    if rope.freq_scale is not None:
        yield f"stretched {1.0 / rope.freq_scale:g} times"
    values = msgspec.structs.asdict(rope)
    for name, words in _ROPE.items():
        value = values[name]
        if value is not None:
            yield f"{words} {value:,}" if isinstance(value, int) else f"{words} {value:g}"


def _name(path: bytes) -> str:
    return Path(shown_path(path)).name
