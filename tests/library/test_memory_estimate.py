"""The estimate of a model's memory against numbers worked out by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from minerva_desktop.library.estimate_options import EstimateOptions, GpuShare
from minerva_desktop.library.gguf import (
    MAX_LISTED_NUMBERS,
    MAX_LISTED_NUMBERS_IN_ALL,
    GgufHeader,
    parse_header,
)
from minerva_desktop.library.memory_estimate import Companions, Estimator, Figures
from minerva_desktop.library.process_memory import GPU_WORK_BYTES, vocabulary_bytes
from tests.library.gguf_writer import Tensor, Value, gguf_bytes

F16 = 2  # bytes
F32 = 4

OPTIONS = EstimateOptions(n_ctx=300, n_seq_max=2)


def _header(kind: str, **keys: Value) -> GgufHeader:
    """A header of 4 layers, 64 wide, with 8 heads of 8; ``__`` in a key stands for a dot."""
    shape: Mapping[str, Value] = {
        "block_count": 4,
        "context_length": 4096,
        "embedding_length": 64,
        "attention.head_count": 8,
        "feed_forward_length": 256,
    }
    own = {key.replace("__", "."): value for key, value in keys.items()}
    metadata: dict[str, Value] = {"general.architecture": kind}
    metadata |= {f"{kind}.{key}": value for key, value in {**shape, **own}.items()}
    tensors = [
        Tensor("token_embd.weight", (64, 100)),
        *(Tensor(f"blk.{index}.ffn_up.weight", (64, 10)) for index in range(4)),
        Tensor("output_norm.weight", (64,)),
    ]
    data = gguf_bytes(metadata, tensors)
    return parse_header(io.BytesIO(data), len(data), "test.gguf")


def _kv(header: GgufHeader, options: EstimateOptions = OPTIONS) -> int:
    return Estimator(header).estimate(options).kv_bytes


def test_cells_come_in_steps_of_256() -> None:
    per_cell = 4 * (64 + 64) * F16
    assert _kv(_header("llama"), replace(OPTIONS, n_ctx=256)) == 256 * per_cell
    assert _kv(_header("llama"), replace(OPTIONS, n_ctx=257)) == 512 * per_cell


def test_grouped_queries_share_keys_and_values() -> None:
    grouped = _header("llama", attention__head_count_kv=2)
    assert _kv(grouped) == 512 * 4 * (16 + 16) * F16
    # Blocks of 32 numbers: 34 bytes as q8_0, 18 as q4_0.
    quantised = replace(OPTIONS, kv_type_k="q8_0", kv_type_v="q4_0")
    assert _kv(_header("llama"), quantised) == 512 * 4 * (2 * 34 + 2 * 18)


def test_heads_may_differ_in_length() -> None:
    header = _header("llama", attention__key_length=12, attention__value_length=20)
    assert _kv(header) == 512 * 4 * 8 * (12 + 20) * F16


def test_heads_may_differ_from_layer_to_layer() -> None:
    header = _header("openelm", attention__head_count_kv=[4, 1, 1, 2])
    assert _kv(header) == 512 * 8 * (4 + 1 + 1 + 2) * 2 * F16
    # Without flash attention V is as wide in each layer as in the widest.
    assert _kv(header, replace(OPTIONS, flash_attention=False)) == 512 * 8 * (8 + 4 * 4) * F16


def test_windowed_layers_keep_their_window_and_a_batch() -> None:
    header = _header("gemma3", attention__sliding_window=300, block_count=7)
    options = replace(OPTIONS, n_ctx=4096, n_batch=100)
    window = 768  # 2 sequences * 300 + 100, in steps of 256
    per_cell = 128 * F16
    assert _kv(header, options) == (6 * window + 1 * 4096) * per_cell
    assert _kv(header, replace(options, n_draft=8)) == 7 * 4096 * per_cell
    assert _kv(header, replace(options, n_ctx=512)) == 7 * 512 * per_cell


@pytest.mark.parametrize(
    ("kind", "keys", "n_windowed"),
    [
        ("gemma2", {"attention__sliding_window": 128}, 2),
        ("cohere2moe", {"attention__sliding_window": 128}, 3),
        ("gemma3", {}, 0),
        ("exaone4", {"attention__sliding_window": 128}, 0),  # only with 64 layers
        # These models have the key, and llama.cpp does not look at it.
        ("qwen2", {"attention__sliding_window": 128}, 0),
        ("phi3", {"attention__sliding_window": 128}, 0),
        (
            "gpt-oss",
            {"attention__sliding_window": 128, "attention__sliding_window_pattern": [1, 1, 1, 0]},
            3,
        ),
        ("olmo2", {"attention__sliding_window": 128, "attention__sliding_window_pattern": 2}, 2),
    ],
)
def test_each_architecture_has_its_own_windows(
    kind: str, keys: dict[str, Value], n_windowed: int
) -> None:
    options = replace(OPTIONS, n_ctx=4096, n_batch=256)
    cells = n_windowed * 512 + (4 - n_windowed) * 4096
    assert _kv(_header(kind, **keys), options) == cells * 128 * F16


def test_latent_attention_keeps_one_row_for_keys_and_values() -> None:
    keys: dict[str, Value] = {
        "attention__head_count_kv": 1,
        "attention__key_length": 576,  # a rank of 512 and 64 rotated
        "attention__value_length": 512,
        "attention__key_length_mla": 192,
        "attention__value_length_mla": 128,
    }
    assert _kv(_header("deepseek2", **keys)) == 512 * 4 * 576 * F16
    indexed = _header("deepseek32", **keys, attention__indexer__key_length=128)
    assert _kv(indexed) == 512 * 4 * (576 + 128) * F16


def test_recurrent_layers_keep_a_state_of_each_sequence() -> None:
    sizes: dict[str, Value] = {
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 128,
        "ssm__state_size": 16,
        "ssm__group_count": 2,
    }
    state = 3 * (128 + 2 * 2 * 16) + 16 * 128
    assert _kv(_header("mamba2", **sizes)) == 4 * 2 * state * F32
    attends = 512 * (16 + 16) * F16
    jamba = _header("jamba", **sizes, attention__head_count_kv=[0, 0, 2, 0])
    assert _kv(jamba) == 3 * 2 * state * F32 + attends
    both = _header("falcon-h1", **sizes, attention__head_count_kv=2)
    assert _kv(both) == 4 * (2 * state * F32 + attends)
    interval = _header("qwen3next", **sizes, attention__head_count_kv=2, full_attention_interval=2)
    assert _kv(interval) == 2 * (2 * state * F32 + attends)
    rwkv = _header("rwkv7", wkv__head_size=8, attention__head_count=0)
    assert _kv(rwkv) == 4 * 2 * (2 * 64 + 64 * 8) * F32
    lfm2 = _header("lfm2", shortconv__l_cache=3, attention__head_count_kv=[0, 2, 0, 2])
    assert _kv(lfm2) == 2 * 2 * (64 * 2) * F32 + 2 * attends


def test_layers_that_share_or_only_guess_keep_nothing() -> None:
    per_layer = 512 * 128 * F16
    assert _kv(_header("glm4moe", nextn_predict_layers=1)) == 3 * per_layer
    shared = _header(
        "gemma4",
        attention__sliding_window=1024,
        attention__sliding_window_pattern=[0, 0, 0, 0],
        attention__shared_kv_layers=2,
    )
    assert _kv(shared) == 2 * per_layer
    assert _kv(_header("bert")) == 0


def test_numbers_that_no_model_has_are_survived() -> None:
    header = _header("llama", block_count=512, attention__head_count_kv=[1, -5])
    assert _kv(header) > 0
    nothing = parse_header(io.BytesIO(gguf_bytes({}, [])), 24, "test.gguf")
    assert Estimator(nothing).estimate(OPTIONS).kv_bytes == 0


TABLE = 64 * 100 * F32
LAYER = 64 * 10 * F32
NORM = 64 * F32


def test_layers_go_to_the_gpu_from_the_end_on() -> None:
    header = _header("llama")
    one_gpu = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),), n_gpu_layers=3)
    cpu, gpu = Estimator(header).estimate(one_gpu).devices
    assert (cpu.device, gpu.device) == ("CPU", "GPU0")
    assert cpu.weights_bytes == TABLE + 2 * LAYER
    # The output layer uses the table of tokens, and the GPU needs its own.
    assert gpu.weights_bytes == 2 * LAYER + NORM + TABLE
    assert cpu.kv_bytes == gpu.kv_bytes == 2 * 512 * 128 * F16
    (alone,) = Estimator(header).estimate(replace(OPTIONS, n_gpu_layers=3)).devices
    assert alone.weights_bytes == TABLE + 4 * LAYER + NORM


def test_two_gpus_take_their_shares() -> None:
    header = _header("llama")
    shares = replace(OPTIONS, gpus=(GpuShare("GPU0", 3.0), GpuShare("GPU1", 2.0)))
    cpu, first, second = Estimator(header).estimate(shares).devices
    assert (cpu.weights_bytes, cpu.kv_bytes) == (TABLE, 0)
    assert first.weights_bytes == 3 * LAYER
    assert second.weights_bytes == LAYER + NORM + TABLE


class _Known:
    """Reports that are the same for all options."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def find(self, _options: EstimateOptions) -> Figures:
        return self._figures


