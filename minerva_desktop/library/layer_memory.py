"""What each layer of a model keeps in the KV cache, read out of a GGUF header.

Called by `memory_estimate` alone, on any thread; nothing here blocks. The rules are those of the
llama.cpp that `pyproject.toml` pins (create_memory in llama-model.cpp, llama-hparams.cpp and the
load_arch_hparams of each model): which layers attend, which of them through a window, which keep
a state of fixed size instead, and how wide the rows are. A header is untrusted: a list of the
wrong length or a number of the wrong type counts as absent.

Not followed, and counted as plain attention: the compressed caches of deepseek4, dots3note,
minimax-m3 and qwen4exp, the repeated layers of nanbeige, the router layer of granite-switch. Of
glm-dsa and hy_v4 every layer counts as one with an indexer, which is the most it can be.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from minerva_desktop.library.estimate_options import KV_BLOCK
from minerva_desktop.library.gguf import GgufHeader

MAX_LAYERS = 512  # LLAMA_MAX_LAYERS

# Architecture -> after how many layers the pattern repeats, and whether the one layer of them that
# sees everything is the first instead of the last. A pattern in the file counts more.
WINDOW_PERIODS = MappingProxyType(
    {
        "afmoe": (4, False),
        "cohere2": (4, False),
        "cohere2moe": (4, True),
        "exaone-moe": (4, False),
        "exaone4": (4, False),
        "gemma2": (2, False),
        "gemma3": (6, False),
        "gemma3n": (5, False),
        "gpt-oss": (2, False),
        "laguna": (4, True),
        "llama4": (4, False),
        "mellum": (4, False),
        "muse-glimmer": (4, False),
        "olmo2": (4, False),
        "plamo3": (8, False),
        "smallthinker": (4, True),
    }
)
# Their files must list which layers look through a window.
WINDOW_LISTED = frozenset({"gemma4", "granite-swa", "maple", "mimo2", "spark2_5", "step35"})
WINDOW_EVERYWHERE = frozenset({"lfm2"})  # all layers that attend, when the file has a window
WINDOW_DEFAULTS = MappingProxyType({"exaone4": 4096, "exaone-moe": 128, "gemma2": 4096})
# llama.cpp takes these whatever the file says, unless the file says that there is no window.
WINDOW_FIXED = MappingProxyType({"llama4": 8192, "smallthinker": 4096})
EXAONE4_LAYERS_WITH_WINDOW = 64  # its only size that has one

RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
# A layer without KV heads keeps a state.
HYBRID_BY_HEADS = frozenset(
    {
        "bailingmoe3",
        "glm5-next",
        "granitehybrid",
        "jamba",
        "kimi-k3",
        "kimi-linear",
        "lfm2",
        "lfm2moe",
        "nemotron_h",
        "nemotron_h_moe",
        "plamo2",
    }
)
# Each n-th layer attends, the others keep a state; n unless the file says another.
HYBRID_BY_INTERVAL = MappingProxyType(
    {"minimax-01": 8, "qwen35": 4, "qwen35moe": 4, "qwen3next": 4, "qwen4exp": 4}
)
HYBRID_BOTH = frozenset({"falcon-h1"})  # each layer attends and keeps a state
HYBRID_UNKNOWN = frozenset({"deepseek4"})  # counted as plain attention
# Layers of these that have a feed-forward part do nothing else.
FEED_FORWARD_APART = frozenset({"nemotron_h", "nemotron_h_moe"})
# Besides its cache each layer has keys of one head for picking what to attend to.
INDEXED = frozenset({"deepseek32", "glm-dsa", "hy_v4"})
# llama.cpp turns it off for these, also where it is asked for (`llama_init_from_model`).
WITHOUT_FLASH_ATTENTION = frozenset({"grok"})

WITHOUT_CACHE = frozenset(
    {
        "bert",
        "dream",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "llada",
        "llada-moe",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "rnd1",
        "wavtokenizer-dec",
    }
)
GEMMA3N_LAYERS_WITH_KV = 20
RWKV_TOKEN_SHIFTS = 2
KDA_CONVOLUTION = 4


class LayerMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What one layer keeps: ``k_width`` and ``v_width`` numbers a token in the KV types,
    ``index_width`` more in the type of K, ``state_width`` 32-bit numbers a sequence.

    ``windowed``: only the last tokens are kept.
    """

    k_width: int = 0
    v_width: int = 0
    index_width: int = 0
    state_width: int = 0
    windowed: bool = False


def is_recurrent(header: GgufHeader) -> bool:
    """Whether layers keep a state of fixed size instead of a cell per token, all or some. Such a
    model cannot take tokens back."""
    return header.architecture in RECURRENT or is_hybrid(header)


