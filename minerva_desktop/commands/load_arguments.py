"""Load options as arguments of commands."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import msgspec

from minerva_desktop.commands.parser import count, whole_number
from minerva_desktop.commands.rope_arguments import add_rope_arguments, with_rope
from minerva_desktop.engine.load_options import (
    FlashAttention,
    KvType,
    LoadOptions,
    LoraAdapter,
    Speculation,
)
from minerva_desktop.paths import expanded

N_CTX_HELP = "context in tokens, rounded up to a multiple of 256"

_KV_TYPES = tuple(kind.value for kind in KvType)


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` take all options that decide about a model's memory, and its speed."""
    group = parser.add_argument_group("how it is loaded")
    add = group.add_argument
    add("--n-ctx", type=count, metavar="N", help=f"{N_CTX_HELP} (default: what fits well)")
    add("--parallel", type=count, metavar="N", help="requests computed together")
    add("--n-batch", type=count, metavar="N", help="tokens computed in one step")
    add("--kv-type", choices=_KV_TYPES, help="of the KV cache (default: auto, f16 if it fits)")
    add("--kv-type-v", choices=_KV_TYPES, help="of its values, where they shall differ")
    add(
        "--n-gpu-layers",
        type=whole_number,
        metavar="N",
        help="layers on the GPU (default: all that fit)",
    )
    add("--tensor-split", type=_shares, metavar="A,B", help="share of each GPU")
    add("--flash-attention", choices=[each.value for each in FlashAttention])
    add("--threads", type=count, metavar="N", help="default: the physical cores")
    add("--no-mmap", action="store_true", help="read the file instead of mapping it")
    add("--mlock", action="store_true", help="keep the weights from being swapped out")
    add("--lora", type=_adapter, action="append", metavar="FILE[:SCALE]", help="can be repeated")
    add("--draft-model", type=Path, metavar="GGUF", help="a small model that guesses ahead")
    add("--draft-lookup", action="store_true", help="guess ahead from what was there before")
    add_rope_arguments(parser, of="of the model")


def load_options(given: argparse.Namespace, base: LoadOptions | None = None) -> LoadOptions:
    """``base`` with what was given. Raises `InvalidRequest` for a number out of range."""
    wanted: dict[str, object] = {
        "n_ctx": given.n_ctx,
        "n_parallel": given.parallel,
        "n_batch": given.n_batch,
        "n_gpu_layers": given.n_gpu_layers,
        "tensor_split": given.tensor_split,
        "n_threads": given.threads,
    }
    if given.kv_type is not None:
        wanted["kv_type_k"] = wanted["kv_type_v"] = KvType(given.kv_type)
    if given.kv_type_v is not None:
        wanted["kv_type_v"] = KvType(given.kv_type_v)
    if given.flash_attention is not None:
        wanted["flash_attention"] = FlashAttention(given.flash_attention)
    if given.no_mmap:
        wanted["use_mmap"] = False
    if given.mlock:
        wanted["use_mlock"] = True
    if given.lora:
        wanted["lora"] = tuple(given.lora)
    if given.draft_model is not None:
        path = os.fsencode(expanded(given.draft_model).absolute())
        wanted["speculation"] = Speculation(draft_model=path)
    elif given.draft_lookup:
        wanted["speculation"] = Speculation()
    named = {name: value for name, value in wanted.items() if value is not None}
    options = with_rope(msgspec.structs.replace(base or LoadOptions(), **named), given)
    options.check()
    return options


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"“{text}” is no list of numbers") from error


def _adapter(text: str) -> LoraAdapter:
    name, colon, scale = text.rpartition(":")
    if colon and name:
        try:
            return _lora(name, float(scale))
        except ValueError:
            pass  # a colon of the file's name
    return _lora(text, 1.0)


def _lora(name: str, scale: float) -> LoraAdapter:
    return LoraAdapter(os.fsencode(expanded(name).absolute()), scale)