def test_what_llama_cpp_reported_counts_more() -> None:
    header = _header("llama")
    known = _Known(Figures(compute={"CPU": 12_345}))
    estimate = Estimator(header, reports=known).estimate(OPTIONS)
    guessed = Estimator(header).estimate(OPTIONS)
    assert (estimate.is_reported, guessed.is_reported) == (True, False)
    assert estimate.compute_bytes == 12_345
    assert estimate.kv_bytes == guessed.kv_bytes
    assert estimate.weights_bytes == guessed.weights_bytes


def test_what_was_reported_of_each_device_stays_there() -> None:
    spread = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0), GpuShare("GPU1", 1.0)))
    figures = Figures(
        compute={"CPU": 10, "GPU0": 20, "GPU1": 30, "GPU7": 5},
        kv_bytes=1_000_000,
        weights={"GPU0": 77},
    )
    estimate = Estimator(_header("llama"), reports=_Known(figures)).estimate(spread)
    assert [device.compute_bytes for device in estimate.devices] == [15, 20, 30]
    assert estimate.kv_bytes == 1_000_000
    assert [device.kv_bytes for device in estimate.devices] == [0, 750_000, 250_000]
    assert estimate.devices[1].weights_bytes == 77


def test_the_largest_context_is_the_last_that_fits() -> None:
    header = _header("llama")
    room = Estimator(header).estimate(replace(OPTIONS, n_ctx=1024)).total_bytes
    assert Estimator(header).largest_n_ctx(OPTIONS, {"CPU": room}) == 1024
    assert Estimator(header).largest_n_ctx(OPTIONS, {"CPU": room - 1}) == 768
    assert Estimator(header).largest_n_ctx(OPTIONS, {"CPU": 0}) == 0
    assert Estimator(header).largest_n_ctx(OPTIONS, {}) == 4096  # as trained
    on_gpu = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),))
    cpu, gpu = Estimator(header).estimate(replace(on_gpu, n_ctx=512)).devices
    assert cpu.kv_bytes == 0
    assert Estimator(header).largest_n_ctx(on_gpu, {"GPU0": gpu.total_bytes}) == 512