def is_hybrid(header: GgufHeader) -> bool:
    """Whether some layers keep a state, and others have cells."""
    hybrid = HYBRID_BY_HEADS | HYBRID_BOTH | HYBRID_UNKNOWN | frozenset(HYBRID_BY_INTERVAL)
    return header.architecture in hybrid


def has_flash_attention(header: GgufHeader) -> bool:
    """Whether llama.cpp can compute its attention in one fused step, where the device can."""
    return header.architecture not in WITHOUT_FLASH_ATTENTION


def attends_without_cache(header: GgufHeader) -> bool:
    """Whether each batch is looked at as a whole, and nothing of it is kept."""
    return header.architecture in WITHOUT_CACHE


def has_kv_cache(header: GgufHeader) -> bool:
    """Whether it keeps keys and values of the tokens that it has read."""
    return any(layer.k_width for layer in layer_memory(header))


def window_tokens(header: GgufHeader) -> int:
    """How many tokens a windowed layer looks back; 0: no layer of this model is windowed."""
    kind = header.architecture
    key = f"{kind}.attention.sliding_window"
    if kind in WINDOW_FIXED:
        absent = key not in header.metadata and kind != "llama4"
        return 0 if absent or header.metadata.get(key) == 0 else WINDOW_FIXED[kind]
    if kind == "exaone4" and n_trunk_layers(header) != EXAONE4_LAYERS_WITH_WINDOW:
        return 0
    if kind in WINDOW_PERIODS or kind in WINDOW_LISTED or kind in WINDOW_EVERYWHERE:
        return header.count(key) or WINDOW_DEFAULTS.get(kind, 0)
    return 0


def layer_memory(header: GgufHeader) -> tuple[LayerMemory, ...]:
    """What each layer keeps, in order. A layer for guessing ahead keeps nothing: it is not used."""
    if attends_without_cache(header):
        return tuple(LayerMemory() for _ in range(n_layers(header)))
    states = _layers_with_state(header)
    windows = _layers_with_window(header)
    attention = _layers_that_attend(header)
    state_width = _state_width(header)
    layers = []
    for index, kv_heads in enumerate(_kv_heads(header)):
        layer = LayerMemory(state_width=state_width if states[index] else 0)
        if attention[index]:
            k_length, v_length = _head_lengths(header, windowed=windows[index])
            layer = msgspec.structs.replace(
                layer,
                k_width=k_length * kv_heads,
                # Multi-head latent attention computes V from what K keeps.
                v_width=0 if _is_latent(header) else v_length * kv_heads,
                index_width=_index_width(header),
                windowed=windows[index],
            )
        layers.append(layer)
    return tuple(layers)


def can_quantise_cache(header: GgufHeader) -> bool:
    """Whether the cache can be kept in blocks of 32 numbers: llama.cpp refuses to load a model
    whose heads' keys or values do not divide by that."""
    windows = {layer.windowed for layer in layer_memory(header) if layer.k_width}
    lengths = [length for each in windows for length in _head_lengths(header, windowed=each)]
    return bool(lengths) and all(length % KV_BLOCK == 0 for length in lengths)


def n_layers(header: GgufHeader) -> int:
    """All layers, those for guessing ahead too; at most `MAX_LAYERS`, which llama.cpp allows."""
    return min(header.n_layers, MAX_LAYERS)


def per_layer(header: GgufHeader, key: str) -> tuple[int, ...]:
    """The numbers >= 0 that ``key`` (without architecture) has for the layers, whether it is one
    number for all or a list; zeros when it is absent."""
    return _given_per_layer(header, key) or (0,) * n_layers(header)


def _given_per_layer(header: GgufHeader, key: str) -> tuple[int, ...]:
    """As `per_layer`, but empty when the key is absent."""
    total = n_layers(header)
    full_key = f"{header.architecture}.{key}"
    listed = header.arrays.get(full_key)
    if listed is not None and len(listed.values) >= total:
        numbers = listed.values[:total]
        return tuple(max(value, 0) if isinstance(value, int) else 0 for value in numbers)
    return (header.count(full_key),) * total if full_key in header.metadata else ()


def n_trunk_layers(header: GgufHeader) -> int:
    """The layers that compute the next token. Those behind them guess further ones: llama.cpp's
    ``load_mtp`` is off, and it leaves them out of a load."""
    ahead = header.count(f"{header.architecture}.nextn_predict_layers")
    return max(n_layers(header) - ahead, 0)


def _kv_heads(header: GgufHeader) -> tuple[int, ...]:
    given = _given_per_layer(header, "attention.head_count_kv")
    return given or per_layer(header, "attention.head_count")


