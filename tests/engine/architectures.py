"""Writes models of other architectures than the ones at hand, with random weights, to measure them,
and a small one for tests in which it does not matter what is said.

Their text is noise, but what llama.cpp allocates and touches for them is what a trained model of
the same shape takes. They share the vocabulary of a real model. Made with the ``gguf`` package, the
format's reference. Called by tests and by ``bench.py memory``; a call blocks for up to a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from gguf import GGMLQuantizationType, Keys, quants

from tests.engine.model_files import ModelWriter, array_length, read_keys

Shapes = dict[str, tuple[int, ...]]
N_CTX_TRAIN = 32_768
WINDOW = 256  # tokens
EPSILON = 1e-5
STATE, TIME_STEP, CONVOLUTION = 16, 32, 4
LATENT, ROTATED = 256, 32
N_EXPERTS, N_USED = 8, 2
# Larger tensors repeat these numbers. They are whole blocks of all types, and a prime number of
# blocks, so that none of a vocabulary's rows is like another.
MAX_DRAWN = 32 * 131_071


@dataclass(frozen=True)
class Shape:
    """The sizes of a model. ``kv_heads`` of each layer: 0 for one that keeps a state instead.
    ``type_name``: how its matrices are stored."""

    n_layers: int = 8
    width: int = 512
    n_heads: int = 8
    kv_heads: int = 2
    feed: int = 1536
    head: int = 64
    type_name: str = "F16"
    n_extra_layers: int = 0  # for predicting further tokens, which llama.cpp leaves out


SMALL = Shape(n_layers=2, width=64, n_heads=2, kv_heads=2, feed=128, head=32)
# Those of the embedded model, and two of its 30 layers.
QUANTISED = Shape(
    n_layers=2, width=576, n_heads=9, kv_heads=3, feed=1536, head=64, type_name="Q4_1"
)
# How much larger than usual some matrices are, by name. Attention looks at few tokens and counts
# for most of the outcome, and what comes next is not what was there last. **Measured**: 12 prompts
# of 290 tokens that differ in their first words alone give 12 different answers, each the same
# computed anew and from the cache.
HEEDING = MappingProxyType(
    {
        "token_embd": 4.0,
        "attn_q": 2.0,
        "attn_k": 2.0,
        "attn_output": 16.0,
        "ffn_down": 0.5,
        "output": 8.0,
    }
)


def write_small(path: Path, vocabulary_of: Path) -> None:
    """Write a small llama to ``path``: it computes a prompt a hundred times faster than SmolLM2,
    and answers twenty times faster. Each token of its text depends on all before it."""
    write_architecture(path, "llama", vocabulary_of, SMALL, HEEDING)


def write_architecture(
    path: Path,
    kind: str,
    vocabulary_of: Path,
    shape: Shape | None = None,
    strengths: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Write a model of llama.cpp's architecture ``kind``, one of `ARCHITECTURES`, to ``path``.

    ``strengths``: how much larger than usual the weights of some matrices are, by
    name; with "output" the model has such a matrix of its own.
    """
    shape = shape or Shape()
    keys, layer = ARCHITECTURES[kind]
    writer = ModelWriter(path, kind)
    writer.add_type("model")
    writer.add_context_length(N_CTX_TRAIN)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.n_layers + shape.n_extra_layers)
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.n_heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    if shape.n_extra_layers:
        writer.add_uint32(f"{kind}.nextn_predict_layers", shape.n_extra_layers)
    for key, value in keys(shape).items():
        if isinstance(value, list):
            writer.add_array(f"{kind}.{key}", value)
        elif isinstance(value, float):
            writer.add_float32(f"{kind}.{key}", value)
        else:
            writer.add_uint32(f"{kind}.{key}", value)
    tokenizer = read_keys(vocabulary_of, "tokenizer.")
    writer.add_packed(tokenizer)
    n_vocab = array_length(tokenizer[Keys.Tokenizer.LIST])
    random = np.random.default_rng(1)
    tensors: Shapes = {"token_embd.weight": (n_vocab, shape.width)}
    if "output" in strengths:
        tensors["output.weight"] = (n_vocab, shape.width)
    tensors["output_norm.weight"] = (shape.width,)
    for index in range(shape.n_layers + shape.n_extra_layers):
        tensors |= {f"blk.{index}.{name}": sizes for name, sizes in layer(shape, index).items()}
    for name, sizes in tensors.items():
        kind_of_matrix = name.removesuffix(".weight").split(".")[-1]
        _add(writer, random, name, sizes, shape.type_name, strengths.get(kind_of_matrix, 1.0))
    writer.write_all()