def test_as_many_layers_as_fit_are_offloaded() -> None:
    header = _header("llama")
    options = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),))
    whole = Estimator(header).estimate(options).devices[1].total_bytes
    assert Estimator(header).most_gpu_layers(options, {"GPU0": whole}) == 5
    assert Estimator(header).most_gpu_layers(options, {"GPU0": whole - 1}) == 4
    assert Estimator(header).most_gpu_layers(options, {"GPU0": 0}) == 0
    assert Estimator(header).most_gpu_layers(options, {}) == 5
    assert Estimator(header).most_gpu_layers(OPTIONS, {}) == 0


def test_only_short_lists_of_numbers_are_kept() -> None:
    # All in one dictionary, so that the sum is over what is kept in all, too.
    n_full = MAX_LISTED_NUMBERS_IN_ALL // MAX_LISTED_NUMBERS
    metadata: dict[str, Value] = {"a": [1] * (MAX_LISTED_NUMBERS + 1)}
    metadata |= {f"b{index}": [1] * MAX_LISTED_NUMBERS for index in range(n_full)}
    metadata |= {"c": [1, 2, 3]}
    data = gguf_bytes(metadata)
    arrays = parse_header(io.BytesIO(data), len(data), "test.gguf").arrays
    assert (arrays["a"].values, arrays["a"].count) == ((), MAX_LISTED_NUMBERS + 1)
    assert arrays[f"b{n_full - 1}"].values == (1,) * MAX_LISTED_NUMBERS
    assert (arrays["c"].values, arrays["c"].count) == ((), 3)