def _head_lengths(header: GgufHeader, *, windowed: bool) -> tuple[int, int]:
    """Numbers of a head's key and value."""
    heads = per_layer(header, "attention.head_count")
    if not heads or not heads[0]:
        return 0, 0
    kind, usual = header.architecture, header.n_embedding // heads[0]
    lengths = []
    for name in ("key_length", "value_length"):
        key = f"{kind}.attention.{name}"
        length = header.count(key) or usual
        lengths.append((windowed and header.count(f"{key}_swa")) or length)
    return lengths[0], lengths[1]


def _is_latent(header: GgufHeader) -> bool:
    prefix = f"{header.architecture}.attention"
    return bool(header.count(f"{prefix}.key_length_mla"))


def _index_width(header: GgufHeader) -> int:
    if header.architecture not in INDEXED:
        return 0
    return header.count(f"{header.architecture}.attention.indexer.key_length")


def _layers_that_attend(header: GgufHeader) -> tuple[bool, ...]:
    kind = header.architecture
    total, trunk = n_layers(header), n_trunk_layers(header)
    if kind in RECURRENT:
        return (False,) * total
    last = trunk or total
    if kind == "gemma3n":
        last = min(last, GEMMA3N_LAYERS_WITH_KV)
    if kind == "gemma4":
        last = min(last, total - header.count("gemma4.attention.shared_kv_layers"))
    states = _layers_with_state(header)
    feeds = per_layer(header, "feed_forward_length")
    return tuple(
        index < last
        and (kind in HYBRID_BOTH or not states[index])
        and not (kind in FEED_FORWARD_APART and feeds[index])
        for index in range(total)
    )


def _layers_with_state(header: GgufHeader) -> tuple[bool, ...]:
    kind = header.architecture
    total, trunk = n_layers(header), n_trunk_layers(header)
    if kind in RECURRENT or kind in HYBRID_BOTH:
        return tuple(index < trunk for index in range(total))
    if kind in HYBRID_BY_HEADS:
        feeds = per_layer(header, "feed_forward_length")
        return tuple(
            index < trunk and not kv_heads and not (kind in FEED_FORWARD_APART and feeds[index])
            for index, kv_heads in enumerate(_kv_heads(header))
        )
    if kind not in HYBRID_BY_INTERVAL:
        return (False,) * total
    if f"{kind}.attention.recurrent_layers" in header.arrays:
        listed = per_layer(header, "attention.recurrent_layers")
        return tuple(index < trunk and bool(state) for index, state in enumerate(listed))
    interval = header.count(f"{kind}.full_attention_interval") or HYBRID_BY_INTERVAL[kind]
    return tuple(index < trunk and (index + 1) % interval != 0 for index in range(total))


def _layers_with_window(header: GgufHeader) -> tuple[bool, ...]:
    kind = header.architecture
    total, trunk = n_layers(header), n_trunk_layers(header)
    if not window_tokens(header):
        return (False,) * total
    if kind in WINDOW_EVERYWHERE:
        return (True,) * total
    if f"{kind}.attention.sliding_window_pattern" in header.arrays:
        listed = per_layer(header, "attention.sliding_window_pattern")
        return tuple(bool(windowed) for windowed in listed)
    period, full_first = WINDOW_PERIODS.get(kind, (0, False))
    period = header.count(f"{kind}.attention.sliding_window_pattern") or period
    if not period:
        return (False,) * total
    full = 0 if full_first else period - 1
    return tuple(index < trunk and index % period != full for index in range(total))


def _state_width(header: GgufHeader) -> int:
    """Numbers that a layer with a state keeps of one sequence: what the last tokens were, for its
    convolution or token shift, and the state proper (n_embd_r and n_embd_s of llama.cpp)."""
    kind, width = header.architecture, header.n_embedding
    n_heads = next(iter(per_layer(header, "attention.head_count")), 0)
    if head := header.count(f"{kind}.wkv.head_size"):
        shifts = header.count(f"{kind}.token_shift_count") or RWKV_TOKEN_SHIFTS
        return shifts * width + width * head
    if kept := header.count(f"{kind}.shortconv.l_cache"):
        return width * (kept - 1)
    convolution = header.count(f"{kind}.ssm.conv_kernel")
    if head := header.count(f"{kind}.kda.head_dim"):
        return 3 * ((convolution or KDA_CONVOLUTION) - 1) * n_heads * head + head * head * n_heads
    if kind == "minimax-01":
        head, _ = _head_lengths(header, windowed=False)
        return head * head * n_heads
    inner = header.count(f"{kind}.ssm.inner_size")
    state = header.count(f"{kind}.ssm.state_size")
    groups = header.count(f"{kind}.ssm.group_count")
    return max(convolution - 1, 0) * (inner + 2 * groups * state) + state * inner
