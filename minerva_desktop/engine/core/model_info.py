"""What a loaded model is and holds, as `ContextInfo`. Used on the engine child's main thread."""

from __future__ import annotations

from typing import NamedTuple

from minerva_desktop.devices.device_list import discrete_gpus
from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat
from minerva_desktop.engine.core.backend_devices import engine_build, list_devices
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.load_log import (
    CPU,
    buffer_sizes,
    cache_bytes,
    gpu_shares,
    has_flash_attention,
    layer_placement,
    layers_on_gpus,
    unused_bytes,
)
from minerva_desktop.engine.core.not_had import not_had
from minerva_desktop.engine.core.prompts import Templates
from minerva_desktop.engine.core.tool_calls import answer_format, knows_tools
from minerva_desktop.engine.load_options import FlashAttention, LoadOptions
from minerva_desktop.engine.memory_messages import LayerPlacement
from minerva_desktop.engine.messages import Capabilities, ContextInfo

# The name that llama.cpp's converter gives a second template: tokenizer.chat_template.tool_use
_TOOL_TEMPLATE = "tool_use"
_VARIANTS = {"Small": "_S", "Medium": "_M", "Large": "_L"}  # of a quantisation


def describe(
    model: LlamaModel,
    context: LlamaContext,
    options: LoadOptions,
    *,
    log: LlamaLog,
    n_threads: int,
    seconds: float,
) -> ContextInfo:
    """``log`` is llama.cpp's of the load, its adapters' too, which took ``seconds``."""
    text = log.text()
    sizes = buffer_sizes(text)
    devices = list_devices()
    placement = layer_placement(text)
    on_gpu = layers_on_gpus(text)
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
        weights_bytes=model.size - unused_bytes(text) + sizes.get("LoRA", 0),
        kv_bytes=cache_bytes(text, is_simulated=False),
        compute_bytes=sizes.get("compute", 0) + sizes.get("output", 0),
        flash_attention=_uses_flash_attention(options, text),
        has_chat_template=templates.chat is not None,
        load_ms=seconds * 1000.0,
        capabilities=capabilities(templates, is_embedding=model.pooling is not None),
        answer_format=templates.answer_format,
        placement=placement,
        shares=gpu_shares(text, [gpu.name for gpu in discrete_gpus(devices)]),
        devices=devices,
        warnings=tuple(not_had(options, text, on_gpu)),
        chat_template=model.chat_template() or "",
        can_infill=model.pooling is None and model.vocabulary.infill is not None,
        build=engine_build(),
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


class ComputedBy(NamedTuple):
    """What computes the answers of a loaded model, in words for people: the model's file, how its
    numbers are stored, and on which devices."""

    model: str
    quantisation: str
    placement: str


def computed_by(name: str, info: ContextInfo) -> ComputedBy:
    """``name``: the file's."""
    quantisation = short_quantisation(info.quantisation)
    return ComputedBy(name, quantisation, placement_text(info.placement))


def short_quantisation(name: str) -> str:
    """``Q4_K_M`` for what llama.cpp calls ``Q4_K - Medium``: as people write it."""
    short = name.removeprefix("(guessed) ").removeprefix("all ")
    base, _, variant = short.partition(" - ")
    return base + _VARIANTS.get(variant, "")


def placement_text(placement: tuple[LayerPlacement, ...]) -> str:
    """For people: ``CPU``, or ``CUDA0 29 layers, CPU 4 layers``."""
    if len(placement) < 2:
        return placement[0].device if placement else CPU
    return ", ".join(f"{part.device} {part.n_layers} layers" for part in placement)


def _uses_flash_attention(options: LoadOptions, log: str) -> bool:
    wanted = options.flash_attention is not FlashAttention.OFF
    return wanted and has_flash_attention(log)