def test_layers_that_only_guess_are_not_loaded() -> None:
    header = _header("glm4moe", nextn_predict_layers=1)
    assert Estimator(header).estimate(OPTIONS).weights_bytes == TABLE + 3 * LAYER + NORM


def test_adapters_lie_where_the_layers_do_that_they_change() -> None:
    header = _header("llama")
    tensors = [
        Tensor("blk.0.attn_q.weight.lora_a", (64, 4)),
        Tensor("blk.3.attn_q.weight.lora_a", (64, 8)),
        Tensor("token_embd.weight.lora_b", (4, 100)),
    ]
    data = gguf_bytes({"general.architecture": "llama", "general.type": "adapter"}, tensors)
    adapter = parse_header(io.BytesIO(data), len(data), "adapter.gguf")
    options = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),), n_gpu_layers=2)
    bare = Estimator(header).estimate(options).devices
    beside = Companions(adapters=(adapter, adapter))
    cpu, gpu = Estimator(header, beside).estimate(options).devices
    assert cpu.weights_bytes - bare[0].weights_bytes == 2 * (64 * 4 + 4 * 100) * F32
    assert gpu.weights_bytes - bare[1].weights_bytes == 2 * 64 * 8 * F32
    assert cpu.other_bytes > bare[0].other_bytes


def test_a_draft_model_goes_to_the_gpu_with_a_cache_of_its_own() -> None:
    header, draft = _header("llama"), _header("llama", attention__head_count_kv=2)
    gpus = (GpuShare("GPU0", 1.0),)
    options = replace(OPTIONS, gpus=gpus, n_gpu_layers=0, n_draft=8, kv_type_k="q8_0")
    bare = Estimator(header).estimate(options)
    both = Estimator(header, Companions(draft=draft)).estimate(options)
    own = both.devices[1].kv_bytes - bare.devices[1].kv_bytes
    assert own == 512 * 4 * (16 + 16) * F16
    assert both.devices[1].weights_bytes > 0
    assert both.devices[0].other_bytes > bare.devices[0].other_bytes


def test_what_goes_in_is_prepared_on_the_cpu() -> None:
    header = _header("llama", vocab_size=100)
    options = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),))
    cpu, gpu = Estimator(header).estimate(options).devices
    tokens, outputs = 300, 2 * 100 * F32
    # Two rows as wide as the model, and a mask with a number for each cell.
    assert cpu.compute_bytes == tokens * (2 * 64 * F32 + 512 * F16) + outputs
    assert gpu.compute_bytes > cpu.compute_bytes


def test_steps_of_layers_on_the_cpu_use_the_gpu_too() -> None:
    header = _header("llama")
    options = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0),), n_gpu_layers=0)
    assert Estimator(header).estimate(options).devices[1].compute_bytes > LAYER
    few = replace(options, n_batch=8)
    assert Estimator(header).estimate(few).devices[1].total_bytes == 0