def _add(
    writer: ModelWriter,
    random: np.random.Generator,
    name: str,
    sizes: tuple[int, ...],
    type_name: str,
    strength: float,
) -> None:
    """Add a tensor; ``sizes`` are numpy's, the reverse of llama.cpp's. Norms and vectors are in
    F32 always, and so are the convolutions and decays of states."""
    if len(sizes) == 1 or name.endswith((".ssm_a", ".ssm_conv1d.weight", ".ffn_gate_inp.weight")):
        type_name = "F32"
    kind = GGMLQuantizationType[type_name]
    n_drawn = min(math.prod(sizes), MAX_DRAWN)
    deviation = strength * sizes[-1] ** -0.5
    drawn = (random.standard_normal(n_drawn) * deviation).astype(np.float32)
    stored = quants.quantize(np.ones_like(drawn) if "norm" in name else drawn, kind)
    row = stored.size * sizes[-1] // n_drawn
    writer.add_tensor(name, np.resize(stored, (*sizes[:-1], row)), raw_dtype=kind)


def _attention(shape: Shape, kv_heads: int) -> Shapes:
    queries, keys = shape.n_heads * shape.head, kv_heads * shape.head
    return {
        "attn_norm.weight": (shape.width,),
        "attn_q.weight": (queries, shape.width),
        "attn_k.weight": (keys, shape.width),
        "attn_v.weight": (keys, shape.width),
        "attn_output.weight": (shape.width, queries),
    }


def _feed(shape: Shape) -> Shapes:
    return {
        "ffn_norm.weight": (shape.width,),
        "ffn_gate.weight": (shape.feed, shape.width),
        "ffn_up.weight": (shape.feed, shape.width),
        "ffn_down.weight": (shape.width, shape.feed),
    }


def _experts(shape: Shape) -> Shapes:
    feed = shape.feed // N_USED
    return {
        "ffn_norm.weight": (shape.width,),
        "ffn_gate_inp.weight": (N_EXPERTS, shape.width),
        "ffn_gate_exps.weight": (N_EXPERTS, feed, shape.width),
        "ffn_up_exps.weight": (N_EXPERTS, feed, shape.width),
        "ffn_down_exps.weight": (N_EXPERTS, shape.width, feed),
    }


def _llama(shape: Shape, _index: int) -> Shapes:
    return _attention(shape, shape.kv_heads) | _feed(shape)


def _gemma2(shape: Shape, _index: int) -> Shapes:
    norms = dict.fromkeys(("post_attention_norm.weight", "post_ffw_norm.weight"), (shape.width,))
    return _llama(shape, 0) | norms


def _qwen3moe(shape: Shape, _index: int) -> Shapes:
    norms = dict.fromkeys(("attn_q_norm.weight", "attn_k_norm.weight"), (shape.head,))
    return _attention(shape, shape.kv_heads) | norms | _experts(shape)


def _grok(shape: Shape, _index: int) -> Shapes:
    norms = dict.fromkeys(("attn_output_norm.weight", "layer_output_norm.weight"), (shape.width,))
    return _attention(shape, shape.kv_heads) | norms | _experts(shape)


