"""What a loaded model is and holds, as `ContextInfo`. Used on the engine child's main thread."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import psutil

from minerva_desktop.devices.device_list import discrete_gpus
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat
from minerva_desktop.engine.core.backend_devices import list_devices
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.prompts import Templates
from minerva_desktop.engine.core.tool_calls import answer_format, knows_tools
from minerva_desktop.engine.load_options import FlashAttention, LoadOptions
from minerva_desktop.engine.messages import Capabilities, ContextInfo, DeviceShare, LayerPlacement

_BUFFER_LINE = re.compile(r"(\S+)\s+(model|KV|RS|compute|output)\s+buffer size\s*=\s*([\d.]+) MiB")
_LAYER_LINE = re.compile(r"load_tensors: layer\s+(\d+) assigned to device ([^,\s]+)")
_NO_FLASH = ("Flash Attention not supported", "flash_attn is not compatible")
_CPU = "CPU"
# The name that llama.cpp's converter gives a second template: tokenizer.chat_template.tool_use
_TOOL_TEMPLATE = "tool_use"


def describe(
    model: LlamaModel,
    context: LlamaContext,
    options: LoadOptions,
    *,
    log: LlamaLog,
    n_threads: int,
    seconds: float,
) -> ContextInfo:
    """``log`` is llama.cpp's of the load, which took ``seconds``."""
    text = log.text()
    sizes = buffer_sizes(text)
    devices = list_devices()
    placement = layer_placement(text)
    on_gpu = sum(layers.n_layers for layers in placement if layers.device != _CPU)
    templates = templates_of(model)
    return ContextInfo(
        name=model.metadata("general.name"),
        description=model.description,
        architecture=model.metadata("general.architecture"),
        quantisation=model.quantisation,
        n_ctx=context.n_ctx,
        n_ctx_train=model.n_ctx_train,
        n_params=model.n_params,
        n_layers=model.n_layers,
        n_gpu_layers=on_gpu,
        n_threads=n_threads,
        n_parallel=options.n_parallel,
        n_vocab=model.n_vocab,
        n_embd=model.n_embd,
        weights_bytes=model.size,
        kv_bytes=sizes.get("KV", 0) + sizes.get("RS", 0),
        compute_bytes=sizes.get("compute", 0) + sizes.get("output", 0),
        flash_attention=_uses_flash_attention(options, text),
        has_chat_template=templates.chat is not None,
        load_ms=seconds * 1000.0,
        capabilities=capabilities(templates, is_embedding=model.pooling is not None),
        answer_format=templates.answer_format,
        placement=placement,
        shares=gpu_shares(text, [gpu.name for gpu in discrete_gpus(devices)]),
        devices=devices,
        warnings=tuple(log.warnings),
        chat_template=model.chat_template() or "",
        can_infill=model.pooling is None and model.vocabulary.infill is not None,
    )


def templates_of(model: LlamaModel) -> Templates:
    """The chat templates of a model, and how it answers to them."""
    chat, tools = model.chat_template(), model.chat_template(_TOOL_TEMPLATE)
    writes = model.pooling is None
    return Templates(chat, tools, answer_format(chat, tools) if writes else AnswerFormat())


def capabilities(templates: Templates, *, is_embedding: bool) -> Capabilities:
    """What a model with these chat templates can do."""
    if is_embedding:
        return Capabilities(embeddings=True)
    return Capabilities(
        chat=True,
        tools=knows_tools(templates.chat, templates.tools),
        reasoning=templates.answer_format.reasoning is not ReasoningFormat.NONE,
    )


def layer_placement(log: str) -> tuple[LayerPlacement, ...]:
    """Which device holds how many layers, from llama.cpp's load log. The last report counts:
    llama.cpp may try a placement before it settles."""
    devices = dict(_LAYER_LINE.findall(log))
    return tuple(LayerPlacement(name, count) for name, count in Counter(devices.values()).items())


def placement_text(placement: tuple[LayerPlacement, ...]) -> str:
    """For people: ``CPU``, or ``CUDA0 29 layers, CPU 4 layers``."""
    if len(placement) < 2:
        return placement[0].device if placement else _CPU
    return ", ".join(f"{part.device} {part.n_layers} layers" for part in placement)


def physical_cores() -> int:
    """Cores that this process may use, without hyper-threads (ggml's threads gain nothing
    from them)."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else 0
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(1, min(physical, allowed) if allowed else physical)


def buffer_sizes(log: str) -> dict[str, int]:
    """Bytes of the buffers that llama.cpp's load log names, summed over devices, by kind."""
    sizes: dict[str, int] = {}
    for _, kind, mebibytes in _BUFFER_LINE.findall(log):
        sizes[kind] = sizes.get(kind, 0) + _bytes(mebibytes)
    return sizes


def gpu_shares(log: str, gpus: Sequence[str]) -> tuple[DeviceShare, ...]:
    """What each of the ``gpus`` (by name) holds, from llama.cpp's load log; buffers of the system's
    memory that a GPU reads (``CUDA_Host``) are not on it. Those that hold nothing are left out.

    Of the CPU's the log tells no such number: a mapped file is in there with all of its pages
    between the first and the last that the CPU needs.
    """
    held = dict.fromkeys(gpus, 0)
    for name, _, mebibytes in _BUFFER_LINE.findall(log):
        gpu = next((gpu for gpu in gpus if name == gpu or name.startswith(f"{gpu}_")), None)
        if gpu is not None:
            held[gpu] += _bytes(mebibytes)
    return tuple(DeviceShare(gpu, n_bytes) for gpu, n_bytes in held.items() if n_bytes)


def _bytes(mebibytes: str) -> int:
    return int(float(mebibytes) * 1024 * 1024)


def _uses_flash_attention(options: LoadOptions, log: str) -> bool:
    wanted = options.flash_attention is not FlashAttention.OFF
    return wanted and not any(words in log for words in _NO_FLASH)