def test_embeddings_take_an_output_for_each_token() -> None:
    header = _header("bert")
    options = replace(OPTIONS, n_ctx=512, n_seq_max=64, is_embedding=True)
    small, large = (
        Estimator(header).estimate(replace(options, n_ctx=n_ctx)) for n_ctx in (512, 4096)
    )
    assert small.kv_bytes == large.kv_bytes == 0
    # Whatever n_batch says, a text is computed in one step, and everybody sees everybody.
    mask = 4 + 2
    grown = 4096**2 * mask - 512**2 * mask
    assert large.compute_bytes - small.compute_bytes > grown


def test_a_larger_vocabulary_takes_more() -> None:
    def with_tokens(kind: str, texts: list[str], merges: int = 0) -> int:
        metadata: dict[str, Value] = {
            "general.architecture": "llama",
            "tokenizer.ggml.model": kind,
            "tokenizer.ggml.tokens": texts,
            "tokenizer.ggml.merges": ["a b"] * merges or [1],
        }
        data = gguf_bytes(metadata, [])
        return vocabulary_bytes(parse_header(io.BytesIO(data), len(data), "test.gguf"))

    short = [f"{number:05}" for number in range(1000)]
    # 152 bytes of objects each, and 1,109 places of 8 bytes in a map.
    assert with_tokens("llama", short) == 152_000 + 1109 * 8
    table = 0x110000 * 2
    assert with_tokens("gpt2", short, merges=500) == 160_872 + 500 * 96 + 541 * 8 + table
    long = [f"{number:040}" for number in range(1000)]
    assert with_tokens("llama", long) == 160_872 + 3 * 1000 * 40
    assert with_tokens("t5", short) == 160_872 + 5 * 1000 * 34


def test_a_gpu_that_is_used_has_the_context_of_the_process() -> None:
    header, context = _header("llama"), 500_000_000
    gpus = (GpuShare("GPU0", 1.0, context), GpuShare("GPU1", 0.0, context))
    bare = replace(OPTIONS, gpus=(GpuShare("GPU0", 1.0), GpuShare("GPU1", 0.0)))
    without = Estimator(header).estimate(bare).devices
    cpu, used, idle = Estimator(header).estimate(replace(OPTIONS, gpus=gpus)).devices
    assert used.other_bytes == context + GPU_WORK_BYTES
    assert used.total_bytes == without[1].total_bytes + used.other_bytes
    assert (cpu, idle.total_bytes) == (without[0], 0)


def test_a_gpu_has_room_for_what_is_converted() -> None:
    """For a cache of 4,096 cells with keys and values of 64 numbers, and batches of 512 tokens with
    8 heads."""
    header, context = _header("llama"), 500_000_000

    def converted(gpu_context: int = context, **options: Any) -> int:
        gpus = (GpuShare("GPU0", 1.0, gpu_context),)
        given = replace(OPTIONS, n_ctx=4096, gpus=gpus, **options)
        gpu = Estimator(header).estimate(given).devices[1]
        return gpu.other_bytes - gpu_context - GPU_WORK_BYTES

    assert converted() == 0
    assert converted(kv_type_k="q8_0") == 4096 * 64 * 2
    assert converted(kv_type_k="q8_0", kv_type_v="q4_0") == 4096 * (64 + 64) * 2
    assert converted(flash_attention=False) == 512 * (4096 * 8 + 64) * 2
    assert converted(flash_attention=False, n_batch=1) == 4096 * 64 * 4
    assert converted(flash_attention=False, n_gpu_layers=0) == 0  # what attends is on the CPU
    assert converted(0, flash_attention=False) == -GPU_WORK_BYTES  # no CUDA


def test_what_a_long_prompt_fills_of_the_cpu_has_no_context_of_a_gpu() -> None:
    """That is there for large batches alone, where all layers are on the CPU."""
    options = replace(OPTIONS, n_gpu_layers=0, gpus=(GpuShare("GPU0", 1.0, 500_000_000),))
    estimator = Estimator(_header("llama"))
    assert estimator.estimate(options).devices[1].other_bytes > 500_000_000
    assert 0 < estimator.later_bytes(options) == estimator.later_bytes(OPTIONS)
