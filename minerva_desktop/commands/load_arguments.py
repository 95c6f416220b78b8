"""Load options as arguments of commands."""

from __future__ import annotations

import argparse
import os
from types import MappingProxyType

import msgspec

from minerva_desktop.commands.parser import (
    AUTO,
    Automatic,
    Spelled,
    SpelledAgain,
    SpelledFlag,
    count,
    model_name,
    or_automatic,
    spelled,
    whole_number,
)
from minerva_desktop.commands.rope_arguments import add_rope_arguments, with_rope
from minerva_desktop.engine.load_options import (
    FlashAttention,
    KvType,
    LoadOptions,
    LoraAdapter,
    Speculation,
)
from minerva_desktop.engine.option_words import UNSTRETCHED
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.load_limits import MAX_GPU_LAYERS
from minerva_desktop.paths import expanded

_KV_TYPES = tuple(kind.value for kind in KvType)
# The arguments that set a field of `LoadOptions`, where they have other names.
_ARGUMENTS = MappingProxyType(
    {
        "n_parallel": ("parallel",),
        "n_threads": ("threads",),
        "kv_type_k": ("kv_type_k", "kv_type"),
        "kv_type_v": ("kv_type_v", "kv_type"),
        "speculation": ("draft_model", "draft_lookup"),
        "rope.scaling": ("rope_scaling",),
        "rope.freq_scale": ("rope_scale", "rope_freq_scale"),
        "rope.freq_base": ("rope_freq_base",),
    }
)


def add_load_arguments(
    parser: argparse.ArgumentParser,
    *,
    named: str,
    unsaid: str,
    is_alone: bool = False,
) -> None:
    """Let ``parser`` take all options that decide about a model's memory, and its speed, by
    llama-server's names, too, where that has others for the same.

    ``named``: which models adapters, guesses and positions are of. ``unsaid`` is what becomes of
    an option that is not given. ``is_alone``: one request at a time is computed.
    """
    group = parser.add_argument_group("how a model is loaded", unsaid)
    group.register("action", None, Spelled)
    add = group.add_argument
    add(
        *("--n-ctx", "--ctx-size"),
        type=or_automatic(count),
        metavar="N",
        help="context in tokens, rounded up to a multiple of 256 (auto: what fits well)",
    )
    parser.set_defaults(parallel=1 if is_alone else None)
    if not is_alone:
        add("--parallel", type=count, metavar="N", help="requests computed together")
    add(
        *("--n-batch", "--batch-size"),
        type=count,
        metavar="N",
        help="tokens computed in one step",
    )
    add("--kv-type", choices=_KV_TYPES, help="of the KV cache (default: auto, f16 if it fits)")
    for name, of in (("k", "keys"), ("v", "values")):
        names = (f"--kv-type-{name}", f"--cache-type-{name}")
        add(*names, choices=_KV_TYPES, help=f"of its {of}, where they shall differ")
    add(
        *("--n-gpu-layers", "--gpu-layers"),
        type=_gpu_layers,
        metavar="N",
        help="layers on the GPU (auto or -1: all that fit; all: all of them)",
    )
    add("--tensor-split", type=_shares, metavar="A,B", help="share of each GPU")
    add(
        *("--flash-attention", "--flash-attn"),
        choices=[each.value for each in FlashAttention],
        help="attention in one fused step (default: auto, where llama.cpp can)",
    )
    _add_processor_arguments(group)
    _add_file_arguments(parser, named)
    add_rope_arguments(parser, of=named)


def _add_processor_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--threads", type=or_automatic(count), metavar="N", help="auto: the physical cores")
    add("--no-mmap", action="store_true", help="read the file instead of mapping it")
    add("--mlock", action="store_true", help="keep the weights from being swapped out")


def _add_file_arguments(parser: argparse.ArgumentParser, named: str) -> None:
    """What goes with some models only."""
    group = parser.add_argument_group(f"adapters and guesses {named}")
    group.register("action", None, Spelled)
    group.add_argument(
        *("--lora", "--lora-scaled"),
        type=_adapters,
        action=SpelledAgain,
        metavar="FILE[:SCALE]",
        help="a LoRA adapter, at full strength unless SCALE says another; can be repeated, or be"
        " several with commas between them",
    )
    guesses = group.add_mutually_exclusive_group()
    guesses.add_argument(
        *("--draft-model", "--model-draft"),
        type=model_name,
        metavar="MODEL",
        help="a small one that guesses ahead: a library model or a GGUF file",
    )
    guesses.add_argument(
        "--draft-lookup", action=SpelledFlag, help="guess ahead from what was there before"
    )


