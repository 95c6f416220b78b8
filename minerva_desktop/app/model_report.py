"""What `minerva models show` says of a model: what it is, how it would be loaded, what that takes.

Prints to stdout; called on the main thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from minerva_desktop.app.option_report import option_rows, shown_path
from minerva_desktop.app.terminal_output import print_json, print_line, print_table
from minerva_desktop.devices.cores import usable_cores
from minerva_desktop.devices.ledgers import DeviceLedgers
from minerva_desktop.engine.load_options import EMBEDDING_TEXTS, FlashAttention, LoadOptions
from minerva_desktop.engine.template_words import NO_CHATS
from minerva_desktop.library.context_reach import stretch_of
from minerva_desktop.library.display_text import one_line
from minerva_desktop.library.fit import Choice, Fit
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.header_capabilities import header_capabilities
from minerva_desktop.library.layer_memory import attends_without_cache, has_kv_cache
from minerva_desktop.library.memory_estimate import DeviceMemory
from minerva_desktop.units import format_bytes, format_count

_FITS = MappingProxyType(
    {
        Fit.FITS: "fits",
        Fit.SMALLER_KV: "fits with a smaller KV cache",
        Fit.SMALLER_CONTEXT: "fits with a smaller context",
        Fit.NEEDS_OFFLOAD: "fits with some layers on the CPU",
        Fit.WONT_FIT: "does not fit",
    }
)
_HEAD = ("MEMORY", "WEIGHTS", "KV CACHE", "COMPUTE", "OTHER", "TOTAL")


class Appraisal(msgspec.Struct, frozen=True):
    """A model, and how it is best loaded: ``choice`` and the ``options`` that it makes, with the
    room that the ``ledgers`` have. ``largest_n_ctx`` tokens (see `Estimator.largest_n_ctx`) and
    ``most_gpu_layers`` are what fits at most with the other options as they are. ``later_bytes``:
    see `Estimator.later_bytes`. ``saved``: the fields of ``options`` that the settings have so."""

    header: GgufHeader
    choice: Choice
    options: LoadOptions
    ledgers: DeviceLedgers
    largest_n_ctx: int
    most_gpu_layers: int
    later_bytes: int
    saved: tuple[str, ...] = ()


class Measured(msgspec.Struct, frozen=True):
    """What a load took, in bytes by device, and what of the options it could not have."""

    n_bytes: Mapping[str, int]
    warnings: tuple[str, ...] = ()


def print_report(
    appraisal: Appraisal,
    aliases: tuple[str, ...],
    measured: Measured | None,
    *,
    as_json: bool,
) -> None:
    """All of it. ``measured`` in a load that was made; None: in none."""
    room = appraisal.ledgers.room()
    memory = [
        _memory(device)
        | {"room_bytes": room.get(device.device)}
        | ({} if measured is None else {"measured_bytes": measured.n_bytes.get(device.device, 0)})
        for device in appraisal.choice.estimate.devices
    ]
    found = () if measured is None else measured.warnings
    # What could not be had is known without the load, but for what depends on the weights.
    told = tuple(dict.fromkeys((*appraisal.choice.warnings, *found)))
    if as_json:
        facts = _header_facts(appraisal, told) | {"aliases": aliases}
        print_json(facts | {"load": _load_facts(appraisal, told), "memory": memory})
        return
    rows = (*_header_rows(appraisal, told), ("aliases", ", ".join(aliases) or "-"))
    for name, value in (*rows, *_load_rows(appraisal, told)):
        print_line(f"{name:<16} {value}")
    print_line()
    columns = [*_HEAD, "ROOM", *(["MEASURED"] if measured is not None else [])]
    print_table(columns, [[_cell(value) for value in row.values()] for row in memory])


def _cell(value: str | int | None) -> str:
    if value is None:
        return "-"
    return format_bytes(value) if isinstance(value, int) else value


def _memory(device: DeviceMemory) -> dict[str, str | int | None]:
    return {
        "device": device.device,
        "weights_bytes": device.weights_bytes,
        "kv_bytes": device.kv_bytes,
        "compute_bytes": device.compute_bytes,
        "other_bytes": device.other_bytes,
        "total_bytes": device.total_bytes,
    }


def _load_facts(appraisal: Appraisal, warnings: Sequence[str]) -> dict[str, object]:
    choice, options = appraisal.choice, _as_used(appraisal)
    keeps = has_kv_cache(appraisal.header)
    return {
        "n_ctx": choice.options.n_ctx,
        "kv_type": choice.options.kv_type_k if keeps else None,
        "kv_type_v": choice.options.kv_type_v if keeps else None,
        "n_gpu_layers": choice.options.n_gpu_layers,
        "n_parallel": options.n_parallel,
        "n_batch": options.n_batch,
        "n_threads": options.n_threads,
        "use_mmap": options.use_mmap,
        "use_mlock": options.use_mlock,
        "tensor_split": options.tensor_split,
        "lora": [
            {"path": shown_path(adapter.path), "scale": adapter.scale} for adapter in options.lora
        ],
        "speculation": _speculation(options),
        "flash_attention": options.flash_attention is not FlashAttention.OFF,
        "rope": {
            name: value
            for name, value in msgspec.structs.asdict(options.rope).items()
            if value is not None
        },
        "saved": appraisal.saved,
        "fit": choice.fit.value,
        "reasons": choice.reasons,
        "notes": choice.notes,
        "warnings": warnings,
        "largest_n_ctx": appraisal.largest_n_ctx,
        "most_gpu_layers": appraisal.most_gpu_layers,
        "buffers_from": "llama.cpp" if choice.estimate.is_reported else "estimate",
    }


def _speculation(options: LoadOptions) -> dict[str, object] | None:
    speculation = options.speculation
    if speculation is None:
        return None
    draft = speculation.draft_model
    return {
        "draft_model": None if draft is None else shown_path(draft),
        "n_draft": speculation.n_draft,
    }


def _load_rows(appraisal: Appraisal, warnings: Sequence[str]) -> list[tuple[str, str]]:
    choice = appraisal.choice
    found = choice.options
    kv_type = f"KV in {found.kv_type_k}"
    if not has_kv_cache(appraisal.header):
        kv_type = "no KV cache"
    elif found.kv_type_v != found.kv_type_k:
        kv_type = f"K in {found.kv_type_k}, V in {found.kv_type_v}"
    source = "as llama.cpp says" if choice.estimate.is_reported else "estimated"
    return [
        ("context", f"{found.n_ctx:,} tokens, {kv_type}"),
        *option_rows(_as_used(appraisal), appraisal.saved),
        ("largest context", _largest_context(appraisal)),
        ("GPU layers", _layers(appraisal)),
        ("fit", _FITS[choice.fit]),
        *(("", sentence) for sentence in (*choice.reasons, *choice.notes, *warnings)),
        ("buffers", source),
    ]


def _as_used(appraisal: Appraisal) -> LoadOptions:
    """The options, with what this model cannot have, or does its own way, as that will be."""
    header, found, options = appraisal.header, appraisal.choice.options, appraisal.options
    attends = has_kv_cache(header) or attends_without_cache(header)
    flash = found.flash_attention and attends
    asked = options.n_threads
    return replace(
        options,
        n_batch=found.batch_tokens,
        n_parallel=EMBEDDING_TEXTS if found.is_embedding else options.n_parallel,
        flash_attention=options.flash_attention if flash else FlashAttention.OFF,
        n_threads=None if asked is None else min(asked, usable_cores()),
    )


def _largest_context(appraisal: Appraisal) -> str:
    trained, largest = appraisal.header.n_ctx_train, appraisal.largest_n_ctx
    if largest > trained > 0:
        return f"{largest:,} tokens fit; it was trained for {trained:,}"
    words = f"{largest:,} tokens fit" + (
        ", all that it was trained for" if largest == trained else ""
    )
    reach = stretch_of(appraisal.options.rope).reach(appraisal.header)
    if reach < min(largest, trained):
        return f"{largest:,} tokens fit; this RoPE scaling makes sense of {reach:,}"
    if reach > max(largest, trained):
        words += f"; RoPE scaling stretches that to {reach:,} where --n-ctx asks for them"
    return words


def _layers(appraisal: Appraisal) -> str:
    found = appraisal.choice.options
    if not found.gpus:
        return "none: llama.cpp finds no GPU with memory of its own"
    total = appraisal.header.n_layers + 1
    used = total if found.n_gpu_layers is None else min(found.n_gpu_layers, total)
    return f"{used} of {total}; {appraisal.most_gpu_layers} fit"


def _capabilities(appraisal: Appraisal, warnings: Sequence[str]) -> tuple[str, ...]:
    """Without chats where ``warnings`` say that there are none."""
    found = header_capabilities(appraisal.header, appraisal.options.chat_template)
    return () if _has_broken_template(warnings) else found


def _has_broken_template(warnings: Sequence[str]) -> bool:
    return any(warning.startswith(NO_CHATS) for warning in warnings)


def _header_facts(appraisal: Appraisal, warnings: Sequence[str]) -> dict[str, object]:
    """What a header says, by name; the options' chat template takes the place of its own."""
    header = appraisal.header
    return {
        "name": header.name,
        "architecture": header.architecture,
        "quantisation": header.quantisation,
        "n_params": header.n_params,
        "n_layers": header.n_layers,
        "n_embd": header.n_embedding,
        "n_vocab": header.n_vocab,
        "n_ctx_train": header.n_ctx_train,
        "tensor_bytes": header.tensor_bytes,
        "has_chat_template": header.has_chat_template,
        "chat_template_replaced": appraisal.options.chat_template is not None,
        "capabilities": _capabilities(appraisal, warnings),
    }


def _header_rows(appraisal: Appraisal, warnings: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The same for people."""
    header = appraisal.header
    has = "yes" if header.has_chat_template else "no"
    if appraisal.options.chat_template is not None:
        has += ", replaced in its load options"
    elif _has_broken_template(warnings):
        has += ", a broken one"
    return (
        ("name", one_line(header.name) or "-"),
        ("architecture", one_line(header.architecture)),
        ("parameters", format_count(header.n_params)),
        ("quantisation", header.quantisation),
        ("weights", format_bytes(header.tensor_bytes)),
        ("layers", f"{header.n_layers:,}"),
        ("width", f"{header.n_embedding:,}"),
        ("vocabulary", f"{header.n_vocab:,} tokens"),
        ("trained context", f"{header.n_ctx_train:,} tokens"),
        ("chat template", has),
        ("capabilities", ", ".join(_capabilities(appraisal, warnings)) or "text without chats"),
    )
