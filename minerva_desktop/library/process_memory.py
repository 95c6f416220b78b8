"""What an engine child holds beside weights, cache and compute buffers: the vocabulary, a work
buffer, and what grows with the number of tensors and of tokens.

Called by `memory_estimate` alone; arithmetic only, any thread. The sizes of llama.cpp's objects are
those of 64-bit libstdc++ (its llama-vocab.cpp: ``token_to_id``, ``id_to_token``,
``cache_token_to_piece``, ``bpe_ranks``), in the pieces that glibc's malloc cuts. Compared with the
growth of real processes for 20 vocabularies of 30,000 to 262,000 tokens: within 6 %.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from minerva_desktop.library.estimate_options import F16_BYTES, EstimateOptions
from minerva_desktop.library.gguf import GgufHeader, GgufTensor

# A token: 64 bytes in the map of tokens, 40 in the list of them (text, score, attributes), 32 for
# its decoded text, 4 in the context's list of ids, 12 as a candidate of a sampler.
TOKEN_BYTES = 64 + 40 + 32 + 4 + 12
MERGE_BYTES = 96  # a pair of texts and its rank, in a map
POINTER_BYTES = 8
# A map has room for up to twice as many as it holds: libstdc++'s prime numbers when it doubles.
BUCKETS = (
    *(13, 29, 59, 127, 257, 541, 1_109, 2_357, 5_087, 10_273, 20_753, 42_043, 85_229),
    *(172_933, 351_061, 712_697, 1_447_153, 2_938_679, 5_967_347),
)
# Texts of over 15 bytes do not fit into a std::string and get a piece of memory of their own. Their
# share grows with the mean length: none in vocabularies with a mean of 6.5 bytes, and 4 % more
# with each further byte (measured; up to 24 % with 11.6).
TEXT_COPIES = 3
LONG_FROM_MEAN = 6.5  # bytes
LONG_SHARE = 0.04  # for each byte beyond
LONG_TEXT_BYTES = 40
# A table of what each character is, which byte pair encoding looks into: 0x110000 * 2 bytes.
CHARACTER_TABLE_BYTES = 0x110000 * 2
# Tokenisers with a prefix tree: a node (112 bytes) for three bytes in ten of all texts (measured
# with XLM-RoBERTa's 250,048 tokens).
TREE_TOKENISERS = frozenset({"t5", "rwkv", "plamo2"})
TREE_BYTES = 34
BPE_TOKENISERS = frozenset({"gpt2", "gemma4", "hybriddna", "whitespace"})

# Measured with models of 1 to 30 layers on CPU (Linux, llama-cpp-python 0.3.36): code that is used
# for the first time, threads, our own objects.
PROCESS_BYTES = 3_500_000
# Nodes of graphs and their copies, 8 to a tensor, of about 400 bytes, in three graphs.
TENSOR_BYTES = 9_500
ADAPTER_TENSOR_BYTES = 5_500  # its nodes, and what it adds to those that are there
# A cell (150 bytes) with its token in our lists, and in the texts from which it was made.
CONTEXT_TOKEN_BYTES = 450

# Before ggml's CPU code multiplies, it converts the activations to what goes with the weights
# (type_traits_cpu in ggml-cpu.c): Q8_0, Q8_1 and Q8_K have up to 36 bytes for 32 numbers.
CONVERTED_BYTES: MappingProxyType[str, float] = MappingProxyType(
    {"F32": 0.0, "F16": F16_BYTES, "BF16": F16_BYTES}
)
CONVERTED_BYTES_QUANTISED = 36 / 32


# What cuBLAS works in, and code that is loaded when it is first used: on an H200 80 MB with flash
# attention, 95 to 110 where a part is on the CPU or the cache is quantised (**measured**).
GPU_WORK_BYTES = 85_000_000


def process_bytes(header: GgufHeader, options: EstimateOptions, scores: int) -> int:
    """All of it. ``scores``: numbers that an attention without flash keeps for each token of a
    batch (0 with it)."""
    fixed = len(header.tensors) * TENSOR_BYTES
    return (
        fixed
        + vocabulary_bytes(header)
        + options.n_ctx * CONTEXT_TOKEN_BYTES
        + _work_bytes(header, options.batch_tokens, scores)
    )


def vocabulary_bytes(header: GgufHeader) -> int:
    """What the vocabulary of a loaded model takes."""
    tokens = header.arrays.get("tokenizer.ggml.tokens")
    if tokens is None:
        return header.n_vocab * TOKEN_BYTES
    kind = header.text("tokenizer.ggml.model")
    total = tokens.count * TOKEN_BYTES + _map_bytes(tokens.count)
    total += _long_texts(tokens.count, tokens.n_bytes) * TEXT_COPIES
    if kind in BPE_TOKENISERS:
        merges = header.arrays.get("tokenizer.ggml.merges")
        n_merges = merges.count if merges is not None else 0
        total += n_merges * MERGE_BYTES + _map_bytes(n_merges) + CHARACTER_TABLE_BYTES
    if kind in TREE_TOKENISERS:
        total += math.ceil(tokens.n_bytes * TREE_BYTES)
    return total


def _map_bytes(count: int) -> int:
    return next((size for size in BUCKETS if size >= count), 2 * count) * POINTER_BYTES


def _long_texts(count: int, n_bytes: int) -> int:
    mean = n_bytes / count if count else 0.0
    share = min(max(mean - LONG_FROM_MEAN, 0.0) * LONG_SHARE, 1.0)
    return int(count * share * max(LONG_TEXT_BYTES, mean))


def _work_bytes(header: GgufHeader, tokens: int, scores: int) -> int:
    """ggml's buffer for converted activations: as large as the largest matrix product needs."""
    widest = max((_converted(header, tensor) for tensor in header.tensors), default=0.0)
    return int(tokens * max(widest, scores * F16_BYTES))


def _converted(header: GgufHeader, tensor: GgufTensor) -> float:
    """Bytes for one token before it is multiplied with ``tensor``."""
    if not tensor.name.startswith("blk.") or len(tensor.shape) < 2:
        return 0.0
    width = tensor.shape[0]
    if len(tensor.shape) == 3:  # heads, or experts; each has an input of its own
        is_expert = "_exps." in tensor.name
        n_used = header.count(f"{header.architecture}.expert_used_count")
        width *= max(n_used, 1) if is_expert else tensor.shape[2]
    return width * CONVERTED_BYTES.get(tensor.type_name, CONVERTED_BYTES_QUANTISED)
