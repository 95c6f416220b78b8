"""Builds what the embedded model has no example of: a LoRA adapter, a model in several files, one
with fewer tokens, a recurrent and a hybrid model. All are made with the ``gguf`` package, the
format's reference.

Called by tests, on any thread; each call blocks for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from gguf import Keys, RopeScalingType

from minerva_desktop.library.gguf import read_header
from tests.engine.model_files import (
    ModelWriter,
    StoredTensor,
    array_length,
    cut_numbers,
    pack_texts,
    read_keys,
    read_tensors,
    unpack_texts,
)
from tests.library.gguf_writer import typed

Weights = npt.NDArray[np.float32]

# What the adapter changes: where attention looks, and what it adds.
LORA_TARGETS = (".attn_q.weight", ".attn_output.weight")
LORA_RANK = 4
LORA_ALPHA = 8.0

# The smallest sizes with which every tensor of a Mamba layer has its own shape. llama.cpp allows
# no inner size but twice the embedding.
N_LAYERS = 2
N_EMBEDDING = 32
N_INNER = 2 * N_EMBEDDING
N_STATE = 8
N_TIME_STEP = 4
N_CONVOLUTION = 4
N_HEADS = 2
NORM_EPS = 1e-5
N_CTX_TRAIN = 2048


def write_lora(
    path: Path, base: Path, *, seed: int, strength: float, rank: int = LORA_RANK
) -> None:
    """Write a LoRA adapter with random weights for the GGUF model at ``base``.

    It works on the attention of all layers. ``strength`` is how much it adds at scale 1 to the
    outcome of a projection, measured by what goes in: at 1.0 the model says something else,
    at 0.0 it is the same model. Its size grows with its ``rank``.
    """
    header = read_header(base)
    random = np.random.default_rng(seed)
    writer = ModelWriter(path, header.architecture)
    writer.add_type("adapter")
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, LORA_ALPHA)
    for tensor in header.tensors:
        if not tensor.name.endswith(LORA_TARGETS):
            continue
        n_in, n_out = tensor.shape
        # llama.cpp adds scale * alpha / rank * B(A x). With these deviations A x is as large as
        # the mean of x, and B brings it to `strength` times that.
        down = _normal(random, (rank, n_in), n_in**-0.5)
        up = _normal(random, (n_out, rank), strength * rank**0.5 / LORA_ALPHA)
        writer.add_tensor(f"{tensor.name}.lora_a", down)
        writer.add_tensor(f"{tensor.name}.lora_b", up)
    writer.write_all()


def split_model(source: Path, folder: Path, parts: int) -> list[Path]:
    """Copy the GGUF model at ``source`` into ``parts`` files in ``folder``; their paths in order.

    As llama.cpp's own tool writes them: ``name-00001-of-0000N.gguf`` holds all metadata, each file
    holds its share of the tensors, and the files after the first know only their number.
    """
    header = read_header(source)
    per_part = -(-len(header.tensors) // parts)
    writer = ModelWriter(folder / source.name, header.architecture, split_max_tensors=per_part)
    writer.add_packed(_other_keys(source))
    _copy_tensors(source, writer)
    assert len(writer.tensors) == parts, f"{parts} does not divide {len(header.tensors)} tensors"
    writer.write_all()
    return sorted(folder.glob(f"{source.stem}-*-of-{parts:05}.gguf"))


def write_with_fewer_tokens(path: Path, source: Path, n_tokens: int) -> None:
    """Copy the GGUF model at ``source`` without the tokens from number ``n_tokens`` on."""
    architecture = read_header(source).architecture
    keys = _other_keys(source)
    keys[Keys.Tokenizer.LIST] = pack_texts(unpack_texts(keys[Keys.Tokenizer.LIST])[:n_tokens])
    keys[Keys.Tokenizer.TOKEN_TYPE] = cut_numbers(keys[Keys.Tokenizer.TOKEN_TYPE], n_tokens)
    keys[f"{architecture}.vocab_size"] = typed(n_tokens)
    writer = ModelWriter(path, architecture)
    writer.add_packed(keys)
    for tensor in read_tensors(source):
        is_table = tensor.name in ("token_embd.weight", "output.weight")
        data = tensor.data[:n_tokens] if is_table else tensor.data
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.kind)
    writer.write_all()


def write_with_long_rope(path: Path, source: Path, n_ctx_short: int) -> None:
    """Copy the GGUF model at ``source`` with two sets of rotary factors, as Phi 3 has them: those
    of a context of more than ``n_ctx_short`` tokens turn everything half as fast."""
    header = read_header(source)
    writer = ModelWriter(path, header.architecture)
    writer.add_packed(_other_keys(source))
    writer.add_rope_scaling_type(RopeScalingType.LONGROPE)
    writer.add_rope_scaling_orig_ctx_len(n_ctx_short)
    _copy_tensors(source, writer)
    n_factors = header.count(f"{header.architecture}.rope.dimension_count") // 2
    for name, factor in (("short", 1.0), ("long", 2.0)):
        writer.add_tensor(f"rope_factors_{name}.weight", np.full(n_factors, factor, np.float32))
    writer.write_all()


def write_with_factor(path: Path, source: Path, factor: float) -> None:
    """Copy the GGUF model at ``source``, its positions stretched by ``factor``."""
    writer = ModelWriter(path, read_header(source).architecture)
    writer.add_packed(_other_keys(source))
    writer.add_rope_scaling_factor(factor)
    _copy_tensors(source, writer)
    writer.write_all()


def write_without_tensor(path: Path, source: Path, name: str) -> None:
    """Copy the GGUF model at ``source`` without the tensor of that ``name``."""
    writer = ModelWriter(path, read_header(source).architecture)
    writer.add_packed(_other_keys(source))
    for tensor in read_tensors(source):
        if tensor.name != name:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.kind)
    writer.write_all()


def write_with_templates(
    path: Path, source: Path, templates: dict[str, str], control_tokens: dict[int, str]
) -> None:
    """Copy the GGUF model at ``source`` with other chat templates ("" is the default one's name)
    and other texts for some of its control tokens."""
    keys = _other_keys(source)
    keys.pop(Keys.Tokenizer.CHAT_TEMPLATE, None)
    texts = unpack_texts(keys[Keys.Tokenizer.LIST])
    for token, text in control_tokens.items():
        texts[token] = text.encode()
    keys[Keys.Tokenizer.LIST] = pack_texts(texts)
    writer = ModelWriter(path, read_header(source).architecture)
    writer.add_packed(keys)
    for name, template in templates.items():
        writer.add_string(Keys.Tokenizer.CHAT_TEMPLATE + (f".{name}" if name else ""), template)
    _copy_tensors(source, writer)
    writer.write_all()


def write_with_end(path: Path, source: Path, token: int) -> None:
    """Copy the GGUF model at ``source`` with ``token``, one of text, for what ends a turn: RWKV's
    is two newlines."""
    write_with_keys(path, source, {Keys.Tokenizer.EOS_ID: token})


def write_with_keys(path: Path, source: Path, keys: Mapping[str, int | bool]) -> None:
    """Copy the GGUF model at ``source`` with other ``keys``."""
    writer = ModelWriter(path, read_header(source).architecture)
    writer.add_packed(_other_keys(source) | {name: typed(value) for name, value in keys.items()})
    _copy_tensors(source, writer)
    writer.write_all()


def write_with_weights(
    path: Path,
    source: Path,
    change: Callable[[StoredTensor], None],
    keys: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Copy the GGUF model at ``source`` with other ``keys``, and with other weights: ``change``
    writes into the copied data of a tensor."""
    writer = ModelWriter(path, read_header(source).architecture)
    changed = {name: typed(value) for name, value in keys.items()}
    writer.add_packed(_other_keys(source) | changed)
    for tensor in read_tensors(source):
        copied = tensor._replace(data=np.array(tensor.data))
        change(copied)
        writer.add_tensor(copied.name, copied.data, raw_dtype=copied.kind)
    writer.write_all()


def _other_keys(source: Path) -> dict[str, bytes]:
    """The keys but for the one that the writer writes by itself."""
    keys = read_keys(source)
    del keys[Keys.General.ARCHITECTURE]
    return keys


def _copy_tensors(source: Path, writer: ModelWriter) -> None:
    for tensor in read_tensors(source):
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.kind)