def as_given(given: argparse.Namespace) -> LoadOptions:
    """What was given alone. Raises `InvalidRequest` for what is out of range, or does not go
    together, by the option's name as it was given."""
    options = for_named(given, for_all(given, LoadOptions()))
    try:
        options.check()
    except InvalidRequest as error:
        raise named_as_given(error, given) from error
    return options


def named_as_given(
    error: InvalidRequest, given: argparse.Namespace, field: str | None = None
) -> InvalidRequest:
    """``error``, which names the option as it was given, if it was: the one for ``field``, or for
    what the error is about."""
    name = as_spelled(given, field or error.param or "")
    if name is None:
        return error
    is_unstretched = error.message.endswith(UNSTRETCHED)
    has_factor = as_spelled(given, "rope.freq_scale") is not None  # but it is 1
    way_out = "; --rope-scale gives one" if is_unstretched and not has_factor else ""
    message = f"argument {name}: {error.message}{way_out}"
    return InvalidRequest(message, detail=error.detail, param=error.param)


def as_spelled(given: argparse.Namespace, field: str) -> str | None:
    """What the command line called that ``field`` of `LoadOptions`; None: it was not given."""
    return spelled(given, *_ARGUMENTS.get(field, (field.removeprefix("rope."),)))


def for_all(given: argparse.Namespace, options: LoadOptions) -> LoadOptions:
    """``options`` with what was given of all models alike."""
    wanted: dict[str, object] = {
        "n_ctx": given.n_ctx,
        "n_parallel": given.parallel,
        "n_batch": given.n_batch,
        "n_gpu_layers": given.n_gpu_layers,
        "tensor_split": given.tensor_split,
        "n_threads": given.threads,
    }
    for name, of_one in (("kv_type_k", given.kv_type_k), ("kv_type_v", given.kv_type_v)):
        kind = of_one or given.kv_type
        wanted[name] = None if kind is None else KvType(kind)
    if given.flash_attention is not None:
        wanted["flash_attention"] = FlashAttention(given.flash_attention)
    if given.no_mmap:
        wanted["use_mmap"] = False
    if given.mlock:
        wanted["use_mlock"] = True
    named = {
        name: None if value is AUTO else value
        for name, value in wanted.items()
        if value is not None
    }
    changed: LoadOptions = msgspec.structs.replace(options, **named)
    return changed


def for_named(given: argparse.Namespace, options: LoadOptions) -> LoadOptions:
    """``options`` with the adapters, guesses and positions that were given."""
    wanted: dict[str, object] = {}
    if given.lora:
        wanted["lora"] = tuple(given.lora)
    if given.draft_model is not None:
        draft = os.fsencode(expanded(given.draft_model).absolute())
        wanted["speculation"] = Speculation(draft_model=draft)
    elif given.draft_lookup:
        wanted["speculation"] = Speculation()
    return with_rope(msgspec.structs.replace(options, **wanted), given)


def _gpu_layers(text: str) -> int | Automatic:
    """As llama-server has it, which calls ``auto`` -1, too."""
    if text in (AUTO.value, "-1"):
        return AUTO
    if text == "all":
        return MAX_GPU_LAYERS
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"“{text}” is no whole number from 0 on; auto takes all layers that fit, all takes all"
        )
    return whole_number(text)


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"“{text}” is no list of numbers") from error


def _adapters(text: str) -> tuple[LoraAdapter, ...]:
    """One or, as llama-server has it, several with commas between them. A file whose own name has
    commas is one."""
    name, _, _ = text.rpartition(":")
    if "," in text and not any(_is_file(each) for each in (text, name)):
        return tuple(_adapter(each) for each in text.split(","))
    return (_adapter(text),)


def _adapter(text: str) -> LoraAdapter:
    name, colon, scale = text.rpartition(":")
    if not (name if colon else text).strip() and not (colon and _is_file(text)):
        raise argparse.ArgumentTypeError("it is empty; name the file of a LoRA adapter")
    if not (colon and name):
        return _lora(text, 1.0)
    try:
        return _lora(name, float(scale))
    except ValueError:
        pass  # a colon of the file's name, unless there is a file before it
    if _is_file(name) and not _is_file(text):
        raise argparse.ArgumentTypeError(f"“{scale}” is no number for SCALE, as in {name}:0.5")
    return _lora(text, 1.0)


def _is_file(name: str) -> bool:
    try:
        return bool(name) and expanded(name).is_file()
    except OSError:  # the name is too long
        return False


def _lora(name: str, scale: float) -> LoraAdapter:
    return LoraAdapter(os.fsencode(expanded(name).absolute()), scale)
