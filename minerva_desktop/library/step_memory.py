"""The compute buffers: what is alive at once while a model computes one step.

Called by `memory_estimate` alone; arithmetic only, any thread. This is what counts until llama.cpp
has said it itself (`measured_memory`). The numbers of rows were found by comparing with its dry
runs of SmolLM2, Gemma 3 and models of six generated shapes: mostly within 1 % with and without
flash attention, and within 10 % where the cache is quantised, where layers keep states, and for
models of the BERT kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minerva_desktop.library.estimate_options import F16_BYTES, F32_BYTES, EstimateOptions
from minerva_desktop.library.gguf import GgufHeader
from minerva_desktop.library.layer_memory import LayerMemory, attends_without_cache, per_layer


def step_bytes(
    header: GgufHeader,
    layers: Sequence[LayerMemory],
    options: EstimateOptions,
    cells: Sequence[int],
) -> int:
    """Activations of the widest layer, and the masks that say who sees whom. ``cells``: how many
    tokens each of the caches has room for."""
    rows = _rows(header, layers, attention_scores(header, options, cells))
    return options.batch_tokens * (rows * F32_BYTES + _mask_bytes(header, options, cells))


def input_bytes(header: GgufHeader, options: EstimateOptions, cells: Sequence[int]) -> int:
    """What the CPU prepares for layers that are elsewhere: embeddings, and the masks. (Measured
    with all layers of SmolLM2 on another device, a worker of llama.cpp's RPC.)"""
    rows = 2 * header.n_embedding
    return options.batch_tokens * (rows * F32_BYTES + _mask_bytes(header, options, cells))


def attention_scores(header: GgufHeader, options: EstimateOptions, cells: Sequence[int]) -> int:
    """Numbers that attention keeps for each token of a batch: a score for each cell and head where
    they are not fused, none with flash attention."""
    if options.flash_attention:
        return 0
    return max(cells, default=0) * _heads(header)


def converted_bytes(
    header: GgufHeader,
    layers: Sequence[LayerMemory],
    options: EstimateOptions,
    cells: Sequence[int],
) -> int:
    """What ggml's CUDA code takes beside the compute buffer where it attends to a full context: it
    keeps the room in which it converts the operands of the largest product there was. With flash
    attention a quantised cache is converted to 16 bits. Without it the keys are to 32 bits, since
    their product with the queries is asked for in full precision, and then the scores are to 16
    bits, as what is found with them is (launch_fattn in fattn-common.cuh, ggml_cuda_mul_mat_cublas
    in ggml-cuda.cu)."""
    n_cells = max(cells, default=0)
    if options.flash_attention:
        keys, values = (
            max((width for width in widths if kv_type != "f16"), default=0)
            for kv_type, widths in (
                (options.kv_type_k, [layer.k_width for layer in layers]),
                (options.kv_type_v, [layer.v_width for layer in layers]),
            )
        )
        return n_cells * (keys + values) * F16_BYTES
    keys = max((layer.k_width for layer in layers), default=0)
    numbers = attention_scores(header, options, cells) + _query_width(header)
    return max(n_cells * keys * F32_BYTES, options.batch_tokens * numbers * F16_BYTES)


def logits_bytes(header: GgufHeader, options: EstimateOptions) -> int:
    """The logits of a step, where the output layer computes them; what the layers needed is free
    again by then."""
    if options.is_embedding:
        return 0
    return header.n_vocab * F32_BYTES * min(options.n_outputs, options.batch_tokens)


def output_bytes(header: GgufHeader, options: EstimateOptions) -> int:
    """The buffer in which a step's results are handed out, in the CPU's memory. With embeddings,
    its final size: a batch of texts has an output for each token."""
    if not options.is_embedding:
        return first_output_bytes(header, options)
    return (header.n_vocab + header.n_embedding) * F32_BYTES * options.n_outputs


def first_output_bytes(header: GgufHeader, options: EstimateOptions) -> int:
    """As large as a load makes it (llama.cpp's ``output_reserve``): logits for each sequence, also
    where only embeddings are computed."""
    width = header.n_vocab + (header.n_embedding if options.is_embedding else 0)
    return width * F32_BYTES * options.n_seq_max


def _mask_bytes(header: GgufHeader, options: EstimateOptions, cells: Sequence[int]) -> int:
    """Of the masks, for each token of a batch."""
    if attends_without_cache(header):
        cells = (options.batch_tokens,)
    # A mask is made in 32 bits where there is no cache, and copied for flash attention.
    width = F32_BYTES if attends_without_cache(header) or not options.flash_attention else 0
    width += F16_BYTES if options.flash_attention else 0
    return sum(cells) * width


def _rows(header: GgufHeader, layers: Sequence[LayerMemory], scores: int) -> int:
    """Numbers of a token that are alive at once: in the feed-forward part of a layer (gate, up and
    their product), or in its attention. Beside either are the residual and a few rows as wide."""
    kind = header.architecture
    width, heads = header.n_embedding, _heads(header)
    experts = header.count(f"{kind}.expert_used_count")
    feed = max(
        *per_layer(header, "feed_forward_length"),
        header.count(f"{kind}.expert_feed_forward_length") * experts,
        header.count(f"{kind}.ssm.inner_size"),
        0,
    )
    query = _query_width(header)
    # Latent attention looks at compressed keys, and gives back what it found as wide as these.
    latent = header.count(f"{kind}.attention.value_length_mla")
    found = heads * header.count(f"{kind}.attention.value_length") if latent else 0
    kv_width = max((layer.k_width + layer.v_width for layer in layers), default=0)
    beside = 3 * width + max(width, heads * latent if latent else query)
    return beside + max(3 * feed, query + kv_width + found + scores)


def _query_width(header: GgufHeader) -> int:
    key_length = header.count(f"{header.architecture}.attention.key_length")
    return _heads(header) * key_length or header.n_embedding


def _heads(header: GgufHeader) -> int:
    return max(per_layer(header, "attention.head_count"), default=0)


def spread(by_device: Mapping[str, int], devices: Sequence[str]) -> list[int]:
    """Bytes in the order of ``devices``; 0 for one that is not named, and what is elsewhere is
    counted on the first."""
    found = [by_device.get(device, 0) for device in devices]
    found[0] += sum(by_device.values()) - sum(found)
    return found