def _deepseek2(shape: Shape, index: int) -> Shapes:
    """Multi-head latent attention; all layers dense."""
    plain, heads = shape.head - ROTATED, shape.n_heads
    extra: Shapes = {}
    if index >= shape.n_layers:
        extra = {
            "nextn.eh_proj.weight": (shape.width, 2 * shape.width),
            "nextn.enorm.weight": (shape.width,),
            "nextn.hnorm.weight": (shape.width,),
        }
    return {
        "attn_norm.weight": (shape.width,),
        "attn_q_a.weight": (LATENT, shape.width),
        "attn_q_a_norm.weight": (LATENT,),
        "attn_q_b.weight": (heads * shape.head, LATENT),
        "attn_kv_a_mqa.weight": (LATENT + ROTATED, shape.width),
        "attn_kv_a_norm.weight": (LATENT,),
        "attn_k_b.weight": (heads, LATENT, plain),
        "attn_v_b.weight": (heads, shape.head, LATENT),
        "attn_output.weight": (shape.width, heads * shape.head),
        **_feed(shape),
        **extra,
    }


def _attends(index: int) -> bool:
    return index % 4 == 3


def _jamba(shape: Shape, index: int) -> Shapes:
    """Every fourth layer attends, the others are of the Mamba kind."""
    if _attends(index):
        return _attention(shape, shape.kv_heads) | _feed(shape)
    inner = 2 * shape.width
    state: Shapes = {
        "attn_norm.weight": (shape.width,),
        "ssm_in.weight": (2 * inner, shape.width),
        "ssm_conv1d.weight": (inner, CONVOLUTION),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (TIME_STEP + 2 * STATE, inner),
        "ssm_dt_norm.weight": (TIME_STEP,),
        "ssm_dt.weight": (inner, TIME_STEP),
        "ssm_dt.bias": (inner,),
        "ssm_b_norm.weight": (STATE,),
        "ssm_c_norm.weight": (STATE,),
        "ssm_a": (inner, STATE),
        "ssm_d": (inner,),
        "ssm_out.weight": (shape.width, inner),
    }
    return state | _feed(shape)


Value = int | float | list[int]
Keys_ = Callable[[Shape], Mapping[str, Value]]


def _grouped(shape: Shape) -> dict[str, Value]:
    return {
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head,
        "attention.value_length": shape.head,
        "rope.dimension_count": shape.head,
    }


def _windowed(shape: Shape) -> dict[str, Value]:
    return _grouped(shape) | {"attention.sliding_window": WINDOW}


def _expert_keys(shape: Shape) -> dict[str, Value]:
    return _grouped(shape) | {
        "expert_count": N_EXPERTS,
        "expert_used_count": N_USED,
        "expert_feed_forward_length": shape.feed // N_USED,
    }


def _latent(shape: Shape) -> dict[str, Value]:
    return {
        "attention.head_count_kv": 1,
        "attention.q_lora_rank": LATENT,
        "attention.kv_lora_rank": LATENT,
        "attention.key_length": LATENT + ROTATED,
        "attention.value_length": LATENT,
        "attention.key_length_mla": shape.head,
        "attention.value_length_mla": shape.head,
        "rope.dimension_count": ROTATED,
        "leading_dense_block_count": shape.n_layers + shape.n_extra_layers,
        "expert_feed_forward_length": shape.feed,
        "expert_shared_count": 0,
    }


def _hybrid(shape: Shape) -> dict[str, Value]:
    heads = [shape.kv_heads if _attends(index) else 0 for index in range(shape.n_layers)]
    return {
        "attention.head_count_kv": heads,
        "ssm.conv_kernel": CONVOLUTION,
        "ssm.inner_size": 2 * shape.width,
        "ssm.state_size": STATE,
        "ssm.time_step_rank": TIME_STEP,
    }


# llama.cpp's name -> its keys beside those that all have, and the tensors of a layer.
ARCHITECTURES: Mapping[str, tuple[Keys_, Callable[[Shape, int], Shapes]]] = MappingProxyType(
    {
        "llama": (_grouped, _llama),  # grouped queries
        "gemma2": (_windowed, _gemma2),  # every second layer looks through a window
        "qwen3moe": (_expert_keys, _qwen3moe),  # experts
        "grok": (_expert_keys, _grok),  # for which llama.cpp has no flash attention
        "deepseek2": (_latent, _deepseek2),  # multi-head latent attention
        "jamba": (_hybrid, _jamba),  # states and attention
    }
)