def write_recurrent(
    path: Path, vocabulary_of: Path, *, seed: int, norm_eps: float = NORM_EPS
) -> None:
    """Write a tiny Mamba model with random weights, and the tokenizer of ``vocabulary_of``.

    Its text is noise, but each token depends on all before it, and greedy choices are clear ones.
    ``norm_eps``: one that is no number makes ggml abort once it computes.
    """
    random = np.random.default_rng(seed)
    writer = ModelWriter(path, "mamba")
    writer.add_name("Tiny Mamba")
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    layers = [_mamba_layer(random) for _ in range(N_LAYERS)]
    _write_layers(writer, vocabulary_of, random, layers, norm_eps=norm_eps)


def write_hybrid(path: Path, vocabulary_of: Path, *, seed: int) -> None:
    """Write a tiny Jamba model, likewise: a layer with a state, and one with attention."""
    random = np.random.default_rng(seed)
    writer = ModelWriter(path, "jamba")
    writer.add_name("Tiny Jamba")
    writer.add_feed_forward_length(N_INNER)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv([0, N_HEADS])  # llama.cpp knows a layer with a state by this
    state = _mamba_layer(random) | {
        "ssm_dt_norm.weight": np.ones(N_TIME_STEP, np.float32),
        "ssm_b_norm.weight": np.ones(N_STATE, np.float32),
        "ssm_c_norm.weight": np.ones(N_STATE, np.float32),
    }
    layers = [state, _attention_layer(random)]
    _write_layers(writer, vocabulary_of, random, [layer | _ffn(random) for layer in layers])


