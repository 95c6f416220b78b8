"""Finds the contradictions in a GGUF header that llama.cpp refuses, or dies of.

Called by `gguf.parse_header` for every header, on its thread. A wrong shape makes llama.cpp refuse
a file; a wrong number makes it call ``abort``, and with it the process, while it loads or at the
first token. Either way the reader says so before. What is checked holds for every model that
the llama.cpp in the bindings that `pyproject.toml` pins can run: where architectures differ,
or a key is missing or of another type, nothing is said.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.display_text import one_line

if TYPE_CHECKING:
    from minerva_desktop.library.gguf import GgufHeader, GgufTensor

# LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS in llama.cpp's llama-hparams.h.
MAX_LAYERS = 512
MAX_EXPERTS = 1024
ROPE_SCALING_TYPES = frozenset({"none", "linear", "yarn", "longrope"})
EPSILON_KEYS = ("layer_norm_rms_epsilon", "layer_norm_epsilon", "group_norm_epsilon")
MODEL_TYPES = frozenset({"", "model"})
# What these hold besides their own layers goes by other rules: no text model (a vision tower, a
# voice decoder with three widths) and drafts that share the vocabulary of another model.
OTHER_RULES = frozenset({"clip", "wavtokenizer-dec"})
FOREIGN_VOCABULARY = frozenset({"eagle3", "dflash"})
# Those that read one expert, or none, as "no experts".
ONE_EXPERT_IS_NONE = frozenset({"hunyuan_vl", "hunyuan-dense"})
ALWAYS_EXPERTS = frozenset({"bailingmoe2", "grovemoe", "llada-moe", "smallthinker"})
# Ordinary attention in every layer: each key-value head serves the same number of heads.
GROUPED_QUERIES = frozenset(
    {
        *("llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "gemma2", "gemma3"),
        *("phi3", "starcoder2", "granite", "granitemoe", "olmo2", "command-r"),
    }
)
DOUBLE_INNER_WIDTH = frozenset({"jamba", "granitehybrid"})
# A bert tokenizer puts these around every text; what stands for them when no key does.
BERT_TOKENS = (("bos", "bos_token_id", 101), ("separator", "seperator_token_id", 102))

LAYER = re.compile(r"blk\.([0-9]+)\.")
NORM = re.compile(r"output_norm\.weight|blk\.[0-9]+\.(attn|ffn)_norm\.weight")
MATRIX = re.compile(
    r"(token_embd|output|blk\.[0-9]+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down)))\.weight"
)
# Never multiplied: llama.cpp has no code for it, and ends the process at the first token.
NOT_WEIGHTS = frozenset({"I8", "I16", "I32", "I64", "F64"})


def check_shapes(header: GgufHeader, name: str) -> None:
    """Raise `ModelLoadError` when metadata and tensors cannot belong to the same model.

    ``name`` is what the sentence calls the file. Files without the keys of a model (adapters, the
    later parts of a split model) pass.
    """
    if header.text("general.type") not in MODEL_TYPES or header.architecture in OTHER_RULES:
        return
    try:
        _check_numbers(header)
        _check_experts(header)
        _check_special_tokens(header)
        for tensor in header.tensors:
            _check_tensor(header, tensor)
    except _Contradiction as problem:
        raise ModelLoadError(f"{name} is damaged: {problem}.") from problem


class _Contradiction(Exception):
    """What is wrong, as the end of a sentence."""


def _check_numbers(header: GgufHeader) -> None:
    n_layers = _whole(header, "block_count")
    if n_layers is not None and not 1 <= n_layers <= MAX_LAYERS:
        raise _Contradiction(f"it says that it has {n_layers:,} layers (1 to {MAX_LAYERS})")
    if _whole(header, "embedding_length") == 0:
        raise _Contradiction("it says that its embedding is 0 wide")
    n_predicting = _whole(header, "nextn_predict_layers")
    if n_layers is not None and n_predicting is not None and n_predicting > n_layers:
        raise _Contradiction(
            f"{n_predicting:,} of its {n_layers} layers are said to predict further tokens"
        )
    n_heads, n_kv_heads = (
        _whole(header, "attention.head_count"),
        _whole(header, "attention.head_count_kv"),
    )
    if header.architecture in GROUPED_QUERIES and n_heads and n_kv_heads and n_heads % n_kv_heads:
        raise _Contradiction(
            f"its {n_heads:,} heads cannot share {n_kv_heads:,} key-value heads evenly"
        )
    inner = _whole(header, "ssm.inner_size")
    if header.architecture in DOUBLE_INNER_WIDTH and inner not in {None, 2 * header.n_embedding}:
        raise _Contradiction(
            f"its state is {inner:,} wide and its embedding {header.n_embedding:,}, not half of it"
        )
    _check_settings(header)


def _check_settings(header: GgufHeader) -> None:
    scaling = header.metadata.get(f"{header.architecture}.rope.scaling.type")
    if isinstance(scaling, str) and scaling not in ROPE_SCALING_TYPES:
        known = ", ".join(sorted(ROPE_SCALING_TYPES))
        raise _Contradiction(f"it scales positions by “{one_line(scaling)}” (known: {known})")
    for key in EPSILON_KEYS:
        epsilon = header.metadata.get(f"{header.architecture}.attention.{key}")
        if isinstance(epsilon, float) and (math.isnan(epsilon) or epsilon < 0):
            raise _Contradiction(f"its “{key}” is {epsilon}, not a number from 0 on")


def _check_experts(header: GgufHeader) -> None:
    n_experts = _whole(header, "expert_count") or 0
    if header.architecture in ONE_EXPERT_IS_NONE and n_experts <= 1:
        return
    n_used = _largest(header, "expert_used_count")
    if n_experts > MAX_EXPERTS:
        raise _Contradiction(f"it says that it has {n_experts:,} experts (limit {MAX_EXPERTS:,})")
    if n_used > n_experts:
        raise _Contradiction(f"it uses {n_used:,} of {n_experts:,} experts")
    if n_experts and not n_used:
        raise _Contradiction(f"it uses none of its {n_experts:,} experts")
    if not n_experts and header.architecture in ALWAYS_EXPERTS and header.n_layers:
        raise _Contradiction(f"a model of the kind {header.architecture} has experts, it has none")
    n_groups = _whole(header, "expert_group_count") or 0
    n_groups_used = _whole(header, "expert_group_used_count") or 0
    if n_groups and n_groups >= n_experts:
        raise _Contradiction(f"it has {n_groups:,} groups of {n_experts:,} experts")
    if n_groups > 1 and n_experts % n_groups:
        raise _Contradiction(f"its {n_experts:,} experts do not make {n_groups:,} equal groups")
    if n_groups > 1 and not 0 < n_groups_used < n_groups:
        raise _Contradiction(f"it uses {n_groups_used:,} of {n_groups:,} groups of experts")


def _check_special_tokens(header: GgufHeader) -> None:
    tokens = header.arrays.get("tokenizer.ggml.tokens")
    kind = header.text("tokenizer.ggml.model")
    if tokens is None:
        return

    def is_there(key: str, otherwise: int) -> bool:
        given = header.metadata.get(f"tokenizer.ggml.{key}", -1)
        candidates = (given, otherwise)
        return any(type(each) is int and 0 <= each < tokens.count for each in candidates)

    wanted: tuple[tuple[str, str, int], ...] = BERT_TOKENS if kind == "bert" else ()
    if kind == "t5" and header.metadata.get("tokenizer.ggml.add_bos_token") is True:
        wanted = (("bos", "bos_token_id", -1),)
    for what, key, otherwise in wanted:
        if not is_there(key, otherwise):
            raise _Contradiction(
                f"its tokenizer needs a {what} token, and none of its {tokens.count:,} tokens is it"
            )


def _check_tensor(header: GgufHeader, tensor: GgufTensor) -> None:
    layer = LAYER.match(tensor.name)
    if layer and header.n_layers and int(layer[1]) >= header.n_layers:
        raise _Contradiction(
            f"the tensor “{one_line(tensor.name)}” is of layer {layer[1]}, but it says that it has "
            f"{header.n_layers} layers, from 0 on"
        )
    is_norm = NORM.fullmatch(tensor.name) is not None
    must_be_f32 = is_norm or tensor.name == "rope_freqs.weight"
    is_number_list = MATRIX.fullmatch(tensor.name) and tensor.type_name in NOT_WEIGHTS
    if is_number_list or (must_be_f32 and tensor.type_name != "F32"):
        raise _Contradiction(
            f"the tensor “{tensor.name}” is stored as {tensor.type_name}, which llama.cpp cannot "
            "compute with there"
        )
    if not header.n_embedding:
        return
    tokens = header.arrays.get("tokenizer.ggml.tokens")
    if is_norm:
        _expect(tensor, (header.n_embedding, 1, 1, 1))
    elif tensor.name == "output.weight":
        _expect(tensor, (header.n_embedding,))
    elif tensor.name == "token_embd.weight":
        if tokens is None or header.architecture in FOREIGN_VOCABULARY:
            _expect(tensor, (header.n_embedding,))
        else:
            _expect(tensor, (header.n_embedding, tokens.count, 1, 1))


def _expect(tensor: GgufTensor, sizes: tuple[int, ...]) -> None:
    """Compare the first dimensions with ``sizes``; those that are not written are 1."""
    shape = (*tensor.shape, 1, 1, 1, 1)[:4]
    if shape[: len(sizes)] != sizes:
        wanted, found = (
            " × ".join(f"{size:,}" for size in _without_ones(each)) for each in (sizes, shape)
        )
        more = " × …" if len(sizes) == 1 else ""
        raise _Contradiction(
            f"the tensor “{tensor.name}” is {found}, but its metadata say {wanted}{more}"
        )


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` without the ones at its end, except the first dimension."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _whole(header: GgufHeader, key: str) -> int | None:
    """The plain whole number at the architecture's ``key``; None when there is none."""
    value = header.metadata.get(f"{header.architecture}.{key}")
    return value if type(value) is int and value >= 0 else None


def _largest(header: GgufHeader, key: str) -> int:
    """The number at the architecture's ``key``, or the largest where each layer has its own."""
    per_layer = header.arrays.get(f"{header.architecture}.{key}")
    if per_layer is None:
        return _whole(header, key) or 0
    return max((value for value in per_layer.values if type(value) is int), default=0)