def _write_layers(
    writer: ModelWriter,
    vocabulary_of: Path,
    random: np.random.Generator,
    layers: list[dict[str, Weights]],
    *,
    norm_eps: float = NORM_EPS,
) -> None:
    tokenizer = read_keys(vocabulary_of, "tokenizer.")
    n_vocab = array_length(tokenizer[Keys.Tokenizer.LIST])
    writer.add_type("model")
    writer.add_context_length(N_CTX_TRAIN)
    writer.add_embedding_length(N_EMBEDDING)
    writer.add_block_count(len(layers))
    writer.add_ssm_conv_kernel(N_CONVOLUTION)
    writer.add_ssm_inner_size(N_INNER)
    writer.add_ssm_state_size(N_STATE)
    writer.add_ssm_time_step_rank(N_TIME_STEP)
    writer.add_layer_norm_rms_eps(norm_eps)
    writer.add_packed(tokenizer)
    for name in ("token_embd.weight", "output.weight"):
        writer.add_tensor(name, _normal(random, (n_vocab, N_EMBEDDING), 1.0).astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(N_EMBEDDING, np.float32))
    for number, layer in enumerate(layers):
        for name, weights in layer.items():
            writer.add_tensor(f"blk.{number}.{name}", weights)
    writer.write_all()


def _mamba_layer(random: np.random.Generator) -> dict[str, Weights]:
    """One layer, by llama.cpp's names. Shapes are numpy's: the reverse of what llama.cpp prints.

    ``ssm_a`` is how fast each number of the state fades: slowly, so that the model remembers.
    """
    n_mixed = N_TIME_STEP + 2 * N_STATE
    fading = -np.linspace(0.02, 0.2, N_STATE, dtype=np.float32)
    return {
        "attn_norm.weight": np.ones(N_EMBEDDING, np.float32),
        "ssm_in.weight": _normal(random, (2 * N_INNER, N_EMBEDDING), N_EMBEDDING**-0.5),
        "ssm_conv1d.weight": _normal(random, (N_INNER, N_CONVOLUTION), N_CONVOLUTION**-0.5),
        "ssm_conv1d.bias": np.zeros(N_INNER, np.float32),
        "ssm_x.weight": _normal(random, (n_mixed, N_INNER), N_INNER**-0.5),
        "ssm_dt.weight": _normal(random, (N_INNER, N_TIME_STEP), N_TIME_STEP**-0.5),
        "ssm_dt.bias": np.zeros(N_INNER, np.float32),
        "ssm_a": np.tile(fading, (N_INNER, 1)),
        "ssm_d": np.ones(N_INNER, np.float32),
        "ssm_out.weight": _normal(random, (N_EMBEDDING, N_INNER), 4 * N_INNER**-0.5),
    }


def _attention_layer(random: np.random.Generator) -> dict[str, Weights]:
    square, deviation = (N_EMBEDDING, N_EMBEDDING), N_EMBEDDING**-0.5
    names = ("attn_q", "attn_k", "attn_v", "attn_output")
    layer = {f"{name}.weight": _normal(random, square, deviation) for name in names}
    return layer | {"attn_norm.weight": np.ones(N_EMBEDDING, np.float32)}


def _ffn(random: np.random.Generator) -> dict[str, Weights]:
    wide, narrow = (N_INNER, N_EMBEDDING), (N_EMBEDDING, N_INNER)
    return {
        "ffn_norm.weight": np.ones(N_EMBEDDING, np.float32),
        "ffn_gate.weight": _normal(random, wide, N_EMBEDDING**-0.5),
        "ffn_up.weight": _normal(random, wide, N_EMBEDDING**-0.5),
        "ffn_down.weight": _normal(random, narrow, N_INNER**-0.5),
    }


def _normal(random: np.random.Generator, shape: tuple[int, int], deviation: float) -> Weights:
    return (random.standard_normal(shape) * deviation).astype(np.float32)
